"""Recorded calls as programs; large calls are cut into parts for the team.

A call that cannot be encoded runs from Python in between: its body does not compile, or its arrays do not fit the row
of the operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np

from nnfw.arrays import Array
from nnfw.ops import Call, PerStep, bind
from nnfw.ops import parts as parts_of
from nnfw.ops.definitions import product
from nnfw.ops.operation import Function, Operation
from nnfw_numba import products
from nnfw_numba.caching import compiled
from nnfw_numba.library import body_of
from nnfw_numba.machine import load, store
from nnfw_numba.programs import INDEXED, Code, Move, encoded, sample
from nnfw_numba.team import TOGETHER, Team, lead, run, team

_PART_OF_PRODUCT, _PART, _PART_OF_VECTOR = 1 << 18, 1 << 14, 1 << 16
"""Smallest part worth handing to a helper: multiplications of a product, bytes of another operation, bytes of an
optimizer's update. OpenBLAS has the same threshold for products."""

_KEPT = 16
"""Programs of single calls cached for each operation."""


def sequence(calls: Iterable[Call]) -> Iterator[Callable[[], object]]:
    """Yield functions that together repeat the calls in order; the caller keeps the arrays alive."""
    faults = np.zeros(1, np.int64)
    pairs = [(call, encoded(call, faults)) for call in calls]
    for in_program, group in groupby(pairs, key=lambda pair: pair[1] is not None):
        if in_program:
            codes = [(call, code) for call, code in group if code]
            calls = [call for call, _ in codes]
            stages = _staged(codes, _sharing(calls), faults)
            indexed = any(item.kind == "index" for call in calls for item in call.operation.arguments)
            yield partial(_run, stages) if stages.members or indexed else partial(run, *stages.programs)
        else:
            yield from (partial(call.operation.definition, *call.arguments) for call, _ in group)


def steps(before: list[Call], after: list[Call], costs: Array) -> Callable[[int, int], int] | None:
    """Return a function that runs many steps in one call: see :func:`nnfw.ops.many_steps.steps`.

    None if a call cannot be encoded.
    """
    faults, members = np.zeros(1, np.int64), _sharing([*before, *after])
    first, second = _all_encoded(before, faults), _all_encoded(after, faults)
    if first is None or second is None:
        return None
    return partial(_run_steps, _staged(first, members, faults), _staged(second, members, faults), costs)


def _all_encoded(calls: list[Call], faults: Array) -> list[tuple[Call, Code]] | None:
    """Return calls with their code; None if one cannot be encoded."""
    pairs = [(call, code) for call in calls if (code := encoded(call, faults))]
    return pairs if len(pairs) == len(calls) else None


def body(operation: Operation) -> Function | None:
    """Return a function that runs single calls of an operation; None if numba has no body for it."""
    return _Single(operation) if operation is product or body_of(operation) else None


class _Single:
    """Runs an operation as programs of a single call, for the same bits as in longer programs.

    Buffers are reused, so the latest programs are cached by the addresses and shapes of the arrays.
    """

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._positions = [k for k, argument in enumerate(operation.arguments) if argument.role == "number"]
        self._kept: dict[object, tuple[_Stages, Array] | None] = {}

    def __call__(self, *arguments: Array | float) -> None:
        key = tuple(_described(value) for value in arguments if isinstance(value, np.ndarray))
        if key not in self._kept:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[key] = self._program(arguments)
        kept = self._kept[key]
        if kept is None:
            self._operation.definition(*arguments)
            return
        stages, numbers = kept
        if self._positions:
            numbers[0] = [arguments[k] for k in self._positions]
            _run_steps(stages, _NOTHING, _FINITE, 0, 1)
        else:
            _run(stages)

    def _program(self, arguments: tuple[Array | float, ...]) -> tuple[_Stages, Array] | None:
        """Return the stages of a call, and the table that its numbers are read from."""
        numbers, faults = np.zeros((1, len(self._positions))), np.zeros(1, np.int64)
        values: list[Array | float | PerStep] = list(arguments)
        for column, k in enumerate(self._positions):
            if not isinstance(values[k], int | float | np.integer | np.floating | np.bool_):
                return None
            values[k] = PerStep(numbers[:, column])
        call = Call(self._operation, tuple(values))
        code = encoded(call, faults)
        return (_staged([(call, code)], _sharing([call]), faults), numbers) if code else None


def _described(value: Array) -> object:
    found = value.__array_interface__
    return found["data"], found["shape"], found["strides"], found["typestr"]


class _Stages(NamedTuple):
    """Programs in order, for one thread or with one program per member of the team.

    Parameters
    ----------
    members
        The team that shares them; None for a single thread.
    table
        ``(stages, members, 2)``: address and length of each program.
    moves
        ``(moves, 4)``: address of the number to change, then base, stride and number of its :class:`Move`.
    faults
        ``(1,)``: which argument held an index out of range, from 1; 0 for none.
    programs
        The programs in the table; a single one without a team.
    """

    members: Team | None
    table: Array
    moves: Array
    faults: Array
    programs: list[Array]


def _run(stages: _Stages) -> None:
    if stages.members is None:
        run(stages.programs[0])
    else:
        stages.members.lead(lead, stages.table)
    _require_sound(stages.faults)


def _run_steps(before: _Stages, after: _Stages, costs: Array, first: int, count: int) -> int:
    rest = before.moves, after.moves, costs, before.faults, first, count
    if before.members is None:
        done = _repeat(before.programs[0], after.programs[0], *rest)
    else:
        done = before.members.lead(_lead_repeated, before.table, after.table, *rest)
    _require_sound(before.faults)
    return int(done)


def _require_sound(faults: Array) -> None:
    number, faults[0] = int(faults[0]), 0
    if number:
        raise IndexError(
            f"{INDEXED[number - 1]} holds an index that is out of range. Do not modify labels or data until the "
            "training ends."
        )


@compiled
def _repeat(
    before: Array,
    after: Array,
    moves_before: Array,
    moves_after: Array,
    costs: Array,
    faults: Array,
    first: int,
    count: int,
) -> int:
    for k in range(first, first + count):
        _move(moves_before, k)
        run(before)
        if faults[0] != 0 or not np.isfinite(costs[k, 0]):
            return k - first
        _move(moves_after, k)
        run(after)
    return count


@compiled
def _lead_repeated(
    before: Array,
    after: Array,
    moves_before: Array,
    moves_after: Array,
    costs: Array,
    faults: Array,
    first: int,
    count: int,
    board: Array,
    helped: bool,
) -> int:
    """Like :func:`_repeat`, with stages shared by the team; takes four times as long to compile."""
    for k in range(first, first + count):
        _move(moves_before, k)
        lead(before, board, helped)
        if faults[0] != 0 or not np.isfinite(costs[k, 0]):
            return k - first
        _move(moves_after, k)
        lead(after, board, helped)
    return count


@compiled
def _move(moves: Array, k: int) -> None:
    for m in range(moves.shape[0]):
        value = moves[m, 1] + moves[m, 2] * k
        store(moves[m, 0], load(value) if moves[m, 3] else value)


def _sharing(calls: list[Call]) -> Team | None:
    """Return the team for these calls; None if neither the team nor BLAS could share one of them."""
    return team() if any(map(_may_be_shared, calls)) else None


def _staged(codes: list[tuple[Call, Code]], members: Team | None, faults: Array) -> _Stages:
    """Return calls, with their code, as stages: each holds several small calls, or the parts of a large one."""
    moves: list[Move] = []
    size = 1 if members is None else members.size
    parts = (_parts(call, size, faults) or [code] for call, code in codes)
    stages = [[_program(codes, moves) for codes in each] for each in _grouped(parts)]
    table = np.zeros((len(stages), size, 2), np.int64)
    for row, programs in zip(table, stages, strict=True):
        row[: len(programs)] = [(program.ctypes.data, program.size) for program in programs]
    kept = [program for programs in stages for program in programs] or [_program([], moves)]
    return _Stages(members, table, np.array(moves, np.int64).reshape(-1, 4), faults, kept)


def _grouped(parts: Iterable[list[Code]]) -> Iterator[list[list[Code]]]:
    """Yield the code of each member for each stage: small calls for one member, or a part of a large call for each."""
    for small, group in groupby(parts, key=lambda each: len(each) == 1):
        if small:
            yield [[code for (code,) in group]]
        else:
            yield from ([[code] for code in each] for each in group)


def _program(codes: list[Code], moves: list[Move]) -> Array:
    """Return a program, and append its moves, by the addresses of the numbers, to the list."""
    numbers: list[int] = []
    places: list[int] = []
    for function, own, _ in codes:
        places.append(len(numbers) + 2)
        numbers += [function, len(own), *own]
    program = np.array(numbers, np.int64)
    for place, code in zip(places, codes, strict=True):
        moves += (move._replace(at=program.ctypes.data + 8 * (place + move.at)) for move in code.moves)
    return program


def _parts(call: Call, most: int, faults: Array) -> list[Code]:
    """Return the parts of a call that is worth sharing; none for another."""
    axis, work = _cut(call)
    if not axis or min(most, work) < 2:
        return []
    together = 1 if any(array.ndim > 2 for array in _arrays(call)) else TOGETHER  # one image is larger than a line
    count = min(most, work, bind(call).size(axis) // together)
    cut = parts_of(call, axis, count, together) if count > 1 else []
    found = [code for code in (encoded(part, faults) for part in cut) if code]
    return found if len(found) == len(cut) else []


def _arrays(call: Call) -> list[Array]:
    return [value for value in map(sample, call.arguments) if isinstance(value, np.ndarray)]


def _cut(call: Call) -> tuple[str, int]:
    """Return the axis along which a call is cut, empty for none, and how many threads it can keep busy."""
    if call.operation is product:
        a, _, out = map(sample, call.arguments)
        return products.axis(a, out), out.size * a.shape[1] // _PART_OF_PRODUCT
    axis = next(iter(call.operation.cut.split()), "")
    pairs = zip(call.operation.arguments, call.arguments, strict=True)
    cut = [sample(value) for argument, value in pairs if axis in argument.axes]
    least = _PART if any(array.ndim > 1 for array in cut) else _PART_OF_VECTOR
    return axis, max((array.nbytes for array in cut), default=0) // least


def _may_be_shared(call: Call) -> bool:
    """Return whether the team or BLAS could share an operation; whether BLAS does depends on its environment."""
    return _cut(call)[1] >= (1 if call.operation is product else 2)


_NOTHING, _FINITE = _staged([], None, np.zeros(1, np.int64)), np.zeros((1, 1))
"""What follows a single call, and its cost, where it is run as one of many steps."""
