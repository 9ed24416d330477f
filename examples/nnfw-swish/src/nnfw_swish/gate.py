"""The layer swish_gate."""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from annotated_types import Ge
from nnfw import Activation, Initializer, Layer, Parameter, ShapeError, kernels, kernels_only

from nnfw_swish.operations import swish_gate, swish_gate_delta


@dataclass(frozen=True)
class SwishGate(Layer):
    """A dense layer with a gate for each output, computed from the same inputs.

    | z = u ⊙ h with u = a_prev w^T + b, g = a_prev v^T + c, h = g s and s = sigmoid(beta g)
    | δ_u = δ ⊙ h, δ_g = δ ⊙ u ⊙ (s + beta h (1 − s))
    | ∇_w C = δ_u^T a_prev, ∇_b C = Σ_i δ_u, ∇_v C = δ_g^T a_prev, ∇_c C = Σ_i δ_g, over the examples i of the batch
    | ∂C/∂a_prev = δ_u w + δ_g v

    Parameters
    ----------
    units
        n_out, the number of outputs, 1 or more.
    beta
        Sharpness of the gates, 0 or more; 1 by default.
    activation
        σ of the layer; identity by default.
    weight_initializer
        Initial values of ``weight`` w and ``gate_weight`` v, both ``(n_out, n_in)``; Glorot uniform by default.
    bias_initializer
        Initial values of ``bias`` b and ``gate_bias`` c, both ``(n_out,)``; zeros by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that does not have one axis.

    References
    ----------
    N. Shazeer (2020), *GLU variants improve transformer*, where it is called SwiGLU.

    Examples
    --------
    >>> SwishGate(3).output_shape((8,))
    (3,)
    """

    units: Annotated[int, Ge(1)]
    _: KW_ONLY
    beta: Annotated[float, Ge(0)] = 1.0
    activation: Activation | str = "identity"
    weight_initializer: Initializer | str = "glorot_uniform"
    bias_initializer: Initializer | str = "zeros"

    def output_shape(self, input_shape):
        """Return ``(units,)``."""
        if len(input_shape) != 1:
            raise ShapeError(f"expected input of shape (n,), got {input_shape}. Put a 'flatten' layer before it.")
        return (self.units,)

    def parameters(self, input_shape):
        """Declare w, b, v and c."""
        weight = Parameter((self.units, *input_shape), self.weight_initializer)
        bias = Parameter((self.units,), self.bias_initializer, decays=False)
        return {"weight": weight, "bias": bias, "gate_weight": weight, "gate_bias": bias}

    @kernels_only
    def forward(self, params, a_prev, workspace):
        """Return z = u ⊙ h."""
        u, g, s, h, z = (workspace.buffer(name, (len(a_prev), self.units)) for name in "ugshz")
        kernels().product(a_prev, params["weight"].T, u)
        kernels().add_bias(u, params["bias"])
        kernels().product(a_prev, params["gate_weight"].T, g)
        kernels().add_bias(g, params["gate_bias"])
        swish_gate(u, g, self.beta, s, h, z)
        workspace["forward"] = a_prev, u, s, h
        return z

    @kernels_only
    def backward(self, params, delta, grads, workspace):
        """Overwrite the four gradients, and return δ_u w + δ_g v."""
        a_prev, u, s, h = workspace["forward"]
        delta_u, delta_g = (workspace.buffer(name, delta.shape) for name in ("delta_u", "delta_g"))
        swish_gate_delta(delta, u, s, h, self.beta, delta_u, delta_g)
        kernels().product(delta_u.T, a_prev, grads["weight"])
        kernels().sum_examples(delta_u, grads["bias"])
        kernels().product(delta_g.T, a_prev, grads["gate_weight"])
        kernels().sum_examples(delta_g, grads["gate_bias"])
        if not workspace.needs_input_gradient:
            return None
        grad_a_prev, gated = workspace.passing("grad_a_prev", a_prev.shape), workspace.buffer("gated", a_prev.shape)
        kernels().product(delta_u, params["weight"], grad_a_prev)
        kernels().product(delta_g, params["gate_weight"], gated)
        kernels().add_scaled(grad_a_prev, gated, 1.0)
        return grad_a_prev
