"""Windows that slide over images: their sizes as options, and how many there are."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypeVar

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.protocols import Shape

Size = Annotated[int, Ge(1)] | tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)]]
"""A number for rows and columns, or one for each."""

Padding = Literal["valid", "same"] | Annotated[int, Ge(0)] | tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0)]]
"""``"valid"``: none; ``"same"``: as many windows as pixels, or 1/stride of them, with the odd row at the end; a number:
that many rows and columns on each side, or one number for each."""


_Numbers = TypeVar("_Numbers", int, Array)


class Windows(NamedTuple):
    """Windows on the images of one size.

    Parameters
    ----------
    grid
        How many there are, down and across.
    numbers
        What operations take: strides, padding above and on the left, and dilations, each down and across.
    """

    grid: tuple[int, int]
    numbers: tuple[int, int, int, int, int, int]


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return a size for rows and one for columns."""
    return (size, size) if isinstance(size, int) else size


def windows(
    input_shape: Shape,
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int],
    padding: str | int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
) -> Windows:
    """Return the windows on an image ``(C, H, W)``.

    Raises
    ------
    ShapeError
        If the input is no such image, or is smaller than the kernel.

    Examples
    --------
    >>> windows((3, 7, 8), kernel=3, stride=2, padding="same").grid
    (4, 4)
    >>> windows((3, 7, 8), kernel=3, stride=2, padding=0).grid
    (3, 3)
    """
    require_image(input_shape)
    pads = (padding, padding) if isinstance(padding, str) else pair(padding)
    (height, width), (stride_y, stride_x), (gap_y, gap_x) = map(pair, (kernel, stride, dilation))
    rows, top = along("rows", input_shape[1], height, stride_y, gap_y, pads[0])
    columns, left = along("columns", input_shape[2], width, stride_x, gap_x, pads[1])
    return Windows((rows, columns), (stride_y, stride_x, top, left, gap_y, gap_x))


def require_image(input_shape: Shape) -> None:
    """Raise ShapeError if a shape is not that of an image with channels, rows and columns."""
    if len(input_shape) != 3:
        raise ShapeError(
            f"expected input of shape (C, H, W), channels, rows and columns, got {input_shape}. Put a 'reshape' layer "
            "before it."
        )


def along(what: str, size: int, kernel: int, stride: int, dilation: int, padding: str | int) -> tuple[int, int]:
    """Return the number of windows along an axis, and the padding before it.

    ShapeError if the axis is shorter than the kernel.
    """
    span = (kernel - 1) * dilation + 1
    if padding == "same":
        count = _count(size, span, stride, padding)
        return count, max(0, (count - 1) * stride + span - size) // 2
    before = 0 if isinstance(padding, str) else padding
    if span > size + 2 * before:
        raise ShapeError(
            f"expected {span - 2 * before} {what} or more, for a kernel that spans {span}, got {size}. "
            "Make the kernel smaller, or set padding."
        )
    return _count(size, span, stride, before), before


def lengths_after(lengths: Array, kernel: int, stride: int, dilation: int, padding: str | int) -> Array:
    """Return the number of windows on sequences of some lengths; 0 for those that are shorter than the kernel.

    Examples
    --------
    >>> import numpy as np
    >>> lengths_after(np.arange(7), kernel=3, stride=2, dilation=1, padding="valid").tolist()
    [0, 0, 0, 1, 1, 2, 2]
    >>> lengths_after(np.arange(7), kernel=3, stride=2, dilation=1, padding="same").tolist()
    [0, 1, 1, 2, 2, 3, 3]
    """
    found = _count(lengths, (kernel - 1) * dilation + 1, stride, 0 if padding == "valid" else padding)
    return np.where(lengths > 0, np.maximum(found, 0), 0)


def _count(size: _Numbers, span: int, stride: int, padding: str | int) -> _Numbers:
    """Return how many windows there are on a size, or on each of several."""
    return -(-size // stride) if isinstance(padding, str) else (size + 2 * padding - span) // stride + 1
