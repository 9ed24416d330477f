"""e^x, log(1 + x) and erfc as polynomials, which compile to vector instructions, unlike calls of the C library.

e^x = 2^n e^r with n = round(x / ln 2) and r = x − n ln 2, so |r| ≤ ln 2 / 2 = 0.347. ln 2 is split in two; the first
part has so few bits that its product with n is exact. e^r is its Taylor series: the first term left out is below
0.347^8/8! = 5e-9 in float32 and 0.347^14/14! = 4e-18 in float64. The rounding error is below 1.5 ε.

log(1 + x) = 2 artanh s with s = x / (2 + x), for x from 0 to 1, so s ≤ 1/3. The first term of artanh s / s left out is
9^−8/17 = 1.4e-9 in float32 and 9^−16/33 = 1.6e-17 in float64.

erfc(x) = t Q(2t − 1) e^(−x²) with t = 2/(2 + x), for x ≥ 0, where Q is a Chebyshev series. The first term left out is
8e-8 in float32 and 5e-18 in float64, of values from 0.28 to 1; all coefficients of Q as a polynomial lie below 1. In
the distribution of the normal, x² = z²/2, whose rounding error, which e^x would magnify, is put right.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context
from math import factorial, sqrt

import numpy as np
from numba import njit, types
from numba.extending import overload
from numpy.polynomial.chebyshev import cheb2poly

from nnfw_numba.machine import fused
from nnfw_numba.untyped import Untyped

Function = Callable[[Untyped], Untyped]

_inlined = njit(error_model="numpy", forceinline=True)
"""Compiles into each caller: a call that LLVM chose to leave would keep a loop from becoming vector instructions."""

_LN2 = Context(prec=60).ln(2)


def _compiled(real: Untyped, integer: Untyped, terms: int, digits: int) -> tuple[Function, Function]:
    """Return e^x, and e^x − 1 for x ≤ 0; `integer` is as large as `real`, `digits` bits are the first part of ln 2."""
    info = np.finfo(real)
    high = real(round(float(_LN2) * 2**digits) / 2**digits)
    low = real(_LN2 - Context(prec=60).create_decimal(float(high)))
    per_ln2, half, one = real(1 / _LN2), real(0.5), real(1)
    lowest, highest = real(float(info.minexp * _LN2)), real(float((info.maxexp - 1) * _LN2))
    bias, bits, leading = integer(1 - info.minexp), integer(info.nmant), real(1 / factorial(terms))
    others = tuple(real(1 / factorial(k)) for k in range(terms - 1, 0, -1))

    @_inlined
    def parts(x: Untyped) -> Untyped:
        n = np.floor(x * per_ln2 + half)
        r = (x - n * high) - n * low
        p = leading
        for k in range(len(others)):
            p = fused(p, r, others[k])
        return integer((integer(n) + bias) << bits).view(real), p * r

    @_inlined
    def exp(x: Untyped) -> Untyped:
        power, p = parts(min(max(x, lowest), highest))
        return (power * p + power if x >= lowest else real(0)) if x == x else x

    @njit(error_model="numpy")
    def expm1(x: Untyped) -> Untyped:
        power, p = parts(max(x, lowest))
        return power * p + (power - one) if x == x else x

    return exp, expm1


_ON_FLOATS = _compiled(np.float32, np.int32, 7, 9)
_ON_DOUBLES = _compiled(np.float64, np.int64, 13, 21)


def _logarithm(real: Untyped, terms: int) -> Function:
    """Return log(1 + x) for one type, by this number of terms of artanh's series."""
    two, leading = real(2), real(1 / (2 * terms - 1))
    others = tuple(real(1 / (2 * k - 1)) for k in range(terms - 1, 0, -1))

    @njit(error_model="numpy")
    def log1p(x: Untyped) -> Untyped:
        s = x / (two + x)
        p = leading
        for k in range(len(others)):
            p = fused(p, s * s, others[k])
        return two * s * p

    return log1p


def _chosen(on_float: Function, on_double: Function) -> Callable[[Function], Function]:
    """Return a decorator for a function that compiled code replaces by one of two, by the type of x."""
    functions = {types.float32: on_float, types.float64: on_double}

    def made(function: Function) -> Function:
        @overload(function)
        def chosen(x: Untyped) -> Function:
            own = functions[x]

            def call(x: Untyped) -> Untyped:
                return own(x)

            return call

        return function

    return made


_TAIL = (
    0.5770337386164697,
    0.3554369212704985,
    0.06509515882878653,
    0.003671142395836639,
    -0.0011128447433526325,
    -0.0001607582991537808,
    3.278031574173137e-05,
    5.442441645505016e-06,
    -1.5154665553171482e-06,
    -1.4297608181169865e-07,
    8.234608827419493e-08,
    -1.2962846852306563e-09,
    -4.154721631015199e-09,
    6.347058278362811e-10,
    1.4320822712256225e-10,
    -6.160390105204585e-11,
    2.0612138554721698e-12,
    3.5714931488477042e-12,
    -8.586422843251796e-13,
    -6.14560021379063e-14,
    7.418725748596617e-14,
    -1.2895042755032325e-14,
    -2.358726385710632e-15,
    1.5729349381685912e-15,
    -2.2782966239546465e-16,
    -6.31233045075643e-17,
    3.5916763531814925e-17,
)
"""Chebyshev's coefficients of e^(x²) erfc(x)/t, by arithmetic of 40 digits."""


def _distribution(real: Untyped, terms: int, exp: Function) -> Function:
    """Return the distribution function of the normal for one type, by this number of terms of Q."""
    coefficients = [*map(real, cheb2poly(_TAIL[:terms]))]
    even, odd = tuple(coefficients[::2][::-1]), tuple(coefficients[1::2][::-1])  # a longer loop would not be unrolled
    half, one, two, far, root = real(0.5), real(1), real(2), real(40), real(sqrt(0.5))

    @_inlined
    def normal(z: Untyped) -> Untyped:
        b = min(abs(z), far)  # the tail is 0 from there on
        t = two / (two + b * root)
        s = two * t - one
        p, q = even[0], odd[0]
        for k in range(1, len(even)):
            p = fused(p, s * s, even[k])
        for k in range(1, len(odd)):
            q = fused(q, s * s, odd[k])
        square = b * b
        lost = fused(b, b, -square)  # the rounding error of the square
        tail = half * t * fused(q, s, p) * exp(-half * square) * (one - half * lost)
        return (tail if z < 0 else one - tail) if z == z else z

    return normal


@_chosen(_ON_FLOATS[0], _ON_DOUBLES[0])
def exp(x: Untyped) -> Untyped:
    """Return e^x, or 0 below the smallest normal number; x up to 88 in float32, 709 in float64."""
    raise NotImplementedError(x)  # pragma: no cover - compiled code never comes here


@_chosen(_ON_FLOATS[1], _ON_DOUBLES[1])
def expm1(x: Untyped) -> Untyped:
    """Return e^x − 1 for x ≤ 0, with the relative precision of e^x − 1 itself."""
    raise NotImplementedError(x)  # pragma: no cover


@_chosen(_logarithm(np.float32, 8), _logarithm(np.float64, 16))
def log1p(x: Untyped) -> Untyped:
    """Return log(1 + x) for x from 0 to 1."""
    raise NotImplementedError(x)  # pragma: no cover


@_chosen(_distribution(np.float32, 10, _ON_FLOATS[0]), _distribution(np.float64, 27, _ON_DOUBLES[0]))
def normal(z: Untyped) -> Untyped:
    """Return Φ(z) = erfc(−z/√2)/2, the distribution function of the normal, with its relative precision at z < 0."""
    raise NotImplementedError(z)  # pragma: no cover
