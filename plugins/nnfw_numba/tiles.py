"""Products of matrices in our own loops, near the speed of the processor's multiplications.

A tile is a few rows of the result by as many columns as a vector register holds. It stays in registers during the loop
over the inner axis, which reads b line by line. If the lines of b are not contiguous, or far apart, a block of them as
wide as the tile is first copied to the stack. A long inner axis is several blocks, whose sums are added.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from nnfw.arrays import Array
from nnfw_numba.caching import Native, inner, native
from nnfw_numba.machine import INDICES
from nnfw_numba.untyped import Untyped

_ROWS = (8, 4, 1)
"""Rows of a tile: eight independent sums hide the latency of an addition."""

_BLOCK = 256
"""Lines of b in a block."""

_FEW = 8
"""Rows of a for which BLAS is faster if the rows are long, or if b would be copied."""

_SMALL, _PRODUCT = 2048, 1 << 16
"""Numbers in b, and multiplications, up to which these loops are faster all the same."""

_FAR = 4096
"""Bytes between lines that compete for one place in the cache."""

_WORD, _HALF = ir.IntType(64), ir.IntType(32)


@cache
def register() -> int:
    """Return the bytes of a vector register; 0 without masked loads and stores."""
    features = binding.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") and features.get("fma") else 0


def suits(a: Array, b: Array) -> bool:
    """Return whether these loops are at least as fast as BLAS."""
    (rows, length), columns = a.shape, b.shape[1]
    lines = columns == 1 or b.strides[1] == b.itemsize
    if not register() or not (lines or length == 1 or b.strides[0] == b.itemsize):
        return False
    if rows > _FEW:
        return length == 1 or a.strides[1] % _FAR != 0
    return b.size <= _SMALL or (lines and (length <= _BLOCK or rows * b.size <= _PRODUCT))


@cache
def function(char: str) -> Native:
    """Return a C function that multiplies matrices of the dtype of this character.

    Its numbers: address, row stride and column stride in bytes of a, b and out; then rows of out, length of the inner
    axis, columns of out.
    """
    multiply = _multiply(char)

    def product(p: Untyped) -> None:
        multiply(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[9], p[10], p[11])

    return native(product, (INDICES,), f"{char}{register()}".encode())


def _size(char: str) -> int:
    return np.dtype(char).itemsize


def _multiply(char: str) -> Callable[..., None]:
    eight, four, one = (_tile(rows, char) for rows in _ROWS)
    size, lanes = _size(char), register() // _size(char)
    room, pack, wide = _room(char), _pack(char), register()

    @inner
    def multiply(
        a: int,
        row: int,
        step: int,
        b: int,
        line: int,
        apart: int,
        out: int,
        out_row: int,
        rows: int,
        length: int,
        columns: int,
    ) -> None:
        block = room()
        for first in range(0, max(1, length), _BLOCK):
            lines, a_k = min(_BLOCK, length - first), a + first * step
            for j in range(0, columns, lanes):
                count, b_j, out_j, i = min(lanes, columns - j), b + first * line + j * apart, out + j * size, 0
                lines_apart = line
                if line >= _FAR or (apart != size and columns > 1):
                    pack(b_j, line, apart, lines, count, block)
                    b_j, lines_apart = block, wide
                while i + 8 <= rows:
                    eight(a_k + i * row, row, step, b_j, lines_apart, out_j + i * out_row, out_row, lines, count, first)
                    i += 8
                if i + 4 <= rows:
                    four(a_k + i * row, row, step, b_j, lines_apart, out_j + i * out_row, out_row, lines, count, first)
                    i += 4
                while i < rows:
                    one(a_k + i * row, row, step, b_j, lines_apart, out_j + i * out_row, out_row, lines, count, first)
                    i += 1

    return multiply


def multiply(a: Untyped, b: Untyped, out: Untyped) -> None:
    """Multiply matrices in compiled code: out ← a b; lines of b and out are contiguous.

    An array of three axes is a matrix too: the last two of a and out, and the first two of b, are one axis in memory.
    """
    raise NotImplementedError(a, b, out)  # pragma: no cover - compiled code never comes here


@overload(multiply)
def _multiply_arrays(a: Untyped, b: Untyped, out: Untyped) -> Untyped:
    if not register():
        return _plain
    own: Untyped = _multiply({types.float32: "f", types.float64: "d"}[a.dtype])
    a_end, b_end = a.ndim - 1, b.ndim - 2

    def call(a: Untyped, b: Untyped, out: Untyped) -> None:
        rows = out.shape[0]
        if rows:
            length, columns, line = a.size // rows, out.size // rows, b.strides[b_end]
            a_at, b_at, out_at = a.ctypes.data, b.ctypes.data, out.ctypes.data
            own(
                a_at,
                a.strides[0],
                a.strides[a_end],
                b_at,
                line,
                b.itemsize,
                out_at,
                out.strides[0],
                rows,
                length,
                columns,
            )

    return call


def _plain(a: Untyped, b: Untyped, out: Untyped) -> None:
    rows, columns = out.shape[0], b.shape[-1]
    if rows:
        length = a.size // rows
        left, right = np.ascontiguousarray(a), np.ascontiguousarray(b)
        for i in range(rows):
            for j in range(columns):
                total = a.dtype.type(0)
                for k in range(length):
                    total += left.flat[i * length + k] * right.flat[k * columns + j]
                out.flat[i * columns + j] = total


def _room(char: str) -> Untyped:
    """Return a function that returns the address of a block on the stack."""

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
        room = cgutils.alloca_once(builder, _vector(char), _BLOCK)  # type: ignore[no-untyped-call]
        return builder.ptrtoint(room, _WORD)

    return intrinsic(lambda _: (types.int64(), code))


def _pack(char: str) -> Callable[..., None]:
    """Return a function that copies `lines` lines of `count` numbers of b to a block."""
    size, lanes, wide = _size(char), register() // _size(char), register()
    move, turn = _move(char), _turn(char)

    @inner
    def pack(b: int, line: int, apart: int, lines: int, count: int, block: int) -> None:
        if apart == size or count == 1:
            for k in range(lines):
                move(b + k * line, count, block + k * wide)
        else:
            for k in range(0, lines, lanes):
                turn(b + k * size, apart, count, min(lanes, lines - k), block + k * wide)

    return pack


def _move(char: str) -> Untyped:
    """Return a function that copies `count` numbers to a register's place in a block, and fills it with zeros."""

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
        source, count, target = arguments
        line = _Masked(builder, _vector(char), _size(char), count).load(source)
        builder.store(line, builder.inttoptr(target, _vector(char).as_pointer()), align=_size(char))
        return context.get_dummy_value()

    return intrinsic(lambda _, source, count, target: (types.void(*[types.int64] * 3), code))


def _turn(char: str) -> Untyped:
    """Return a function that transposes `count` columns of `length` numbers, each contiguous, into a block's lines.

    A square of numbers in registers is transposed by exchanging its off-diagonal quarters, then those of each quarter.
    """
    vector = _vector(char)
    lanes = vector.count

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
        source, apart, count, length, target = arguments
        zero = _WORD(0)
        square = []
        for j in range(lanes):
            own = builder.select(builder.icmp_signed("<", _WORD(j), count), length, zero)
            column = builder.add(source, builder.mul(_WORD(j), apart))
            square.append(_Masked(builder, vector, _size(char), own).load(column))
        half = lanes // 2
        while half:
            kept = [k if not k & half else lanes + k - half for k in range(lanes)]
            given = [k + half if not k & half else lanes + k for k in range(lanes)]
            for j in range(lanes):
                if not j & half:
                    pair = square[j], square[j + half]
                    for place, order in ((j, kept), (j + half, given)):
                        square[place] = builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(_HALF, lanes), order))
            half //= 2
        for k, line in enumerate(square):
            place = builder.inttoptr(builder.add(target, _WORD(k * register())), vector.as_pointer())
            builder.store(line, place, align=_size(char))
        return context.get_dummy_value()

    return intrinsic(lambda _, source, apart, count, length, target: (types.void(*[types.int64] * 5), code))


def _vector(char: str) -> Untyped:
    number = {"f": ir.FloatType(), "d": ir.DoubleType()}[char]
    return ir.VectorType(number, register() // _size(char))


def _tile(rows: int, char: str) -> Untyped:
    """Return a function that computes `rows` rows and `count` columns of out, at most one register wide.

    out_rj ← Σ_k a_rk b_kj, summed in the order of k; added to out_rj unless `first`, the number of the first k, is 0.
    """
    vector = _vector(char)
    number, lanes = vector.element, vector.count

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
        a, row, step, b, line, out, out_row, length, count, first = arguments
        masked = _Masked(builder, vector, _size(char), count)
        zero = ir.Constant(vector, [0.0] * lanes)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(rows)]  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, length) as loop:
            b_k = masked.load(builder.add(b, builder.mul(loop.index, line)))
            a_k = builder.add(a, builder.mul(loop.index, step))
            for r, each in enumerate(sums):
                place = builder.add(a_k, builder.mul(_WORD(r), row))
                value = builder.load(builder.inttoptr(place, number.as_pointer()))
                term = builder.fmul(spread(builder, value, lanes), b_k, flags=("contract",))
                builder.store(builder.fadd(builder.load(each), term, flags=("contract",)), each)
        places = [builder.add(out, builder.mul(_WORD(r), out_row)) for r in range(rows)]
        with builder.if_then(builder.icmp_signed(">", first, _WORD(0))):
            for each, place in zip(sums, places, strict=True):
                builder.store(builder.fadd(builder.load(each), masked.load(place)), each)
        for each, place in zip(sums, places, strict=True):
            masked.store(builder.load(each), place)
        return context.get_dummy_value()

    return intrinsic(
        lambda _, a, row, step, b, line, out, out_row, length, count, first: (types.void(*[types.int64] * 10), code)
    )


class _Masked:
    """Loads and stores the first `count` numbers of a vector."""

    def __init__(self, builder: Untyped, vector: Untyped, size: int, count: Untyped) -> None:
        lanes = vector.count
        self._builder, self._pointer = builder, vector.as_pointer()
        self._align, self._zero = _HALF(size), ir.Constant(vector, [0.0] * lanes)
        order = ir.Constant(ir.VectorType(_HALF, lanes), list(range(lanes)))
        counts = spread(builder, builder.trunc(count, _HALF), lanes)
        self._mask = builder.icmp_signed("<", order, counts)
        name, arguments = f"v{lanes}f{8 * size}.p0", [_HALF, self._mask.type]
        loading = ir.FunctionType(vector, [self._pointer, *arguments, vector])
        storing = ir.FunctionType(ir.VoidType(), [vector, self._pointer, *arguments])
        declare: Untyped = cgutils.get_or_insert_function
        self._load = declare(builder.module, loading, f"llvm.masked.load.{name}")
        self._store = declare(builder.module, storing, f"llvm.masked.store.{name}")

    def load(self, place: Untyped) -> Untyped:
        pointer = self._builder.inttoptr(place, self._pointer)
        return self._builder.call(self._load, [pointer, self._align, self._mask, self._zero])

    def store(self, value: Untyped, place: Untyped) -> None:
        pointer = self._builder.inttoptr(place, self._pointer)
        self._builder.call(self._store, [value, pointer, self._align, self._mask])


def spread(builder: Untyped, value: Untyped, lanes: int) -> Untyped:
    """Return a vector of `lanes` copies of a value."""
    kind = ir.VectorType(value.type, lanes)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, _HALF(0))
    return builder.shuffle_vector(
        first, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(_HALF, lanes), [0] * lanes)
    )
