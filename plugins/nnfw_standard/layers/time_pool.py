"""Pooling over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.protocols import Layer, Shape
from nnfw_standard.activations import Identity


@dataclass(frozen=True)
class TimePool(Layer):
    """The mean over the time steps of a sequence.

    | z_i = 1/n_i Σ_(t < n_i) a_it, where n_i is the length of sequence i, or T where it is not padded
    | ∂C/∂a_it = δ_i / n_i for t < n_i, else 0

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that does not have two axes: time and features.

    Notes
    -----
    Of a sequence of length 0 the mean is 0.

    Examples
    --------
    >>> import numpy as np, nnfw
    >>> model = nnfw.Sequential([TimePool()], input_shape=(3, 1))
    >>> model.predict(nnfw.Padded([[[2.0], [4.0], [9.0]]], lengths=[2])).tolist()
    [[3.0]]
    """

    activation = Identity()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the features."""
        if len(input_shape) != 2:
            raise ShapeError(f"expected input of shape (T, n), time steps and features, got {input_shape}.")
        return input_shape[1:]

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return the means, ``(N, n)``."""
        workspace["shares"] = shares = _shares(a_prev, workspace.lengths)
        z: Array = np.einsum("nt,ntk->nk", shares, a_prev)
        return z

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return δ_i / n_i for each time step that counts, else 0."""
        shares: Array = workspace["shares"]
        return shares[:, :, np.newaxis] * delta[:, np.newaxis]


def _shares(a_prev: Array, lengths: Array | None) -> Array:
    """Return the factor of each time step in the mean ``(N, T)``."""
    count, steps = a_prev.shape[:2]
    if lengths is None:
        return np.full((count, steps), 1 / steps, a_prev.dtype)
    inside = np.arange(steps) < lengths[:, np.newaxis]
    shares: Array = (inside / np.maximum(lengths, 1)[:, np.newaxis]).astype(a_prev.dtype)
    return shares
