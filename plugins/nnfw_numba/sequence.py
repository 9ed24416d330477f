"""Recorded calls of kernels as programs, cut in parts for the team where they are large enough.

What cannot be written as a program is called from Python in between. A compiled loop trusts the sizes of its arrays;
what does not fit together is left to NumPy, which refuses it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby, pairwise
from math import prod
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.ops import Call, definitions
from nnfw_numba import kernels, updates
from nnfw_numba.blas import gemm
from nnfw_numba.programs import PASSES, operation, run
from nnfw_numba.team import TOGETHER, Team, lead, team
from nnfw_standard import operations

_OF_LAST_AXIS = ("softmax", "label_residual", "class_residual")
"""Operations on rows of the last axis, which are those of a program only in a matrix."""

_PART_OF_PRODUCT, _PART = 1 << 18, 1 << 12
"""Multiplications, and numbers of another operation, from which on a part takes longer than handing it over. OpenBLAS
shares no product of fewer, either."""


def sequence(calls: Iterable[Call]) -> Iterator[Callable[[], object]]:
    """Yield functions which together repeat the calls in their order; the caller keeps the arrays alive."""
    for encodable, group in groupby(calls, key=lambda call: _fits(call) and _can_be_in_a_program(call)):
        if encodable:
            yield _program(list(group))
        else:
            yield from (partial(_function(call), *call.arguments) for call in group)


def _name(call: Call) -> str:
    """Return the name of an operation that is known here, else nothing."""
    name = call.operation.name
    known = getattr(definitions, name, None) or getattr(operations, name, None)
    return name if known is call.operation else ""


def _function(call: Call) -> Callable[..., object]:
    """Return what carries out a call that is in no program."""
    name = _name(call)
    if name in ("", "product") or not _fits(call):
        return call.operation.definition
    if any(isinstance(item, np.ndarray) and item.dtype.itemsize > 8 for item in call.arguments):
        return call.operation.definition
    return getattr(updates if hasattr(updates, name) else kernels, name)  # type: ignore[no-any-return]


def product(a: Array, b: Array, out: Array) -> None:
    """Multiply by the BLAS of programs, whose threads would else wait beside those of NumPy's, in each other's way."""
    for step in sequence([Call(definitions.product, (a, b, out))]):
        step()


def _fits(call: Call) -> bool:
    """Return whether arrays have the shapes that an operation takes for granted; a product looks at shapes itself."""
    if _name(call) == "take":
        source, rows, out = call.arguments
        return bool(rows.ndim == 1 and out.shape == (*rows.shape, *source.shape[1:]))
    if _name(call) == "product" or _name(call) not in PASSES:
        return True
    first, second, *others = (item for item in call.arguments if isinstance(item, np.ndarray))
    shapes = {
        "add_bias": first.shape[1:],
        "sum_examples": first.shape[1:],
        "softmax": (*first.shape[:-1], 1),
        "class_residual": first.shape[:-1],
        "weigh": first.shape[:1],
    }
    wanted = shapes.get(_name(call), first.shape)
    return second.ndim > 0 and second.shape == wanted and all(item.shape == first.shape for item in others)


def _can_be_in_a_program(call: Call) -> bool:
    arrays = [item for item in call.arguments if isinstance(item, np.ndarray)]
    if _name(call) == "take":
        return _can_copy(*arrays)
    dtype = arrays[0].dtype
    of_classes = _name(call) == "class_residual"
    if of_classes and arrays[1].dtype != np.intp:
        return False
    others = [arrays[0], *arrays[2:]] if of_classes else arrays
    if dtype not in (np.float32, np.float64) or any(item.dtype != dtype for item in others):
        return False
    if _name(call) == "product":
        return _can_multiply(*arrays)
    known = _name(call) in PASSES and (_name(call) not in _OF_LAST_AXIS or arrays[0].ndim == 2)
    return known and all(item.flags.carray for item in arrays)


def _can_multiply(a: Array, b: Array, out: Array) -> bool:
    if not (a.ndim == b.ndim == out.ndim == 2 and out.flags.carray):
        return False
    return a.shape[1] == b.shape[0] and out.shape == (len(a), b.shape[1]) and all(map(_operand, (a, b)))


def _can_copy(source: Array, rows: Array, out: Array) -> bool:
    whole = source.flags.c_contiguous and out.flags.carray and rows.flags.carray
    return bool(whole and source.dtype == out.dtype and rows.dtype == np.int64)


def _program(calls: list[Call]) -> Callable[[], object]:
    """Return what carries out calls that can be in a program."""
    members = team()
    if members is None or not any(map(_may_be_shared, calls)):
        return partial(run, _numbers(calls))
    parts = [_parts(call, members.size) for call in calls]
    stages = list(_stages(parts))
    table = np.zeros((len(stages), members.size, 2), np.int64)
    for row, programs in zip(table, stages, strict=True):
        row[: len(programs)] = [(program.ctypes.data, program.size) for program in programs]
    return partial(_lead, members, table, stages)


def _lead(members: Team, table: Array, programs: object) -> None:  # noqa: ARG001 - they must stay there
    members.lead(lead, table)


def _stages(parts: Iterable[list[Call]]) -> Iterator[list[Array]]:
    """Yield the programs of each stage: one for some calls that are small, or one for each part of a large one."""
    for small, group in groupby(parts, key=lambda each: len(each) == 1):
        if small:
            yield [_numbers([call for (call,) in group])]
        else:
            yield from ([_numbers([part]) for part in each] for each in group)


def _may_be_shared(call: Call) -> bool:
    """Return whether the team, or else BLAS, might share an operation: BLAS would not do so in every surrounding."""
    if _name(call) == "product":
        return _multiplications(call) >= _PART_OF_PRODUCT
    return len(_parts(call, 2)) > 1


def _multiplications(call: Call) -> int:
    a, _, out = call.arguments
    return int(out.size * a.shape[1])


def _parts(call: Call, most: int) -> list[Call]:
    """Return calls that together do the same as one; itself if it is too small to be shared."""
    first, *_, out = call.arguments
    of_all = out if _name(call) == "take" else first
    if _name(call) == "product":
        length, work = out.shape[_axis(first, out)], _multiplications(call) // _PART_OF_PRODUCT
    else:
        length, work = out.size if _name(call) == "sum_examples" else len(of_all), of_all.size // _PART
    count = min(most, work, length // TOGETHER)
    if count < 2:
        return [call]
    ends = [length * k // count // TOGETHER * TOGETHER for k in range(count)] + [length]
    return [call._replace(arguments=_part(call, slice(*limits))) for limits in pairwise(ends)]


def _axis(a: Array, out: Array) -> int:
    """Return which axis of a product is cut: that of the units, for ∂C/∂w = δ^T a as for z = a w^T, or else the longer.

    So a member computes the gradient of those weights that it multiplies by, and takes the optimizer's step for them.
    """
    return 0 if len(out) >= out.shape[1] or not a.flags.c_contiguous else 1


def _part(call: Call, cut: slice) -> tuple[Any, ...]:
    """Return the arguments for a part: columns of a wide product or of a sum, or else rows."""
    match _name(call), call.arguments:
        case "product", (a, b, out) if _axis(a, out):
            return a, b[:, cut], out[:, cut]
        case "product", (a, b, out):
            return a[cut], b, out[cut]
        case "sum_examples", (delta, out):
            return delta.reshape(len(delta), -1)[:, cut], out.reshape(-1)[cut]
        case "take", (source, chosen, out):
            return source, chosen[cut], out[cut]
        case "add_bias", (z, bias):
            return z[cut], bias
        case _, arguments:
            return tuple(item[cut] if isinstance(item, np.ndarray) else item for item in arguments)


def _numbers(calls: list[Call]) -> Array:
    """Return calls as a program."""
    return np.array([number for call in calls for number in _encoded(call)], np.int64)


def _encoded(call: Call) -> list[int]:
    name, char = _name(call), call.arguments[0].dtype.char
    if name == "product":
        numbers = _product(*call.arguments)
    elif name == "take":
        numbers, char = _taking(*call.arguments), "d"  # it is the same for all
    else:
        numbers = [number for item in call.arguments for number in _argument(item)]
    return [operation(name, char), len(numbers), *numbers]


def _taking(source: Array, rows: Array, out: Array) -> list[int]:
    """Return where rows come from, which they are, where they go, and their bytes."""
    return [source.ctypes.data, *_argument(rows), out.ctypes.data, out.itemsize * prod(out.shape[1:])]


def _argument(value: Array | float) -> list[int]:
    if isinstance(value, np.ndarray):
        width = prod(value.shape[1:]) if value.flags.carray else value.strides[0] // value.itemsize
        return [value.ctypes.data, len(value), width]
    return [_bits(float(value), np.dtype(float))]


def _bits(value: float, dtype: np.dtype[Any]) -> int:
    """Return the whole number whose first bytes in memory are those of `value`."""
    (number,) = struct.unpack("=q", np.array([value, 0], dtype).tobytes()[:8])
    return int(number)


def _product(a: Array, b: Array, out: Array) -> list[int]:
    """Return gemm's address and its arguments; BLAS counts by columns, so it is asked for out^T = b^T a^T."""
    left, right = _operand(b), _operand(a)
    (rows, columns), inner, dtype = out.shape, a.shape[1], out.dtype
    sizes = [columns, rows, inner, _bits(1.0, dtype)]
    tail = [_bits(0.0, dtype), *_operand(out)[1:]]
    return [gemm(dtype.char), left[0], right[0], *sizes, *left[1:], *right[1:], *tail]


def _operand(matrix: Array) -> list[int]:
    """Return how gemm takes the transpose of a matrix: as it lies or transposed, where, and how far lines are apart."""
    for kind, lines in (("N", matrix), ("T", matrix.T)):
        (length, width), (line, step), size = lines.shape, lines.strides, lines.itemsize
        apart, rest = divmod(line, size) if length > 1 else (max(1, width), 0)
        if lines.flags.aligned and (step == size or width == 1) and apart >= max(1, width) and not rest:
            return [ord(kind), matrix.ctypes.data, apart]
    return []
