"""The kernels of :mod:`nnfw.ops.definitions`, each as loops over the elements.

numba compiles them without `fastmath`, so every element goes through the same operations as in NumPy, in the same
order, apart from e^x. Options come as Python floats and are brought into the arrays' dtype, as NumPy does. Arrays may
lie in memory as they like. Each kernel runs on one thread; :mod:`nnfw_numba.team` shares out large arrays in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numba import config

from nnfw.arrays import Array
from nnfw.ops import definitions
from nnfw_numba.caching import compiled
from nnfw_numba.exponential import exp, expm1, log1p
from nnfw_numba.machine import copy

Kernel = Callable[..., Any]


@compiled
def add_bias(z: Array, bias: Array) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]


@compiled
def sum_examples(delta: Array, out: Array) -> None:
    for j in range(delta.shape[1]):
        out[j] = 0
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            out[j] += delta[i, j]


@compiled
def copy_rows(source: int, rows: Array, out: int, width: int) -> None:
    """Copy rows of so many bytes from one address to another; a loop over numbers takes twice as long."""
    for i in range(rows.size):
        copy(out + i * width, source + rows[i] * width, width)


@compiled
def _take(source: Array, rows: Array, out: Array) -> None:
    if source.flags.c_contiguous and out.flags.c_contiguous:
        copy_rows(source.ctypes.data, rows, out.ctypes.data, source.itemsize * (out.size // max(1, rows.size)))
    else:
        for i in range(rows.size):
            out[i] = source[rows[i]]


def take(source: Array, rows: Array, out: Array) -> None:
    """Gather examples; NumPy does it where numbers must be converted, and may lie in a file as numba knows none."""
    (_take if source.dtype == out.dtype and rows.ndim == 1 else definitions.take.definition)(source, rows, out)


@compiled
def sigmoid_of(value: Any) -> Any:
    t = type(value)
    return t(1) / (t(1) + exp(min(-value, t(np.floor(np.log(np.finfo(t).max))))))


@compiled
def sigmoid(z: Array, out: Array) -> None:
    for k in range(z.size):
        out.flat[k] = sigmoid_of(z.flat[k])


@compiled
def sigmoid_delta(grad_a: Array, a: Array, out: Array) -> None:
    one = a.dtype.type(1)
    for k in range(a.size):
        out.flat[k] = grad_a.flat[k] * ((one - a.flat[k]) * a.flat[k])


@compiled
def tanh(z: Array, out: Array) -> None:
    two = z.dtype.type(2)
    for k in range(z.size):
        e = expm1(-two * abs(z.flat[k]))
        out.flat[k] = np.copysign(e / (two + e), z.flat[k])


@compiled
def tanh_delta(grad_a: Array, a: Array, out: Array) -> None:
    one = a.dtype.type(1)
    for k in range(a.size):
        out.flat[k] = grad_a.flat[k] * (one - a.flat[k] * a.flat[k])


@compiled
def relu(z: Array, out: Array) -> None:
    zero = z.dtype.type(0)
    for k in range(z.size):
        out.flat[k] = zero if z.flat[k] < zero else z.flat[k]


@compiled
def relu_delta(grad_a: Array, a: Array, out: Array) -> None:
    for k in range(a.size):
        out.flat[k] = grad_a.flat[k] * np.sign(a.flat[k])


@compiled
def _bounded(value: float, quarter: float) -> float:
    """Return a value within ±quarter, and NaN for one that is infinite."""
    if abs(value) <= quarter:
        return value
    return np.copysign(quarter, value) if np.isfinite(value) else value - value


@compiled
def softmax(z: Array, row: Array, out: Array) -> None:  # noqa: ARG001 - the definition needs `row`
    width = z.shape[-1]
    quarter = z.dtype.type(np.finfo(z.dtype).max / 4)
    for start in range(0, z.size, width):
        largest = -quarter
        for k in range(start, start + width):
            value = _bounded(z.flat[k], quarter)
            out.flat[k] = value
            if not value <= largest:  # also for NaN, after which nothing is larger
                largest = value
        total = z.dtype.type(0)
        for k in range(start, start + width):
            out.flat[k] = exp(out.flat[k] - largest)
            total += out.flat[k]
        for k in range(start, start + width):
            out.flat[k] /= total


@compiled
def residual(a: Array, y: Array, count: float, out: Array) -> None:
    n = a.dtype.type(count)
    for k in range(a.size):
        out.flat[k] = (a.flat[k] - a.dtype.type(y.flat[k])) / n


@compiled
def _class_of(label: Any, classes: int) -> int:
    """Return a label; its array may have changed since it was checked, and nothing else may be read or written."""
    if not 0 <= label < classes:
        raise IndexError(
            "A label is none of the classes: labels changed while they were in use. Leave them alone meanwhile."
        )
    return int(label)


@compiled
def label_residual(a: Array, y: Array, smoothing: float, count: float, out: Array) -> None:
    t = a.dtype.type
    width = a.shape[-1]
    share, uniform, n = t(1 - smoothing), t(smoothing / width), t(count)
    for k in range(a.size):
        out.flat[k] = (a.flat[k] - (t(y.flat[k]) * share + uniform)) / n


@compiled
def class_residual(a: Array, y: Array, smoothing: float, count: float, out: Array) -> None:
    t = a.dtype.type
    width = a.shape[-1]
    share, uniform, n = t(1 - smoothing), t(smoothing / width), t(count)
    for k in range(a.size):
        out.flat[k] = (a.flat[k] - uniform) / n
    for i in range(y.size):
        k = i * width + _class_of(y.flat[i], width)
        out.flat[k] = (a.flat[k] - (uniform + share)) / n


@compiled
def weigh(gradient: Array, weight: Array) -> None:
    width = gradient.size // max(1, weight.size)
    for i in range(weight.size):
        for k in range(i * width, (i + 1) * width):
            gradient.flat[k] *= weight[i]


@compiled
def squared_distance(a: Array, y: Array, count: float, total: Array) -> None:
    distance = 0.0
    for k in range(a.size):
        r = a.flat[k] - a.dtype.type(y.flat[k])
        distance += r * r
    total[0] = distance / count


@compiled
def logistic_loss(z: Array, y: Array, count: float, total: Array) -> None:
    loss, zero = 0.0, z.dtype.type(0)
    for k in range(z.size):
        v = z.flat[k]
        positive = zero if v < zero else v
        loss += positive - z.dtype.type(y.flat[k]) * v + log1p(exp(-abs(v)))
    total[0] = loss / count


@compiled
def class_loss(z: Array, y: Array, count: float, total: Array) -> None:
    loss = 0.0
    quarter = z.dtype.type(np.finfo(z.dtype).max / 4)
    for i in range(z.shape[0]):
        largest = -quarter
        for j in range(z.shape[1]):
            value = _bounded(z[i, j], quarter)
            if not value <= largest:
                largest = value
        summed = z.dtype.type(0)
        for j in range(z.shape[1]):
            summed += exp(_bounded(z[i, j], quarter) - largest)
        loss += np.log(summed) - (_bounded(z[i, _class_of(y[i], z.shape[1])], quarter) - largest)
    total[0] = loss / count


@compiled
def sgd(vector: Array, gradient: Array, rate: float) -> None:
    r = vector.dtype.type(rate)
    for k in range(vector.size):
        vector[k] -= gradient[k] * r


@compiled
def momentum(vector: Array, gradient: Array, velocity: Array, kept: float, rate: float, nesterov: bool) -> None:
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


@compiled
def adam(
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


@compiled
def rmsprop(
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


def load() -> Mapping[str, Kernel]:
    """Return the kernels by name, and what compiles.

    Raises
    ------
    RuntimeError
        If NUMBA_DISABLE_JIT is set.
    Exception
        Whatever numba raises if it cannot compile, so that it does not happen in the middle of a training.
    """
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise RuntimeError("NUMBA_DISABLE_JIT is set, so numba compiles nothing")
    from nnfw_numba.elementwise import elementwise
    from nnfw_numba.sequence import product, sequence
    from nnfw_numba.updates import adam, momentum, rmsprop, sgd

    product(*np.ones((3, 1, 1)))
    return {
        "product": product,
        "add_bias": add_bias,
        "sum_examples": sum_examples,
        "take": take,
        "sigmoid": sigmoid,
        "sigmoid_delta": sigmoid_delta,
        "tanh": tanh,
        "tanh_delta": tanh_delta,
        "relu": relu,
        "relu_delta": relu_delta,
        "softmax": softmax,
        "residual": residual,
        "label_residual": label_residual,
        "class_residual": class_residual,
        "weigh": weigh,
        "squared_distance": squared_distance,
        "logistic_loss": logistic_loss,
        "class_loss": class_loss,
        "sgd": sgd,
        "momentum": momentum,
        "adam": adam,
        "rmsprop": rmsprop,
        "sequence": sequence,
        "elementwise": elementwise,
    }
