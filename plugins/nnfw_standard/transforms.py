"""Transforms: changes of columns, fitted on the training split and stored with the model.

Columns are ``(N, ...)``. Fitted values are float64 numbers, as nested lists of the shape of one entry where a column is
a block. Computation is in float64; what goes in as float32 comes out as float32, and whole numbers come out as float64.

A column that comes in parts gives the fitted values of the whole column: exactly for `min_max`, `one_hot` and
`index`, up to rounding for `standardize`. None of them keeps a part.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.configuration import Above
from nnfw.data import listed, row_blocks
from nnfw.errors import ConfigError, DataError, Mistake, did_you_mean, short
from nnfw.plain import Plain, PlainTable
from nnfw.protocols import FitsInParts

_CHUNK = 1 << 22  # numbers processed at a time, so that a memory-mapped column is never read whole
_MOST_ROOM = 1 << 24  # characters, in an array that gives each category the room of the longest
_ROUNDING = 8  # units in the last place by which equal numbers may differ after computation in float64
_ROUNDING_OF_STORED = 2  # float32 and float16 are storage formats, where each step may be data: neighbours are equal
_USUAL = 300  # exponent of two: the square of 2^300, and a sum of many such, are far from the limits of float64
_ALIKE = (str, int | float)  # types of the categories of one column


@dataclass(frozen=True)
class Standardize(FitsInParts):
    """Mean 0 and standard deviation 1 on the training split.

    x' = (x − mean) / scale, with scale² = 1/N Σ_i (x_i − mean)²

    Parameters
    ----------
    columns : tuple of str or None
        Names of the columns to change; None (default) for every numeric one.

    Notes
    -----
    The variance is that of the population, with 1/N. A block is standardized at each of its positions. Where all
    training values are equal, the scale is 1, so they become exactly 0. Values that differ by rounding alone count as
    equal: by less than 8 units in the last place of the largest, in float32 by one.

    Examples
    --------
    >>> transform = Standardize()
    >>> fitted = transform.fit(np.array([1.0, 3.0, 5.0, 7.0]))
    >>> fitted["mean"], round(fitted["scale"], 4)
    (4.0, 2.2361)
    >>> transform.invert(transform.apply(np.array([9.0]), fitted), fitted)
    array([9.])
    """

    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical"]] = "numeric"

    def start(self) -> None:
        """Return None, for no rows."""

    def add(self, gathered: _Moments | None, part: Array) -> _Moments:
        """Return number, bounds, mean and variance of the rows so far."""
        moments = _Moments.of(part)
        return moments if gathered is None else gathered.joined(moments)

    def finish(self, gathered: _Moments) -> PlainTable:
        """Return ``mean`` and ``scale``."""
        low, high = told_apart(gathered.low, gathered.high)
        constant = low == high
        mean = np.where(constant, low, np.ldexp(gathered.mean, gathered.power))
        scale = np.where(constant, 1.0, np.ldexp(np.sqrt(gathered.variance), gathered.power))
        return {"mean": mean.tolist(), "scale": np.where(scale == 0, 1.0, scale).tolist()}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return (x − mean) / scale, shaped like `column`."""
        mean, scale = self._values(fitted)
        power = _power(mean, scale)
        x, mean, scale = (_divided(values, power) for values in (column, mean, scale))
        return like(column, (x - mean) / scale)

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return x' · scale + mean, shaped like `column`."""
        mean, scale = self._values(fitted)
        power = _power(mean, scale)
        return like(column, np.ldexp(column * _divided(scale, power) + _divided(mean, power), power))

    @staticmethod
    def _values(fitted: PlainTable) -> tuple[Array, Array]:
        mean, scale = numbers(fitted, "mean", "scale")
        if (scale <= 0).any():
            raise DataError(f"the fitted scale must be greater than 0, got {scale.min()}.")
        return mean, scale


@dataclass(frozen=True)
class MinMax(FitsInParts):
    """Linear onto [low, high] on the training split.

    x' = low + (x − min) / (max − min) · (high − low)

    Parameters
    ----------
    low, high : float
        Where the smallest and the largest training value go; 0 and 1 by default. `low` must be less than `high`.
    columns : tuple of str or None
        Names of the columns to change; None (default) for every numeric one.

    Notes
    -----
    Other values are not clipped: outside the range of the training split they fall outside [low, high]. A block is
    mapped at each of its positions. Where all training values are equal, or differ by rounding alone as for
    ``standardize``, max − min counts as 1, so they become `low`.

    Examples
    --------
    >>> transform = MinMax(-1, 1)
    >>> fitted = transform.fit(np.array([10, 20, 30]))
    >>> fitted
    {'minimum': 10.0, 'maximum': 30.0}
    >>> transform.apply(np.array([10.0, 25.0, 40.0]), fitted)
    array([-1. ,  0.5,  2. ])
    """

    low: float = 0.0
    high: Annotated[float, Above("low")] = 1.0
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical"]] = "numeric"

    def start(self) -> None:
        """Return None, for no rows; ConfigError if `low` is not less than `high`."""
        if not self.low < self.high:  # objects given to Preprocessing.fit were checked by no registry
            raise ConfigError(
                [Mistake(("high",), f"must be greater than low, {self.low}, got {self.high}.")], "min_max"
            )

    def add(self, gathered: tuple[Array, Array] | None, part: Array) -> tuple[Array, Array]:
        """Return minimum and maximum of the rows so far."""
        low, high = part.min(axis=0), part.max(axis=0)
        return (low, high) if gathered is None else (np.minimum(gathered[0], low), np.maximum(gathered[1], high))

    def finish(self, gathered: tuple[Array, Array]) -> PlainTable:
        """Return ``minimum`` and ``maximum``."""
        minimum, maximum = told_apart(*gathered)
        return {"minimum": minimum.tolist(), "maximum": maximum.tolist()}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return low + (x − min) / (max − min) · (high − low), shaped like `column`."""
        minimum, span, power = self._range(fitted)
        share = (_divided(column, power) - minimum) / span
        return like(column, self.low + share * (self.high - self.low))

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return min + (x' − low) / (high − low) · (max − min), shaped like `column`."""
        minimum, span, power = self._range(fitted)
        share = (column - np.float64(self.low)) / (self.high - self.low)
        return like(column, np.ldexp(minimum + share * span, power))

    @staticmethod
    def _range(fitted: PlainTable) -> tuple[Array, Array, Array]:
        """Return min and max − min, divided by a power of two, and the exponent of that."""
        minimum, maximum = numbers(fitted, "minimum", "maximum")
        if (minimum > maximum).any():
            raise DataError("the fitted minimum must not be greater than the maximum.")
        power = np.where(minimum == maximum, 0, _power(minimum, maximum))
        span = _divided(maximum, power) - _divided(minimum, power)
        return _divided(minimum, power), np.where(span == 0, 1.0, span), power


@dataclass(frozen=True)
class _OfCategories(FitsInParts):
    """A transform whose fitted values are the categories of the training split, in sorted order.

    With a slot for others, ``others`` says how many training values are in it: those of rare categories.
    """

    columns: tuple[str, ...] | None = None
    _: KW_ONLY
    most: Annotated[int, Ge(1)] = 1000
    unknown: Literal["own", "error"] | bool = "own"
    min_count: Annotated[int, Ge(1)] = 1
    accepts: ClassVar[Literal["numeric", "categorical"]] = "categorical"
    takes_missing: ClassVar[bool] = True  # the empty word is a category like any other
    _name: ClassVar[str]

    def start(self) -> dict[Plain, int]:
        """Return no categories; ConfigError if rare ones are to join unknown ones that are errors."""
        if self.min_count > 1 and not self._has_slot:
            text = f"joins rare categories with unknown ones, which need unknown = 'own', got {self.unknown!r}."
            raise ConfigError([Mistake(("min_count",), text)], self._name)
        return {}

    def add(self, gathered: dict[Plain, int], part: Array) -> dict[Plain, int]:
        """Return how often there was each category so far; DataError if there are more than `most`."""
        categories, counts = np.unique(part, return_counts=True)
        for category, count in zip(categories.tolist(), counts.tolist(), strict=True):
            gathered[category] = gathered.get(category, 0) + count
        if self.min_count == 1:
            self._require_few(gathered)
        return gathered

    def finish(self, gathered: dict[Plain, int]) -> PlainTable:
        """Return ``categories``, a sorted list, and ``others`` if there is a slot for them."""
        frequent = [category for category, count in gathered.items() if count >= self.min_count]
        self._require_few(frequent)
        if not frequent:
            raise DataError(
                f"{self._name}: no category is there {self.min_count} times in the training data. Lower min_count, or "
                "leave the column out."
            )
        fitted: dict[str, Plain] = {"categories": np.sort(np.array(frequent)).tolist()}
        if self._has_slot:
            fitted["others"] = sum(count for count in gathered.values() if count < self.min_count)
        return fitted

    @property
    def _has_slot(self) -> bool:
        return self.unknown in ("own", True)

    def _others(self, fitted: PlainTable) -> int | None:
        """Return how many training values are in the slot of others; None if there is no slot.

        Before there was ``others`` only the option said so, and it was True or False.
        """
        others = fitted.get("others", 0 if self.unknown is True else None)
        if others is not None and (not isinstance(others, int) or isinstance(others, bool) or others < 0):
            raise DataError(f"the fitted others must be a whole number of 0 or more, got {short(others)}.")
        return others

    @staticmethod
    def _require_known(column: Array, indices: Array, categories: list[Plain]) -> None:
        if (indices < 0).any():
            place = tuple(np.argwhere(indices < 0)[0].tolist())
            known = listed([short(category) for category in categories])
            hint = did_you_mean(str(column[place]), map(str, categories), 1) if column.dtype.kind == "U" else ""
            raise DataError(
                f"unknown category {short(column[place].item())} in row {place[0]} (from 0); the training data had "
                f"{known}.{hint} Correct it, or train without the column, or with unknown = 'own'."
            )

    @staticmethod
    def _named(indices: Array, categories: list[Plain]) -> Array:
        """Return the category of each nearest index; DataError if there is none, as for others."""
        nearest = np.rint(indices)
        wrong = ~((nearest >= 0) & (nearest < len(categories)))
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0].tolist())
            raise DataError(
                f"the index {indices[place].item()} in row {place[0]} (from 0) stands for no category; expected 0 to "
                f"{len(categories) - 1}."
            )
        named: Array = np.array(categories)[nearest.astype(np.int64)]
        return named

    def _categories(self, fitted: PlainTable) -> list[Plain]:
        found = categories_in(fitted.get("categories"))
        if not fitted.keys() <= {"categories", "others"}:
            raise DataError(f"the fitted values must be categories and others, got {short(list(fitted))}.")
        self._require_few(found)
        room = len(found) * max(len(item) if isinstance(item, str) else 1 for item in found)
        if room > _MOST_ROOM:
            raise DataError(
                f"the fitted categories with the room of the longest have {room:,} characters; {_MOST_ROOM:,} are the "
                "most."
            )
        return found

    def _require_few(self, categories: Collection[Plain]) -> None:
        if len(categories) > self.most:
            raise DataError(
                f"{self._name} found {len(categories):,} categories, more than {self.most:,}. Leave the column out, or "
                f"allow more of them: most = {len(categories)}."
            )


@dataclass(frozen=True)
class OneHot(_OfCategories):
    """A category as a vector with a single 1.

    x'_k = 1 if x is category k, else 0; x'_K = 1 if x is a category of others and the training data has such

    Parameters
    ----------
    columns : tuple of str or None
        Names of the columns to change, of words or whole numbers; None (default) for every column of words.
    most : int
        The largest number of categories, 1 or more; 1,000 by default. Each becomes an input of the network: a column of
        names or remarks, almost all of them different, would fill the memory and teach nothing.
    unknown : str
        What becomes of a category that was not in training: ``"own"`` (default, or True) makes it one of the others;
        ``"error"`` (or False), an error.
    min_count : int
        A category with fewer training values than this is one of the others; 1 by default, so none is.

    Notes
    -----
    The categories are those of the training split, in sorted order. The others share an entry after the last if
    `min_count` joins some of the training data, which teach the network its weights. Otherwise the vector of an unknown
    category is 0, as if the entry was there and its weights 0. A missing word, ``""``, is a category like any other.
    The vectors are float32; 0 and 1 are exact in every dtype.

    Examples
    --------
    >>> transform = OneHot()
    >>> fitted = transform.fit(np.array(["b", "a", "c", "a"]))
    >>> fitted
    {'categories': ['a', 'b', 'c'], 'others': 0}
    >>> transform.apply(np.array(["c", "a", "z"]), fitted)
    array([[0., 0., 1.],
           [1., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    >>> transform.invert(np.array([[0.2, 0.7, 0.1]]), fitted)
    array(['b'], dtype='<U1')
    """

    _name: ClassVar[str] = "one_hot"

    def add(self, gathered: dict[Plain, int], part: Array) -> dict[Plain, int]:
        """Return the categories so far; DataError if the column is a block, or there are more than `most`."""
        require_flat(self._name, part)
        return super().add(gathered, part)

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return the vectors ``(N, K)``, or with others of the training data ``(N, K + 1)``.

        DataError names an unknown category and its row, if it is to be an error.
        """
        require_flat(self._name, column)
        categories, others = self._categories(fitted), self._others(fitted)
        indices = indices_of(column, categories)
        if others is None:
            self._require_known(column, indices, categories)
        vectors = np.zeros((len(column), len(categories) + 1), np.float32)
        vectors[np.arange(len(column)), indices] = 1  # -1 is the last
        return vectors if others else vectors[:, :-1].copy()

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return the category ``(N,)`` of the largest entry of each row ``(N, K)``; of equal ones the first.

        DataError names a row whose largest entry is that of the others.
        """
        return self._named(np.argmax(column, axis=-1), self._categories(fitted))


@dataclass(frozen=True)
class Index(_OfCategories):
    """A category as its index, for an embedding.

    x' = k if x is category k of K, counted from 0

    Parameters
    ----------
    columns : tuple of str or None
        Names of the columns to change, of words or whole numbers; None (default) for every column of words.
    most : int
        The largest number of categories K, 1 or more; 100,000 by default.
    unknown : str
        What becomes of a category that was not in training: ``"own"`` (default, or True) gives it the index K;
        ``"error"`` (or False), an error.
    min_count : int
        A category with fewer training values than this has the index K too; 1 by default, so none has.

    Notes
    -----
    The categories are those of the training split, in sorted order. The indices are int64 and stay it. An embedding
    needs K + 1 rows to take unknown categories. If no training example has the last one, it keeps its initial values:
    `min_count` gives it some. A sequence of categories ``(N, T)``, such as a text, becomes one of indices. A missing
    word, ``""``, is a category like any other.

    Examples
    --------
    >>> transform = Index()
    >>> fitted = transform.fit(np.array(["b", "a", "c", "a"]))
    >>> fitted
    {'categories': ['a', 'b', 'c'], 'others': 0}
    >>> transform.apply(np.array(["c", "a", "z"]), fitted)
    array([2, 0, 3])
    >>> transform.invert(np.array([2, 0]), fitted)
    array(['c', 'a'], dtype='<U1')
    """

    _: KW_ONLY
    most: Annotated[int, Ge(1)] = 100_000
    _name: ClassVar[str] = "index"

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return the indices, shaped like `column`.

        DataError names an unknown category and its row, if it is to be an error.
        """
        categories = self._categories(fitted)
        indices = indices_of(column, categories)
        if self._others(fitted) is None:
            self._require_known(column, indices, categories)
        return np.where(indices < 0, len(categories), indices)

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return the category of each nearest index; DataError if there is none, as for unknown categories."""
        return self._named(column, self._categories(fitted))


def indices_of(column: Array, categories: Sequence[Plain]) -> Array:
    """Return the index of each category as int64, -1 for one that is unknown."""
    index = {category: k for k, category in enumerate(categories)}
    values, inverse = np.unique(column, return_inverse=True)
    indices: Array = np.array([index.get(value, -1) for value in values.tolist()], np.int64)[inverse]
    return indices.reshape(column.shape)


def require_flat(name: str, column: Array) -> None:
    """Refuse a column with more than one category for each example."""
    if column.ndim != 1:
        raise DataError(
            f"{name} takes one category for each example, shape (N,), got {column.shape}. Use index for sequences of "
            "them."
        )


def categories_in(found: Plain) -> list[Plain]:
    """Return fitted categories, all words or all numbers, and different; a file may hold anything in their place."""
    if not isinstance(found, list) or not any(all(isinstance(item, one) for item in found) for one in _ALIKE):
        raise DataError(f"the fitted categories must be a list of words, or of numbers, got {short(found)}.")
    if not found or len(set(found)) < len(found):
        raise DataError(f"the fitted categories must be different ones, one at least, got {short(found)}.")
    return found


def _blocks(column: Array) -> Iterator[Array]:
    """Yield the column in float64, some rows at a time."""
    for rows in row_blocks(column, _CHUNK):
        yield np.asarray(column[rows], np.float64)


class _Moments(NamedTuple):
    """Number, bounds, mean / 2^power and variance / 4^power of some rows, at each position.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque (1983), *Algorithms for computing the sample variance*, Equation 2.1.
    """

    rows: int
    low: Array
    high: Array
    power: Array
    mean: Array
    variance: Array

    @classmethod
    def of(cls, part: Array) -> _Moments:
        """Return those of one part, in two passes."""
        rows, low, high = len(part), part.min(axis=0), part.max(axis=0)
        power = _power(low, high)
        mean = sum((_divided(block, power).sum(axis=0) for block in _blocks(part)), np.float64(0)) / rows
        first = second = np.float64(0)
        for block in _blocks(part):
            deviation = _divided(block, power) - mean
            first, second = first + deviation.sum(axis=0), second + np.square(deviation).sum(axis=0)
        # without the rounding of the mean the first sum would be 0
        variance = np.maximum(second / rows - np.square(first / rows), 0)
        return cls(rows, low, high, power, np.asarray(mean), variance)

    def joined(self, other: _Moments) -> _Moments:
        """Return those of all rows of both."""
        rows, low, high = self.rows + other.rows, np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        power = _power(low, high)
        (mean, variance), (others, others_variance) = self._over(power), other._over(power)
        share = other.rows / rows
        between = share * (1 - share) * np.square(others - mean)
        variance = (self.rows * variance + other.rows * others_variance) / rows + between
        return _Moments(rows, low, high, power, mean + share * (others - mean), variance)

    def _over(self, power: Array) -> tuple[Array, Array]:
        """Return mean and variance over another power of two, which is no smaller."""
        difference = self.power - power
        return np.ldexp(self.mean, difference), np.ldexp(self.variance, 2 * difference)


def told_apart(low: Array, high: Array) -> tuple[Array, Array]:
    """Return minimum and maximum in float64; twice the minimum where they differ by rounding alone."""
    dtype = low.dtype
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if dtype.kind == "f":
        units = np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(dtype)).astype(np.float64)
        rounding = units * (_ROUNDING if dtype == np.float64 else _ROUNDING_OF_STORED)
        high = np.where(high / 2 - low / 2 < rounding / 2, low, high)  # the difference itself may overflow
    return low, high


def _power(*values: Array) -> Array:
    """Return the exponent of the power of two near the largest of some numbers; 0 where its square is a usual number.

    Divided by it, which is exact, numbers of any size can be squared and summed.
    """
    _, exponent = np.frexp(np.max(np.abs(np.asarray(values, np.float64)), axis=0))
    return np.where(np.abs(exponent) > _USUAL, exponent, 0)


def _divided(values: Array, power: Array) -> Array:
    """Return values over a power of two."""
    return np.ldexp(np.asarray(values, np.float64), -power) if power.any() else values


def numbers(fitted: PlainTable, *names: str) -> tuple[Array, ...]:
    """Return fitted values as arrays; a file may hold anything in their place."""
    if fitted.keys() != set(names):
        raise DataError(f"the fitted values must be {' and '.join(names)}, got {short(list(fitted))}.")
    return tuple(array_of(fitted[name], name) for name in names)


def array_of(value: Plain, name: str) -> Array:
    """Return a fitted value as an array of float64; DataError unless it is finite numbers."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise DataError(f"the fitted {name} must be numbers, got {short(value)}.")
    return array.astype(np.float64)


def like(column: Array, values: Array) -> Array:
    """Return computed values in the dtype of a column of floats; for other columns they stay float64."""
    return values.astype(column.dtype, copy=False) if column.dtype.kind == "f" else values
