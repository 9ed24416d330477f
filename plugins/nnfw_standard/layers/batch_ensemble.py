"""A dense layer that is several networks at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.ops.definitions import product
from nnfw.protocols import AnyActivation, Initializer, Layer, Parameter, Shape
from nnfw_standard.layers.rows import contiguous
from nnfw_standard.normalization_operations import affine, affine_gradients, scale_channels
from nnfw_standard.table_operations import sum_members, to_members


@dataclass(frozen=True)
class BatchEnsemble(Layer):
    """k dense layers that share their weights, and differ by factors of their inputs and outputs, and by biases.

    | z_i = s_i ⊙ (w (r_i ⊙ a_i)) + b_i for each member i; a_i is the same for all members in the first of these layers
    | with y_i = w (r_i ⊙ a_i) and g_i = w^T (s_i ⊙ δ_i), summed over the batch: ∂C/∂s_i = Σ δ_i ⊙ y_i, ∂C/∂b_i = Σ δ_i,
      ∂C/∂w = Σ_i (s_i ⊙ δ_i) (r_i ⊙ a_i)^T, ∂C/∂r_i = Σ g_i ⊙ a_i, and ∂C/∂a_i = r_i ⊙ g_i, of which the sum over i if
      the members share a

    Parameters
    ----------
    units
        Of each member, 1 or more.
    members
        k, 1 or more.
    activation
        σ of the layer; identity by default.
    weight_initializer
        First values of w ``(units, n_in)``; Glorot uniform by default.
    input_initializer
        First values of r ``(k, n_in)``; `signs`, +1 or −1, by default. They make the members differ: later layers of
        the kind may begin with `ones`.
    output_initializer
        First values of s ``(k, units)``; ones by default.
    bias_initializer
        First values of b ``(k, units)``; zeros by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input of another shape than ``(n_in,)`` or ``(members, n_in)``.

    Notes
    -----
    The input is ``(N, n_in)`` or, after another layer of the kind, ``(N, k, n_in)``; z is ``(N, k, units)``. Dense
    layers of k networks would have k weight matrices; here the product is one, of N × k rows. Weight decay acts on w
    alone. At the end of a network, the cost `each_member` gives every member a cost of its own; `time_pool` makes the
    mean.

    References
    ----------
    Y. Wen, D. Tran, J. Ba (2020), *BatchEnsemble: an alternative approach to efficient ensemble and lifelong learning*,
    Equation 5; Y. Gorishniy, A. Kotelnikov, A. Babenko (2024), *TabM: advancing tabular deep learning with
    parameter-efficient ensembling*, section 3.

    Examples
    --------
    >>> BatchEnsemble(8, members=4).output_shape((3,))
    (4, 8)
    """

    units: Annotated[int, Ge(1)]
    _: KW_ONLY
    members: Annotated[int, Ge(1)]
    activation: AnyActivation = "identity"
    weight_initializer: Initializer | str = "glorot_uniform"
    input_initializer: Initializer | str = "signs"
    output_initializer: Initializer | str = "ones"
    bias_initializer: Initializer | str = "zeros"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(members, units)``."""
        if len(input_shape) != 1 and (len(input_shape) != 2 or input_shape[0] != self.members):
            raise ShapeError(f"expected input of shape (n,) or ({self.members}, n), got {input_shape}.")
        return (self.members, self.units)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``weight``, ``input_scale``, r, ``output_scale``, s, and ``bias``."""
        inputs, outputs = (self.members, input_shape[-1]), (self.members, self.units)
        return {
            "weight": Parameter((self.units, input_shape[-1]), self.weight_initializer),
            "input_scale": Parameter(inputs, self.input_initializer, decays=False),
            "output_scale": Parameter(outputs, self.output_initializer, decays=False),
            "bias": Parameter(outputs, self.bias_initializer, decays=False),
        }

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, members, units)``."""
        count, features = len(a_prev), a_prev.shape[-1]
        workspace["shared"] = a_prev.ndim == 2
        if a_prev.ndim == 2:
            a = workspace.buffer("a", (count, self.members, features))
            to_members(a_prev, a)
        else:
            a = contiguous(a_prev, "a", workspace)
        scaled, y = workspace.buffer("scaled", a.shape), workspace.buffer("y", (count, self.members, self.units))
        workspace["a"], workspace["scaled"], workspace["y"] = a, scaled, y
        scale_channels(_channels(a), params["input_scale"].reshape(-1), _channels(scaled))
        product(_rows(scaled), params["weight"].T, _rows(y))
        z = workspace.buffer("z", y.shape)
        affine(_channels(y), params["output_scale"].reshape(-1), params["bias"].reshape(-1), _channels(z))
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, shaped like it."""
        a, scaled, y = workspace["a"], workspace["scaled"], workspace["y"]
        delta = contiguous(delta, "delta", workspace)
        of_scale, of_bias = grads["output_scale"].reshape(-1), grads["bias"].reshape(-1)
        affine_gradients(_channels(delta), _channels(y), of_scale, of_bias)
        grad_y, grad = workspace.buffer("grad_y", y.shape), workspace.buffer("grad", a.shape)
        scale_channels(_channels(delta), params["output_scale"].reshape(-1), _channels(grad_y))
        product(_rows(grad_y).T, _rows(scaled), grads["weight"])
        product(_rows(grad_y), params["weight"], _rows(grad))
        unused = workspace.buffer("unused", (a.shape[1] * a.shape[2],))
        affine_gradients(_channels(grad), _channels(a), grads["input_scale"].reshape(-1), unused)
        if not workspace.needs_input_gradient:
            return None
        grad_a = workspace.passing("grad_a_prev", a.shape)
        scale_channels(_channels(grad), params["input_scale"].reshape(-1), _channels(grad_a))
        if not workspace["shared"]:
            return grad_a
        total = workspace.buffer("total", (a.shape[0], a.shape[2]))
        sum_members(grad_a, total)
        return total


def _channels(array: Array) -> Array:
    """Return an array ``(N, k, n)`` as ``(N, k n, 1)``."""
    return array.reshape(array.shape[0], array.shape[1] * array.shape[2], 1)


def _rows(array: Array) -> Array:
    """Return an array ``(N, k, n)`` as ``(N k, n)``."""
    return array.reshape(array.shape[0] * array.shape[1], array.shape[2])
