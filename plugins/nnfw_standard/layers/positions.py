"""Encodings of the place in a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels, kernels_only
from nnfw.protocols import Initializer, Layer, Parameter, Shape
from nnfw_standard.activations import Identity

_BASE = 10_000.0  # of Vaswani et al.: wavelengths from 2π to 10,000 · 2π


def angles(steps: int, width: int) -> Array:
    """Return t · 10,000^(−2i/width) for each time step t and each i < width/2, both from 0, ``(steps, ⌈width/2⌉)``."""
    found: Array = np.arange(steps)[:, np.newaxis] * _BASE ** (-np.arange(0, width, 2) / width)
    return found


@dataclass(frozen=True)
class PositionalEncoding(Layer):
    """Adds to each time step numbers that tell its place.

    | z_t = a_t + p_t with p_t,2i = sin(t · 10,000^(−2i/n)) and p_t,2i+1 = cos(t · 10,000^(−2i/n)), t from 0
    | or p is learned: ∂C/∂p_t = Σ δ_t over the examples
    | ∂C/∂a_t = δ_t

    Parameters
    ----------
    kind
        ``"sinusoidal"``, the formula, by default; or ``"learned"``: p is the parameter ``weight`` ``(T, n)``.
    weight_initializer
        First values of a learned p; normal with standard deviation 0.05 by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that does not have two axes, time and features.

    Notes
    -----
    A third way is the option `rotary` of `multi_head_attention`.

    References
    ----------
    A. Vaswani et al. (2017), *Attention is all you need*, section 3.5.

    Examples
    --------
    >>> z = PositionalEncoding().forward({}, np.zeros((1, 2, 4), np.float32), Workspace())
    >>> z[0].round(3).tolist() == np.array([[0, 1, 0, 1], [0.841, 0.54, 0.01, 1]], np.float32).tolist()
    True
    """

    kind: Literal["sinusoidal", "learned"] = "sinusoidal"
    _: KW_ONLY
    weight_initializer: Initializer | str = "normal"

    activation = Identity()
    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        if len(input_shape) != 2:
            raise ShapeError(f"expected input of shape (T, n), time steps and features, got {input_shape}.")
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``weight`` ``(T, n)`` if it is learned."""
        return {"weight": Parameter(input_shape, self.weight_initializer)} if self.kind == "learned" else {}

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z = a_prev + p, shaped like `a_prev`."""
        z = workspace.buffer("z", a_prev.shape)
        kernels().copy(a_prev, z)
        shape = a_prev.shape[1:]
        p = params["weight"] if params else workspace.once(shape, lambda: _sinusoids(*shape).astype(workspace.dtype))
        kernels().add_bias(z, p)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev = δ."""
        if grads:
            kernels().sum_examples(delta, grads["weight"])
        return delta


def _sinusoids(steps: int, width: int) -> Array:
    found, turned = np.empty((steps, width)), angles(steps, width)
    found[:, 0::2] = np.sin(turned)
    found[:, 1::2] = np.cos(turned[:, : width // 2])
    return found
