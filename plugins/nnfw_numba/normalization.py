"""The operations of nnfw_standard's layers that normalise, as loops over elements.

A sum over a long row is `_LANES` sums side by side, which are added at the end: additions of one need not wait for each
other, and rounding errors stay small. Sums over examples, whose rows are short, are in float64.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import inner
from nnfw_numba.machine import vector
from nnfw_numba.untyped import Number

_LANES = 16


@inner
def _sum(a: Array, sums: Array) -> Number:
    """Return Σ a_k; `sums` is overwritten."""
    for k in range(_LANES):
        sums[k] = 0
    whole = a.size // _LANES * _LANES
    for start in range(0, whole, _LANES):
        for k in range(_LANES):
            sums[k] += a[start + k]
    total = a.dtype.type(0)
    for k in range(_LANES):
        total += sums[k]
    for k in range(whole, a.size):
        total += a[k]
    return total


@inner
def _dot(a: Array, b: Array, sums: Array) -> Number:
    """Return Σ a_k b_k; `sums` is overwritten."""
    for k in range(_LANES):
        sums[k] = 0
    whole = a.size // _LANES * _LANES
    for start in range(0, whole, _LANES):
        for k in range(_LANES):
            sums[k] += a[start + k] * b[start + k]
    total = a.dtype.type(0)
    for k in range(_LANES):
        total += sums[k]
    for k in range(whole, a.size):
        total += a[k] * b[k]
    return total


@inner
def normalize(x: Array, centred: float, epsilon: float, rate: Array, out: Array) -> None:
    real = x.dtype.type
    sums, count, e = np.empty(_LANES, x.dtype), real(x.shape[1]), real(epsilon)
    for i in range(x.shape[0]):
        mean = _sum(x[i], sums) / count if centred != 0 else real(0)
        for k in range(x.shape[1]):
            out[i, k] = x[i, k] - mean
        r = real(1) / np.sqrt(_dot(out[i], out[i], sums) / count + e)
        rate[i] = r
        for k in range(x.shape[1]):
            out[i, k] *= r


@inner
def normalize_delta(grad: Array, normalized: Array, rate: Array, centred: float, out: Array) -> None:
    real = grad.dtype.type
    sums, count = np.empty(_LANES, grad.dtype), real(grad.shape[1])
    for i in range(grad.shape[0]):
        share = _dot(grad[i], normalized[i], sums) / count
        mean = _sum(grad[i], sums) / count if centred != 0 else real(0)
        for k in range(grad.shape[1]):
            out[i, k] = (grad[i, k] - normalized[i, k] * share - mean) * rate[i]


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
def _sum_channels(values: Array, totals: Array) -> None:
    """Set totals_c to Σ values, in float64."""
    channels, length = values.shape[1:]
    for c in range(channels):
        totals[c] = 0
    sums, flat = np.empty(_LANES, values.dtype), _flat(values)
    for n in range(values.shape[0]):
        if flat:
            row = vector(values, (n,), channels)
            for c in range(channels):
                totals[c] += row[c]
        else:
            for c in range(channels):
                totals[c] += _sum(vector(values, (n, c), length), sums)


@inner
def _dot_channels(values: Array, others: Array, totals: Array) -> None:
    """Set totals_c to Σ values ⊙ others, in float64."""
    channels, length = values.shape[1:]
    for c in range(channels):
        totals[c] = 0
    sums, flat = np.empty(_LANES, values.dtype), _flat(values) and _flat(others)
    for n in range(values.shape[0]):
        if flat:
            row, other = vector(values, (n,), channels), vector(others, (n,), channels)
            for c in range(channels):
                totals[c] += row[c] * other[c]
        else:
            for c in range(channels):
                totals[c] += _dot(vector(values, (n, c), length), vector(others, (n, c), length), sums)


@inner
def affine_gradients(grad: Array, values: Array, scale_grad: Array, shift_grad: Array) -> None:
    totals = np.empty(scale_grad.size)
    _dot_channels(grad, values, totals)
    for c in range(totals.size):
        scale_grad[c] = totals[c]
    _sum_channels(grad, totals)
    for c in range(totals.size):
        shift_grad[c] = totals[c]


@inner
def batch_normalize(x: Array, epsilon: float, mean: Array, variance: Array, rate: Array, out: Array) -> None:
    real = x.dtype.type
    totals, count = np.empty(mean.size), x.shape[0] * x.shape[2]
    _sum_channels(x, totals)
    for c in range(mean.size):
        mean[c] = totals[c] / count
        rate[c] = -mean[c]
        variance[c] = 1
    affine(x, variance, rate, out)
    _dot_channels(out, out, totals)
    for c in range(mean.size):
        variance[c] = totals[c] / count
        rate[c] = real(1) / np.sqrt(variance[c] + real(epsilon))
    scale_channels(out, rate, out)


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
        for n in range(examples):
            for c in range(channels):
                delta, a, result = (
                    vector(grad, (n, c), length),
                    vector(normalized, (n, c), length),
                    vector(out, (n, c), length),
                )
                share, mean, factor = shares[c], means[c], factors[c]
                for s in range(length):
                    result[s] = (delta[s] - a[s] * share - mean) * factor


@inner
def running_rates(mean: Array, variance: Array, epsilon: float, rate: Array, offset: Array) -> None:
    real = mean.dtype.type
    for c in range(mean.size):
        rate[c] = real(1) / np.sqrt(variance[c] + real(epsilon))
        offset[c] = -mean[c] * rate[c]
