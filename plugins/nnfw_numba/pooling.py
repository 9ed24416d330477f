"""Pooling as loops over windows."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import inner
from nnfw_numba.machine import vector
from nnfw_numba.untyped import Number


@inner
def _inside(start: int, size: int, end: int) -> tuple[int, int]:
    """Return the places of a kernel that lie in the image, for a window that begins at a row or column."""
    return max(0, -start), min(size, end - start)


@inner
def max_pool2d(
    images: Array,
    height: float,
    width: float,
    stride_y: float,
    stride_x: float,
    top: float,
    left: float,
    out: Array,
    place: Array,
) -> None:
    whole = top == 0 and left == 0 and (out.shape[2] - 1) * stride_y + height <= images.shape[2]
    whole = whole and (out.shape[3] - 1) * stride_x + width <= images.shape[3]
    if whole and height == 2 and width == 2 and stride_y == 2 and stride_x == 2:
        _largest_of_four(images, out, place)
    else:
        _largest(images, int(height), int(width), int(stride_y), int(stride_x), int(top), int(left), whole, out, place)


@inner
def _larger(a: Number, b: Number) -> bool:
    """Return whether b is larger than a; NaN is the largest, and of equal ones the first. `&` spares wrong guesses."""
    larger: bool = (not b <= a) & (a == a)
    return larger


@inner
def _largest_of_four(images: Array, out: Array, place: Array) -> None:
    """Take the largest of each two by two pixels: without branches, so that many are computed at once."""
    t, width = images.dtype.type, out.shape[3]
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                first = vector(images, (n, c, 2 * y), 2 * width)
                second = vector(images, (n, c, 2 * y + 1), 2 * width)
                best, where = vector(out, (n, c, y), width), vector(place, (n, c, y), width)
                for x in range(width):
                    a, b, d, e = first[2 * x], first[2 * x + 1], second[2 * x], second[2 * x + 1]
                    above, below = (b if _larger(a, b) else a), (e if _larger(d, e) else d)
                    of_above = t(1) if _larger(a, b) else t(0)
                    of_below = t(3) if _larger(d, e) else t(2)
                    best[x] = below if _larger(above, below) else above
                    where[x] = of_below if _larger(above, below) else of_above


@inner
def _largest(
    images: Array,
    height: int,
    width: int,
    stride_y: int,
    stride_x: int,
    top: int,
    left: int,
    whole: bool,
    out: Array,
    place: Array,
) -> None:
    """Take the largest pixels; `whole` tells that all windows lie in the image."""
    t = images.dtype.type
    for n in range(images.shape[0]):
        for c in range(images.shape[1]):
            for y in range(out.shape[2]):
                first = y * stride_y - top
                for x in range(out.shape[3]):
                    start, best, where = x * stride_x - left, t(-np.inf), t(0)
                    for i in range(height):
                        for j in range(width):
                            if whole or (0 <= first + i < images.shape[2] and 0 <= start + j < images.shape[3]):
                                value = images[n, c, first + i, start + j]
                                larger = _larger(best, value)
                                best, where = value if larger else best, t(i * width + j) if larger else where
                    out[n, c, y, x], place[n, c, y, x] = best, where


@inner
def max_pool2d_gradient(
    delta: Array,
    place: Array,
    height: float,
    width: float,
    stride_y: float,
    stride_x: float,
    top: float,
    left: float,
    out: Array,
) -> None:
    apart = height == 2 and width == 2 and stride_y == 2 and stride_x == 2 and top == 0 and left == 0
    if apart and out.shape[2] == 2 * delta.shape[2] and out.shape[3] == 2 * delta.shape[3]:
        _give_back_to_four(delta, place, out)
    else:
        _give_back(delta, place, int(height), int(width), int(stride_y), int(stride_x), int(top), int(left), out)


@inner
def _give_back_to_four(delta: Array, place: Array, out: Array) -> None:
    """Give each δ to one of two by two pixels, which no other window sees."""
    t, width = delta.dtype.type, delta.shape[3]
    for n in range(delta.shape[0]):
        for c in range(delta.shape[1]):
            for y in range(delta.shape[2]):
                own, where = vector(delta, (n, c, y), width), vector(place, (n, c, y), width)
                for i in range(2):
                    row = vector(out, (n, c, 2 * y + i), 2 * width)
                    for x in range(width):
                        row[2 * x] = own[x] if where[x] == t(2 * i) else t(0)
                        row[2 * x + 1] = own[x] if where[x] == t(2 * i + 1) else t(0)


@inner
def _give_back(
    delta: Array,
    place: Array,
    height: int,
    width: int,
    stride_y: int,
    stride_x: int,
    top: int,
    left: int,
    out: Array,
) -> None:
    """Add each δ to the pixel that its window took."""
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    out[n, c, y, x] = 0
            for y in range(delta.shape[2]):
                for x in range(delta.shape[3]):
                    k = int(place[n, c, y, x])
                    if 0 <= k < height * width and k == place[n, c, y, x]:
                        row, column = y * stride_y - top + k // width, x * stride_x - left + k % width
                        if 0 <= row < out.shape[2] and 0 <= column < out.shape[3]:
                            out[n, c, row, column] += delta[n, c, y, x]


@inner
def avg_pool2d(
    images: Array, height: float, width: float, stride_y: float, stride_x: float, top: float, left: float, out: Array
) -> None:
    for n in range(images.shape[0]):
        for c in range(images.shape[1]):
            for y in range(out.shape[2]):
                first = y * int(stride_y) - int(top)
                i0, i1 = _inside(first, int(height), images.shape[2])
                for x in range(out.shape[3]):
                    start, total = x * int(stride_x) - int(left), images.dtype.type(0)
                    j0, j1 = _inside(start, int(width), images.shape[3])
                    for i in range(i0, i1):
                        for j in range(j0, j1):
                            total += images[n, c, first + i, start + j]
                    out[n, c, y, x] = total / images.dtype.type(max(1, max(0, i1 - i0) * max(0, j1 - j0)))


@inner
def avg_pool2d_gradient(
    delta: Array, height: float, width: float, stride_y: float, stride_x: float, top: float, left: float, out: Array
) -> None:
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    out[n, c, y, x] = 0
            for y in range(delta.shape[2]):
                first = y * int(stride_y) - int(top)
                i0, i1 = _inside(first, int(height), out.shape[2])
                for x in range(delta.shape[3]):
                    start = x * int(stride_x) - int(left)
                    j0, j1 = _inside(start, int(width), out.shape[3])
                    share = delta[n, c, y, x] / delta.dtype.type(max(1, max(0, i1 - i0) * max(0, j1 - j0)))
                    for i in range(i0, i1):
                        for j in range(j0, j1):
                            out[n, c, first + i, start + j] += share
