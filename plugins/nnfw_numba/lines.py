"""Images as lines, laid out once for a convolution so that whole registers of windows are loaded together.

The rows of an image, with padding between them, form one long line. What windows next to each other see at one place
in the kernel is then a piece of that line, at an offset that depends on the place alone.

With a stride, windows next to each other see every s-th pixel; these are put side by side: an image becomes s × s
smaller ones, its phases, of `rows` × `width` pixels each.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import compiled, inner
from nnfw_numba.machine import vector
from nnfw_numba.registers import REGISTER

Sliding = tuple[int, int, int, int, int, int]
"""Strides, padding above and on the left, and dilations, each down and across."""


@inner
def sliding_of(
    stride_y: float, stride_x: float, top: float, left: float, dilation_y: float, dilation_x: float
) -> Sliding:
    """Return the numbers of an operation as whole numbers."""
    return max(1, int(stride_y)), max(1, int(stride_x)), int(top), int(left), int(dilation_y), int(dilation_x)


@inner
def size_of_phase(count: int, kernel: int, stride: int, dilation: int) -> int:
    """Return the rows, or columns, of a phase that `count` windows look at."""
    return count + (kernel - 1) * dilation // stride


@inner
def lanes_of(array: Array) -> int:
    """Return how many numbers of an array a register holds."""
    return REGISTER // array.itemsize


@inner
def registers_for(numbers: int, array: Array) -> int:
    """Return how many registers hold some numbers."""
    return (numbers + lanes_of(array) - 1) // lanes_of(array)


@inner
def apart_in_registers(columns: int, width: int, array: Array) -> int:
    """Return how far apart rows of windows are in registers: they follow each other if they fill registers."""
    return width if columns % lanes_of(array) else columns


@compiled
def starts_of_registers(rows: int, columns: int, width: int, array: Array) -> Array:
    """Return where in the line the windows of each register begin."""
    apart, lanes = apart_in_registers(columns, width, array), lanes_of(array)
    found = np.empty(registers_for(rows * apart - (apart - columns), array), np.int64)
    for q in range(found.size):
        found[q] = q * lanes // apart * width + q * lanes % apart
    return found


@inner
def copy_row(source: Array, target: Array) -> None:
    """Copy contiguous numbers."""
    for k in range(target.size):
        target[k] = source[k]


@inner
def first_inside(pad: int, phase: int, stride: int) -> int:
    """Return the first row, or column, of a phase that lies in the image."""
    return max(0, (pad - phase + stride - 1) // stride)


@inner
def end_inside(pad: int, phase: int, stride: int, size: int, most: int) -> int:
    """Return the end of the rows, or columns, of a phase that lie in the image."""
    return min(most, (size - 1 + pad - phase) // stride + 1)


@inner
def lay_out(image: Array, sliding: Sliding, rows: int, width: int, line: Array) -> None:
    """Copy an image ``(c, h, w)`` into a line of its phases, one after the other; its padding is 0 already."""
    stride_y, stride_x, top, left = sliding[:4]
    channels, height, columns = image.shape
    for c in range(channels):
        for phase_y in range(stride_y):
            for phase_x in range(stride_x):
                plane = ((c * stride_y + phase_y) * stride_x + phase_x) * rows * width
                begin, end = first_inside(left, phase_x, stride_x), end_inside(left, phase_x, stride_x, columns, width)
                for r in range(first_inside(top, phase_y, stride_y), end_inside(top, phase_y, stride_y, height, rows)):
                    y, at = r * stride_y + phase_y - top, plane + r * width
                    if stride_x == 1:
                        copy_row(vector(image, (c, y, begin - left), end - begin), line[at + begin : at + end])
                    else:
                        for q in range(begin, end):
                            line[at + q] = image[c, y, q * stride_x + phase_x - left]


@compiled
def offsets_of(channels: int, kernel: tuple[int, int], sliding: Sliding, rows: int, width: int) -> Array:
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
