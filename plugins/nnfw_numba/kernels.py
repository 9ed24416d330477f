"""The kernels of :mod:`nnfw.compute.loops`, each as one loop over the elements.

numba compiles them without `fastmath`, so every element goes through the same operations as in NumPy, in the same
order. Options come as Python floats and are brought into the arrays' dtype, as NumPy does. Each kernel runs on one
thread: threads of its own would fight with those of the matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    try:
        compiled: Callable[..., None] = njit(cache=True, error_model="numpy", nogil=True)(function)
    except RuntimeError:  # no directory to keep compiled code in may be written to: it is compiled in each process
        compiled = njit(error_model="numpy", nogil=True)(function)
    return compiled


@_compiled
def _sgd(vector: Array, gradient: Array, rate: float) -> None:
    r = vector.dtype.type(rate)
    for k in range(vector.size):
        vector[k] -= gradient[k] * r


@_compiled
def _momentum(vector: Array, gradient: Array, velocity: Array, kept: float, rate: float, nesterov: bool) -> None:
    t = vector.dtype.type
    mu, r, ahead = t(kept), t(rate), t(rate * kept)
    if nesterov:
        for k in range(vector.size):
            v = velocity[k] * mu + gradient[k]
            velocity[k] = v
            vector[k] = (vector[k] - gradient[k] * r) - v * ahead
    else:
        for k in range(vector.size):
            v = velocity[k] * mu + gradient[k]
            velocity[k] = v
            vector[k] -= v * r


@_compiled
def _adam(
    vector: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    kept_mean: float,
    kept_square: float,
    rate: float,
    epsilon: float,
) -> None:
    t = vector.dtype.type
    b1, b2, r, e = t(kept_mean), t(kept_square), t(rate), t(epsilon)
    for k in range(vector.size):
        g = gradient[k]
        m = mean[k] * b1 + g
        s = square[k] * b2 + g * g
        mean[k] = m
        square[k] = s
        vector[k] -= m / (np.sqrt(s) + e) * r


@_compiled
def _rmsprop(
    vector: Array,
    gradient: Array,
    square: Array,
    scratch: Array,  # noqa: ARG001 - the definition needs it
    kept: float,
    rate: float,
    epsilon: float,
) -> None:
    t = vector.dtype.type
    rho, r, e = t(kept), t(rate), t(epsilon)
    for k in range(vector.size):
        g = gradient[k]
        s = square[k] * rho + g * g
        square[k] = s
        vector[k] -= g / (np.sqrt(s) + e) * r


@_compiled
def _sigmoid_delta(grad_a: Array, a: Array, out: Array) -> None:
    one = a.dtype.type(1)
    for k in range(a.size):
        out.flat[k] = grad_a.flat[k] * ((one - a.flat[k]) * a.flat[k])


@_compiled
def _tanh_delta(grad_a: Array, a: Array, out: Array) -> None:
    one = a.dtype.type(1)
    for k in range(a.size):
        out.flat[k] = grad_a.flat[k] * (one - a.flat[k] * a.flat[k])


@_compiled
def _relu_delta(grad_a: Array, a: Array, out: Array) -> None:
    for k in range(a.size):
        out.flat[k] = grad_a.flat[k] * np.sign(a.flat[k])


def load() -> Mapping[str, Callable[..., None]]:
    """Return the kernels by name."""
    return {
        "sgd": _sgd,
        "momentum": _momentum,
        "adam": _adam,
        "rmsprop": _rmsprop,
        "sigmoid_delta": _sigmoid_delta,
        "tanh_delta": _tanh_delta,
        "relu_delta": _relu_delta,
    }
