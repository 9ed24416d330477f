"""Arrays whose memory is contiguous, as matrices where a layer needs one."""

from __future__ import annotations

from math import prod

from nnfw.arrays import Array
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
