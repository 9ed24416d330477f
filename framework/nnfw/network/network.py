"""A network: a chain of layers with its parameters, and the passes through it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from nnfw.arrays import Array, Shape
from nnfw.network.batch import Batch
from nnfw.network.chain import Chain
from nnfw.network.objective import Objective
from nnfw.network.parameters import Layout, Parameters, Scope
from nnfw.network.verification import Verification, require_activations
from nnfw.plugins import Registry
from nnfw.workspace import Workspace


class Network:
    """A chain of layers with parameters.

    Forward: a^0 = x, z^l = layer l of a^(l−1), a^l = σ^l(z^l). Backward: :class:`~nnfw.Chain`.

    Parameters
    ----------
    chain
        The layers, with every name resolved.
    input_shape
        Shape of one example.
    dtype
        Of parameters and computation.
    registry
        Names the components in messages.

    Attributes
    ----------
    parameters
        Arrays by name, views of the flat ``parameters.vector``; all 0 at first.
    output_shape
        Shape of one prediction.

    Raises
    ------
    ShapeError
        If two layers do not fit (names both), or the parameters exceed the machine's memory.
    PluginError
        If a layer has no activation.
    """

    def __init__(self, chain: Chain, input_shape: Shape, dtype: DTypeLike, registry: Registry) -> None:
        self.chain, self.input_shape, self.registry = chain, input_shape, registry
        self.dtype = np.dtype(dtype)
        self.output_shape = chain.shapes(input_shape, partial(registry.label, "layer"))[-1]
        require_activations(chain, registry)
        self.parameters = Parameters(Layout.of(chain.parameters(input_shape)), self.dtype)

    def views(self, vector: Array) -> Scope:
        """Return named views of a flat vector that is laid out like the trainable parameters."""
        return self.parameters.layout.views(vector)

    def workspace(self, rng: np.random.Generator | None = None, *, training: bool = False) -> Workspace:
        """Return the workspace of a pass through this network."""
        return Workspace(self.dtype, rng, training=training, needs_input_gradient=False)

    def forward(self, x: Array, workspace: Workspace) -> tuple[Array, Array]:
        """Return z^L and a^L of a batch in the network's dtype; both may be buffers of `workspace`."""
        with self.verified(x, workspace):
            z = self.chain.forward(self.parameters, x, workspace)
            return z, self.chain.activate(len(self.chain.layers) - 1, workspace)

    def verified(
        self, x: Array, workspace: Workspace, objective: Objective | None = None
    ) -> AbstractContextManager[None]:
        """Return a context manager that checks the results of the pass in its body."""
        found: Verification = workspace.once(
            ("verification", objective),
            lambda: Verification(self.chain, self.input_shape, workspace, self.registry, objective),
        )
        return found.of(len(x))

    def backward(
        self, batch: Batch, objective: Objective, workspace: Workspace, grads: Mapping[str, Array]
    ) -> tuple[float, Array]:
        """Return C and a^L of a batch, and fill `grads` with ∂C/∂θ: Equation 1, then 2 to 4 down the chain."""
        with self.verified(batch.x, workspace, objective):
            z, a = self.propagate(batch, objective, workspace, grads)
            return objective.value(z, a, batch.y, batch.weight), a

    def propagate(
        self, batch: Batch, objective: Objective, workspace: Workspace, grads: Mapping[str, Array]
    ) -> tuple[Array, Array]:
        """Return z^L and a^L of a batch, and fill `grads`."""
        chain, last = self.chain, len(self.chain.layers) - 1
        z = chain.forward(self.parameters, batch.x, workspace)
        a = chain.activate(last, workspace)
        delta = objective.delta(z, a, batch.y, chain.workspace_of(last, workspace), batch.weight)
        chain.backward(self.parameters, delta, grads, workspace)
        return z, a

    def first_non_finite(self, workspace: Workspace, labels: float = 0.0) -> str:
        """Name the first layer with parameters, z or a that are not finite in the last pass through `workspace`.

        If all are finite, name the labels (`labels` is the largest) or the last layer's `a`, whichever is larger.
        """
        for index, component in enumerate(self.chain.layers):
            own = self.chain.workspace_of(index, workspace)
            layer = f"Layer {index} {self.registry.label('layer', component)}"
            arrays = dict(self.parameters.layer(index)) | {"z": own["z"], "a": own["a"]}
            for name, array in arrays.items():
                if not np.isfinite(array).all():
                    return f"{layer}: {name} is not finite"
        largest = np.abs(own["a"]).max()
        if labels > largest:
            return f"The labels reach {labels:.3g}, too large for the cost in {self.dtype}"
        return f"{layer}: a reaches {largest:.3g}, too large for the cost"
