"""The cost at the end of a chain: its value, and δ^L."""

from __future__ import annotations

from typing import Any, cast

from numpy.typing import NDArray

from nnfw.network.workspace import ACTIVATION, COST, Workspace
from nnfw.plugins import Registry
from nnfw.protocols import Activation, CanonicalCost, Cost

Array = NDArray[Any]


class Objective:
    """A cost together with the activation of the output layer.

    Equation 1: δ^L = ∇_a C ⊙ σ'(z^L). Where the cost names this activation as its canonical one, value and δ^L come in
    closed form from the cost itself, so extreme z stay finite.

    Parameters
    ----------
    cost, activation
        Resolved components.
    registry
        Finds the activation that ``cost.canonical`` names.
    """

    def __init__(self, cost: Cost, activation: Activation, registry: Registry) -> None:
        self.cost = cost
        self.activation = activation
        self.canonical = cost.canonical is not None and activation == registry.resolve("activation", cost.canonical)

    def value(self, z: Array, a: Array, y: Array, weight: Array | None) -> float:
        """Return C for z^L and a^L = σ(z^L), both ``(N, *output_shape)``."""
        if self.canonical:
            return cast(CanonicalCost, self.cost).value_from_z(z, y, weight)
        return self.cost.value(a, y, weight)

    def delta(self, z: Array, a: Array, y: Array, memory: Workspace, weight: Array | None) -> Array:
        """Return δ^L, shaped like `z`; `memory` is that of the output layer."""
        if self.canonical:
            return cast(CanonicalCost, self.cost).canonical_delta(a, y, memory.child(COST), weight)
        grad_a = self.cost.gradient(a, y, memory.child(COST), weight)
        return self.activation.delta(grad_a, z, a, memory.child(ACTIVATION))
