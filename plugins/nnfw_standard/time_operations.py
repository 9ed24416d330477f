"""The operations of pools and convolutions over time, defined in NumPy. Lengths are numbers of time steps ``(n,)``."""

from __future__ import annotations

from collections.abc import Iterator

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


@operation(source="read n t k", out="written n k t", cut="n")
def transpose(source: Array, out: Array) -> None:
    """Exchange time and features: out_ikt ← source_itk."""
    np.copyto(out, source.transpose(0, 2, 1))


@operation(
    source="read n t k",
    lengths="read positive n",
    stride="number count",
    before="number whole",
    dilation="number count",
    out="written n u k w",
    cut="n",
)
def unfold(source: Array, lengths: Array, stride: int, before: int, dilation: int, out: Array) -> None:
    """Give what windows see: out_iukw ← source_itk with t = u stride + w dilation − before, 0 beyond the sequence."""
    out[...] = 0
    inside = np.where(_inside(lengths, source.shape[1])[:, :, np.newaxis], source, 0)
    for w, windows, steps in _seen(source, stride, before, dilation, out):
        out[:, windows, :, w] = inside[:, steps]


@operation(
    grad="read finite n u k w",
    lengths="read positive n",
    stride="number count",
    before="number whole",
    dilation="number count",
    out="written n t k",
    cut="n",
)
def fold(grad: Array, lengths: Array, stride: int, before: int, dilation: int, out: Array) -> None:
    """Go back through :func:`unfold`: out_itk ← Σ grad_iukw over all windows that see t, 0 beyond a length."""
    out[...] = 0
    for w, windows, steps in _seen(out, stride, before, dilation, grad):
        out[:, steps] += grad[:, windows, :, w]
    out[~_inside(lengths, out.shape[1])] = 0


def _seen(
    sequences: Array, stride: float, before: float, dilation: float, windows: Array
) -> Iterator[tuple[int, slice, slice]]:
    """Yield each place in the windows, those that see a time step there, and these time steps."""
    stride, steps = int(stride), sequences.shape[1]
    for w in range(windows.shape[3]):
        offset = w * int(dilation) - int(before)
        first, end = max(0, -(offset // stride)), min(windows.shape[1], -((offset - steps) // stride))
        if first < end:
            yield w, slice(first, end), slice(first * stride + offset, (end - 1) * stride + offset + 1, stride)


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
