"""The operations of the gate: NumPy definitions, each with the name of a loop for numba."""

import numpy as np
from nnfw.compute import operation
from scipy.special import expit


@operation(
    u="read n ...",
    g="read n ...",
    beta="number",
    s="written n ...",
    h="written n ...",
    z="written n ...",
    cut="n",
    bodies={"numba": "nnfw_swish.loops:swish_gate"},
)
def swish_gate(u, g, beta, s, h, z):
    """Apply the gate: s ← sigmoid(beta g), h ← g s, z ← u ⊙ h."""
    np.multiply(g, beta, out=s)
    expit(s, out=s)
    np.multiply(g, s, out=h)
    np.multiply(u, h, out=z)


@operation(
    delta="read n ...",
    u="read n ...",
    s="read n ...",
    h="read n ...",
    beta="number",
    delta_u="written n ...",
    delta_g="written n ...",
    cut="n",
    bodies={"numba": "nnfw_swish.loops:swish_gate_delta"},
)
def swish_gate_delta(delta, u, s, h, beta, delta_u, delta_g):
    """δ of both sides of a gate: delta_u ← δ ⊙ h, delta_g ← δ ⊙ u ⊙ (s + beta h (1 − s))."""
    np.multiply(delta, h, out=delta_u)
    np.subtract(1, s, out=delta_g)
    delta_g *= h
    delta_g *= beta
    delta_g += s  # the slope of the gate
    delta_g *= u
    delta_g *= delta
