"""Convolutions as sums of pieces of lines, each times a weight: nothing is unfolded; see :mod:`nnfw_numba.lines`.

Registers hold the windows of one row if these fill some; otherwise the few windows between two rows are computed too,
and left.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import compiled, inner
from nnfw_numba.lines import (
    Sliding,
    apart_in_registers,
    copy_row,
    end_inside,
    first_inside,
    lanes_of,
    lay_out,
    offsets_of,
    registers_for,
    size_of_phase,
    sliding_of,
    starts_of_registers,
)
from nnfw_numba.machine import vector
from nnfw_numba.registers import COLUMNS, LINES, OTHERS, ROWS, correlate, weigh

_RUN = 512
"""Windows that are computed at a time, at least one row: their sums stay in the nearest cache."""

_NEAR = 1 << 12
"""Numbers of δ that are laid out at a time for ∂C/∂b: they stay in the nearest cache."""

_KEPT, _FILTERS = 1 << 16, 8
"""Numbers of images, and of δ of so many filters, that are laid out at a time for ∂C/∂w. The sums of a filter must not
depend on how many others there are: each thread has some of them."""


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
def _sum_up(
    line: Array, start: int, starts: Array, offsets: Array, packed: Array, at: int, out: Array, registers: int
) -> None:
    """Compute registers of each row of out: its first weight, plus the others times the line at the offsets."""
    size, lanes = line.itemsize, lanes_of(line)
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
                    line.ctypes.data + start * size,
                    starts.ctypes.data + 8 * q,
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
    sliding = sliding_of(stride_y, stride_x, top, left, dilation_y, dilation_x)
    examples, groups, filters, height, columns = out.shape
    channels, kernel = images.shape[2], weight.shape[3:]
    rows = size_of_phase(height, kernel[0], sliding[0], sliding[4])
    width = size_of_phase(columns, kernel[1], sliding[1], sliding[5])
    offsets, lanes = offsets_of(channels, kernel, sliding, rows, width), lanes_of(images)
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
    apart = apart_in_registers(columns, width, images)
    step = min(height, max(1, _RUN // apart))
    starts = starts_of_registers(step, columns, width, images)
    z = np.empty((filters, starts.size * lanes), images.dtype)
    for n in range(examples):
        for g in range(groups):
            lay_out(images[n, g], sliding, rows, width, line)
            for first in range(0, height, step):
                count = min(step, height - first)
                needed = registers_for(count * apart - (apart - columns), images)
                _sum_up(line, first * width, starts, offsets, packed, g * own.size, z, needed)
                for f in range(filters):
                    for y in range(count):
                        copy_row(vector(z, (f, y * apart), columns), vector(out, (n, g, f, first + y), columns))


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
    sliding = sliding_of(stride_y, stride_x, top, left, dilation_y, dilation_x)
    examples, groups, filters, height, columns = delta.shape
    channels, kernel, lanes = out.shape[2], weight.shape[3:], lanes_of(delta)
    rows = size_of_phase(height, kernel[0], sliding[0], sliding[4])
    width = size_of_phase(columns, kernel[1], sliding[1], sliding[5])
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
    z = np.empty((channels, registers_for(step * width, delta) * lanes), delta.dtype)
    covered = out.shape[3] <= rows * sliding[0] - sliding[2] and out.shape[4] <= width * sliding[1] - sliding[3]
    for n in range(examples):
        at = 0
        for g in range(groups):
            for f in range(filters):
                for y in range(height):
                    at_row = f * plane + margin + y * width
                    copy_row(vector(delta, (n, g, f, y), columns), line[at_row : at_row + columns])
            if not covered:
                _clear(out[n, g])
            for phase in range(phases):
                phase_y, phase_x = phase // sliding[1], phase % sliding[1]
                own_offsets = offsets[starts[phase] : starts[phase + 1]]
                last = end_inside(sliding[2], phase_y, sliding[0], out.shape[3], rows)
                begin = first_inside(sliding[3], phase_x, sliding[1])
                seen = max(0, end_inside(sliding[3], phase_x, sliding[1], out.shape[4], width) - begin)
                begins, apart = starts_of_registers(step, seen, width, delta), apart_in_registers(seen, width, delta)
                for first in range(first_inside(sliding[2], phase_y, sliding[0]), last, step):
                    count = min(step, last - first)
                    needed = registers_for(count * apart - (apart - seen), delta)
                    _sum_up(line, first * width + begin, begins, own_offsets, packed, at, z, needed)
                    _put_back(z, sliding, phase_y, phase_x, first, count, apart, begin, seen, out[n, g])
                at += channels * (1 + own_offsets.size)


@inner
def _clear(image: Array) -> None:
    for c in range(image.shape[0]):
        for y in range(image.shape[1]):
            row = vector(image, (c, y), image.shape[2])
            for x in range(row.size):
                row[x] = 0


@inner
def _put_back(
    z: Array,
    sliding: Sliding,
    phase_y: int,
    phase_x: int,
    first: int,
    count: int,
    apart: int,
    begin: int,
    seen: int,
    image: Array,
) -> None:
    """Copy rows of a phase, `seen` numbers of each, to their pixels of an image."""
    stride_y, stride_x, top, left = sliding[:4]
    for c in range(len(image)):
        for r in range(count):
            y = (first + r) * stride_y + phase_y - top
            if stride_x == 1:
                copy_row(vector(z, (c, r * apart), seen), vector(image, (c, y, begin - left), seen))
            else:
                for q in range(seen):
                    image[c, y, (begin + q) * stride_x + phase_x - left] = z[c, r * apart + q]


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
    sliding = sliding_of(stride_y, stride_x, top, left, dilation_y, dilation_x)
    examples, groups, filters, height, columns = delta.shape
    channels, kernel, lanes = images.shape[2], out.shape[3:], lanes_of(images)
    rows = size_of_phase(height, kernel[0], sliding[0], sliding[4])
    width = size_of_phase(columns, kernel[1], sliding[1], sliding[5])
    offsets = offsets_of(channels, kernel, sliding, rows, width)
    starts, apart = starts_of_registers(height, columns, width, images), apart_in_registers(columns, width, images)
    registers = starts.size
    length = channels * sliding[0] * sliding[1] * rows * width + lanes
    many = min(examples, max(1, _KEPT // (length + _FILTERS * registers * lanes)))
    lines = np.zeros((many, length), images.dtype)
    deltas = np.zeros((many, filters, registers * lanes), images.dtype)
    sums, found = (
        np.empty(filters * offsets.size + lanes, images.dtype),
        np.empty((filters, offsets.size), images.dtype),
    )
    for g in range(groups):
        sums[...] = 0
        for first in range(0, examples, many):
            count = min(many, examples - first)
            for n in range(count):
                lay_out(images[first + n, g], sliding, rows, width, lines[n])
                for f in range(filters):
                    for y in range(height):
                        copy_row(
                            vector(delta, (first + n, g, f, y), columns), vector(deltas, (n, f, y * apart), columns)
                        )
            _add_products(deltas, lines, starts, offsets, count, sums)
        _unpack(sums, found)
        for f in range(filters):
            k = 0
            for c in range(channels):
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        out[g, f, c, i, j] = found[f, k]
                        k += 1


@compiled
def _add_products(deltas: Array, lines: Array, starts: Array, offsets: Array, count: int, sums: Array) -> None:
    """Add to each sum the products of δ of its filter and the lines at its offset, for some examples.

    Sums of a tile are contiguous: see :func:`_unpack`.
    """
    size, filters, length, f = lines.itemsize, deltas.shape[1], deltas.shape[2], 0
    while f < filters:
        rows, k = _largest(LINES, filters - f), 0
        while k < offsets.size:
            others = _largest(OTHERS, offsets.size - k)
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
                    starts.ctypes.data,
                    count,
                    starts.size,
                    sums.ctypes.data + (f * offsets.size + k * rows) * size,
                ),
            )
            k += others
        f += rows


@compiled
def _unpack(sums: Array, out: Array) -> None:
    """Set ``out[f, k]`` to the sum of filter f and offset k."""
    (filters, offsets), at, f = out.shape, 0, 0
    while f < filters:
        rows, k = _largest(LINES, filters - f), 0
        while k < offsets:
            others = _largest(OTHERS, offsets - k)
            for r in range(rows):
                for s in range(others):
                    out[f + r, k + s] = sums[at]
                    at += 1
            k += others
        f += rows


@inner
def add_to_channels(z: Array, bias: Array) -> None:
    for n in range(len(z)):
        for f in range(bias.size):
            for k in range(z.shape[2]):
                z[n, f, k] += bias[f]


@inner
def sum_positions(delta: Array, out: Array) -> None:
    examples, _, length = delta.shape
    starts = starts_of_registers(1, length, length, delta)
    many = min(examples, max(1, _NEAR // (starts.size * lanes_of(delta))))
    lines = np.zeros((many, 1, starts.size * lanes_of(delta)), delta.dtype)
    ones, total, offset = (
        np.ones((many, lines.shape[2]), delta.dtype),
        np.empty(1 + lanes_of(delta), delta.dtype),
        np.zeros(1, np.int64),
    )
    for f in range(out.size):
        total[...] = 0
        for first in range(0, examples, many):
            count = min(many, examples - first)
            for n in range(count):
                source, target = vector(delta, (first + n, f), length), vector(lines, (n, 0), length)
                for k in range(length):
                    target[k] = source[k]
            _add_products(lines, ones, starts, offset, count, total)
        out[f] = total[0]
