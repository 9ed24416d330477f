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
        forward = list(_forward(chain, input_shape, workspace, registry))
        self._results = [*forward, *_backward(forward, objective, registry)]
        self._workspaces = [result.workspace for result in forward if result.key == "z"]
        self._count = 0

    def of(self, count: int) -> Verification:
        """Return itself, for a pass of `count` examples."""
        self._count = count
        return self

    def __enter__(self) -> None:
        """Drop the results of the previous pass."""
        for workspace in self._workspaces:
            workspace.forget_own()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Check the results.

        PluginError for the first result of wrong shape or dtype; names the component.
        """
        if error is None:
            count = self._count
            for result in self._results:
                found = result.workspace.get(result.key)
                is_array = type(found) is np.ndarray and found.dtype == result.workspace.dtype
                if not is_array or found.shape[:1] != (count,) or found.shape[1:] != result.shape:
                    self._blame(None)
        elif isinstance(error, Exception) and not isinstance(error, NnfwError):
            self._blame(error)

    def _blame(self, cause: Exception | None) -> None:
        for result in self._results:
            shape = (self._count, *result.shape)
            problem = _problem(result.workspace.get(result.key, _NOTHING), shape, result.workspace.dtype)
            if problem:
                author = f"{result.owner}: {result.method}{result.activation}"
                raise PluginError(f"{author} returned {problem}, {result.meaning}.") from cause
            if result.key not in result.workspace:
                return  # the pass ended here


@dataclass(frozen=True, eq=False, slots=True)
class _Result:
    """A result that a component must leave in a workspace: its key, shape for one example, and reason for that shape.

    `owner` is the layer or the cost; `activation` names the layer's activation if the method belongs to that.
    """

    owner: str
    method: str
    key: str
    workspace: Workspace
    shape: Shape
    meaning: str
    activation: str = ""


def _forward(
    chain: Chain, input_shape: Shape, workspace: Workspace, registry: Registry, outside: str = ""
) -> Iterator[_Result]:
    """Yield the results of a forward pass in order: z, then a of each layer, inner layers first."""
    shapes = chain.shapes(input_shape)
    for index, layer in enumerate(chain.layers):
        shape, own = shapes[index + 1], chain.workspace_of(index, workspace)
        owner = f"{outside or 'Layer '}{index} {registry.label('layer', layer)}"
        if type(layer) is Chain:
            yield from _forward(layer, shapes[index], own.child(LAYER), registry, f"{owner}, layer ")
        yield _Result(owner, "forward", "z", own, shape, "the shape that output_shape declares")
        if not outside or index < len(chain.layers) - 1:  # the last inner activation is the chain's own
            activation = f" of its activation {registry.label('activation', layer.activation)}"
            yield _Result(owner, "forward", "a", own, shape, _OF_Z, activation)


def _backward(forward: list[_Result], objective: Objective | None, registry: Registry) -> Iterator[_Result]:
    """Yield the results of the backward pass, from the output layer down."""
    if objective is None:
        return
    cost, after = f"Cost {registry.label('cost', objective.cost)}", ""
    for result in (item for item in reversed(forward) if item.key == "a"):
        workspace, shape = result.workspace, result.shape
        if not after and objective.canonical:
            yield _Result(cost, "canonical_delta", "delta", workspace, shape, _OF_Z)
        else:
            owner, method = (after, "backward") if after else (cost, "gradient")
            yield _Result(owner, method, "grad_a", workspace, shape, "the shape of the activation before it")
            yield replace(result, key="delta", method="delta")
        after = result.owner


_OF_Z = "the shape of z"
_NOTHING = object()


def _problem(result: Any, shape: Shape, dtype: np.dtype[Any]) -> str:
    if result is _NOTHING:
        return ""
    if not isinstance(result, np.ndarray):
        return f"{class_name(result)}, expected an array of shape {shape}"
    if result.shape != shape:
        return f"shape {result.shape}, expected {shape}"
    return f"{result.dtype}, expected {dtype}, the network's dtype, in shape {shape}" if result.dtype != dtype else ""
