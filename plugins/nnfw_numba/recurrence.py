"""The operations of nnfw_standard's recurrent layers as loops over elements."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba import tiles
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
def _turned(weight: Array) -> Array:
    """Return the weights of all gates with a line for each unit that they take."""
    gates, units, taken = weight.shape
    lines = np.empty((taken, gates * units), weight.dtype)
    for g in range(gates):
        for u in range(units):
            for k in range(taken):
                lines[k, g * units + u] = weight[g, u, k]
    return lines


@inner
def _matrix(weight: Array) -> Array:
    """Return the weights of all gates one below the other."""
    gates, units, taken = weight.shape
    rows = np.empty((gates * units, taken), weight.dtype)
    for g in range(gates):
        for u in range(units):
            for k in range(taken):
                rows[g * units + u, k] = weight[g, u, k]
    return rows


@inner
def _weigh(delta: Array, rows: Array, through: Array, flat: Array) -> None:
    """Multiply δ of the weighted states by the weights; `flat` is memory where its gates lie apart."""
    if delta.strides[1] == delta.shape[2] * delta.itemsize or delta.shape[1] == 1:
        tiles.multiply(delta, rows, through)
        return
    for i in range(delta.shape[0]):
        for g in range(delta.shape[1]):
            for k in range(delta.shape[2]):
                flat[i, g * delta.shape[2] + k] = delta[i, g, k]
    tiles.multiply(flat, rows, through)


@inner
def _steps(t: int, steps: int, back: float) -> int:
    """Return the time step that is the t-th one of a layer."""
    return steps - 1 - t if back != 0 else t


@inner
def _hold(inside: Array, before: Array, after: Array) -> None:
    """Leave states as they were beyond the end of a sequence."""
    for i in range(after.shape[0]):
        if inside[i] == 0:
            for k in range(after.shape[1]):
                after[i, k] = before[i, k]


@inner
def rnn_steps(gates: Array, weight: Array, inside: Array, h0: Array, back: float, h: Array) -> None:
    lines, recurrent, steps, before = _turned(weight), np.empty(h0.shape, h0.dtype), len(gates), h0
    for s in range(steps):
        t = _steps(s, steps, back)
        tiles.multiply(before, lines, recurrent)
        for i in range(h.shape[1]):
            for k in range(h.shape[2]):
                gates[t, i, 0, k] += recurrent[i, k]
            for k in range(h.shape[2]):
                h[t, i, k] = _tanh(gates[t, i, 0, k])
        _hold(inside[t], before, h[t])
        before = h[t]


@inner
def lstm_steps(
    gates: Array,
    weight: Array,
    inside: Array,
    h0: Array,
    c0: Array,
    back: float,
    h: Array,
    c: Array,
    tanh_c: Array,
) -> None:
    lines, steps, units, h_prev, c_prev = _turned(weight), len(gates), h.shape[2], h0, c0
    recurrent = np.empty((h.shape[1], 4 * units), h.dtype)
    for s in range(steps):
        t = _steps(s, steps, back)
        tiles.multiply(h_prev, lines, recurrent)
        for i in range(h.shape[1]):  # loops of one statement each become vector instructions
            for g in range(4):
                if g != 2:
                    for k in range(h.shape[2]):
                        gates[t, i, g, k] = _sigmoid(gates[t, i, g, k] + recurrent[i, g * units + k])
            for k in range(h.shape[2]):
                gates[t, i, 2, k] = _tanh(gates[t, i, 2, k] + recurrent[i, 2 * units + k])
            for k in range(h.shape[2]):
                c[t, i, k] = gates[t, i, 1, k] * c_prev[i, k] + gates[t, i, 0, k] * gates[t, i, 2, k]
            for k in range(h.shape[2]):
                tanh_c[t, i, k] = _tanh(c[t, i, k])
            for k in range(h.shape[2]):
                h[t, i, k] = gates[t, i, 3, k] * tanh_c[t, i, k]
        _hold(inside[t], h_prev, h[t])
        _hold(inside[t], c_prev, c[t])
        h_prev, c_prev = h[t], c[t]


@inner
def gru_steps(
    gates: Array,
    weight: Array,
    bias: Array,
    inside: Array,
    h0: Array,
    back: float,
    h: Array,
    q: Array,
) -> None:
    lines, steps, units, before = _turned(weight), len(gates), h.shape[2], h0
    recurrent = np.empty((h.shape[1], 3 * units), h.dtype)
    for s in range(steps):
        t = _steps(s, steps, back)
        tiles.multiply(before, lines, recurrent)
        for i in range(h.shape[1]):
            for g in range(2):
                for k in range(h.shape[2]):
                    gates[t, i, g, k] = _sigmoid(gates[t, i, g, k] + recurrent[i, g * units + k])
            for k in range(h.shape[2]):
                q[t, i, k] = recurrent[i, 2 * units + k] + bias[k]
            for k in range(h.shape[2]):
                gates[t, i, 2, k] = _tanh(gates[t, i, 2, k] + gates[t, i, 0, k] * q[t, i, k])
            for k in range(h.shape[2]):
                n = gates[t, i, 2, k]
                h[t, i, k] = n + (before[i, k] - n) * gates[t, i, 1, k]
        _hold(inside[t], before, h[t])
        before = h[t]


@inner
def _add_through(inside: Array, through: Array, grad_h: Array, passes_by: bool) -> None:
    """Give the state before what comes through the weights, and what passes them by."""
    for i in range(grad_h.shape[0]):
        if inside[i] != 0:
            for k in range(grad_h.shape[1]):
                grad_h[i, k] = grad_h[i, k] + through[i, k] if passes_by else through[i, k]


@inner
def rnn_steps_back(
    grad: Array,
    weight: Array,
    inside: Array,
    back: float,
    h: Array,
    grad_h: Array,
    delta: Array,
) -> None:
    one, steps, through = grad_h.dtype.type(1), len(grad), np.empty(grad_h.shape, grad_h.dtype)
    rows, flat = _matrix(weight), np.empty((grad_h.shape[0], grad_h.shape[1]), grad_h.dtype)
    for s in range(steps - 1, -1, -1):
        t = _steps(s, steps, back)
        for i in range(grad_h.shape[0]):
            for k in range(grad_h.shape[1]):
                grad_h[i, k] += grad[t, i, k]
            for k in range(grad_h.shape[1]):
                slope = (one - h[t, i, k] * h[t, i, k]) * grad_h[i, k]
                delta[t, i, 0, k] = slope if inside[t, i] != 0 else grad_h.dtype.type(0)
        _weigh(delta[t], rows, through, flat)
        _add_through(inside[t], through, grad_h, False)


@inner
def lstm_steps_back(
    grad: Array,
    gates: Array,
    weight: Array,
    inside: Array,
    c0: Array,
    back: float,
    c: Array,
    tanh_c: Array,
    grad_h: Array,
    grad_c: Array,
    delta: Array,
) -> None:
    real, steps, units = grad_h.dtype.type, len(grad), grad_h.shape[1]
    one, zero, through = real(1), real(0), np.empty(grad_h.shape, grad_h.dtype)
    rows = _matrix(weight)
    flat = np.empty((grad_h.shape[0], rows.shape[0]), grad_h.dtype)
    for s in range(steps - 1, -1, -1):
        t = _steps(s, steps, back)
        c_prev = c0 if s == 0 else c[_steps(s - 1, steps, back)]
        for i in range(grad_h.shape[0]):
            for k in range(units):
                grad_h[i, k] += grad[t, i, k]
            if inside[t, i] == 0:
                for g in range(4):
                    for k in range(units):
                        delta[t, i, g, k] = zero
                continue
            for k in range(units):
                o, squashed = gates[t, i, 3, k], tanh_c[t, i, k]
                delta[t, i, 3, k] = grad_h[i, k] * squashed * (o * (one - o))
                grad_c[i, k] += grad_h[i, k] * o * (one - squashed * squashed)
            for k in range(units):
                a, f, g = gates[t, i, 0, k], gates[t, i, 1, k], gates[t, i, 2, k]
                delta[t, i, 0, k] = grad_c[i, k] * g * (a * (one - a))
                delta[t, i, 2, k] = grad_c[i, k] * a * (one - g * g)
                delta[t, i, 1, k] = grad_c[i, k] * c_prev[i, k] * (f * (one - f))
            for k in range(units):
                grad_c[i, k] *= gates[t, i, 1, k]
        _weigh(delta[t], rows, through, flat)
        _add_through(inside[t], through, grad_h, False)


@inner
def gru_steps_back(
    grad: Array,
    gates: Array,
    weight: Array,
    inside: Array,
    h0: Array,
    back: float,
    h: Array,
    q: Array,
    grad_h: Array,
    delta: Array,
    recurrent_delta: Array,
) -> None:
    real, steps, units = grad_h.dtype.type, len(grad), grad_h.shape[1]
    one, zero, through = real(1), real(0), np.empty(grad_h.shape, grad_h.dtype)
    rows = _matrix(weight)
    flat = np.empty((grad_h.shape[0], rows.shape[0]), grad_h.dtype)
    for s in range(steps - 1, -1, -1):
        t = _steps(s, steps, back)
        h_prev = h0 if s == 0 else h[_steps(s - 1, steps, back)]
        for i in range(grad_h.shape[0]):
            for k in range(units):
                grad_h[i, k] += grad[t, i, k]
            if inside[t, i] == 0:
                for g in range(3):
                    for k in range(units):
                        delta[t, i, g, k], recurrent_delta[t, i, g, k] = zero, zero
                continue
            for k in range(units):
                u, n, g = gates[t, i, 1, k], gates[t, i, 2, k], grad_h[i, k]
                delta[t, i, 1, k] = (h_prev[i, k] - n) * g * (u * (one - u))
                delta[t, i, 2, k] = g * (one - u) * (one - n * n)
            for k in range(units):
                r = gates[t, i, 0, k]
                delta[t, i, 0, k] = delta[t, i, 2, k] * q[t, i, k] * (r * (one - r))
                recurrent_delta[t, i, 2, k] = delta[t, i, 2, k] * r
            for g in range(2):
                for k in range(units):
                    recurrent_delta[t, i, g, k] = delta[t, i, g, k]
            for k in range(units):
                grad_h[i, k] *= gates[t, i, 1, k]
        _weigh(recurrent_delta[t], rows, through, flat)
        _add_through(inside[t], through, grad_h, True)
