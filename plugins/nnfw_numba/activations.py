"""Elementwise activations of nnfw_standard that are not operations: one loop for σ(z), one for ∂C/∂a ⊙ σ'(z).

Each loop computes per element what :mod:`nnfw_standard.activations` computes for arrays. NaN stays NaN: a comparison
with NaN is false, and the ``else`` branch passes it on.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, pi, sqrt
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.bodies import sigmoid_of
from nnfw_numba.caching import inner
from nnfw_numba.exponential import exp, expm1, log1p
from nnfw_standard import ELU, GELU, SELU, HardSigmoid, LeakyReLU, SiLU, Softplus, Softsign

Kernel = Callable[..., Any]


@inner
def leaky_relu(slope: float, z: Array, out: Array) -> None:
    s = z.dtype.type(slope)
    for k in range(z.size):
        v = z.flat[k]
        out.flat[k] = v if v > 0 else s * v


@inner
def leaky_relu_delta(slope: float, grad_a: Array, z: Array, a: Array, out: Array) -> None:  # noqa: ARG001
    s, one = z.dtype.type(slope), z.dtype.type(1)
    for k in range(z.size):
        v = z.flat[k]
        out.flat[k] = grad_a.flat[k] * (one if v > 0 else s if v <= 0 else v)


@inner
def elu(above: float, below: float, z: Array, out: Array) -> None:
    t = z.dtype.type
    up, down, top = t(above), t(below), t(np.finfo(z.dtype).max / np.ceil(above))
    for k in range(z.size):
        v = z.flat[k]
        out.flat[k] = min(v, top) * up if v > 0 else expm1(v) * down


@inner
def elu_delta(above: float, below: float, grad_a: Array, z: Array, a: Array, out: Array) -> None:
    up, down = z.dtype.type(above), z.dtype.type(below)
    for k in range(z.size):
        out.flat[k] = grad_a.flat[k] * (up if z.flat[k] > 0 else a.flat[k] + down)


@inner
def gelu(z: Array, out: Array) -> None:
    root, half = z.dtype.type(sqrt(0.5)), z.dtype.type(0.5)
    for k in range(z.size):
        out.flat[k] = z.flat[k] * (half * erfc(-z.flat[k] * root))


@inner
def gelu_delta(grad_a: Array, z: Array, a: Array, out: Array) -> None:
    t = z.dtype.type
    half, scale, end, small = t(0.5), t(1 / sqrt(2 * pi)), t(40), t(1e-20)
    for k in range(z.size):
        v = z.flat[k]
        bounded = min(abs(v), end)  # the density is 0 from there on
        density = exp(-half * bounded * bounded) * scale
        below = half if abs(v) < small else a.flat[k] / v  # Φ, since a = z Φ
        out.flat[k] = grad_a.flat[k] * (below + v * density)


@inner
def silu(z: Array, out: Array) -> None:
    lowest = -z.dtype.type(np.floor(np.log(np.finfo(z.dtype).max)))
    for k in range(z.size):
        v = z.flat[k]
        out.flat[k] = (lowest if v < lowest else v) * sigmoid_of(v)


@inner
def silu_delta(grad_a: Array, z: Array, a: Array, out: Array) -> None:
    one = z.dtype.type(1)
    for k in range(z.size):
        s = sigmoid_of(z.flat[k])
        out.flat[k] = grad_a.flat[k] * (a.flat[k] * (one - s) + s)


@inner
def softplus(z: Array, out: Array) -> None:
    zero = z.dtype.type(0)
    for k in range(z.size):
        v = z.flat[k]
        out.flat[k] = (v if v > zero else zero) + log1p(exp(-abs(v)))


@inner
def softplus_delta(grad_a: Array, z: Array, a: Array, out: Array) -> None:  # noqa: ARG001
    for k in range(z.size):
        out.flat[k] = grad_a.flat[k] * sigmoid_of(z.flat[k])


@inner
def softsign(z: Array, out: Array) -> None:
    one = z.dtype.type(1)
    for k in range(z.size):
        out.flat[k] = z.flat[k] / (abs(z.flat[k]) + one)


@inner
def softsign_delta(grad_a: Array, z: Array, a: Array, out: Array) -> None:  # noqa: ARG001
    one = z.dtype.type(1)
    for k in range(z.size):
        r = one / (abs(z.flat[k]) + one)
        out.flat[k] = grad_a.flat[k] * (r * r)


@inner
def hard_sigmoid(z: Array, out: Array) -> None:
    t = z.dtype.type
    six, half, zero, one = t(6), t(0.5), t(0), t(1)
    for k in range(z.size):
        v = z.flat[k] / six + half
        out.flat[k] = zero if v < zero else one if v > one else v


@inner
def hard_sigmoid_delta(grad_a: Array, z: Array, a: Array, out: Array) -> None:  # noqa: ARG001
    t = z.dtype.type
    zero, slope, end = t(0), t(1) / t(6), t(3)
    for k in range(z.size):
        v = abs(z.flat[k])
        out.flat[k] = grad_a.flat[k] * (slope if v < end else zero if v >= end else v)


KNOWN: dict[type, tuple[Kernel, Kernel, Callable[[Any], tuple[float, ...]]]] = {
    LeakyReLU: (leaky_relu, leaky_relu_delta, lambda it: (it.slope,)),
    ELU: (elu, elu_delta, lambda it: (1.0, it.alpha)),
    SELU: (elu, elu_delta, lambda it: (it.scale, it.scale * it.alpha)),
    GELU: (gelu, gelu_delta, lambda _: ()),
    SiLU: (silu, silu_delta, lambda _: ()),
    Softplus: (softplus, softplus_delta, lambda _: ()),
    Softsign: (softsign, softsign_delta, lambda _: ()),
    HardSigmoid: (hard_sigmoid, hard_sigmoid_delta, lambda _: ()),
}
"""The two loops of each activation, and the numbers they take before the arrays."""
