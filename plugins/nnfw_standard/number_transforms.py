"""Transforms of numbers whose values are far apart, skewed, or partly wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Lt
from scipy import special

from nnfw.arrays import Array
from nnfw.errors import ConfigError, DataError, Mistake
from nnfw.plain import PlainTable
from nnfw.protocols import Transform
from nnfw_standard.transforms import Standardize, like, numbers, told_apart

_LINEAR = Standardize()
_LARGEST = float(np.finfo(np.float64).max)
_OUTERMOST = 1e-7  # the least share that a normal distribution is asked for: 5.2 standard deviations from the mean
_AROUND_OUTERMOST = 1 + 1e-6  # rounding of a share that went to a normal value and back


@dataclass(frozen=True)
class Robust(Transform):
    """Median 0 and interquartile range 1 on the training split, so that a few wild values change little.

    x' = (x − median) / scale, scale = the third quartile − the first

    Parameters
    ----------
    columns : tuple of str or None
        Names of the columns to change; None (default) for every numeric one.

    Notes
    -----
    Where half of the values or more are equal, the scale is half of maximum − minimum, and 1 if these are equal too.
    Values that differ by rounding alone count as equal, as for ``standardize``. A block is changed at each of its
    positions. All of the column is needed to fit it.

    References
    ----------
    D. Holzmüller, L. Grinsztajn, I. Steinwart (2024), *Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data*, section 3, for the scale of columns with many equal values.

    Examples
    --------
    >>> transform = Robust()
    >>> fitted = transform.fit(np.array([1.0, 2.0, 3.0, 4.0, 1e9]))
    >>> fitted
    {'median': 3.0, 'scale': 2.0}
    >>> transform.apply(np.array([5.0]), fitted)
    array([1.])
    """

    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]] = "numeric"

    def fit(self, column: Array) -> PlainTable:
        """Return ``median`` and ``scale``."""
        first, median, third = _quantiles(column, [0.25, 0.5, 0.75])
        dtype = column.dtype if column.dtype.kind == "f" else np.dtype(np.float64)
        scale = _difference(*told_apart(first.astype(dtype), third.astype(dtype)))
        low, high = told_apart(column.min(axis=0), column.max(axis=0))
        scale = np.where(scale == 0, _difference(low / 2, high / 2), scale)
        median = np.where(low == high, low, median)
        return {"median": median.tolist(), "scale": np.where(scale == 0, 1.0, scale).tolist()}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return (x − median) / scale, shaped like `column`."""
        return _LINEAR.apply(column, self._as_linear(fitted))

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return x' · scale + median, shaped like `column`."""
        return _LINEAR.invert(column, self._as_linear(fitted))

    @staticmethod
    def _as_linear(fitted: PlainTable) -> PlainTable:
        numbers(fitted, "median", "scale")
        return {"mean": fitted["median"], "scale": fitted["scale"]}


@dataclass(frozen=True)
class QuantileTransform(Transform):
    """The share of training values below a number, or the number that has this share in a normal distribution.

    | p = ½ (the share of training values < x + the share of those ≤ x), linear between quantiles
    | x' = p (uniform) or Φ⁻¹(p) (normal)

    Parameters
    ----------
    to : str
        The distribution that the training values get: ``"normal"`` (default), of mean 0 and variance 1, or
        ``"uniform"`` between 0 and 1.
    quantiles : int
        The number of quantiles that are stored, 2 or more; 1,000 by default, and no more than there are values.
    columns : tuple of str or None
        Names of the columns to change; None (default) for every numeric one.

    Notes
    -----
    Values beyond those of the training split get its outermost shares, 0 and 1; for the normal distribution these are
    10⁻⁷ and 1 − 10⁻⁷. A constant column gets the share ½. A block is changed at each of its positions. All of the
    column is needed to fit it.

    Examples
    --------
    >>> transform = QuantileTransform("uniform")
    >>> fitted = transform.fit(np.array([1.0, 10.0, 100.0, 1000.0, 10000.0]))
    >>> transform.apply(np.array([1.0, 55.0, 1000.0, 1e9]), fitted)
    array([0.   , 0.375, 0.75 , 1.   ])
    """

    to: Literal["normal", "uniform"] = "normal"
    quantiles: Annotated[int, Ge(2)] = 1000
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]] = "numeric"

    def fit(self, column: Array) -> PlainTable:
        """Return ``quantiles``: from the smallest value to the largest, each in the shape of one entry."""
        count = max(2, min(self.quantiles, len(column)))
        every = count == len(column)  # shares that are rounded would tear equal values apart
        found = np.sort(column, axis=0) if every else _quantiles(column, np.linspace(0, 1, count))
        low, high = told_apart(column.min(axis=0), column.max(axis=0))
        found = np.where(low == high, low, np.maximum.accumulate(found))  # rounding may have turned the order
        return {"quantiles": found.tolist()}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return x', shaped like `column`."""
        shares = _at_each_position(_share_below, column, self._fitted(fitted, column))
        if self.to == "normal":
            shares = special.ndtri(np.clip(shares, _OUTERMOST, 1 - _OUTERMOST))
        return like(column, shares)

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return the quantile of each share, shaped like `column`; shares beyond 0 and 1 count as these."""
        shares = np.asarray(column, np.float64)
        if self.to == "normal":
            shares = special.ndtr(shares)
            outermost = _OUTERMOST * _AROUND_OUTERMOST
            shares = np.where(shares <= outermost, 0.0, np.where(shares >= 1 - outermost, 1.0, shares))
        return like(column, _at_each_position(_of_share, shares, self._fitted(fitted, column)))

    @staticmethod
    def _fitted(fitted: PlainTable, column: Array) -> Array:
        (quantiles,) = numbers(fitted, "quantiles")
        fits = quantiles.ndim and quantiles.shape[1:] == column.shape[1:] and len(quantiles) > 1
        if not fits or (quantiles[1:] < quantiles[:-1]).any():
            raise DataError("the fitted quantiles must be two or more that do not fall, each in the shape of an entry.")
        return quantiles


@dataclass(frozen=True)
class Log(Transform):
    """The natural logarithm, for numbers that span orders of magnitude.

    x' = log(x + shift), or signed: x' = sign(x) log(1 + |x|)

    Parameters
    ----------
    shift : float
        What is added first; 0 by default. Every number must be greater than −shift.
    signed : bool
        Whether to take the logarithm of the absolute value + 1 and keep the sign, which suits numbers of both signs;
        then there is no shift. False by default.
    columns : tuple of str or None
        Names of the columns to change; None (default) for every numeric one.

    Raises
    ------
    ConfigError
        From :meth:`fit`, for a shift of a signed logarithm.

    Examples
    --------
    >>> transform = Log(shift=1)
    >>> transform.apply(np.array([0.0, np.e - 1]), {})
    array([0., 1.])
    """

    shift: float = 0.0
    signed: bool = False
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]] = "numeric"

    def fit(self, column: Array) -> PlainTable:
        """Return nothing; DataError as :meth:`apply`."""
        if self.signed and self.shift:
            raise ConfigError([Mistake(("shift",), f"must be 0 where signed = true, got {self.shift}.")], "log")
        self.apply(column, {})
        return {}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return x', shaped like `column`; DataError names the first number without a logarithm, and its row."""
        x = np.asarray(column, np.float64)
        if self.signed:
            return like(column, np.copysign(np.log1p(np.abs(x)), x))
        advice = f"Give a larger shift than {self.shift:g}, or signed = true."
        _require_above(x, -self.shift, f"log(x + {self.shift:g})" if self.shift else "log(x)", advice)
        return like(column, np.log(x + self.shift))

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return exp(x') − shift, or signed: sign(x') (exp(|x'|) − 1), shaped like `column`."""
        x = np.asarray(column, np.float64)
        if self.signed:
            return like(column, np.copysign(np.expm1(np.abs(x)), x))
        return like(column, np.exp(x) - self.shift)

    def samples(self, rng: np.random.Generator) -> Iterable[object]:
        """Yield columns of numbers that have a logarithm."""
        yield np.exp(rng.standard_normal(9)) - self.shift
        yield np.exp(rng.standard_normal((9, 3))) - self.shift
        if self.signed:
            yield 3 * rng.standard_normal(9)


@dataclass(frozen=True)
class Power(Transform):
    """The power that makes the training values most like those of a normal distribution; standardize them afterwards.

    | Yeo-Johnson: x' = ((x + 1)^λ − 1) / λ for x ≥ 0, else −((1 − x)^(2 − λ) − 1) / (2 − λ)
    | Box-Cox: x' = (x^λ − 1) / λ, for x > 0
    | with logarithms where λ, or 2 − λ, is 0

    Parameters
    ----------
    family : str
        ``"yeo_johnson"`` (default), for all numbers, or ``"box_cox"``, for those above 0.
    columns : tuple of str or None
        Names of the columns to change; None (default) for every numeric one.

    Notes
    -----
    λ has the largest likelihood (SciPy's ``yeojohnson_normmax`` and ``boxcox_normmax``); it is 1 for a constant column.
    A block has a λ at each of its positions. All of the column is needed to fit it.

    References
    ----------
    I.-K. Yeo, R. A. Johnson (2000), *A new family of power transformations to improve normality or symmetry*,
    Equation 2.1. G. E. P. Box, D. R. Cox (1964), *An analysis of transformations*, Equation 1.

    Examples
    --------
    >>> transform = Power("box_cox")
    >>> transform.apply(np.array([1.0, 4.0, 9.0]), {"lambda": 0.5})
    array([0., 2., 4.])
    >>> transform.invert(np.array([0.0, 2.0, 4.0]), {"lambda": 0.5})
    array([1., 4., 9.])
    """

    family: Literal["yeo_johnson", "box_cox"] = "yeo_johnson"
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]] = "numeric"

    def fit(self, column: Array) -> PlainTable:
        """Return ``lambda``; DataError if a number is too small, or the largest likelihood is not found."""
        self._require(column)
        low, high = told_apart(column.min(axis=0), column.max(axis=0))
        found = np.ones(column.shape[1:])
        for place in np.ndindex(found.shape):
            if low[place] < high[place]:
                found[place] = self._best(np.asarray(column[(slice(None), *place)], np.float64))
        if not np.isfinite(found).all():
            raise DataError("power found no λ: the numbers are too large or too far apart. Standardize them first.")
        return {"lambda": found.tolist()}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return x', shaped like `column`; DataError names the first number that is too small, and its row."""
        (power,) = numbers(fitted, "lambda")
        self._require(column)
        x = np.asarray(column, np.float64)
        if self.family == "box_cox":
            return like(column, special.boxcox(x, power))
        size = np.abs(x)
        return like(column, np.where(x < 0, -special.boxcox1p(size, 2 - power), special.boxcox1p(size, power)))

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return x, shaped like `column`; NaN where no x has this x'."""
        (power,) = numbers(fitted, "lambda")
        x = np.asarray(column, np.float64)
        if self.family == "box_cox":
            return like(column, special.inv_boxcox(x, power))
        size = np.abs(x)
        return like(column, np.where(x < 0, -special.inv_boxcox1p(size, 2 - power), special.inv_boxcox1p(size, power)))

    def samples(self, rng: np.random.Generator) -> Iterable[object]:
        """Yield columns of numbers that have a power."""
        yield np.exp(rng.standard_normal(9))
        yield np.exp(rng.standard_normal((9, 3)))
        if self.family == "yeo_johnson":
            yield 10 + 3 * rng.standard_normal(9)
            yield rng.standard_normal((9, 3))

    def _best(self, x: Array) -> float:
        from scipy import stats  # slow to import

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # powers that overflow are only tried
            best = stats.boxcox_normmax(x, method="mle") if self.family == "box_cox" else stats.yeojohnson_normmax(x)
        return float(best)

    def _require(self, column: Array) -> None:
        if self.family == "box_cox":
            _require_above(column, 0.0, "box_cox", "Take family = 'yeo_johnson'.")


@dataclass(frozen=True)
class Clip(Transform):
    """Numbers beyond two bounds become the bounds.

    x' = min(max(x, low), high)

    Parameters
    ----------
    low, high : float or None
        The bounds; None (default) for quantiles of the training split.
    share : float
        The share of the training values that is below `low`, and above `high`, where these are None: 0 or more, less
        than ½; 0.01 by default.
    columns : tuple of str or None
        Names of the columns to change; None (default) for every numeric one.

    Raises
    ------
    ConfigError
        From :meth:`fit`, if `low` is greater than `high`.

    Notes
    -----
    What is clipped is lost, so a target cannot be. A block has bounds at each of its positions. All of the column is
    needed to fit it, unless both bounds are given.

    Examples
    --------
    >>> transform = Clip(share=0.1)
    >>> fitted = transform.fit(np.arange(11.0))
    >>> fitted
    {'low': 1.0, 'high': 9.0}
    >>> transform.apply(np.array([-1e9, 5.0, 9.5]), fitted)
    array([1., 5., 9.])
    """

    low: float | None = None
    high: float | None = None
    share: Annotated[float, Ge(0), Lt(0.5)] = 0.01
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]] = "numeric"
    invertible: ClassVar[bool] = False

    def fit(self, column: Array) -> PlainTable:
        """Return ``low`` and ``high``."""
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ConfigError([Mistake(("high",), f"must be no less than low, {self.low}, got {self.high}.")], "clip")
        low, high = _quantiles(column, [self.share, 1 - self.share])
        low = low if self.low is None else np.full(low.shape, self.low)
        high = high if self.high is None else np.full(low.shape, self.high)
        # a bound that is given may lie beyond a quantile; it is the one that holds
        low, high = (np.minimum(low, high), high) if self.low is None else (low, np.maximum(low, high))
        return {"low": low.tolist(), "high": high.tolist()}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return x', shaped like `column`."""
        low, high = numbers(fitted, "low", "high")
        if (low > high).any():
            raise DataError("the fitted low must not be greater than high.")
        return like(column, np.clip(np.asarray(column, np.float64), low, high))

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return the column as it is."""
        return column


def _quantiles(column: Array, shares: Array | list[float]) -> Array:
    """Return quantiles along the first axis, of halves: the difference of two may be larger than the largest number."""
    return np.asarray(2 * np.quantile(np.asarray(column, np.float64) / 2, shares, axis=0))


def _difference(low: Array, high: Array) -> Array:
    """Return high − low, and the largest number where that is larger."""
    return np.asarray(2 * np.minimum(high / 2 - low / 2, _LARGEST / 2))


def _at_each_position(function: Callable[[Array, Array], Array], column: Array, quantiles: Array) -> Array:
    found = np.empty(column.shape)
    for place in np.ndindex(column.shape[1:]):
        rows = (slice(None), *place)
        found[rows] = function(np.asarray(column[rows], np.float64), quantiles[rows])
    return found


def _share_below(x: Array, quantiles: Array) -> Array:
    """Return the share of the training values below each number, in the middle of equal ones."""
    if quantiles[0] == quantiles[-1]:
        return np.full(x.shape, 0.5)
    shares = np.linspace(0, 1, len(quantiles))
    x, quantiles = x / 2, quantiles / 2
    below = np.interp(x, quantiles, shares)
    above = -np.interp(-x, -quantiles[::-1], -shares[::-1])
    return np.where(x <= quantiles[0], 0.0, np.where(x >= quantiles[-1], 1.0, (below + above) / 2))


def _of_share(share: Array, quantiles: Array) -> Array:
    return np.asarray(2 * np.interp(share, np.linspace(0, 1, len(quantiles)), quantiles / 2))


def _require_above(column: Array, bound: float, what: str, advice: str) -> None:
    """Refuse numbers that are not greater than a bound; DataError names the first, and its row."""
    wrong = ~(column > bound)
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        raise DataError(
            f"{what} needs numbers greater than {bound:g}, got {column[place].item():g} in row {place[0]} (from 0). "
            f"{advice}"
        )
