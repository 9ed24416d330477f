"""Tables as columns of numbers and words: what every contender learns from, and its split into training and test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Columns = Mapping[str, Array]
"""Numbers are float64, with NaN where one is missing; words are Python strings, or None."""
Kind = Literal["classification", "regression"]

MOST_ROWS = 20_000
TEST_SHARE = 5
"""One row of this many is for testing."""


@dataclass(frozen=True)
class Task:
    """Rows to learn from; `settings` are changes of nnfw's experiment, as in `nnfw train --set`."""

    train: Columns
    target: str
    kind: Kind
    seed: int
    settings: tuple[str, ...] = ()

    @property
    def features(self) -> dict[str, Array]:
        """The columns but the target."""
        return {name: values for name, values in self.train.items() if name != self.target}

    @property
    def y(self) -> Array:
        """The target."""
        return self.train[self.target]


@dataclass(frozen=True)
class Prediction:
    """What is predicted of a number of rows: numbers, or the probability of each class."""

    values: Array
    classes: tuple[Any, ...] = field(default=())


Predict = Callable[[Columns], Prediction]


def rows_of(columns: Columns) -> int:
    """Return the number of rows."""
    return len(next(iter(columns.values())))


def take(columns: Columns, rows: Array) -> dict[str, Array]:
    """Return some of the rows."""
    return {name: values[rows] for name, values in columns.items()}


def is_missing(values: Array) -> Array:
    """Return for each value whether it is missing."""
    return np.isnan(values) if values.dtype.kind == "f" else np.array([value is None for value in values], bool)


def prepared(columns: Columns, target: str) -> dict[str, Array]:
    """Return the rows that have a target; of more than 20,000 a sample, always the same."""
    rows = np.flatnonzero(~is_missing(columns[target]))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
    return take(columns, rows)


def split(columns: Columns, target: str, kind: Kind, number: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return training and test rows, 80 and 20 %; each class has its share of both.

    Rows are shuffled, then ordered by class, and every fifth is for testing.
    """
    rng = np.random.default_rng(number)
    order = rng.permutation(rows_of(columns))
    if kind == "classification":
        _, codes = np.unique(columns[target], return_inverse=True)
        order = order[np.argsort(codes[order], kind="stable")]
    is_test = np.zeros(len(order), bool)
    is_test[order[rng.integers(TEST_SHARE) :: TEST_SHARE]] = True
    return take(columns, np.flatnonzero(~is_test)), take(columns, np.flatnonzero(is_test))
