"""Cost and metrics on examples, batch by batch."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, is_dataclass
from math import isfinite
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from nnfw.data import NUMERIC_KINDS
from nnfw.errors import DataError, FileFormatError, NnfwError, ShapeError, short
from nnfw.network import EVALUATION_ROWS, Batch, Output, outside_domain
from nnfw.plugins import Registry
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Collective, Metric, is_own
from nnfw.training.batches import Labelled
from nnfw.training.collective import ONE_PROCESS, combine
from nnfw.training.history import Record
from nnfw.training.options import Metrics

if TYPE_CHECKING:
    from nnfw.arrays import Array
    from nnfw.network import Network, Objective, Outputs, Workspace
    from nnfw.training.batches import Data, LabelsOf


Value = TypeVar("Value")


FIRST_EXAMPLES = 256
"""Examples that are evaluated before a training; the final cost is compared with theirs."""

_PLAIN = re.compile(r"[\w.+-]{1,30}")  # what an option may add to the name of a metric
_WHOLE_BITS = 64  # of a whole number with its sign, as checkpoints hold it
_GATHERED_VALUES = 1 << 14
"""Outputs gathered before metrics look at them: one call for many small batches, yet few enough to leave the
processor's caches to the parameters."""


class Tally:
    """Running sums of the cost and of each metric over the batches of a pass.

    Metrics look at each batch. Once :meth:`follow` says where the labels come from, the outputs of small batches are
    gathered, and metrics look at many batches at once.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self._metrics = metrics
        self._statistics: dict[str, Array] = {}
        self._cost, self._count = 0.0, 0
        self._labels: LabelsOf | None = None
        self._room = np.empty((0, 0))  # for the outputs of batches of one size
        self._filled = 0

    def follow(self, labels: LabelsOf | None) -> None:
        """Expect examples whose labels these are, or examples whose labels come with each batch alone."""
        self._labels = labels

    def add(self, cost: float, a: Array, y: Array, weight: Array | None) -> None:
        """Add one batch."""
        if self._metrics and not self._gathers(a):
            self._look_at(a, y, weight)
        self._cost += cost * len(a)
        self._count += len(a)

    def add_batch(self, cost: float, outputs: Outputs, batch: Batch, objective: Objective) -> None:
        """Add one batch of a network with any outputs."""
        if len(outputs) == 1 and outputs[0].lengths is None:
            self.add(cost, outputs[0].a, batch.targets[0], batch.weight)
            return
        for name, found in statistics_by_name(self._metrics, objective, outputs, batch, self._statistics).items():
            self._merge(name, found)
        self._cost += cost * len(batch)
        self._count += len(batch)

    def add_many(
        self, costs: Sequence[float], size: int, outputs: Array | None, statistics: Mapping[str, Array]
    ) -> None:
        """Add batches of `size` examples, as :meth:`add` does one after the other.

        `outputs` are a^L of each, ``(len(costs), size, *output_shape)``, or None if there are the `statistics` of each
        for every metric.
        """
        done = 0
        if self._filled and statistics:
            self._look_at_gathered()
        for name, found in statistics.items():
            self._statistics[name] = self._statistics.get(name, 0) + found.sum(axis=0)
        while done < len(costs):
            some = len(costs) - done
            if outputs is not None and self._metrics:
                if size != self._room.shape[1]:
                    assert self._labels is not None
                    targets, weight = self._labels(self._count, self._count + size)
                    self.add(costs[done], outputs[done], targets[0], weight)
                    done += 1
                    continue
                some = self._gather(outputs[done:])
            for cost in costs[done : done + some]:
                self._cost += cost * size
            self._count += some * size
            done += some

    def _gathers(self, a: Array) -> bool:
        """Gather the outputs of a batch if others of its size may follow; return whether they do."""
        if len(a) != self._room.shape[1]:
            if self._filled:  # so this is the shorter last batch
                self._look_at_gathered()
                return False
            if self._labels is None or _batches_that_fit(a) <= 1:
                return False
            self._room = np.empty((_batches_that_fit(a), *a.shape), a.dtype)
        self._gather(a[np.newaxis])
        return True

    def _gather(self, outputs: Array) -> int:
        """Gather the outputs of as many of these batches as fit; return their number."""
        if self._filled == len(self._room):
            self._look_at_gathered()
        some = min(len(outputs), len(self._room) - self._filled)
        self._room[self._filled : self._filled + some] = outputs[:some]
        self._filled += some
        return some

    def _gathered(self) -> Array:
        return self._room[: self._filled].reshape(-1, *self._room.shape[2:])

    def _look_at_gathered(self) -> None:
        """Let the metrics look at the gathered outputs: those of the last examples counted."""
        assert self._labels is not None
        a = self._gathered()
        targets, weight = self._labels(self._count - len(a), self._count)
        self._look_at(a, targets[0], weight)
        self._filled = 0

    def _look_at(self, a: Array, y: Array, weight: Array | None) -> None:
        for name, metric in self._metrics.items():
            before = self._statistics.get(name)
            self._merge(name, statistics_of(metric, a, y, weight, before))

    def _merge(self, name: str, statistics: Array) -> None:
        before = self._statistics.get(name)
        self._statistics[name] = statistics if before is None else _merged(self._metrics[name], before, statistics)

    def content(self) -> dict[str, object]:
        """Return all that was added so far, for :meth:`put_back`."""
        gathered = self._gathered() if self._filled else None
        sums = {"statistics": dict(self._statistics), "cost": float(self._cost), "count": self._count}
        return {**sums, "gathered": gathered, "size": self._room.shape[1]}

    def put_back(self, content: object) -> None:
        """Restore the content of another tally; FileFormatError if it is not one of these metrics."""
        match content:
            case {
                "statistics": dict(found),
                "cost": float(cost),
                "count": int(count),
                "gathered": gathered,
                "size": int(size),
            } if found.keys() <= self._metrics.keys() and (gathered is None or _is_gathered(gathered, size, count)):
                self._statistics, self._cost, self._count = found, cost, count
            case _:
                raise FileFormatError(f"{short(content)} holds no sums of the cost and of these metrics")
        if gathered is not None:
            batches = gathered.reshape(-1, size, *gathered.shape[1:])
            self._room = np.empty((_batches_that_fit(batches[0]), *batches.shape[1:]), batches.dtype)
            self._gather(batches)

    def sum(self, collective: Collective) -> None:
        """Sum what all ranks have added."""
        if self._filled:
            self._look_at_gathered()
        names = list(self._statistics)
        sums: list[Array | float] = [self._cost, *self._statistics.values()]
        self._count, (cost, *found) = combine(collective, self._count, [], sums)
        self._cost, self._statistics = float(cost), dict(zip(names, found, strict=True))

    def record(self, prefix: str = "") -> Record:
        """Return cost and metrics of everything added, with `prefix` before each name; matrices as nested lists."""
        if self._filled:
            self._look_at_gathered()
        results: dict[str, Array | float] = {
            name: _numeric(metric, "result", metric.result(self._statistics[name]), "a number or an array of numbers")
            for name, metric in self._metrics.items()
        }
        plain = {name: result.tolist() if hasattr(result, "tolist") else result for name, result in results.items()}
        return {f"{prefix}{name}": value for name, value in ({"cost": float(self._cost) / self._count} | plain).items()}


def _batches_that_fit(a: Array) -> int:
    """Return how many batches like this one are gathered."""
    return _GATHERED_VALUES // a.size


def _is_gathered(value: object, size: int, count: int) -> bool:
    """Return whether a value can be the gathered outputs of batches of `size` examples, of `count` in all."""
    if not isinstance(value, np.ndarray) or not value.ndim or not value.size or size <= 0 or len(value) > count:
        return False
    return len(value) % size == 0 and 1 < _batches_that_fit(value[:size]) >= len(value) // size


def statistics_of(metric: Metric, a: Array, y: Array, weight: Array | None, before: Array | None = None) -> Array:
    """Return the statistics of a metric; PluginError if they are not numbers, or cannot be added to those `before`."""
    found = _numeric(metric, "statistics", metric.statistics(a, y, weight), "an array of numbers")
    if before is not None and np.shape(found) != np.shape(before) and sums_up(metric):
        raise wrong_result(metric, "statistics", found, f"the shape of the first ones, {np.shape(before)}")
    return found


class Measure(Metric):
    """What is recorded of one of several outputs."""

    @abstractmethod
    def of_batch(self, outputs: Outputs, batch: Batch, costs: Sequence[float], before: Array | None) -> Array:
        """Return the statistics of a batch, given the cost C_k of each output."""


@dataclass(frozen=True)
class MetricOfOutput(Measure):
    """A metric that looks at one output."""

    metric: Metric
    output: int = 0

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """What the metric says."""
        return self.metric.higher_is_better

    def of_batch(self, outputs: Outputs, batch: Batch, costs: Sequence[float], before: Array | None) -> Array:
        """Return what the metric computes for its output."""
        _, a, y, weight = outputs[self.output].examples(batch.targets[self.output], batch.weight)
        return statistics_of(self.metric, a, y, weight, before)

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the statistics of the metric."""
        return self.metric.statistics(a, y, weight)

    def merge(self, first: Array, second: Array) -> Array:
        """Merge as the metric does."""
        return self.metric.merge(first, second)

    def result(self, statistics: Array) -> float | Array:
        """Return the result of the metric."""
        return self.metric.result(statistics)


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


def _merged(metric: Metric, first: Array, second: Array) -> Array:
    if sums_up(metric):
        return first + second
    return _numeric(metric, "merge", metric.merge(first, second), "an array of numbers")


def _numeric(metric: Metric, method: str, value: Value, expected: str) -> Value:
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


def chosen_at(chosen: Metrics, measures: Mapping[str, Metric]) -> dict[str, tuple[tuple[str | int, ...], Metric]]:
    """Return where among those that the user chose each metric is, and the metric itself, by its name."""
    places: list[tuple[tuple[str | int, ...], Metric]]
    if isinstance(chosen, Mapping):
        places = [((output, index), metric) for output, own in chosen.items() for index, metric in enumerate(own)]
    else:
        places = [((index,), metric) for index, metric in enumerate(chosen)]
    names = [name for name, measure in measures.items() if not isinstance(measure, CostOfOutput)]
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
        own, output = (metric.metric, metric.output) if isinstance(metric, MetricOfOutput) else (metric, 0)
        if text := outside_domain(own, objective.terms[output].activation, registry):
            yield name, ShapeError(f"it {text} Use another metric, or another activation there.")


def refused(
    network: Network, given: Data, objective: Objective, metrics: Mapping[str, Metric]
) -> Iterator[tuple[str, NnfwError]]:
    """Yield the name of each metric that cannot take the outputs, or some label, of a sample, with its error.

    Only the first example passes through the network: its outputs stand for those of all.
    """
    if not metrics:
        return
    with np.errstate(all="ignore"):  # values too large are the training's matter
        data = given.sample
        first = data.part(0, 1, network.dtype)
        one = network.forward(first.inputs, network.workspace(), first.lengths)
        for name, metric in metrics.items():
            workspace = network.workspace()
            try:
                for start in range(0, len(data), EVALUATION_ROWS):
                    rows = np.arange(start, min(start + EVALUATION_ROWS, len(data)))
                    batch, outputs = _as_if(one, data, rows, workspace)
                    statistics_by_name({name: metric}, objective, outputs, batch, {})
            except (ShapeError, DataError) as error:
                yield name, error


def _as_if(one: Outputs, data: Labelled, rows: Array, workspace: Workspace) -> tuple[Batch, Outputs]:
    """Return a batch with the labels of some examples, and for each of them the outputs of one."""
    targets, weight = data.labels(rows, workspace)

    def repeated(array: Array) -> Array:
        return np.broadcast_to(array, (len(rows), *array.shape[1:]))

    outputs = [
        Output(repeated(z), repeated(a), None if lengths is None else repeated(lengths)) for z, a, lengths in one
    ]
    return Batch((rows,), targets, weight), outputs


def evaluate(
    network: Network,
    data: Data,
    objective: Objective,
    metrics: Mapping[str, Metric],
    workspace: Workspace,
    prefix: str = "",
    size: int = EVALUATION_ROWS,
    collective: Collective = ONE_PROCESS,
) -> Record:
    """Return cost and metrics of `network` on `data`, without dropout, with `prefix` before each name.

    `size` examples pass through the network together, so its memory, in `workspace`, stays bounded. Several ranks take
    a part of the examples each, unless there are fewer examples than ranks.
    """
    shared = 1 < collective.size <= len(data)
    if shared:
        assert isinstance(data, Labelled)  # ranks cannot share a source
        data = data.subset(data.rows_at(np.arange(collective.rank, len(data), collective.size)))
    tally = Tally(metrics)
    overflow = np.errstate(over="ignore", invalid="ignore")  # shows in the cost
    with overflow, closing(data.parts(size, workspace.child("data"))) as parts:
        for batch in parts:
            outputs = network.forward(batch.inputs, workspace, batch.lengths)
            tally.add_batch(objective.value(outputs, batch), outputs, batch, objective)
    if shared:
        tally.sum(collective)
    return tally.record(prefix)


def require_finite_cost(cost: float, what: str, label: str) -> None:
    """Raise DataError if the cost of `what` is NaN or infinite; `label` names the cost."""
    if not isfinite(cost):
        raise DataError(
            f"The cost of {what} is {cost}: outputs or labels of an example are too large for {label}. Check the "
            "examples: they may lie far outside those of the training."
        )
