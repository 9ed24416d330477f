"""The checks common to all kinds: options, configuration and side effects."""

from __future__ import annotations

import ast
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from nnfw.configuration import build, options_of
from nnfw.conformance.isolation import Traces, guarded, in_short
from nnfw.conformance.outcomes import CheckFailed, NotApplicable, applies_if, require
from nnfw.conformance.requirements import equal
from nnfw.conformance.subjects import Subject
from nnfw.errors import ConfigError, NnfwError, in_words, short
from nnfw.plugins import protocol_problem

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SLOWEST_IMPORT = 1.0
"""Seconds that importing a component may take, since its first user waits for it."""

_TRIES = 3  # imports, of which the fastest counts, in case the machine is busy
_IMPORT_LIMIT = 60.0  # seconds after which an import is given up
_READS_FILES = "dataset"
_NO_OPTION = "no_option_has_this_name"


class _Import(NamedTuple):
    """What importing a module took, printed and changed, as ``import_probe`` prints it."""

    seconds: float
    printed: str
    changed: str


class _Unfit:
    """A value that no option accepts."""

    def __repr__(self) -> str:
        return "<a value of no known type>"


def check_constructible(subject: Subject[DataclassInstance]) -> None:
    """It is a frozen dataclass with every member of its protocol, made from its defaults or from declared examples."""
    problem = protocol_problem(subject.kind, subject.cls)
    require(not problem, f"{subject.cls.__name__} {problem}.")
    options = options_of(subject.cls).items()
    missing = [name for name, option in options if option.required and name not in subject.options]
    if missing and subject.kind == _READS_FILES:
        raise NotApplicable(f"it needs {' and '.join(missing)}: check it with values for them, as it reads files")
    try:
        component = subject.component
    except ConfigError as error:
        advice = "Declare examples in its ComponentSpec." if missing else ""
        raise CheckFailed(
            f"made from {short(dict(subject.options))} it is refused: {in_words(error)} {advice}"
        ) from error
    require(
        isinstance(component, subject.cls), f"making it returned {short(component)}, expected {subject.cls.__name__}."
    )


def check_constructor_only_stores(subject: Subject[DataclassInstance]) -> None:
    """Its constructor only stores its options: it changes none, opens no file and sets no other attribute."""
    component = subject.make()
    values = {item.name: getattr(component, item.name) for item in fields(component) if item.init}
    again = subject.cls(**values)
    for name, value in values.items():
        stored = getattr(again, name)
        require(stored is value or stored == value, f"{name} is {short(stored)} after {short(value)} was given.")
    extra = sorted(set(getattr(again, "__dict__", {})) - {item.name for item in fields(component)})
    require(
        not extra,
        f"the constructor also sets {', '.join(extra)}; expected only the options. Compute it when it is needed.",
    )


def check_configuration_round_trip(subject: Subject[DataclassInstance]) -> None:
    """Writing its configuration and reading it back gives an equal component, also through JSON."""
    applies_if(subject.declared is not None, "no plugin declares it, so no file can name it")
    table = subject.registry.describe(subject.kind, subject.component)
    try:
        written = json.loads(json.dumps(table))
    except TypeError as error:
        raise CheckFailed(f"its configuration {short(table)} cannot be written: {in_words(error)}.") from error
    again = subject.registry.resolve(subject.kind, written)
    require(again == subject.component, f"{short(subject.component)} became {short(again)} through {short(table)}.")
    require(
        subject.registry.describe(subject.kind, again) == table, f"a second configuration differs from {short(table)}."
    )


def check_wrong_options_are_refused(subject: Subject[DataclassInstance]) -> None:
    """An unknown option, or a known one with a value of the wrong type, raises one error that names it."""
    known = [name for name, option in options_of(subject.cls).items() if option.hint is not Any]
    for name in (_NO_OPTION, *known):
        error = _refusal(subject, {name: _Unfit()})
        require(error is not None, f"{name}={_Unfit()!r} is taken without an error. Annotate options with their types.")
        text = str(error)
        require(name in text and len(text.splitlines()) == 1, f"expected one line that names {name!r}, got {text!r}.")


def check_repr_rebuilds(subject: Subject[DataclassInstance]) -> None:
    """Its repr is the call that rebuilds it."""
    component = subject.component
    text = repr(component)
    try:
        call = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise CheckFailed(f"its repr is not an expression: {short(text)}.") from error
    require(isinstance(call, ast.Call), f"its repr is not a call: {short(text)}.")
    assert isinstance(call, ast.Call)
    name = ast.unparse(call.func)
    require(name == subject.cls.__qualname__, f"its repr calls {name!r}, expected {subject.cls.__qualname__!r}.")
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    values = {item.name: getattr(component, item.name) for item in fields(component) if item.init}
    expected = {key: ast.unparse(ast.parse(repr(value), mode="eval")) for key, value in values.items()}
    require(given == expected, f"its repr gives {short(given)}, expected every option: {short(expected)}.")


def check_pickles(subject: Subject[DataclassInstance]) -> None:
    """A pickled copy is equal, so it can be sent to another process."""
    component = subject.component
    is_local = "<locals>" in subject.cls.__qualname__
    applies_if(not is_local, "its class is defined inside a function, where pickle cannot find it")
    again = pickle.loads(pickle.dumps(component))
    require(again == component, f"{short(component)} became {short(again)}.")


def check_equal_options_make_equal_components(subject: Subject[DataclassInstance]) -> None:
    """Two built from the same options are equal and have the same hash, since networks compare components."""
    first, second = subject.make(), subject.make()
    require(first == second, f"two made from the same options differ: {short(first)} and {short(second)}.")
    require(hash(first) == hash(second), "two equal ones have different hashes.")


def check_holds_no_state(subject: Subject[DataclassInstance]) -> None:
    """Using it does not change it: arrays live in the model's parameters and in the workspace."""
    component = subject.make()
    before = _contents(component)
    subject.exercise(component)
    changed = sorted(name for name, value in _contents(component).items() if before.get(name) != value)
    require(
        not changed, f"using it changed its {', '.join(changed)}; a component serves many networks and threads at once."
    )


def check_instances_share_nothing(subject: Subject[DataclassInstance]) -> None:
    """Two components used in turn give what each gives alone: no state in the class or its module."""
    alone = subject.exercise(subject.make())
    first, second = subject.make(), subject.make()
    subject.exercise(first)
    subject.exercise(second)
    subject.exercise(first)
    require(
        equal(alone, subject.exercise(second)),
        "it computes different values after others were used. Keep no arrays in the class or the module.",
    )


def check_prints_nothing(subject: Subject[DataclassInstance]) -> None:
    """Using it writes neither to stdout nor to stderr, which belong to the program that runs it."""
    traces = _traces_of(subject)
    require(not traces.printed, f"it prints {short(traces.printed)}.")


def check_warns_of_nothing(subject: Subject[DataclassInstance]) -> None:
    """Using it on ordinary values gives no warning."""
    traces = _traces_of(subject)
    require(not traces.warned, f"it warns: {'; '.join(traces.warned)}")


def check_leaves_the_process_alone(subject: Subject[DataclassInstance]) -> None:
    """Using it changes nothing shared: np.seterr, global random numbers, warning filters, working directory."""
    traces = _traces_of(subject)
    require(not traces.changed, f"it changes {in_short(traces.changed)}.")


def check_import_leaves_the_process_alone(subject: Subject[DataclassInstance]) -> None:
    """Importing it prints nothing and changes nothing shared."""
    found = _import_of(subject)
    require(not found.printed, f"importing {subject.cls.__module__} prints {short(found.printed)}.")
    require(not found.changed, f"importing {subject.cls.__module__} changes {found.changed}.")


def check_import_is_fast(subject: Subject[DataclassInstance]) -> None:
    """Importing it takes less than a second, not counting NumPy and nnfw."""
    seconds = _import_of(subject).seconds
    for _ in range(_TRIES - 1):
        if seconds < SLOWEST_IMPORT:
            return
        seconds = min(seconds, _measured_import(subject.cls.__module__).seconds)
    require(
        seconds < SLOWEST_IMPORT,
        f"importing {subject.cls.__module__} takes {seconds:.1f} s, expected less than {SLOWEST_IMPORT:g} s. "
        "Import what is heavy where it is used.",
    )


def check_is_documented(subject: Subject[DataclassInstance]) -> None:
    """Its docstring says what it is, and what every option means."""
    text = (subject.cls.__doc__ or "").strip()
    generated = f"{subject.cls.__name__}("  # what @dataclass writes where there is none
    require(text and not text.startswith(generated), "it has no docstring; write its equation and its options.")
    missing = [name for name in options_of(subject.cls) if name not in text]
    require(not missing, f"its docstring does not explain {', '.join(missing)}, which 'nnfw show' displays.")


def _traces_of(subject: Subject[DataclassInstance]) -> Traces:
    with guarded() as traces:
        subject.exercise(subject.make())
    return traces


def _contents(component: DataclassInstance) -> dict[str, str]:
    own = {item.name: getattr(component, item.name) for item in fields(component)}
    return {name: repr(value) for name, value in (own | getattr(component, "__dict__", {})).items()}


def _refusal(subject: Subject[DataclassInstance], wrong: Mapping[str, object]) -> NnfwError | None:
    """Return the error that the options raise, or None."""
    component = subject.component
    options = {name: getattr(component, name) for name in options_of(subject.cls)}
    try:
        if subject.declared is None:
            build(subject.cls, {**options, **wrong}, subject.registry.resolve)
        else:
            subject.registry.create(subject.kind, subject.declared.qualified_name, {**options, **wrong})
    except NnfwError as error:
        return error
    return None


def _import_of(subject: Subject[DataclassInstance]) -> _Import:
    module = subject.cls.__module__
    package = module.partition(".")[0]
    if not any(finder.find_spec(package, None) for finder in sys.meta_path):  # sys.modules may hold one made by hand
        raise NotApplicable(f"its module {module!r} cannot be imported by name")
    return _first_import(module)


def _measured_import(module: str) -> _Import:
    """Import a module in a separate process, and return what that took and changed."""
    command = [sys.executable, "-m", "nnfw.conformance.import_probe", module]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=_IMPORT_LIMIT
    )
    require(result.returncode == 0, f"importing {module} in a separate process failed: {result.stderr.strip()[-200:]}")
    return _Import(**json.loads(result.stdout.splitlines()[-1]))


_first_import = cache(_measured_import)
