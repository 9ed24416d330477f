"""The operations of nnfw_standard's recurrent layers as loops over elements."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import inner
from nnfw_numba.exponential import exp, expm1
from nnfw_numba.untyped import Number


@inner
def _sigmoid(z: Number) -> Number:
    t = type(z)
    return t(1) / (t(1) + exp(min(-z, t(np.floor(np.log(np.finfo(t).max))))))


@inner
def _tanh(z: Number) -> Number:
    two = type(z)(2)
    e = expm1(-two * abs(z))
    return np.copysign(e / (two + e), z)


@inner
def swap(source: Array, out: Array) -> None:
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            for k in range(out.shape[2]):
                out[j, i, k] = source[i, j, k]


@inner
def repeat_row(row: Array, out: Array) -> None:
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[i, k] = row[k]


@inner
def clear_index(values: Array, index: Array, number: float) -> None:
    for i in range(values.shape[0]):
        if index[i] == number:
            for k in range(values.shape[1]):
                values[i, k] = 0


@inner
def hold(inside: Array, before: Array, state: Array) -> None:
    for i in range(state.shape[0]):
        if inside[i] == 0:
            for k in range(state.shape[1]):
                state[i, k] = before[i, k]


@inner
def set_aside(inside: Array, values: Array, kept: Array) -> None:
    for i in range(values.shape[0]):
        for k in range(values.shape[1]):
            if inside[i] == 0:
                kept[i, k] = values[i, k]
                values[i, k] = 0
            else:
                kept[i, k] = 0


@inner
def lstm(gates: Array, recurrent: Array, c_prev: Array, c: Array, tanh_c: Array, h: Array) -> None:
    for n in range(h.shape[0]):
        for k in range(h.shape[1]):
            i = _sigmoid(gates[n, 0, k] + recurrent[n, 0, k])
            f = _sigmoid(gates[n, 1, k] + recurrent[n, 1, k])
            g = _tanh(gates[n, 2, k] + recurrent[n, 2, k])
            gates[n, 0, k], gates[n, 1, k], gates[n, 2, k] = i, f, g
            c[n, k] = f * c_prev[n, k] + i * g
        for k in range(h.shape[1]):
            o = _sigmoid(gates[n, 3, k] + recurrent[n, 3, k])
            squashed = _tanh(c[n, k])
            gates[n, 3, k], tanh_c[n, k], h[n, k] = o, squashed, o * squashed


@inner
def lstm_delta(grad_h: Array, grad_c: Array, gates: Array, c_prev: Array, tanh_c: Array, delta: Array) -> None:
    one = grad_h.dtype.type(1)
    for n in range(grad_h.shape[0]):
        for k in range(grad_h.shape[1]):
            i, f, g, o = gates[n, 0, k], gates[n, 1, k], gates[n, 2, k], gates[n, 3, k]
            through = grad_h[n, k] * o
            grad = grad_c[n, k] + through * (one - tanh_c[n, k] * tanh_c[n, k])
            delta[n, 0, k] = grad * i * g * (one - i)
            delta[n, 1, k] = grad * f * c_prev[n, k] * (one - f)
            delta[n, 2, k] = grad * i * (one - g * g)
            delta[n, 3, k] = through * tanh_c[n, k] * (one - o)
            grad_c[n, k] = grad * f


@inner
def gru(gates: Array, recurrent: Array, bias: Array, h_prev: Array, candidate: Array, h: Array) -> None:
    for i in range(h.shape[0]):
        for k in range(h.shape[1]):
            r = _sigmoid(gates[i, 0, k] + recurrent[i, 0, k])
            u = _sigmoid(gates[i, 1, k] + recurrent[i, 1, k])
            gates[i, 0, k], gates[i, 1, k] = r, u
            candidate[i, k] = recurrent[i, 2, k] + bias[k]
        for k in range(h.shape[1]):
            n = _tanh(gates[i, 2, k] + gates[i, 0, k] * candidate[i, k])
            gates[i, 2, k] = n
            h[i, k] = n + (h_prev[i, k] - n) * gates[i, 1, k]


@inner
def gru_delta(
    grad_h: Array, gates: Array, h_prev: Array, candidate: Array, delta: Array, recurrent_delta: Array
) -> None:
    one = grad_h.dtype.type(1)
    for i in range(grad_h.shape[0]):
        for k in range(grad_h.shape[1]):
            r, u, n, grad = gates[i, 0, k], gates[i, 1, k], gates[i, 2, k], grad_h[i, k]
            d_u = (h_prev[i, k] - n) * u * grad * (one - u)
            d_n = grad * (one - u) * (one - n * n)
            d_r = d_n * candidate[i, k] * r * (one - r)
            delta[i, 0, k], delta[i, 1, k], delta[i, 2, k] = d_r, d_u, d_n
            recurrent_delta[i, 0, k], recurrent_delta[i, 1, k], recurrent_delta[i, 2, k] = d_r, d_u, d_n * r
            grad_h[i, k] = grad * u
