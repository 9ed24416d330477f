"""The dense layer of the note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels, kernels_only
from nnfw.protocols import AnyActivation, Initializer, Layer, Parameter, Shape
from nnfw_standard.layers.rows import as_rows


@dataclass(frozen=True)
class Dense(Layer):
    """Weighted sums of all inputs, plus a bias.

    z_j = Σ_k w_jk a_k + b_j; for a batch with examples as rows, z = a_prev w^T + b. Of an example with several axes,
    such as a sequence, the last one is weighted, alike at every place.

    Parameters
    ----------
    units
        n_out, the number of neurons, 1 or more.
    activation
        σ of the layer; identity by default.
    bias
        Whether b is added; True by default.
    weight_initializer
        Initial values of w ``(n_out, n_in)``; Glorot uniform by default.
    bias_initializer
        Initial values of b ``(n_out,)``; zeros by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input without an axis.

    Notes
    -----
    The weight is ``(n_out, n_in)`` as in the note and in PyTorch; Keras stores its transpose.

    References
    ----------
    A. Mehrotra (2020), *Neural Networks*, section 1 and Equations 2 to 4.

    Examples
    --------
    >>> import numpy as np, nnfw
    >>> model = nnfw.Sequential([Dense(1)], input_shape=(2,))
    >>> model.parameters["layers.0.weight"] = [[2.0, 3.0]]
    >>> model.parameters["layers.0.bias"] = [0.5]
    >>> model.predict([1.0, 10.0])
    array([32.5], dtype=float32)
    """

    units: Annotated[int, Ge(1)]
    _: KW_ONLY
    activation: AnyActivation = "identity"
    bias: bool = True
    weight_initializer: Initializer | str = "glorot_uniform"
    bias_initializer: Initializer | str = "zeros"

    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape with `units` in place of the last size."""
        if not input_shape:
            raise ShapeError("expected input of shape (..., n), got ().")
        return (*input_shape[:-1], self.units)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``weight`` ``(units, n_in)`` and ``bias`` ``(units,)``."""
        weight = Parameter((self.units, input_shape[-1]), self.weight_initializer)
        bias = Parameter((self.units,), self.bias_initializer, decays=False)
        return {"weight": weight, "bias": bias} if self.bias else {"weight": weight}

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z = a_prev w^T + b, ``(N, ..., units)``."""
        if a_prev.ndim > 2:  # every place is a row
            rows = self.forward(params, as_rows(a_prev, "rows", workspace), workspace)
            return rows.reshape(*a_prev.shape[:-1], self.units)
        workspace["a_prev"] = a_prev
        z = workspace.buffer("z", (len(a_prev), self.units))
        kernels().product(a_prev, params["weight"].T, z)
        if self.bias:
            kernels().add_bias(z, params["bias"])
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return δ w, ``(N, ..., n_in)``: (w^T δ) of Equation 2 with examples as rows."""
        if delta.ndim > 2:
            rows = self.backward(params, as_rows(delta, "delta", workspace), grads, workspace)
            return None if rows is None else rows.reshape(*delta.shape[:-1], rows.shape[-1])
        a_prev = workspace["a_prev"]
        kernels().product(delta.T, a_prev, grads["weight"])  # Equation 4, summed over the batch: δ a_prev^T
        if self.bias:
            kernels().sum_examples(delta, grads["bias"])  # Equation 3, summed over the batch: δ
        if not workspace.needs_input_gradient:
            return None
        grad_a_prev = workspace.passing("grad_a_prev", a_prev.shape)
        kernels().product(delta, params["weight"], grad_a_prev)
        return grad_a_prev
