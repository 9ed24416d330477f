"""Programs: calls of kernels as a line of whole numbers, carried out without returning to Python.

For each call there is where its operation lies, how many numbers follow, and these. An array is given by where it lies,
how many rows it has, and how many numbers lie from one to the next; fractions by their bits. All of it is trusted: who
writes a program has looked at shapes and dtypes, and keeps the arrays alive.

An operation is a C function that reads the numbers and calls a kernel. It is compiled when a program needs it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import carray, types  # type: ignore[attr-defined]

from nnfw.arrays import Array
from nnfw_numba import kernels
from nnfw_numba.caching import compiled, native
from nnfw_numba.machine import address, call, fraction, pointer

Numbers = Any
"""Where the numbers of a call lie, and as a second argument a pointer of the arrays' dtype, which points nowhere."""

INDICES = types.CPointer(types.intp)  # type: ignore[no-untyped-call]
POINTERS = {char: types.CPointer(kind) for char, kind in (("f", types.float32), ("d", types.float64))}  # type: ignore[no-untyped-call]


@compiled
def _matrix(p: Numbers, k: int, like: Numbers) -> Array:
    return carray(pointer(p[k], like), (p[k + 1], p[k + 2]))


@compiled
def _vector(p: Numbers, k: int, like: Numbers) -> Array:
    return carray(pointer(p[k], like), (p[k + 1] * p[k + 2],))


@compiled
def _vectors(p: Numbers, like: Numbers) -> tuple[Array, ...]:
    """Return the four vectors of an optimizer's step."""
    return _vector(p, 0, like), _vector(p, 3, like), _vector(p, 6, like), _vector(p, 9, like)


def _product(p: Numbers, like: Numbers) -> None:  # noqa: ARG001 - gemm knows it
    at = address(p)
    sizes = (at + 8, at + 16, at + 24, at + 32, at + 40, at + 48)
    call(p[0], (*sizes, p[7], at + 64, p[9], at + 80, at + 88, p[12], at + 104))


def _take(p: Numbers, like: Numbers) -> None:  # noqa: ARG001 - bytes have no dtype
    kernels.copy_rows(p[0], _vector(p, 1, p), p[4], p[5])


def _add_bias(p: Numbers, like: Numbers) -> None:
    kernels.add_bias(_matrix(p, 0, like), _vector(p, 3, like))


def _sum_examples(p: Numbers, like: Numbers) -> None:
    delta, out = _matrix(p, 0, like), _vector(p, 3, like)
    out[:] = 0
    for i in range(delta.shape[0]):
        for j in range(out.size):  # not all of a row, in a part
            out[j] += delta[i, j]


def _sigmoid(p: Numbers, like: Numbers) -> None:
    kernels.sigmoid(_vector(p, 0, like), _vector(p, 3, like))


def _sigmoid_delta(p: Numbers, like: Numbers) -> None:
    kernels.sigmoid_delta(_vector(p, 0, like), _vector(p, 3, like), _vector(p, 6, like))


def _tanh(p: Numbers, like: Numbers) -> None:
    kernels.tanh(_vector(p, 0, like), _vector(p, 3, like))


def _tanh_delta(p: Numbers, like: Numbers) -> None:
    kernels.tanh_delta(_vector(p, 0, like), _vector(p, 3, like), _vector(p, 6, like))


def _relu(p: Numbers, like: Numbers) -> None:
    kernels.relu(_vector(p, 0, like), _vector(p, 3, like))


def _relu_delta(p: Numbers, like: Numbers) -> None:
    kernels.relu_delta(_vector(p, 0, like), _vector(p, 3, like), _vector(p, 6, like))


def _softmax(p: Numbers, like: Numbers) -> None:
    kernels.softmax(_matrix(p, 0, like), _vector(p, 3, like), _matrix(p, 6, like))


def _residual(p: Numbers, like: Numbers) -> None:
    kernels.residual(_matrix(p, 0, like), _matrix(p, 3, like), fraction(p[6]), _matrix(p, 7, like))


def _label_residual(p: Numbers, like: Numbers) -> None:
    kernels.label_residual(
        _matrix(p, 0, like), _matrix(p, 3, like), fraction(p[6]), fraction(p[7]), _matrix(p, 8, like)
    )


def _class_residual(p: Numbers, like: Numbers) -> None:
    a, y, out = _matrix(p, 0, like), _vector(p, 3, p), _matrix(p, 8, like)
    for i in range(y.size):
        if not 0 <= y[i] < a.shape[1]:
            out[:] = np.nan
            return  # a C function cannot raise; the cost, which is asked next, does
    kernels.class_residual(a, y, fraction(p[6]), fraction(p[7]), out)


def _weigh(p: Numbers, like: Numbers) -> None:
    kernels.weigh(_matrix(p, 0, like), _vector(p, 3, like))


def _sgd(p: Numbers, like: Numbers) -> None:
    kernels.sgd(_vector(p, 0, like), _vector(p, 3, like), fraction(p[12]))


def _momentum(p: Numbers, like: Numbers) -> None:
    vector, gradient, velocity, _ = _vectors(p, like)
    kernels.momentum(vector, gradient, velocity, fraction(p[12]), fraction(p[13]), fraction(p[14]) != 0)


def _adam(p: Numbers, like: Numbers) -> None:
    vector, gradient, mean, square = _vectors(p, like)
    kernels.adam(vector, gradient, mean, square, fraction(p[12]), fraction(p[13]), fraction(p[14]), fraction(p[15]))


def _rmsprop(p: Numbers, like: Numbers) -> None:
    vector, gradient, square, scratch = _vectors(p, like)
    kernels.rmsprop(vector, gradient, square, scratch, fraction(p[12]), fraction(p[13]), fraction(p[14]))


_OPERATIONS = {
    "product": _product,
    "take": _take,
    "add_bias": _add_bias,
    "sum_examples": _sum_examples,
    "sigmoid": _sigmoid,
    "sigmoid_delta": _sigmoid_delta,
    "tanh": _tanh,
    "tanh_delta": _tanh_delta,
    "relu": _relu,
    "relu_delta": _relu_delta,
    "softmax": _softmax,
    "residual": _residual,
    "label_residual": _label_residual,
    "class_residual": _class_residual,
    "weigh": _weigh,
    "sgd": _sgd,
    "momentum": _momentum,
    "adam": _adam,
    "rmsprop": _rmsprop,
}

PASSES = _OPERATIONS.keys() - {"sgd", "momentum", "adam", "rmsprop"}
"""Operations of a pass, whose numbers are the arguments of the kernel in their order. Those of optimizers have four
vectors and four fractions, of which they take what they need."""


@cache
def _compiled_operation(name: str, char: str) -> Any:
    return native(_OPERATIONS[name], INDICES, POINTERS[char])


def operation(name: str, char: str) -> int:
    """Return where an operation on arrays of the dtype of this character lies."""
    return _compiled_operation(name, char).address  # type: ignore[no-any-return]


@compiled
def run(program: Array) -> None:
    """Carry out a program."""
    at = 0
    while at < program.size:
        call(program[at], (program.ctypes.data + 8 * (at + 2), 0))
        at += 2 + program[at + 1]
