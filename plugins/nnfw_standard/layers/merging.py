"""Layers of several inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.ops.definitions import add, copy, multiply
from nnfw.protocols import AnyActivation, Merge, Shape


class _Elementwise(Merge):
    """Shapes of a merge element by element."""

    keeps_time = True

    def output_shape(self, input_shapes: tuple[Shape, ...]) -> Shape:
        """Return the shape that the inputs have in common."""
        if len(set(input_shapes)) > 1:
            raise ShapeError(f"expected inputs of one shape, got {' and '.join(map(str, input_shapes))}.")
        return input_shapes[0]


@dataclass(frozen=True)
class Add(_Elementwise):
    """The sum of its inputs, element by element.

    | z = Σ_k a_k
    | ∂C/∂a_k = δ

    Parameters
    ----------
    activation
        σ of the sum; identity by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for inputs of different shapes: nothing is broadcast.

    Notes
    -----
    With the identity as one of the inputs, this is the sum of a residual network.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun (2015), *Deep residual learning for image recognition*, Equation 1.

    Examples
    --------
    >>> Add().output_shape(((8,), (8,)))
    (8,)
    """

    activation: AnyActivation = "identity"

    @kernels_only
    def forward(self, params: Mapping[str, Array], inputs: tuple[Array, ...], workspace: Workspace) -> Array:
        """Return z = Σ_k a_k."""
        workspace["count"] = len(inputs)
        z = workspace.buffer("z", inputs[0].shape)
        copy(inputs[0], z)
        for other in inputs[1:]:
            add(z, other)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> tuple[Array | None, ...]:
        """Return ∂C/∂a_k = δ for each input."""
        count: int = workspace["count"]
        return (delta,) * count


@dataclass(frozen=True)
class Multiply(_Elementwise):
    """The product of its inputs, element by element.

    | z = Π_k a_k
    | ∂C/∂a_k = δ ⊙ Π_(m≠k) a_m

    Parameters
    ----------
    activation
        σ of the product; identity by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for inputs of different shapes: nothing is broadcast.

    Notes
    -----
    A product of a value and a sigmoid is a gate.

    Examples
    --------
    >>> Multiply().output_shape(((8,), (8,)))
    (8,)
    """

    activation: AnyActivation = "identity"

    @kernels_only
    def forward(self, params: Mapping[str, Array], inputs: tuple[Array, ...], workspace: Workspace) -> Array:
        """Return z = Π_k a_k."""
        workspace["inputs"] = inputs
        return _product("z", inputs, workspace)

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> tuple[Array | None, ...]:
        """Return ∂C/∂a_k = δ ⊙ Π_(m≠k) a_m for each input."""
        inputs: tuple[Array, ...] = workspace["inputs"]
        others = (inputs[:k] + inputs[k + 1 :] for k in range(len(inputs)))
        return tuple(_product(f"grad_a{k}", (delta, *factors), workspace) for k, factors in enumerate(others))


def _product(name: str, factors: tuple[Array, ...], workspace: Workspace) -> Array:
    out = workspace.buffer(name, factors[0].shape)
    copy(factors[0], out)
    for factor in factors[1:]:
        multiply(out, factor, out)
    return out


@dataclass(frozen=True)
class Concatenate(Merge):
    """Its inputs side by side, along the last axis of an example.

    | z = (a_1, a_2, ...)
    | ∂C/∂a_k = the part of δ in the place of a_k

    Parameters
    ----------
    activation
        σ of all of them; identity by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for inputs that differ in more than their last axis, or have none.

    Examples
    --------
    >>> Concatenate().output_shape(((8,), (3,)))
    (11,)
    """

    activation: AnyActivation = "identity"

    keeps_time = True

    def output_shape(self, input_shapes: tuple[Shape, ...]) -> Shape:
        """Return the shape of the inputs with the sum of their last axes."""
        if not all(input_shapes) or len({shape[:-1] for shape in input_shapes}) > 1:
            shapes = " and ".join(map(str, input_shapes))
            raise ShapeError(f"expected inputs that differ in the last axis alone, got {shapes}.")
        return (*input_shapes[0][:-1], sum(shape[-1] for shape in input_shapes))

    @kernels_only
    def forward(self, params: Mapping[str, Array], inputs: tuple[Array, ...], workspace: Workspace) -> Array:
        """Return z, each input in its place."""
        workspace["shapes"] = shapes = tuple(array.shape for array in inputs)
        z = workspace.buffer("z", (len(inputs[0]), *self.output_shape(tuple(shape[1:] for shape in shapes))))
        for array, part in zip(inputs, _parts(z, shapes), strict=True):
            copy(array, part)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> tuple[Array | None, ...]:
        """Return the part of δ for each input."""
        shapes = workspace["shapes"]
        gradients = tuple(workspace.buffer(f"grad_a{k}", shape) for k, shape in enumerate(shapes))
        for gradient, part in zip(gradients, _parts(delta, shapes), strict=True):
            copy(part, gradient)
        return gradients


def _parts(array: Array, shapes: tuple[Shape, ...]) -> list[Array]:
    """Return the views of an array in which its parts lie."""
    ends = [sum(shape[-1] for shape in shapes[: k + 1]) for k in range(len(shapes))]
    return [array[..., end - shape[-1] : end] for shape, end in zip(shapes, ends, strict=True)]
