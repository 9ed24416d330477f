"""The outcome of one check, and of all checks together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Status = Literal["passed", "failed", "skipped", "expected", "unexpected"]
BAD: tuple[Status, ...] = ("failed", "unexpected")


class CheckFailed(AssertionError):  # noqa: N818 - it reports a failed check
    """A component breaks a rule of its protocol; the message says what was found and what was expected."""


class NotApplicable(Exception):  # noqa: N818 - not an error: the reason why a check is skipped
    """A check does not apply to this component; the message says why."""


def require(condition: object, message: str) -> None:
    """Raise CheckFailed with `message` unless `condition` holds."""
    __tracebackhide__ = True
    if not condition:
        raise CheckFailed(message)


def applies_if(condition: object, reason: str) -> None:
    """Raise NotApplicable with `reason` unless `condition` holds."""
    if not condition:
        raise NotApplicable(reason)


@dataclass(frozen=True)
class Outcome:
    """What one check found.

    Parameters
    ----------
    component
        Kind, name and options of what was checked.
    check
        Id of the check.
    status
        ``"passed"``; ``"failed"``; ``"skipped"`` if it does not apply; ``"expected"`` if it failed as
        announced; ``"unexpected"`` if it passed nevertheless.
    message
        What is wrong, or why it was skipped.
    error
        What the component raised, if that is why it failed.
    """

    component: str
    check: str
    status: Status
    message: str = ""
    error: BaseException | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.component}: {self.check} {self.status}{': ' if self.message else ''}{self.message}"


@dataclass(frozen=True)
class Conformance:
    """The outcomes of all checks of one or more components.

    Parameters
    ----------
    outcomes
        One for each component and check.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = ("component", "passed", "failed", "skipped")

    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """Whether the checks failed exactly where a failure was expected."""
        return not self.failures

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The unexpected outcomes."""
        return tuple(item for item in self.outcomes if item.status in BAD)

    def rows(self) -> list[tuple[str, ...]]:
        """Return the rows of a table with ``COLUMNS``, one for each component."""
        counts: dict[str, Counter[str]] = {}
        for item in self.outcomes:
            counts.setdefault(item.component, Counter())[item.status] += 1
        return [
            (name, str(found["passed"] + found["expected"]), str(sum(found[key] for key in BAD)), str(found["skipped"]))
            for name, found in counts.items()
        ]

    def to_table(self) -> dict[str, Any]:
        """Return it as plain values."""
        keys = ("component", "check", "status", "message")
        return {"ok": self.ok, "outcomes": [{key: getattr(item, key) for key in keys} for item in self.outcomes]}

    def __str__(self) -> str:
        """Return what failed, one line each, and how many checks there were."""
        counts = Counter(item.status for item in self.outcomes)
        summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        return "\n".join([*map(str, self.failures), summary])
