"""What an engine gives, compared with the definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import PluginError
from nnfw.ops.engines import Engine
from nnfw.ops.operation import Function, Operation

_PERTURBATIONS = 4
"""How often an operation is repeated with slightly other numbers, to see how much rounding changes its results."""


def checked(engine: Engine) -> Engine:
    """Return an engine whose operations are compared with their definitions at every call, for NNFW_CHECK_KERNELS=1.

    It compiles nothing together.

    Raises
    ------
    PluginError
        From the operation that gives something else; names it and the engine.
    """
    found = Engine(engine.owner)
    found.functions = _Compared(engine)
    return found


class _Compared(dict[Operation, Function]):
    """For each operation the function that carries it out and compares."""

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
    """Return how the results of a function differ from those of an operation's definition, or nothing.

    They may differ by the operation's tolerance, in units in the last place of a result, and by as much as the
    definition's own results differ where the numbers that it reads differ in their last places: more for sums of many
    terms. What is smaller than the smallest normal number may be 0.

    Parameters
    ----------
    operation, function
        What the results should be, and what is compared with it.
    arguments
        What the function is called with, and changes.
    """
    given = [np.copy(item) if isinstance(item, np.ndarray) else item for item in arguments]
    with np.errstate(all="ignore"):
        right = _results(operation, given)
        function(*arguments)
        pairs = [(np.asarray(arguments[k]), result) for k, result in zip(operation.results, right, strict=True)]
        if all(_is_close(*pair, 0.0, operation.tolerance).all() for pair in pairs):
            return ""
        for (found, result), spread in zip(pairs, _spreads(operation, given, right), strict=True):
            wrong = ~_is_close(found, result, spread, operation.tolerance)
            if wrong.any():
                where = tuple(map(int, np.argwhere(wrong)[0]))
                return f"gives {found[where]:.9g} at {list(where)}, its definition {result[where]:.9g}"
    return ""


def _spreads(operation: Operation, arguments: Sequence[Array | float], right: Sequence[Array]) -> list[Array]:
    """Return by how much the results differ where the fractions that are read differ a little."""
    spreads = [np.zeros(result.shape) for result in right]
    for moved in _perturbed(operation, arguments):
        for spread, result, other in zip(spreads, right, _results(operation, moved), strict=True):
            np.fmax(spread, np.abs(other - result), out=spread, where=np.isfinite(other))
    # summed in another order, n terms differ by √n times as much as they would if each were a little different
    most = max(item.size for item in arguments if isinstance(item, np.ndarray))
    return [
        sqrt(max(1, most / max(1, spread.size))) * (spread + _epsilon(result) * np.abs(result))
        for spread, result in zip(spreads, right, strict=True)
    ]


def _epsilon(array: Array) -> float:
    return float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0


def _results(operation: Operation, arguments: Sequence[Array | float]) -> list[Array]:
    """Return what the definition gives; the arguments stay as they are."""
    copies = [np.copy(item) if isinstance(item, np.ndarray) else item for item in arguments]
    operation.definition(*copies)
    return [np.asarray(copies[k]) for k in operation.results]


def _perturbed(operation: Operation, arguments: Sequence[Array | float]) -> list[list[Array | float]]:
    """Return arguments whose fractions each differ by about one unit in the last place."""
    rng = np.random.default_rng(0)

    def moved(role: str, item: Array | float) -> Array | float:
        if role not in ("read", "changed", "consumed") or not isinstance(item, np.ndarray) or item.dtype.kind != "f":
            return item
        by = rng.uniform(0.5, 1, item.shape) * rng.choice((-1.0, 1.0), item.shape)
        return np.asarray(item * (1 + by * np.finfo(item.dtype).eps), item.dtype)

    roles = [argument.role for argument in operation.arguments]
    return [[moved(role, item) for role, item in zip(roles, arguments, strict=True)] for _ in range(_PERTURBATIONS)]


def _is_close(found: Array, right: Array, spread: Array | float, tolerance: float) -> Array:
    if right.dtype.kind != "f":  # whole numbers, such as labels that are taken
        return np.asarray(found == right)
    least = float(np.finfo(right.dtype).smallest_normal)
    close = np.abs(found - right) <= tolerance * (_epsilon(right) * np.abs(right) + spread) + least
    return np.asarray(close | (found == right) | (np.isnan(found) & np.isnan(right)))
