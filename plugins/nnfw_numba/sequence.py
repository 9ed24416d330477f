"""Recorded calls of kernels as one program, which a compiled loop carries out without returning to Python.

A program is a line of whole numbers: for each call its operation, how many numbers follow, and these. An array is given
by where it lies, its rows, and its columns: whatever comes after the first axis, together. Fractions are given by their
bits. What cannot be written so is called from Python in between. A compiled loop trusts the sizes of its arrays; what
does not fit together is left to NumPy, which refuses it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum, auto
from functools import cache, partial
from itertools import groupby
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import carray, types  # type: ignore[attr-defined]
from numba.extending import get_cython_function_address, intrinsic
from numpy.typing import NDArray

from nnfw.compute import Call, definitions
from nnfw_numba import kernels
from nnfw_numba.caching import compiled

Array = NDArray[Any]


class Operation(IntEnum):
    """What a program can do: the kernels of these names, and `label_residual` for rows and for classes."""

    PRODUCT = auto()
    ADD_BIAS = auto()
    SUM_EXAMPLES = auto()
    SIGMOID = auto()
    SIGMOID_DELTA = auto()
    TANH = auto()
    TANH_DELTA = auto()
    RELU = auto()
    RELU_DELTA = auto()
    SOFTMAX = auto()
    RESIDUAL = auto()
    LABEL_RESIDUAL = auto()
    CLASS_RESIDUAL = auto()
    WEIGH = auto()


_OF_LAST_AXIS = ("softmax", "label_residual")
"""Operations on rows of the last axis, which are those of a program only in a matrix."""


def sequence(calls: Iterable[Call]) -> Iterator[Callable[[], object]]:
    """Yield functions which together repeat the calls in their order; the caller keeps the arrays alive."""
    calls = [call if _fits(call) else Call("", getattr(definitions, call.name), call.arguments) for call in calls]
    encoded = [(call, *_encoded(call)) for call in calls]
    for char, group in groupby(encoded, key=lambda item: item[1]):
        if not char:
            yield from (partial(call.kernel, *call.arguments) for call, *_ in group)
        else:
            program = np.array([number for *_, numbers in group for number in numbers], np.int64)
            yield partial(run, program, np.empty(0, char))


def product(a: Array, b: Array, out: Array) -> None:
    """Multiply by the BLAS of programs, whose threads would else wait beside those of NumPy's, in each other's way."""
    for step in sequence([Call("product", definitions.product, (a, b, out))]):
        step()


def _encoded(call: Call) -> tuple[str, list[int]]:
    """Return the character of the dtype and the numbers of a call; none if it cannot be in a program."""
    arrays = [item for item in call.arguments if isinstance(item, np.ndarray)]
    dtype = arrays[0].dtype
    labels = call.name == "label_residual" and arrays[1].dtype == np.intp and arrays[1].ndim < arrays[0].ndim
    if dtype.char not in "fd" or any(item.dtype != dtype for item in arrays if not (labels and item is arrays[1])):
        return "", []
    if call.name == "product":
        numbers = _product(*call.arguments)
    elif call.name in _OF_LAST_AXIS and arrays[0].ndim != 2:
        return "", []
    elif all(item.flags.carray for item in arrays) and call.name.upper() in Operation.__members__:
        numbers = [number for item in call.arguments for number in _argument(item)]
    else:
        return "", []
    name = "CLASS_RESIDUAL" if labels else call.name.upper()
    return (dtype.char, [Operation[name], len(numbers), *numbers]) if numbers else ("", [])


def _fits(call: Call) -> bool:
    """Return whether arrays have the shapes that an operation takes for granted; a product looks at shapes itself."""
    if call.name == "product" or call.name.upper() not in Operation.__members__:
        return True
    first, second, *others = (item for item in call.arguments if isinstance(item, np.ndarray))
    shapes = {
        "add_bias": first.shape[1:],
        "sum_examples": first.shape[1:],
        "softmax": (*first.shape[:-1], 1),
        "label_residual": first.shape[: max(second.ndim, first.ndim - 1)],
        "weigh": first.shape[:1],
    }
    wanted = shapes.get(call.name, first.shape)
    return second.ndim > 0 and second.shape == wanted and all(item.shape == first.shape for item in others)


def _argument(value: Array | float) -> list[int]:
    if isinstance(value, np.ndarray):
        return [value.ctypes.data, len(value), prod(value.shape[1:])]
    return [_bits(float(value), np.dtype(float))]


def _bits(value: float, dtype: np.dtype[Any]) -> int:
    """Return the whole number whose first bytes in memory are those of `value`."""
    (number,) = struct.unpack("=q", np.array([value, 0], dtype).tobytes()[:8])
    return int(number)


def _product(a: Array, b: Array, out: Array) -> list[int]:
    """Return gemm's address and its arguments; BLAS counts by columns, so it is asked for out^T = b^T a^T."""
    if not (a.ndim == b.ndim == out.ndim == 2 and out.flags.carray):
        return []
    if a.shape[1] != b.shape[0] or out.shape != (a.shape[0], b.shape[1]):
        return []
    left, right = _operand(b), _operand(a)
    if not left or not right:
        return []
    (rows, columns), inner, dtype = out.shape, a.shape[1], out.dtype
    sizes = [columns, rows, inner, _bits(1.0, dtype)]
    tail = [_bits(0.0, dtype), out.ctypes.data, columns]
    return [_gemm(dtype.char), left[0], right[0], *sizes, *left[1:], *right[1:], *tail]


def _operand(matrix: Array) -> list[int]:
    """Return how gemm takes the transpose of a matrix: as it lies or transposed, where, and how long its lines are."""
    if matrix.flags.carray:
        return [ord("N"), matrix.ctypes.data, matrix.shape[1]]
    if matrix.flags.f_contiguous and matrix.flags.aligned:
        return [ord("T"), matrix.ctypes.data, matrix.shape[0]]
    return []


@cache
def _gemm(char: str) -> int:
    """Return where gemm lies in the BLAS that SciPy brings."""
    import scipy.linalg.cython_blas  # noqa: F401 - it must be loaded

    name = {"f": "sgemm", "d": "dgemm"}[char]
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))


def _calling(context: Any, address: Any, pointers: Any) -> Any:  # noqa: ARG001
    """Call the function at `address` with pointers."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer] * len(pointers))
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        values = (builder.extract_value(arguments[1], k) for k in range(len(pointers)))
        builder.call(function, [builder.inttoptr(value, pointer) for value in values])
        return context.get_dummy_value()

    return types.void(address, pointers), code


def _pointing(context: Any, address: Any, like: Any) -> Any:  # noqa: ARG001
    """Return an address as a pointer to numbers of the dtype of `like`."""
    result: Any = types.CPointer(like.dtype)  # type: ignore[no-untyped-call]

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.inttoptr(arguments[0], context.get_value_type(result))

    return result(address, like), code


_call: Any = intrinsic(_calling)
_pointer: Any = intrinsic(_pointing)


@compiled
def _multiply(p: Array) -> None:
    at = p.ctypes.data
    sizes = (at + 8, at + 16, at + 24, at + 32, at + 40, at + 48)
    pointers = (*sizes, p[7], at + 64, p[9], at + 80, at + 88, p[12], at + 104)
    _call(p[0], pointers)


@compiled
def _matrix(p: Array, k: int, like: Array) -> Array:
    return carray(_pointer(p[3 * k], like), (p[3 * k + 1], p[3 * k + 2]))


@compiled
def _vector(p: Array, k: int, like: Array) -> Array:
    return carray(_pointer(p[3 * k], like), (p[3 * k + 1] * p[3 * k + 2],))


@compiled
def run(program: Array, like: Array) -> None:
    """Carry out a program on arrays of the dtype of `like`."""
    at, whole = 0, program[:0]
    while at < program.size:
        operation, p = program[at], program[at + 2 : at + 2 + program[at + 1]]
        at += 2 + program[at + 1]
        if operation == Operation.PRODUCT:
            _multiply(p)
        elif operation == Operation.ADD_BIAS:
            kernels.add_bias(_matrix(p, 0, like), _vector(p, 1, like))
        elif operation == Operation.SUM_EXAMPLES:
            kernels.sum_examples(_matrix(p, 0, like), _vector(p, 1, like))
        elif operation == Operation.SIGMOID:
            kernels.sigmoid(_vector(p, 0, like), _vector(p, 1, like))
        elif operation == Operation.SIGMOID_DELTA:
            kernels.sigmoid_delta(_vector(p, 0, like), _vector(p, 1, like), _vector(p, 2, like))
        elif operation == Operation.TANH:
            kernels.tanh(_vector(p, 0, like), _vector(p, 1, like))
        elif operation == Operation.TANH_DELTA:
            kernels.tanh_delta(_vector(p, 0, like), _vector(p, 1, like), _vector(p, 2, like))
        elif operation == Operation.RELU:
            kernels.relu(_vector(p, 0, like), _vector(p, 1, like))
        elif operation == Operation.RELU_DELTA:
            kernels.relu_delta(_vector(p, 0, like), _vector(p, 1, like), _vector(p, 2, like))
        elif operation == Operation.SOFTMAX:
            kernels.softmax(_matrix(p, 0, like), _vector(p, 1, like), _matrix(p, 2, like))
        elif operation == Operation.RESIDUAL:
            kernels.residual(_matrix(p, 0, like), _matrix(p, 1, like), _matrix(p, 2, like))
        elif operation == Operation.LABEL_RESIDUAL:
            smoothing = carray(_pointer(p.ctypes.data + 48, np.empty(0)), (1,))[0]
            kernels.label_residual(_matrix(p, 0, like), _matrix(p, 1, like), smoothing, _matrix(p[1:], 2, like))
        elif operation == Operation.CLASS_RESIDUAL:
            smoothing = carray(_pointer(p.ctypes.data + 48, np.empty(0)), (1,))[0]
            kernels.label_residual(_matrix(p, 0, like), _vector(p, 1, whole), smoothing, _matrix(p[1:], 2, like))
        elif operation == Operation.WEIGH:
            kernels.weigh(_matrix(p, 0, like), _vector(p, 1, like))
