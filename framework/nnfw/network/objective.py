"""The costs of the outputs of a network: C and Equation 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from nnfw.arrays import Array
from nnfw.errors import ConfigError, PluginError, short
from nnfw.network.batch import Batch
from nnfw.ops import kernels_only, splits
from nnfw.ops.definitions import copy, scale
from nnfw.plugins import Registry
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Activation, CanonicalCost, Cost, WritesValue, WritesValueFromZ
from nnfw.workspace import ACTIVATION, COST, Workspace

Outputs = Sequence[tuple[Array, Array]]
"""z and a of each output."""


class Term:
    """A cost together with the activation of an output.

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
        """Return δ^L, shaped like `z`; `workspace` is that of the output's node."""
        step = workspace.step
        if self.canonical:
            return step(cast(CanonicalCost, self.cost).canonical_delta, a, y, workspace.child(COST), weight)
        grad_a = workspace["grad_a"] = step(self.cost.gradient, a, y, workspace.child(COST), weight)
        return step(self.activation.delta, grad_a, z, a, workspace.child(ACTIVATION))


class Objective:
    """What a training minimises: C = Σ_k λ_k C_k over the outputs k of a network; usually there is one, with λ = 1.

    Parameters
    ----------
    terms
        The cost at each output, in the order of the outputs.
    weights
        λ of each.
    """

    def __init__(self, terms: Sequence[Term], weights: Sequence[float]) -> None:
        self.terms, self.weights = tuple(terms), tuple(weights)

    def values(self, outputs: Outputs, batch: Batch) -> list[float]:
        """Return C_k of each output."""
        weight, pairs = batch.weight, zip(self.terms, outputs, batch.targets, strict=True)
        return [term.value(z, a, y, weight) for term, (z, a), y in pairs]

    def value(self, outputs: Outputs, batch: Batch) -> float:
        """Return C."""
        return self.total(self.values(outputs, batch))

    def total(self, values: Sequence[float]) -> float:
        """Return C from the C_k."""
        if self.weights == (1.0,):
            return values[0]
        return sum(factor * value for factor, value in zip(self.weights, values, strict=True))

    @kernels_only
    def write_value(self, outputs: Outputs, batch: Batch, out: Array) -> bool:
        """Write C into `out` ``(1,)``, float64, by operations alone; return False if the costs cannot."""
        if self.weights != (1.0,):
            return False
        (z, a), (y,) = outputs[0], batch.targets
        return self.terms[0].write_value(z, a, y, batch.weight, out)

    def delta(self, k: int, batch: Batch, own: Workspace) -> Array:
        """Return λ_k ∂C_k/∂z of output k, whose node has the workspace `own`."""
        delta = self.terms[k].delta(own["z"], own["a"], batch.targets[k], own, batch.weight)
        return delta if self.weights[k] == 1 else own.step(_scaled, delta, self.weights[k], own)


@kernels_only
def _scaled(delta: Array, factor: float, workspace: Workspace) -> Array:
    out = workspace.buffer("scaled", delta.shape)
    copy(delta, out)
    scale(out, factor)
    return out


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
