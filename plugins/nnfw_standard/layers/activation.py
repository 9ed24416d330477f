"""A layer that consists of its activation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnfw.arrays import Array
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.protocols import AnyActivation, Layer, Shape


@dataclass(frozen=True)
class ActivationLayer(Layer):
    """An activation as a layer of its own.

    z = a_prev, so a = σ(a_prev)

    Parameters
    ----------
    activation
        σ.

    Notes
    -----
    Nothing is copied: z is a_prev itself, and ∂C/∂a_prev is δ itself.

    Examples
    --------
    >>> ActivationLayer("relu").output_shape((8, 8))
    (8, 8)
    """

    activation: AnyActivation

    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        return input_shape

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z = a_prev."""
        return a_prev

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev = δ."""
        return delta
