"""Dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt

from nnfw.arrays import Array
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.ops.definitions import multiply
from nnfw.ops.noise import uniform
from nnfw.protocols import Layer, Shape
from nnfw_standard import operations
from nnfw_standard.activations import Identity


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
        u = workspace.buffer("u", a_prev.shape, np.float32)
        mask, z = workspace.buffer("mask", a_prev.shape), workspace.buffer("z", a_prev.shape)
        uniform(workspace.rng, u)
        operations.dropout_mask(u, self.rate, 1 / (1 - self.rate), mask)
        multiply(a_prev, mask, z)
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
        multiply(delta, mask, grad_a_prev)
        return grad_a_prev
