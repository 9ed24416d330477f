"""Cost and metrics on examples, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from nnfw.errors import DataError, FileFormatError, NnfwError, ShapeError, short
from nnfw.network import EVALUATION_ROWS, Batch, Output
from nnfw.protocols import Collective, Metric
from nnfw.training.batches import Labelled
from nnfw.training.collective import ONE_PROCESS, combine
from nnfw.training.history import Record
from nnfw.training.measures import merged, result_of, statistics_by_name, statistics_of

if TYPE_CHECKING:
    from nnfw.arrays import Array
    from nnfw.network import Network, Objective, Outputs, Workspace
    from nnfw.training.batches import Data, LabelsOf


FIRST_EXAMPLES = 64
"""Examples that are evaluated before a training; the final cost is compared with theirs. More would slow down a short
training."""

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
        self._statistics[name] = statistics if before is None else merged(self._metrics[name], before, statistics)

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
            name: result_of(metric, self._statistics[name]) for name, metric in self._metrics.items()
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
