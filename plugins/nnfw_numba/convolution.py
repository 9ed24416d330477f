"""Convolutions as loops: every image is laid out once so that whole registers of windows are computed together.

The rows of an image, with padding between them, form one long line. What windows next to each other see at one place
in the kernel is then a piece of that line, at an offset that depends on the place alone. So a convolution is a sum of
pieces of lines, each times a weight: nothing is unfolded. The few windows between two rows are computed too, and left.

With a stride, windows next to each other see every s-th pixel; these are put side by side: an image becomes s × s
smaller ones, its phases, of `rows` × `width` pixels each.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import compiled, inner
from nnfw_numba.machine import vector
from nnfw_numba.registers import COLUMNS, LINES, OTHERS, REGISTER, ROWS, correlate, weigh

Sliding = tuple[int, int, int, int, int, int]
"""Strides, padding above and on the left, and dilations, each down and across."""

_RUN = 512
"""Windows that are computed at a time, at least one row: their sums stay in the nearest cache."""

_NEAR = 1 << 12
"""Numbers of δ that are laid out at a time for ∂C/∂b: they stay in the nearest cache."""

_KEPT, _FILTERS = 1 << 16, 8
"""Numbers of images, and of δ of so many filters, that are laid out at a time for ∂C/∂w. The sums of a filter must not
depend on how many others there are: each thread has some of them."""


@inner
def _sliding(
    stride_y: float, stride_x: float, top: float, left: float, dilation_y: float, dilation_x: float
) -> Sliding:
    return max(1, int(stride_y)), max(1, int(stride_x)), int(top), int(left), int(dilation_y), int(dilation_x)


@inner
def _size(count: int, kernel: int, stride: int, dilation: int) -> int:
    """Return the rows, or columns, of a phase that `count` windows look at."""
    return count + (kernel - 1) * dilation // stride


@inner
def _lanes(array: Array) -> int:
    return REGISTER // array.itemsize


@inner
def _registers(numbers: int, array: Array) -> int:
    """Return how many registers hold some numbers."""
    return (numbers + _lanes(array) - 1) // _lanes(array)


@inner
def _first(pad: int, phase: int, stride: int) -> int:
    """Return the first row, or column, of a phase that lies in the image."""
    return max(0, (pad - phase + stride - 1) // stride)


@inner
def _end(pad: int, phase: int, stride: int, size: int, most: int) -> int:
    """Return the end of the rows, or columns, of a phase that lie in the image."""
    return min(most, (size - 1 + pad - phase) // stride + 1)


@inner
def _lay_out(image: Array, sliding: Sliding, rows: int, width: int, line: Array) -> None:
    """Copy an image ``(c, h, w)`` into a line of its phases, one after the other; its padding is 0 already."""
    stride_y, stride_x, top, left = sliding[:4]
    channels, height, columns = image.shape
    for c in range(channels):
        for phase_y in range(stride_y):
            for phase_x in range(stride_x):
                plane = ((c * stride_y + phase_y) * stride_x + phase_x) * rows * width
                begin, end = _first(left, phase_x, stride_x), _end(left, phase_x, stride_x, columns, width)
                for r in range(_first(top, phase_y, stride_y), _end(top, phase_y, stride_y, height, rows)):
                    y, at = r * stride_y + phase_y - top, plane + r * width
                    if stride_x == 1:
                        for q in range(begin, end):
                            line[at + q] = image[c, y, q - left]
                    else:
                        for q in range(begin, end):
                            line[at + q] = image[c, y, q * stride_x + phase_x - left]


@compiled
def _offsets(channels: int, kernel: tuple[int, int], sliding: Sliding, rows: int, width: int) -> Array:
    """Return for each channel and place in the kernel where in the line the first window sees it."""
    stride_y, stride_x, _, _, dilation_y, dilation_x = sliding
    found, k = np.empty(channels * kernel[0] * kernel[1], np.int64), 0
    for c in range(channels):
        for i in range(0, kernel[0] * dilation_y, dilation_y):
            for j in range(0, kernel[1] * dilation_x, dilation_x):
                plane = (c * stride_y + i % stride_y) * stride_x + j % stride_x
                found[k] = (plane * rows + i // stride_y) * width + j // stride_x
                k += 1
    return found


@inner
def _largest(sizes: tuple[int, ...], most: int) -> int:
    """Return the largest of the sizes, in descending order, that is at most as large."""
    for size in sizes:
        if size <= most:
            return size
    return 0


@compiled
def _pack(weights: Array, count: int, packed: Array, at: int) -> int:
    """Copy the first columns of weights in the order in which tiles read them; return the end."""
    i = 0
    while i < len(weights):
        rows = _largest(ROWS, len(weights) - i)
        for k in range(count):
            for r in range(rows):
                packed[at + r] = weights[i + r, k]
            at += rows
        i += rows
    return at


@compiled
def _sum_up(line: Array, start: int, offsets: Array, packed: Array, at: int, out: Array, registers: int) -> None:
    """Compute registers of each row of out: its first weight, plus the others times the line at the offsets."""
    size, lanes = line.itemsize, _lanes(line)
    q = 0
    while q < registers:
        columns, i = _largest(COLUMNS, registers - q), 0
        while i < len(out):
            rows = _largest(ROWS, len(out) - i)
            weigh(
                line,
                (
                    rows,
                    columns,
                    line.ctypes.data + (start + q * lanes) * size,
                    offsets.ctypes.data,
                    offsets.size,
                    packed.ctypes.data + (at + i * (offsets.size + 1)) * size,
                    out.ctypes.data + (i * out.shape[1] + q * lanes) * size,
                    out.shape[1],
                ),
            )
            i += rows
        q += columns


@inner
def conv2d(
    images: Array,
    weight: Array,
    bias: Array,
    stride_y: float,
    stride_x: float,
    top: float,
    left: float,
    dilation_y: float,
    dilation_x: float,
    out: Array,
) -> None:
    sliding = _sliding(stride_y, stride_x, top, left, dilation_y, dilation_x)
    examples, groups, filters, height, columns = out.shape
    channels, kernel = images.shape[2], weight.shape[3:]
    rows = _size(height, kernel[0], sliding[0], sliding[4])
    width = _size(columns, kernel[1], sliding[1], sliding[5])
    offsets, lanes = _offsets(channels, kernel, sliding, rows, width), _lanes(images)
    terms = 1 + offsets.size
    own, packed = np.empty((filters, terms), images.dtype), np.empty(groups * filters * terms, images.dtype)
    for g in range(groups):
        for f in range(filters):
            own[f, 0], k = bias[g, f], 1
            for c in range(channels):
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        own[f, k] = weight[g, f, c, i, j]
                        k += 1
        _pack(own, terms, packed, g * own.size)
    line = np.zeros(channels * sliding[0] * sliding[1] * rows * width + max(COLUMNS) * lanes, images.dtype)
    step = min(height, max(1, _RUN // width))
    z = np.empty((filters, _registers(step * width, images) * lanes), images.dtype)
    for n in range(examples):
        for g in range(groups):
            _lay_out(images[n, g], sliding, rows, width, line)
            for first in range(0, height, step):
                count = min(step, height - first)
                needed = _registers(count * width - (width - columns), images)
                _sum_up(line, first * width, offsets, packed, g * own.size, z, needed)
                for f in range(filters):
                    for y in range(count):
                        for x in range(columns):
                            out[n, g, f, first + y, x] = z[f, y * width + x]


@inner
def conv2d_input_gradient(
    delta: Array,
    weight: Array,
    stride_y: float,
    stride_x: float,
    top: float,
    left: float,
    dilation_y: float,
    dilation_x: float,
    out: Array,
) -> None:
    """Compute each phase of ∂C/∂a: the weights of its places in the kernel, times δ before the offsets of these."""
    sliding = _sliding(stride_y, stride_x, top, left, dilation_y, dilation_x)
    examples, groups, filters, height, columns = delta.shape
    channels, kernel, lanes = out.shape[2], weight.shape[3:], _lanes(delta)
    rows = _size(height, kernel[0], sliding[0], sliding[4])
    width = _size(columns, kernel[1], sliding[1], sliding[5])
    margin = (rows - height) * width + width - columns
    plane, phases, places = margin + height * width, sliding[0] * sliding[1], kernel[0] * kernel[1]
    starts, offsets = np.zeros(phases + 1, np.int64), np.empty(filters * places, np.int64)
    own = np.empty((channels, 1 + filters * places), delta.dtype)
    packed = np.empty(groups * channels * (filters * places + phases), delta.dtype)
    end = 0
    for g in range(groups):
        at = 0
        for phase in range(phases):
            starts[phase], count = at, 1
            for c in range(channels):
                own[c, 0] = 0
            for f in range(filters):
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        y, x = i * sliding[4], j * sliding[5]
                        if y % sliding[0] * sliding[1] + x % sliding[1] == phase:
                            offsets[at] = f * plane + margin - y // sliding[0] * width - x // sliding[1]
                            for c in range(channels):
                                own[c, count] = weight[g, f, c, i, j]
                            at, count = at + 1, count + 1
            end = _pack(own, count, packed, end)
        starts[phases] = at
    line = np.zeros(filters * plane + margin + max(COLUMNS) * lanes, delta.dtype)
    step = min(rows, max(1, _RUN // width))
    z = np.empty((channels, _registers(step * width, delta) * lanes), delta.dtype)
    for n in range(examples):
        at = 0
        for g in range(groups):
            for f in range(filters):
                for y in range(height):
                    for x in range(columns):
                        line[f * plane + margin + y * width + x] = delta[n, g, f, y, x]
            for c in range(channels):
                for y in range(out.shape[3]):
                    for x in range(out.shape[4]):
                        out[n, g, c, y, x] = 0  # no window may see it
            for phase in range(phases):
                phase_y, phase_x = phase // sliding[1], phase % sliding[1]
                own_offsets = offsets[starts[phase] : starts[phase + 1]]
                last = _end(sliding[2], phase_y, sliding[0], out.shape[3], rows)
                for first in range(_first(sliding[2], phase_y, sliding[0]), last, step):
                    count = min(step, last - first)
                    _sum_up(line, first * width, own_offsets, packed, at, z, _registers(count * width, delta))
                    _put_back(z, sliding, phase_y, phase_x, first, count, width, out[n, g])
                at += channels * (1 + own_offsets.size)


@inner
def _put_back(
    z: Array, sliding: Sliding, phase_y: int, phase_x: int, first: int, count: int, width: int, image: Array
) -> None:
    """Copy rows of a phase to their pixels of an image."""
    stride_y, stride_x, top, left = sliding[:4]
    begin, end = _first(left, phase_x, stride_x), _end(left, phase_x, stride_x, image.shape[2], width)
    for c in range(len(image)):
        for r in range(count):
            y = (first + r) * stride_y + phase_y - top
            if stride_x == 1:
                for q in range(begin, end):
                    image[c, y, q - left] = z[c, r * width + q]
            else:
                for q in range(begin, end):
                    image[c, y, q * stride_x + phase_x - left] = z[c, r * width + q]


@inner
def conv2d_weight_gradient(
    images: Array,
    delta: Array,
    stride_y: float,
    stride_x: float,
    top: float,
    left: float,
    dilation_y: float,
    dilation_x: float,
    out: Array,
) -> None:
    """Multiply the line of each δ, 0 between its rows, with that of its image at each offset."""
    sliding = _sliding(stride_y, stride_x, top, left, dilation_y, dilation_x)
    examples, groups, filters, height, columns = delta.shape
    channels, kernel, lanes = images.shape[2], out.shape[3:], _lanes(images)
    rows = _size(height, kernel[0], sliding[0], sliding[4])
    width = _size(columns, kernel[1], sliding[1], sliding[5])
    offsets = _offsets(channels, kernel, sliding, rows, width)
    registers = _registers(height * width - (width - columns), images)
    length = channels * sliding[0] * sliding[1] * rows * width + lanes
    many = min(examples, max(1, _KEPT // (length + _FILTERS * registers * lanes)))
    lines = np.zeros((many, length), images.dtype)
    deltas = np.zeros((many, filters, registers * lanes), images.dtype)
    sums = np.empty((filters, offsets.size), images.dtype)
    for g in range(groups):
        sums[...] = 0
        for first in range(0, examples, many):
            count = min(many, examples - first)
            for n in range(count):
                _lay_out(images[first + n, g], sliding, rows, width, lines[n])
                for f in range(filters):
                    for y in range(height):
                        for x in range(columns):
                            deltas[n, f, y * width + x] = delta[first + n, g, f, y, x]
            _add_products(deltas, lines, offsets, count, registers, sums)
        for f in range(filters):
            k = 0
            for c in range(channels):
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        out[g, f, c, i, j] = sums[f, k]
                        k += 1


@compiled
def _add_products(deltas: Array, lines: Array, offsets: Array, count: int, registers: int, sums: Array) -> None:
    """Add to each sum the products of δ of its filter and the lines at its offset, for some examples."""
    size, filters, length, k = lines.itemsize, len(sums), deltas.shape[2], 0
    while k < offsets.size:
        others, f = _largest(OTHERS, offsets.size - k), 0
        while f < filters:
            rows = _largest(LINES, filters - f)
            correlate(
                lines,
                (
                    rows,
                    others,
                    deltas.ctypes.data + f * length * size,
                    length,
                    filters * length,
                    lines.ctypes.data,
                    lines.shape[1],
                    offsets.ctypes.data + 8 * k,
                    count,
                    registers,
                    sums.ctypes.data + (f * offsets.size + k) * size,
                    offsets.size,
                ),
            )
            f += rows
        k += others


@inner
def add_to_channels(z: Array, bias: Array) -> None:
    for n in range(len(z)):
        for f in range(bias.size):
            for k in range(z.shape[2]):
                z[n, f, k] += bias[f]


@inner
def sum_positions(delta: Array, out: Array) -> None:
    examples, _, length = delta.shape
    registers = _registers(length, delta)
    many = min(examples, max(1, _NEAR // (registers * _lanes(delta))))
    lines = np.zeros((many, 1, registers * _lanes(delta)), delta.dtype)
    ones, total, start = (
        np.ones((many, lines.shape[2]), delta.dtype),
        np.empty((1, 1), delta.dtype),
        np.zeros(1, np.int64),
    )
    for f in range(out.size):
        total[0, 0] = 0
        for first in range(0, examples, many):
            count = min(many, examples - first)
            for n in range(count):
                source, target = vector(delta, (first + n, f), length), vector(lines, (n, 0), length)
                for k in range(length):
                    target[k] = source[k]
            _add_products(lines, ones, start, count, registers, total)
        out[f] = total[0, 0]
