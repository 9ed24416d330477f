"""Waves of numbers as features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.ops.definitions import add_bias, product, sum_examples
from nnfw.protocols import AnyActivation, Initializer, Layer, Parameter, Shape
from nnfw_standard import table_operations
from nnfw_standard.initializers import Normal
from nnfw_standard.layers.rows import contiguous


@dataclass(frozen=True)
class Periodic(Layer):
    """Sines and cosines of each number, at learned frequencies; with `width`, weighted for each number by itself.

    | p_f = (sin 2π c_f x_f, cos 2π c_f x_f) with the frequencies c_f of feature f, and z = (p_1, p_2, ...)
    | with `width`: z = (w_1 p_1 + b_1, w_2 p_2 + b_2, ...)
    | ∂C/∂w_f = Σ δ_f p_f^T, ∂C/∂b_f = Σ δ_f, and with g = ∂C/∂p_f = w_f^T δ_f, or δ_f without `width`:
      v = g_sin ⊙ cos 2π c_f x_f − g_cos ⊙ sin 2π c_f x_f, ∂C/∂c_f = 2π Σ v x_f, ∂C/∂x_f = 2π v · c_f

    Parameters
    ----------
    frequencies
        How many for each feature, 1 or more.
    width
        How many weighted sums for each feature; none, the waves themselves, by default.
    activation
        σ of the layer; identity by default. With `width` and ReLU, this is the embedding PLR.
    standard_deviation
        Of the first values of c, which are normal with mean 0; 0.1 by default. How well the layer learns depends on
        it: 0.01 to 10 are worth trying.
    weight_initializer
        First values of w ``(features × width, 2 × frequencies)``; He uniform by default.
    bias_initializer
        First values of b ``(features × width,)``; zeros by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input of another shape than ``(features,)``.

    Notes
    -----
    Standardize the numbers first. z has 2 × `frequencies`, or `width`, numbers for each feature, side by side. Weight
    decay leaves c alone.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko (2022), *On embeddings for numerical features in tabular deep learning*,
    section 3.3.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([Periodic(1)], input_shape=2)
    >>> model.parameters["layers.0.frequency"] = [[1.0], [0.5]]
    >>> abs(model.predict([0.25, 1.0])).round(6).tolist()
    [1.0, 0.0, 0.0, 1.0]
    """

    frequencies: Annotated[int, Ge(1)]
    _: KW_ONLY
    width: Annotated[int, Ge(1)] | None = None
    activation: AnyActivation = "identity"
    standard_deviation: Annotated[float, Ge(0)] = 0.1
    weight_initializer: Initializer | str = "he_uniform"
    bias_initializer: Initializer | str = "zeros"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(features × 2 × frequencies,)`` or ``(features × width,)``."""
        if len(input_shape) != 1:
            raise ShapeError(f"expected input of shape (features,), got {input_shape}.")
        return (input_shape[0] * (self.width or 2 * self.frequencies),)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``frequency``, c ``(features, frequencies)``; with `width` also ``weight`` and ``bias``."""
        (features,), first = input_shape, Normal(standard_deviation=self.standard_deviation)
        found = {"frequency": Parameter((features, self.frequencies), first, decays=False)}
        if self.width is not None:
            rows = features * self.width
            found["weight"] = Parameter((rows, 2 * self.frequencies), self.weight_initializer)
            found["bias"] = Parameter((rows,), self.bias_initializer, decays=False)
        return found

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, features × 2 × frequencies)`` or ``(N, features × width)``."""
        workspace["x"] = x = contiguous(a_prev, "x", workspace)
        count, features = x.shape
        workspace["wave"] = wave = workspace.buffer("wave", (count, features, 2, self.frequencies))
        table_operations.waves(x, params["frequency"], wave)
        p = wave.reshape(count, features, 2 * self.frequencies)
        if self.width is None:
            return p.reshape(count, features * 2 * self.frequencies)
        z = workspace.buffer("z", (count, features * self.width))
        for f, own in enumerate(self._own(features)):
            product(p[:, f], params["weight"][own].T, z[:, own])
        add_bias(z, params["bias"])
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂x, ``(N, features)``."""
        x, wave, delta = workspace["x"], workspace["wave"], contiguous(delta, "delta", workspace)
        grad = delta.reshape(wave.shape) if self.width is None else self._weighted(params, delta, grads, workspace)
        grad_a_prev = workspace.passing("grad_a_prev", x.shape)
        table_operations.waves_delta(grad, wave, x, params["frequency"], grads["frequency"], grad_a_prev)
        return grad_a_prev

    def _weighted(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array:
        """Set the gradients of w and b, and return ∂C/∂p, shaped like the waves."""
        wave: Array = workspace["wave"]
        grad = workspace.buffer("grad", wave.shape)
        shape = (*wave.shape[:2], 2 * self.frequencies)
        p, grad_p = wave.reshape(shape), grad.reshape(shape)
        sum_examples(delta, grads["bias"])
        for f, own in enumerate(self._own(wave.shape[1])):
            product(delta[:, own].T, p[:, f], grads["weight"][own])
            product(delta[:, own], params["weight"][own], grad_p[:, f])
        return grad

    def _own(self, features: int) -> list[slice]:
        """Return which rows of w and places of z belong to each feature."""
        assert self.width is not None
        return [slice(f * self.width, (f + 1) * self.width) for f in range(features)]
