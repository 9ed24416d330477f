"""Pooling over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels, kernels_only
from nnfw.protocols import Layer, Shape
from nnfw_standard.activations import Identity


@dataclass(frozen=True)
class TimePool(Layer):
    """The mean, the maximum or the last one of the time steps of a sequence.

    n_i is the length of sequence i, or T where it is not padded:

    | mean: z_i = 1/n_i Σ_(t < n_i) a_it; ∂C/∂a_it = δ_i / n_i for t < n_i, else 0
    | max: z_i = max_(t < n_i) a_it for each feature; ∂C/∂a_it = δ_i for the first t with a_it = z_i, else 0
    | last: z_i = a_it with t = n_i − 1; ∂C/∂a_it = δ_i for this t, else 0

    Parameters
    ----------
    kind
        ``"mean"``, the default, ``"max"`` or ``"last"``.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that does not have two axes: time and features.

    Notes
    -----
    A sequence of length 0 gives 0.

    Examples
    --------
    >>> import numpy as np, nnfw
    >>> model = nnfw.Sequential([TimePool()], input_shape=(3, 1))
    >>> model.predict(nnfw.Padded([[[2.0], [4.0], [9.0]]], lengths=[2])).tolist()
    [[3.0]]
    """

    kind: Literal["mean", "max", "last"] = "mean"

    activation = Identity()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the features."""
        if len(input_shape) != 2:
            raise ShapeError(f"expected input of shape (T, n), time steps and features, got {input_shape}.")
        return input_shape[1:]

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return what the time steps come to, ``(N, n)``."""
        count, steps, features = a_prev.shape
        lengths = lengths_for(workspace.lengths, count, steps, workspace)
        z = workspace.buffer("z", (count, features))
        if self.kind == "mean":
            kernels().time_mean(a_prev, lengths, z)
        elif self.kind == "max":
            kernels().time_max(a_prev, lengths, z)
        else:
            kernels().time_last(a_prev, lengths, z)
        workspace["a_prev"], workspace["z"], workspace["counted"] = a_prev, z, lengths
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, T, n)``."""
        a_prev, z, lengths = workspace["a_prev"], workspace["z"], workspace["counted"]
        grad_a_prev = workspace.passing("grad_a_prev", a_prev.shape)
        if self.kind == "mean":
            kernels().time_mean_delta(delta, lengths, grad_a_prev)
        elif self.kind == "max":
            kernels().time_max_delta(delta, a_prev, z, lengths, grad_a_prev)
        else:
            kernels().time_last_delta(delta, lengths, grad_a_prev)
        return grad_a_prev


def lengths_for(lengths: Array | None, count: int, steps: int, workspace: Workspace) -> Array:
    """Return lengths in the dtype of the network; those of all time steps where sequences are not padded."""
    if lengths is None:
        whole: Array = workspace.once(("whole", count, steps), lambda: np.full(count, steps, workspace.dtype))
        return whole
    found = workspace.buffer("lengths", (count,))
    kernels().copy(lengths, found)
    return found
