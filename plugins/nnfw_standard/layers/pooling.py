"""Pooling: one number for each window of an image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.protocols import Layer, Shape
from nnfw_standard import image_operations
from nnfw_standard.activations import Identity
from nnfw_standard.layers.sliding import Padding, Size, Windows, pair, require_image, windows


class Largest:
    """The largest pixel of windows."""

    def pool(self, images: Array, numbers: tuple[int, ...], z: Array, workspace: Workspace) -> None:
        """Set z ``(N, C, rows, columns)`` and keep where it was found; `numbers` are what operations take."""
        place = workspace["place"] = workspace.buffer("place", z.shape)
        image_operations.max_pool2d(images, *numbers, z, place)

    def pool_back(self, delta: Array, numbers: tuple[int, ...], grad: Array, workspace: Workspace) -> None:
        """Set ∂C/∂a ``(N, C, H, W)``: δ at the pixels that were taken, else 0."""
        image_operations.max_pool2d_gradient(delta, workspace["place"], *numbers, grad)


class Average:
    """The mean of windows."""

    def pool(self, images: Array, numbers: tuple[int, ...], z: Array, workspace: Workspace) -> None:
        """Set z ``(N, C, rows, columns)``; `numbers` are what operations take."""
        image_operations.avg_pool2d(images, *numbers, z)

    def pool_back(self, delta: Array, numbers: tuple[int, ...], grad: Array, workspace: Workspace) -> None:
        """Set ∂C/∂a ``(N, C, H, W)``: to each pixel its shares of δ."""
        image_operations.avg_pool2d_gradient(delta, *numbers, grad)


class _OnImages(Layer):
    """Forward and backward of a pool of images."""

    activation = Identity()

    @abstractmethod
    def pool(self, images: Array, numbers: tuple[int, ...], z: Array, workspace: Workspace) -> None:
        """As for :class:`Largest`."""

    @abstractmethod
    def pool_back(self, delta: Array, numbers: tuple[int, ...], grad: Array, workspace: Workspace) -> None:
        """As for :class:`Largest`."""

    @abstractmethod
    def _numbers(self, input_shape: Shape) -> tuple[int, ...]:
        """Return what operations take: the kernel, the strides and the padding."""

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, *output_shape)``."""
        shape = workspace["shape"] = a_prev.shape
        z = workspace.buffer("z", (len(a_prev), *self.output_shape(shape[1:])))
        self.pool(a_prev, self._numbers(shape[1:]), _as_images(z), workspace)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, C, H, W)``."""
        shape = workspace["shape"]
        grad_a_prev = workspace.passing("grad_a_prev", shape)
        self.pool_back(_as_images(delta), self._numbers(shape[1:]), grad_a_prev, workspace)
        return grad_a_prev


@dataclass(frozen=True)
class _Pool(_OnImages):
    """The windows of a pool."""

    kernel: Size = 2
    _: KW_ONLY
    stride: Size | None = None
    padding: Padding = "valid"

    def _windows(self, input_shape: Shape) -> Windows:
        return windows(input_shape, self.kernel, self.stride or self.kernel, self.padding)

    def _numbers(self, input_shape: Shape) -> tuple[int, ...]:
        return *pair(self.kernel), *self._windows(input_shape).numbers[:4]

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(C, rows, columns)``."""
        found = self._windows(input_shape)
        pads = found.numbers[2:4]
        if any(pad >= size for pad, size in zip(pads, pair(self.kernel), strict=True)):
            raise ShapeError(
                f"expected padding smaller than the kernel {pair(self.kernel)}, so that every window sees a pixel, got "
                f"{pads}."
            )
        return (input_shape[0], *found.grid)


class _Largest(Layer):
    """Forward and backward of the largest pixel of windows."""

    activation = Identity()

    @abstractmethod
    def _numbers(self, input_shape: Shape) -> tuple[int, ...]:
        """Return the numbers of the operation: kernel, stride and padding."""

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, *output_shape)``."""
        shape = (len(a_prev), *self.output_shape(a_prev.shape[1:]))
        z, place = workspace.buffer("z", shape), workspace.buffer("place", shape)
        image_operations.max_pool2d(a_prev, *self._numbers(a_prev.shape[1:]), _as_images(z), _as_images(place))
        workspace["place"], workspace["shape"] = place, a_prev.shape
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, C, H, W)``: δ at the pixels that were taken, else 0."""
        place, shape = workspace["place"], workspace["shape"]
        grad_a_prev = workspace.passing("grad_a_prev", shape)
        own = _as_images(delta), _as_images(place)
        image_operations.max_pool2d_gradient(*own, *self._numbers(shape[1:]), grad_a_prev)
        return grad_a_prev


class _Average(Layer):
    """Forward and backward of a mean over windows."""

    activation = Identity()

    @abstractmethod
    def _numbers(self, input_shape: Shape) -> tuple[int, ...]:
        """Return the numbers of the operation: kernel, stride and padding."""

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, *output_shape)``."""
        workspace["shape"] = shape = a_prev.shape
        z = workspace.buffer("z", (len(a_prev), *self.output_shape(shape[1:])))
        image_operations.avg_pool2d(a_prev, *self._numbers(shape[1:]), _as_images(z))
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, C, H, W)``: to each pixel its shares of δ."""
        shape = workspace["shape"]
        grad_a_prev = workspace.passing("grad_a_prev", shape)
        image_operations.avg_pool2d_gradient(_as_images(delta), *self._numbers(shape[1:]), grad_a_prev)
        return grad_a_prev


def _as_images(array: Array) -> Array:
    """Return the view of an array as images, of one pixel if it has no axes for rows and columns."""
    return array[:, :, None, None] if array.ndim == 2 else array


@dataclass(frozen=True)
class MaxPool2D(Largest, _Pool):
    """The largest pixel of each window, for each channel.

    | z_cyx = max_ij a_c,(ys + i − p),(xs + j − p)
    | ∂C/∂a_crq = Σ δ_cyx over all windows whose largest pixel is (r, q), of equal ones the first

    s is the stride, p the padding before the image.

    Parameters
    ----------
    kernel
        Rows and columns of a window, 1 or more: one number for both, or two; 2 by default.
    stride
        Pixels from one window to the next, 1 or more; by default those of the kernel.
    padding
        ``"valid"``, the default: none. ``"same"``: z has 1/stride of the pixels, rounded up. A number: rows and columns
        on each side, or two; less than the kernel.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)`` or smaller than the kernel, and for
        padding as large as the kernel.

    Notes
    -----
    Padding is never the largest. What is beyond the last whole window does not count.

    References
    ----------
    Y.-T. Zhou, R. Chellappa (1988), *Computation of optical flow using a neural network*.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([MaxPool2D()], input_shape=(1, 2, 4))
    >>> model.predict([[[[1, 2, 5, 3], [4, 0, 6, 7]]]]).tolist()
    [[[[4.0, 7.0]]]]
    """


@dataclass(frozen=True)
class AvgPool2D(Average, _Pool):
    """The mean of each window, for each channel.

    | z_cyx = 1/m_yx Σ_ij a_c,(ys + i − p),(xs + j − p), where m_yx is the number of pixels that window (y, x) sees
    | ∂C/∂a_crq = Σ δ_cyx / m_yx over all windows that see pixel (r, q)

    s is the stride, p the padding before the image.

    Parameters
    ----------
    kernel
        Rows and columns of a window, 1 or more: one number for both, or two; 2 by default.
    stride
        Pixels from one window to the next, 1 or more; by default those of the kernel.
    padding
        ``"valid"``, the default: none. ``"same"``: z has 1/stride of the pixels, rounded up. A number: rows and columns
        on each side, or two; less than the kernel.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)`` or smaller than the kernel, and for
        padding as large as the kernel.

    Notes
    -----
    Padding does not count, as in Keras and with ``count_include_pad=False`` in PyTorch.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), *Gradient-based learning applied to document recognition*,
    section II, the sub-sampling layers.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([AvgPool2D()], input_shape=(1, 2, 4))
    >>> model.predict([[[[1, 2, 5, 3], [4, 1, 6, 6]]]]).tolist()
    [[[[2.0, 5.0]]]]
    """


class _Whole(_OnImages):
    """One window, which is as large as the image."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(C,)``."""
        require_image(input_shape)
        return input_shape[:1]

    def _numbers(self, input_shape: Shape) -> tuple[int, ...]:
        return *input_shape[1:], 1, 1, 0, 0


@dataclass(frozen=True)
class GlobalAvgPool(Average, _Whole):
    """The mean of each channel over the whole image.

    | z_c = 1/(H W) Σ_rq a_crq
    | ∂C/∂a_crq = δ_c / (H W)

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)``.

    References
    ----------
    M. Lin, Q. Chen, S. Yan (2013), *Network in network*, section 3.2.

    Examples
    --------
    >>> GlobalAvgPool().output_shape((16, 8, 8))
    (16,)
    """


@dataclass(frozen=True)
class GlobalMaxPool(Largest, _Whole):
    """The largest pixel of each channel.

    | z_c = max_rq a_crq
    | ∂C/∂a_crq = δ_c where (r, q) is the largest pixel, of equal ones the first, else 0

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)``.

    References
    ----------
    M. Oquab, L. Bottou, I. Laptev, J. Sivic (2015), *Is object localization for free?*, section 3.

    Examples
    --------
    >>> GlobalMaxPool().output_shape((16, 8, 8))
    (16,)
    """
