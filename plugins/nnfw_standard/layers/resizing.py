"""Layers that make images larger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.protocols import Layer, Shape
from nnfw_standard import image_operations
from nnfw_standard.activations import Identity
from nnfw_standard.layers.sliding import Size, pair, require_image

_Sides = tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0)], Annotated[int, Ge(0)], Annotated[int, Ge(0)]]


@dataclass(frozen=True)
class ZeroPad(Layer):
    """Rows and columns of 0 around an image.

    | z_c,(r + t),(q + l) = a_crq, and 0 elsewhere, for t rows above and l columns on the left
    | ∂C/∂a_crq = δ_c,(r + t),(q + l)

    Parameters
    ----------
    padding
        Rows and columns on each side, 0 or more: one number for all, or four for above, below, left and right.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)``.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([ZeroPad((1, 0, 0, 2))], input_shape=(1, 1, 2))
    >>> model.predict([[[[1.0, 2.0]]]]).tolist()
    [[[[0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0]]]]
    """

    padding: Annotated[int, Ge(0)] | _Sides

    activation = Identity()

    def _sides(self) -> tuple[int, int, int, int]:
        return (self.padding,) * 4 if isinstance(self.padding, int) else self.padding

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with the further rows and columns."""
        require_image(input_shape)
        (channels, height, width), (top, bottom, left, right) = input_shape, self._sides()
        return channels, top + height + bottom, left + width + right

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, C, rows, columns)``."""
        workspace["shape"] = a_prev.shape
        z = workspace.buffer("z", (len(a_prev), *self.output_shape(a_prev.shape[1:])))
        top, _, left, _ = self._sides()
        image_operations.pad2d(a_prev, top, left, z)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, C, H, W)``: δ without the padding."""
        grad_a_prev = workspace.passing("grad_a_prev", workspace["shape"])
        top, _, left, _ = self._sides()
        image_operations.crop2d(delta, top, left, grad_a_prev)
        return grad_a_prev


@dataclass(frozen=True)
class Upsample(Layer):
    """Every pixel several times: the nearest neighbour in a larger image.

    | z_cyx = a_c,⌊y/s⌋,⌊x/s⌋
    | ∂C/∂a_crq = Σ δ_cyx over the copies of the pixel: ⌊y/s⌋ = r and ⌊x/s⌋ = q

    Parameters
    ----------
    factor
        s, 1 or more: one number for rows and columns, or two; 2 by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that is no image ``(C, H, W)``.

    References
    ----------
    A. Odena, V. Dumoulin, C. Olah (2016), *Deconvolution and checkerboard artifacts*: resize, then convolve.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([Upsample((1, 2))], input_shape=(1, 1, 2))
    >>> model.predict([[[[1.0, 2.0]]]]).tolist()
    [[[[1.0, 1.0, 2.0, 2.0]]]]
    """

    factor: Size = 2

    activation = Identity()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with `factor` times the rows and columns."""
        require_image(input_shape)
        (channels, height, width), (factor_y, factor_x) = input_shape, pair(self.factor)
        return channels, height * factor_y, width * factor_x

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, C, rows, columns)``."""
        workspace["shape"] = a_prev.shape
        z = workspace.buffer("z", (len(a_prev), *self.output_shape(a_prev.shape[1:])))
        image_operations.upsample2d(a_prev, *pair(self.factor), z)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, ``(N, C, H, W)``: the sums over the copies."""
        grad_a_prev = workspace.passing("grad_a_prev", workspace["shape"])
        image_operations.upsample2d_gradient(delta, *pair(self.factor), grad_a_prev)
        return grad_a_prev
