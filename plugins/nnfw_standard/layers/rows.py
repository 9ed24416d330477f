"""The axes of a batch: that of the channels, and all but the last one as rows."""

from __future__ import annotations

from math import prod

from nnfw.arrays import Array, Shape
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops.definitions import copy


def contiguous(array: Array, name: str, workspace: Workspace) -> Array:
    """Return an array as it is, or a copy in a buffer of this name: any other could not be reshaped without one."""
    if array.flags.c_contiguous:
        return array
    buffer = workspace.buffer(name, array.shape, array.dtype)
    copy(array, buffer)
    return buffer


def as_rows(array: Array, name: str, workspace: Workspace) -> Array:
    """Return an array as a matrix whose rows are its last axis; a copy only of what is not :func:`contiguous`."""
    if array.ndim == 2:
        return array
    return contiguous(array, name, workspace).reshape(prod(array.shape[:-1]), array.shape[-1])


def require_axis(input_shape: Shape, axis: int | None) -> None:
    """Raise ShapeError if an example has no such axis of channels; None is the default of :func:`channel_axis`."""
    axes = len(input_shape)
    if not axes or (axis is not None and not -axes <= axis < axes):
        raise ShapeError(f"expected input with the axis {axis or 0}, got {input_shape}.")


def channel_axis(shape: Shape, axis: int | None) -> int:
    """Return the axis of a batch that holds the channels, from that of an example.

    By default the first of an image, ``(channels, height, width)``, and the last of anything else.
    """
    if axis is None:
        axis = 0 if len(shape) == 4 else -1
    return axis + 1 if axis >= 0 else len(shape) + axis
