"""The operations of nnfw_standard's layers that normalise, as loops over elements.

A long row is added up in registers. Sums over examples, whose rows are short, are in float64.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import inner
from nnfw_numba.machine import vector
from nnfw_numba.registers import sums


@inner
def normalize(x: Array, centred: float, epsilon: float, rate: Array, out: Array) -> None:
    real = x.dtype.type
    length, e = x.shape[1], real(epsilon)
    for i in range(x.shape[0]):
        row, result = vector(x, (i,), length), vector(out, (i,), length)
        mean = sums(row, row, real(0))[0] / real(length) if centred != 0 else real(0)
        r = real(1) / np.sqrt(sums(row, row, mean)[1] / real(length) + e)
        rate[i] = r
        for k in range(length):
            result[k] = (row[k] - mean) * r


@inner
def normalize_delta(grad: Array, normalized: Array, rate: Array, centred: float, out: Array) -> None:
    real = grad.dtype.type
    length = grad.shape[1]
    for i in range(grad.shape[0]):
        delta, a, result = vector(grad, (i,), length), vector(normalized, (i,), length), vector(out, (i,), length)
        total, product = sums(delta, a, real(0))
        share, mean, r = product / real(length), total / real(length) if centred != 0 else real(0), rate[i]
        for k in range(length):
            result[k] = (delta[k] - a[k] * share - mean) * r


@inner
def _flat(values: Array) -> bool:
    """Return whether an example is a line of channels."""
    return values.shape[2] == 1 and values.strides[1] == values.itemsize


@inner
def affine(values: Array, scale: Array, shift: Array, out: Array) -> None:
    channels, length = values.shape[1:]
    factors, terms = vector(scale, (0,), channels), vector(shift, (0,), channels)
    if _flat(values) and _flat(out):
        for n in range(values.shape[0]):
            row, result = vector(values, (n,), channels), vector(out, (n,), channels)
            for c in range(channels):
                result[c] = row[c] * factors[c] + terms[c]
    else:
        for n in range(values.shape[0]):
            for c in range(channels):
                row, result = vector(values, (n, c), length), vector(out, (n, c), length)
                for s in range(length):
                    result[s] = row[s] * factors[c] + terms[c]


@inner
def scale_channels(values: Array, scale: Array, out: Array) -> None:
    channels, length = values.shape[1:]
    factors = vector(scale, (0,), channels)
    if _flat(values) and _flat(out):
        for n in range(values.shape[0]):
            row, result = vector(values, (n,), channels), vector(out, (n,), channels)
            for c in range(channels):
                result[c] = row[c] * factors[c]
    else:
        for n in range(values.shape[0]):
            for c in range(channels):
                row, result = vector(values, (n, c), length), vector(out, (n, c), length)
                for s in range(length):
                    result[s] = row[s] * factors[c]


@inner
def affine_gradients(grad: Array, values: Array, scale_grad: Array, shift_grad: Array) -> None:
    (examples, channels, length), real = grad.shape, grad.dtype.type
    totals, products = np.zeros(channels), np.zeros(channels)
    if _flat(grad) and _flat(values):
        for n in range(examples):
            delta, a = vector(grad, (n,), channels), vector(values, (n,), channels)
            for c in range(channels):
                totals[c] += delta[c]
            for c in range(channels):
                products[c] += delta[c] * a[c]
    else:
        for c in range(channels):
            for n in range(examples):
                total, product = sums(vector(grad, (n, c), length), vector(values, (n, c), length), real(0))
                totals[c] += total
                products[c] += product
    for c in range(channels):
        scale_grad[c], shift_grad[c] = products[c], totals[c]


@inner
def batch_normalize(x: Array, epsilon: float, mean: Array, variance: Array, rate: Array, out: Array) -> None:
    if _flat(x) and _flat(out):
        _normalize_rows(x, epsilon, mean, variance, rate, out)
    else:
        _normalize_planes(x, epsilon, mean, variance, rate, out)


@inner
def _normalize_rows(x: Array, epsilon: float, mean: Array, variance: Array, rate: Array, out: Array) -> None:
    """Normalise examples of one number per channel."""
    (examples, channels, _), real = x.shape, x.dtype.type
    totals = np.zeros(channels)
    for n in range(examples):
        row = vector(x, (n,), channels)
        for c in range(channels):
            totals[c] += row[c]
    for c in range(channels):
        mean[c] = totals[c] / examples
        totals[c] = 0
    means, rates = vector(mean, (0,), channels), vector(rate, (0,), channels)
    for n in range(examples):
        row, result = vector(x, (n,), channels), vector(out, (n,), channels)
        for c in range(channels):
            result[c] = row[c] - means[c]
        for c in range(channels):
            totals[c] += result[c] * result[c]
    for c in range(channels):
        variance[c] = totals[c] / examples
        rate[c] = real(1) / np.sqrt(variance[c] + real(epsilon))
    for n in range(examples):
        result = vector(out, (n,), channels)
        for c in range(channels):
            result[c] *= rates[c]


@inner
def _normalize_planes(x: Array, epsilon: float, mean: Array, variance: Array, rate: Array, out: Array) -> None:
    """Normalise one channel after the other: the variance is that within the planes, and that of their means."""
    (examples, channels, length), real = x.shape, x.dtype.type
    means = np.empty(examples)
    for c in range(channels):
        total, within, between = 0.0, 0.0, 0.0
        for n in range(examples):
            plane = vector(x, (n, c), length)
            near = sums(plane, plane, real(0))[0] / real(length)
            rest, squares = sums(plane, plane, near)
            means[n] = near + rest / length if np.isfinite(near) else near
            total += means[n]
            spread = squares - rest * (rest / length)
            within += 0.0 if spread < 0 else spread  # by rounding
        mean[c] = total / examples
        for n in range(examples):
            between += (means[n] - mean[c]) ** 2
        variance[c] = within / (examples * length) + between / examples
        rate[c] = real(1) / np.sqrt(variance[c] + real(epsilon))
        m, r = mean[c], rate[c]
        for n in range(examples):
            plane, result = vector(x, (n, c), length), vector(out, (n, c), length)
            for s in range(length):
                result[s] = (plane[s] - m) * r


@inner
def batch_normalize_delta(
    grad: Array,
    normalized: Array,
    scale: Array,
    rate: Array,
    scale_grad: Array,
    shift_grad: Array,
    out: Array,
) -> None:
    affine_gradients(grad, normalized, scale_grad, shift_grad)
    (examples, channels, length), real = grad.shape, grad.dtype.type
    count = real(examples * length)
    shares, means, factors = np.empty(channels, real), np.empty(channels, real), np.empty(channels, real)
    for c in range(channels):
        shares[c], means[c], factors[c] = scale_grad[c] / count, shift_grad[c] / count, scale[c] * rate[c]
    if _flat(grad) and _flat(normalized) and _flat(out):
        for n in range(examples):
            delta, a, result = (
                vector(grad, (n,), channels),
                vector(normalized, (n,), channels),
                vector(out, (n,), channels),
            )
            for c in range(channels):
                result[c] = (delta[c] - a[c] * shares[c] - means[c]) * factors[c]
    else:
        for c in range(channels):
            share, mean, factor = shares[c], means[c], factors[c]
            for n in range(examples):
                delta, a, result = (
                    vector(grad, (n, c), length),
                    vector(normalized, (n, c), length),
                    vector(out, (n, c), length),
                )
                for s in range(length):
                    result[s] = (delta[s] - a[s] * share - mean) * factor


@inner
def running_rates(mean: Array, variance: Array, epsilon: float, rate: Array, offset: Array) -> None:
    real = mean.dtype.type
    for c in range(mean.size):
        rate[c] = real(1) / np.sqrt(variance[c] + real(epsilon))
        offset[c] = -mean[c] * rate[c]
