"""The operations of pooling over time, defined in NumPy. Lengths are numbers of time steps ``(n,)``."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation

_pool = operation(a="read n t k", lengths="read positive n", out="written n k", cut="n", tolerance=16.0)
_pool_delta = operation(delta="read n k", lengths="read positive n", out="written n t k", cut="n")


@_pool
def time_mean(a: Array, lengths: Array, out: Array) -> None:
    """Give the mean over the time steps within a length, 0 if there are none: out_i ← 1/n_i Σ_(t < n_i) a_it."""
    np.einsum("nt,ntk->nk", _shares(lengths, a.shape[1]), a, out=out)


@_pool_delta
def time_mean_delta(delta: Array, lengths: Array, out: Array) -> None:
    """Go back through :func:`time_mean`: out_it ← δ_i / n_i for t < n_i, else 0."""
    np.multiply(_shares(lengths, out.shape[1])[:, :, np.newaxis], delta[:, np.newaxis], out=out)


@_pool
def time_max(a: Array, lengths: Array, out: Array) -> None:
    """Give the maximum over the time steps within a length, 0 if there are none: out_i ← max_(t < n_i) a_it."""
    inside = np.broadcast_to(_inside(lengths, a.shape[1])[:, :, np.newaxis], a.shape)
    np.maximum.reduce(a, axis=1, out=out, initial=-np.inf, where=inside)
    out[~(lengths > 0)] = 0


@operation(delta="read n k", a="read n t k", z="read n k", lengths="read positive n", out="written n t k", cut="n")
def time_max_delta(delta: Array, a: Array, z: Array, lengths: Array, out: Array) -> None:
    """Go back through :func:`time_max`: out_it ← δ_i at the first t < n_i where a_it = z_i, else 0."""
    largest = (a == z[:, np.newaxis]) & _inside(lengths, a.shape[1])[:, :, np.newaxis]
    first = np.cumsum(largest, axis=1) == 1
    out[...] = np.where(largest & first, delta[:, np.newaxis], 0)


@_pool
def time_last(a: Array, lengths: Array, out: Array) -> None:
    """Give the last time step within a length, 0 if there is none: out_i ← a_it with t = n_i − 1."""
    out[...] = 0
    examples, steps = np.nonzero(_last(lengths, a.shape[1]))
    out[examples] = a[examples, steps]


@_pool_delta
def time_last_delta(delta: Array, lengths: Array, out: Array) -> None:
    """Go back through :func:`time_last`: out_it ← δ_i for t = n_i − 1, else 0."""
    out[...] = np.where(_last(lengths, out.shape[1])[:, :, np.newaxis], delta[:, np.newaxis], 0)


def _inside(lengths: Array, steps: int) -> Array:
    """Return which time steps lie within a length, ``(n, t)``."""
    inside: Array = np.arange(steps) < lengths[:, np.newaxis]
    return inside


def _last(lengths: Array, steps: int) -> Array:
    """Return which time step is the last one within a length, ``(n, t)``."""
    inside = _inside(lengths, steps)
    after = np.zeros_like(inside)
    after[:, :-1] = inside[:, 1:]
    return inside & ~after


def _shares(lengths: Array, steps: int) -> Array:
    """Return the factor of each time step in the mean, ``(n, t)``."""
    shares: Array = _inside(lengths, steps) / np.maximum(lengths, 1)[:, np.newaxis]
    return shares.astype(lengths.dtype, copy=False)
