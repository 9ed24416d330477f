"""The operations of nnfw_standard's further costs as loops over elements.

A comparison with NaN is false: what must stay NaN is the branch that a false comparison takes.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.bodies import at_least, per_element, probability, smallest, tanh_of
from nnfw_numba.caching import inner
from nnfw_numba.exponential import exp, expm1, log1p
from nnfw_numba.untyped import Number


@per_element
def log_cosh_terms(a: Number, y: Number) -> Number:
    d, two = abs(a - y), type(a)(2)
    return d + np.log1p(expm1(-two * d) / two)


@per_element
def log_cosh_slope(a: Number, y: Number, count: Number) -> Number:
    return tanh_of(a - y) / count


@inner
def _missing(a: Number, y: Number) -> Number:
    return at_least(type(a)(1) - y * a, type(a)(0))


hinge_terms = per_element(_missing)


@per_element
def hinge_slope(a: Number, y: Number, count: Number) -> Number:
    return np.sign(_missing(a, y)) * y / -count


@per_element
def squared_hinge_terms(a: Number, y: Number) -> Number:
    missing = _missing(a, y)
    return missing * missing


@per_element
def squared_hinge_slope(a: Number, y: Number, count: Number) -> Number:
    return _missing(a, y) * y * (type(a)(-2) / count)


@per_element
def focal_terms(a: Number, y: Number, gamma: Number, positive: Number, negative: Number) -> Number:
    one, yes, tiny = type(a)(1), probability(a), smallest(a)
    no = one - yes
    right = positive * y * no**gamma * np.log(at_least(yes, tiny))
    wrong = negative * (one - y) * yes**gamma * np.log(at_least(no, tiny))
    return -(right + wrong)


@per_element
def focal_terms_from_z(z: Number, y: Number, gamma: Number, positive: Number, negative: Number) -> Number:
    zero, rest = type(z)(0), log1p(exp(-abs(z)))
    minus_log_a, minus_log_rest = at_least(-z, zero) + rest, at_least(z, zero) + rest
    right = positive * y * exp(-gamma * minus_log_rest) * minus_log_a
    return right + negative * (type(z)(1) - y) * exp(-gamma * minus_log_a) * minus_log_rest


@per_element
def focal_slope(a: Number, y: Number, gamma: Number, positive: Number, negative: Number, count: Number) -> Number:
    one, yes, tiny = type(a)(1), probability(a), smallest(a)
    no = one - yes
    below, above = at_least(yes, tiny), at_least(no, tiny)
    right = positive * y * no**gamma * (one / below - gamma * np.log(below) / above)
    wrong = negative * (one - y) * yes**gamma * (one / above - gamma * np.log(above) / below)
    return (wrong - right) / count


@per_element
def focal_delta(a: Number, y: Number, gamma: Number, positive: Number, negative: Number, count: Number) -> Number:
    one, yes, tiny = type(a)(1), probability(a), smallest(a)
    no = one - yes
    right = positive * y * no**gamma * (no - gamma * yes * np.log(at_least(yes, tiny)))
    wrong = negative * (one - y) * yes**gamma * (yes - gamma * no * np.log(at_least(no, tiny)))
    return (wrong - right) / count


@inner
def divergence_terms(log_a: Array, y: Array, out: Array) -> None:
    width, zero = log_a.shape[-1], log_a.dtype.type(0)
    for i in range(out.size):
        total = zero
        for k in range(i * width, (i + 1) * width):
            p = y.flat[k]
            total += (zero if p == zero else p * np.log(p)) - p * log_a.flat[k]
        out.flat[i] = total


@inner
def quantile_terms(a: Array, y: Array, quantiles: Array, out: Array) -> None:
    one, width = a.dtype.type(1), quantiles.size
    for i in range(y.size):
        for k in range(width):
            r = y.flat[i] - a.flat[i * width + k]
            above, below = quantiles[k] * r, (quantiles[k] - one) * r
            out.flat[i * width + k] = above if above > below or above != above else below


@inner
def quantile_slope(a: Array, y: Array, quantiles: Array, count: float, out: Array) -> None:
    real, width = a.dtype.type, quantiles.size
    for i in range(y.size):
        for k in range(width):
            sign = np.sign(a.flat[i * width + k] - y.flat[i])
            slope = ((real(1) + sign) / real(2) - quantiles[k]) / real(count)
            out.flat[i * width + k] = slope * (sign * sign)


@inner
def _precision(log_variance: Number) -> Number:
    t = type(log_variance)
    return np.exp(-at_least(log_variance, -t(np.floor(np.log(np.finfo(t).max)) // 2)))


@per_element
def gaussian_terms(mean: Number, log_variance: Number, y: Number) -> Number:
    r = y - mean
    return (r * r * _precision(log_variance) + log_variance) / type(mean)(2)


@inner
def gaussian_slope(
    mean: Array, log_variance: Array, y: Array, count: float, mean_slope: Array, variance_slope: Array
) -> None:
    real = mean.dtype.type
    for k in range(mean.size):
        r = mean.flat[k] - y.flat[k]
        scaled = r * _precision(log_variance.flat[k])
        variance_slope.flat[k] = (real(1) - scaled * r) / real(2 * count)
        mean_slope.flat[k] = scaled / real(count)


@inner
def _lengths(x: Array, i: int) -> tuple[Number, Number]:
    """Return the largest entry of row i, and the length of the row divided by it, neither of them 0."""
    width, tiny = x.shape[-1], smallest(x.dtype.type(0))
    largest, total = tiny, x.dtype.type(0)
    for k in range(i * width, (i + 1) * width):
        value = abs(x.flat[k])
        if value > largest or value != value:  # nothing is larger than NaN
            largest = value
    for k in range(i * width, (i + 1) * width):
        scaled = x.flat[k] / largest
        total += scaled * scaled
    return largest, at_least(np.sqrt(total), tiny)


@inner
def cosine_terms(a: Array, y: Array, out: Array) -> None:
    width, one = a.shape[-1], a.dtype.type(1)
    for i in range(out.size):
        (largest, length), (other, other_length) = _lengths(a, i), _lengths(y, i)
        total = a.dtype.type(0)
        for k in range(i * width, (i + 1) * width):
            total += (a.flat[k] / largest / length) * (y.flat[k] / other / other_length)
        out.flat[i] = one - total


@inner
def cosine_slope(a: Array, y: Array, count: float, out: Array) -> None:
    width, n, tiny = a.shape[-1], a.dtype.type(count), smallest(a.dtype.type(0))
    for i in range(a.size // width):
        (largest, length), (other, other_length) = _lengths(a, i), _lengths(y, i)
        cosine, whole = a.dtype.type(0), at_least(length * largest, tiny)
        for k in range(i * width, (i + 1) * width):
            cosine += (a.flat[k] / largest / length) * (y.flat[k] / other / other_length)
        inside = a.dtype.type(1 if whole > tiny else 0)  # at 0 there is no slope
        for k in range(i * width, (i + 1) * width):
            own, right = a.flat[k] / largest / length, y.flat[k] / other / other_length
            out.flat[k] = (cosine * own - right) / (whole * n) * inside


@inner
def tokens(y: Array, mean: float, classes: Array, shares: Array) -> None:
    real = shares.dtype.type
    for i in range(y.shape[0]):
        count = 0
        for t in range(y.shape[1]):
            inside = y[i, t] >= 0
            classes[i, t] = y[i, t] if inside else 0
            shares[i, t] = real(1 if inside else 0)
            count += inside
        if mean != 0 and count > 1:
            for t in range(y.shape[1]):
                shares[i, t] /= real(count)
