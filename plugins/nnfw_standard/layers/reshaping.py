"""Layers that change only the shape of an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Annotated

from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.protocols import Layer, Shape
from nnfw_standard.activations import Identity
from nnfw_standard.layers.rows import contiguous


class _Reshaping(Layer):
    """Forward and backward of a layer that only changes the shape."""

    activation = Identity()

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z of shape ``(N, *output_shape)``: a view of `a_prev` where its memory is contiguous."""
        workspace["input_shape"] = a_prev.shape
        return contiguous(a_prev, "z", workspace).reshape(len(a_prev), *self.output_shape(a_prev.shape[1:]))

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev of shape ``(N, *input_shape)``: a view of `delta` where its memory is contiguous."""
        return contiguous(delta, "grad_a_prev", workspace).reshape(workspace["input_shape"])


@dataclass(frozen=True)
class Flatten(_Reshaping):
    """Merges all axes of an example, the last axis fastest.

    z = vec(a_prev)

    Notes
    -----
    The result is a view, unless the input's memory is not contiguous.

    Examples
    --------
    >>> Flatten().output_shape((28, 28))
    (784,)
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(prod(input_shape),)``."""
        return (prod(input_shape),)


@dataclass(frozen=True)
class Reshape(_Reshaping):
    """Gives an example another shape, the last axis fastest.

    z = a_prev, in another shape

    Parameters
    ----------
    shape
        Sizes of the axes of one example, without the batch axis. One of them may be −1, which is replaced by the size
        that fits.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, if `shape` cannot hold the values of an input, has a 0, or more than one −1.

    Notes
    -----
    The result is a view, unless the input's memory is not contiguous. Padded sequences keep their lengths where the
    first axis stays, as from ``(T, 4)`` to ``(T, 2, 2)``; any other shape is refused for them.

    Examples
    --------
    >>> Reshape((8, 8)).output_shape((64,))
    (8, 8)
    >>> Reshape((4, -1)).output_shape((8, 8))
    (4, 16)
    """

    shape: tuple[Annotated[int, Ge(-1)], ...]

    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `shape`, with a −1 replaced by the size that fits."""
        if 0 in self.shape or self.shape.count(-1) > 1:
            raise ShapeError(
                f"expected the option shape to have sizes of 1 or more, of which one may be -1, got {self.shape}. "
                "Change it."
            )
        count = prod(input_shape)
        known = prod(size for size in self.shape if size != -1)
        if count % known or (count != known and -1 not in self.shape):
            wanted = f"a multiple of {known}" if -1 in self.shape else f"{known}"
            raise ShapeError(
                f"expected input with {wanted} values, to fill the shape {self.shape}, got {input_shape} with {count}. "
                "Change its option shape or the layer before."
            )
        return tuple(count // known if size == -1 else size for size in self.shape)
