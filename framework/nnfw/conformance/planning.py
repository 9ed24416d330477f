"""Turns a marked test into one test per check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from nnfw.conformance.outcomes import CheckFailed
from nnfw.conformance.parametrization import ARGUMENT
from nnfw.conformance.running import Check, checks_of, expected_reason, found, require_known
from nnfw.conformance.subjects import Subject
from nnfw.plugins import default_registry


@dataclass(frozen=True)
class PlannedCheck:
    """A check of one component, to be called in a test.

    Parameters
    ----------
    check, subject
        What is checked.
    """

    check: Check
    subject: Subject[object]

    def __call__(self) -> None:
        """Run it: a failure fails the test, and a check that does not apply skips it."""
        __tracebackhide__ = True
        outcome = self.check.run(self.subject)
        if outcome.status == "skipped":
            pytest.skip(outcome.message)
        if outcome.status == "failed":
            raise CheckFailed(f"{outcome.component}: {outcome.check}: {outcome.message}") from outcome.error


def parametrize(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """Parametrize a test with the checks that its mark asks for."""
    if ARGUMENT not in metafunc.fixturenames:
        raise pytest.UsageError(f"{metafunc.definition.nodeid} must take the argument {ARGUMENT!r}, and call it.")
    metafunc.parametrize(ARGUMENT, list(_parameters(mark)))


def _parameters(mark: pytest.Mark) -> Iterator[object]:
    arguments = dict(mark.kwargs)
    expected_failures = arguments.pop("expected_failures")
    require_known(key.rpartition(":")[2] for key in expected_failures)
    for what in mark.args:
        for subject in found(what, default_registry(), **arguments):
            for check in checks_of(subject.sort):
                reason = expected_reason(check.id, subject, expected_failures)
                marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True, raises=CheckFailed)]
                yield pytest.param(PlannedCheck(check, subject), id=f"{subject.name}-{check.id}", marks=marks)
