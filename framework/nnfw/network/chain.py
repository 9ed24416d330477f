"""The chain of layers: forward and backward propagation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Annotated, Any

from annotated_types import MinLen

from nnfw.arrays import Array, Shape
from nnfw.errors import PluginError, ShapeError, class_name, short
from nnfw.network.parameters import Scope
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Activation, Layer, Parameter, activation_of
from nnfw.step import asks_step
from nnfw.workspace import ACTIVATION, LAYER
from nnfw.workspace import Workspace as Workspace  # re-exported


def is_shape(value: Any) -> bool:
    """Return whether a value is a shape: a tuple of whole numbers."""
    return isinstance(value, tuple) and all(isinstance(size, Integral) and int(size) >= 0 for size in value)


def _class_name(layer: Any) -> str:
    return repr(class_name(layer))


def _declared(layer: Layer, input_shape: Shape) -> Mapping[str, Parameter]:
    """Return the parameters that a layer declares; PluginError if they are not a mapping of Parameters."""
    declared: Any = layer.parameters(input_shape)
    if not isinstance(declared, Mapping) or not all(isinstance(name, str) for name in declared):
        raise wrong_result(layer, "parameters", declared, "a dictionary of Parameter objects by name")
    for name, parameter in declared.items():
        if not isinstance(parameter, Parameter) or not is_shape(parameter.shape):
            raise wrong_result(
                layer, f"parameters[{short(name)}]", parameter, "a Parameter whose shape is whole numbers"
            )
        if not hasattr(parameter.initializer, "sample"):
            raise wrong_result(layer, f"parameters[{short(name)}].initializer", parameter.initializer, "an initializer")
    return declared


@dataclass(frozen=True)
class Chain(Layer):
    """A sequence of layers that is itself a layer.

    Forward, for l = 1 … L: z^l from a^(l−1), and a^l = σ^l(z^l).
    Backward, for l = L … 1, from δ^L (Equation 1, from :class:`~nnfw.network.Objective`):
    ∇_w C and ∇_b C (Equations 4 and 3), and δ^(l−1) = ((w^l)^T δ^l) ⊙ σ'(z^(l−1)) (Equation 2).

    Its activation is that of its last layer, so nesting chains changes nothing.

    Parameters
    ----------
    layers
        At least one layer.

    References
    ----------
    A. Mehrotra (2020), *Neural Networks*, sections 1 and 2.

    Examples
    --------
    >>> from nnfw_standard import Dense
    >>> Chain((Dense(30), Dense(10))).output_shape((784,))
    (10,)
    """

    layers: Annotated[tuple[Layer, ...], MinLen(1)]

    @property
    def activation(self) -> Activation:  # type: ignore[override]
        """The activation of the last layer."""
        return self._activation(len(self.layers) - 1)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the last layer's z for one example.

        ShapeError if a layer rejects its input shape; names it and the layer before.
        """
        return self.shapes(input_shape)[-1]

    def shapes(self, input_shape: Shape, label: Callable[[Any], str] = _class_name) -> list[Shape]:
        """Return the shapes for one example: of x, then of each layer's activation.

        Parameters
        ----------
        input_shape
            Shape of x.
        label
            Names a layer in messages.

        Raises
        ------
        ShapeError
            As :meth:`output_shape`.
        PluginError
            If a layer's `output_shape` does not return a shape.
        """
        shapes = [input_shape]
        for index, layer in enumerate(self.layers):
            try:
                shape = layer.output_shape(shapes[-1])
            except ShapeError as error:
                source = f"Layer {index - 1} {label(self.layers[index - 1])}" if index else "the input"
                raise ShapeError(
                    f"Layer {index} {label(layer)}: {error} The shape {shapes[-1]} comes from {source}."
                ) from error
            if not is_shape(shape):
                raise PluginError(
                    f"Layer {index} {label(layer)}: output_shape returned {short(shape)}, expected a tuple of whole "
                    "numbers."
                )
            shapes.append(shape)
        return shapes

    def unfit(self, input_shape: Shape, label: Callable[[Any], str] = _class_name) -> Iterator[tuple[int, str]]:
        """Yield the position of each layer whose activation rejects the shape of its z, with the reason."""
        shapes = self.shapes(input_shape)
        for index, layer in enumerate(self.layers):
            inner = layer.unfit(shapes[index], label) if type(layer) is Chain else self._unfit(index, shapes[index + 1])
            yield from ((index, f"Layer {index} {label(layer)}: {text}") for _, text in inner)

    def _unfit(self, index: int, shape: Shape) -> Iterator[tuple[int, str]]:
        try:
            self._activation(index).require_shape(shape)
        except ShapeError as error:
            yield index, str(error)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Return the parameters of all layers as ``layers.<i>.<name>``."""
        return {
            f"layers.{index}.{name}": parameter
            for index, (layer, shape) in enumerate(zip(self.layers, self.shapes(input_shape)[:-1], strict=True))
            for name, parameter in _declared(layer, shape).items()
        }

    @asks_step
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z^L of shape ``(N, *output_shape)`` for a^0 = `a_prev`."""
        params, a, step = Scope.of(params), a_prev, workspace.step
        for index, layer in enumerate(self.layers):
            own = self.workspace_of(index, workspace)
            z = own["z"] = step(layer.forward, params.layer(index), a, own.child(LAYER))
            if index < len(self.layers) - 1:
                a = self.activate(index, workspace)
        return z

    def activate(self, index: int, workspace: Workspace) -> Array:
        """Return a = σ(z) of one layer, from the z that :meth:`forward` kept."""
        own, activation = self.workspace_of(index, workspace), self._activation(index)
        a = own["a"] = workspace.step(activation.forward, own["z"], own.child(ACTIVATION))
        return a

    @asks_step
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a^0 for δ^L = `delta`, and fill the gradients of every layer."""
        params, grads, step = Scope.of(params), Scope.of(grads), workspace.step
        for index, layer in reversed([*enumerate(self.layers)]):
            own = self.workspace_of(index, workspace)
            own["delta"] = delta
            grad_a = step(layer.backward, params.layer(index), delta, grads.layer(index), own.child(LAYER))
            if index:
                delta = self.delta(index - 1, grad_a, workspace)
        return grad_a

    def delta(self, index: int, grad_a: Array | None, workspace: Workspace) -> Array:
        """Return δ = ∂C/∂a ⊙ σ'(z) of one layer; ∂C/∂a = (w^(l+1))^T δ^(l+1) comes from the next layer."""
        own, activation = self.workspace_of(index, workspace), self._activation(index)
        z, a, own["grad_a"] = own["z"], own["a"], grad_a
        return workspace.step(activation.delta, grad_a, z, a, own.child(ACTIVATION))  # type: ignore[arg-type]

    def workspace_of(self, index: int, workspace: Workspace) -> Workspace:
        """Return the workspace of one layer, with z, a, ∂C/∂a, δ, and children for layer and activation."""
        return workspace.child(index, needs_input_gradient=index > 0 or workspace.needs_input_gradient)

    def _activation(self, index: int) -> Activation:
        return activation_of(self.layers[index])
