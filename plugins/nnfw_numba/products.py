"""Matrix products in programs: by our own loops, or by SciPy's BLAS where that is faster."""

from __future__ import annotations

import struct
from functools import cache
from typing import NamedTuple

import numpy as np
from numba.extending import get_cython_function_address

from nnfw.arrays import Array
from nnfw_numba import tiles
from nnfw_numba.caching import Native, native
from nnfw_numba.machine import INDICES, address, call
from nnfw_numba.untyped import Untyped


def _product(p: Untyped) -> None:
    at = address(p)
    sizes = (at + 8, at + 16, at + 24, at + 32, at + 40, at + 48)
    call(p[0], (*sizes, p[7], at + 64, p[9], at + 80, at + 88, p[12], at + 104))


class Product(NamedTuple):
    """A product in a program: a C function, its numbers, and the positions of a, b and out in them."""

    function: int
    numbers: list[int]
    places: tuple[int, int, int]


def encoded(a: Array, b: Array, out: Array) -> Product | None:
    """Encode a product for a program; None if NumPy must compute it."""
    if not (out.flags.writeable and out.flags.aligned and (out.strides[1] == out.itemsize or out.shape[1] == 1)):
        return None
    if a.flags.aligned and b.flags.aligned and tiles.suits(a, b):
        numbers = [number for array in (a, b, out) for number in (array.ctypes.data, *array.strides)]
        return Product(tiles.function(a.dtype.char).address, [*numbers, *a.shape, b.shape[1]], (0, 3, 6))
    return _by_blas(a, b, out)


def _by_blas(a: Array, b: Array, out: Array) -> Product | None:
    """Encode a call of gemm. BLAS is column-major, so it computes out^T = b^T a^T."""
    left, right, result = _operand(b), _operand(a), _operand(out)
    if not (left and right and result and result[0] == ord("N")):
        return None
    (rows, columns), inner, dtype = out.shape, a.shape[1], out.dtype
    numbers = [gemm(dtype.char), left[0], right[0], columns, rows, inner, _bits(1.0, dtype), *left[1:], *right[1:]]
    return Product(_blas().address, [*numbers, _bits(0.0, dtype), *result[1:]], (9, 7, 12))


@cache
def _blas() -> Native:
    return native(_product, (INDICES,))


@cache
def gemm(char: str) -> int:
    """Return the address of gemm for the dtype of this character."""
    import scipy.linalg.cython_blas  # noqa: F401 - must be loaded

    name = {"f": "sgemm", "d": "dgemm"}[char]
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))


def axis(a: Array, out: Array) -> str:
    """Return the axis to cut: that of the units in ∂C/∂w = δ^T a and z = a w^T, otherwise the longer one.

    So a member multiplies by a part of the weights, computes its gradient and updates it.
    """
    return "n" if len(out) >= out.shape[1] or not a.flags.c_contiguous else "k"


def _bits(value: float, dtype: np.dtype[np.generic]) -> int:
    """Return the whole number whose first bytes in memory are those of `value`."""
    (number,) = struct.unpack("=q", np.array([value, 0], dtype).tobytes()[:8])
    return int(number)


def _operand(matrix: Array) -> list[int]:
    """Return gemm's arguments for a matrix's transpose (N or T, address, leading dimension); empty if none fit."""
    for kind, lines in (("N", matrix), ("T", matrix.T)):
        (length, width), (line, step), size = lines.shape, lines.strides, lines.itemsize
        apart, rest = divmod(line, size) if length > 1 else (max(1, width), 0)
        if lines.flags.aligned and (step == size or width == 1) and apart >= max(1, width) and not rest:
            return [ord(kind), matrix.ctypes.data, apart]
    return []
