"""What a model makes of its columns: permutation importance and partial dependence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

import numpy as np

from nnfw.arrays import Array
from nnfw.data import Examples, Target, categorical, listed
from nnfw.errors import DataError, did_you_mean
from nnfw.experiments.data import features_and_labels
from nnfw.experiments.preparation import Prepared
from nnfw.model.predictions import predicted_by_cost
from nnfw.randomness import stream
from nnfw.training import evaluate

MOST_ROWS = 2000
"""Examples that are looked at, so that a large table takes no longer than a small one."""

MOST_ENTRIES = 100
"""Numbers of a block up to which each of them has an importance of its own."""

_MOST_VALUES = 20  # of a column, at which the dependence is computed
_EDGE = 0.05  # share of the values at either end that the dependence leaves out: few examples are there


@dataclass(frozen=True, eq=False)
class Importance:
    """How much a column matters to a model.

    Parameters
    ----------
    column
        A raw column of the data, before its transforms; of a block also one of its numbers, ``pixels_3``.
    change
        By how much cost and metrics change where the column's values are exchanged at random between the examples: the
        mean over the repetitions.
    spread
        The standard deviation of the change over the repetitions.
    """

    column: str
    change: Mapping[str, float]
    spread: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Dependence:
    """What a model predicts where a column has one value in all examples, and the others stay.

    Parameters
    ----------
    column
        A raw column of the data.
    values
        Numbers in ascending order, or words.
    means
        The mean prediction at each value, by its name: the probabilities of the classes, or the target in its own unit.
    """

    column: str
    values: Sequence[float] | Sequence[str]
    means: Mapping[str, Sequence[float]]


def importances(prepared: Prepared, examples: Examples, repeats: int = 5) -> list[Importance]:
    """Return the importance of each column that the model takes, the largest change of the cost first.

    A column that repeats another seems unimportant: the model can read the same elsewhere. Of blocks of up to 100
    numbers, each number has its importance too.

    Parameters
    ----------
    prepared, examples
        A run, and raw examples with labels that it takes; the first 2,000 are used.
    repeats
        How often each column is shuffled, 1 or more.

    References
    ----------
    A. Fisher, C. Rudin, F. Dominici (2019), *All models are wrong, but many are useful*, section 3.
    """
    some = examples.take(np.arange(min(len(examples), MOST_ROWS)))
    before, rng, found = _figures(prepared, some), stream(prepared.experiment.seed, "columns"), []
    for name, place in _places(prepared, some, MOST_ENTRIES).items():
        changes, own = [], place.of(some.features)
        for _ in range(repeats):
            shuffled = replace(some, features=place.put(some.features, own[rng.permutation(len(some))]))
            after = _figures(prepared, shuffled)
            changes.append({key: after[key] - before[key] for key in before})
        each = {key: [change[key] for change in changes] for key in before}
        mean = {key: float(np.mean(values)) for key, values in each.items()}
        found.append(Importance(name, mean, {key: float(np.std(values)) for key, values in each.items()}))
    return sorted(found, key=lambda each: -each.change["cost"])


def dependence(prepared: Prepared, examples: Examples, column: str) -> Dependence:
    """Return what the model predicts, on average over the first 2,000 examples, along the values of a column.

    For numbers these are up to 20 quantiles between the 5th and the 95th percentile, for words the 20 most frequent. Of
    a block, `column` is one of its numbers: ``pixels_3``. DataError if the model takes no such column, it holds more
    than one value for each example, or there are several outputs.

    References
    ----------
    J. H. Friedman (2001), *Greedy function approximation: a gradient boosting machine*, section 8.2.
    """
    known = _places(prepared, examples)
    if column not in known:
        near = did_you_mean(column, known)
        raise DataError(f"The model takes no column {column!r}.{near} Columns: {listed(tuple(known))}.")
    some, place = examples.take(np.arange(min(len(examples), MOST_ROWS))), known[column]
    own = place.of(some.features)
    if own.ndim > 1:
        raise DataError(
            f"Column {column!r} holds {own.shape[1:]} values for each example; a dependence needs one, such as "
            f"{column + '_0'!r}."
        )
    preprocessing, model = prepared.model.preprocessing, prepared.model
    assert preprocessing is not None
    if len(preprocessing.outputs) > 1:
        raise DataError("The network has several outputs; a dependence needs one.")
    (target,) = preprocessing.outputs.values()
    values, rows = _values(own), []
    if not len(values):
        raise DataError(f"Column {column!r} holds no number in these examples; a dependence needs some.")
    for value in values:
        features = place.put(some.features, np.full(len(own), value, own.dtype))
        a = np.asarray(model.predict(preprocessing.apply(features, model.dtype)))
        groups = predicted_by_cost(prepared.objective.terms[0].cost, a, target) or [dict(_predictions(a, target))]
        found = {name: column for group in groups for name, column in group.items()}
        rows.append({name: float(np.mean(column, dtype=np.float64)) for name, column in found.items()})
    means = {name: [row[name] for row in rows] for name in rows[0]}
    return Dependence(column, values.tolist(), means)


class _Place(NamedTuple):
    """A raw column, or one of the values of a block."""

    column: str
    entry: tuple[int, ...] = ()

    @property
    def _index(self) -> tuple[slice | int, ...]:
        return (slice(None), *self.entry)

    def of(self, features: Mapping[str, Array]) -> Array:
        """Return its values."""
        return features[self.column][self._index]

    def put(self, features: Mapping[str, Array], values: Array) -> dict[str, Array]:
        """Return the features with other values in it."""
        changed = features[self.column].copy() if self.entry else values
        if self.entry:
            changed[self._index] = values
        return {**features, self.column: changed}


def _places(prepared: Prepared, examples: Examples, most: int | None = None) -> dict[str, _Place]:
    """Return the raw columns that the model takes, and after them the values in blocks, of `most` values if given."""
    assert prepared.model.preprocessing is not None
    own = {column.name: column for column in prepared.model.preprocessing.columns}
    columns = [own[name] for name in examples.features if name in own]
    blocks = [column for column in columns if column.shape and prod(column.shape) <= (most or prod(column.shape))]
    entries = {
        name: _Place(column.name, entry)
        for column in blocks
        for name, entry in zip(column.table_names, np.ndindex(column.shape), strict=True)
    }
    return {column.name: _Place(column.name) for column in columns} | {
        name: place for name, place in entries.items() if name not in own
    }


def _figures(prepared: Prepared, examples: Examples) -> dict[str, float]:
    """Return cost and metrics of raw examples, without matrices."""
    model = prepared.model
    data = model.labelled(*features_and_labels(model, examples), prepared.objective, examples.weight)
    found = evaluate(model.network, data, prepared.objective, prepared.measures, model.network.workspace())
    return {name: value for name, value in found.items() if isinstance(value, float)}


def _values(column: Array) -> Array:
    """Return the values at which the dependence on a column is computed."""
    if categorical(column):
        words, counts = np.unique(column, return_counts=True)
        return np.sort(words[np.argsort(-counts, kind="stable")[:_MOST_VALUES]])
    finite = column[np.isfinite(column)]
    different = np.unique(finite)
    if len(different) <= _MOST_VALUES:
        return different
    at = np.quantile(finite, np.linspace(_EDGE, 1 - _EDGE, _MOST_VALUES))
    return np.unique(at.astype(column.dtype))


def _predictions(a: Array, target: Target) -> Iterator[tuple[str, Array]]:
    """Yield the probabilities of the classes by their names, or the predictions in the target's unit."""
    flat, column = a.reshape(len(a), -1), target.column
    if target.classes is not None and flat.shape[1] in (1, len(target.classes)):
        shown = target.classes[-1:] if flat.shape[1] == 1 else target.classes
        yield from zip(shown, flat.T, strict=True)
        return
    numbers = flat
    if column is not None and (not column.steps or np.prod(column.output_shape) == flat.shape[1]):
        labels = target.labels(a)
        numbers = labels.reshape(len(a), -1) if labels.dtype.kind == "f" else flat
    name = "output" if column is None else column.name
    count, entries = numbers.shape[1], None if column is None else column.entries
    names = [name] if count == 1 else [f"{name} {k}" for k in range(count)]
    yield from zip(entries if entries is not None and len(entries) == count else names, numbers.T, strict=True)
