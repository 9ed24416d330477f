"""The list of checks, and how to run them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from traceback import extract_tb
from types import TracebackType
from typing import Any

from nnfw.arrays import Shape
from nnfw.conformance import common
from nnfw.conformance.isolation import TookTooLong, guarded, time_limit
from nnfw.conformance.kernel_checks import ACCELERATOR, accelerators_of, kernel_checks
from nnfw.conformance.outcomes import CheckFailed, Conformance, NotApplicable, Outcome
from nnfw.conformance.subjects import Subject, module_of, sorts, subjects_of
from nnfw.errors import ConfigError, Mistake, UnknownComponentError, did_you_mean, in_words, short, text_of
from nnfw.plugins import Registry, default_registry

SECONDS = 20.0
"""Default time limit of one check: far more than any needs, for code that never returns."""

_PATIENCE = 3  # checks of one component that may time out before the rest are skipped
_PREFIX = "check_"
_COMMON = "component"
_MAKING = f"{_COMMON}.constructible"


@dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    id
        ``"layer.zero_delta"``: the kind, or ``component`` for every kind, and the function's name.
    function
        Raises CheckFailed if the component fails, and NotApplicable if the check does not apply to it.
    """

    id: str
    function: Callable[[Subject[object]], None]

    @property
    def meaning(self) -> str:
        """What it requires, in one line."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def run(self, subject: Subject[object], seconds: float = SECONDS) -> Outcome:
        """Return the outcome. Output is captured, and changes to the process are undone."""
        with guarded():
            try:
                with time_limit(seconds):
                    self.function(subject)
            except NotApplicable as reason:
                return Outcome(subject.name, self.id, "skipped", str(reason))
            except CheckFailed as failure:
                return Outcome(subject.name, self.id, "failed", str(failure))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # including SystemExit: a component must not end the checks
                return Outcome(subject.name, self.id, "failed", *_blamed(error, subject))
        return Outcome(subject.name, self.id, "passed")


def checks_of(kind: str) -> tuple[Check, ...]:
    """Return the checks of one kind: first those common to all kinds, each in the order of its file."""
    if kind == ACCELERATOR:
        return tuple(Check(name, function) for name, function in kernel_checks())
    return tuple(
        Check(f"{prefix}.{name.removeprefix(_PREFIX)}", function)
        for prefix, module in ((_COMMON, common), (kind, module_of(kind)))
        for name, function in vars(module).items()
        if name.startswith(_PREFIX) and getattr(function, "__module__", None) == module.__name__
    )


def checks_for(subject: Subject[object]) -> list[Check]:
    """Return the checks that concern a subject."""
    return [check for check in checks_of(subject.sort) if not subject.only or check.id in subject.only]


def all_checks() -> tuple[Check, ...]:
    """Return the checks of all kinds, each once."""
    return tuple({check.id: check for kind in (*sorts(), ACCELERATOR) for check in checks_of(kind)}.values())


def run_checks(
    *what: object,
    options: Mapping[str, object] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    kind: str | None = None,
    input_shapes: tuple[Shape | tuple[Shape, ...], ...] = (),
    formula: Callable[..., Any] | None = None,
    registry: Registry | None = None,
    seconds: float = SECONDS,
    progress: Callable[[Subject[object]], None] | None = None,
) -> Conformance:
    """Check components.

    Parameters
    ----------
    what
        Distributions, names of components or accelerators, or component objects; see :func:`subjects_of`.
    options
        Options to make a named component from.
    expected_failures
        Reasons by id of a check, or by ``NAME:ID`` for one component. A check that passes although it is named here
        counts as a failure.
    only
        Ids of the checks to run; all by default.
    kind
        Check components of this kind only.
    input_shapes, formula
        As for :class:`Subject`.
    registry
        The installed components by default.
    seconds
        How long one check may take.
    progress
        Called with each component before it is checked.

    Returns
    -------
    Conformance
        ``ok``, and one outcome for each component and check.

    Raises
    ------
    UnknownComponentError, PluginError, ConfigError
        As :func:`subjects_of`; ConfigError for an unknown id too, and UnknownComponentError where nothing is of `kind`.

    Examples
    --------
    >>> run_checks("relu", only=["activation.derivative_is_the_slope"]).ok
    True
    """
    registry = registry or default_registry()
    expected_failures = expected_failures or {}
    require_known([*only, *(key.rpartition(":")[2] for key in expected_failures)])
    subjects = [
        subject
        for item in what
        for subject in found(item, registry, options=options, input_shapes=input_shapes, formula=formula)
        if kind in (None, subject.kind)
    ]
    if what and not subjects:
        raise UnknownComponentError(f"{', '.join(map(short, what))} has no component of kind {kind!r}.")
    outcomes: list[Outcome] = []
    for subject in subjects:
        if progress:
            progress(subject)
        outcomes += (as_expected(item, subject, expected_failures) for item in _run(subject, only, seconds))
    return Conformance(tuple(outcomes))


def found(what: object, registry: Registry, **details: Any) -> list[Subject[object]]:
    """Return the matching components and accelerators; arguments and errors as for :func:`subjects_of`."""
    accelerators = accelerators_of(what, registry)
    try:
        return [*subjects_of(what, registry, **details), *accelerators]
    except UnknownComponentError:
        if accelerators:
            return accelerators
        raise


def _run(subject: Subject[object], only: Sequence[str], seconds: float) -> Iterator[Outcome]:
    """Yield the outcomes of one component; skip the rest if it cannot be built or keeps timing out."""
    reason, waited = "", 0
    for check in checks_for(subject):
        if only and check.id not in (*only, _MAKING):
            continue
        outcome = Outcome(subject.name, check.id, "skipped", reason) if reason else check.run(subject, seconds)
        if not only or check.id in only or outcome.status == "failed":
            yield outcome
        waited += isinstance(outcome.error, TookTooLong)
        if check.id == _MAKING and outcome.status != "passed":
            reason = "the component cannot be made" if outcome.status == "failed" else outcome.message
        elif waited == _PATIENCE:
            reason = f"{waited} checks did not come back"


def as_expected(outcome: Outcome, subject: Subject[object], expected_failures: Mapping[str, str]) -> Outcome:
    """Return the outcome, taking the expected failures into account."""
    reason = expected_reason(outcome.check, subject, expected_failures)
    if reason is None or outcome.status == "skipped":
        return outcome
    if outcome.status == "failed":
        return Outcome(outcome.component, outcome.check, "expected", f"{reason} ({outcome.message})", outcome.error)
    text = f"it passes, but a failure is expected: {reason}. Take it out of expected_failures."
    return Outcome(outcome.component, outcome.check, "unexpected", text)


def expected_reason(check: str, subject: Subject[object], expected_failures: Mapping[str, str]) -> str | None:
    """Return why a check is expected to fail, or None."""
    own_name = subject.declared.name if subject.declared else type(subject.reference).__name__
    return expected_failures.get(f"{own_name}:{check}", expected_failures.get(check))


def require_known(ids: Iterable[str]) -> None:
    """Raise ConfigError with every unknown id."""
    known = [check.id for check in all_checks()]
    mistakes = [
        Mistake((), f"Unknown check {name!r}.{did_you_mean(name, known)} 'nnfw check --list' shows all.")
        for name in ids
        if name not in known
    ]
    if mistakes:
        raise ConfigError(mistakes)


def _blamed(error: BaseException, subject: Subject[object]) -> tuple[str, BaseException]:
    """Return what a component raised, with the line of the author's code, and with a traceback that starts there."""
    own: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        if entry.tb_frame.f_globals.get("__name__", "").partition(".")[0] == subject.package:
            own.append(entry)
        entry = entry.tb_next
    if own:
        code, line = own[-1].tb_frame.f_code, own[-1].tb_lineno
        text = f"{code.co_name} raised {in_words(error).rstrip('.')} ({code.co_filename}:{line})"
        return text, error.with_traceback(own[0])
    if text_of(error).strip():
        return in_words(error), error
    last = extract_tb(error.__traceback__)[-1]
    return f"{in_words(error)} at {last.line!r} ({last.filename}:{last.lineno})", error
