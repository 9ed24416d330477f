"""Results of an engine compared with the definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import PluginError
from nnfw.ops.engines import Engine
from nnfw.ops.operation import DTYPES, Function, Operation

_PERTURBATIONS = 4
"""Number of runs with slightly perturbed inputs, which show how much rounding changes the results."""


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
    result changes when its inputs change in their last place: more for sums of many terms. Results below the smallest
    normal number may be 0.

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
        tolerance, epsilon = operation.tolerance, _coarsest(operation, arguments)
        if all(_is_close(*pair, epsilon * np.abs(pair[1]), tolerance).all() for pair in pairs):
            return ""
        for (found, result), spread in zip(pairs, _spreads(operation, given, right, epsilon), strict=True):
            wrong = ~_is_close(found, result, epsilon * np.abs(result) + spread, tolerance)
            if wrong.any():
                where = tuple(map(int, np.argwhere(wrong)[0]))
                return f"gives {found[where]:.9g} at {list(where)}, its definition {result[where]:.9g}"
    return ""


def _spreads(
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


def _perturbed(operation: Operation, arguments: Sequence[Array | float]) -> list[list[Array | float]]:
    """Return copies of the arguments with each float changed by about one unit in the last place."""
    rng = np.random.default_rng(0)

    def moved(role: str, item: Array | float) -> Array | float:
        if role not in ("read", "changed", "consumed") or not isinstance(item, np.ndarray) or item.dtype.kind != "f":
            return item
        by = rng.uniform(0.5, 1, item.shape) * rng.choice((-1.0, 1.0), item.shape)
        return np.asarray(item * (1 + by * np.finfo(item.dtype).eps), item.dtype)

    roles = [argument.role for argument in operation.arguments]
    return [[moved(role, item) for role, item in zip(roles, arguments, strict=True)] for _ in range(_PERTURBATIONS)]


def _is_close(found: Array, right: Array, spread: Array, tolerance: float) -> Array:
    if right.dtype.kind != "f":  # integers, such as gathered labels
        return np.asarray(found == right)
    least = float(np.finfo(right.dtype).smallest_normal)
    close = np.abs(found - right) <= tolerance * spread + least
    return np.asarray(close | (found == right) | (np.isnan(found) & np.isnan(right)))
