"""The operations of costs for margins, probabilities, quantiles and directions, defined in NumPy.

As in :mod:`nnfw_standard.operations`. Where a formula needs several arrays, it works on blocks of rows, so that nothing
of the size of the batch is allocated.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation
from nnfw.data import row_blocks
from nnfw_standard.operations import exp_limit, smallest

BLOCK = 1 << 12
"""Elements processed at a time by formulas with many temporary arrays."""

_terms = operation(a="read n ...", y="read n ...", out="written n ...", cut="n", tolerance=16.0)
_slope = operation(
    a="read n ...", y="read n ...", count="number positive", out="written n ...", cut="n", tolerance=16.0
)


@_terms
def log_cosh_terms(a: Array, y: Array, out: Array) -> None:
    """Give the logarithm of the hyperbolic cosine: out ← log cosh(a − y)."""
    distance = np.abs(np.subtract(a, y, out=out), out=out)
    # cosh d = e^d (1 + e^−2d)/2; in this form nothing overflows, and little cancels where d is small
    out += np.log1p(np.expm1(-2 * distance) / 2)


@_slope
def log_cosh_slope(a: Array, y: Array, count: float, out: Array) -> None:
    """∂C/∂a of log cosh: out ← tanh(a − y)/count."""
    np.tanh(np.subtract(a, y, out=out), out=out)
    out /= count


def _missing(a: Array, y: Array, out: Array) -> Array:
    """Write into `out` how far `a` is from the margin, max(0, 1 − y a)."""
    np.subtract(1, np.multiply(y, a, out=out), out=out)
    return np.maximum(out, 0, out=out)


@_terms
def hinge_terms(a: Array, y: Array, out: Array) -> None:
    """Give the hinge function: out ← max(0, 1 − y a)."""
    _missing(a, y, out)


@_slope
def hinge_slope(a: Array, y: Array, count: float, out: Array) -> None:
    """∂C/∂a of the hinge function: out ← −y/count where y a < 1, else 0."""
    np.multiply(np.sign(_missing(a, y, out), out=out), y, out=out)
    out /= -count


@_terms
def squared_hinge_terms(a: Array, y: Array, out: Array) -> None:
    """Give the square of the hinge function: out ← max(0, 1 − y a)²."""
    np.square(_missing(a, y, out), out=out)


@_slope
def squared_hinge_slope(a: Array, y: Array, count: float, out: Array) -> None:
    """∂C/∂a of the squared hinge function: out ← −2 y max(0, 1 − y a)/count."""
    np.multiply(_missing(a, y, out), y, out=out)
    out *= -2 / count


def _sides(a: Array, y: Array) -> Iterator[tuple[slice, Array, Array, Array]]:
    """Yield blocks of rows with 1 − a, a, and y of the dtype of a, where `a` is clipped to [0, 1]."""
    for rows in row_blocks(a, BLOCK):
        p = np.clip(a[rows], 0, 1)
        yield rows, 1 - p, p, y[rows].astype(a.dtype, copy=False)


@operation(
    a="read n ...",
    y="read n ...",
    gamma="number",
    positive="number",
    negative="number",
    out="written n ...",
    cut="n",
    tolerance=64.0,
)
def focal_terms(a: Array, y: Array, gamma: float, positive: float, negative: float, out: Array) -> None:
    """Give the focal cost: out ← −(positive y (1 − a)^γ log a + negative (1 − y) a^γ log(1 − a))."""
    tiny = smallest(a.dtype)
    for rows, no, yes, label in _sides(a, y):
        right = positive * label * no**gamma * np.log(np.maximum(yes, tiny))
        wrong = negative * (1 - label) * yes**gamma * np.log(np.maximum(no, tiny))
        np.negative(right + wrong, out=out[rows])


@operation(
    z="read n ...",
    y="read n ...",
    gamma="number",
    positive="number",
    negative="number",
    out="written n ...",
    cut="n",
    tolerance=64.0,
)
def focal_terms_from_z(z: Array, y: Array, gamma: float, positive: float, negative: float, out: Array) -> None:
    """Give the focal cost from z, a = 1 / (1 + e^−z), in log space."""
    for rows in row_blocks(z, BLOCK):
        label, part = y[rows].astype(z.dtype, copy=False), z[rows]
        rest = np.log1p(np.exp(-np.abs(part)))
        minus_log_a, minus_log_rest = np.maximum(-part, 0) + rest, np.maximum(part, 0) + rest
        right = positive * label * np.exp(-gamma * minus_log_rest) * minus_log_a
        np.add(right, negative * (1 - label) * np.exp(-gamma * minus_log_a) * minus_log_rest, out=out[rows])


_focal = operation(
    a="read n ...",
    y="read n ...",
    gamma="number",
    positive="number",
    negative="number",
    count="number positive",
    out="written n ...",
    cut="n",
    tolerance=64.0,
)


@_focal
def focal_slope(a: Array, y: Array, gamma: float, positive: float, negative: float, count: float, out: Array) -> None:
    """∂C/∂a of the focal cost.

    out ← (negative (1 − y) a^γ (1/(1 − a) − γ log(1 − a)/a) − positive y (1 − a)^γ (1/a − γ log a/(1 − a)))/count
    """
    tiny = smallest(a.dtype)
    for rows, no, yes, label in _sides(a, y):
        below, above = np.maximum(yes, tiny), np.maximum(no, tiny)
        right = positive * label * no**gamma * (1 / below - gamma * np.log(below) / above)
        wrong = negative * (1 - label) * yes**gamma * (1 / above - gamma * np.log(above) / below)
        np.divide(wrong - right, count, out=out[rows])


@_focal
def focal_delta(a: Array, y: Array, gamma: float, positive: float, negative: float, count: float, out: Array) -> None:
    """δ^L of sigmoid with the focal cost.

    out ← (negative (1 − y) a^γ (a − γ (1 − a) log(1 − a)) − positive y (1 − a)^γ (1 − a − γ a log a))/count
    """
    tiny = smallest(a.dtype)
    for rows, no, yes, label in _sides(a, y):
        right = positive * label * no**gamma * (no - gamma * yes * np.log(np.maximum(yes, tiny)))
        wrong = negative * (1 - label) * yes**gamma * (yes - gamma * no * np.log(np.maximum(no, tiny)))
        np.divide(wrong - right, count, out=out[rows])


@operation(log_a="read n ... k", y="read positive n ... k", out="written n ...", cut="n", tolerance=16.0)
def divergence_terms(log_a: Array, y: Array, out: Array) -> None:
    """Give the divergence of `a` from y: out ← Σ_k y_k (log y_k − log a_k), where 0 log 0 = 0."""
    from scipy.special import xlogy

    np.einsum("...k->...", xlogy(y, y).astype(log_a.dtype, copy=False) - y * log_a, out=out)


@operation(a="read n ... k", y="read n ...", quantiles="read k", out="written n ... k", cut="n")
def quantile_terms(a: Array, y: Array, quantiles: Array, out: Array) -> None:
    """Give the pinball function of r = y − a: out ← max(q r, (q − 1) r)."""
    np.subtract(y[..., np.newaxis], a, out=out)
    np.maximum(quantiles * out, (quantiles - 1) * out, out=out)


@operation(
    a="read n ... k", y="read n ...", quantiles="read k", count="number positive", out="written n ... k", cut="n"
)
def quantile_slope(a: Array, y: Array, quantiles: Array, count: float, out: Array) -> None:
    """∂C/∂a of the pinball function: out ← −q/count where y > a, (1 − q)/count where y < a, 0 where they are equal."""
    for rows in row_blocks(a, 4 * BLOCK):
        sign = np.sign(a[rows] - y[rows][..., np.newaxis].astype(a.dtype, copy=False))
        # (1 + sign)/2 − q is −q or 1 − q; where the sign is 0, the slope is
        np.multiply(((1 + sign) / 2 - quantiles) / count, sign * sign, out=out[rows])


@operation(mean="read n ...", log_variance="read n ...", y="read n ...", out="written n ...", cut="n", tolerance=16.0)
def gaussian_terms(mean: Array, log_variance: Array, y: Array, out: Array) -> None:
    """Give the negative log-likelihood of a normal distribution: out ← (s + (y − μ)² e^−s)/2, s = log σ²."""
    precision = _precision(log_variance)
    np.square(np.subtract(y, mean, out=out), out=out)
    out *= precision
    out += log_variance
    out /= 2


@operation(
    mean="read n ...",
    log_variance="read n ...",
    y="read n ...",
    count="number positive",
    mean_slope="written n ...",
    variance_slope="written n ...",
    cut="n",
    tolerance=16.0,
)
def gaussian_slope(
    mean: Array, log_variance: Array, y: Array, count: float, mean_slope: Array, variance_slope: Array
) -> None:
    """∂C/∂μ and ∂C/∂s of the normal likelihood: (μ − y) e^−s/count and (1 − (y − μ)² e^−s)/(2 count)."""
    for rows in row_blocks(mean, BLOCK):
        r = mean[rows] - y[rows].astype(mean.dtype, copy=False)
        scaled = r * _precision(log_variance[rows])
        np.divide(1 - scaled * r, 2 * count, out=variance_slope[rows])
        np.divide(scaled, count, out=mean_slope[rows])


def _precision(log_variance: Array) -> Array:
    """Return e^−s, bounded so that its product with an ordinary square is finite."""
    limit = exp_limit(log_variance.dtype) // 2
    return np.asarray(np.exp(-np.maximum(log_variance, -limit)))


@operation(a="read n ... k", y="read n ... k", out="written n ...", cut="n", tolerance=16.0)
def cosine_terms(a: Array, y: Array, out: Array) -> None:
    """Give the distance of directions: out ← 1 − Σ_k a_k y_k / (‖a‖ ‖y‖); the direction of 0 is 0."""
    np.einsum("...k,...k->...", _direction(a)[0], _direction(y)[0], out=out)
    np.subtract(1, out, out=out)


@operation(a="read n ... k", y="read n ... k", count="number positive", out="written n ... k", cut="n", tolerance=64.0)
def cosine_slope(a: Array, y: Array, count: float, out: Array) -> None:
    """∂C/∂a of the distance of directions: out ← (cos · a/‖a‖ − y/‖y‖)/‖a‖/count; 0 where a = 0."""
    for rows in row_blocks(a, BLOCK):
        (own, length), (right, _) = _direction(a[rows]), _direction(y[rows].astype(a.dtype, copy=False))
        cosine = np.einsum("...k,...k->...", own, right)[..., np.newaxis]
        np.divide(cosine * own - right, length * count, out=out[rows])
        out[rows] *= length > smallest(a.dtype)  # at 0 there is no slope


def _direction(x: Array) -> tuple[Array, Array]:
    """Return x/‖x‖ and ‖x‖ over the last axis, with squares that do not overflow."""
    tiny = smallest(x.dtype)
    largest = np.maximum(np.abs(x).max(axis=-1, keepdims=True, initial=0), tiny)
    scaled = x / largest
    length = np.sqrt(np.einsum("...k,...k->...", scaled, scaled))[..., np.newaxis]
    length = np.maximum(length, tiny)
    return scaled / length, np.maximum(length * largest, tiny)


@operation(y="read int64 n t", mean="number", classes="written int64 n t", shares="written n t", cut="n")
def tokens(y: Array, mean: bool, classes: Array, shares: Array) -> None:
    """Tell tokens that count from ignored ones: classes ← max(y, 0); shares ← [y ≥ 0], over its sum if `mean`."""
    np.maximum(y, 0, out=classes)
    np.greater_equal(y, 0, out=shares)
    if mean:
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
