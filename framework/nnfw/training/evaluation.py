"""Cost and metrics on examples, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from nnfw.data import NUMERIC_KINDS
from nnfw.errors import DataError, FileFormatError, NnfwError, ShapeError, short
from nnfw.plugins import Registry
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Metric
from nnfw.training.history import Record

if TYPE_CHECKING:
    from nnfw.arrays import Array
    from nnfw.network import Network, Objective, Workspace
    from nnfw.training.batches import Labelled


EVALUATION_ROWS = 1024
"""Examples that pass through the network together when nothing is trained."""


FIRST_EXAMPLES = 256
"""Examples that are evaluated before a training; the final cost is compared with theirs."""

_PLAIN = re.compile(r"[\w.+-]{1,30}")  # what an option may add to the name of a metric
_WHOLE_BITS = 64  # of a whole number with its sign, as checkpoints hold it

_GATHERED_VALUES = 1 << 14
"""Outputs that are gathered before metrics look at them: one call for many small batches. They are few enough to leave
the processor's caches to the parameters."""


class Tally:
    """Running sums of the cost and of every metric over the batches of a pass.

    Metrics look at each batch, unless it is known where labels come from: then the outputs of small batches are
    gathered, and metrics look at many of them at once.

    Parameters
    ----------
    metrics
        The metrics by name.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self._metrics = metrics
        self._statistics: dict[str, Array] = {}
        self._cost = 0.0
        self._count = 0
        self._labels: Callable[[int, int], tuple[Array, Array | None]] | None = None
        self._outputs: Array | None = None
        self._places: list[Array] = []  # parts of the outputs, one for each batch
        self._filled = self._size = 0

    def follow(self, data: Labelled, order: Array, workspace: Workspace) -> None:
        """Know from now on that `data` passes in the given order; `workspace` is for its labels."""
        self._labels = lambda start, stop: data.labels(order[start:stop], workspace)

    def add(self, cost: float, a: Array, y: Array, weight: Array | None) -> None:
        """Add one batch."""
        count = len(a)
        if count == self._size:
            if self._filled == len(self._places):
                self._look_at_gathered()
            self._places[self._filled][...] = a
            self._filled += 1
        elif self._metrics:
            self._add_first_or_last(a, y, weight)
        self._cost += cost * count
        self._count += count

    def add_many(self, costs: Sequence[float], outputs: Array | None, size: int) -> None:
        """Add batches as :meth:`add` does one after the other.

        Parameters
        ----------
        costs
            C of each batch.
        outputs
            a^L of each, ``(len(costs), size, *output_shape)``; may be None without metrics.
        size
            Examples in a batch.
        """
        if outputs is None or not self._metrics:
            self._add_costs(costs, size)
            return
        assert self._labels is not None
        done = 0
        while done < len(costs):
            if size != self._size:
                self.add(costs[done], outputs[done], *self._labels(self._count, self._count + size))
                done += 1
                continue
            if self._filled == len(self._places):
                self._look_at_gathered()
            some = min(len(costs) - done, len(self._places) - self._filled)
            self._filled += some
            self._gathered()[-some * size :] = outputs[done : done + some].reshape(-1, *outputs.shape[2:])
            self._add_costs(costs[done : done + some], size)
            done += some

    def _add_costs(self, costs: Sequence[float], size: int) -> None:
        for cost in costs:
            self._cost += cost * size
        self._count += len(costs) * size

    def _add_first_or_last(self, a: Array, y: Array, weight: Array | None) -> None:
        """Take the first batch of a size, or one that stays alone, such as the last one if it is smaller."""
        if self._filled:
            self._look_at_gathered()
        elif self._labels is not None and self._make_room(a):
            self._gathered()[...] = a
            return
        self._look_at(a, y, weight)

    def _make_room(self, a: Array) -> bool:
        """Make room for the outputs of batches like this one, the first of them; return whether it is worth it."""
        size, most = len(a), _most(a)
        if most > 1:
            self._size, self._outputs = size, np.empty((most * size, *a.shape[1:]), a.dtype)
            self._places = [self._outputs[start : start + size] for start in range(0, most * size, size)]
            self._filled = 1
        return most > 1

    def _gathered(self) -> Array:
        assert self._outputs is not None
        return self._outputs[: self._filled * self._size]

    def _look_at_gathered(self) -> None:
        """Let the metrics look at the outputs gathered, which are those of the last examples that were counted."""
        assert self._labels is not None
        a = self._gathered()
        self._look_at(a, *self._labels(self._count - len(a), self._count))
        self._filled = 0

    def _look_at(self, a: Array, y: Array, weight: Array | None) -> None:
        for name, metric in self._metrics.items():
            before = self._statistics.get(name)
            statistics = statistics_of(metric, a, y, weight, before)
            self._statistics[name] = statistics if before is None else before + statistics

    def content(self) -> dict[str, object]:
        """Return all that was added so far, for :meth:`put_back`."""
        gathered = self._gathered() if self._filled else None
        sums = {"statistics": dict(self._statistics), "cost": float(self._cost), "count": self._count}
        return {**sums, "gathered": gathered, "size": self._size}

    def put_back(self, content: object) -> None:
        """Take over the content of another tally; FileFormatError if it is none of these metrics."""
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
            self._make_room(gathered[:size])
            self._filled = len(gathered) // size
            self._gathered()[...] = gathered

    def record(self, prefix: str = "") -> Record:
        """Return cost and metrics of everything added, with `prefix` before each name; matrices as nested lists."""
        if self._filled:
            self._look_at_gathered()
        results = {name: _result_of(metric, self._statistics[name]) for name, metric in self._metrics.items()}
        plain = {name: result.tolist() if hasattr(result, "tolist") else result for name, result in results.items()}
        return {f"{prefix}{name}": value for name, value in ({"cost": float(self._cost) / self._count} | plain).items()}


def statistics_of(metric: Metric, a: Array, y: Array, weight: Array | None, before: Array | None = None) -> Array:
    """Return the statistics of a metric, of the shape that they had `before`; PluginError if they are not numbers."""
    found = metric.statistics(a, y, weight)
    if not _is_numeric(found):
        raise wrong_result(metric, "statistics", found, "an array of numbers")
    if before is not None and np.shape(found) != np.shape(before):
        raise wrong_result(metric, "statistics", found, f"the shape of the first ones, {np.shape(before)}")
    return found


def _result_of(metric: Metric, statistics: Array) -> Array | float:
    found = metric.result(statistics)
    if not _is_numeric(found):
        raise wrong_result(metric, "result", found, "a number or an array of numbers")
    return found


def _is_numeric(value: object) -> TypeGuard[Array | float]:
    if isinstance(value, int):
        return value.bit_length() < _WHOLE_BITS
    return isinstance(value, float) or (
        isinstance(value, np.ndarray | np.generic) and value.dtype.kind in NUMERIC_KINDS
    )


def _most(a: Array) -> int:
    """Return how many batches like this one are gathered."""
    return _GATHERED_VALUES // a.size


def _is_gathered(value: object, size: int, count: int) -> bool:
    """Return whether a value is the outputs of batches of `size` examples, as they are gathered, of `count` in all."""
    if not isinstance(value, np.ndarray) or not value.ndim or not value.size or size <= 0 or len(value) > count:
        return False
    most = _most(value[:size])
    return len(value) % size == 0 and most > 1 and len(value) <= most * size


def named_metrics(metrics: tuple[Metric, ...], registry: Registry) -> dict[str, Metric]:
    """Return resolved metrics by the name under which they are recorded.

    Metrics of one name get what tells them apart: the options in which they differ, but for defaults, as in ``f1`` and
    ``f1_micro``. One that is the same as another gets ``_2``.
    """
    names = [_name(metric, registry) for metric in metrics]
    named: dict[str, Metric] = {}
    for metric, name in zip(metrics, names, strict=True):
        alike = [other for other, its_name in zip(metrics, names, strict=True) if its_name == name]
        key = "_".join((name, *_told_apart(metric, alike)))
        count = next(number for number in range(1, len(metrics) + 1) if _numbered(key, number) not in named)
        named[_numbered(key, count)] = metric
    return named


def _name(metric: object, registry: Registry) -> str:
    component = registry.component_of("metric", metric)
    return component.name if component else type(metric).__name__


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def _told_apart(metric: object, alike: Sequence[object]) -> Iterator[str]:
    """Yield the options of a metric that are other than by default and than in others of its name."""
    for option in fields(metric) if is_dataclass(metric) else ():
        value = getattr(metric, option.name)
        if value != option.default and any(getattr(other, option.name, None) != value for other in alike):
            text = option.name if value is True else f"{option.name}_{value}" if value in (False, None) else str(value)
            yield from [text] if _PLAIN.fullmatch(text) else []


def refused(network: Network, data: Labelled, metrics: Sequence[Metric]) -> Iterator[tuple[int, NnfwError]]:
    """Yield the position of each metric that cannot take the outputs, or some label, of `data`, with its error.

    The outputs are those of the first example, whatever the label: nothing else passes through the network.
    """
    if not metrics:
        return
    with np.errstate(all="ignore"):  # values too large are the training's matter
        x, _, _ = data.part(0, 1, network.dtype)
        _, a = network.forward(x, network.workspace())
        for index, metric in enumerate(metrics):
            try:
                _try_labels(metric, a, data, network.workspace())
            except (ShapeError, DataError) as error:
                yield index, error


def _try_labels(metric: Metric, a: Array, data: Labelled, workspace: Workspace) -> None:
    for start in range(0, len(data), EVALUATION_ROWS):
        y, weight = data.labels(np.arange(start, min(start + EVALUATION_ROWS, len(data))), workspace)
        statistics_of(metric, np.broadcast_to(a, (len(y), *a.shape[1:])), y, weight)


def first_look(
    network: Network, data: Labelled, objective: Objective, metrics: Mapping[str, Metric], size: int
) -> Record:
    """Return cost and metrics of the first few examples, `size` of them at a time."""
    count = min(len(data), FIRST_EXAMPLES)
    some = data.subset(np.arange(count) if data.rows is None else data.rows[:count])
    with np.errstate(all="ignore"):
        return evaluate(network, some, objective, metrics, network.workspace(), size=min(size, count))


def evaluate(
    network: Network,
    data: Labelled,
    objective: Objective,
    metrics: Mapping[str, Metric],
    workspace: Workspace,
    prefix: str = "",
    size: int = EVALUATION_ROWS,
) -> Record:
    """Return cost and metrics of `network` on `data`, without dropout; the network's memory stays bounded.

    Parameters
    ----------
    network, data, objective, metrics
        What is evaluated, on what.
    workspace
        Memory of an evaluation pass, from ``network.workspace()``.
    prefix
        Put before each name.
    size
        Examples that pass through the network together.
    """
    tally = Tally(metrics)
    overflow = np.errstate(over="ignore", invalid="ignore")  # shows in the cost
    with overflow, closing(data.parts(size, workspace.child("data"))) as parts:
        for x, y, weight in parts:
            z, a = network.forward(x, workspace)
            tally.add(objective.value(z, a, y, weight), a, y, weight)
    return tally.record(prefix)


def require_finite_cost(cost: float, what: str) -> None:
    """Refuse a cost of evaluated data that is NaN or infinite: DataError names the data."""
    if not isfinite(cost):
        raise DataError(
            f"The cost of {what} is {cost}: outputs or labels of an example are too large for it. Check the examples: "
            "they may lie far outside those of the training."
        )
