"""Random changes of images as loops over pixels, and normal noise.

The logarithm and the cosine of the noise are polynomials, as in :mod:`nnfw_numba.exponential`, in float32 as the draws
are. log w = n ln 2 + 2 artanh s with w = 2^n m, m from √½ to √2 and s = (m − 1)/(m + 1), so |s| ≤ 0.172; the first term
left out is 0.172^10/11 = 2e-9. cos x = −(−1)^n sin r with r = x − (n + ½) π, |r| ≤ π/2, which is precise where the
cosine is 0 too; the first term left out of the sine's Taylor series is (π/2)^15/15! = 7e-10.
"""

from __future__ import annotations

import math

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import inner
from nnfw_numba.machine import fused
from nnfw_numba.untyped import Number

_REAL, _WHOLE = np.float32, np.int32
_ONE, _TWO, _HALF, _NOTHING, _FAR = map(_REAL, (1, 2, 0.5, np.nan, np.inf))
_BITS, _MANTISSA, _LEAST = _WHOLE(23), _WHOLE((1 << 23) - 1), _WHOLE(_REAL(math.sqrt(0.5)).view(_WHOLE))
_LN2 = _REAL(round(math.log(2) * 2**15) / 2**15)  # in two parts: the first one's product with n is exact
_LN2_REST = _REAL(math.log(2) - float(_LN2))
_PI = _REAL(3.140625)  # in three parts
_PI_MORE = _REAL(math.pi - float(_PI))
_PI_REST = _REAL(math.pi - float(_PI) - float(_PI_MORE))
_PER_PI, _QUARTER, _TURN = map(_REAL, (1 / math.pi, math.pi / 2, 2 * math.pi))
_ARTANH = tuple(_REAL(1 / (2 * k + 1)) for k in (4, 3, 2, 1, 0))
_SINE = tuple(_REAL((-1) ** k / math.factorial(2 * k + 1)) for k in range(6, -1, -1))


@inner
def flip2d(images: Array, u: Array, rate: float, rows: float, out: Array) -> None:
    height, width = images.shape[2], images.shape[3]
    for n in range(out.shape[0]):
        mirrored = u[n] < u.dtype.type(rate)
        for c in range(out.shape[1]):
            for y in range(height):
                source = height - 1 - y if mirrored and rows != 0 else y
                for x in range(width):
                    out[n, c, y, x] = images[n, c, source, width - 1 - x if mirrored and rows == 0 else x]


@inner
def random_places(u: Array, count_y: float, count_x: float, most_y: float, most_x: float, out: Array) -> None:
    for n in range(out.shape[0]):
        out[n, 0] = np.floor(u[n, 0] * count_y) - most_y
        out[n, 1] = np.floor(u[n, 1] * count_x) - most_x


@inner
def window2d(images: Array, places: Array, out: Array) -> None:
    for n in range(out.shape[0]):
        top, left = math.floor(places[n, 0]), math.floor(places[n, 1])
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    inside = 0 <= y + top < images.shape[2] and 0 <= x + left < images.shape[3]
                    out[n, c, y, x] = images[n, c, y + top, x + left] if inside else 0


@inner
def window2d_gradient(delta: Array, places: Array, out: Array) -> None:
    for n in range(out.shape[0]):
        top, left = math.floor(places[n, 0]), math.floor(places[n, 1])
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    inside = 0 <= y - top < delta.shape[2] and 0 <= x - left < delta.shape[3]
                    out[n, c, y, x] = delta[n, c, y - top, x - left] if inside else 0


@inner
def _polynomial(x: Number, coefficients: tuple[Number, ...]) -> Number:
    p = coefficients[0]
    for k in range(1, len(coefficients)):
        p = fused(p, x, coefficients[k])
    return p


@inner
def _log_of_rest(u: Number) -> Number:
    """Return log(1 − u) for u in [0, 1)."""
    w = _ONE - u
    lost = (_ONE - w) - u  # the rounding error of w
    bits = _WHOLE(_REAL(w).view(_WHOLE) - _LEAST)
    n = _REAL(bits >> _BITS)
    m = _WHOLE((bits & _MANTISSA) + _LEAST).view(_REAL)
    s = (m - _ONE) / (m + _ONE)
    return n * _LN2 + (fused(_TWO * s, _polynomial(s * s, _ARTANH), n * _LN2_REST) + lost / w)


@inner
def _cosine(x: Number) -> Number:
    n = np.floor(x * _PER_PI)
    m = n + _HALF
    r = ((x - m * _PI) - m * _PI_MORE) - m * _PI_REST
    r = min(max(r, -_QUARTER), _QUARTER)  # of the largest x nothing is left but the size
    odd = n - _TWO * np.floor(n * _HALF)
    return r * _polynomial(r * r, _SINE) * (_TWO * odd - _ONE) + (x - x)  # NaN if x is not finite


@inner
def _radius(u: Number) -> Number:
    """Return √(−2 log(1 − u)); NaN for u that is not in [0, 1]."""
    square = -_TWO * _log_of_rest(u)
    square = square if u < _ONE else _FAR
    return np.sqrt(square if 0 <= u <= _ONE else _NOTHING)


@inner
def add_normal(a: Array, u: Array, v: Array, deviation: float, out: Array) -> None:
    size = _REAL(deviation)
    for k in range(out.size):
        out.flat[k] = a.flat[k] + size * _radius(u.flat[k]) * _cosine(_TURN * v.flat[k])
