"""The operations of nnfw_standard's CTC as loops over time steps and states."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import inner
from nnfw_numba.untyped import Number


@inner
def _added(p: Number, q: Number) -> Number:
    """Return log(e^p + e^q)."""
    largest, least = max(p, q), min(p, q)
    if least == -np.inf:
        return largest
    return largest + np.log1p(np.exp(least - largest))


@inner
def _label(y: Array, s: int, blank: int) -> int:
    """Return the class of a state: blank, y_1, blank, y_2, ..., blank."""
    return y[s // 2] if s % 2 else blank


@inner
def _skips(y: Array, s: int, blank: int) -> bool:
    """Return whether a state is reached past the blank before it."""
    return s % 2 == 1 and s >= 3 and y[s // 2] != y[s // 2 - 1] and y[s // 2] != blank


@inner
def _forward(log_a: Array, y: Array, steps: int, blank: int, states: int, found: Array) -> Number:
    """Fill in the sums over the paths up to each time step and state, as logarithms; return log p."""
    nothing = log_a.dtype.type(-np.inf)
    for t in range(steps):
        for s in range(states):
            if t == 0:
                total = log_a.dtype.type(0) if s < 2 else nothing
            else:
                total = found[t - 1, s]
                if s >= 1:
                    total = _added(total, found[t - 1, s - 1])
                if _skips(y, s, blank):
                    total = _added(total, found[t - 1, s - 2])
            found[t, s] = total + log_a[t, _label(y, s, blank)]
    if steps == 0:
        return log_a.dtype.type(0) if states == 1 else nothing
    if states == 1:
        return found[steps - 1, 0]
    return _added(found[steps - 1, states - 1], found[steps - 1, states - 2])


@inner
def _states(y: Array, blank: int) -> int:
    states = 1
    for k in range(y.size):
        if y[k] != blank:
            states += 2
    return states


@inner
def marked(marks: Array, lengths: Array, weights: Array) -> None:
    zero = marks.dtype.type(0)
    for n in range(marks.shape[0]):
        count, largest = 0, zero
        for t in range(marks.shape[1]):
            count += marks[n, t] != zero
            largest = max(largest, marks[n, t])
        lengths[n], weights[n] = count if count > 0 else marks.shape[1], largest


@inner
def ctc_terms(log_a: Array, y: Array, lengths: Array, blank: float, out: Array) -> None:
    found = np.empty((log_a.shape[1], 2 * y.shape[1] + 1), log_a.dtype)
    for n in range(log_a.shape[0]):
        states, steps = _states(y[n], int(blank)), max(0, min(lengths[n], log_a.shape[1]))
        out[n] = -_forward(log_a[n], y[n], steps, int(blank), states, found)


@inner
def _subtract_shares(a: Array, y: Array, lengths: Array, none: int, count: float, out: Array) -> None:
    """Subtract from out the share of the paths that pass each class, over count."""
    real = a.dtype.type
    nothing, tiny = real(-np.inf), real(np.finfo(a.dtype).tiny)
    log_a = np.empty(a.shape[1:], a.dtype)
    before = np.empty((a.shape[1], 2 * y.shape[1] + 1), a.dtype)
    after, now = np.empty(before.shape[1], a.dtype), np.empty(before.shape[1], a.dtype)
    for n in range(a.shape[0]):
        states, steps = _states(y[n], none), max(0, min(lengths[n], a.shape[1]))
        for t in range(a.shape[1]):
            for k in range(a.shape[2]):
                log_a[t, k] = np.log(max(a[n, t, k], tiny))
        total = _forward(log_a, y[n], steps, none, states, before)
        if total == nothing:
            continue
        for t in range(steps - 1, -1, -1):
            for s in range(states):
                if t == steps - 1:
                    now[s] = real(0) if s >= states - 2 else nothing
                else:
                    way = after[s]
                    if s + 1 < states:
                        way = _added(way, after[s + 1])
                    if s + 2 < states and _skips(y[n], s + 2, none):
                        way = _added(way, after[s + 2])
                    now[s] = way
            for s in range(states):
                k = _label(y[n], s, none)
                out[n, t, k] -= np.exp(before[t, s] + now[s] - total) / real(count)
                after[s] = now[s] + log_a[t, k]


@inner
def ctc_delta(a: Array, y: Array, lengths: Array, blank: float, count: float, out: Array) -> None:
    real = a.dtype.type
    for n in range(a.shape[0]):
        for t in range(a.shape[1]):
            for k in range(a.shape[2]):
                out[n, t, k] = a[n, t, k] / real(count) if t < lengths[n] else real(0)
    _subtract_shares(a, y, lengths, int(blank), count, out)


@inner
def ctc_slope(a: Array, y: Array, lengths: Array, blank: float, count: float, out: Array) -> None:
    tiny = a.dtype.type(np.finfo(a.dtype).tiny)
    for k in range(out.size):
        out.flat[k] = 0
    _subtract_shares(a, y, lengths, int(blank), count, out)
    for k in range(out.size):
        out.flat[k] /= max(a.flat[k], tiny)
