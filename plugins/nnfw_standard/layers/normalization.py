"""Layers that give values mean 0 and size 1: over the batch, over the features, or over groups of channels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from math import prod
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from nnfw.arrays import Array
from nnfw.errors import DataError, ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels, kernels_only
from nnfw.protocols import AnyActivation, Initializer, Layer, Parameter, Shape
from nnfw_standard.initializers import Ones, Zeros
from nnfw_standard.layers.rows import channel_axis, contiguous, require_axis


@dataclass(frozen=True)
class _Normalization(Layer):
    """z = γ x̂ + β, where x̂ are the normalised inputs.

    A layer gives them as rows ``(n, k)``, which have a mean and a size each, and as channels ``(n, c, s)``, which have
    γ and β each.
    """

    _: KW_ONLY
    epsilon: Annotated[float, Gt(0)] = 1e-5
    scale: bool = True
    shift: bool = True
    activation: AnyActivation = "identity"
    scale_initializer: Initializer | str = "ones"
    shift_initializer: Initializer | str = "zeros"

    centred: ClassVar[bool] = True
    keeps_time = True

    def _mixes_time(self, shape: Shape) -> bool:
        """Return whether a mean is one over several time steps of a sequence."""
        return True

    @abstractmethod
    def _rows(self, shape: Shape) -> tuple[int, int]:
        """Return n and k for a batch of some shape."""

    @abstractmethod
    def _channels(self, shape: Shape) -> tuple[int, int, int]:
        """Return n, c and s for a batch of some shape."""

    def _shape_of_scale(self, input_shape: Shape) -> Shape:
        return (self._channels((1, *input_shape))[1],)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        if not input_shape:
            raise ShapeError("expected input of shape (n, ...), got ().")
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``scale``, γ, and ``shift``, β, one of each for a channel."""
        shape = self._shape_of_scale(input_shape)
        found = {}
        if self.scale:
            found["scale"] = Parameter(shape, self.scale_initializer, decays=False)
        if self.shift:
            found["shift"] = Parameter(shape, self.shift_initializer, decays=False)
        return found

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, shaped like `a_prev`. DataError for padded sequences whose time steps share a mean."""
        if self._mixes_time(a_prev.shape):
            _require_no_padding(workspace, "Use layer_norm over the features")
        x = contiguous(a_prev, "x", workspace)
        rows, channels = self._rows(x.shape), self._channels(x.shape)
        normalized, rate = workspace.buffer("normalized", x.shape), workspace.buffer("rate", (rows[0],))
        kernels().normalize(x.reshape(rows), float(self.centred), self.epsilon, rate, normalized.reshape(rows))
        workspace["normalized"], workspace["rate"] = normalized, rate
        return _affine(params, normalized, channels, workspace)

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev = r (g − mean g − x̂ mean (g x̂)) with g = γ δ, and the means over each row."""
        normalized, rate = workspace["normalized"], workspace["rate"]
        delta = contiguous(delta, "delta", workspace)
        rows, channels = self._rows(delta.shape), self._channels(delta.shape)
        grad = _affine_back(params, delta, normalized, grads, channels, workspace)
        if not workspace.needs_input_gradient:
            return None
        grad_a_prev = workspace.passing("grad_a_prev", delta.shape)
        kernels().normalize_delta(
            grad.reshape(rows), normalized.reshape(rows), rate, float(self.centred), grad_a_prev.reshape(rows)
        )
        return grad_a_prev


def _require_no_padding(workspace: Workspace, advice: str) -> None:
    """Raise DataError if the input is padded."""
    if workspace.lengths is not None:
        raise DataError(f"takes no padded sequences, as what lies beyond their lengths would count. {advice}.")


def _affine(
    params: Mapping[str, Array], normalized: Array, channels: tuple[int, int, int], workspace: Workspace
) -> Array:
    """Return γ x̂ + β, or x̂ itself where there is neither."""
    scale, shift = _of_channels(params, channels[1], workspace)
    if not params.keys() & {"scale", "shift"}:
        return normalized
    z = workspace.buffer("z", normalized.shape)
    kernels().affine(normalized.reshape(channels), scale, shift, z.reshape(channels))
    return z


def _affine_back(
    params: Mapping[str, Array],
    delta: Array,
    normalized: Array,
    grads: Mapping[str, Array],
    channels: tuple[int, int, int],
    workspace: Workspace,
) -> Array:
    """Set the gradients of γ and β, and return γ δ."""
    if not grads:
        return delta
    kernels().affine_gradients(
        delta.reshape(channels), normalized.reshape(channels), *_of_channels(grads, channels[1], workspace, "unused")
    )
    if "scale" not in params:
        return delta
    grad = workspace.buffer("grad", delta.shape)
    kernels().scale_channels(delta.reshape(channels), params["scale"].reshape(channels[1]), grad.reshape(channels))
    return grad


def _of_channels(arrays: Mapping[str, Array], count: int, workspace: Workspace, other: str = "") -> tuple[Array, Array]:
    """Return the arrays of γ and β; where there is none, 1 and 0, or memory for what nobody needs."""
    found = []
    for name, value in (("scale", 1), ("shift", 0)):
        if name in arrays:
            found.append(arrays[name].reshape(count))
        elif other:
            found.append(workspace.buffer(other, (count,)))
        else:
            found.append(workspace.once((name, count), partial(np.full, count, value, workspace.dtype)))
    return found[0], found[1]


@dataclass(frozen=True)
class LayerNorm(_Normalization):
    """Mean 0 and size 1 over the last axes of each example.

    | x̂ = r (a − m) with the mean m over these axes and r = 1 / √(mean (a − m)² + ε); z = γ ⊙ x̂ + β
    | ∂C/∂γ = Σ δ ⊙ x̂, ∂C/∂β = Σ δ, and with g = γ ⊙ δ: ∂C/∂a = r (g − mean g − x̂ mean (g ⊙ x̂))

    Parameters
    ----------
    axes
        How many of the last axes; 1, the features, by default. γ and β have their shape.
    epsilon
        ε, above 0; 1e-5 by default.
    scale, shift
        Whether there is a γ, and a β; True by default.
    activation
        σ of the layer; identity by default.
    scale_initializer, shift_initializer
        First values of γ, ones, and of β, zeros.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input with fewer axes.
    DataError
        From :meth:`forward`, for padded sequences if the mean is one over their time steps.

    Notes
    -----
    Values that are all the same become 0.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton (2016), *Layer normalization*.
    """

    axes: Annotated[int, Ge(1)] = 1

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        if len(input_shape) < self.axes:
            raise ShapeError(f"expected input with {self.axes} axes or more, got {input_shape}.")
        return input_shape

    def _mixes_time(self, shape: Shape) -> bool:
        return len(shape) - self.axes < 2

    def _rows(self, shape: Shape) -> tuple[int, int]:
        return prod(shape[: -self.axes]), prod(shape[-self.axes :])

    def _channels(self, shape: Shape) -> tuple[int, int, int]:
        return (*self._rows(shape), 1)

    def _shape_of_scale(self, input_shape: Shape) -> Shape:
        return input_shape[-self.axes :]


@dataclass(frozen=True)
class RMSNorm(LayerNorm):
    """Size 1 over the last axes of each example; the mean stays.

    | x̂ = r a with r = 1 / √(mean a² + ε); z = γ ⊙ x̂
    | ∂C/∂γ = Σ δ ⊙ x̂, and with g = γ ⊙ δ: ∂C/∂a = r (g − x̂ mean (g ⊙ x̂))

    Parameters
    ----------
    axes, epsilon, scale, activation, scale_initializer, shift_initializer
        As for `layer_norm`.
    shift
        Whether there is a β; False by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input with fewer axes.
    DataError
        From :meth:`forward`, for padded sequences if the mean is one over their time steps.

    References
    ----------
    B. Zhang, R. Sennrich (2019), *Root mean square layer normalization*.
    """

    _: KW_ONLY
    shift: bool = False

    centred = False


@dataclass(frozen=True)
class GroupNorm(_Normalization):
    """Mean 0 and size 1 over groups of the channels of each example, and all their places.

    The formulas are those of `layer_norm`, with the means over a group; γ and β have an entry for each channel.

    Parameters
    ----------
    groups
        How many groups; it divides the number of channels, which are the first axis of an example.
    epsilon, scale, shift, activation, scale_initializer, shift_initializer
        As for `layer_norm`.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for channels that cannot be shared out.
    DataError
        From :meth:`forward`, for padded sequences: what lies beyond their lengths would count.

    References
    ----------
    Y. Wu, K. He (2018), *Group normalization*.
    """

    groups: Annotated[int, Ge(1)]

    keeps_time = False

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        if not input_shape or input_shape[0] % self.groups:
            raise ShapeError(
                f"expected channels on the first axis, as many as {self.groups} groups can share, got {input_shape}."
            )
        return input_shape

    def _rows(self, shape: Shape) -> tuple[int, int]:
        return shape[0] * self.groups, prod(shape[1:]) // self.groups

    def _channels(self, shape: Shape) -> tuple[int, int, int]:
        return shape[0], shape[1], prod(shape[2:])


@dataclass(frozen=True)
class InstanceNorm(_Normalization):
    """Mean 0 and size 1 over all places of each channel of each example.

    The formulas are those of `layer_norm`, with the means over the places of a channel.

    Parameters
    ----------
    epsilon, activation, scale_initializer, shift_initializer
        As for `layer_norm`.
    scale, shift
        Whether there is a γ, and a β, for each channel; True by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input without places: it needs channels and one axis or more.
    DataError
        From :meth:`forward`, for padded sequences: what lies beyond their lengths would count.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky (2016), *Instance normalization: the missing ingredient for fast stylization*.
    """

    keeps_time = False

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        if len(input_shape) < 2 or prod(input_shape[1:]) < 2:
            raise ShapeError(f"expected input of shape (channels, ...) with 2 places or more, got {input_shape}.")
        return input_shape

    def _rows(self, shape: Shape) -> tuple[int, int]:
        return shape[0] * shape[1], prod(shape[2:])

    def _channels(self, shape: Shape) -> tuple[int, int, int]:
        return shape[0], shape[1], prod(shape[2:])


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Mean 0 and size 1 of each channel over the batch, with running statistics for evaluation.

    | In training, over the m values of a channel in the batch: μ = mean a, v = mean (a − μ)²,
      x̂ = (a − μ) / √(v + ε); z = γ x̂ + β
    | running mean ← ρ running mean + (1 − ρ) μ, running variance ← ρ running variance + (1 − ρ) v m / (m − 1)
    | In evaluation: x̂ = (a − running mean) / √(running variance + ε)
    | ∂C/∂γ = Σ δ x̂, ∂C/∂β = Σ δ, and in training ∂C/∂a = γ (δ − mean δ − x̂ mean (δ x̂)) / √(v + ε); in evaluation
      ∂C/∂a = γ δ / √(running variance + ε)

    Parameters
    ----------
    axis
        The axis of an example that holds the channels: 0 is the first, −1 the last. By default the first of an image,
        ``(channels, height, width)``, and the last of anything else.
    momentum
        ρ, from 0 to below 1; 0.9 by default. PyTorch calls 1 − ρ momentum.
    epsilon, scale, shift, activation, scale_initializer, shift_initializer
        As for `layer_norm`.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input without this axis.
    DataError
        From :meth:`forward`, for padded sequences: what lies beyond their lengths would count.

    Notes
    -----
    A channel with a single value in the batch, or with values that are all the same, becomes β in training; a single
    value leaves the running statistics as they are.

    References
    ----------
    S. Ioffe, C. Szegedy (2015), *Batch normalization: accelerating deep network training by reducing internal covariate
    shift*.
    """

    _: KW_ONLY
    axis: int | None = None
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    epsilon: Annotated[float, Gt(0)] = 1e-5
    scale: bool = True
    shift: bool = True
    activation: AnyActivation = "identity"
    scale_initializer: Initializer | str = "ones"
    shift_initializer: Initializer | str = "zeros"

    rows_independent = False

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        require_axis(input_shape, self.axis)
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``scale``, ``shift``, ``running_mean`` and ``running_variance``, an entry for each channel."""
        shape = (self._channels((1, *input_shape))[1],)
        found = {}
        if self.scale:
            found["scale"] = Parameter(shape, self.scale_initializer, decays=False)
        if self.shift:
            found["shift"] = Parameter(shape, self.shift_initializer, decays=False)
        found["running_mean"] = Parameter(shape, Zeros(), trainable=False)
        found["running_variance"] = Parameter(shape, Ones(), trainable=False)
        return found

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, shaped like `a_prev`; in training, move the running statistics."""
        _require_no_padding(workspace, "Use layer_norm")
        x = contiguous(a_prev, "x", workspace)
        channels = self._channels(x.shape)
        normalized, rate = workspace.buffer("normalized", x.shape), workspace.buffer("rate", (channels[1],))
        workspace["normalized"], workspace["rate"] = normalized, rate
        if workspace.training:
            self._normalize(params, x.reshape(channels), normalized.reshape(channels), rate, workspace)
        else:
            offset = workspace.buffer("offset", (channels[1],))
            kernels().running_rates(params["running_mean"], params["running_variance"], self.epsilon, rate, offset)
            kernels().affine(x.reshape(channels), rate, offset, normalized.reshape(channels))
        return _affine(params, normalized, channels, workspace)

    def _normalize(
        self, params: Mapping[str, Array], x: Array, normalized: Array, rate: Array, workspace: Workspace
    ) -> None:
        count, channels, places = x.shape
        mean, variance = workspace.buffer("mean", (channels,)), workspace.buffer("variance", (channels,))
        kernels().batch_normalize(x, self.epsilon, mean, variance, rate, normalized)
        if count * places > 1:
            kernels().scale(variance, count * places / (count * places - 1))
            kernels().blend(params["running_mean"], mean, self.momentum)
            kernels().blend(params["running_variance"], variance, self.momentum)

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, through the means of the batch in training."""
        delta, normalized, rate = contiguous(delta, "delta", workspace), workspace["normalized"], workspace["rate"]
        channels = self._channels(delta.shape)
        if not workspace.training:
            grad = _affine_back(params, delta, normalized, grads, channels, workspace)
            grad_a_prev = workspace.passing("grad_a_prev", delta.shape)
            kernels().scale_channels(grad.reshape(channels), rate, grad_a_prev.reshape(channels))
            return grad_a_prev
        scale, _ = _of_channels(params, channels[1], workspace)
        of_scale, of_shift = (
            grads[name].reshape(channels[1]) if name in grads else workspace.buffer(f"of_{name}", (channels[1],))
            for name in ("scale", "shift")
        )
        grad_a_prev = workspace.passing("grad_a_prev", delta.shape)
        kernels().batch_normalize_delta(
            delta.reshape(channels),
            normalized.reshape(channels),
            scale,
            rate,
            of_scale,
            of_shift,
            grad_a_prev.reshape(channels),
        )
        return grad_a_prev

    def _channels(self, shape: Shape) -> tuple[int, int, int]:
        """Return n, c and s for a batch of some shape."""
        at = channel_axis(shape, self.axis)
        return prod(shape[:at]), shape[at], prod(shape[at + 1 :])
