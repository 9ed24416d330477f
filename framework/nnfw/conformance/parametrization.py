"""The checks as tests of pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from nnfw.arrays import Shape
from nnfw.conformance.outcomes import CheckFailed
from nnfw.conformance.running import Check, checks_for, expected_reason, found, require_known
from nnfw.conformance.subjects import Subject
from nnfw.plugins import default_registry

if TYPE_CHECKING:
    import pytest

_ARGUMENT = "check"


def parametrize_checks(
    *what: object,
    expected_failures: Mapping[str, str] | None = None,
    input_shapes: tuple[Shape | tuple[Shape, ...], ...] = (),
    formula: Callable[..., Any] | None = None,
) -> pytest.MarkDecorator:
    """Return a decorator that runs a test once for each component and check.

    The test takes one argument, ``check``, and calls it. Nothing is imported or discovered before pytest collects.

    Parameters
    ----------
    what
        Distributions, names of components, or component objects.
    expected_failures
        Reasons by id of a check, or by ``NAME:ID``; each must fail then (a strict xfail).
    input_shapes, formula
        As for :class:`Subject`.

    Examples
    --------
    >>> @parametrize_checks("relu", "layer:dropout")
    ... def test_component_keeps_the_rules(check):
    ...     check()
    """
    import pytest

    return pytest.mark.nnfw_checks(
        *what, expected_failures=expected_failures or {}, input_shapes=input_shapes, formula=formula
    )


def parametrize(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """Parametrize a test with the checks that its mark asks for."""
    import pytest

    if _ARGUMENT not in metafunc.fixturenames:
        raise pytest.UsageError(f"{metafunc.definition.nodeid} must take the argument {_ARGUMENT!r}, and call it.")
    arguments, parameters = dict(mark.kwargs), []
    expected_failures = arguments.pop("expected_failures")
    require_known(key.rpartition(":")[2] for key in expected_failures)
    for what in mark.args:
        for subject in found(what, default_registry(), **arguments):
            for check in checks_for(subject):
                reason = expected_reason(check.id, subject, expected_failures)
                marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True, raises=CheckFailed)]
                name = f"{subject.name}-{check.id}"
                parameters.append(pytest.param(partial(_run, check, subject), id=name, marks=marks))
    metafunc.parametrize(_ARGUMENT, parameters)


def _run(check: Check, subject: Subject[object]) -> None:
    """Run a check in a test: a failure fails the test, and a check that does not apply skips it."""
    import pytest

    __tracebackhide__ = True
    outcome = check.run(subject)
    if outcome.status == "skipped":
        pytest.skip(outcome.message)
    if outcome.status == "failed":
        raise CheckFailed(f"{outcome.component}: {outcome.check}: {outcome.message}") from outcome.error
