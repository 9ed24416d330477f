"""Checks that components return what their protocols require.

A wrong shape or dtype would cause wrong parameters, or an error far from its cause. The equations of the chain contain
no checks: the chain keeps every result, and the results are checked after the pass. Replayed training steps are checked
by the tape (:mod:`nnfw.ops.tape`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnfw.arrays import Shape
from nnfw.errors import NnfwError, PluginError, class_name, short
from nnfw.network.chain import Chain
from nnfw.network.objective import Objective
from nnfw.plugins import Registry
from nnfw.protocols import Cost, Layer
from nnfw.workspace import LAYER, Workspace


def require_activations(chain: Chain, registry: Registry) -> None:
    """Raise PluginError for a layer whose `activation` attribute is not an activation."""
    for index, layer in enumerate(chain.layers):
        if type(layer) is Chain:
            require_activations(layer, registry)
        elif not (hasattr(layer, "activation") and hasattr(layer.activation, "forward")):
            found = short(getattr(layer, "activation", None))
            label = registry.label("layer", layer)
            raise PluginError(f"Layer {index} {label}: its activation is {found}, expected an activation.")


class Verification:
    """Checks every result of a pass in its body, even if the pass failed.

    Parameters
    ----------
    chain, input_shape, workspace
        The layers, the shape of one example, and the workspace of the pass.
    registry
        Names the components.
    objective
        The cost, if the pass goes backward too.
    """

    def __init__(
        self,
        chain: Chain,
        input_shape: Shape,
        workspace: Workspace,
        registry: Registry,
        objective: Objective | None = None,
    ) -> None:
        forward = list(_forward(chain, input_shape, workspace))
        self._results = [*forward, *_backward(forward, objective)]
        self._memories = [result.memory for result in forward if result.key == "z"]
        self._registry, self._count = registry, 0

    def of(self, count: int) -> Verification:
        """Return itself, for a pass of `count` examples."""
        self._count = count
        return self

    def __enter__(self) -> None:
        """Drop the results of the previous pass."""
        for memory in self._memories:
            memory.forget_own()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Check the results.

        Raises
        ------
        PluginError
            For the first result of wrong shape or dtype; names the component.
        """
        if error is None:
            count = self._count
            for result in self._results:
                found = result.memory.get(result.key)
                is_array = type(found) is np.ndarray and found.dtype == result.memory.dtype
                if not is_array or found.shape[:1] != (count,) or found.shape[1:] != result.shape:
                    self._blame(None)
        elif isinstance(error, Exception) and not isinstance(error, NnfwError):
            self._blame(error)

    def _blame(self, cause: Exception | None) -> None:
        for result in self._results:
            shape = (self._count, *result.shape)
            problem = _problem(result.memory.get(result.key, _NOTHING), shape, result.memory.dtype)
            if problem:
                raise PluginError(f"{result.author(self._registry)} returned {problem}, {result.meaning}.") from cause
            if result.key not in result.memory:
                return  # the pass ended here


@dataclass(frozen=True, eq=False, slots=True)
class _Result:
    """A result that a component must leave in a workspace.

    Parameters
    ----------
    places
        The layer and the chains around it, outermost first, each with its position.
    key, memory, shape, meaning
        Its key, its workspace, its shape for one example, and the reason for that shape.
    method
        The method that returns it.
    cost
        The cost, if the method is the cost's.
    activates
        Whether the method is that of the layer's activation.
    """

    places: tuple[tuple[int, Layer], ...]
    key: str
    memory: Workspace
    shape: Shape
    meaning: str
    method: str
    cost: Cost | None = None
    activates: bool = False

    def author(self, registry: Registry) -> str:
        """Return the component and the method that returned it."""
        if self.cost is not None:
            return f"Cost {registry.label('cost', self.cost)}: {self.method}"
        layers = ", layer ".join(f"{index} {registry.label('layer', layer)}" for index, layer in self.places)
        if self.activates:
            activation = registry.label("activation", self.places[-1][1].activation)
            return f"Layer {layers}: {self.method} of its activation {activation}"
        return f"Layer {layers}: {self.method}"


def _forward(
    chain: Chain, input_shape: Shape, workspace: Workspace, outside: tuple[tuple[int, Layer], ...] = ()
) -> Iterator[_Result]:
    """Yield the results of a forward pass in order: z, then a of each layer, inner layers first."""
    for index, (layer, before, shape) in enumerate(_steps(chain, input_shape)):
        places, memory = (*outside, (index, layer)), chain.workspace_of(index, workspace)
        if type(layer) is Chain:
            yield from _forward(layer, before, memory.child(LAYER), places)
        yield _Result(places, "z", memory, shape, "the shape that output_shape declares", "forward")
        if not outside or index < len(chain.layers) - 1:  # the last inner activation is the chain's own
            yield _Result(places, "a", memory, shape, "the shape of z", "forward", activates=True)


def _backward(forward: list[_Result], objective: Objective | None) -> Iterator[_Result]:
    """Yield the results of the backward pass, from the output layer down."""
    if objective is None:
        return
    after: _Result | None = None
    of_gradient, of_z = "the shape of the activation before it", "the shape of z"
    for result in (item for item in reversed(forward) if item.key == "a"):
        if after is not None:
            yield _Result(after.places, "grad_a", result.memory, result.shape, of_gradient, "backward")
        elif not objective.canonical:
            yield replace(result, key="grad_a", meaning=of_gradient, method="gradient", cost=objective.cost)
        if after is None and objective.canonical:
            yield replace(result, key="delta", meaning=of_z, method="canonical_delta", cost=objective.cost)
        else:
            yield replace(result, key="delta", meaning=of_z, method="delta")
        after = result


def _steps(chain: Chain, input_shape: Shape) -> Iterator[tuple[Layer, Shape, Shape]]:
    shapes = chain.shapes(input_shape)
    return zip(chain.layers, shapes[:-1], shapes[1:], strict=True)


_NOTHING = object()


def _problem(result: Any, shape: Shape, dtype: np.dtype[Any]) -> str:
    if result is _NOTHING:
        return ""
    if not isinstance(result, np.ndarray):
        return f"{class_name(result)}, expected an array of shape {shape}"
    if result.shape != shape:
        return f"shape {result.shape}, expected {shape}"
    return f"{result.dtype}, expected {dtype}, the network's dtype, in shape {shape}" if result.dtype != dtype else ""
