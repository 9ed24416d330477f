"""A network: nodes with their parameters, and the passes through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from math import prod

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from nnfw.arrays import Array, Shape
from nnfw.errors import ShapeError
from nnfw.network.batch import Batch
from nnfw.network.graph import Graph
from nnfw.network.inputs import Input
from nnfw.network.objective import Objective, Output, Outputs
from nnfw.network.parameters import Layout, Parameters, Scope, machine_memory
from nnfw.network.verification import Verification
from nnfw.workspace import Workspace

_ORDINARY = 10.0  # size of outputs and labels at which no exponential or power in a cost overflows


class Network:
    """Nodes with parameters.

    Forward: a^0 = x, z^l = layer l of the activations of its inputs, a^l = σ^l(z^l). Backward:
    :class:`~nnfw.network.Graph`.

    Parameters
    ----------
    graph
        The nodes, with every name resolved.
    input_shapes
        Shape of one example, for each input.
    dtype
        Of parameters and computation.

    Attributes
    ----------
    inputs
        What each input takes.
    shapes
        The shapes for one example: of each input, then of each node's activation.
    output_names
        Names of the outputs; none for a single output without a name.
    output_shapes
        The shape of one prediction, for each output.
    parameters
        Arrays by name, views of the flat ``parameters.vector``; all 0 at first.

    Raises
    ------
    ShapeError
        If two layers do not fit (names both), or the parameters or an activation exceed the machine's memory.
    """

    def __init__(self, graph: Graph, input_shapes: Sequence[Shape], dtype: DTypeLike) -> None:
        self.graph, self.registry, self.dtype = graph, graph.registry, np.dtype(dtype)
        self.shapes = graph.shapes(*input_shapes)
        self.inputs = Input.all(graph.inputs, input_shapes, graph.limits(input_shapes))
        self.output_names = graph.output_names
        self.output_shapes = tuple(self.shapes[graph.nodes[index].position] for index in graph.outputs)
        self.parameters = Parameters(Layout.of(graph.parameters(self.shapes)), self.dtype)
        self._require_memory()

    def _require_memory(self) -> None:
        """Raise ShapeError if what a layer gives for a single example exceeds the machine's memory."""
        largest = max(self.graph.nodes, key=lambda place: prod(self.shapes[place.position]))
        shape, present = self.shapes[largest.position], machine_memory()
        if (needed := prod(shape) * self.dtype.itemsize) > present:
            raise ShapeError(
                f"{self.graph.label(largest)}: its output of shape {shape} takes {needed / 2**30:,.1f} GiB for one "
                f"example as {self.dtype}: more than this machine's {present / 2**30:,.0f} GiB. Use smaller layers."
            )

    def initialise(self, rng: np.random.Generator, values: Mapping[str, ArrayLike]) -> None:
        """Copy initial values from `values`, and draw the missing ones in the order of the nodes.

        ShapeError if a name or a shape does not fit.
        """
        for name, value in values.items():
            self.parameters[name] = value
        for place in self.graph.nodes:
            if place.parameters == place.name:
                with self.graph.naming(place, "sample of an initializer"):
                    self.parameters.draw(place.name, rng, values)

    @property
    def widest(self) -> int:
        """The size of the largest z of an example."""
        return max(map(prod, self.shapes[len(self.inputs) :]))

    @property
    def places(self) -> int:
        """The numbers in images and sequences that an example goes through: in all shapes with several axes."""
        return sum(prod(shape) for shape in self.shapes if len(shape) > 1)

    def views(self, vector: Array) -> Scope:
        """Return named views of a flat vector that is laid out like the trainable parameters."""
        return self.parameters.layout.views(vector)

    def workspace(self, rng: np.random.Generator | None = None, *, training: bool = False) -> Workspace:
        """Return the workspace of a pass through this network."""
        return Workspace(self.dtype, rng, training=training, needs_input_gradient=False)

    def forward(
        self, inputs: Sequence[Array], workspace: Workspace, lengths: Sequence[Array | None] | None = None
    ) -> Outputs:
        """Return z and a of each output for a batch in the network's dtype; they may be buffers of `workspace`."""
        with self.verified(inputs, workspace):
            self.graph.forward(self.parameters, inputs, workspace, lengths)
            return self.outputs_in(workspace)

    def output_lengths(self, lengths: Sequence[Array | None]) -> list[Array | None]:
        """Return the lengths of each output from those of each input; None where they end, or nothing is padded."""
        workspace = self.workspace()
        self.graph.hand_on_lengths([np.empty((0, *each.shape)) for each in self.inputs], lengths, workspace)
        places = (self.graph.nodes[index] for index in self.graph.outputs)
        return [self.graph.workspace_of(place, workspace).lengths for place in places]

    def outputs_in(self, workspace: Workspace) -> Outputs:
        """Return z and a of each output after the last pass."""
        places = (self.graph.nodes[index] for index in self.graph.outputs)
        spaces = (self.graph.workspace_of(place, workspace) for place in places)
        return [Output(own["z"], own["a"], own.lengths) for own in spaces]

    def verified(
        self, inputs: Sequence[Array], workspace: Workspace, objective: Objective | None = None
    ) -> AbstractContextManager[None]:
        """Return a context manager that checks the results of the pass in its body."""
        found: Verification = workspace.once(
            ("verification", objective), lambda: Verification(self.graph, self.shapes, workspace, objective)
        )
        return found.of(len(inputs[0]))

    def backward(self, batch: Batch, objective: Objective, workspace: Workspace, grads: Scope) -> tuple[float, Outputs]:
        """Return C, and z and a of each output, and fill `grads` with ∂C/∂θ: Equation 1, then 2 to 4 down the nodes."""
        with self.verified(batch.inputs, workspace, objective):
            self.propagate(batch, objective, workspace, grads)
            outputs = self.outputs_in(workspace)
            return objective.value(outputs, batch), outputs

    def propagate(self, batch: Batch, objective: Objective, workspace: Workspace, grads: Scope) -> list[Array | None]:
        """Fill `grads`, and return ∂C/∂x of each input, None where it is not needed; the workspace keeps the rest."""
        graph = self.graph
        graph.forward(self.parameters, batch.inputs, workspace, batch.lengths)

        def delta_of_output(index: int, own: Workspace) -> Array:
            return objective.delta(graph.outputs.index(index), batch, own)

        return graph.backward(self.parameters, delta_of_output, grads, workspace)

    def first_non_finite(self, workspace: Workspace, labels: float = 0.0, cost: str = "") -> str:
        """Name the first layer with parameters, z or a that are not finite in the last pass through `workspace`.

        If all are finite, name the labels (`labels` is the largest) or the output with the largest `a`, whichever is
        larger; or the cost, if neither is large. `cost` is how messages name it.
        """
        graph = self.graph
        for place in graph.nodes:
            own = graph.workspace_of(place, workspace)
            arrays = dict(self.parameters.of(place.parameters)) | {"z": own["z"], "a": own["a"]}
            for name, array in arrays.items():
                if not np.isfinite(array).all():
                    return f"{graph.label(place)}: {name} is not finite"
        sizes = [float(np.abs(a).max()) for _, a, _ in self.outputs_in(workspace)]
        largest = max(sizes)
        if max(labels, largest) <= _ORDINARY:
            size = max(labels, largest)
            return (
                f"No output or label exceeds {size:.3g} in size, but the cost{cost and f' {cost}'} is not finite there"
            )
        if labels > largest:
            return f"The labels reach {labels:.3g}, too large for the cost in {self.dtype}"
        place = graph.nodes[graph.outputs[sizes.index(largest)]]
        return f"{graph.label(place)}: a reaches {largest:.3g}, too large for the cost{cost and f' {cost}'}"
