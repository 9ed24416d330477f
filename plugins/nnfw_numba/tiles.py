"""Products of small matrices in our own loops: for these, the overhead of BLAS exceeds the work.

A tile is a few rows of the result by as many columns as a vector register holds. It stays in registers during the loop
over the inner axis, which reads b line by line; if the lines are not contiguous, b is copied first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from nnfw_numba.caching import Native, inner, native
from nnfw_numba.machine import INDICES
from nnfw_numba.untyped import Untyped

_ROWS = (8, 4, 1)
"""Rows of a tile: eight independent sums hide the latency of an addition."""

_COPIED = 2048
"""Largest b that is copied, in numbers."""

_PRODUCT, _LENGTH = 1 << 16, 256
"""Multiplications, and length of the inner axis, up to which these loops are at least as fast as BLAS: so long, the
columns of b and the rows of a that tiles need stay in the nearest cache, however large the matrices are."""

_WORD, _HALF = ir.IntType(64), ir.IntType(32)


@cache
def register() -> int:
    """Return the bytes of a vector register; 0 without masked loads and stores."""
    features = binding.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") and features.get("fma") else 0


def suits(rows: int, inner_length: int, columns: int, *, copied: bool) -> bool:
    """Return whether a product is small or short enough; `copied` tells that the lines of b are not contiguous."""
    if copied and inner_length * columns > _COPIED:
        return False
    return register() > 0 and (inner_length <= _LENGTH or rows * inner_length * columns <= _PRODUCT)


@cache
def function(char: str) -> Native:
    """Return a C function that multiplies matrices of the dtype of this character.

    Its numbers: address, row stride and column stride in bytes of a, b and out; then rows of out, length of the inner
    axis, columns of out.
    """
    multiply, copy, size = _multiply(char), _copying(char), _size(char)

    def product(p: Untyped) -> None:
        b, line = p[3], p[4]
        if p[5] != size:
            b, line = copy(p[3], p[4], p[5], p[10], p[11]), size * p[11]
        multiply(p[0], p[1], p[2], b, line, p[6], p[7], p[9], p[10], p[11])

    return native(product, (INDICES,), f"{char}{register()}".encode())


def _size(char: str) -> int:
    return np.dtype(char).itemsize


def _multiply(char: str) -> Callable[..., None]:
    eight, four, one = (_tile(rows, char) for rows in _ROWS)
    size, lanes = _size(char), register() // _size(char)

    @inner
    def multiply(
        a: int, row: int, step: int, b: int, line: int, out: int, out_row: int, rows: int, length: int, columns: int
    ) -> None:
        for j in range(0, columns, lanes):
            count, b_j, out_j, i = min(lanes, columns - j), b + j * size, out + j * size, 0
            while i + 8 <= rows:
                eight(a + i * row, row, step, b_j, line, out_j + i * out_row, out_row, length, count)
                i += 8
            if i + 4 <= rows:
                four(a + i * row, row, step, b_j, line, out_j + i * out_row, out_row, length, count)
                i += 4
            while i < rows:
                one(a + i * row, row, step, b_j, line, out_j + i * out_row, out_row, length, count)
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
            own(a_at, a.strides[0], a.strides[a_end], b_at, line, out_at, out.strides[0], rows, length, columns)

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


def _copying(char: str) -> Untyped:
    """Return a function that copies b to the stack in contiguous lines, and returns the address of the copy."""
    number = {"f": ir.FloatType(), "d": ir.DoubleType()}[char]

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
        b, line, step, length, columns = arguments
        room = cgutils.alloca_once(builder, number, _COPIED)  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, length) as outer:
            source = builder.add(b, builder.mul(outer.index, line))
            target = builder.gep(room, [builder.mul(outer.index, columns)])
            with cgutils.for_range(builder, columns) as loop:
                place = builder.add(source, builder.mul(loop.index, step))
                value = builder.load(builder.inttoptr(place, number.as_pointer()))
                builder.store(value, builder.gep(target, [loop.index]))
        return builder.ptrtoint(room, _WORD)

    return intrinsic(lambda _, b, line, step, length, columns: (types.int64(*[types.int64] * 5), code))


def _tile(rows: int, char: str) -> Untyped:
    """Return a function that computes `rows` rows and `count` columns of out, at most one register wide.

    out_rj ← Σ_k a_rk b_kj, summed in the order of k.
    """
    number = {"f": ir.FloatType(), "d": ir.DoubleType()}[char]
    lanes = register() // _size(char)
    vector = ir.VectorType(number, lanes)

    def code(context: Untyped, builder: Untyped, signature: Untyped, arguments: Untyped) -> Untyped:
        a, row, step, b, line, out, out_row, length, count = arguments
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
        for r, each in enumerate(sums):
            masked.store(builder.load(each), builder.add(out, builder.mul(_WORD(r), out_row)))
        return context.get_dummy_value()

    return intrinsic(
        lambda _, a, row, step, b, line, out, out_row, length, count: (types.void(*[types.int64] * 9), code)
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
