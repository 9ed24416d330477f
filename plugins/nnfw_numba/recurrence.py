"""The operations of nnfw_standard's recurrent layers as loops over elements.

Each loop is one statement about few arrays: the compiler leaves others without vector instructions, at ten times the
time.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba import tiles
from nnfw_numba.caching import inner
from nnfw_numba.exponential import exp, expm1
from nnfw_numba.machine import vector
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
    units = h.shape[2]
    for s in range(steps):
        t = _steps(s, steps, back)
        tiles.multiply(before, lines, recurrent)
        for i in range(h.shape[1]):
            z, state, taken = vector(gates, (t, i, 0), units), vector(h, (t, i), units), recurrent[i]
            for k in range(units):
                z[k] += taken[k]
            for k in range(units):
                state[k] = _tanh(z[k])
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
    recurrent = np.empty((h.shape[1], 4, units), h.dtype)
    for s in range(steps):
        t = _steps(s, steps, back)
        tiles.multiply(h_prev, lines, recurrent)
        for i in range(h.shape[1]):
            a, f, g, o = (
                vector(gates, (t, i, 0), units),
                vector(gates, (t, i, 1), units),
                vector(gates, (t, i, 2), units),
                vector(gates, (t, i, 3), units),
            )
            cell, squashed, state = vector(c, (t, i), units), vector(tanh_c, (t, i), units), vector(h, (t, i), units)
            cell_prev = vector(c_prev, (i,), units)
            for gate, taken in ((a, recurrent[i, 0]), (f, recurrent[i, 1]), (o, recurrent[i, 3])):
                for k in range(units):
                    gate[k] = _sigmoid(gate[k] + taken[k])
            taken = recurrent[i, 2]
            for k in range(units):
                g[k] = _tanh(g[k] + taken[k])
            for k in range(units):
                cell[k] = f[k] * cell_prev[k] + a[k] * g[k]
            for k in range(units):
                squashed[k] = _tanh(cell[k])
            for k in range(units):
                state[k] = o[k] * squashed[k]
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
    recurrent, shift = np.empty((h.shape[1], 3, units), h.dtype), vector(bias, (0,), h.shape[2])
    for s in range(steps):
        t = _steps(s, steps, back)
        tiles.multiply(before, lines, recurrent)
        for i in range(h.shape[1]):
            r, u, n = vector(gates, (t, i, 0), units), vector(gates, (t, i, 1), units), vector(gates, (t, i, 2), units)
            weighted, state, state_prev = (
                vector(q, (t, i), units),
                vector(h, (t, i), units),
                vector(before, (i,), units),
            )
            for gate, taken in ((r, recurrent[i, 0]), (u, recurrent[i, 1])):
                for k in range(units):
                    gate[k] = _sigmoid(gate[k] + taken[k])
            taken = recurrent[i, 2]
            for k in range(units):
                weighted[k] = taken[k] + shift[k]
            for k in range(units):
                n[k] += r[k] * weighted[k]
            for k in range(units):
                n[k] = _tanh(n[k])
            for k in range(units):
                state[k] = n[k] + (state_prev[k] - n[k]) * u[k]
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
    real, steps, units, through = grad_h.dtype.type, len(grad), grad_h.shape[1], np.empty(grad_h.shape, grad_h.dtype)
    rows, flat = _matrix(weight), np.empty((grad_h.shape[0], grad_h.shape[1]), grad_h.dtype)
    for s in range(steps - 1, -1, -1):
        t = _steps(s, steps, back)
        for i in range(grad_h.shape[0]):
            total, own, state = vector(grad_h, (i,), units), vector(grad, (t, i), units), vector(h, (t, i), units)
            d, part = vector(delta, (t, i, 0), units), real(1 if inside[t, i] != 0 else 0)
            for k in range(units):
                total[k] += own[k]
            for k in range(units):
                d[k] = (real(1) - state[k] * state[k]) * total[k] * part
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
    one, through, rows = real(1), np.empty(grad_h.shape, grad_h.dtype), _matrix(weight)
    flat = np.empty((grad_h.shape[0], rows.shape[0]), grad_h.dtype)
    for s in range(steps - 1, -1, -1):
        t = _steps(s, steps, back)
        c_prev = c0 if s == 0 else c[_steps(s - 1, steps, back)]
        for i in range(grad_h.shape[0]):
            total, own = vector(grad_h, (i,), units), vector(grad, (t, i), units)
            for k in range(units):
                total[k] += own[k]
            if inside[t, i] == 0:
                for g in range(4):
                    unused = vector(delta, (t, i, g), units)
                    for k in range(units):
                        unused[k] = 0
                continue
            a, f, g, o = (
                vector(gates, (t, i, 0), units),
                vector(gates, (t, i, 1), units),
                vector(gates, (t, i, 2), units),
                vector(gates, (t, i, 3), units),
            )
            d_a, d_f, d_g, d_o = (
                vector(delta, (t, i, 0), units),
                vector(delta, (t, i, 1), units),
                vector(delta, (t, i, 2), units),
                vector(delta, (t, i, 3), units),
            )
            squashed, cell_prev, cell_total = (
                vector(tanh_c, (t, i), units),
                vector(c_prev, (i,), units),
                vector(grad_c, (i,), units),
            )
            for k in range(units):
                d_o[k] = total[k] * squashed[k] * (o[k] * (one - o[k]))
            for k in range(units):
                cell_total[k] += total[k] * o[k] * (one - squashed[k] * squashed[k])
            for k in range(units):
                d_a[k] = cell_total[k] * g[k] * (a[k] * (one - a[k]))
            for k in range(units):
                d_g[k] = cell_total[k] * a[k] * (one - g[k] * g[k])
            for k in range(units):
                d_f[k] = cell_total[k] * cell_prev[k] * (f[k] * (one - f[k]))
            for k in range(units):
                cell_total[k] *= f[k]
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
    one, through, rows = real(1), np.empty(grad_h.shape, grad_h.dtype), _matrix(weight)
    flat = np.empty((grad_h.shape[0], rows.shape[0]), grad_h.dtype)
    for s in range(steps - 1, -1, -1):
        t = _steps(s, steps, back)
        h_prev = h0 if s == 0 else h[_steps(s - 1, steps, back)]
        for i in range(grad_h.shape[0]):
            total, own = vector(grad_h, (i,), units), vector(grad, (t, i), units)
            for k in range(units):
                total[k] += own[k]
            if inside[t, i] == 0:
                for g in range(3):
                    unused, also_unused = vector(delta, (t, i, g), units), vector(recurrent_delta, (t, i, g), units)
                    for k in range(units):
                        unused[k] = 0
                    for k in range(units):
                        also_unused[k] = 0
                continue
            r, u, n = vector(gates, (t, i, 0), units), vector(gates, (t, i, 1), units), vector(gates, (t, i, 2), units)
            d_r, d_u, d_n = (
                vector(delta, (t, i, 0), units),
                vector(delta, (t, i, 1), units),
                vector(delta, (t, i, 2), units),
            )
            weighted, state_prev = vector(q, (t, i), units), vector(h_prev, (i,), units)
            for k in range(units):
                d_u[k] = (state_prev[k] - n[k]) * total[k] * (u[k] * (one - u[k]))
            for k in range(units):
                d_n[k] = total[k] * (one - u[k]) * (one - n[k] * n[k])
            for k in range(units):
                d_r[k] = d_n[k] * weighted[k] * (r[k] * (one - r[k]))
            for g, gate in ((0, d_r), (1, d_u), (2, d_n)):
                through_weights = vector(recurrent_delta, (t, i, g), units)
                if g == 2:
                    for k in range(units):
                        through_weights[k] = gate[k] * r[k]
                else:
                    for k in range(units):
                        through_weights[k] = gate[k]
            for k in range(units):
                total[k] *= u[k]
        _weigh(recurrent_delta[t], rows, through, flat)
        _add_through(inside[t], through, grad_h, True)
