"""Layers that change images at random in training, and hand them on as they are otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.ops.noise import uniform
from nnfw.protocols import Layer, Shape
from nnfw_standard import augmentation_operations, image_operations
from nnfw_standard.activations import Identity
from nnfw_standard.layers.sliding import Size, pair, require_image

_Most = Annotated[int, Ge(0)] | tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0)]]


@dataclass(frozen=True)
class RandomFlip(Layer):
    """In training, mirrors each image with probability `rate`.

    | z_cyx = a_cy,(W − 1 − x), or a_c,(H − 1 − y),x for `axis` "vertical", with probability `rate`; in training
    | z = a_prev otherwise
    | ∂C/∂a_prev is δ, mirrored where the image was

    Parameters
    ----------
    axis
        ``"horizontal"``, the default: left and right change places; ``"vertical"``: top and bottom.
    rate
        The probability, from 0 to 1; ½ by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)``.

    Notes
    -----
    One draw for each image, from the noise of the training: a resumed training gives the same bits.

    Examples
    --------
    >>> import nnfw
    >>> workspace = nnfw.Workspace(rng=np.random.default_rng(0), training=True)
    >>> RandomFlip(rate=1.0).forward({}, np.array([[[[1.0, 2.0, 3.0]]]], np.float32), workspace).tolist()
    [[[[3.0, 2.0, 1.0]]]]
    """

    axis: Literal["horizontal", "vertical"] = "horizontal"
    _: KW_ONLY
    rate: Annotated[float, Ge(0), Le(1)] = 0.5

    activation = Identity()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        require_image(input_shape)
        return input_shape

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, shaped like `a_prev`."""
        if not workspace.training:
            workspace["u"] = None
            return a_prev
        u, z = workspace.buffer("u", a_prev.shape[:1], np.float32), workspace.buffer("z", a_prev.shape)
        uniform(workspace.rng, u)
        augmentation_operations.flip2d(a_prev, u, self.rate, self.axis == "vertical", z)
        workspace["u"] = u
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev: δ, mirrored where the image was."""
        u: Array | None = workspace["u"]
        if u is None:
            return delta
        grad_a_prev = workspace.passing("grad_a_prev", delta.shape)
        augmentation_operations.flip2d(delta, u, self.rate, self.axis == "vertical", grad_a_prev)
        return grad_a_prev


class _RandomWindow(Layer):
    """A window of each image, at a random place in training."""

    activation = Identity()

    @staticmethod
    def _window(
        a_prev: Array, shape: Shape, count: tuple[int, int], most: tuple[int, int], workspace: Workspace
    ) -> Array:
        """Return windows ``(N, *shape)``, in one of `count` places down and across, from −`most` on."""
        u, places = (workspace.buffer(name, (len(a_prev), 2), np.float32) for name in ("u", "places"))
        z = workspace.buffer("z", (len(a_prev), *shape))
        uniform(workspace.rng, u)
        augmentation_operations.random_places(u, *count, *most, places)
        augmentation_operations.window2d(a_prev, places, z)
        workspace["shape"], workspace["places"] = a_prev.shape, places
        return z

    @staticmethod
    def _window_gradient(delta: Array, workspace: Workspace) -> Array:
        """Return ∂C/∂a_prev, ``(N, C, H, W)``: δ at the pixels of each window, 0 elsewhere."""
        grad_a_prev = workspace.passing("grad_a_prev", workspace["shape"])
        augmentation_operations.window2d_gradient(delta, workspace["places"], grad_a_prev)
        return grad_a_prev


@dataclass(frozen=True)
class RandomShift(_RandomWindow):
    """In training, moves each image by up to `most` pixels; what comes in is 0.

    | z_cyx = a_c,(y + p),(x + q) or 0 beyond the image, p and q from −`most` to `most`, all alike likely; in training
    | z = a_prev otherwise
    | ∂C/∂a_crq' = δ_c,(r − p),(q' − q), or 0

    Parameters
    ----------
    most
        Pixels, 0 or more: one number for rows and columns, or two; 1 by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)``.

    Notes
    -----
    One draw for each image, from the noise of the training: a resumed training gives the same bits. It suits images
    whose background is 0.

    Examples
    --------
    >>> import nnfw
    >>> workspace = nnfw.Workspace(rng=np.random.default_rng(1), training=True)
    >>> RandomShift((0, 1)).forward({}, np.array([[[[1.0, 2.0, 3.0]]]] * 3, np.float32), workspace)[:, 0, 0].tolist()
    [[1.0, 2.0, 3.0], [2.0, 3.0, 0.0], [0.0, 1.0, 2.0]]
    """

    most: _Most = 1

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        require_image(input_shape)
        return input_shape

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, shaped like `a_prev`."""
        if not workspace.training:
            workspace["places"] = None
            return a_prev
        most_y, most_x = pair(self.most)
        return self._window(a_prev, a_prev.shape[1:], (2 * most_y + 1, 2 * most_x + 1), (most_y, most_x), workspace)

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev: δ, moved back."""
        return delta if workspace["places"] is None else self._window_gradient(delta, workspace)


@dataclass(frozen=True)
class RandomCrop(_RandomWindow):
    """A part of each image: at a random place in training, else from the middle.

    | z_cyx = a_c,(y + p),(x + q), with 0 ≤ p ≤ H − h and 0 ≤ q ≤ W − w, all alike likely; in training
    | p = ⌊(H − h)/2⌋ and q = ⌊(W − w)/2⌋ otherwise
    | ∂C/∂a_crq' = δ_c,(r − p),(q' − q), or 0 beyond the part

    Parameters
    ----------
    size
        h and w, 1 or more: one number for both, or two.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)``, or smaller than the part.

    Notes
    -----
    One draw for each image, from the noise of the training: a resumed training gives the same bits. After a `zero_pad`
    it is the crop of He et al. (2016), *Deep residual learning for image recognition*, section 4.2.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([RandomCrop((1, 2))], input_shape=(1, 1, 4))
    >>> model.predict([[[[1.0, 2.0, 3.0, 4.0]]]]).tolist()
    [[[[2.0, 3.0]]]]
    """

    size: Size

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the part."""
        require_image(input_shape)
        (channels, height, width), (h, w) = input_shape, pair(self.size)
        if h > height or w > width:
            raise ShapeError(
                f"expected an image of at least {h} x {w} pixels, got {height} x {width}. Choose a smaller size."
            )
        return channels, h, w

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, C, h, w)``."""
        shape = self.output_shape(a_prev.shape[1:])
        if workspace.training:
            h, w = shape[1:]
            return self._window(a_prev, shape, (a_prev.shape[2] - h + 1, a_prev.shape[3] - w + 1), (0, 0), workspace)
        workspace["shape"], workspace["places"] = a_prev.shape, None
        z = workspace.buffer("z", (len(a_prev), *shape))
        image_operations.crop2d(a_prev, *self._middle(a_prev.shape), z)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, C, H, W)``: δ at the pixels of the part, 0 elsewhere."""
        if workspace["places"] is not None:
            return self._window_gradient(delta, workspace)
        grad_a_prev = workspace.passing("grad_a_prev", workspace["shape"])
        image_operations.pad2d(delta, *self._middle(workspace["shape"]), grad_a_prev)
        return grad_a_prev

    def _middle(self, shape: Shape) -> tuple[int, int]:
        """Return row and column where the part in the middle of images ``(N, C, H, W)`` begins."""
        h, w = pair(self.size)
        return (shape[2] - h) // 2, (shape[3] - w) // 2


@dataclass(frozen=True)
class GaussianNoise(Layer):
    """In training, adds normal noise to each number.

    | z = a_prev + ε, ε ~ N(0, deviation²); in training
    | z = a_prev otherwise
    | ∂C/∂a_prev = δ

    Parameters
    ----------
    deviation
        Standard deviation of the noise, in the unit of the input, 0 or more; 0.1 by default.

    Notes
    -----
    Drawn from the noise of the training: a resumed training gives the same bits. The noise has 24 random bits and is at
    most 5.8 deviations.

    References
    ----------
    C. M. Bishop (1995), *Training with noise is equivalent to Tikhonov regularization*; G. E. P. Box, M. E. Muller
    (1958), *A note on the generation of random normal deviates*.

    Examples
    --------
    >>> import nnfw
    >>> workspace = nnfw.Workspace(rng=np.random.default_rng(0), training=True)
    >>> z = GaussianNoise(0.5).forward({}, np.zeros((1, 10_000), np.float32), workspace)
    >>> round(float(z.std()), 1)
    0.5
    """

    deviation: Annotated[float, Ge(0)] = 0.1

    activation = Identity()
    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        return input_shape

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, shaped like `a_prev`."""
        if not workspace.training or self.deviation == 0:
            return a_prev
        u, v = (workspace.buffer(name, a_prev.shape, np.float32) for name in "uv")
        z = workspace.buffer("z", a_prev.shape)
        uniform(workspace.rng, u)
        uniform(workspace.rng, v)
        augmentation_operations.add_normal(a_prev, u, v, self.deviation, z)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return δ."""
        return delta
