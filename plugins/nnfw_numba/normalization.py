"""The operations of nnfw_standard's layers that normalise, as loops over elements.

A sum over a long row is `_LANES` sums side by side, which are added at the end: additions of one need not wait for each
other, and rounding errors stay small. Sums over examples, whose rows are short, are in float64.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import inner
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
def affine(values: Array, scale: Array, shift: Array, out: Array) -> None:
    for n in range(values.shape[0]):
        if values.shape[2] == 1:
            for c in range(values.shape[1]):
                out[n, c, 0] = values[n, c, 0] * scale[c] + shift[c]
        else:
            for c in range(values.shape[1]):
                for s in range(values.shape[2]):
                    out[n, c, s] = values[n, c, s] * scale[c] + shift[c]


@inner
def scale_channels(values: Array, scale: Array, out: Array) -> None:
    for n in range(values.shape[0]):
        if values.shape[2] == 1:
            for c in range(values.shape[1]):
                out[n, c, 0] = values[n, c, 0] * scale[c]
        else:
            for c in range(values.shape[1]):
                for s in range(values.shape[2]):
                    out[n, c, s] = values[n, c, s] * scale[c]


@inner
def _sum_channels(values: Array, totals: Array) -> None:
    """Set totals_c to Σ values, in float64."""
    for c in range(totals.size):
        totals[c] = 0
    sums = np.empty(_LANES, values.dtype)
    for n in range(values.shape[0]):
        if values.shape[2] == 1:
            for c in range(values.shape[1]):
                totals[c] += values[n, c, 0]
        else:
            for c in range(values.shape[1]):
                totals[c] += _sum(values[n, c], sums)


@inner
def _dot_channels(values: Array, others: Array, totals: Array) -> None:
    """Set totals_c to Σ values ⊙ others, in float64."""
    for c in range(totals.size):
        totals[c] = 0
    sums = np.empty(_LANES, values.dtype)
    for n in range(values.shape[0]):
        if values.shape[2] == 1:
            for c in range(values.shape[1]):
                totals[c] += values[n, c, 0] * others[n, c, 0]
        else:
            for c in range(values.shape[1]):
                totals[c] += _dot(values[n, c], others[n, c], sums)


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
    count = grad.dtype.type(grad.shape[0] * grad.shape[2])
    for n in range(grad.shape[0]):
        if grad.shape[2] == 1:
            for c in range(grad.shape[1]):
                through = grad[n, c, 0] - normalized[n, c, 0] * (scale_grad[c] / count) - shift_grad[c] / count
                out[n, c, 0] = through * (scale[c] * rate[c])
        else:
            for c in range(grad.shape[1]):
                share, mean, factor = scale_grad[c] / count, shift_grad[c] / count, scale[c] * rate[c]
                for s in range(grad.shape[2]):
                    out[n, c, s] = (grad[n, c, s] - normalized[n, c, s] * share - mean) * factor


@inner
def running_rates(mean: Array, variance: Array, epsilon: float, rate: Array, offset: Array) -> None:
    real = mean.dtype.type
    for c in range(mean.size):
        rate[c] = real(1) / np.sqrt(variance[c] + real(epsilon))
        offset[c] = -mean[c] * rate[c]
