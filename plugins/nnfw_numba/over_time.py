"""The operations of nnfw_standard's pools and convolutions over time as loops over elements."""

from __future__ import annotations

from nnfw.arrays import Array
from nnfw_numba.caching import inner
from nnfw_numba.untyped import Number


@inner
def _share(t: int, length: Number) -> Number:
    """Return the factor of a time step in the mean."""
    one = type(length)(1)
    return (one if t < length else type(length)(0)) / (one if length < one else length)


@inner
def _is_last(t: int, steps: int, length: Number) -> bool:
    return t < length and (t + 1 == steps or not t + 1 < length)


@inner
def time_mean(a: Array, lengths: Array, out: Array) -> None:
    for n in range(a.shape[0]):
        for k in range(a.shape[2]):
            out[n, k] = 0
        for t in range(a.shape[1]):
            share = _share(t, lengths[n])
            for k in range(a.shape[2]):
                out[n, k] += share * a[n, t, k]


@inner
def time_mean_delta(delta: Array, lengths: Array, out: Array) -> None:
    for n in range(out.shape[0]):
        for t in range(out.shape[1]):
            share = _share(t, lengths[n])
            for k in range(out.shape[2]):
                out[n, t, k] = share * delta[n, k]


@inner
def time_max(a: Array, lengths: Array, out: Array) -> None:
    for n in range(a.shape[0]):
        for k in range(a.shape[2]):
            out[n, k] = a[n, 0, k] if a.shape[1] > 0 and lengths[n] > 0 else a.dtype.type(0)
        for t in range(1, a.shape[1]):
            if t < lengths[n]:
                for k in range(a.shape[2]):
                    if not a[n, t, k] <= out[n, k] and out[n, k] == out[n, k]:  # NaN stays
                        out[n, k] = a[n, t, k]


@inner
def time_max_delta(delta: Array, a: Array, z: Array, lengths: Array, out: Array) -> None:
    for n in range(a.shape[0]):
        for k in range(a.shape[2]):
            found = False
            for t in range(a.shape[1]):
                is_first = not found and t < lengths[n] and a[n, t, k] == z[n, k]
                out[n, t, k] = delta[n, k] if is_first else delta.dtype.type(0)
                found = found or is_first


@inner
def time_last(a: Array, lengths: Array, out: Array) -> None:
    for n in range(a.shape[0]):
        for k in range(a.shape[2]):
            out[n, k] = 0
        for t in range(a.shape[1]):
            if _is_last(t, a.shape[1], lengths[n]):
                for k in range(a.shape[2]):
                    out[n, k] = a[n, t, k]


@inner
def time_last_delta(delta: Array, lengths: Array, out: Array) -> None:
    for n in range(out.shape[0]):
        for t in range(out.shape[1]):
            is_last = _is_last(t, out.shape[1], lengths[n])
            for k in range(out.shape[2]):
                out[n, t, k] = delta[n, k] if is_last else delta.dtype.type(0)


@inner
def transpose(source: Array, out: Array) -> None:
    for n in range(out.shape[0]):
        for k in range(out.shape[1]):
            for t in range(out.shape[2]):
                out[n, k, t] = source[n, t, k]


@inner
def unfold(source: Array, lengths: Array, stride: float, before: float, dilation: float, out: Array) -> None:
    for n in range(out.shape[0]):
        for u in range(out.shape[1]):
            for w in range(out.shape[3]):
                t = u * int(stride) + w * int(dilation) - int(before)
                if 0 <= t < source.shape[1] and t < lengths[n]:
                    for k in range(out.shape[2]):
                        out[n, u, k, w] = source[n, t, k]
                else:
                    for k in range(out.shape[2]):
                        out[n, u, k, w] = 0


@inner
def fold(grad: Array, lengths: Array, stride: float, before: float, dilation: float, out: Array) -> None:
    for n in range(out.shape[0]):
        for t in range(out.shape[1]):
            for k in range(out.shape[2]):
                out[n, t, k] = 0
        for u in range(grad.shape[1]):
            for w in range(grad.shape[3]):
                t = u * int(stride) + w * int(dilation) - int(before)
                if 0 <= t < out.shape[1] and t < lengths[n]:
                    for k in range(out.shape[2]):
                        out[n, t, k] += grad[n, u, k, w]
