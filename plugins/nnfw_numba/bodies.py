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
from nnfw_numba import convolution, pooling, resizing
from nnfw_numba.caching import inner
from nnfw_numba.exponential import exp, expm1, log1p
from nnfw_numba.machine import copy as copy_bytes
from nnfw_numba.machine import elements, vector
from nnfw_numba.untyped import Number, Untyped

_BLOCK = 32
"""Terms in a block of a sum."""

_NEAR = 1024
"""Numbers of rows that are worked on together, which stay in the nearest cache."""


def per_element(function: Callable[..., Number]) -> Untyped:
    """Return a loop that sets `out`, its last argument, to function(...) of each element of the other arguments.

    The function gets elements of arrays, and numbers in the arrays' dtype.
    """
    value: Untyped = inner(function)

    @inner
    def loop(*arguments: Untyped) -> None:
        out = arguments[-1]
        for k in range(out.size):
            out.flat[k] = value(*elements(arguments[:-1], k, out))

    found: Untyped = loop
    found.parameters = (*value.parameters, "out")
    return found


conv2d, conv2d_input_gradient = convolution.conv2d, convolution.conv2d_input_gradient
conv2d_weight_gradient, sum_positions = convolution.conv2d_weight_gradient, convolution.sum_positions
add_to_channels = convolution.add_to_channels
max_pool2d, max_pool2d_gradient = pooling.max_pool2d, pooling.max_pool2d_gradient
pad2d, crop2d = resizing.pad2d, resizing.crop2d
upsample2d, upsample2d_gradient = resizing.upsample2d, resizing.upsample2d_gradient
avg_pool2d, avg_pool2d_gradient = pooling.avg_pool2d, pooling.avg_pool2d_gradient


@inner
def at_least(value: Number, limit: Number) -> Number:
    """Return the larger of two numbers; NaN if the value is NaN."""
    return limit if value < limit else value


@inner
def smallest(value: Number) -> Number:
    """Return the smallest normal number of the type of a value."""
    return type(value)(np.finfo(type(value)).tiny)


@inner
def add_bias(z: Array, bias: Array) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]


@inner
def sum_examples(delta: Array, out: Array) -> None:
    totals = vector(out, (0,), out.size)
    for j in range(out.size):
        totals[j] = 0
    for i in range(delta.shape[0]):
        row = vector(delta, (i,), out.size)
        for j in range(out.size):
            totals[j] += row[j]


@inner
def take(source: Array, rows: Array, out: Array) -> None:
    width = source.itemsize * source.shape[1]  # a loop over numbers takes twice as long
    for i in range(rows.size):
        copy_bytes(out.ctypes.data + i * out.strides[0], source.ctypes.data + rows[i] * source.strides[0], width)


@inner
def copy(source: Array, out: Array) -> None:
    width = out.itemsize * out.shape[1]  # a loop over the elements of a part of wider rows takes many times as long
    if source.strides[0] == width and out.strides[0] == width:
        copy_bytes(out.ctypes.data, source.ctypes.data, width * out.shape[0])
    else:
        for i in range(out.shape[0]):
            copy_bytes(out.ctypes.data + i * out.strides[0], source.ctypes.data + i * source.strides[0], width)


@inner
def mask(lengths: Array, out: Array) -> None:
    real = out.dtype.type
    for i in range(out.shape[0]):
        for t in range(out.shape[1]):
            out[i, t] = real(1 if t < lengths[i] else 0)


@inner
def scale(values: Array, factor: float) -> None:
    f = values.dtype.type(factor)
    for k in range(values.size):
        values.flat[k] *= f


@per_element
def multiply(values: Number, factors: Number) -> Number:
    return values * factors


@inner
def add(values: Array, other: Array) -> None:
    for k in range(values.size):
        values.flat[k] += other.flat[k]


@inner
def blend(values: Array, other: Array, factor: float) -> None:
    f = values.dtype.type(factor)
    for k in range(values.size):
        values.flat[k] = (values.flat[k] - other.flat[k]) * f + other.flat[k]


@inner
def follow(mean: Array, values: Array, kept: float) -> None:
    if kept == 0:
        for k in range(mean.size):
            mean.flat[k] = values.flat[k]
    elif kept < 1:
        blend(mean, values, kept)


@inner
def add_scaled(values: Array, other: Array, factor: float) -> None:
    f = values.dtype.type(factor)
    for k in range(values.size):
        values.flat[k] += other.flat[k] * f


@inner
def scatter_add(rows: Array, index: Array, out: Array) -> None:
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[k, j] = 0
    for i in range(index.size):
        row, total = vector(rows, (i,), out.shape[1]), vector(out, (index[i],), out.shape[1])
        for j in range(row.size):
            total[j] += row[j]


@inner
def clear_index(values: Array, index: Array, number: float) -> None:
    for i in range(values.shape[0]):
        if index[i] == number:
            for k in range(values.shape[1]):
                values[i, k] = 0


@inner
def sigmoid_of(z: Number) -> Number:
    t = type(z)
    return t(1) / (t(1) + exp(min(-z, t(np.floor(np.log(np.finfo(t).max))))))


sigmoid = per_element(sigmoid_of)


@per_element
def sigmoid_delta(grad_a: Number, a: Number) -> Number:
    return grad_a * ((type(a)(1) - a) * a)


@inner
def tanh_of(z: Number) -> Number:
    two = type(z)(2)
    e = expm1(-two * abs(z))
    return np.copysign(e / (two + e), z)


tanh = per_element(tanh_of)


@per_element
def tanh_delta(grad_a: Number, a: Number) -> Number:
    return grad_a * (type(a)(1) - a * a)


@inner
def dropout_mask(u: Array, rate: float, factor: float, mask: Array) -> None:
    limit, kept = u.dtype.type(rate), mask.dtype.type(factor)
    for k in range(u.size):
        mask.flat[k] = kept if u.flat[k] >= limit else mask.dtype.type(0)


@inner
def multiply_channels(values: Array, factors: Array, out: Array) -> None:
    for n in range(out.shape[0]):
        for t in range(out.shape[1]):
            for c in range(out.shape[2]):
                for k in range(out.shape[3]):
                    out[n, t, c, k] = values[n, t, c, k] * factors[n, c]


@per_element
def relu(z: Number) -> Number:
    return at_least(z, type(z)(0))


@per_element
def relu_delta(grad_a: Number, a: Number) -> Number:
    return grad_a * np.sign(a)


@inner
def _bounded(value: Number, quarter: Number) -> Number:
    """Clip a finite value to ±quarter; an infinite one becomes NaN."""
    if abs(value) <= quarter:
        return value
    return np.copysign(quarter, value) if np.isfinite(value) else value - value


@inner
def softmax(z: Array, row: Array, out: Array) -> None:
    width = z.shape[-1]
    quarter, block = z.dtype.type(np.finfo(z.dtype).max / 4), max(1, _NEAR // width) * width
    for first in range(0, z.size, block):
        end = min(first + block, z.size)
        for start in range(first, end, width):
            largest = -quarter
            for k in range(start, start + width):
                value = _bounded(z.flat[k], quarter)
                out.flat[k] = value
                if not value <= largest:  # also for NaN, after which nothing is larger
                    largest = value
            for k in range(start, start + width):
                out.flat[k] -= largest
        for k in range(first, end):  # many rows at once, since those of few classes are shorter than a register
            out.flat[k] = exp(out.flat[k])
        for start in range(first, end, width):
            total = z.dtype.type(0)
            for k in range(start, start + width):
                total += out.flat[k]
            for k in range(start, start + width):
                out.flat[k] /= total


@inner
def softmax_delta(grad_a: Array, a: Array, row: Array, out: Array) -> None:
    width = a.shape[-1]
    for start in range(0, a.size, width):
        total = a.dtype.type(0)
        for k in range(start, start + width):
            total += grad_a.flat[k] * a.flat[k]
        for k in range(start, start + width):
            out.flat[k] = (grad_a.flat[k] - total) * a.flat[k]


@inner
def shift(z: Array, scratch: Array, row: Array, out: Array) -> None:
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
def log_softmax_delta(grad_a: Array, a: Array, row: Array, out: Array) -> None:
    width = a.shape[-1]
    for start in range(0, a.size, width):
        total = a.dtype.type(0)
        for k in range(start, start + width):
            total += grad_a.flat[k]
        for k in range(start, start + width):
            v = a.flat[k]
            out.flat[k] = grad_a.flat[k] - (np.exp(v) if v > 0 else exp(v)) * total  # v > 0 is no logarithm of a share


@inner
def sparsemax(z: Array, out: Array) -> None:
    width = z.shape[-1]
    real = z.dtype.type
    quarter, one = real(np.finfo(z.dtype).max / 4), real(1)
    for start in range(0, z.size, width):
        largest = -quarter
        for k in range(start, start + width):
            value = _bounded(z.flat[k], quarter)
            out.flat[k] = value
            if value > largest or value != value:  # nothing is larger than NaN
                largest = value
        for k in range(start, start + width):
            out.flat[k] = at_least(out.flat[k] - largest, -one)
        threshold, before = -real(2), 0
        for _ in range(width):  # what lies below a threshold has no share in the next one, which is higher
            total, count = real(0), 0
            for k in range(start, start + width):
                if out.flat[k] > threshold:
                    total += out.flat[k]
                    count += 1
            if count == before:
                break
            threshold, before = (total - one) / real(count), count
        for k in range(start, start + width):
            out.flat[k] = at_least(out.flat[k] - threshold, real(0))


@inner
def sparsemax_delta(grad_a: Array, a: Array, out: Array) -> None:
    width, real = a.shape[-1], a.dtype.type
    for start in range(0, a.size, width):
        total, count = real(0), real(0)
        for k in range(start, start + width):
            inside = np.sign(a.flat[k])
            total += grad_a.flat[k] * inside
            count += inside
        mean = total / at_least(count, real(1))
        for k in range(start, start + width):
            out.flat[k] = np.sign(a.flat[k]) * (grad_a.flat[k] - mean)


@per_element
def residual(a: Number, y: Number, count: Number) -> Number:
    return (a - y) / count


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


@per_element
def mae_terms(a: Number, y: Number) -> Number:
    return abs(a - y)


@per_element
def mae_slope(a: Number, y: Number, count: Number) -> Number:
    return np.sign(a - y) / count


@per_element
def huber_terms(a: Number, y: Number, threshold: Number) -> Number:
    distance = abs(a - y)
    quadratic = threshold if distance > threshold else distance
    return (distance - type(a)(0.5) * quadratic) * quadratic


@per_element
def huber_slope(a: Number, y: Number, threshold: Number, count: Number) -> Number:
    r = at_least(a - y, -threshold)
    return (threshold if r > threshold else r) / count


@per_element
def poisson_terms(a: Number, y: Number) -> Number:
    return a - y * np.log(at_least(a, np.sqrt(smallest(a))))


@per_element
def poisson_slope(a: Number, y: Number, count: Number) -> Number:
    return (type(a)(1) - y / at_least(a, np.sqrt(smallest(a)))) / count


@inner
def probability(a: Number) -> Number:
    one = type(a)(1)
    return one if a > one else at_least(a, type(a)(0))


@per_element
def binary_terms(a: Number, y: Number) -> Number:
    one, p, tiny = type(a)(1), probability(a), smallest(a)
    return -(y * np.log(at_least(p, tiny)) + (one - y) * np.log(at_least(one - p, tiny)))


@per_element
def binary_slope(a: Number, y: Number, count: Number, scratch: Number) -> Number:
    p = probability(a)
    return (p - y) / at_least((type(a)(1) - p) * p, smallest(p)) / count


@inner
def _logistic_term(a: Number, y: Number) -> Number:
    return at_least(a, type(a)(0)) - y * a + log1p(exp(-abs(a)))


logistic_terms = per_element(_logistic_term)


@per_element
def bounded_log(a: Number) -> Number:
    return np.log(at_least(a, smallest(a)))


@inner
def _smoothed(log_a: Array, i: int, smoothing: float, cost: float) -> Number:
    """Return the cost of row i with smoothing, given that without."""
    t, width = log_a.dtype.type, log_a.shape[-1]
    if not smoothing:
        return cost
    uniform, total = t(smoothing / width), t(0)
    for k in range(i * width, (i + 1) * width):
        total += log_a.flat[k] * uniform
    return cost * t(1 - smoothing) - total


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
def class_slope(a: Array, y: Array, smoothing: float, count: float, scratch: Array, out: Array) -> None:
    t, width = a.dtype.type, a.shape[-1]
    share, uniform, n = t(1 - smoothing), t(smoothing / width), t(count)
    for k in range(a.size):
        if y.ndim == a.ndim:  # numba compiles one branch
            label = y.flat[k] * share + uniform
        else:
            label = uniform + share if k % width == y.flat[k // width] else uniform
        out.flat[k] = -label / at_least(a.flat[k], smallest(a.flat[k])) / n


label_slope = class_slope


@inner
def _size(array: Array) -> int:
    return array.size


def mean_over(extent: Callable[[Array], int]) -> Callable[[Callable[..., Number]], Untyped]:
    """Make a body of term(k, ...): it sets `total` to the sum of the terms, for k below the extent, over `count`.

    It sums blocks in float64, so that terms are not rounded to the precision of the whole sum.

    Parameters
    ----------
    extent
        Returns the number of terms, from the first array.
    """

    def made(term: Callable[..., Number]) -> Untyped:
        value: Untyped = inner(term)

        @inner
        def body(*arguments: Untyped) -> None:
            arrays, number, whole = arguments[:-2], extent(arguments[0]), 0.0
            for start in range(0, number, _BLOCK * _BLOCK):
                outer = 0.0
                for first in range(start, min(start + _BLOCK * _BLOCK, number), _BLOCK):
                    part = 0.0
                    for k in range(first, min(first + _BLOCK, number)):
                        part += value(k, *arrays)
                    outer += part
                whole += outer
            arguments[-1][0] = whole / arguments[-2]

        found: Untyped = body
        found.parameters = (*value.parameters[1:], "count", "total")
        return found

    return made


@mean_over(_size)
def mean(k: int, terms: Array) -> Number:
    return terms.flat[k]


@mean_over(len)
def weighted_mean(i: int, terms: Array, weight: Array) -> Number:
    width, total = terms.size // weight.size, terms.dtype.type(0)
    for k in range(i * width, (i + 1) * width):
        total += terms.flat[k]
    return total * weight[i]


@mean_over(_size)
def squared_distance(k: int, a: Array, y: Array) -> Number:
    r = a.flat[k] - y.flat[k]
    return r * r


@mean_over(_size)
def logistic_loss(k: int, z: Array, y: Array) -> Number:
    return _logistic_term(z.flat[k], y.flat[k])


@inner
def class_loss(z: Array, y: Array, count: float, total: Array) -> None:
    width, real = z.shape[1], z.dtype.type
    quarter, block = real(np.finfo(z.dtype).max / 4), max(1, _NEAR // width)
    powers, chosen, whole = np.empty(block * width, z.dtype), np.empty(block, z.dtype), 0.0
    for first in range(0, z.shape[0], block):
        rows = min(block, z.shape[0] - first)
        for i in range(rows):
            largest = -quarter
            for k in range(width):
                value = _bounded(z[first + i, k], quarter)
                powers[i * width + k] = value
                if not value <= largest:
                    largest = value
            for k in range(width):
                powers[i * width + k] -= largest
            chosen[i] = powers[i * width + y[first + i]]
        for k in range(rows * width):
            powers[k] = exp(powers[k])
        part = 0.0
        for i in range(rows):
            summed = real(0)
            for k in range(width):
                summed += powers[i * width + k]
            part += np.log(summed) - chosen[i]
        whole += part
    total[0] = whole / count


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
    right, counted = 0, 0
    for i in range(len(a)):
        if y.ndim == 1:  # numba compiles one branch
            right += _class_of(a, i) == y[i]
            counted += y[i] >= 0
        else:
            right += _class_of(a, i) == _class_of(y, i)
            counted += 1
    total[0], total[1] = right, counted


right_rows = right_classes


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
def lion(
    vector: Array, gradient: Array, mean: Array, scratch: Array, kept_now: float, kept: float, rate: float
) -> None:
    t = vector.dtype.type
    b1, b2, rest, r = t(kept_now), t(kept), t(1 - kept), t(rate)
    for k in range(vector.size):
        g, m = gradient[k], mean[k]
        vector[k] -= np.sign((m - g) * b1 + g) * r
        mean[k] = m * b2 + g * rest


@inner
def clip_values(gradient: Array, limit: float) -> None:
    most = gradient.dtype.type(limit)
    for k in range(gradient.size):
        g = gradient[k]
        gradient[k] = most if g > most else -most if g < -most else g


@inner
def amsgrad(
    vector: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    largest: Array,
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
        h = at_least(s, largest[k]) if largest[k] == largest[k] else largest[k]
        mean[k], square[k], largest[k] = m, s, h
        vector[k] -= m / (np.sqrt(h) + e) * r


@inner
def nadam(
    vector: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    scratch: Array,
    kept_mean: float,
    kept_square: float,
    own_rate: float,
    mean_rate: float,
    epsilon: float,
) -> None:
    t = vector.dtype.type
    b1, b2, own, r, e = t(kept_mean), t(kept_square), t(own_rate), t(mean_rate), t(epsilon)
    for k in range(vector.size):
        g = gradient[k]
        m = mean[k] * b1 + g
        s = square[k] * b2 + g * g
        mean[k], square[k] = m, s
        vector[k] -= (own * g + r * m) / (np.sqrt(s) + e)


@inner
def radam(
    vector: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    kept_mean: float,
    kept_square: float,
    rate: float,
    share: float,
    epsilon: float,
) -> None:
    t = vector.dtype.type
    b1, b2, r, w, e = t(kept_mean), t(kept_square), t(rate), t(share), t(epsilon)
    for k in range(vector.size):
        g = gradient[k]
        m = mean[k] * b1 + g
        s = square[k] * b2 + g * g
        mean[k], square[k] = m, s
        vector[k] -= m / (w * np.sqrt(s) + e) * r


@inner
def rmsprop(
    vector: Array,
    gradient: Array,
    square: Array,
    scratch: Array,
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
