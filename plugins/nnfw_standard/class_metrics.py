"""Further metrics of classes, from counts of right and wrong predictions."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import nan
from typing import ClassVar

import numpy as np

from nnfw.arrays import Array
from nnfw.protocols import Metric
from nnfw_standard.metrics import MeanOfValues, OfOutcomes, labels_of, outcomes, weights_of


@dataclass(frozen=True)
class BalancedAccuracy(Metric):
    """Mean over the classes of the share of their examples that are right.

    1/K Σ_k TP_k / (TP_k + FN_k), over the K classes with examples

    Notes
    -----
    A rare class counts as much as a frequent one; guessing gives 1/K. It is the macro mean of ``recall``, which also
    counts classes that are only predicted. NaN where no class has an example.

    Examples
    --------
    >>> metric = BalancedAccuracy()
    >>> metric.result(metric.statistics(np.array([[0.1], [0.2], [0.9], [0.7]]), np.array([0, 0, 0, 1])))
    0.8333333333333333
    """

    higher_is_better: ClassVar[bool] = True

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the weights of TP, FP and FN of each class ``(3, K)``."""
        return outcomes(a, y, weight)

    def result(self, statistics: Array) -> float:
        """Return the mean, in [0, 1]."""
        right, _, missed = statistics
        present = right + missed > 0
        return float((right[present] / (right + missed)[present]).mean()) if present.any() else nan


@dataclass(frozen=True)
class MatthewsCorrelation(Metric):
    """Correlation of predicted and actual classes.

    (c s − Σ_k p_k t_k) / √((s² − Σ_k p_k²)(s² − Σ_k t_k²)), with c right of s examples, of which
    p_k are predicted to be of class k and t_k are

    Notes
    -----
    1 is perfect, 0 chance, and −1 always wrong for two classes, for which it is
    (TP TN − FP FN)/√((TP + FP)(TP + FN)(TN + FP)(TN + FN)). 0 where only one class is predicted or true.

    References
    ----------
    B. W. Matthews (1975), *Comparison of the predicted and observed secondary structure of T4 phage lysozyme*.
    J. Gorodkin (2004), *Comparing two K-category assignments by a K-category correlation coefficient*, Equation 8.

    Examples
    --------
    >>> metric = MatthewsCorrelation()
    >>> metric.result(metric.statistics(np.array([[0.9], [0.8], [0.1], [0.2]]), np.array([1, 0, 0, 0])))
    0.5773502691896258
    """

    higher_is_better: ClassVar[bool] = True

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the weights of TP, FP and FN of each class ``(3, K)``."""
        return outcomes(a, y, weight)

    def result(self, statistics: Array) -> float:
        """Return the correlation, in [−1, 1]."""
        right, wrong, missed = statistics
        said, true, total = right + wrong, right + missed, (right + missed).sum()
        spread = float(total**2 - said @ said) * float(total**2 - true @ true)
        return float(right.sum() * total - said @ true) / spread**0.5 if spread > 0 else 0.0


@dataclass(frozen=True)
class Specificity(OfOutcomes):
    """True negatives over actual negatives.

    TN / (TN + FP)

    Parameters
    ----------
    average : {"binary", "macro", "micro"} or None
        As for ``precision``.
    multilabel : bool
        As for ``precision``.

    Notes
    -----
    0/0 is 0. A class that is neither predicted nor actual in any example is left out of the macro mean.

    Examples
    --------
    >>> metric = Specificity()
    >>> metric.result(metric.statistics(np.array([[0.9], [0.8], [0.1]]), np.array([[1.0], [0.0], [0.0]])))
    0.5
    """

    numerator: ClassVar[tuple[int, ...]] = (0, 0, 0, 1)
    denominator: ClassVar[tuple[int, ...]] = (0, 1, 0, 1)

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the weights of TP, FP, FN and TN of each class ``(4, K)``; errors are those of ``precision``."""
        found = super().statistics(a, y, weight)
        if self.multilabel:
            total = weights_of(weight, a, a.size // found.shape[1]).sum()
        else:
            total = (found[0] + found[2]).sum()
        return np.vstack([found, total - found.sum(axis=0)])


@dataclass(frozen=True)
class ClassReport(Metric):
    """Precision, recall, F1 and support of each class, a row for each.

    [TP / (TP + FP), TP / (TP + FN), 2 TP / (2 TP + FP + FN), TP + FN]

    Parameters
    ----------
    multilabel : bool
        Whether each output is a class of its own, which an example has or has not. False by default.

    Notes
    -----
    0/0 is 0. The support is the weight of the examples of the class. `higher_is_better` means nothing for a matrix, and
    nothing can be monitored by it.

    Examples
    --------
    >>> metric = ClassReport()
    >>> metric.result(metric.statistics(np.array([[0.9], [0.8], [0.1]]), np.array([1, 0, 0])))
    array([[1.        , 0.5       , 0.66666667, 2.        ],
           [0.5       , 1.        , 0.66666667, 1.        ]])
    """

    _: KW_ONLY
    multilabel: bool = False
    higher_is_better: ClassVar[bool] = True

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the weights of TP, FP and FN of each class ``(3, K)``."""
        return outcomes(a, y, weight, multilabel=self.multilabel)

    def result(self, statistics: Array) -> Array:
        """Return the report ``(K, 4)``."""
        right, wrong, missed = statistics
        ratios = ((right, right + wrong), (right, right + missed), (2 * right, 2 * right + wrong + missed))
        columns = [np.divide(top, below, out=np.zeros_like(top), where=below > 0) for top, below in ratios]
        return np.column_stack([*columns, right + missed])


@dataclass(frozen=True)
class ExactMatch(MeanOfValues):
    """Share of examples whose labels are all right, where each output is a label of its own (multi-label).

    Σ_i w_i Π_j [(a_ij > ½) = y_ij] / Σ_i w_i

    Notes
    -----
    scikit-learn's `accuracy_score` for such labels. NaN where the weights sum to 0.

    Examples
    --------
    >>> metric = ExactMatch()
    >>> metric.result(metric.statistics(np.array([[0.9, 0.8], [0.9, 0.1]]), np.array([[1, 1], [1, 1]])))
    0.5
    """

    higher_is_better: ClassVar[bool] = True

    def values(self, a: Array, y: Array) -> Array:
        """Return 1 for each example that is right, else 0."""
        said, true = labels_of(a, y)
        return np.asarray((said == true).all(axis=1))


@dataclass(frozen=True)
class HammingLoss(MeanOfValues):
    """Share of labels that are wrong, where each output is a label of its own (multi-label).

    Σ_i w_i Σ_j [(a_ij > ½) ≠ y_ij] / (n · Σ_i w_i), with n labels of an example

    Notes
    -----
    NaN where the weights sum to 0.

    Examples
    --------
    >>> metric = HammingLoss()
    >>> metric.result(metric.statistics(np.array([[0.9, 0.8], [0.9, 0.1]]), np.array([[1, 1], [1, 1]])))
    0.25
    """

    higher_is_better: ClassVar[bool] = False

    def values(self, a: Array, y: Array) -> Array:
        """Return 1 for each label that is wrong, else 0."""
        said, true = labels_of(a, y)
        return np.asarray(said != true).reshape(len(a), -1)
