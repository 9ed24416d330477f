"""Random changes of images as loops over pixels."""

from __future__ import annotations

import math

from nnfw.arrays import Array
from nnfw_numba.caching import inner


@inner
def flip2d(images: Array, u: Array, rate: float, rows: float, out: Array) -> None:
    height, width = images.shape[2], images.shape[3]
    for n in range(out.shape[0]):
        mirrored = u[n] < u.dtype.type(rate)
        for c in range(out.shape[1]):
            for y in range(height):
                source = height - 1 - y if mirrored and rows != 0 else y
                for x in range(width):
                    out[n, c, y, x] = images[n, c, source, width - 1 - x if mirrored and rows == 0 else x]


@inner
def random_places(u: Array, count_y: float, count_x: float, most_y: float, most_x: float, out: Array) -> None:
    for n in range(out.shape[0]):
        out[n, 0] = math.floor(u[n, 0] * count_y) - most_y
        out[n, 1] = math.floor(u[n, 1] * count_x) - most_x


@inner
def window2d(images: Array, places: Array, out: Array) -> None:
    for n in range(out.shape[0]):
        top, left = math.floor(places[n, 0]), math.floor(places[n, 1])
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    inside = 0 <= y + top < images.shape[2] and 0 <= x + left < images.shape[3]
                    out[n, c, y, x] = images[n, c, y + top, x + left] if inside else 0


@inner
def window2d_gradient(delta: Array, places: Array, out: Array) -> None:
    for n in range(out.shape[0]):
        top, left = math.floor(places[n, 0]), math.floor(places[n, 1])
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    inside = 0 <= y - top < delta.shape[2] and 0 <= x - left < delta.shape[3]
                    out[n, c, y, x] = delta[n, c, y - top, x - left] if inside else 0
