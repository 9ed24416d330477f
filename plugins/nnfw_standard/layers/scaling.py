"""A learned factor for each feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.protocols import AnyActivation, Initializer, Layer, Parameter, Shape
from nnfw_standard import normalization_operations as operations
from nnfw_standard.layers.rows import contiguous


@dataclass(frozen=True)
class Scale(Layer):
    """A learned factor for each feature, which is a place on the last axis.

    | z = s ⊙ a_prev
    | ∂C/∂s = Σ δ ⊙ a_prev over the batch and all other axes, ∂C/∂a_prev = s ⊙ δ

    Parameters
    ----------
    activation
        σ of the layer; identity by default.
    scale_initializer
        First values of s ``(n,)``; ones by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input without an axis.

    Notes
    -----
    In front of a network of a table, it learns how much each feature counts. Weight decay leaves s alone.

    References
    ----------
    D. Holzmüller, L. Grinsztajn, I. Steinwart (2024), *Better by default: strong pre-tuned MLPs and boosted trees on
    tabular data*, section 3.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([Scale()], input_shape=2)
    >>> model.parameters["layers.0.scale"] = [2.0, 0.5]
    >>> model.predict([1.0, 10.0]).tolist()
    [2.0, 5.0]
    """

    activation: AnyActivation = "identity"
    scale_initializer: Initializer | str = "ones"

    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        if not input_shape:
            raise ShapeError("expected input of shape (..., n), got ().")
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``scale`` ``(n,)``."""
        return {"scale": Parameter(input_shape[-1:], self.scale_initializer, decays=False)}

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z = s ⊙ a_prev."""
        workspace["x"] = x = contiguous(a_prev, "x", workspace)
        z = workspace.buffer("z", x.shape)
        operations.scale_channels(_features(x), params["scale"], _features(z))
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev = s ⊙ δ."""
        delta, unused = contiguous(delta, "delta", workspace), workspace.buffer("unused", delta.shape[-1:])
        operations.affine_gradients(_features(delta), _features(workspace["x"]), grads["scale"], unused)
        if not workspace.needs_input_gradient:
            return None
        grad_a_prev = workspace.passing("grad_a_prev", delta.shape)
        operations.scale_channels(_features(delta), params["scale"], _features(grad_a_prev))
        return grad_a_prev


def _features(array: Array) -> Array:
    """Return an array as ``(n, features, 1)``."""
    return array.reshape(prod(array.shape[:-1]), array.shape[-1], 1)
