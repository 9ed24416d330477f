"""The operations of layers on images, defined in NumPy. Engines must give the same results.

A window slides over each image. Window (y, x) looks at pixels (y stride_y + i dilation_y − top, x stride_x +
j dilation_x − left), for i and j from 0 to below the sizes of the kernel; the pixels beyond the image are padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation
from nnfw.data import row_blocks

_BLOCK = 1 << 18
"""Numbers in the columns of the images that are unfolded at a time: they stay in the processor's cache."""

_NEAR = 1 << 16
"""Pixels that are pooled at a time."""


class Sliding(NamedTuple):
    """How a window slides: strides, padding above and on the left, and dilations, each down and across."""

    stride_y: int
    stride_x: int
    top: int
    left: int
    dilation_y: int
    dilation_x: int

    def span(self, kernel: tuple[int, int], windows: tuple[int, int]) -> tuple[int, int]:
        """Return how many rows and columns of padded image the windows look at."""
        strides, dilations = self[:2], self[4:]
        pairs = zip(windows, strides, kernel, dilations, strict=True)
        height, width = ((count - 1) * stride + (size - 1) * dilation + 1 for count, stride, size, dilation in pairs)
        return height, width

    def padded(self, images: Array, span: tuple[int, int], padding: float = 0.0) -> Array:
        """Return images ``(..., h, w)`` with padding around them, as large as the windows need.

        The images themselves if they need none.
        """
        (height, width), (h, w) = span, images.shape[-2:]
        if not (self.top or self.left) and height <= h and width <= w:
            return images
        found = np.full(
            (*images.shape[:-2], max(height, self.top + h), max(width, self.left + w)), padding, images.dtype
        )
        self.inner(found, images.shape)[...] = images
        return found

    def inner(self, padded: Array, shape: tuple[int, ...]) -> Array:
        """Return the view of the images, of shape ``(..., h, w)``, in what :meth:`padded` returns."""
        return padded[..., self.top : self.top + shape[-2], self.left : self.left + shape[-1]]

    def taps(self, padded: Array, kernel: tuple[int, int], windows: tuple[int, int]) -> Iterator[Array]:
        """Yield for each place in the kernel, row by row, the view ``(..., y, x)`` of what the windows see there."""
        (rows, columns), (height, width) = windows, kernel
        for i in range(0, height * self.dilation_y, self.dilation_y):
            for j in range(0, width * self.dilation_x, self.dilation_x):
                yield padded[
                    ...,
                    i : i + (rows - 1) * self.stride_y + 1 : self.stride_y,
                    j : j + (columns - 1) * self.stride_x + 1 : self.stride_x,
                ]


def _sizes(array: Array) -> tuple[int, int]:
    """Return the sizes of the last two axes."""
    height, width = array.shape[-2:]
    return height, width


def _blocks(count: int, size: int) -> Iterator[slice]:
    """Yield the rows of each block of `count` examples whose columns have `size` numbers each."""
    step = max(1, _BLOCK // max(1, size))
    return (slice(start, start + step) for start in range(0, count, step))


def _unfolded(images: Array, sliding: Sliding, kernel: tuple[int, int], windows: tuple[int, int]) -> Array:
    """Return what the windows see of images ``(n, g, c, h, w)`` as columns: ``(n, g, c i j, y x)``."""
    padded = sliding.padded(images, sliding.span(kernel, windows))
    n, g, c = images.shape[:3]
    columns = np.empty((n, g, c, kernel[0] * kernel[1], *windows), images.dtype)
    for k, seen in enumerate(sliding.taps(padded, kernel, windows)):
        columns[:, :, :, k] = seen
    return columns.reshape(n, g, c * kernel[0] * kernel[1], windows[0] * windows[1])


@operation(
    images="read n g c h w",
    weight="read g f c i j",
    bias="read g f",
    stride_y="number count",
    stride_x="number count",
    top="number whole",
    left="number whole",
    dilation_y="number count",
    dilation_x="number count",
    out="written n g f y x",
    cut="n",
)
def conv2d(
    images: Array,
    weight: Array,
    bias: Array,
    stride_y: int,
    stride_x: int,
    top: int,
    left: int,
    dilation_y: int,
    dilation_x: int,
    out: Array,
) -> None:
    """Convolve images in groups of channels: out_fyx ← b_f + Σ_cij w_fcij image_c at pixel (i, j) of window (y, x).

    Padding is 0.
    """
    sliding = Sliding(*map(int, (stride_y, stride_x, top, left, dilation_y, dilation_x)))
    kernel, windows = _sizes(weight), _sizes(out)
    rows = weight.reshape(*weight.shape[:2], prod(weight.shape[2:]))
    for block in _blocks(len(images), rows[0, 0].size * images.shape[1] * windows[0] * windows[1]):
        z = rows @ _unfolded(images[block], sliding, kernel, windows)
        z += bias[..., np.newaxis]
        out[block] = z.reshape(len(z), *out.shape[1:])


@operation(
    delta="read finite n g f y x",
    weight="read finite g f c i j",
    stride_y="number count",
    stride_x="number count",
    top="number whole",
    left="number whole",
    dilation_y="number count",
    dilation_x="number count",
    out="written n g c h w",
    cut="n",
)
def conv2d_input_gradient(
    delta: Array,
    weight: Array,
    stride_y: int,
    stride_x: int,
    top: int,
    left: int,
    dilation_y: int,
    dilation_x: int,
    out: Array,
) -> None:
    """∂C/∂a of a convolution: each pixel of out_c ← Σ w_fcij δ_fyx over all windows that see it, at their (i, j)."""
    sliding = Sliding(*map(int, (stride_y, stride_x, top, left, dilation_y, dilation_x)))
    kernel, windows = _sizes(weight), _sizes(delta)
    g, f, c = weight.shape[:3]
    rows = np.ascontiguousarray(weight.reshape(g, f, prod(weight.shape[2:])).transpose(0, 2, 1))
    for block in _blocks(len(delta), rows.shape[0] * rows.shape[1] * windows[0] * windows[1]):
        count = len(delta[block])
        columns = rows @ delta[block].reshape(count, g, f, windows[0] * windows[1])
        columns = columns.reshape(count, g, c, kernel[0] * kernel[1], *windows)
        padded = sliding.padded(np.zeros_like(out[block]), sliding.span(kernel, windows))
        for k, seen in enumerate(sliding.taps(padded, kernel, windows)):
            seen += columns[:, :, :, k]  # windows overlap
        out[block] = sliding.inner(padded, out.shape)


@operation(
    images="read finite n g c h w",
    delta="read finite n g f y x",
    stride_y="number count",
    stride_x="number count",
    top="number whole",
    left="number whole",
    dilation_y="number count",
    dilation_x="number count",
    out="written g f c i j",
    cut="f",
)
def conv2d_weight_gradient(
    images: Array,
    delta: Array,
    stride_y: int,
    stride_x: int,
    top: int,
    left: int,
    dilation_y: int,
    dilation_x: int,
    out: Array,
) -> None:
    """∂C/∂w of a convolution: out_fcij ← Σ δ_fyx image_c at pixel (i, j) of window (y, x), over all of them."""
    sliding = Sliding(*map(int, (stride_y, stride_x, top, left, dilation_y, dilation_x)))
    kernel, windows = _sizes(out), _sizes(delta)
    g, f, c = out.shape[:3]
    total = np.zeros((g, f, c * kernel[0] * kernel[1]), out.dtype)
    for block in _blocks(len(images), g * c * kernel[0] * kernel[1] * windows[0] * windows[1]):
        columns = _unfolded(images[block], sliding, kernel, windows)
        terms = delta[block].reshape(len(columns), g, f, windows[0] * windows[1]) @ columns.transpose(0, 1, 3, 2)
        total += terms.sum(axis=0)
    out[...] = total.reshape(out.shape)


@operation(z="changed n f ...", bias="read f", cut="n")
def add_to_channels(z: Array, bias: Array) -> None:
    """Add a bias to every position of its channel: z_f ← z_f + b_f."""
    z += bias.reshape(-1, *[1] * (z.ndim - 2))


@operation(delta="read n f ...", out="written f", cut="f")
def sum_positions(delta: Array, out: Array) -> None:
    """∂C/∂b of a convolution: out_f ← Σ δ_f over all examples and positions."""
    delta.sum(axis=(0, *range(2, delta.ndim)), out=out)


@operation(
    images="read n c h w",
    height="number count",
    width="number count",
    stride_y="number count",
    stride_x="number count",
    top="number whole",
    left="number whole",
    out="written n c y x",
    place="written n c y x",
    cut="n",
)
def max_pool2d(
    images: Array,
    height: int,
    width: int,
    stride_y: int,
    stride_x: int,
    top: int,
    left: int,
    out: Array,
    place: Array,
) -> None:
    """Take the largest pixel of each window; `place` ← i width + j of it, of equal ones the first.

    Padding is smaller than every number; NaN counts as the largest.
    """
    sliding, windows = _pooling(stride_y, stride_x, top, left), _sizes(out)
    kernel = int(height), int(width)
    for block in row_blocks(images, _NEAR):
        padded = sliding.padded(images[block], sliding.span(kernel, windows), -np.inf)
        _largest([*sliding.taps(padded, kernel, windows)], out[block], place[block])


def _largest(taps: list[Array], out: Array, place: Array) -> None:
    """Set out to the largest of some arrays at each position, and place to the number of the first that has it."""
    out[...] = taps[0]
    for seen in taps[1:]:
        np.maximum(out, seen, out=out)
    may_be_nan = np.isnan(out.max(initial=0))
    place.fill(0)
    for k in range(len(taps) - 1, -1, -1):
        largest = taps[k] == out
        if may_be_nan:
            largest |= np.isnan(taps[k])
        place *= ~largest  # several times faster than a masked copy
        place += largest * out.dtype.type(k)


def _pooling(stride_y: float, stride_x: float, top: float, left: float) -> Sliding:
    """Return the sliding of a pool, whose windows have no gaps."""
    return Sliding(int(stride_y), int(stride_x), int(top), int(left), 1, 1)


@operation(
    delta="read n c y x",
    place="read n c y x",
    height="number count",
    width="number count",
    stride_y="number count",
    stride_x="number count",
    top="number whole",
    left="number whole",
    out="written n c h w",
    cut="n",
)
def max_pool2d_gradient(
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
    """∂C/∂a of :func:`max_pool2d`: each pixel of out ← Σ δ over the windows that took it."""
    sliding, windows = _pooling(stride_y, stride_x, top, left), _sizes(delta)
    kernel = int(height), int(width)
    for block in row_blocks(out, _NEAR):
        padded = sliding.padded(np.zeros_like(out[block]), sliding.span(kernel, windows))
        for k, seen in enumerate(sliding.taps(padded, kernel, windows)):
            np.add(seen, delta[block], out=seen, where=place[block] == k)
        out[block] = sliding.inner(padded, out.shape)


@operation(
    images="read n c h w",
    height="number count",
    width="number count",
    stride_y="number count",
    stride_x="number count",
    top="number whole",
    left="number whole",
    out="written n c y x",
    cut="n",
)
def avg_pool2d(
    images: Array, height: int, width: int, stride_y: int, stride_x: int, top: int, left: int, out: Array
) -> None:
    """Take the mean of the pixels of each window; padding does not count."""
    sliding, windows = _pooling(stride_y, stride_x, top, left), _sizes(out)
    kernel = int(height), int(width)
    padded = sliding.padded(images, sliding.span(kernel, windows))
    out[...] = 0
    for seen in sliding.taps(padded, kernel, windows):
        out += seen
    out /= _counts(sliding, kernel, windows, images)


def _counts(sliding: Sliding, kernel: tuple[int, int], windows: tuple[int, int], images: Array) -> Array:
    """Return how many pixels of the image each window sees, ``(y, x)``; 1 where it sees none."""
    ones = sliding.padded(np.ones(_sizes(images), images.dtype), sliding.span(kernel, windows))
    found = np.zeros(windows, images.dtype)
    for seen in sliding.taps(ones, kernel, windows):
        found += seen
    return np.maximum(found, 1)


@operation(
    delta="read n c y x",
    height="number count",
    width="number count",
    stride_y="number count",
    stride_x="number count",
    top="number whole",
    left="number whole",
    out="written n c h w",
    cut="n",
)
def avg_pool2d_gradient(
    delta: Array, height: int, width: int, stride_y: int, stride_x: int, top: int, left: int, out: Array
) -> None:
    """∂C/∂a of :func:`avg_pool2d`: each pixel of out ← Σ δ/(pixels of the window) over the windows that see it."""
    sliding, windows = _pooling(stride_y, stride_x, top, left), _sizes(delta)
    kernel = int(height), int(width)
    padded = sliding.padded(np.zeros_like(out), sliding.span(kernel, windows))
    shares = delta / _counts(sliding, kernel, windows, out)
    for seen in sliding.taps(padded, kernel, windows):
        seen += shares
    out[...] = sliding.inner(padded, out.shape)


def _common(small: Array, large: Array, top: float, left: float) -> tuple[Array, Array]:
    """Return the views of what two arrays have in common, where `small` begins at a row and column of `large`."""
    part = large[..., int(top) : int(top) + small.shape[-2], int(left) : int(left) + small.shape[-1]]
    return small[..., : part.shape[-2], : part.shape[-1]], part


@operation(images="read n c h w", top="number whole", left="number whole", out="written n c y x", cut="n")
def pad2d(images: Array, top: int, left: int, out: Array) -> None:
    """Put images into larger ones, at a row and column: out ← image there, else 0."""
    out[...] = 0
    source, target = _common(images, out, top, left)
    target[...] = source


@operation(delta="read n c y x", top="number whole", left="number whole", out="written n c h w", cut="n")
def crop2d(delta: Array, top: int, left: int, out: Array) -> None:
    """∂C/∂a of :func:`pad2d`: out ← δ from a row and column on."""
    out[...] = 0
    target, source = _common(out, delta, top, left)
    target[...] = source


def _copies(large: Array, factor_y: float, factor_x: float, size: tuple[int, int]) -> Iterator[Array]:
    """Yield the view of the first copies of all pixels, of the second ones and so on, for images of a size."""
    for i in range(int(factor_y)):
        for j in range(int(factor_x)):
            yield large[..., i :: int(factor_y), j :: int(factor_x)][..., : size[0], : size[1]]


@operation(images="read n c h w", factor_y="number count", factor_x="number count", out="written n c y x", cut="n")
def upsample2d(images: Array, factor_y: int, factor_x: int, out: Array) -> None:
    """Repeat pixels: out_yx ← image at (⌊y/factor_y⌋, ⌊x/factor_x⌋); 0 beyond it."""
    out[...] = 0
    for part in _copies(out, factor_y, factor_x, _sizes(images)):
        part[...] = images[..., : part.shape[-2], : part.shape[-1]]


@operation(delta="read n c y x", factor_y="number count", factor_x="number count", out="written n c h w", cut="n")
def upsample2d_gradient(delta: Array, factor_y: int, factor_x: int, out: Array) -> None:
    """∂C/∂a of :func:`upsample2d`: each pixel of out ← Σ δ over its copies."""
    out[...] = 0
    for part in _copies(delta, factor_y, factor_x, _sizes(out)):
        out[..., : part.shape[-2], : part.shape[-1]] += part
