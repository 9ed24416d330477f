"""Elementwise activations of nnfw_standard that are not operations: σ(z), and ∂C/∂a ⊙ σ'(z).

Each computes per element what :mod:`nnfw_standard.activations` computes for arrays. NaN stays NaN: a comparison
with NaN is false, and the ``else`` branch passes it on.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt

import numpy as np

from nnfw_numba.bodies import per_element, sigmoid_of
from nnfw_numba.caching import inner
from nnfw_numba.exponential import exp, expm1, log1p, normal
from nnfw_numba.untyped import Number, Untyped
from nnfw_standard import (
    CELU,
    ELU,
    GELU,
    SELU,
    GELUTanh,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    LogSigmoid,
    Mish,
    ReLU6,
    SiLU,
    Softplus,
    Softsign,
)


@per_element
def leaky_relu(slope: Number, z: Number) -> Number:
    return z if z > 0 else slope * z


@per_element
def leaky_relu_delta(slope: Number, grad_a: Number, z: Number, a: Number) -> Number:
    return grad_a * (type(z)(1) if z > 0 else slope if z <= 0 else z)


@per_element
def elu(above: Number, below: Number, z: Number) -> Number:
    t = type(z)
    return min(z, t(np.finfo(t).max / np.ceil(above))) * above if z > 0 else expm1(z) * below


@per_element
def elu_delta(above: Number, below: Number, grad_a: Number, z: Number, a: Number) -> Number:
    return grad_a * (above if z > 0 else a + below)


@per_element
def gelu(z: Number) -> Number:
    return z * normal(z)


@per_element
def gelu_delta(grad_a: Number, z: Number, a: Number) -> Number:
    t = type(z)
    half, bounded = t(0.5), min(abs(z), t(40))  # the density is 0 from there on
    density = exp(-half * bounded * bounded) * t(1 / sqrt(2 * pi))
    below = half if abs(z) < t(1e-20) else a / z  # Φ, since a = z Φ
    return grad_a * (below + z * density)


@per_element
def silu(z: Number) -> Number:
    t = type(z)
    lowest = -t(np.floor(np.log(np.finfo(t).max)))
    return (lowest if z < lowest else z) * sigmoid_of(z)


@per_element
def silu_delta(grad_a: Number, z: Number, a: Number) -> Number:
    s = sigmoid_of(z)
    return grad_a * (a * (type(z)(1) - s) + s)


@per_element
def softplus(z: Number) -> Number:
    zero = type(z)(0)
    return (z if z > zero else zero) + log1p(exp(-abs(z)))


@per_element
def softplus_delta(grad_a: Number, z: Number, a: Number) -> Number:
    return grad_a * sigmoid_of(z)


@per_element
def softsign(z: Number) -> Number:
    return z / (abs(z) + type(z)(1))


@per_element
def softsign_delta(grad_a: Number, z: Number, a: Number) -> Number:
    one = type(z)(1)
    r = one / (abs(z) + one)
    return grad_a * (r * r)


@per_element
def hard_sigmoid(z: Number) -> Number:
    t = type(z)
    v = z / t(6) + t(0.5)
    return t(0) if v < t(0) else t(1) if v > t(1) else v


@per_element
def hard_sigmoid_delta(grad_a: Number, z: Number, a: Number) -> Number:
    t = type(z)
    v, end = abs(z), t(3)
    return grad_a * (t(1) / t(6) if v < end else t(0) if v >= end else v)


@per_element
def celu(alpha: Number, z: Number) -> Number:
    ratio, lowest = z / alpha, type(z)(-100)  # e^−100 − 1 is −1
    return z if z > 0 else expm1(lowest if ratio < lowest else ratio) * alpha


@per_element
def celu_delta(alpha: Number, grad_a: Number, z: Number, a: Number) -> Number:
    return grad_a * (type(z)(1) if z > 0 else a / alpha + type(z)(1))


@inner
def _bounded(z: Number) -> Number:
    end = type(z)(40)
    return end if z > end else -end if z < -end else z


@inner
def _gate(z: Number) -> Number:
    t, b = type(z), _bounded(z)
    return sigmoid_of(t(2 * sqrt(2 / pi)) * b * (t(1) + t(0.044715) * b * b))


@per_element
def gelu_tanh(z: Number) -> Number:
    return (_bounded(z) if z < type(z)(0) else z) * _gate(z)


@per_element
def gelu_tanh_delta(grad_a: Number, z: Number, a: Number) -> Number:
    t, b, s = type(z), _bounded(z), _gate(z)
    return grad_a * (s + a * (t(1) - s) * t(2 * sqrt(2 / pi)) * (t(1) + t(3 * 0.044715) * b * b))


@per_element
def mish(z: Number) -> Number:
    t = type(z)
    e = exp(t(20) if z > t(20) else z)
    n = e * (e + t(2))
    return z if z > t(20) else z * (n / (n + t(2)))  # tanh(log(1 + e)) is n/(n + 2), which rounds to 1 from 20 on


@per_element
def mish_delta(grad_a: Number, z: Number, a: Number) -> Number:
    t = type(z)
    e = exp(t(20) if z > t(20) else z)
    n = e * (e + t(2))
    d = n + t(2)
    return grad_a if z > t(20) else grad_a * (n / d + t(4) * z * (e / d) * ((t(1) + e) / d))


@per_element
def log_sigmoid(z: Number) -> Number:
    zero = type(z)(0)
    return (z if z < zero else zero) - log1p(exp(-abs(z)))


@per_element
def log_sigmoid_delta(grad_a: Number, z: Number, a: Number) -> Number:
    return grad_a * sigmoid_of(-z)


@per_element
def hard_swish(z: Number) -> Number:
    t = type(z)
    v = z / t(6) + t(0.5)
    return z * (t(0) if v < t(0) else t(1) if v > t(1) else v)


@per_element
def hard_swish_delta(grad_a: Number, z: Number, a: Number) -> Number:
    t, end = type(z), type(z)(3)
    return grad_a * (t(0) if z <= -end else t(1) if z >= end else z / end + t(0.5))


@per_element
def relu6(z: Number) -> Number:
    t = type(z)
    return t(0) if z < t(0) else t(6) if z > t(6) else z


@per_element
def relu6_delta(grad_a: Number, z: Number, a: Number) -> Number:
    t = type(z)
    return grad_a * (t(0) if z <= t(0) or z >= t(6) else t(1) if z > t(0) else z)


KNOWN: dict[type, tuple[Untyped, Untyped, Callable[[Untyped], tuple[float, ...]]]] = {
    LeakyReLU: (leaky_relu, leaky_relu_delta, lambda it: (it.slope,)),
    ELU: (elu, elu_delta, lambda it: (1.0, it.alpha)),
    SELU: (elu, elu_delta, lambda it: (it.scale, it.scale * it.alpha)),
    GELU: (gelu, gelu_delta, lambda _: ()),
    SiLU: (silu, silu_delta, lambda _: ()),
    CELU: (celu, celu_delta, lambda it: (it.alpha,)),
    GELUTanh: (gelu_tanh, gelu_tanh_delta, lambda _: ()),
    Mish: (mish, mish_delta, lambda _: ()),
    LogSigmoid: (log_sigmoid, log_sigmoid_delta, lambda _: ()),
    HardSwish: (hard_swish, hard_swish_delta, lambda _: ()),
    ReLU6: (relu6, relu6_delta, lambda _: ()),
    Softplus: (softplus, softplus_delta, lambda _: ()),
    Softsign: (softsign, softsign_delta, lambda _: ()),
    HardSigmoid: (hard_sigmoid, hard_sigmoid_delta, lambda _: ()),
}
"""The two loops of each activation, and the numbers they take before the arrays."""
