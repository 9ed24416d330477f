"""The operations of layers that change images at random, defined in NumPy. Engines must give the same results."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation


@operation(
    images="read n c h w", u="read float32 n", rate="number", rows="number whole", out="written n c h w", cut="n"
)
def flip2d(images: Array, u: Array, rate: float, rows: int, out: Array) -> None:
    """Mirror some images, upside down if `rows` is not 0, else left to right: out ← image mirrored where u < rate.

    It is its own ∂C/∂a.
    """
    mirrored = images[:, :, ::-1] if rows else images[..., ::-1]
    out[...] = np.where((u < np.float32(rate))[:, np.newaxis, np.newaxis, np.newaxis], mirrored, images)


@operation(
    u="read float32 n 2",
    count_y="number count",
    count_x="number count",
    most_y="number whole",
    most_x="number whole",
    out="written float32 n 2",
    cut="n",
)
def random_places(u: Array, count_y: int, count_x: int, most_y: int, most_x: int, out: Array) -> None:
    """Choose one of `count` rows and columns, the first of which is −most: out ← ⌊u count⌋ − most, for u in [0, 1)."""
    np.floor(u * np.array([count_y, count_x], np.float64), out=out, casting="same_kind")
    out -= np.array([most_y, most_x], np.float32)


@operation(images="read n c h w", places="read float32 n 2", out="written n c y x", cut="n")
def window2d(images: Array, places: Array, out: Array) -> None:
    """Cut a window out of each image, at a row and column of its own: out ← image from there on, 0 beyond it."""
    out[...] = 0
    for image, place, target in zip(images, np.floor(places).astype(np.intp), out, strict=True):
        source, into = _common(image, target, *place.tolist())
        into[...] = source


@operation(delta="read n c y x", places="read float32 n 2", out="written n c h w", cut="n")
def window2d_gradient(delta: Array, places: Array, out: Array) -> None:
    """∂C/∂a of :func:`window2d`: out ← δ at the pixels of the window, 0 elsewhere."""
    out[...] = 0
    for image, place, source in zip(out, np.floor(places).astype(np.intp), delta, strict=True):
        into, window = _common(image, source, *place.tolist())
        into[...] = window


def _common(image: Array, window: Array, y: int, x: int) -> tuple[Array, Array]:
    """Return the views of what an image and a window have in common, which begins at a row and column of the image."""
    part = image[:, max(y, 0) : max(y + window.shape[1], 0), max(x, 0) : max(x + window.shape[2], 0)]
    top, left = max(-y, 0), max(-x, 0)
    return part, window[:, top : top + part.shape[1], left : left + part.shape[2]]


@operation(
    a="read n ...", u="read float32 n ...", v="read float32 n ...", deviation="number", out="written n ...", cut="n"
)
def add_normal(a: Array, u: Array, v: Array, deviation: float, out: Array) -> None:
    """Add normal noise, by Box and Muller: out ← a + deviation √(−2 log(1 − u)) cos(2π v), for u and v in [0, 1)."""
    out[...] = a + deviation * np.sqrt(-2 * np.log1p(-u)) * np.cos(np.float32(2 * np.pi) * v)
