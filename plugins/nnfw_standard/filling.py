"""The transform that fills what is missing."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from nnfw.arrays import Array
from nnfw.data import categorical
from nnfw.errors import DataError, short
from nnfw.plain import PlainTable
from nnfw.protocols import Transform
from nnfw_standard.transforms import array_of, like


@dataclass(frozen=True)
class Fill(Transform):
    """A value in place of each that is missing: of NaN among numbers, of the empty word among words.

    | x' = x where x is there, else the fitted value; with an indicator (x', 1 if x is missing, else 0)

    Parameters
    ----------
    by : str
        Which value of the training split fills numbers: ``"mean"`` (default), ``"median"`` or ``"most_frequent"``, the
        smallest of several. The last also fills words; otherwise what is missing among words keeps a value of its own,
        the empty word.
    value : float, str or None
        A value to fill instead: a number for columns of numbers, a text for columns of words; None (default) for none.
    indicator : bool
        Whether each number is followed by 1 where it was missing and 0 where it was not; False by default.
    columns : tuple of str or None
        Names of the columns to change; None (default) for all.

    Raises
    ------
    DataError
        If a column, or a position of a block, has no value in the training split; if words have an indicator, or
        numbers are filled with a text.

    Notes
    -----
    A block is filled at each of its positions. Nothing needs to be missing in the training split. The mean is found
    without keeping the column; median and most frequent value need all of it.

    Examples
    --------
    >>> transform = Fill(indicator=True)
    >>> fitted = transform.fit(np.array([1.0, np.nan, 3.0]))
    >>> fitted
    {'value': 2.0}
    >>> transform.apply(np.array([np.nan, 5.0]), fitted)
    array([[2., 1.],
           [5., 0.]])
    >>> transform = Fill("most_frequent")
    >>> transform.apply(np.array(["", "Bern"]), transform.fit(np.array(["Oslo", "", "Oslo", "Bern"])))
    array(['Oslo', 'Bern'], dtype='<U4')
    """

    by: Literal["mean", "median", "most_frequent"] = "mean"
    value: float | str | None = None
    indicator: bool = False
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]] = "any"
    takes_missing: ClassVar[bool] = True

    def add(self, gathered: Any, part: Array) -> Any:
        """Return what is known of the rows so far: their mean, a single row of them, or all."""
        if self._counted(part):
            found = _Mean.of(part)
            return [gathered[0].joined(found)] if gathered else [found]
        if self.value is None and self.by != "mean" and not self._own(part):
            return super().add(gathered, part)
        return gathered or super().add(gathered, part[:1])

    def finish(self, gathered: Any) -> PlainTable:
        """Return ``value``."""
        if isinstance(gathered[0], _Mean):
            self._require_any(gathered[0].rows)
            return {"value": gathered[0].mean.tolist()}
        return self.fit(np.concatenate(gathered))

    def fit(self, column: Array) -> PlainTable:
        """Return ``value``, in nested lists of the shape of one entry where the column is a block."""
        words = categorical(column)
        if words and self.indicator and not self._own(column):
            raise DataError(
                "fill: words have no indicator. What is missing among them has a value of its own, unless it is filled."
            )
        if self._own(column):
            return {"value": np.full(column.shape[1:], "").tolist()}
        if self.value is not None:
            if not words and isinstance(self.value, str):
                raise DataError(f"fill: value = {short(self.value)} is a text, but the column holds numbers.")
            return {"value": np.full(column.shape[1:], self.value).tolist()}
        if self._counted(column):
            return self.finish(self.add([], column))
        missing = _missing(column)
        self._require_any((~missing).sum(axis=0))
        if self.by == "median":  # of halves: the sum of two numbers may be larger than the largest
            return {"value": (2 * np.nanmedian(np.asarray(column, np.float64) / 2, axis=0)).tolist()}
        found = [_most_frequent(column[(~missing[place], *place[1:])]) for place in _places(column)]
        return {"value": np.array(found).reshape(column.shape[1:]).tolist()}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return x' ``(N, ...)``, with an indicator for numbers ``(N, ..., 2)``."""
        value = _value(fitted, categorical(column))
        missing = _missing(column)
        if categorical(column):
            return np.where(missing, value, column)
        filled = like(column, np.where(missing, value, np.asarray(column, np.float64)))
        return np.stack([filled, missing.astype(filled.dtype)], axis=-1) if self.indicator else filled

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return the column without indicator; what was filled stays."""
        return column[..., 0] if self.indicator and not categorical(column) else column

    def _own(self, column: Array) -> bool:
        """Return whether what is missing keeps a value of its own."""
        return categorical(column) and self.by != "most_frequent" and not isinstance(self.value, str)

    def _counted(self, column: Array) -> bool:
        return self.by == "mean" and self.value is None and not categorical(column)

    @staticmethod
    def _require_any(count: Array) -> None:
        if not np.all(count):
            where = f" at {np.argwhere(np.asarray(count) == 0)[0].tolist()} of each example" if np.ndim(count) else ""
            raise DataError(
                f"fill: every value{where} is missing in the training data. Leave the column out of the features, or "
                "give a value."
            )


class _Mean(NamedTuple):
    """Number and mean of the numbers that are there, at each position."""

    rows: Array
    mean: Array

    @classmethod
    def of(cls, part: Array) -> _Mean:
        there = ~_missing(part)
        count = np.asarray(there.sum(axis=0))
        # shares instead of a sum, which may be larger than the largest number
        return cls(count, np.asarray(np.where(there, part / np.maximum(count, 1.0), 0.0).sum(axis=0)))

    def joined(self, other: _Mean) -> _Mean:
        """Return those of both."""
        count = self.rows + other.rows
        share = other.rows / np.maximum(count, 1)
        return _Mean(count, self.mean * (1 - share) + other.mean * share)


def _missing(column: Array) -> Array:
    """Return which values are missing."""
    if categorical(column):
        return np.asarray(column == "")
    return np.isnan(column) if column.dtype.kind == "f" else np.full(column.shape, False)


def _places(column: Array) -> list[tuple[slice | int, ...]]:
    """Return the index of all rows at each position."""
    return [(slice(None), *place) for place in np.ndindex(column.shape[1:])]


def _most_frequent(values: Array) -> Any:
    different, counts = np.unique(values, return_counts=True)
    return different[np.argmax(counts)].item()


def _value(fitted: PlainTable, words: bool) -> Array:
    """Return the fitted value; a file may hold anything in its place."""
    if fitted.keys() != {"value"}:
        raise DataError(f"the fitted values must be a value, got {short(list(fitted))}.")
    if not words:
        return array_of(fitted["value"], "value")
    try:
        value = np.asarray(fitted["value"])
    except ValueError:  # lists of different lengths
        value = np.asarray(None)
    if value.dtype.kind != "U":
        raise DataError(f"the fitted value must be words, got {short(fitted['value'])}.")
    return value
