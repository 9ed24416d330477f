"""Larger images as loops over pixels."""

from __future__ import annotations

from nnfw.arrays import Array
from nnfw_numba.caching import inner


@inner
def pad2d(images: Array, top: float, left: float, out: Array) -> None:
    first, start = int(top), int(left)
    end = min(out.shape[3], start + images.shape[3])
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    out[n, c, y, x] = 0
                if first <= y < first + images.shape[2]:
                    for x in range(start, end):
                        out[n, c, y, x] = images[n, c, y - first, x - start]


@inner
def crop2d(delta: Array, top: float, left: float, out: Array) -> None:
    first, start = int(top), int(left)
    end = max(0, min(out.shape[3], delta.shape[3] - start))
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    out[n, c, y, x] = 0
                if y + first < delta.shape[2]:
                    for x in range(end):
                        out[n, c, y, x] = delta[n, c, y + first, x + start]


@inner
def upsample2d(images: Array, factor_y: float, factor_x: float, out: Array) -> None:
    tall, wide = int(factor_y), int(factor_x)
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    out[n, c, y, x] = 0
                if y < tall * images.shape[2]:
                    for q in range(images.shape[3]):
                        for x in range(q * wide, min(out.shape[3], (q + 1) * wide)):
                            out[n, c, y, x] = images[n, c, y // tall, q]


@inner
def upsample2d_gradient(delta: Array, factor_y: float, factor_x: float, out: Array) -> None:
    tall, wide = int(factor_y), int(factor_x)
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            for r in range(out.shape[2]):
                for q in range(out.shape[3]):
                    total = delta.dtype.type(0)
                    for y in range(r * tall, min(delta.shape[2], (r + 1) * tall)):
                        for x in range(q * wide, min(delta.shape[3], (q + 1) * wide)):
                            total += delta[n, c, y, x]
                    out[n, c, r, q] = total
