"""Dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt

from nnfw.arrays import Array
from nnfw.network import Workspace
from nnfw.ops import kernels, kernels_only
from nnfw.ops.definitions import multiply
from nnfw.ops.noise import uniform
from nnfw.protocols import Layer, Shape
from nnfw_standard import operations
from nnfw_standard.activations import Identity
from nnfw_standard.layers.rows import channel_axis, contiguous, require_axis


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, sets each value to 0 with probability `rate` and scales up the others.

    | z = a_prev ⊙ mask, where mask = 1/(1 − rate) with probability 1 − rate, else 0; in training
    | z = a_prev otherwise
    | ∂C/∂a_prev = δ ⊙ mask

    Parameters
    ----------
    rate
        Probability of a 0, in [0, 1); 0.5 by default.

    Notes
    -----
    "Inverted": E[z] = a_prev in training, so evaluation needs no scaling, as in PyTorch and Keras. Outside of training,
    z is a_prev itself and nothing is drawn.

    References
    ----------
    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov (2014), *Dropout: a simple way to prevent
    neural networks from overfitting*, section 4; section 10 for the scaling in training.

    Examples
    --------
    >>> import nnfw
    >>> workspace = nnfw.Workspace(rng=np.random.default_rng(0), training=True)
    >>> z = Dropout(0.75).forward({}, np.ones((1, 8), np.float32), workspace)
    >>> sorted(set(z[0].tolist()))
    [0.0, 4.0]
    """

    rate: Annotated[float, Ge(0), Lt(1)] = 0.5

    activation = Identity()
    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        return input_shape

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, shaped like `a_prev`."""
        if not workspace.training or self.rate == 0:
            workspace["mask"] = None
            return a_prev
        # float32 in float64 networks too: 24 random bits suffice, and both dtypes drop the same values for a seed
        drawn = self._drawn_shape(a_prev.shape)
        u, mask = workspace.buffer("u", drawn, np.float32), workspace.buffer("mask", drawn)
        z = workspace.buffer("z", a_prev.shape)
        uniform(workspace.rng, u)
        operations.dropout_mask(u, self.rate, 1 / (1 - self.rate), mask)
        self._multiply(a_prev, mask, z, workspace)
        workspace["mask"] = mask
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev = δ ⊙ mask."""
        mask: Array | None = workspace["mask"]
        if mask is None:
            return delta
        grad_a_prev = workspace.passing("grad_a_prev", delta.shape)
        self._multiply(delta, mask, grad_a_prev, workspace)
        return grad_a_prev

    def _drawn_shape(self, shape: Shape) -> Shape:
        """Return the shape of the mask for a batch of some shape."""
        return shape

    def _multiply(self, values: Array, mask: Array, out: Array, workspace: Workspace) -> None:
        multiply(values, mask, out)


@dataclass(frozen=True)
class SpatialDropout(Dropout):
    """In training, sets whole channels to 0 with probability `rate` and scales up the others.

    | z_c = m_c a_c at all places of channel c, where m_c = 1/(1 − rate) with probability 1 − rate, else 0; in training
    | z = a_prev otherwise
    | ∂C/∂a_c = m_c δ_c at all places

    Parameters
    ----------
    rate
        Probability that a channel of an example becomes 0, in [0, 1); 0.5 by default.
    axis
        The axis of an example that holds the channels: 0 is the first, −1 the last. By default the first of an image,
        ``(channels, height, width)``, and the last of anything else, as the features of a sequence.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input without this axis.

    Notes
    -----
    Neighbouring pixels and time steps tell nearly the same, so dropping a few of them takes little away. Known as
    Dropout1d and Dropout2d in PyTorch.

    References
    ----------
    J. Tompson, R. Goroshin, A. Jain, Y. LeCun, C. Bregler (2015), *Efficient object localization using convolutional
    networks*, section 3.2.

    Examples
    --------
    >>> import nnfw
    >>> workspace = nnfw.Workspace(rng=np.random.default_rng(0), training=True)
    >>> SpatialDropout(0.5).forward({}, np.ones((1, 2, 4), np.float32), workspace).tolist()
    [[[2.0, 2.0, 2.0, 0.0], [2.0, 2.0, 2.0, 0.0]]]
    """

    _: KW_ONLY
    axis: int | None = None

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        require_axis(input_shape, self.axis)
        return input_shape

    def _drawn_shape(self, shape: Shape) -> Shape:
        return shape[0], shape[channel_axis(shape, self.axis)]

    def _multiply(self, values: Array, mask: Array, out: Array, workspace: Workspace) -> None:
        shape, at = values.shape, channel_axis(values.shape, self.axis)
        split = (shape[0], prod(shape[1:at]), shape[at], prod(shape[at + 1 :]))
        source = contiguous(values, "source", workspace).reshape(split)
        kernels().multiply_channels(source, mask, out.reshape(split))
