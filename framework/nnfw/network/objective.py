"""The cost at the end of a chain: its value and δ^L."""

from __future__ import annotations

from typing import Any, cast

from nnfw.arrays import Array
from nnfw.errors import ConfigError, PluginError, short
from nnfw.ops import kernels_only, splits
from nnfw.plugins import Registry
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Activation, CanonicalCost, Cost, WritesValue, WritesValueFromZ
from nnfw.workspace import ACTIVATION, COST, Workspace


class Objective:
    """A cost together with the activation of the output layer.

    Equation 1: δ^L = ∇_a C ⊙ σ'(z^L). If this is the cost's canonical activation, the cost gives value and δ^L in
    closed form, so extreme z stay finite.

    ConfigError if the activation's values leave the domain of the cost: logits for a cost of probabilities, for
    instance.

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
        _require_domain(cost, activation, registry)
        self._registry = registry
        self.canonical = cost.canonical is not None and activation == _canonical(cost, registry)

    def value(self, z: Array, a: Array, y: Array, weight: Array | None) -> float:
        """Return C for z^L and a^L = σ(z^L), both ``(N, *output_shape)``."""
        value: Any
        if self.canonical:
            value = cast(CanonicalCost, self.cost).value_from_z(z, y, weight)
        else:
            value = self.cost.value(a, y, weight)
        if not isinstance(value, float):
            method = "value_from_z" if self.canonical else "value"
            raise wrong_result(self.cost, method, value, "a number (float)", self._registry)
        return value

    @kernels_only
    def write_value(self, z: Array, a: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C into `out` ``(1,)``, float64, by operations alone; return False if the cost cannot."""
        cost = self.cost
        if self.canonical:
            splits_value = splits(cost, "value_from_z", "write_value_from_z")
            return splits_value and cast(WritesValueFromZ, cost).write_value_from_z(z, y, weight, out)
        return splits(cost, "value", "write_value") and cast(WritesValue, cost).write_value(a, y, weight, out)

    def delta(self, z: Array, a: Array, y: Array, workspace: Workspace, weight: Array | None) -> Array:
        """Return δ^L, shaped like `z`; `workspace` is that of the output layer."""
        step = workspace.step
        if self.canonical:
            return step(cast(CanonicalCost, self.cost).canonical_delta, a, y, workspace.child(COST), weight)
        grad_a = workspace["grad_a"] = step(self.cost.gradient, a, y, workspace.child(COST), weight)
        return step(self.activation.delta, grad_a, z, a, workspace.child(ACTIVATION))


def _canonical(cost: Cost, registry: Registry) -> Any:
    """Return the canonical activation of a cost; PluginError if there is none, or a method for it is missing."""
    missing = [name for name in ("value_from_z", "canonical_delta") if not hasattr(cost, name)]
    if missing:
        raise PluginError(f"{registry.title(cost)}: has a canonical activation, but lacks {' and '.join(missing)}.")
    try:
        return registry.resolve("activation", cost.canonical)
    except ConfigError as error:
        raise PluginError(f"{registry.title(cost)}: canonical is {short(cost.canonical)}: {error}") from error


def _interval(component: Any, name: str, registry: Registry) -> tuple[float, float] | None:
    match getattr(component, name):
        case None:
            return None
        case (int() | float() as low, int() | float() as high) if low <= high:
            return low, high
        case found:
            title = registry.title(component)
            raise PluginError(f"{title}: {name} is {short(found)}, expected two numbers in order, or None.")


def _require_domain(cost: Cost, activation: Activation, registry: Registry) -> None:
    domain, values = _interval(cost, "domain", registry), _interval(activation, "range", registry)
    if domain is None or values is None:
        return
    (lowest, highest), (low, high) = domain, values
    if low < lowest or high > highest:
        advice = f"Use {cost.canonical!r} there." if cost.canonical else "Use another activation there."
        values_of = f"{registry.label('activation', activation)}, whose values go from {low:g} to {high:g}"
        text = (
            f"Cost {registry.label('cost', cost)} takes outputs from {lowest:g} to {highest:g}, but the last layer "
            f"ends in {values_of}. {advice}"
        )
        raise ConfigError(text)
