"""Checks that components return what their protocols require.

A wrong shape or dtype would cause wrong parameters, or an error far from its cause. The equations of the graph contain
no checks: the graph keeps every result, and the results are checked after the pass. Replayed training steps are checked
by the tape (:mod:`nnfw.ops.tape`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnfw.arrays import Shape
from nnfw.errors import PluginError, class_name
from nnfw.network.graph import THROUGH, Graph
from nnfw.network.objective import Objective
from nnfw.workspace import Workspace


class Verification:
    """Checks every result of a pass in its body, even if the pass failed.

    Parameters
    ----------
    graph, shapes, workspace
        The nodes, the shapes of inputs and activations for one example, and the workspace of the pass.
    objective
        The cost, if the pass goes backward too.
    """

    def __init__(
        self, graph: Graph, shapes: Sequence[Shape], workspace: Workspace, objective: Objective | None = None
    ) -> None:
        self._results = [*_forward(graph, shapes, workspace), *_backward(graph, shapes, workspace, objective)]
        self._workspaces = list(dict.fromkeys(result.workspace for result in self._results))
        for place in graph.nodes:
            graph.workspace_of(place, workspace).belong_to(place.title)
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
                found = result.found()
                is_array = type(found) is np.ndarray and found.dtype == result.workspace.dtype
                if not is_array or found.shape[:1] != (count,) or found.shape[1:] != result.shape:
                    self._blame(None)
        elif isinstance(error, Exception):
            self._blame(error)

    def _blame(self, cause: Exception | None) -> None:
        for result in self._results:
            shape = (self._count, *result.shape)
            problem = _problem(result.found(), shape, result.workspace.dtype)
            if problem:
                author = f"{result.owner}: {result.method}{result.activation}"
                raise PluginError(f"{author} returned {problem}, {result.meaning}.") from cause
            if result.key not in result.workspace:
                return  # the pass ended here


@dataclass(frozen=True, eq=False, slots=True)
class _Result:
    """A result that a component must leave in a workspace: its key, shape for one example, and reason for that shape.

    `owner` is the layer or the cost; `activation` names the layer's activation if the method belongs to that. Of a
    result for several inputs, it is the one at `item`, of `count`.
    """

    owner: str
    method: str
    key: str
    workspace: Workspace
    shape: Shape
    meaning: str
    activation: str = ""
    item: int = 0
    count: int = 0

    def found(self) -> Any:
        """Return what the component left, or a mark for nothing."""
        found = self.workspace.get(self.key, _NOTHING)
        if not self.count or found is _NOTHING:
            return found
        if isinstance(found, tuple) and len(found) == self.count:
            return found[self.item]
        return f"{class_name(found)}, expected a tuple of {self.count} arrays"


def _forward(graph: Graph, shapes: Sequence[Shape], workspace: Workspace) -> Iterator[_Result]:
    """Yield the results of a forward pass in order: z, then a of each node."""
    for place in graph.nodes:
        own, owner, shape = graph.workspace_of(place, workspace), graph.label(place), shapes[place.position]
        yield _Result(owner, "forward", "z", own, shape, "the shape that output_shape declares")
        activation = f" of its activation {graph.registry.label('activation', place.activation)}"
        yield _Result(owner, "forward", "a", own, shape, _OF_Z, activation)


def _backward(
    graph: Graph, shapes: Sequence[Shape], workspace: Workspace, objective: Objective | None
) -> Iterator[_Result]:
    """Yield the results of the backward pass, from the last node down."""
    if objective is None:
        return
    taken = {source for place in graph.nodes for source in place.sources}
    for index in range(len(graph.nodes) - 1, -1, -1):
        place = graph.nodes[index]
        own, owner, shape = graph.workspace_of(place, workspace), graph.label(place), shapes[place.position]
        of_activation = f" of its activation {graph.registry.label('activation', place.activation)}"
        delta, activation = "delta", of_activation
        if index in graph.outputs:
            term = objective.terms[graph.outputs.index(index)]
            cost = f"Cost {graph.registry.label('cost', term.cost)}"
            if term.canonical:
                owner_of_delta, delta, activation = cost, "canonical_delta", ""
            else:
                owner_of_delta = owner
                yield _Result(cost, "gradient", "grad_a", own, shape, "the shape of the activation before it")
            if place.position in taken:
                through = own.child(THROUGH)
                yield _Result(owner_of_delta, delta, "cost", through, shape, _OF_Z, activation)
                yield _Result(owner, "delta", "nodes", through, shape, _OF_Z, of_activation)
        else:
            owner_of_delta = owner
        yield _Result(owner_of_delta, delta, "delta", own, shape, _OF_Z, activation)
        for k, source in enumerate(place.sources):
            if source >= len(graph.inputs):
                meaning, count = "the shape of its input", len(place.sources) if place.merges else 0
                yield _Result(owner, "backward", "grad_inputs", own, shapes[source], meaning, "", k, count)


_OF_Z = "the shape of z"
_NOTHING = object()


def _problem(result: Any, shape: Shape, dtype: np.dtype[Any]) -> str:
    if result is _NOTHING:
        return ""
    if isinstance(result, str):
        return result
    if not isinstance(result, np.ndarray):
        return f"{class_name(result)}, expected an array of shape {shape}"
    if result.shape != shape:
        return f"shape {result.shape}, expected {shape}"
    return f"{result.dtype}, expected {dtype}, the network's dtype, in shape {shape}" if result.dtype != dtype else ""
