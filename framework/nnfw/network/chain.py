"""The chain of layers: forward propagation, and the backward pass that chains each layer's δ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import MinLen
from numpy.typing import NDArray

from nnfw.errors import PluginError, ShapeError
from nnfw.network.parameters import Scope
from nnfw.network.workspace import ACTIVATION, Workspace
from nnfw.plugins import default_registry
from nnfw.protocols import Activation, Layer, Parameter, Shape

Array = NDArray[Any]


@dataclass(frozen=True)
class Chain(Layer):
    """Layers one after the other, which together are a layer.

    Forward, for l = 1 … L: z^l from a^(l−1), and a^l = σ^l(z^l).
    Backward, for l = L … 1, from δ^L (Equation 1, which :class:`~nnfw.network.Objective` gives):
    ∇_w C and ∇_b C (Equations 4 and 3), and δ^(l−1) = ((w^l)^T δ^l) ⊙ σ'(z^(l−1)) (Equation 2).

    Its own activation is that of its last layer, so a chain in a chain changes nothing.

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

    layers: Annotated[tuple[Layer | str, ...], MinLen(1)]

    @property
    def activation(self) -> Activation:  # type: ignore[override]
        """The activation of the last layer."""
        return self._layers[-1].activation  # type: ignore[return-value]

    @property
    def _layers(self) -> tuple[Layer, ...]:
        return self.layers  # type: ignore[return-value]  # names are resolved before any method runs

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the last layer's z for one example.

        Raises
        ------
        ShapeError
            If a layer refuses the shape it would get; names it and the layer before.
        """
        return self.shapes(input_shape)[-1]

    def shapes(self, input_shape: Shape) -> list[Shape]:
        """Return the shapes of all activations of one example: that of x, then of each layer.

        Raises
        ------
        ShapeError
            As :meth:`output_shape`.
        """
        shapes = [input_shape]
        for index, layer in enumerate(self._layers):
            try:
                shapes.append(layer.output_shape(shapes[-1]))
            except ShapeError as error:
                source = self.name(index - 1) if index else "the input"
                raise ShapeError(f"{self.name(index)}: {error} The shape {shapes[-1]} comes from {source}.") from error
        return shapes

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Return the parameters of all layers as ``layers.<i>.<name>``."""
        return {
            f"layers.{index}.{name}": parameter
            for index, (layer, shape) in enumerate(zip(self._layers, self.shapes(input_shape)[:-1], strict=True))
            for name, parameter in layer.parameters(shape).items()
        }

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z^L of shape ``(N, *output_shape)`` for a^0 = `a_prev`."""
        scope = Scope.of(params)
        a = a_prev
        for index, layer in enumerate(self._layers):
            memory = self.memory(index, workspace)
            z = layer.forward(scope.layer(index), a, memory)
            if memory.first_time("forward", a.shape):
                self._check(index, "forward", z, (len(a), *layer.output_shape(a.shape[1:])), memory)
            if index < len(self.layers) - 1:
                a = self.activate(index, z, workspace)
        return z

    def activate(self, index: int, z: Array, workspace: Workspace) -> Array:
        """Return a = σ(z) of one layer, and keep both for :meth:`backward`."""
        memory = self.memory(index, workspace)
        a = self._layers[index].activation.forward(z, memory.child(ACTIVATION))  # type: ignore[union-attr]
        if memory.first_time("activation", z.shape):
            self._check(index, "activation", a, z.shape, memory)
        memory["z"], memory["a"] = z, a
        return a

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a^0 for δ^L = `delta`, and fill the gradients of every layer."""
        params, grads = Scope.of(params), Scope.of(grads)
        for index in reversed(range(len(self.layers))):
            memory = self.memory(index, workspace)
            memory["delta"] = delta
            grad_a = self._layers[index].backward(params.layer(index), delta, grads.layer(index), memory)
            if index:
                delta = self.delta(index - 1, grad_a, workspace)
        return grad_a

    def delta(self, index: int, grad_a: Array | None, workspace: Workspace) -> Array:
        """Return δ = ∂C/∂a ⊙ σ'(z) of one layer, where ∂C/∂a = (w^(l+1))^T δ^(l+1) comes from the layer after it."""
        memory = self.memory(index, workspace)
        z, a = memory["z"], memory["a"]
        first = memory.first_time("delta", z.shape)
        if first:
            self._check(index + 1, "backward", grad_a, z.shape, memory)
        delta = self._layers[index].activation.delta(grad_a, z, a, memory.child(ACTIVATION))  # type: ignore[union-attr, arg-type]
        if first:
            self._check(index, "activation's delta", delta, z.shape, memory)
        return delta

    def name(self, index: int) -> str:
        """Return how messages name a layer: ``Layer 1 'dense' (built-in)``."""
        return f"Layer {index} {default_registry().label('layer', self.layers[index])}"

    def memory(self, index: int, workspace: Workspace) -> Workspace:
        """Return the workspace of one layer within that of the chain."""
        return workspace.child(index, needs_input_gradient=index > 0 or workspace.needs_input_gradient)

    def _check(self, index: int, method: str, result: Any, shape: Shape, memory: Workspace) -> None:
        """Refuse a result of a plugin that would break the layers after it; run once for each shape of batch."""
        found = getattr(result, "shape", None)
        if found != shape:
            what = f"shape {found}" if found is not None else f"{type(result).__name__}"
            raise PluginError(f"{self.name(index)}: {method} returned {what}, expected an array of shape {shape}.")
        if result.dtype != memory.dtype:
            raise PluginError(
                f"{self.name(index)}: {method} returned {result.dtype}, expected {memory.dtype}, the network's dtype."
            )
