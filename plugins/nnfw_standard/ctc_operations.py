"""The operations of connectionist temporal classification, defined in NumPy, in log space.

The labels y of a sequence stand for all paths through its time steps that give y once repeated classes are merged and
blanks are left out. The states of these paths are blank, y_1, blank, y_2, ..., blank. Labels that are blank are padding
at the end.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation
from nnfw_standard.operations import smallest


@operation(marks="read finite n t", lengths="written int64 n", weights="written n", cut="n")
def marked(marks: Array, lengths: Array, weights: Array) -> None:
    """Tell apart what the weights of time steps say: lengths_i ← how many are not 0, weights_i ← the largest one.

    Where all are 0 nothing counts, and the length is that of all time steps.
    """
    np.sum(marks != 0, axis=1, out=lengths)
    lengths[lengths == 0] = marks.shape[1]
    np.max(marks, axis=1, out=weights, initial=0)


@operation(
    log_a="read ordinary n t k",
    y="read index<k n l",
    lengths="read int64 n",
    blank="number whole",
    out="written n",
    cut="n",
)
def ctc_terms(log_a: Array, y: Array, lengths: Array, blank: int, out: Array) -> None:
    """out_i ← −log p(y_i), the sum over all paths through the time steps within length i; ∞ where there is none."""
    emitted, skips, ends = _states(log_a, y, int(blank))
    lengths = np.clip(lengths, 0, log_a.shape[1])
    forward = _forward(emitted, skips, lengths)
    out[...] = -_total(forward, ends, lengths)


_back = operation(
    a="read ordinary n t k",
    y="read index<k n l",
    lengths="read int64 n",
    blank="number whole",
    count="number positive",
    out="written n t k",
    cut="n",
    tolerance=64.0,
)


@_back
def ctc_delta(a: Array, y: Array, lengths: Array, blank: int, count: float, out: Array) -> None:
    """δ^L for a = softmax(z): out_itk ← (a_itk − g_itk)/count within length i, else 0.

    g_itk is the share of the paths that pass class k at time t, by their probability.
    """
    np.subtract(a, _shares(a, y, lengths, int(blank)), out=out)
    out /= count
    out[np.arange(a.shape[1]) >= lengths[:, np.newaxis]] = 0


@_back
def ctc_slope(a: Array, y: Array, lengths: Array, blank: int, count: float, out: Array) -> None:
    """∂C/∂a: out_itk ← −g_itk/(count a_itk), with g as in :func:`ctc_delta`."""
    np.divide(_shares(a, y, lengths, int(blank)), np.maximum(a, smallest(a.dtype)), out=out)
    out /= -count


def _shares(a: Array, y: Array, lengths: Array, blank: int) -> Array:
    """Return g; 0 beyond a length, and where no path gives the labels."""
    lengths = np.clip(lengths, 0, a.shape[1])
    emitted, skips, ends = _states(np.log(np.maximum(a, smallest(a.dtype))), y, blank)
    forward, backward = _forward(emitted, skips, lengths), _backward(emitted, skips, ends, lengths)
    total = _total(forward, ends, lengths)
    total[~np.isfinite(total)] = np.inf
    passing = np.exp(forward + backward - total[:, np.newaxis, np.newaxis])
    shares, examples = np.zeros_like(a), np.arange(len(y))
    shares[:, :, blank] = passing[:, :, ::2].sum(axis=2)
    for k in range(y.shape[1]):
        shares[examples, :, y[:, k]] += passing[:, :, 2 * k + 1]
    return shares


def _states(log_a: Array, y: Array, blank: int) -> tuple[Array, Array, Array]:
    """Return log a of each state ``(n, t, s)``, whether it is reached past the blank before it, and the last state."""
    states = np.full((len(y), 2 * y.shape[1] + 1), blank, y.dtype)
    states[:, 1::2] = y
    skips = np.zeros(states.shape, bool)
    skips[:, 3::2] = (y[:, 1:] != y[:, :-1]) & (y[:, 1:] != blank)
    emitted = np.take_along_axis(log_a, np.broadcast_to(states[:, np.newaxis], (*log_a.shape[:2], states.shape[1])), 2)
    return emitted, skips, 2 * (y != blank).sum(axis=1)


def _forward(emitted: Array, skips: Array, lengths: Array) -> Array:
    """Return for each t and state the log of the sum over the paths that are there at t, with a up to t."""
    found = np.full_like(emitted, -np.inf)
    if not emitted.shape[1]:
        return found
    found[:, 0, :2] = emitted[:, 0, :2]
    for t in range(1, emitted.shape[1]):
        before = found[:, t - 1]
        now = before.copy()
        np.logaddexp(now[:, 1:], before[:, :-1], out=now[:, 1:])
        skipped = np.where(skips[:, 2:], before[:, :-2], -np.inf)
        np.logaddexp(now[:, 2:], skipped, out=now[:, 2:])
        found[:, t] = now + emitted[:, t]
    found[np.arange(emitted.shape[1]) >= lengths[:, np.newaxis]] = -np.inf
    return found


def _backward(emitted: Array, skips: Array, ends: Array, lengths: Array) -> Array:
    """Return for each t and state the log of the sum over the ways from there to the end, with a after t."""
    found = np.full_like(emitted, -np.inf)
    states = np.arange(emitted.shape[2])
    at_end = (states == ends[:, np.newaxis]) | (states == ends[:, np.newaxis] - 1)
    for t in range(emitted.shape[1] - 1, -1, -1):
        if t + 1 < emitted.shape[1]:
            after = found[:, t + 1] + emitted[:, t + 1]
            now = after.copy()
            np.logaddexp(now[:, :-1], after[:, 1:], out=now[:, :-1])
            skipped = np.where(skips[:, 2:], after[:, 2:], -np.inf)
            np.logaddexp(now[:, :-2], skipped, out=now[:, :-2])
            found[:, t] = now
        last = lengths == t + 1
        found[last, t] = np.where(at_end[last], 0, -np.inf)
        found[lengths < t + 1, t] = -np.inf
    return found


def _total(forward: Array, ends: Array, lengths: Array) -> Array:
    """Return log p(y); 0 for no labels in no time steps."""
    examples, last = np.arange(len(forward)), np.maximum(lengths - 1, 0)
    if not forward.shape[1]:
        return np.where(ends == 0, 0, -np.inf)
    at_last = forward[examples, last]
    blank, label = at_last[examples, ends], at_last[examples, np.maximum(ends - 1, 0)]
    total = np.where(ends > 0, np.logaddexp(blank, label), blank)
    found: Array = np.where((lengths < 1) & (ends == 0), 0, total)
    return found
