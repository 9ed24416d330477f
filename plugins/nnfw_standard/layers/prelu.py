"""The rectifier whose slope is trained: an activation, and the layer that it becomes in a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from nnfw.arrays import Array
from nnfw.network import Workspace
from nnfw.protocols import Layer, Parameter, Shape
from nnfw_standard.activations import Identity, LeakyReLU
from nnfw_standard.initializers import Constant
from nnfw_standard.layers.rows import channel_axis, require_axis

_SLOPE = 0.25


@dataclass(frozen=True)
class PReLU(LeakyReLU):
    """A rectifier with trained slopes for negative z.

    | a_c = z_c if z_c > 0, else s_c z_c, with a slope s_c for each channel c
    | ∂C/∂s_c = Σ ∂C/∂a_c min(0, z_c) over all examples and places

    Parameters
    ----------
    slope
        First value of the slopes, in [0, 1]; 0.25 by default.
    shared
        Whether all channels have one slope; False by default.
    axis
        The axis of an example that holds the channels: 0 is the first, −1 the last. By default the first of an image,
        and the last of anything else.

    Notes
    -----
    In a network the activation is a node of its own, after that of its layer: ``layers.0.activation.slope`` holds the
    slopes. They do not decay, as the authors advise: decay would make a plain rectifier of it. σ'(0) = slope. PyTorch's
    `PReLU` has one slope by default, and channels on the second axis of a batch; Keras's has a slope for each place.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun (2015), *Delving deep into rectifiers*, Equations 1 and 4.

    Examples
    --------
    >>> import nnfw
    >>> from nnfw_standard import Dense
    >>> model = nnfw.Sequential([Dense(2, activation=PReLU())], input_shape=3)
    >>> model.parameters["layers.0.activation.slope"]
    array([0.25, 0.25], dtype=float32)
    """

    slope: Annotated[float, Ge(0), Le(1)] = _SLOPE
    _: KW_ONLY
    shared: bool = False
    axis: int | None = None

    def as_layer(self) -> ParametricReLU:
        """Return the layer with the slopes."""
        return ParametricReLU(self.slope, shared=self.shared, axis=self.axis)


@dataclass(frozen=True)
class ParametricReLU(Layer):
    """The layer of :class:`PReLU`.

    | z_c = a_c if a_c > 0, else s_c a_c
    | ∂C/∂s_c = Σ δ_c min(0, a_c), and ∂C/∂a_c = δ_c if a_c > 0, else s_c δ_c

    Parameters
    ----------
    slope, shared, axis
        As for :class:`PReLU`.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input without the axis.

    Examples
    --------
    >>> layer = ParametricReLU()
    >>> layer.forward({"slope": np.array([0.5, 0.1])}, np.array([[-2.0, -2.0], [3.0, 3.0]]), Workspace(np.float64))
    array([[-1. , -0.2],
           [ 3. ,  3. ]])
    """

    slope: Annotated[float, Ge(0), Le(1)] = _SLOPE
    _: KW_ONLY
    shared: bool = False
    axis: int | None = None

    activation = Identity()
    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        require_axis(input_shape, self.axis)
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``slope`` ``(channels,)``, or ``(1,)`` if it is shared."""
        channels = 1 if self.shared else input_shape[channel_axis((0, *input_shape), self.axis) - 1]
        return {"slope": Parameter((channels,), Constant(self.slope), decays=False)}

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z of the shape of `a_prev`."""
        workspace["a_prev"] = a_prev
        z, below = workspace.buffer("z", a_prev.shape), workspace.buffer("below", a_prev.shape)
        np.multiply(np.minimum(a_prev, 0, out=below), self._along(params["slope"], a_prev), out=z)
        return np.add(z, np.maximum(a_prev, 0, out=below), out=z)

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev; fill ∂C/∂s."""
        a_prev, below = workspace["a_prev"], workspace.buffer("below", delta.shape)
        np.multiply(delta, np.minimum(a_prev, 0, out=below), out=below)
        grads["slope"][...] = below.sum(axis=self._summed(a_prev))
        if not workspace.needs_input_gradient:
            return None
        gradient = workspace.buffer("gradient", delta.shape)
        np.multiply(delta, self._along(params["slope"], a_prev), out=gradient)
        np.copyto(gradient, delta, where=a_prev > 0)
        return gradient

    def _along(self, slope: Array, a_prev: Array) -> Array:
        """Return the slopes with an axis for each of the batch."""
        axes = [1] * a_prev.ndim
        axes[channel_axis(a_prev.shape, self.axis)] = len(slope)
        return slope.reshape(axes)

    def _summed(self, a_prev: Array) -> tuple[int, ...]:
        """Return the axes over which the gradient of a slope is summed."""
        kept = None if self.shared else channel_axis(a_prev.shape, self.axis)
        return tuple(axis for axis in range(a_prev.ndim) if axis != kept)
