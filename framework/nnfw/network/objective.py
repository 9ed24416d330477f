"""The cost at the end of a chain: its value, and δ^L."""

from __future__ import annotations

from typing import Any, cast

from numpy.typing import NDArray

from nnfw.errors import ConfigError, Mistake, PluginError
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

    Raises
    ------
    ConfigError
        If the activation's values lie outside what the cost takes: logits for a cost of probabilities, for instance.
    """

    def __init__(self, cost: Cost, activation: Activation, registry: Registry) -> None:
        self.cost = cost
        self.activation = activation
        _require_domain(cost, activation, registry)
        self.canonical = cost.canonical is not None and activation == registry.resolve("activation", cost.canonical)

    def value(self, z: Array, a: Array, y: Array, weight: Array | None) -> float:
        """Return C for z^L and a^L = σ(z^L), both ``(N, *output_shape)``."""
        if self.canonical:
            value = cast(CanonicalCost, self.cost).value_from_z(z, y, weight)
        else:
            value = self.cost.value(a, y, weight)
        if not isinstance(value, float):
            raise PluginError(
                f"Cost {type(self.cost).__name__!r}: value returned {type(value).__name__}, expected a number (float)."
            )
        return value

    def delta(self, z: Array, a: Array, y: Array, memory: Workspace, weight: Array | None) -> Array:
        """Return δ^L, shaped like `z`; `memory` is that of the output layer."""
        if self.canonical:
            return cast(CanonicalCost, self.cost).canonical_delta(a, y, memory.child(COST), weight)
        grad_a = memory["grad_a"] = self.cost.gradient(a, y, memory.child(COST), weight)
        return self.activation.delta(grad_a, z, a, memory.child(ACTIVATION))


def _require_domain(cost: Cost, activation: Activation, registry: Registry) -> None:
    if cost.domain is None or activation.range is None:
        return
    (lowest, highest), (low, high) = cost.domain, activation.range
    if low < lowest or high > highest:
        advice = f"Use {cost.canonical!r} there." if cost.canonical else "Use another activation there."
        raise ConfigError(
            [
                Mistake(
                    (),
                    f"Cost {registry.label('cost', cost)} takes outputs from {lowest:g} to {highest:g}, but the last "
                    f"layer ends in {registry.label('activation', activation)}, whose values go from {low:g} to "
                    f"{high:g}. {advice}",
                )
            ]
        )
