"""Results of an engine compared with the definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import sqrt

import numpy as np
from numpy.typing import DTypeLike

from nnfw.arrays import Array
from nnfw.errors import PluginError
from nnfw.ops.engines import Engine
from nnfw.ops.operation import DTYPES, Argument, Function, Operation

_PERTURBATIONS = 4
"""Number of runs with slightly perturbed inputs, which show how much rounding changes the results."""

_FURTHER = 4.0
"""By how many units in the last place inputs of a dtype of their own move: neighbours may give one result in it."""

_SINGLE = float(np.finfo(np.float32).eps)
_NEARBY = 2.0**-10  # relative: inputs of the same size, which round in another way


def checked(engine: Engine) -> Engine:
    """Return an engine that compares every call with the operation's definition, for NNFW_CHECK_KERNELS=1.

    Calls run one by one, not compiled together.

    Raises
    ------
    PluginError
        From an operation whose result differs; names it and the engine.
    """
    found = Engine(engine.owner)
    found.functions = _Compared(engine)
    return found


class _Compared(dict[Operation, Function]):
    """For each operation, the function that runs it and compares the results."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __missing__(self, operation: Operation) -> Function:
        function = self._engine.function(operation)

        def compare(*arguments: Array | float) -> None:
            found = difference(operation, function, arguments)
            if found:
                raise PluginError(f"{self._engine.owner}: kernel {operation.name!r} {found}.")

        self[operation] = compare
        return compare


def difference(operation: Operation, function: Callable[..., object], arguments: Sequence[Array | float]) -> str:
    """Describe how a function's results differ from those of the definition; empty if they agree.

    A result may differ by the operation's tolerance, in units in the last place, plus as much as the definition's own
    result changes when its inputs change in their last place, or as it is off by rounding: more for sums of many terms.
    Results below the smallest normal number may be 0.

    Parameters
    ----------
    operation, function
        The reference, and the function compared with it.
    arguments
        Arguments of the function, which writes its results into them.
    """
    given = [np.copy(item) if isinstance(item, np.ndarray) else item for item in arguments]
    with np.errstate(all="ignore"):
        right = _results(operation, given)
        function(*arguments)
        pairs = [(np.asarray(arguments[k]), result) for k, result in zip(operation.results, right, strict=True)]
        epsilon = _coarsest(operation, arguments)
        allowed = [epsilon * np.abs(result) for result in right]
        wrong = _wrong(operation, pairs, allowed)
        for measure in (_effect_of_inputs, _effect_of_rounding):  # each costs several runs of the definition
            if not wrong:
                break
            effects = measure(operation, given, right, epsilon)
            allowed = [one + effect for one, effect in zip(allowed, effects, strict=True)]
            wrong = _wrong(operation, pairs, allowed)
    return wrong


def _wrong(operation: Operation, pairs: Sequence[tuple[Array, Array]], allowed: Sequence[Array]) -> str:
    """Describe the first result that differs by more than what is allowed; empty if none does."""
    for (found, right), spread in zip(pairs, allowed, strict=True):
        wrong = ~_is_close(found, right, spread, operation.tolerance)
        if wrong.any():
            where = tuple(map(int, np.argwhere(wrong)[0]))
            return f"gives {found[where]:.9g} at {list(where)}, its definition {right[where]:.9g}"
    return ""


def _effect_of_inputs(
    operation: Operation, arguments: Sequence[Array | float], right: Sequence[Array], epsilon: float
) -> list[Array]:
    """Return how much the results change when the floats read change in their last place."""
    spreads = [np.zeros(result.shape) for result in right]
    for moved in _perturbed(operation, arguments):
        for spread, result, other in zip(spreads, right, _results(operation, moved), strict=True):
            np.fmax(spread, np.abs(other - result), out=spread, where=np.isfinite(other))
    # the order of summation changes a sum of n terms √n times as much as perturbing each term does
    most = max(item.size for item in arguments if isinstance(item, np.ndarray))
    return [
        sqrt(max(1, most / max(1, spread.size))) * (spread + epsilon * np.abs(result))
        for spread, result in zip(spreads, right, strict=True)
    ]


def _effect_of_rounding(
    operation: Operation, arguments: Sequence[Array | float], right: Sequence[Array], epsilon: float
) -> list[Array]:
    """Return how far the definition is off by its own rounding, where the effect of inputs cancels: g − e^a Σ g.

    It is the distance of float32 from float64 for the same inputs, and in proportion to ε. One run may be right by
    luck, so there are several, with other inputs of the same size.
    """
    spreads = [np.zeros(result.shape) for result in right]
    single = _in_dtype(operation, arguments, np.float32)
    for moved in _perturbed(operation, single, _NEARBY):
        exact = _results(operation, _in_dtype(operation, moved, np.float64))
        for spread, rounded, other in zip(spreads, _results(operation, moved), exact, strict=True):
            off = np.abs(rounded - other) * (epsilon / _SINGLE)
            np.fmax(spread, off, out=spread, where=np.isfinite(off))
    return spreads


def _in_dtype(operation: Operation, arguments: Sequence[Array | float], dtype: DTypeLike) -> list[Array | float]:
    """Return the arguments with the arrays of the operation's own dtype in another one."""
    return [
        item.astype(dtype)
        if isinstance(item, np.ndarray) and item.dtype.kind == "f" and row.kind not in DTYPES
        else item
        for row, item in zip(operation.arguments, arguments, strict=True)
    ]


def _coarsest(operation: Operation, arguments: Sequence[Array | float]) -> float:
    """Return the ε of the operation's dtype: a sum in float64 is no better than its terms in float32."""
    pairs = zip(operation.arguments, arguments, strict=True)
    own = [item.dtype for row, item in pairs if isinstance(item, np.ndarray) and row.kind not in DTYPES]
    return max((float(np.finfo(dtype).eps) for dtype in own if dtype.kind == "f"), default=0.0)


def _results(operation: Operation, arguments: Sequence[Array | float]) -> list[Array]:
    """Return the definition's results; the arguments stay unchanged."""
    copies = [np.copy(item) if isinstance(item, np.ndarray) else item for item in arguments]
    operation.definition(*copies)
    return [np.asarray(copies[k]) for k in operation.results]


def _perturbed(
    operation: Operation, arguments: Sequence[Array | float], size: float = 0.0
) -> Iterator[list[Array | float]]:
    """Yield copies of the arguments with each float changed, by default by about one unit in the last place."""
    rng = np.random.default_rng(0)

    def moved(row: Argument, item: Array | float) -> Array | float:
        if (
            row.role not in ("read", "changed", "consumed")
            or not isinstance(item, np.ndarray)
            or item.dtype.kind != "f"
        ):
            return item
        by = rng.uniform(0.5, 1, item.shape) * rng.choice((-1.0, 1.0), item.shape)
        unit = np.finfo(item.dtype).eps * (_FURTHER if row.kind in DTYPES else 1)
        return np.asarray(item * (1 + by * (size or unit)), item.dtype)

    for _ in range(_PERTURBATIONS):
        yield [moved(row, item) for row, item in zip(operation.arguments, arguments, strict=True)]


def _is_close(found: Array, right: Array, spread: Array, tolerance: float) -> Array:
    if right.dtype.kind != "f":  # integers, such as gathered labels
        return np.asarray(found == right)
    least = float(np.finfo(right.dtype).smallest_normal)
    close = np.abs(found - right) <= tolerance * spread + least
    return np.asarray(close | (found == right) | (np.isnan(found) & np.isnan(right)))
