"""Many steps in one call, run by the definitions: the reference for engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite

from nnfw.arrays import Array
from nnfw.ops.operation import Call, PerStep, Value

Run = Callable[[int, int], int]
"""Runs steps, given the first and their number; returns how many it finished before a cost that is not finite."""


def steps(before: Iterable[Call], after: Iterable[Call], costs: Array) -> Run:
    """Return a function that runs steps by the definitions.

    Parameters
    ----------
    before, after
        The calls of a step up to its cost, and after it. An argument may be :class:`PerStep`.
    costs
        ``(steps, 1)``, float64, written by a call of `before`. If a cost is not finite, the run stops before `after`.
    """
    before, after = list(before), list(after)

    def run(first: int, count: int) -> int:
        for k in range(first, first + count):
            _carry_out(before, k)
            if not isfinite(costs[k, 0]):
                return k - first
            _carry_out(after, k)
        return count

    return run


def _carry_out(calls: Iterable[Call], k: int) -> None:
    for operation, arguments in calls:
        pairs = zip(operation.arguments, arguments, strict=True)
        operation.definition(*(_at(k, value, number=argument.role == "number") for argument, value in pairs))


def _at(k: int, value: Value, *, number: bool) -> Array | float:
    if not isinstance(value, PerStep):
        return value
    return float(value.values[k]) if number else value.values[k]
