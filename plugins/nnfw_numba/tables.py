"""The operations of nnfw_standard's layers for tables as loops over elements."""

from __future__ import annotations

from math import pi

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.bodies import sigmoid_of
from nnfw_numba.caching import inner


@inner
def glu(x: Array, gate: Array, out: Array) -> None:
    for i in range(x.shape[0]):
        for j in range(x.shape[2]):
            g = sigmoid_of(x[i, 1, j])
            gate[i, j] = g
            out[i, j] = x[i, 0, j] * g


@inner
def glu_delta(delta: Array, x: Array, gate: Array, out: Array) -> None:
    one = x.dtype.type(1)
    for i in range(x.shape[0]):
        for j in range(x.shape[2]):
            opened = delta[i, j] * gate[i, j]
            out[i, 0, j] = opened
            out[i, 1, j] = opened * x[i, 0, j] * (one - gate[i, j])


@inner
def swiglu(x: Array, gate: Array, out: Array) -> None:
    for i in range(x.shape[0]):
        for j in range(x.shape[2]):
            g = sigmoid_of(x[i, 0, j])
            gate[i, j] = g
            out[i, j] = x[i, 0, j] * g * x[i, 1, j]


@inner
def swiglu_delta(delta: Array, x: Array, gate: Array, out: Array) -> None:
    one = x.dtype.type(1)
    for i in range(x.shape[0]):
        for j in range(x.shape[2]):
            g, d = gate[i, j], delta[i, j]
            out[i, 0, j] = ((one - g) * x[i, 0, j] + one) * g * x[i, 1, j] * d
            out[i, 1, j] = d * g * x[i, 0, j]


@inner
def maxout(x: Array, out: Array) -> None:
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            largest = x[i, j, 0]
            for p in range(1, x.shape[2]):
                value = x[i, j, p]
                if value > largest or value != value:  # nothing is larger than NaN
                    largest = value
            out[i, j] = largest


@inner
def maxout_delta(delta: Array, x: Array, z: Array, out: Array) -> None:
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            first = 0
            for p in range(x.shape[2]):
                out[i, j, p] = 0
            while first < x.shape[2] - 1 and x[i, j, first] != z[i, j]:
                first += 1
            out[i, j, first if x[i, j, first] == z[i, j] else 0] = delta[i, j]


@inner
def to_members(x: Array, out: Array) -> None:
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[i, k, j] = x[i, j]


@inner
def sum_members(values: Array, out: Array) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = 0
        for k in range(values.shape[1]):
            for j in range(out.shape[1]):
                out[i, j] += values[i, k, j]


@inner
def waves(x: Array, frequency: Array, out: Array) -> None:
    full = x.dtype.type(2 * pi)
    for i in range(out.shape[0]):
        for f in range(out.shape[1]):
            for k in range(out.shape[3]):
                v = x[i, f] * (frequency[f, k] * full)
                out[i, f, 0, k] = np.sin(v)
                out[i, f, 1, k] = np.cos(v)


@inner
def waves_delta(delta: Array, wave: Array, x: Array, frequency: Array, frequency_grad: Array, x_grad: Array) -> None:
    real = x.dtype.type
    full = real(2 * pi)
    for f in range(frequency.shape[0]):
        for k in range(frequency.shape[1]):
            frequency_grad[f, k] = 0
    for i in range(x.shape[0]):
        for f in range(x.shape[1]):
            total = real(0)
            for k in range(frequency.shape[1]):
                v = (delta[i, f, 0, k] * wave[i, f, 1, k] - delta[i, f, 1, k] * wave[i, f, 0, k]) * full
                frequency_grad[f, k] += v * x[i, f]
                total += v * frequency[f, k]
            x_grad[i, f] = total
