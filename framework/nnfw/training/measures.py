"""What is recorded of the outputs beside the cost: metrics by their names, each for the output that it looks at."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from nnfw.data import NUMERIC_KINDS
from nnfw.errors import NnfwError, ShapeError
from nnfw.network import Batch, Objective, Output, outside_domain
from nnfw.plugins import Registry
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Metric, is_own
from nnfw.training.options import Metrics
from nnfw.training.units import Unit

if TYPE_CHECKING:
    from nnfw.arrays import Array
    from nnfw.network import Outputs

Value = TypeVar("Value")

COST_IN_UNIT = "cost_in_unit"
"""The name under which the cost in the unit of a target is recorded."""

_PLAIN = re.compile(r"[\w.+-]{1,30}")  # what an option may add to the name of a metric
_WHOLE_BITS = 64  # of a whole number with its sign, as checkpoints hold it


def statistics_of(metric: Metric, a: Array, y: Array, weight: Array | None, before: Array | None = None) -> Array:
    """Return the statistics of a metric; PluginError if they are not numbers, or cannot be added to those `before`."""
    found = numeric(metric, "statistics", metric.statistics(a, y, weight), "an array of numbers")
    if before is not None and np.shape(found) != np.shape(before) and sums_up(metric):
        raise wrong_result(metric, "statistics", found, f"the shape of the first ones, {np.shape(before)}")
    return found


def result_of(metric: Metric, statistics: Array) -> float | Array:
    """Return the result of a metric; PluginError unless it is a number, or numbers."""
    return numeric(metric, "result", metric.result(statistics), "a number or an array of numbers")


class Measure(Metric):
    """What is recorded of one of several outputs."""

    @abstractmethod
    def of_batch(self, outputs: Outputs, batch: Batch, costs: Sequence[float], before: Array | None) -> Array:
        """Return the statistics of a batch, given the cost C_k of each output."""


@dataclass(frozen=True)
class MetricOfOutput(Measure):
    """A metric that looks at one output, in the unit of its target if there is one."""

    metric: Metric
    output: int = 0
    unit: Unit | None = None

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """What the metric says."""
        return self.metric.higher_is_better

    def of_batch(self, outputs: Outputs, batch: Batch, costs: Sequence[float], before: Array | None) -> Array:
        """Return what the metric computes for its output."""
        output, y = outputs[self.output], batch.targets[self.output]
        a, y = self._seen(output.a, y)
        _, a, y, weight = output._replace(a=a).examples(y, batch.weight)
        return statistics_of(self.metric, a, y, weight, before)

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the statistics of the metric."""
        return statistics_of(self.metric, *self._seen(a, y), weight)

    def merge(self, first: Array, second: Array) -> Array:
        """Merge as the metric does."""
        return self.metric.merge(first, second)

    def result(self, statistics: Array) -> float | Array:
        """Return the result of the metric."""
        return result_of(self.metric, statistics)

    def _seen(self, a: Array, y: Array) -> tuple[Array, Array]:
        if self.unit is None:
            return a, y
        return self.unit.compared(a, y, centred=getattr(self.metric, "ignores_shift", False))


@dataclass(frozen=True)
class CostOfOutput(Measure):
    """The cost of one output, without its weight λ."""

    output: int

    higher_is_better: ClassVar[bool] = False

    def of_batch(self, outputs: Outputs, batch: Batch, costs: Sequence[float], before: Array | None) -> Array:
        """Return [N C_k, N]."""
        return self.statistics(np.array(costs[self.output]), batch.targets[self.output])

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return [N C, N] for C in `a`, the mean over N examples, of which `y` are the labels."""
        return np.array([a * len(y), len(y)])

    def result(self, statistics: Array) -> float:
        """Return the mean over the examples."""
        return float(statistics[0] / statistics[1])


@dataclass(frozen=True)
class CostInUnit(Measure):
    """The cost of one output, without its weight λ, in the unit of its target."""

    unit: Unit
    output: int = 0

    higher_is_better: ClassVar[bool] = False

    def of_batch(self, outputs: Outputs, batch: Batch, costs: Sequence[float], before: Array | None) -> Array:
        """Return [N C, N]."""
        return self._sums(outputs[self.output], batch.targets[self.output], batch.weight)

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return [N C, N] for N examples that are no sequences."""
        return self._sums(Output(a, a), y, weight)

    def result(self, statistics: Array) -> float:
        """Return the mean over the examples."""
        return float(statistics[0] / statistics[1])

    def _sums(self, output: Output, y: Array, weight: Array | None) -> Array:
        a, y = self.unit.compared(output.a, y)
        weight = None if weight is None else weight.astype(a.dtype)
        cost = Objective([self.unit.term.without_z()], [1.0])
        value = cost.value([Output(a, a, output.lengths)], Batch((a,), (y,), weight))
        return np.array([value * len(a), len(a)])


def statistics_by_name(
    metrics: Mapping[str, Metric], objective: Objective, outputs: Outputs, batch: Batch, before: Mapping[str, Array]
) -> dict[str, Array]:
    """Return the statistics of each metric for the output that it looks at."""
    costs = objective.values(outputs, batch) if len(outputs) > 1 else []
    measures = {name: each if isinstance(each, Measure) else MetricOfOutput(each) for name, each in metrics.items()}
    return {name: each.of_batch(outputs, batch, costs, before.get(name)) for name, each in measures.items()}


def sums_up(metric: Metric) -> bool:
    """Return whether the statistics of a metric are merged by adding them."""
    return not is_own(metric, "merge", Metric)


def merged(metric: Metric, first: Array, second: Array) -> Array:
    """Return the statistics of two groups of examples together; PluginError if a metric's own merge returns others."""
    if sums_up(metric):
        return first + second
    return numeric(metric, "merge", metric.merge(first, second), "an array of numbers")


def numeric(metric: Metric, method: str, value: Value, expected: str) -> Value:
    """Return what a method of a metric returned if that is numbers, else raise PluginError."""
    is_whole = isinstance(value, int) and value.bit_length() < _WHOLE_BITS
    is_array = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in NUMERIC_KINDS
    if not (is_whole or is_array or isinstance(value, float)):
        raise wrong_result(metric, method, value, expected)
    return value


def named_metrics(metrics: tuple[Metric, ...], registry: Registry) -> dict[str, Metric]:
    """Return resolved metrics by the name under which they are recorded.

    Options that differ from each other and from the defaults distinguish metrics of one name, as in
    ``f1`` and ``f1_micro``. A repeated metric gets ``_2``.
    """
    found = [registry.component_of("metric", metric) for metric in metrics]
    pairs = [(c.name if c else type(metric).__name__, metric) for c, metric in zip(found, metrics, strict=True)]
    named: dict[str, Metric] = {}
    for name, metric in pairs:
        key = "_".join(
            (name, *_distinguishing_options(metric, [other for its_name, other in pairs if its_name == name]))
        )
        keys = (key, *(f"{key}_{number}" for number in range(2, len(metrics) + 1)))
        named[next(each for each in keys if each not in named)] = metric
    return named


def measures_of(chosen: Metrics, outputs: Sequence[str], registry: Registry) -> dict[str, Metric]:
    """Return metrics by the name under which they are recorded: with that of their output, if outputs have names.

    Of several outputs the cost of each is recorded too.
    """
    if not isinstance(chosen, Mapping):
        if not outputs:
            return named_metrics(chosen, registry)
        chosen = {}  # an empty list
    several = len(outputs) > 1
    found: dict[str, Metric] = {f"{output}_cost": CostOfOutput(k) for k, output in enumerate(outputs) if several}
    for output, own in chosen.items():
        for name, metric in named_metrics(own, registry).items():
            found[f"{output}_{name}"] = MetricOfOutput(metric, outputs.index(output)) if several else metric
    return found


def in_units(measures: Mapping[str, Metric], units: Sequence[Unit | None], outputs: Sequence[str]) -> dict[str, Metric]:
    """Return measures in the units of the outputs that have one.

    Where no metric was chosen for such an output, its cost is recorded in the unit too.
    """
    found = {name: _in_unit(measure, units) for name, measure in measures.items()}
    looked_at = {own.output for own in found.values() if isinstance(own, MetricOfOutput)}
    for k, unit in enumerate(units):
        if unit is not None and unit.undoes and unit.keeps_outputs and k not in looked_at:
            found["_".join([*outputs[k : k + 1], COST_IN_UNIT])] = CostInUnit(unit, k)
    return found


def _in_unit(measure: Metric, units: Sequence[Unit | None]) -> Metric:
    own = measure if isinstance(measure, Measure) else MetricOfOutput(measure)
    if not isinstance(own, MetricOfOutput) or not units or units[own.output] is None:
        return measure
    return replace(own, unit=units[own.output])


def chosen_at(chosen: Metrics, measures: Mapping[str, Metric]) -> dict[str, tuple[tuple[str | int, ...], Metric]]:
    """Return where among those that the user chose each metric is, and the metric itself, by its name."""
    places: list[tuple[tuple[str | int, ...], Metric]]
    if isinstance(chosen, Mapping):
        places = [((output, index), metric) for output, own in chosen.items() for index, metric in enumerate(own)]
    else:
        places = [((index,), metric) for index, metric in enumerate(chosen)]
    names = [name for name, measure in measures.items() if not isinstance(measure, CostOfOutput | CostInUnit)]
    return dict(zip(names, places, strict=True))


def _distinguishing_options(metric: object, alike: Sequence[object]) -> Iterator[str]:
    """Yield the options of a metric that are neither the default nor the same in all others of its name."""
    for option in fields(metric) if is_dataclass(metric) else ():
        value = getattr(metric, option.name)
        if value != option.default and any(getattr(other, option.name, None) != value for other in alike):
            text = option.name if value is True else f"{option.name}_{value}" if value in (False, None) else str(value)
            yield from [text] if _PLAIN.fullmatch(text) else []


def outside_domains(
    objective: Objective, metrics: Mapping[str, Metric], registry: Registry
) -> Iterator[tuple[str, NnfwError]]:
    """Yield the name of each metric that means nothing for the values of its output, with an error that says why."""
    for name, metric in metrics.items():
        measure = metric if isinstance(metric, MetricOfOutput) else MetricOfOutput(metric)
        unit, activation = measure.unit, objective.terms[measure.output].activation
        if text := outside_domain(measure.metric, activation, registry, None if unit is None else unit.interval):
            yield name, ShapeError(f"it {text} Use another metric, or another activation there.")
