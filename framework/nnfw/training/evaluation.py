"""Cost and metrics on examples, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from nnfw.errors import FileFormatError, short
from nnfw.plugins import Registry
from nnfw.protocols import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nnfw.network import Workspace
    from nnfw.training.batches import Labelled
    from nnfw.training.trainable import Objective, Trainable

    Array = NDArray[Any]

EVALUATION_ROWS = 1024
"""Examples that pass through the network together when nothing is trained."""


_GATHERED_VALUES = 1 << 14
"""Outputs that are gathered before metrics look at them: one call for many small batches. They are few enough to leave
the processor's caches to the parameters."""

_Batch = tuple["Array", "Array", "Array | None"]


class Tally:
    """Running sums of the cost and of every metric over the batches of a pass.

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
        self._gathered: _Batch | None = None
        self._places: list[_Batch] = []  # parts of what is gathered, one for each batch
        self._filled = self._most = self._size = 0

    def add(self, cost: float, a: Array, y: Array, weight: Array | None) -> None:
        """Add one batch."""
        self._cost += float(cost) * len(a)
        self._count += len(a)
        if not self._metrics:
            return
        if not self._size:
            self._make_room(a, y, weight)
        if len(a) != self._size or self._most < 2:
            self._look_at(a, y, weight)
        else:
            self._gather(a, y, weight)

    def _gather(self, a: Array, y: Array, weight: Array | None) -> None:
        if not self._size:
            self._make_room(a, y, weight)
        if self._filled == len(self._places):
            self._places.append(self._part(slice(self._filled * self._size, (self._filled + 1) * self._size)))
        to_a, to_y, to_weight = self._places[self._filled]
        to_a[...] = a
        to_y[...] = y
        if to_weight is not None:
            to_weight[...] = weight
        self._filled += 1
        if self._filled == self._most:
            self._look_at_gathered()

    def _make_room(self, a: Array, y: Array, weight: Array | None) -> None:
        """Make room for batches like the first one; those of another size, as the last one, are not gathered."""
        self._size, self._most = len(a), _GATHERED_VALUES // a.size
        rows = self._size * self._most
        self._gathered = _empty(a, rows), _empty(y, rows), None if weight is None else _empty(weight, rows)

    def _part(self, rows: slice) -> _Batch:
        assert self._gathered is not None
        a, y, weight = self._gathered
        return a[rows], y[rows], None if weight is None else weight[rows]

    def _look_at_gathered(self) -> None:
        self._look_at(*self._part(slice(self._filled * self._size)))
        self._filled = 0

    def _look_at(self, a: Array, y: Array, weight: Array | None) -> None:
        for name, metric in self._metrics.items():
            statistics = metric.statistics(a, y, weight)
            self._statistics[name] = self._statistics[name] + statistics if name in self._statistics else statistics

    def content(self) -> dict[str, Any]:
        """Return all that was added so far, for :meth:`put_back`."""
        gathered = self._part(slice(self._filled * self._size)) if self._filled else None
        sums = {"statistics": dict(self._statistics), "cost": self._cost, "count": self._count}
        return {**sums, "gathered": gathered, "size": self._size}

    def put_back(self, content: Mapping[str, Any]) -> None:
        """Take over the content of another tally; FileFormatError if it is none of these metrics."""
        match content:
            case {
                "statistics": dict(found),
                "cost": float(cost),
                "count": int(count),
                "gathered": gathered,
                "size": int(size),
            } if found.keys() <= self._metrics.keys() and (gathered is None or _is_gathered(gathered, size)):
                self._statistics, self._cost, self._count = found, cost, count
            case _:
                raise FileFormatError(f"{short(content)} holds no sums of the cost and of these metrics")
        if gathered is not None:
            a, y, weight = gathered
            for start in range(0, len(a), size):
                rows = slice(start, start + size)
                self._gather(a[rows], y[rows], None if weight is None else weight[rows])

    def record(self, prefix: str = "") -> dict[str, Any]:
        """Return cost and metrics of everything added, with `prefix` before each name; matrices as nested lists."""
        if self._filled:
            self._look_at_gathered()
        results = {name: metric.result(self._statistics[name]) for name, metric in self._metrics.items()}
        plain = {name: result.tolist() if hasattr(result, "tolist") else result for name, result in results.items()}
        return {f"{prefix}{name}": value for name, value in ({"cost": self._cost / self._count} | plain).items()}


def _empty(like: Array, rows: int) -> Array:
    return np.empty((rows, *like.shape[1:]), like.dtype)


def _is_gathered(value: Any, size: int) -> bool:
    """Return whether a value is what was gathered of some batches of `size` examples."""
    match value:
        case (np.ndarray() as a, np.ndarray() as y, weight) if a.ndim and y.ndim and a.size and size > 0:
            whole = len(a) % size == 0 and len(a) // size < _GATHERED_VALUES // a[:size].size
            return whole and len(y) == len(a) and (weight is None or np.shape(weight) == (len(a),))
    return False


def named_metrics(metrics: tuple[Metric | str, ...], registry: Registry) -> dict[str, Metric]:
    """Return resolved metrics by the name under which they are recorded; a second one of a name gets ``_2``."""
    named: dict[str, Metric] = {}
    for metric in metrics:
        component = registry.component_of("metric", metric)
        name = component.name if component else type(metric).__name__
        count = sum(other == name or other.startswith(f"{name}_") for other in named)
        named[f"{name}_{count + 1}" if name in named else name] = metric  # type: ignore[assignment]
    return named


def evaluate(
    model: Trainable,
    data: Labelled,
    objective: Objective,
    metrics: Mapping[str, Metric],
    workspace: Workspace,
    prefix: str = "",
) -> dict[str, Any]:
    """Return cost and metrics of `model` on `data`, without dropout; the network's memory stays bounded.

    Parameters
    ----------
    model, data, objective, metrics
        What is evaluated, on what.
    workspace
        Memory of an evaluation pass, from ``model.workspace()``.
    prefix
        Put before each name.
    """
    tally = Tally(metrics)
    with closing(data.parts(EVALUATION_ROWS, workspace.child("data"))) as parts:
        for x, y, weight in parts:
            z, a = model.forward(x, workspace)
            tally.add(objective.value(z, a, y, weight), a, y, weight)
    return tally.record(prefix)
