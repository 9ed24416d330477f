"""Convolutions of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.protocols import AnyActivation, Initializer, Layer, Parameter, Shape
from nnfw_standard import image_operations
from nnfw_standard.layers.sliding import Padding, Size, Windows, pair, require_image, windows


class Grouped(Layer):
    """Channels and filters in groups."""

    filters: int
    groups: int

    def _require_groups(self, channels: int) -> None:
        """Raise ShapeError if the groups do not divide channels and filters."""
        for what, count in (("channels of the input", channels), ("filters", self.filters)):
            if count % self.groups:
                raise ShapeError(
                    f"expected a multiple of {self.groups} {what}, for {self.groups} groups, got {count}. Change the "
                    "option groups."
                )

    def _grouped(self, array: Array, axis: int = 0) -> Array:
        """Return the view of an array whose axis of channels or filters is split into groups."""
        before, after = array.shape[:axis], array.shape[axis + 1 :]
        return array.reshape(*before, self.groups, array.shape[axis] // self.groups, *after)


@dataclass(frozen=True)
class Conv2D(Grouped):
    """The same weighted sums at every place of an image.

    | z_fyx = Σ_cij w_fcij a_c,(ys + id − p),(xs + jd − p) + b_f; pixels beyond the image are 0
    | ∂C/∂w_fcij = Σ_nyx δ_nfyx a_nc,(ys + id − p),(xs + jd − p); ∂C/∂b_f = Σ_nyx δ_nfyx
    | ∂C/∂a_crq = Σ w_fcij δ_fyx over all f, i, j, y, x with ys + id − p = r and xs + jd − p = q

    s is the stride, d the dilation, p the padding before the image.

    Parameters
    ----------
    filters
        Channels of z, 1 or more.
    kernel
        Rows and columns of a window, 1 or more: one number for both, or two.
    stride
        Pixels from one window to the next, 1 or more; 1 by default.
    padding
        ``"valid"``, the default: none. ``"same"``: z has 1/stride of the pixels, rounded up. A number: rows and columns
        of padding on each side, or two.
    dilation
        Pixels from one place of the kernel to the next, 1 or more; 1 by default.
    groups
        g: the filters of group k see only the channels of group k; 1 by default. As many groups as channels make a
        depthwise convolution. Divides the channels and the filters.
    activation
        σ of the layer; identity by default.
    bias
        Whether b is added; True by default.
    weight_initializer
        Initial values of w ``(filters, C/g, kernel rows, kernel columns)``; Glorot uniform by default.
    bias_initializer
        Initial values of b ``(filters,)``; zeros by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)`` or too small for the kernel, and if the
        groups do not divide its channels or the filters.

    Notes
    -----
    As in PyTorch and Keras this is the cross-correlation: the kernel is not flipped. Of an odd number of rows,
    ``"same"`` puts one more at the end.

    References
    ----------
    Y. LeCun, B. Boser, J. S. Denker, D. Henderson, R. E. Howard, W. Hubbard, L. D. Jackel (1989), *Backpropagation
    applied to handwritten zip code recognition*. V. Dumoulin, F. Visin (2016), *A guide to convolution arithmetic for
    deep learning*, chapter 2, for the sizes.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([Conv2D(1, (1, 2))], input_shape=(1, 1, 4))
    >>> model.parameters["layers.0.weight"] = [[[[-1.0, 1.0]]]]
    >>> model.predict([[[[1.0, 4.0, 9.0, 16.0]]]]).tolist()
    [[[[3.0, 5.0, 7.0]]]]
    """

    filters: Annotated[int, Ge(1)]
    kernel: Size
    _: KW_ONLY
    stride: Size = 1
    padding: Padding = "valid"
    dilation: Size = 1
    groups: Annotated[int, Ge(1)] = 1
    activation: AnyActivation = "identity"
    bias: bool = True
    weight_initializer: Initializer | str = "glorot_uniform"
    bias_initializer: Initializer | str = "zeros"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(filters, rows, columns)``."""
        found = self._windows(input_shape)
        self._require_groups(input_shape[0])
        return (self.filters, *found.grid)

    def _windows(self, input_shape: Shape) -> Windows:
        return windows(input_shape, self.kernel, self.stride, self.padding, self.dilation)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``weight`` ``(filters, C/g, kernel rows, kernel columns)`` and ``bias`` ``(filters,)``."""
        shape = (self.filters, input_shape[0] // self.groups, *pair(self.kernel))
        weight = Parameter(shape, self.weight_initializer)
        bias = Parameter((self.filters,), self.bias_initializer, decays=False)
        return {"weight": weight, "bias": bias} if self.bias else {"weight": weight}

    def pictures(self, params: Mapping[str, Array], workspace: Workspace) -> Mapping[str, Array]:
        """Return the windows of w, for each filter those of its channels."""
        weight = params["weight"]
        return {"filters": weight.reshape(-1, *weight.shape[2:])}

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, filters, rows, columns)``."""
        workspace["a_prev"] = a_prev
        shape = a_prev.shape[1:]
        z = workspace.buffer("z", (len(a_prev), *self.output_shape(shape)))
        bias = params["bias"] if self.bias else np.zeros(self.filters, z.dtype)
        image_operations.conv2d(
            self._grouped(a_prev, 1),
            self._grouped(params["weight"]),
            self._grouped(bias),
            *self._windows(shape).numbers,
            self._grouped(z, 1),
        )
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, C, H, W)``: (w^T δ) of Equation 2 at every place."""
        a_prev = workspace["a_prev"]
        own, numbers = self._grouped(delta, 1), self._windows(a_prev.shape[1:]).numbers
        images, gradient = self._grouped(a_prev, 1), self._grouped(grads["weight"])
        image_operations.conv2d_weight_gradient(images, own, *numbers, gradient)  # Equation 4, summed over places
        if self.bias:
            image_operations.sum_positions(delta, grads["bias"])  # Equation 3, summed over places
        if not workspace.needs_input_gradient:
            return None
        grad_a_prev = workspace.passing("grad_a_prev", a_prev.shape)
        weight = self._grouped(params["weight"])
        image_operations.conv2d_input_gradient(own, weight, *numbers, self._grouped(grad_a_prev, 1))
        return grad_a_prev


@dataclass(frozen=True)
class ConvTranspose2D(Grouped):
    """What a convolution does on the way back, as a layer: every pixel adds its kernel to the result.

    | z_frq = Σ w_cfij a_cyx + b_f over all c, i, j, y, x with ys + id − p = r and xs + jd − p = q
    | ∂C/∂a_cyx = Σ_fij w_cfij δ_f,(ys + id − p),(xs + jd − p); δ beyond the image is 0
    | ∂C/∂w_cfij = Σ_nyx a_ncyx δ_nf,(ys + id − p),(xs + jd − p); ∂C/∂b_f = Σ_nrq δ_nfrq

    s is the stride, d the dilation, p the padding.

    Parameters
    ----------
    filters
        Channels of z, 1 or more.
    kernel
        Rows and columns of a kernel, 1 or more: one number for both, or two.
    stride
        Pixels of z from one kernel to the next, 1 or more; 1 by default.
    padding
        What is cut off around the result. ``"valid"``, the default: nothing. ``"same"``: z has stride times the pixels.
        A number: rows and columns on each side, or two.
    dilation
        Pixels from one place of the kernel to the next, 1 or more; 1 by default.
    groups
        The filters of a group see only the channels of this group; 1 by default. Divides the channels and the filters.
    output_padding
        Further rows and columns at the end, less than the stride, where padding is no word; 0 by default.
    activation
        σ of the layer; identity by default.
    bias
        Whether b is added; True by default.
    weight_initializer
        Initial values of w ``(C, filters/groups, kernel rows, kernel columns)``; Glorot uniform by default.
    bias_initializer
        Initial values of b ``(filters,)``; zeros by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)``, if padding leaves nothing, if
        `output_padding` is as large as the stride, and if the groups do not divide its channels or the filters.

    Notes
    -----
    The transpose of the linear map of a :class:`Conv2D` with these options: where this one gives z of the size of an
    image, that one gives images of the size of a. The weight has its axes of channels and filters in the order of
    PyTorch.

    References
    ----------
    M. D. Zeiler, D. Krishnan, G. W. Taylor, R. Fergus (2010), *Deconvolutional networks*. V. Dumoulin, F. Visin (2016),
    *A guide to convolution arithmetic for deep learning*, chapter 4, for the sizes.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([ConvTranspose2D(1, (1, 2), stride=2)], input_shape=(1, 1, 2))
    >>> model.parameters["layers.0.weight"] = [[[[1.0, 10.0]]]]
    >>> model.predict([[[[1.0, 2.0]]]]).tolist()
    [[[[1.0, 10.0, 2.0, 20.0]]]]
    """

    filters: Annotated[int, Ge(1)]
    kernel: Size
    _: KW_ONLY
    stride: Size = 1
    padding: Padding = "valid"
    dilation: Size = 1
    groups: Annotated[int, Ge(1)] = 1
    output_padding: Annotated[int, Ge(0)] | tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0)]] = 0
    activation: AnyActivation = "identity"
    bias: bool = True
    weight_initializer: Initializer | str = "glorot_uniform"
    bias_initializer: Initializer | str = "zeros"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(filters, rows, columns)``."""
        require_image(input_shape)
        self._require_groups(input_shape[0])
        sizes, strides, extra = input_shape[1:], pair(self.stride), pair(self.output_padding)
        if any(more >= stride for more, stride in zip(extra, strides, strict=True)):
            raise ShapeError(f"expected output_padding less than the stride {strides}, got {extra}.")
        if self.padding == "same":
            rows, columns = (size * stride for size, stride in zip(sizes, strides, strict=True))
            return self.filters, rows, columns
        pads = (0, 0) if isinstance(self.padding, str) else pair(self.padding)
        each = zip(sizes, strides, pair(self.kernel), pair(self.dilation), pads, extra, strict=True)
        rows, columns = ((n - 1) * s + (k - 1) * d + 1 - 2 * p + more for n, s, k, d, p, more in each)
        if rows < 1 or columns < 1:
            raise ShapeError(
                f"expected padding that leaves rows and columns, got {pads}, which leaves {rows, columns}."
            )
        return self.filters, rows, columns

    def _numbers(self, shape: Shape) -> tuple[int, ...]:
        """Return what operations take, for images of the shape of z."""
        return windows(shape, self.kernel, self.stride, self.padding, self.dilation).numbers

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``weight`` ``(C, filters/groups, kernel rows, kernel columns)`` and ``bias`` ``(filters,)``."""
        shape = (input_shape[0], self.filters // self.groups, *pair(self.kernel))
        weight = Parameter(shape, self.weight_initializer)
        bias = Parameter((self.filters,), self.bias_initializer, decays=False)
        return {"weight": weight, "bias": bias} if self.bias else {"weight": weight}

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, filters, rows, columns)``."""
        workspace["a_prev"] = a_prev
        z = workspace.buffer("z", (len(a_prev), *self.output_shape(a_prev.shape[1:])))
        own = self._grouped(a_prev, 1), self._grouped(params["weight"])
        image_operations.conv2d_input_gradient(*own, *self._numbers(z.shape[1:]), self._grouped(z, 1))
        if self.bias:
            image_operations.add_to_channels(z, params["bias"])
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, C, H, W)``: δ convolved with the kernels."""
        a_prev = workspace["a_prev"]
        images, own = self._grouped(delta, 1), self._grouped(a_prev, 1)
        numbers = self._numbers(delta.shape[1:])
        image_operations.conv2d_weight_gradient(images, own, *numbers, self._grouped(grads["weight"]))
        if self.bias:
            image_operations.sum_positions(delta, grads["bias"])
        if not workspace.needs_input_gradient:
            return None
        grad_a_prev = workspace.passing("grad_a_prev", a_prev.shape)
        nothing = self._grouped(np.zeros(a_prev.shape[1], delta.dtype))
        weight = self._grouped(params["weight"])
        image_operations.conv2d(images, weight, nothing, *numbers, self._grouped(grad_a_prev, 1))
        return grad_a_prev
