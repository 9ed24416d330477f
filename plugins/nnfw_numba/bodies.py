"""The standard operations as loops over elements, found by the operation's name.

A loop takes the definition's arguments: arrays with one axis per letter of the row and one for `...`, and numbers as
float64, which are cast to the arrays' dtype as in NumPy. numba compiles without `fastmath`, so each element goes
through NumPy's calculations in NumPy's order, except for e^x. A loop runs on one thread; :mod:`nnfw_numba.team` shares
out parts of large arrays.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import inner
from nnfw_numba.exponential import exp, expm1, log1p
from nnfw_numba.machine import copy as copy_bytes

_BLOCK = 32
"""Terms in a block of a sum."""


@inner
def add_bias(z: Array, bias: Array) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]


@inner
def sum_examples(delta: Array, out: Array) -> None:
    for j in range(delta.shape[1]):
        out[j] = 0
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            out[j] += delta[i, j]


@inner
def take(source: Array, rows: Array, out: Array) -> None:
    width = source.itemsize * source.shape[1]  # a loop over numbers takes twice as long
    for i in range(rows.size):
        copy_bytes(out.ctypes.data + i * out.strides[0], source.ctypes.data + rows[i] * source.strides[0], width)


@inner
def copy(source: Array, out: Array) -> None:
    for k in range(source.size):
        out.flat[k] = source.flat[k]


@inner
def scale(values: Array, factor: float) -> None:
    f = values.dtype.type(factor)
    for k in range(values.size):
        values.flat[k] *= f


@inner
def multiply(values: Array, factors: Array, out: Array) -> None:
    for k in range(values.size):
        out.flat[k] = values.flat[k] * factors.flat[k]


@inner
def add_scaled(values: Array, other: Array, factor: float) -> None:
    f = values.dtype.type(factor)
    for k in range(values.size):
        values.flat[k] += other.flat[k] * f


@inner
def sigmoid_of(value: float) -> float:
    t = type(value)
    found: float = t(1) / (t(1) + exp(min(-value, t(np.floor(np.log(np.finfo(t).max))))))
    return found


@inner
def sigmoid(z: Array, out: Array) -> None:
    for k in range(z.size):
        out.flat[k] = sigmoid_of(z.flat[k])


@inner
def sigmoid_delta(grad_a: Array, a: Array, out: Array) -> None:
    one = a.dtype.type(1)
    for k in range(a.size):
        out.flat[k] = grad_a.flat[k] * ((one - a.flat[k]) * a.flat[k])


@inner
def tanh(z: Array, out: Array) -> None:
    two = z.dtype.type(2)
    for k in range(z.size):
        e = expm1(-two * abs(z.flat[k]))
        out.flat[k] = np.copysign(e / (two + e), z.flat[k])


@inner
def tanh_delta(grad_a: Array, a: Array, out: Array) -> None:
    one = a.dtype.type(1)
    for k in range(a.size):
        out.flat[k] = grad_a.flat[k] * (one - a.flat[k] * a.flat[k])


@inner
def dropout_mask(u: Array, rate: float, factor: float, mask: Array) -> None:
    limit, kept = u.dtype.type(rate), mask.dtype.type(factor)
    for k in range(u.size):
        mask.flat[k] = kept if u.flat[k] >= limit else mask.dtype.type(0)


@inner
def relu(z: Array, out: Array) -> None:
    zero = z.dtype.type(0)
    for k in range(z.size):
        out.flat[k] = zero if z.flat[k] < zero else z.flat[k]


@inner
def relu_delta(grad_a: Array, a: Array, out: Array) -> None:
    for k in range(a.size):
        out.flat[k] = grad_a.flat[k] * np.sign(a.flat[k])


@inner
def _bounded(value: float, quarter: float) -> float:
    """Clip a finite value to ±quarter; an infinite one becomes NaN."""
    if abs(value) <= quarter:
        return value
    return np.copysign(quarter, value) if np.isfinite(value) else value - value


@inner
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


@inner
def softmax_delta(grad_a: Array, a: Array, row: Array, out: Array) -> None:  # noqa: ARG001 - as in `softmax`
    width = a.shape[-1]
    for start in range(0, a.size, width):
        total = a.dtype.type(0)
        for k in range(start, start + width):
            total += grad_a.flat[k] * a.flat[k]
        for k in range(start, start + width):
            out.flat[k] = (grad_a.flat[k] - total) * a.flat[k]


@inner
def shift(z: Array, scratch: Array, row: Array, out: Array) -> None:  # noqa: ARG001 - as in `softmax`
    width = z.shape[-1]
    quarter = z.dtype.type(np.finfo(z.dtype).max / 4)
    for i in range(row.size):
        largest, total = -quarter, z.dtype.type(0)
        for k in range(i * width, (i + 1) * width):
            value = _bounded(z.flat[k], quarter)
            out.flat[k] = value
            if value > largest or value != value:  # nothing is larger than NaN
                largest = value
        for k in range(i * width, (i + 1) * width):
            out.flat[k] -= largest
            total += exp(out.flat[k])
        row.flat[i] = total


@inner
def subtract_log(values: Array, row: Array) -> None:
    width = values.shape[-1]
    for i in range(row.size):
        logarithm = np.log(row.flat[i])
        for k in range(i * width, (i + 1) * width):
            values.flat[k] -= logarithm


@inner
def log_softmax_delta(grad_a: Array, a: Array, row: Array, out: Array) -> None:  # noqa: ARG001 - as in `softmax`
    width = a.shape[-1]
    for start in range(0, a.size, width):
        total = a.dtype.type(0)
        for k in range(start, start + width):
            total += grad_a.flat[k]
        for k in range(start, start + width):
            v = a.flat[k]
            out.flat[k] = grad_a.flat[k] - (np.exp(v) if v > 0 else exp(v)) * total  # v > 0 is no logarithm of a share


@inner
def residual(a: Array, y: Array, count: float, out: Array) -> None:
    n = a.dtype.type(count)
    for k in range(a.size):
        out.flat[k] = (a.flat[k] - y.flat[k]) / n


@inner
def label_residual(a: Array, y: Array, smoothing: float, count: float, out: Array) -> None:
    t = a.dtype.type
    share, uniform, n = t(1 - smoothing), t(smoothing / a.shape[-1]), t(count)
    for k in range(a.size):
        out.flat[k] = (a.flat[k] - (y.flat[k] * share + uniform)) / n


@inner
def class_residual(a: Array, y: Array, smoothing: float, count: float, out: Array) -> None:
    t = a.dtype.type
    width = a.shape[-1]
    share, uniform, n = t(1 - smoothing), t(smoothing / width), t(count)
    for k in range(a.size):
        out.flat[k] = (a.flat[k] - uniform) / n
    for i in range(y.size):
        k = i * width + y.flat[i]
        out.flat[k] = (a.flat[k] - (uniform + share)) / n


@inner
def weigh(gradient: Array, weight: Array) -> None:
    width = gradient.size // max(1, weight.size)
    for i in range(weight.size):
        for k in range(i * width, (i + 1) * width):
            gradient.flat[k] *= weight[i]


@inner
def _at_least(value: float, limit: float) -> float:
    """Return the larger of two numbers; NaN if the value is NaN."""
    return limit if value < limit else value


@inner
def _smallest(value: float) -> float:
    """Return the smallest normal number of the type of a value."""
    return type(value)(np.finfo(type(value)).tiny)


@inner
def mae_terms(a: Array, y: Array, out: Array) -> None:
    for k in range(a.size):
        out.flat[k] = abs(a.flat[k] - y.flat[k])


@inner
def mae_slope(a: Array, y: Array, count: float, out: Array) -> None:
    n = a.dtype.type(count)
    for k in range(a.size):
        out.flat[k] = np.sign(a.flat[k] - y.flat[k]) / n


@inner
def huber_terms(a: Array, y: Array, threshold: float, out: Array) -> None:
    half, limit = a.dtype.type(0.5), a.dtype.type(threshold)
    for k in range(a.size):
        distance = abs(a.flat[k] - y.flat[k])
        quadratic = limit if distance > limit else distance
        out.flat[k] = (distance - half * quadratic) * quadratic


@inner
def huber_slope(a: Array, y: Array, threshold: float, count: float, out: Array) -> None:
    n, limit = a.dtype.type(count), a.dtype.type(threshold)
    for k in range(a.size):
        r = _at_least(a.flat[k] - y.flat[k], -limit)
        out.flat[k] = (limit if r > limit else r) / n


@inner
def poisson_terms(a: Array, y: Array, out: Array) -> None:
    for k in range(a.size):
        rate = _at_least(a.flat[k], np.sqrt(_smallest(a.flat[k])))
        out.flat[k] = a.flat[k] - y.flat[k] * np.log(rate)


@inner
def poisson_slope(a: Array, y: Array, count: float, out: Array) -> None:
    one, n = a.dtype.type(1), a.dtype.type(count)
    for k in range(a.size):
        out.flat[k] = (one - y.flat[k] / _at_least(a.flat[k], np.sqrt(_smallest(a.flat[k])))) / n


@inner
def _probability(a: float) -> float:
    one = type(a)(1)
    return one if a > one else _at_least(a, type(a)(0))


@inner
def binary_terms(a: Array, y: Array, out: Array) -> None:
    one = a.dtype.type(1)
    for k in range(a.size):
        p, label, tiny = _probability(a.flat[k]), y.flat[k], _smallest(a.flat[k])
        out.flat[k] = -(label * np.log(_at_least(p, tiny)) + (one - label) * np.log(_at_least(one - p, tiny)))


@inner
def binary_slope(a: Array, y: Array, count: float, scratch: Array, out: Array) -> None:  # noqa: ARG001 - as in `softmax`
    one, n = a.dtype.type(1), a.dtype.type(count)
    for k in range(a.size):
        p = _probability(a.flat[k])
        out.flat[k] = (p - y.flat[k]) / _at_least((one - p) * p, _smallest(p)) / n


@inner
def _logistic_term(z: Array, y: Array, k: int) -> float:
    v: float = z.flat[k]
    zero = z.dtype.type(0)
    return (zero if v < zero else v) - y.flat[k] * v + log1p(exp(-abs(v)))  # type: ignore[no-any-return]


@inner
def logistic_terms(a: Array, y: Array, out: Array) -> None:
    for k in range(a.size):
        out.flat[k] = _logistic_term(a, y, k)


@inner
def bounded_log(a: Array, out: Array) -> None:
    for k in range(a.size):
        out.flat[k] = np.log(_at_least(a.flat[k], _smallest(a.flat[k])))


@inner
def _smoothed(log_a: Array, i: int, smoothing: float, cost: float) -> float:
    """Return the cost of row i with smoothing, given that without."""
    t, width = log_a.dtype.type, log_a.shape[-1]
    if not smoothing:
        return cost
    uniform, total = t(smoothing / width), t(0)
    for k in range(i * width, (i + 1) * width):
        total += log_a.flat[k] * uniform
    return cost * t(1 - smoothing) - total  # type: ignore[no-any-return]


@inner
def label_terms(log_a: Array, y: Array, smoothing: float, out: Array) -> None:
    width = log_a.shape[-1]
    for i in range(out.size):
        total = log_a.dtype.type(0)
        for k in range(i * width, (i + 1) * width):
            total += log_a.flat[k] * y.flat[k]
        out.flat[i] = _smoothed(log_a, i, smoothing, -total)


@inner
def class_terms(log_a: Array, y: Array, smoothing: float, out: Array) -> None:
    for i in range(out.size):
        out.flat[i] = _smoothed(log_a, i, smoothing, -log_a.flat[i * log_a.shape[-1] + y.flat[i]])


@inner
def label_slope(a: Array, y: Array, smoothing: float, count: float, scratch: Array, out: Array) -> None:  # noqa: ARG001
    t = a.dtype.type
    share, uniform, n = t(1 - smoothing), t(smoothing / a.shape[-1]), t(count)
    for k in range(a.size):
        out.flat[k] = -(y.flat[k] * share + uniform) / _at_least(a.flat[k], _smallest(a.flat[k])) / n


@inner
def class_slope(a: Array, y: Array, smoothing: float, count: float, scratch: Array, out: Array) -> None:  # noqa: ARG001
    t, width = a.dtype.type, a.shape[-1]
    share, uniform, n = t(1 - smoothing), t(smoothing / width), t(count)
    for k in range(a.size):
        label = uniform + share if k % width == y.flat[k // width] else uniform
        out.flat[k] = -label / _at_least(a.flat[k], _smallest(a.flat[k])) / n


def _sum_of(term: Callable[[Array, Array, int], float]) -> Callable[[Array, Array, int], float]:
    """Return a function that sums term(a, y, k) over k, in float64.

    It sums blocks, so that terms are not rounded to the precision of the whole sum.
    """

    @inner
    def summed(a: Array, y: Array, count: int) -> float:
        total = 0.0
        for start in range(0, count, _BLOCK * _BLOCK):
            outer = 0.0
            for first in range(start, min(start + _BLOCK * _BLOCK, count), _BLOCK):
                part = 0.0
                for k in range(first, min(first + _BLOCK, count)):
                    part += term(a, y, k)
                outer += part
            total += outer
        return total

    return summed


@_sum_of
@inner
def _squares(a: Array, y: Array, k: int) -> float:
    r: float = a.flat[k] - y.flat[k]
    return r * r


_logistic_terms = _sum_of(_logistic_term)


@_sum_of
@inner
def _plain_terms(terms: Array, _: Array, k: int) -> float:
    return terms.flat[k]  # type: ignore[no-any-return]


@_sum_of
@inner
def _weighted_terms(terms: Array, weight: Array, i: int) -> float:
    width, total = terms.size // weight.size, terms.dtype.type(0)
    for k in range(i * width, (i + 1) * width):
        total += terms.flat[k]
    return total * weight[i]  # type: ignore[no-any-return]


@_sum_of
@inner
def _class_terms(z: Array, y: Array, i: int) -> float:
    largest = -z.dtype.type(np.finfo(z.dtype).max / 4)
    quarter, summed = -largest, z.dtype.type(0)
    for j in range(z.shape[1]):
        value = _bounded(z[i, j], quarter)
        if not value <= largest:
            largest = value
    for j in range(z.shape[1]):
        summed += exp(_bounded(z[i, j], quarter) - largest)
    return np.log(summed) - (_bounded(z[i, y[i]], quarter) - largest)  # type: ignore[no-any-return]


@inner
def mean(terms: Array, count: float, total: Array) -> None:
    total[0] = _plain_terms(terms, terms, terms.size) / count


@inner
def weighted_mean(terms: Array, weight: Array, count: float, total: Array) -> None:
    total[0] = _weighted_terms(terms, weight, len(weight)) / count


@inner
def squared_distance(a: Array, y: Array, count: float, total: Array) -> None:
    total[0] = _squares(a, y, a.size) / count


@inner
def logistic_loss(z: Array, y: Array, count: float, total: Array) -> None:
    total[0] = _logistic_terms(z, y, z.size) / count


@inner
def class_loss(z: Array, y: Array, count: float, total: Array) -> None:
    total[0] = _class_terms(z, y, len(z)) / count


@inner
def _class_of(a: Array, i: int) -> int:
    """Return the position of the largest entry of row i as `numpy.argmax` does: of equal ones, or NaN, the first."""
    best, largest, total = 0, a[i, 0], a[i, 0]
    for k in range(1, a.shape[1]):
        value = a[i, k]
        total += value
        if value > largest:
            largest, best = value, k
    return best if total == total else int(np.argmax(a[i]))  # no comparison finds NaN


@inner
def right_classes(a: Array, y: Array, total: Array) -> None:
    right = 0
    for i in range(len(a)):
        right += _class_of(a, i) == y[i]
    total[0], total[1] = right, len(a)


@inner
def right_rows(a: Array, y: Array, total: Array) -> None:
    right = 0
    for i in range(len(a)):
        right += _class_of(a, i) == _class_of(y, i)
    total[0], total[1] = right, len(a)


@inner
def add_signs(gradient: Array, weights: Array, rate: float) -> None:
    r = gradient.dtype.type(rate)
    for k in range(gradient.size):
        gradient[k] += np.sign(weights[k]) * r


@inner
def clip(gradient: Array, norm: float) -> None:
    largest, total = 0.0, 0.0
    for k in range(gradient.size):
        size = float(abs(gradient[k]))
        largest = size if not size <= largest else largest  # also for NaN
    for k in range(gradient.size):
        total += (gradient[k] / largest) ** 2  # their own squares might overflow
    length = largest * np.sqrt(total)
    if norm < length < np.inf:
        factor = gradient.dtype.type(norm / length)
        for k in range(gradient.size):
            gradient[k] *= factor


@inner
def sgd(vector: Array, gradient: Array, rate: float) -> None:
    r = vector.dtype.type(rate)
    for k in range(vector.size):
        vector[k] -= gradient[k] * r


@inner
def momentum(vector: Array, gradient: Array, velocity: Array, kept: float, rate: float, nesterov: float) -> None:
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


@inner
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


@inner
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
