"""Dropout of whole features of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.ops.noise import uniform
from nnfw.protocols import Layer, Shape
from nnfw_standard.activations import Identity
from nnfw_standard.layers.rows import contiguous
from nnfw_standard.normalization_operations import scale_channels
from nnfw_standard.operations import dropout_mask


@dataclass(frozen=True)
class FeatureDropout(Layer):
    """In training, drops each feature of an example with probability `rate`, and scales up the others.

    | z_j = m_f a_j for the numbers j of feature f, where m_f = 1/(1 − rate) with probability 1 − rate, else 0; in
      training
    | z = a_prev otherwise
    | ∂C/∂a_j = m_f δ_j

    Parameters
    ----------
    rate
        Probability of a 0, in [0, 1); 0.5 by default.
    width
        How many neighbours on the last axis make a feature, such as the embedding of a category; 1 by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for a last axis that `width` does not divide.

    Notes
    -----
    What is dropped is drawn for each example, and for each place of the axes before the last. A network that learns
    without some of its columns leans on none of them alone. With a width of 1 it is `dropout`.

    References
    ----------
    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov (2014), *Dropout: a simple way to prevent
    neural networks from overfitting*, section 4.

    Examples
    --------
    >>> import nnfw
    >>> workspace = nnfw.Workspace(rng=np.random.default_rng(2), training=True)
    >>> FeatureDropout(0.5, width=3).forward({}, np.ones((1, 6), np.float32), workspace).tolist()
    [[2.0, 2.0, 2.0, 0.0, 0.0, 0.0]]
    """

    rate: Annotated[float, Ge(0), Lt(1)] = 0.5
    _: KW_ONLY
    width: Annotated[int, Ge(1)] = 1

    activation = Identity()
    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        if not input_shape or input_shape[-1] % self.width:
            raise ShapeError(f"expected a last axis of features that are {self.width} wide, got {input_shape}.")
        return input_shape

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, shaped like `a_prev`."""
        if not workspace.training or self.rate == 0:
            workspace["mask"] = None
            return a_prev
        x = contiguous(a_prev, "x", workspace)
        shape = (*x.shape[:-1], x.shape[-1] // self.width)
        u = workspace.buffer("u", shape, np.float32)
        workspace["mask"] = mask = workspace.buffer("mask", shape)
        z = workspace.buffer("z", x.shape)
        uniform(workspace.rng, u)
        dropout_mask(u, self.rate, 1 / (1 - self.rate), mask)
        scale_channels(self._features(x), mask.reshape(-1), self._features(z))
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, δ times the factor of its feature."""
        mask: Array | None = workspace["mask"]
        if mask is None:
            return delta
        delta = contiguous(delta, "delta", workspace)
        grad_a_prev = workspace.passing("grad_a_prev", delta.shape)
        scale_channels(self._features(delta), mask.reshape(-1), self._features(grad_a_prev))
        return grad_a_prev

    def _features(self, array: Array) -> Array:
        """Return an array as ``(1, features of all examples, width)``."""
        return array.reshape(1, array.size // self.width, self.width)
