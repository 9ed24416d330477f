"""Metrics of order: how well outputs rank examples, whatever their scale. They keep the outputs of all examples.

Memory is 8 bytes for each output, label and weight of every example that is evaluated.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from math import nan
from typing import ClassVar, Literal

import numpy as np

from nnfw.arrays import Array
from nnfw.data import outcomes_by_threshold, weighted_ranks
from nnfw.protocols import Metric
from nnfw_standard.metrics import ROUNDING, counted, labels_of, like, weights_of


class Kept(Metric):
    """A metric whose statistics are rows, one for each example."""

    def merge(self, first: Array, second: Array) -> Array:
        """Return the rows of both."""
        return np.concatenate([first, second])


@dataclass(frozen=True)
class _OfScores(Kept):
    """A figure of scores and of which examples are positive, averaged over the classes."""

    _: KW_ONLY
    average: Literal["macro", "weighted"] = "macro"
    multilabel: bool = False
    higher_is_better: ClassVar[bool] = True

    undefined: ClassVar[float]
    """The result where no class has what the figure needs."""

    @abstractmethod
    def figure(self, scores: Array, positive: Array, weight: Array) -> float | None:
        """Return the figure of one class; None where its examples do not define it."""

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return a row for each label that counts: scores, then its class, or 0 or 1 for each output; then its weight.

        For two classes there is one score, that of class 1.
        """
        if self.multilabel:
            _, true = labels_of(a, y)
            return np.column_stack([a.reshape(true.shape), true, weights_of(weight, a, len(true))]).astype(np.float64)
        _, actual, w, count, rows = counted(a, y, weight)
        scores = a.reshape(len(rows), -1)[rows]
        return np.column_stack([scores[:, -1:] if count == 2 else scores, actual, w]).astype(np.float64)

    def result(self, statistics: Array) -> float:
        """Return the mean over the classes that define it; NaN where an output is NaN."""
        weight = statistics[:, -1]
        columns = statistics[:, :-1].T
        scores, labels = np.split(columns, [len(columns) // 2 if self.multilabel else len(columns) - 1])
        if np.isnan(scores).any():
            return nan
        if not self.multilabel:
            labels = np.stack([labels[0] == (k if len(scores) > 1 else 1) for k in range(len(scores))])
        rows = weight > 0
        found = [
            (self.figure(each[rows], positive[rows] == 1, weight[rows]), weight @ (positive == 1))
            for each, positive in zip(scores, labels, strict=True)
        ]
        defined = [(figure, size) for figure, size in found if figure is not None]
        if not defined:
            return self.undefined
        figures, sizes = zip(*defined, strict=True)
        return float(np.average(figures, weights=sizes if self.average == "weighted" else None))


@dataclass(frozen=True)
class ROCAUC(_OfScores):
    """Area under the ROC curve: the chance that an example of the class has a higher score than one without it.

    Σ_i Σ_j w_i w_j ([s_i > s_j] + ½ [s_i = s_j]) / Σ_i Σ_j w_i w_j, with i over the positives and j over the negatives

    Parameters
    ----------
    average : {"macro", "weighted"}
        For more than two classes each is compared with all others together (one versus rest). ``"macro"`` (default):
        the mean over the classes; ``"weighted"``: weighted by their positives.
    multilabel : bool
        Whether each output is a class of its own, which an example has or has not. False by default.

    Notes
    -----
    Two classes have one area, that of the outputs for class 1. 1 is perfect, ½ is chance. A class without positives or
    without negatives is left out; ½ where that leaves none.

    References
    ----------
    T. Fawcett (2006), *An introduction to ROC analysis*.

    Examples
    --------
    >>> metric = ROCAUC()
    >>> metric.result(metric.statistics(np.array([[0.9], [0.4], [0.6], [0.4]]), np.array([1, 1, 0, 0])))
    0.625
    """

    undefined: ClassVar[float] = 0.5

    def figure(self, scores: Array, positive: Array, weight: Array) -> float | None:
        """Return the area by the trapezoidal rule; None without positives or without negatives."""
        if positive.all() or not positive.any():
            return None
        _, true, false = outcomes_by_threshold(scores, positive, weight)
        before = np.concatenate([[0.0], true[:-1]])
        return float((true + before) / 2 @ np.diff(false, prepend=0.0) / (true[-1] * false[-1]))


@dataclass(frozen=True)
class AveragePrecision(_OfScores):
    """Mean of the precision over the recall, as the threshold falls.

    Σ_n (R_n − R_(n−1)) P_n, with precision P_n and recall R_n at the n-th highest score

    Parameters
    ----------
    average : {"macro", "weighted"}
        As for ``roc_auc``.
    multilabel : bool
        As for ``roc_auc``.

    Notes
    -----
    Nothing is interpolated between the scores. Chance gives the share of positives. A class without positives is left
    out; 0 where that leaves none.

    Examples
    --------
    >>> metric = AveragePrecision()
    >>> metric.result(metric.statistics(np.array([[0.9], [0.6], [0.4]]), np.array([1, 0, 1])))  # (1 + 2/3) / 2
    0.8333333333333333
    """

    undefined: ClassVar[float] = 0.0

    def figure(self, scores: Array, positive: Array, weight: Array) -> float | None:
        """Return the sum; None without positives."""
        if not positive.any():
            return None
        _, true, false = outcomes_by_threshold(scores, positive, weight)
        return float(np.diff(true, prepend=0.0) @ (true / (true + false)) / true[-1])


@dataclass(frozen=True)
class Spearman(Kept):
    """Correlation of the ranks of outputs and labels, averaged over the outputs.

    ρ = cov(rank a, rank y) / √(var(rank a) var(rank y)); equal values share the mean of their ranks

    Notes
    -----
    1 for any increasing relation, −1 for any decreasing one. 0 for an output that is constant, or whose labels are.
    A sample weight of 2 counts an example twice, in the ranks too. NaN where the weights sum to 0.

    References
    ----------
    C. Spearman (1904), *The proof and measurement of association between two things*.

    Examples
    --------
    >>> metric = Spearman()
    >>> metric.result(metric.statistics(np.array([[1.0], [2.0], [9.0]]), np.array([[10.0], [30.0], [20.0]])))
    0.5
    """

    higher_is_better: ClassVar[bool] = True

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return [a, y, w] of each example ``(N, 2n + 1)``, for n outputs; ShapeError if `y` has another size."""
        y = like(a, y, "spearman")
        flat = [values.reshape(len(a), -1) for values in (a, y)]
        return np.column_stack([*flat, weights_of(weight, a, len(a))]).astype(np.float64)

    def result(self, statistics: Array) -> float:
        """Return the mean of ρ over the outputs, in [−1, 1]."""
        rows, w = statistics[:, :-1], statistics[:, -1]
        if not w.sum() or np.isnan(rows).any():
            return nan
        columns = rows.T
        half = len(columns) // 2
        return float(np.mean([_correlation(a, y, w) for a, y in zip(columns[:half], columns[half:], strict=True)]))


def _correlation(a: Array, y: Array, weight: Array) -> float:
    """Return the correlation of weighted ranks; 0 where one of them has no spread."""
    ranks = [weighted_ranks(values, weight) for values in (a, y)]
    p, q = (rank - weight @ rank / weight.sum() for rank in ranks)
    spread = float(weight @ (p * p)) * float(weight @ (q * q))
    if spread <= (ROUNDING * weight.sum() ** 3) ** 2:  # a variance of ranks is about Σw³/12
        return 0.0
    return float(np.clip(weight @ (p * q) / spread**0.5, -1, 1))
