"""The checks of accelerators: each of their kernels gives what its definition in NumPy gives.

Arguments are made from an operation's row alone: from roles, kinds and axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

import numpy as np

from nnfw.arrays import Array
from nnfw.conformance.outcomes import NotApplicable, require
from nnfw.conformance.requirements import strided
from nnfw.conformance.subjects import Subject
from nnfw.ops import Call, Engine, Operation, engine_from, operation_of, parts
from nnfw.ops.checked import difference
from nnfw.ops.operation import DTYPES, REST, Argument, PerStep
from nnfw.plugins import AcceleratorSpec, Registry, default_registry
from nnfw.plugins.specs import Declared, normalised

ACCELERATOR, KERNEL = "accelerator", "kernel"

TEAMS = (1, 2, 3, 5)
"""Into how many parts a call is cut, to be shared by as many threads."""

_DTYPES = (np.float32, np.float64)
_SIZES = (0, 1, 5, 64, 1003)
_SMALL = 3  # size of the axes that are not the long one
_RESTS = ((_SMALL,), (2, _SMALL), ())
_SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, 1e30)
_NUMBERS = (0.25, 0.0, 0.9, 0.5)  # shares, rates, counts: some divide by 1 − x
_WHOLE = {"whole": (0, 1, 2), "count": (1, 2, 3)}
_STEPS = 4

Arguments = tuple[Array | float, ...]

_LAYOUTS: tuple[Callable[[Array], Array], ...] = (
    strided,
    lambda array: array[..., ::-1].copy()[..., ::-1],
    lambda array: np.array(array, order="F"),
)


def accelerators_of(what: object, registry: Registry) -> list[Subject[object]]:
    """Return the accelerators that a name means: ``numba``, ``accelerator:numba``, or a distribution's.

    For a distribution with operations, return every accelerator, to check these operations.
    """
    if not isinstance(what, str):
        return []
    own = [f"{KERNEL}.{item.name}" for item in registry.operations if item.plugin.distribution == normalised(what)]
    meant = [
        what in (item.name, f"{ACCELERATOR}:{item.name}") or normalised(what) == item.plugin.distribution
        for item in registry.accelerators
    ]
    return [
        Subject(ACCELERATOR, f"{ACCELERATOR} {item.name}", item, registry, only=() if whole else tuple(own))
        for item, whole in zip(registry.accelerators, meant, strict=True)
        if whole or own
    ]


def kernel_checks() -> Iterator[tuple[str, Callable[[Subject[object]], None]]]:
    """Yield the id and the function of the check of every operation."""
    for item in default_registry().operations:
        yield f"{KERNEL}.{item.name}", _check_of(item.name if item.plugin.built_in else item.qualified_name)


def _check_of(name: str) -> Callable[[Subject[object]], None]:
    def check(subject: Subject[object]) -> None:
        operation = operation_of(subject.registry, name)
        engine = _engine(subject)
        ways: dict[str, Callable[..., object]] = {
            "": engine.function(operation),
            ", in a sequence,": partial(_in_a_sequence, engine, operation, lambda call: [call]),
        }
        as_they_lie: dict[str, Callable[..., object]] = {}
        for axis in operation.cut.split():
            for team in TEAMS:
                cut = partial(parts, axis=axis, count=team)
                as_they_lie[f", in {team} parts,"] = partial(_in_a_sequence, engine, operation, cut)
        for steps in samples(operation):
            _require_same(operation, ways | as_they_lie, steps[0])
            for layout in _LAYOUTS:
                _require_same(operation, ways, steps[0], layout)
            _require_same_in_steps(engine, operation, steps)

    check.__doc__ = (
        f"`{name}` gives what its definition gives, to a few units in the last place: by itself, in a `sequence`, in "
        "`steps`, and cut into parts."
    )
    return check


def _require_same(
    operation: Operation,
    ways: Mapping[str, Callable[..., object]],
    arguments: Arguments,
    layout: Callable[[Array], Array] = np.copy,
) -> None:
    arrays = [item for item in arguments if isinstance(item, np.ndarray)]
    what = f"for arrays of {arrays[0].dtype}, shapes {', '.join(str(item.shape) for item in arrays)}, it"
    for way, function in ways.items():
        copies = [layout(item) if isinstance(item, np.ndarray) else item for item in arguments]
        found = difference(operation, function, copies)
        require(not found, f"{what}{way} {found}.")


def _in_a_sequence(
    engine: Engine, operation: Operation, cut: Callable[[Call], list[Call]], *arguments: Array | float
) -> None:
    for step in engine.sequence(cut(Call(operation, arguments))):
        step()


def _require_same_in_steps(engine: Engine, operation: Operation, steps: list[Arguments]) -> None:
    """Carry out a call at several steps, each with arguments of its own, and look at the results of every step."""
    tables = [np.stack(values) for values in zip(*steps, strict=True)]
    run = engine.steps([Call(operation, tuple(map(PerStep, tables)))], [], np.zeros((_STEPS, 1)))
    if run is None:
        return
    with np.errstate(all="ignore"):
        done = run(0, _STEPS)
    require(done == _STEPS, f"steps carried out {done} of {_STEPS} steps, though every cost was 0.")

    def results(step: int, *arguments: Array) -> None:
        for k in operation.results:
            arguments[k][...] = tables[k][step]

    for step, arguments in enumerate(steps):
        _require_same(operation, {", in steps,": partial(results, step)}, arguments)


def _engine(subject: Subject[object]) -> Engine:
    accelerator = cast("Declared[AcceleratorSpec]", subject.reference)
    try:
        return engine_from(accelerator, subject.registry)
    except ModuleNotFoundError as error:
        raise NotApplicable(f"{error}. {accelerator.spec.summary}") from error


def samples(operation: Operation) -> Iterator[list[Arguments]]:
    """Yield arguments for several steps, of both dtypes and of several sizes, ordinary and special."""
    rng = np.random.default_rng(0)
    axes = {axis for argument in operation.arguments for axis in argument.axes if axis != REST}
    rests = _RESTS[:-1] if any(argument.axes == (REST,) for argument in operation.arguments) else _RESTS
    for dtype in _DTYPES:
        for turn, size in enumerate(_SIZES):
            for special in (False, True):
                sizes: dict[str, tuple[int, ...]] = {
                    axis: (int(axis) if axis.isdecimal() else _SMALL,) for axis in axes
                }
                sizes[REST] = rests[turn % len(rests)]
                sizes[_long_axis(operation)] = (size,)
                yield [_sample(operation, sizes, dtype, rng, turn + step, special=special) for step in range(_STEPS)]


def _long_axis(operation: Operation) -> str:
    """Return an axis along which a call can be cut, or else the first."""
    axes = (*operation.cut.split(), *operation.arguments[0].axes)
    return next(axis for axis in axes if axis != REST)


def _sample(
    operation: Operation,
    sizes: dict[str, tuple[int, ...]],
    dtype: Any,
    rng: np.random.Generator,
    turn: int,
    *,
    special: bool,
) -> Arguments:
    def one(k: int, argument: Argument) -> Array | float:
        if argument.role == "number" and argument.kind in _WHOLE:
            return int(rng.choice(_WHOLE[argument.kind]))
        if argument.role == "number":
            number = _NUMBERS[(k + turn) % len(_NUMBERS)]
            return number or 0.5 if argument.kind == "positive" else number
        shape = tuple(size for axis in argument.axes for size in sizes[axis])
        if argument.kind == "index":
            return rng.integers(0, sizes[argument.below][0], shape)
        array = rng.standard_normal(shape)
        if argument.kind == "ordinary":
            return array.astype(dtype)
        array *= (1, 30)[turn % 2]
        if special:
            values = np.array(_SPECIAL)
            values = values[np.isfinite(values)] if argument.kind == "finite" else values
            array = rng.permutation(np.resize(values, array.size)).reshape(shape)
        array = np.abs(array) if argument.kind == "positive" else array
        return array.astype(DTYPES.get(argument.kind, np.dtype(dtype)))

    return tuple(one(k, argument) for k, argument in enumerate(operation.arguments))
