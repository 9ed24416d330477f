"""The costs of the outputs of a network: C and Equation 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy as copy_of
from typing import Any, NamedTuple, cast

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.errors import ConfigError, PluginError, short
from nnfw.network.batch import Batch
from nnfw.ops import kernels_only, splits
from nnfw.ops.definitions import copy, mask, multiply, scale
from nnfw.plugins import Registry
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Activation, CanonicalCost, Cost, Metric, WritesValue, WritesValueFromZ, is_own
from nnfw.workspace import ACTIVATION, COST, Workspace


class Output(NamedTuple):
    """z and a of an output, and the lengths ``(N,)`` of its sequences if it has padded ones."""

    z: Array
    a: Array
    lengths: Array | None = None

    def examples(self, y: Array, weight: Array | None, cost: Cost | None = None) -> Examples:
        """Return what costs and metrics compare: of padded sequences each time step, with a weight of 0 for padding.

        A `cost` may change these weights, or take the sequences whole.
        """
        if self.lengths is None:
            return Examples(self.z, self.a, y, weight)
        marks = np.empty(self.a.shape[:2], self.a.dtype)
        mask.definition(self.lengths, marks)
        if weight is not None:
            marks *= weight[:, np.newaxis]
        if cost is not None and _weighs_steps(cost):
            cost.weigh_steps(y, marks)
        if cost is not None and _takes_whole(cost):
            return Examples(self.z, self.a, y, marks)
        return Examples(*map(_time_steps, (self.z, self.a, y, marks)))


class Examples(NamedTuple):
    """z, a, labels and weights of the examples that a cost compares."""

    z: Array
    a: Array
    y: Array
    weight: Array | None


Outputs = Sequence[Output]


def _time_steps(array: Array) -> Array:
    return array.reshape(-1, *array.shape[2:])


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

    def without_z(self) -> Term:
        """Return the same cost, whose value comes from a alone."""
        found = copy_of(self)
        found.canonical = False
        return found

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

    def delta(self, own: Workspace, y: Array, weight: Array | None) -> Array:
        """Return δ^L, shaped like z; `own` is the workspace of the output's node.

        Of padded sequences the cost sees each time step as an example; `weight` is that of the time steps.
        """
        step, z, a, cost = own.step, own["z"], own["a"], cast(CanonicalCost, self.cost)
        by_time = own.lengths is not None and not _takes_whole(self.cost)
        seen, labels = (_time_steps(a), _time_steps(y)) if by_time else (a, y)
        method = cost.canonical_delta if self.canonical else cost.gradient
        found = step(method, seen, labels, own.child(COST), weight)
        if by_time and np.shape(found) == seen.shape:  # any other is refused after the pass
            found = found.reshape(a.shape)
        if self.canonical:
            return found
        own["grad_a"] = found
        return step(self.activation.delta, found, z, a, own.child(ACTIVATION))


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

    def of_outputs(self) -> Objective:
        """Return the same costs for outputs without z, so that no value comes from a closed form."""
        return Objective([term.without_z() for term in self.terms], self.weights)

    def label(self, registry: Registry) -> str:
        """Return how messages name the cost; of several, all of them."""
        return " and ".join(dict.fromkeys(registry.label("cost", term.cost) for term in self.terms))

    def values(self, outputs: Outputs, batch: Batch) -> list[float]:
        """Return C_k of each output."""
        found = []
        for term, output, y in zip(self.terms, outputs, batch.targets, strict=True):
            value = term.value(*output.examples(y, batch.weight, term.cost))
            by_time = output.lengths is not None and not _takes_whole(term.cost)
            found.append(value * output.a.shape[1] if by_time else value)  # a sum over the time steps
        return found

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
        if self.weights != (1.0,) or outputs[0].lengths is not None:
            return False
        return self.terms[0].write_value(outputs[0].z, outputs[0].a, batch.targets[0], batch.weight, out)

    def delta(self, k: int, batch: Batch, own: Workspace) -> Array:
        """Return λ_k ∂C_k/∂z of output k, whose node has the workspace `own`."""
        weight, factor, lengths = batch.weight, self.weights[k], own.lengths
        if lengths is not None:
            shape, cost = own["a"].shape[:2], self.terms[k].cost
            whole = _takes_whole(cost)
            marks = own.step(_marks, lengths, weight, factor if whole else factor * shape[1], shape, own.child("marks"))
            if _weighs_steps(cost):
                own.step(_weigh, cost, batch.targets[k], marks, own)
            weight = marks if whole else _time_steps(marks)
        delta = self.terms[k].delta(own, batch.targets[k], weight)
        if factor == 1 or lengths is not None:
            return delta
        own["delta"] = delta  # what is looked at if it cannot be scaled
        return own.step(_scaled, delta, factor, own)


def _takes_whole(cost: Cost) -> bool:
    return getattr(cost, "whole_sequences", False)


def _weighs_steps(cost: Cost) -> bool:
    return is_own(cost, "weigh_steps", Cost)


def _weigh(cost: Cost, y: Array, marks: Array, _workspace: Workspace) -> None:
    """Let a cost change the weights of time steps, as a step, whose arguments have a workspace among them."""
    cost.weigh_steps(y, marks)


@kernels_only
def _marks(lengths: Array, weight: Array | None, factor: float, shape: Shape, workspace: Workspace) -> Array:
    """Return the weights of time steps: `factor` times that of their example, 0 beyond its length."""
    marks = workspace.buffer("marks", shape)
    mask(lengths, marks)
    if weight is not None:
        each = workspace.buffer("weights", shape)
        copy(np.broadcast_to(weight[:, np.newaxis], shape), each)
        multiply(marks, each, marks)
    scale(marks, factor)
    return marks


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
    match getattr(component, name, None):
        case None:
            return None
        case (int() | float() as low, int() | float() as high) if low <= high:
            return low, high
        case found:
            title = registry.title(component)
            raise PluginError(f"{title}: {name} is {short(found)}, expected two numbers in order, or None.")


def _require_domain(cost: Cost, activation: Activation, registry: Registry) -> None:
    if found := outside_domain(cost, activation, registry):
        advice = f"Use {cost.canonical!r} there." if cost.canonical else "Use another activation there."
        raise ConfigError(f"Cost {registry.label('cost', cost)} {found} {advice}")


def outside_domain(
    component: Cost | Metric,
    activation: Activation,
    registry: Registry,
    in_unit: Callable[[float, float], tuple[float, float]] | None = None,
) -> str:
    """Return how the values of an output activation leave the domain of a cost or metric; nothing if they do not.

    `in_unit` takes an interval of outputs to the unit of the target, for a metric that looks at them there.
    """
    domain, values = _interval(component, "domain", registry), _interval(activation, "range", registry)
    if domain is None or values is None:
        return ""
    (lowest, highest), (low, high) = domain, values if in_unit is None else in_unit(*values)
    if lowest <= low and high <= highest:
        return ""
    unit = "" if in_unit is None else " in the unit of the target"
    return (
        f"takes outputs from {lowest:g} to {highest:g}, but the last layer ends in "
        f"{registry.label('activation', activation)}, whose values go from {low:g} to {high:g}{unit}."
    )
