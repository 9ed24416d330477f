"""The layer swish_gate."""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from nnfw import Activation, Initializer, Layer, Parameter, ShapeError
from scipy.special import expit


@dataclass(frozen=True)
class SwishGate(Layer):
    """A dense layer each of whose outputs passes a gate of its own, which sees the same inputs.

    | z = u ⊙ h with u = a_prev w^T + b, g = a_prev v^T + c, h = g s and s = sigmoid(beta g)
    | δ_u = δ ⊙ h, δ_g = δ ⊙ u ⊙ (s + beta h (1 − s))
    | ∇_w C = δ_u^T a_prev, ∇_b C = Σ_i δ_u, ∇_v C = δ_g^T a_prev, ∇_c C = Σ_i δ_g, over the examples i of the batch
    | ∂C/∂a_prev = δ_u w + δ_g v

    Parameters
    ----------
    units
        n_out, the number of outputs, 1 or more.
    beta
        How sharp the gates bend, 0 or more; 1 by default.
    activation
        σ of the layer; identity by default.
    weight_initializer
        First values of ``weight`` w and ``gate_weight`` v, both ``(n_out, n_in)``; uniform after Glorot by default.
    bias_initializer
        First values of ``bias`` b and ``gate_bias`` c, both ``(n_out,)``; zeros by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input with more or fewer axes than one.

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

    def forward(self, params, a_prev, workspace):
        """Return z = u ⊙ h."""
        u, g, s, h, z = (workspace.buffer(name, (len(a_prev), self.units)) for name in "ugshz")
        np.matmul(a_prev, params["weight"].T, out=u)
        u += params["bias"]
        np.matmul(a_prev, params["gate_weight"].T, out=g)
        g += params["gate_bias"]
        np.multiply(g, self.beta, out=s)
        expit(s, out=s)
        np.multiply(g, s, out=h)
        workspace["forward"] = a_prev, u, s, h
        return np.multiply(u, h, out=z)

    def backward(self, params, delta, grads, workspace):
        """Overwrite the four gradients, and return δ_u w + δ_g v."""
        a_prev, u, s, h = workspace["forward"]
        delta_u, delta_g = (workspace.buffer(name, delta.shape) for name in ("delta_u", "delta_g"))
        np.multiply(delta, h, out=delta_u)
        np.subtract(1, s, out=delta_g)
        delta_g *= h
        delta_g *= self.beta
        delta_g += s  # the slope of the gate
        delta_g *= u
        delta_g *= delta
        np.matmul(delta_u.T, a_prev, out=grads["weight"])
        np.sum(delta_u, axis=0, out=grads["bias"])
        np.matmul(delta_g.T, a_prev, out=grads["gate_weight"])
        np.sum(delta_g, axis=0, out=grads["gate_bias"])
        if not workspace.needs_input_gradient:
            return None
        grad_a_prev, gated = (workspace.buffer(name, a_prev.shape) for name in ("grad_a_prev", "gated"))
        np.matmul(delta_u, params["weight"], out=grad_a_prev)
        np.matmul(delta_g, params["gate_weight"], out=gated)
        grad_a_prev += gated
        return grad_a_prev
