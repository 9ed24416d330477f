"""Convolutions and pools along the time of a sequence ``(N, T, n)``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Annotated, Literal

from annotated_types import Ge

from nnfw.arrays import Array, Shape
from nnfw.errors import DataError, ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels, kernels_only
from nnfw.protocols import AnyActivation, Initializer, Layer, Parameter
from nnfw_standard.activations import Identity
from nnfw_standard.layers.convolution import Grouped
from nnfw_standard.layers.pooling import Average, Largest
from nnfw_standard.layers.rows import contiguous
from nnfw_standard.layers.sliding import along, lengths_after
from nnfw_standard.layers.time_pool import lengths_for

_Padding = Literal["valid", "same"] | Annotated[int, Ge(0)]


def _require_sequence(input_shape: Shape) -> None:
    """Raise ShapeError if a shape is not that of a sequence."""
    if len(input_shape) != 2:
        raise ShapeError(f"expected input of shape (T, n), time steps and features, got {input_shape}.")


@dataclass(frozen=True)
class _Convolution(Grouped):
    """z from the windows that slide over the time steps."""

    filters: Annotated[int, Ge(1)]
    kernel: Annotated[int, Ge(1)]
    _: KW_ONLY
    dilation: Annotated[int, Ge(1)] = 1
    groups: Annotated[int, Ge(1)] = 1
    activation: AnyActivation = "identity"
    bias: bool = True
    weight_initializer: Initializer | str = "glorot_uniform"
    bias_initializer: Initializer | str = "zeros"

    def _windows(self, steps: int) -> tuple[int, int, int]:
        """Return the number of windows, the stride and the padding before the first time step."""
        return steps, 1, (self.kernel - 1) * self.dilation

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(time steps, filters)``."""
        _require_sequence(input_shape)
        self._require_groups(input_shape[1])
        return self._windows(input_shape[0])[0], self.filters

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``weight`` ``(filters, n/g, kernel)`` and ``bias`` ``(filters,)``."""
        weight = Parameter((self.filters, input_shape[1] // self.groups, self.kernel), self.weight_initializer)
        bias = Parameter((self.filters,), self.bias_initializer, decays=False)
        return {"weight": weight, "bias": bias} if self.bias else {"weight": weight}

    def pictures(self, params: Mapping[str, Array], workspace: Workspace) -> Mapping[str, Array]:
        """Return the filters: a row for each feature, a column for each time step."""
        return {"filters": params["weight"]}

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, time steps, filters)``."""
        count, steps, features = workspace["shape"] = a_prev.shape
        windows, *numbers = self._windows(steps)
        lengths = workspace["counted"] = lengths_for(workspace.lengths, count, steps, workspace)
        columns = workspace["columns"] = workspace.buffer("columns", (count, windows, features, self.kernel))
        kernels().unfold(a_prev, lengths, *numbers, self.dilation, columns)
        z = workspace.buffer("z", (count, windows, self.filters))
        for weight, seen, own in self._groups_of(params["weight"], columns, z):
            kernels().product(seen, weight.T, own)
        if self.bias:
            kernels().add_bias(z.reshape(-1, self.filters), params["bias"])
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, T, n)``: (w^T δ) of Equation 2 in every window."""
        columns, shape = workspace["columns"], workspace["shape"]
        delta = contiguous(delta, "delta", workspace)
        for gradient, seen, own in self._groups_of(grads["weight"], columns, delta):
            kernels().product(own.T, seen, gradient)  # Equation 4, summed over the time steps
        if self.bias:
            kernels().sum_examples(delta.reshape(-1, self.filters), grads["bias"])  # Equation 3
        if not workspace.needs_input_gradient:
            return None
        grad_columns = workspace.buffer("grad_columns", columns.shape)
        for weight, seen, own in self._groups_of(params["weight"], grad_columns, delta):
            kernels().product(own, weight, seen)
        grad_a_prev = workspace.passing("grad_a_prev", shape)
        _, *numbers = self._windows(shape[1])
        kernels().fold(grad_columns, workspace["counted"], *numbers, self.dilation, grad_a_prev)
        return grad_a_prev

    def _groups_of(self, weight: Array, columns: Array, z: Array) -> Iterator[tuple[Array, Array, Array]]:
        """Yield for each group, as matrices, its part of the weight, of what the windows see and of z."""
        weight, columns = weight.reshape(self.filters, -1), columns.reshape(-1, prod(columns.shape[2:]))
        filters, width = self.filters // self.groups, weight.shape[1]
        for k in range(self.groups):
            own, seen = slice(k * filters, (k + 1) * filters), slice(k * width, (k + 1) * width)
            yield weight[own], columns[:, seen], z.reshape(-1, self.filters)[:, own]


@dataclass(frozen=True)
class Conv1D(_Convolution):
    """The same weighted sums at every place of a sequence.

    | z_tf = Σ_ci w_fci a_(ts + id − p),c + b_f; time steps beyond the sequence are 0
    | ∂C/∂w_fci = Σ_nt δ_ntf a_n,(ts + id − p),c; ∂C/∂b_f = Σ_nt δ_ntf
    | ∂C/∂a_rc = Σ w_fci δ_tf over all f, i, t with ts + id − p = r

    s is the stride, d the dilation, p the padding before the sequence.

    Parameters
    ----------
    filters
        Features of z, 1 or more.
    kernel
        Time steps of a window, 1 or more.
    stride
        Time steps from one window to the next, 1 or more; 1 by default.
    padding
        ``"valid"``, the default: none. ``"same"``: z has 1/stride of the time steps, rounded up. A number: time steps
        of padding at each end.
    dilation
        Time steps from one place of the kernel to the next, 1 or more; 1 by default.
    groups
        g: the filters of group k see only the features of group k; 1 by default. As many groups as features make a
        depthwise convolution. Divides the features and the filters.
    activation
        σ of the layer; identity by default.
    bias
        Whether b is added; True by default.
    weight_initializer
        Initial values of w ``(filters, n/g, kernel)``; Glorot uniform by default.
    bias_initializer
        Initial values of b ``(filters,)``; zeros by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no sequence ``(T, n)`` or too short for the kernel, and if the
        groups do not divide its features or the filters.

    Notes
    -----
    As in PyTorch and Keras the kernel is not flipped. What lies beyond the length of a padded sequence counts as 0.
    z of a sequence of length m has the length (m + 2p − d(k − 1) − 1) // s + 1, 0 if that is less, and m/s, rounded up,
    with padding ``"same"``; a length of 0 stays 0.

    References
    ----------
    A. Waibel, T. Hanazawa, G. Hinton, K. Shikano, K. J. Lang (1989), *Phoneme recognition using time-delay neural
    networks*.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([Conv1D(1, 2)], input_shape=(4, 1))
    >>> model.parameters["layers.0.weight"] = [[[-1.0, 1.0]]]
    >>> model.predict([[[1.0], [4.0], [9.0], [16.0]]]).tolist()
    [[[3.0], [5.0], [7.0]]]
    """

    stride: Annotated[int, Ge(1)] = 1
    padding: _Padding = "valid"

    keeps_time = True

    def output_lengths(self, lengths: Array) -> Array:
        """Return how many windows each length has."""
        return lengths_after(lengths, self.kernel, self.stride, self.dilation, self.padding)

    def _windows(self, steps: int) -> tuple[int, int, int]:
        count, before = along("time steps", steps, self.kernel, self.stride, self.dilation, self.padding)
        return count, self.stride, before


@dataclass(frozen=True)
class CausalConv1D(_Convolution):
    """A convolution whose z_t sees a_t and what came before it.

    | z_tf = Σ_ci w_fci a_(t − (k − 1 − i)d),c + b_f, for i from 0 to k − 1; time steps before the sequence are 0
    | Backward as for `conv1d` with stride 1 and padding (k − 1)d before the sequence

    k is the size of the kernel, d the dilation. z has the time steps of the sequence.

    Parameters
    ----------
    filters, kernel, dilation, groups, activation, bias, weight_initializer, bias_initializer
        As for `conv1d`. A layer sees (k − 1)d time steps back.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no sequence ``(T, n)``, and if the groups do not divide its
        features or the filters.

    References
    ----------
    A. van den Oord et al. (2016), *WaveNet: a generative model for raw audio*, section 2.1.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([CausalConv1D(1, 2)], input_shape=(3, 1))
    >>> model.parameters["layers.0.weight"] = [[[-1.0, 1.0]]]
    >>> model.predict([[[1.0], [4.0], [9.0]]]).tolist()
    [[[1.0], [3.0], [5.0]]]
    """

    keeps_time = True


def _as_row(sequences: Array, name: str, workspace: Workspace) -> Array:
    """Return sequences ``(N, T, n)`` as images of one row ``(N, n, 1, T)``."""
    count, steps, features = sequences.shape
    row = workspace.buffer(name, (count, features, 1, steps))
    kernels().transpose(sequences, row[:, :, 0])
    return row


def _as_sequences(row: Array, out: Array) -> Array:
    """Turn images of one row into sequences."""
    kernels().transpose(row[:, :, 0], out)
    return out


@dataclass(frozen=True)
class _Pool1D(Layer):
    """A pool of images with one row."""

    kernel: Annotated[int, Ge(1)] = 2
    _: KW_ONLY
    stride: Annotated[int, Ge(1)] | None = None
    padding: _Padding = "valid"

    activation = Identity()
    keeps_time = True

    def output_lengths(self, lengths: Array) -> Array:
        """Return how many windows each length has."""
        return lengths_after(lengths, self.kernel, self.stride or self.kernel, 1, self.padding)

    def _windows(self, steps: int) -> tuple[int, int, int]:
        """Return the number of windows, the stride and the padding before the first time step."""
        stride = self.stride or self.kernel
        count, before = along("time steps", steps, self.kernel, stride, 1, self.padding)
        return count, stride, before

    def _numbers(self, steps: int) -> tuple[int, ...]:
        """Return what operations take: the kernel, the strides and the padding."""
        _, stride, before = self._windows(steps)
        return 1, self.kernel, 1, stride, 0, before

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(time steps, n)``."""
        _require_sequence(input_shape)
        count, _, before = self._windows(input_shape[0])
        if before >= self.kernel:
            raise ShapeError(
                f"expected padding smaller than the kernel {self.kernel}, so that every window sees a time step, got "
                f"{before}."
            )
        return count, input_shape[1]

    @abstractmethod
    def pool(self, images: Array, numbers: tuple[int, ...], z: Array, workspace: Workspace) -> None:
        """As for the pools of images."""

    @abstractmethod
    def pool_back(self, delta: Array, numbers: tuple[int, ...], grad: Array, workspace: Workspace) -> None:
        """As for the pools of images."""

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, time steps, n)``. DataError for padded sequences if the layer pads too."""
        if workspace.lengths is not None and self.padding not in ("valid", 0):
            raise DataError(
                f"takes no padded sequences with padding {self.padding!r}: its windows would mix what lies within a "
                "length and what lies beyond. Set padding to 'valid', or give arrays without lengths."
            )
        count, steps, features = workspace["shape"] = a_prev.shape
        row = _as_row(a_prev, "row", workspace)
        windows = self._windows(steps)[0]
        z_row = workspace.buffer("z_row", (count, features, 1, windows))
        self.pool(row, self._numbers(steps), z_row, workspace)
        return _as_sequences(z_row, workspace.buffer("z", (count, windows, features)))

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, T, n)``."""
        count, steps, features = shape = workspace["shape"]
        grad_row = workspace.buffer("grad_row", (count, features, 1, steps))
        self.pool_back(_as_row(delta, "delta_row", workspace), self._numbers(steps), grad_row, workspace)
        return _as_sequences(grad_row, workspace.passing("grad_a_prev", shape))


@dataclass(frozen=True)
class MaxPool1D(Largest, _Pool1D):
    """The largest value of each window of time steps, for each feature.

    | z_tc = max_i a_(ts + i − p),c
    | ∂C/∂a_rc = Σ δ_tc over all windows whose largest value is that of r, of equal ones the first

    s is the stride, p the padding before the sequence.

    Parameters
    ----------
    kernel
        Time steps of a window, 1 or more; 2 by default.
    stride
        Time steps from one window to the next, 1 or more; by default those of the kernel.
    padding
        ``"valid"``, the default: none. ``"same"``: z has 1/stride of the time steps, rounded up. A number: time steps
        at each end; less than the kernel.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no sequence ``(T, n)`` or shorter than the kernel, and for
        padding as large as the kernel.
    DataError
        From :meth:`forward`, for padded sequences with padding that is not ``"valid"``.

    Notes
    -----
    Padding is never the largest. What is beyond the last whole window does not count: z of a padded sequence of length
    m has the length (m − k) // s + 1, or 0. See `time_pool` for the maximum over all time steps.

    References
    ----------
    Y.-T. Zhou, R. Chellappa (1988), *Computation of optical flow using a neural network*, in two dimensions.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([MaxPool1D()], input_shape=(4, 1))
    >>> model.predict([[[1], [4], [5], [3]]]).tolist()
    [[[4.0], [5.0]]]
    """


@dataclass(frozen=True)
class AvgPool1D(Average, _Pool1D):
    """The mean of each window of time steps, for each feature.

    | z_tc = 1/m_t Σ_i a_(ts + i − p),c, where m_t is the number of time steps that window t sees
    | ∂C/∂a_rc = Σ δ_tc / m_t over all windows that see r

    s is the stride, p the padding before the sequence.

    Parameters
    ----------
    kernel, stride, padding
        As for `max_pool1d`.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no sequence ``(T, n)`` or shorter than the kernel, and for
        padding as large as the kernel.
    DataError
        From :meth:`forward`, for padded sequences with padding that is not ``"valid"``.

    Notes
    -----
    Padding does not count, as in Keras and with ``count_include_pad=False`` in PyTorch.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), *Gradient-based learning applied to document recognition*,
    section II, the sub-sampling layers, in two dimensions.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([AvgPool1D()], input_shape=(4, 1))
    >>> model.predict([[[1], [4], [5], [3]]]).tolist()
    [[[2.5], [4.0]]]
    """
