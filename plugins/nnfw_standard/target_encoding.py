"""The transform of a category into the mean target of its examples."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import DataError, short
from nnfw.plain import Plain, PlainTable
from nnfw.protocols import FitsToTarget
from nnfw_standard.transforms import array_of, categories_in, indices_of, require_flat


@dataclass(frozen=True)
class TargetEncoding(FitsToTarget):
    """A category as the mean target of its training examples, drawn towards the mean of all: for many categories.

    x'_k = ȳ_k + n / (n + m) · (ȳ_k(x) − ȳ_k), with the means ȳ_k of all training examples, and ȳ_k(x) of the n of
    category x

    | auto: m = s² / σ², with the variances s² of y_k within the category, and σ² of all
    | training examples: in folds, each made of the means of the other folds

    Parameters
    ----------
    smooth : float or str
        m: how many examples a category needs to count as much as the mean of all, 0 or more. ``"auto"`` (default)
        finds it for each category (empirical Bayes).
    folds : int
        Into how many folds the training examples are dealt at random, 2 or more; 5 by default.
    columns : tuple of str or None
        Names of the columns to change, of words or whole numbers; None (default) for every column of words.

    Raises
    ------
    DataError
        From :meth:`cross_fit`, for a single training example.

    Notes
    -----
    The target of a regression gives one number, in the unit of the target, which is best standardized after, by a
    `standardize` that names the column: without `columns` it takes those of numbers alone. K classes give the K shares
    of their examples, two classes one: that of the second. An unknown category becomes the mean of all; a missing word,
    ``""``, is a category like any other. Weights of examples do not count. It cannot be undone.

    A training example never carries its own label: a category that occurs once becomes the mean of the other folds.
    scikit-learn's ``TargetEncoder`` differs in its folds alone, which are stratified for classes.

    References
    ----------
    D. Micci-Barreca (2001), *A preprocessing scheme for high-cardinality categorical attributes in classification and
    prediction problems*, Equations 3 to 6.

    Examples
    --------
    >>> transform, towns = TargetEncoding(smooth=1.0), np.array(["Bern", "Oslo", "Oslo", "Oslo"])
    >>> fitted = transform.fit_to(towns, np.array([[10.0], [2.0], [4.0], [0.0]]))
    >>> transform.apply(np.array(["Bern", "Oslo", "Rome"]), fitted)
    array([7. , 2.5, 4. ])
    """

    smooth: Literal["auto"] | Annotated[float, Ge(0)] = "auto"
    folds: Annotated[int, Ge(2)] = 5
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]] = "categorical"
    takes_missing: ClassVar[bool] = True
    invertible: ClassVar[bool] = False

    def fit_to(self, column: Array, target: Array) -> PlainTable:
        """Return ``categories``, sorted, their ``means`` after smoothing, and the ``mean`` of all."""
        require_flat("target_encoding", column)
        categories, codes = np.unique(column, return_inverse=True)
        means, mean = self._means(codes, len(categories), target)
        return {"categories": categories.tolist(), "means": means.tolist(), "mean": mean.tolist()}

    def cross_fit(self, column: Array, target: Array, rng: np.random.Generator) -> Array:
        """Return the means of the categories in the other folds."""
        require_flat("target_encoding", column)
        count, folds = len(column), min(self.folds, len(column))
        if count < 2:
            raise DataError("target_encoding needs at least 2 training examples: each learns from the others.")
        categories, codes = np.unique(column, return_inverse=True)
        fold_of, changed = rng.permutation(count) % folds, np.empty(target.shape)
        for fold in range(folds):
            own = fold_of == fold
            means, _ = self._means(codes[~own], len(categories), target[~own])
            changed[own] = means[codes[own]]
        return _columns(changed)

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return the means ``(N,)`` of a number or of two classes, ``(N, K)`` of more."""
        require_flat("target_encoding", column)
        categories, means, mean = _values(fitted)
        return _columns(np.vstack([means, mean])[indices_of(column, categories)])  # -1 is the last

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return the first category for each example."""
        return np.full(len(column), _values(fitted)[0][0])

    def _means(self, codes: Array, count: int, target: Array) -> tuple[Array, Array]:
        """Return the smoothed mean of each category ``(count, K)``, and the mean of all ``(K,)``."""
        mean = target.mean(axis=0)
        size = np.abs(target - mean).max(axis=0)
        deviation = (target - mean) / np.where(size > 0, size, 1.0)  # squares of large numbers would overflow
        examples = np.bincount(codes, minlength=count)[:, np.newaxis]
        shares = _sums(codes, count, deviation) / np.maximum(examples, 1)
        if self.smooth == "auto":
            within = _sums(codes, count, np.square(deviation - shares[codes]))
            weight, needed = examples * examples * np.square(deviation).mean(axis=0), within
        else:
            weight, needed = examples, np.full(examples.shape, self.smooth)
        known = weight + needed > 0
        return mean + size * shares * np.divide(weight, weight + needed, where=known, out=np.zeros(shares.shape)), mean


def _sums(codes: Array, count: int, values: Array) -> Array:
    """Return the sums of the values of each category ``(count, K)``."""
    return np.column_stack([np.bincount(codes, column, count) for column in values.T])


def _columns(changed: Array) -> Array:
    """Return a single column as ``(N,)``."""
    return changed[:, 0] if changed.shape[1] == 1 else changed


def _values(fitted: PlainTable) -> tuple[list[Plain], Array, Array]:
    """Return categories, their means ``(count, K)`` and the mean ``(K,)``; a file may hold anything in their place."""
    if fitted.keys() != {"categories", "means", "mean"}:
        raise DataError(f"the fitted values must be categories, means and mean, got {short(list(fitted))}.")
    categories = categories_in(fitted["categories"])
    means, mean = array_of(fitted["means"], "means"), array_of(fitted["mean"], "mean")
    if mean.ndim != 1 or not mean.size or means.shape != (len(categories), *mean.shape):
        raise DataError(
            f"the fitted means must have a row for each of {len(categories)} categories and as many columns as mean, "
            f"got shapes {means.shape} and {mean.shape}."
        )
    return categories, means, mean
