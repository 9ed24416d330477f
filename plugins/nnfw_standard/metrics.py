"""Metrics: figures of merit as sums over examples and a last formula.

`a` holds activations of the output layer, `y` labels in the form that the cost takes. All metrics of classes find the
class in the same way: with K ≥ 2 outputs the class is the largest entry along the last axis (of equal ones the first),
and labels are whole numbers 0 to K − 1 or rows of K entries, the largest of which is the class; with a single output
there are two classes, class 1 above ½. Sample weights multiply the contribution of an example. Sums are float64.
A class of −1 does not count: ``token_cross_entropy`` makes it of the labels that it ignores.

Metrics of classes take activations `a` ``(N, ..., K)`` or ``(N,)``, and labels `y` of the shape of `a` or without its
last axis. ShapeError or DataError says where labels do not fit, or are not among the classes.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from math import nan, prod
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import DataError, ShapeError
from nnfw.ops import kernels_only
from nnfw.protocols import Metric
from nnfw_standard import operations
from nnfw_standard.costs import SUM_TOLERANCE, from_one

Average = Literal["binary", "macro", "micro"]

NOT_COUNTED = -1  # the class of a label that is ignored
THRESHOLD = 0.5  # of a single output: above it, class 1
_SHOWN = 4  # entries of a row in a message
_MOST_CLASSES = 1 << 12  # of a confusion matrix


class MeanOfValues(Metric):
    """A mean of values, one for each example or for each of its entries."""

    @abstractmethod
    def values(self, a: Array, y: Array) -> Array:
        """Return the values ``(N, ...)``."""

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return [Σ_i w_i Σ_j v_ij, n · Σ_i w_i], with n values v for each example."""
        values = self.values(a, y)
        if weight is None:
            return np.array([values.sum(dtype=np.float64), float(values.size)])
        per_example = values.sum(axis=tuple(range(1, values.ndim)), dtype=np.float64)
        w = weight.astype(np.float64)
        return np.array([w @ per_example, w.sum() * prod(values.shape[1:])])

    def result(self, statistics: Array) -> float:
        """Return the mean; NaN where the weights sum to 0."""
        numerator, denominator = statistics.tolist()
        return numerator / denominator if denominator else nan


class MeanOfLabels(MeanOfValues):
    """A mean over the labels that count."""

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return [Σ_i w_i Σ_j v_ij, Σ_i w_i n_i], with n_i labels of example i that count."""
        statistics = super().statistics(a, y, weight)
        if _holds_classes(a, y) and (y == NOT_COUNTED).any():
            counting = (y != NOT_COUNTED).reshape(len(y), -1).sum(axis=1)
            statistics[1] = counting.sum() if weight is None else weight.astype(np.float64) @ counting
        return statistics


@dataclass(frozen=True)
class Accuracy(MeanOfLabels):
    """Share of labels whose class is right: one for each example, or for each token of a sequence.

    Σ_i w_i Σ_t [class(a_it) = y_it] / Σ_i w_i n_i, with n_i labels that count

    Notes
    -----
    NaN where the weights sum to 0, or no label counts. Rows of labels with no 1 or with several (multi-label) are
    refused: libraries define their accuracy differently (scikit-learn: all labels of an example right; Keras: the share
    of right labels). ``precision``, ``recall`` and ``f1`` with ``multilabel`` take them.

    Examples
    --------
    >>> metric = Accuracy()
    >>> metric.result(metric.statistics(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1])))
    0.5
    """

    higher_is_better: ClassVar[bool] = True

    def values(self, a: Array, y: Array) -> Array:
        """Return 1 for each example that is right, else 0."""
        predicted, actual, _ = predicted_and_actual(a, y)
        return np.asarray(predicted == actual)

    @kernels_only
    def write_statistics(self, a: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write the statistics; False with weights, a single output or outputs of more axes.

        Labels must be such that :meth:`statistics` takes them.
        """
        if weight is not None or a.ndim != 2 or a.shape[1] < 2 or (y.shape == a.shape and y.dtype != a.dtype):
            return False
        count = operations.right_rows if y.shape == a.shape else operations.right_classes
        count(a, y, out)
        return True


@dataclass(frozen=True)
class TopKAccuracy(MeanOfLabels):
    """Share of examples whose class is among the k with the largest activations.

    Σ_i w_i [rank(a_i, y_i) < k] / Σ_i w_i

    Parameters
    ----------
    k : int
        1 or more, 5 by default; with k ≥ K every example counts as right.

    Notes
    -----
    The rank is the number of classes before y_i in descending order of activation, equal ones in ascending order of
    their number; so k = 1 is exactly the accuracy. NaN where the weights sum to 0.

    Examples
    --------
    >>> metric = TopKAccuracy(2)
    >>> metric.result(metric.statistics(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2])))
    0.5
    """

    k: Annotated[int, Ge(1)] = 5
    higher_is_better: ClassVar[bool] = True

    def values(self, a: Array, y: Array) -> Array:
        """Return 1 for each example that is right, else 0; ShapeError if `a` has a single output."""
        if a.ndim < 2 or a.shape[-1] < 2:
            raise ShapeError(
                f"top_k_accuracy needs one output for each of 2 classes or more, got a of shape {a.shape}. Use "
                "accuracy."
            )
        _, actual, count = predicted_and_actual(a, y)
        scores = a.reshape(-1, count)
        flat = actual.reshape(-1, 1)
        own = np.take_along_axis(scores, flat, axis=1)
        earlier = np.arange(count) < flat
        rank = (scores > own).sum(axis=1) + ((scores == own) & earlier).sum(axis=1)
        return np.asarray((rank < self.k) & (flat[:, 0] != NOT_COUNTED)).reshape(actual.shape)


@dataclass(frozen=True)
class MeanSquaredError(MeanOfValues):
    """Mean of the squared differences over all entries.

    Σ_i w_i Σ_j (a_ij − y_ij)² / (n · Σ_i w_i), with n entries in an example

    Notes
    -----
    A mean over entries without the ½, as in PyTorch and Keras; the cost ``"mse"`` has the ½ and sums over the outputs.
    NaN where the weights sum to 0.

    Examples
    --------
    >>> metric = MeanSquaredError()
    >>> metric.result(metric.statistics(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])))
    2.5
    """

    higher_is_better: ClassVar[bool] = False

    def values(self, a: Array, y: Array) -> Array:
        """Return (a_ij − y_ij)²; ShapeError if `a` and `y` differ in size."""
        return np.asarray(np.square(a - like(a, y, "mse")))


@dataclass(frozen=True)
class MeanAbsoluteError(MeanOfValues):
    """Mean of the absolute differences over all entries.

    Σ_i w_i Σ_j |a_ij − y_ij| / (n · Σ_i w_i), with n entries in an example

    Notes
    -----
    A mean over entries; the cost ``"mae"`` sums over the outputs. NaN where the weights sum to 0.

    Examples
    --------
    >>> metric = MeanAbsoluteError()
    >>> metric.result(metric.statistics(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])))
    1.5
    """

    higher_is_better: ClassVar[bool] = False

    def values(self, a: Array, y: Array) -> Array:
        """Return |a_ij − y_ij|; ShapeError if `a` and `y` differ in size."""
        return np.asarray(np.abs(a - like(a, y, "mae")))


@dataclass(frozen=True)
class R2(Metric):
    """Coefficient of determination: 1 − residual over total sum of squares, averaged over the outputs.

    R²_j = 1 − Σ_i w_i (a_ij − y_ij)² / Σ_i w_i (y_ij − ȳ_j)², with ȳ_j = Σ_i w_i y_ij / Σ_i w_i

    Notes
    -----
    1 is perfect, 0 as good as the mean, and there is no lower bound. For an output whose labels are all equal it is 1
    if the residual is 0 too, and 0 otherwise. The total is computed from Σ w, Σ w y and Σ w y², which add up over
    batches; it loses about as many digits as (ȳ/spread)² has, so labels whose mean is a million times their spread
    should be standardized first. NaN where the weights sum to 0.

    Examples
    --------
    >>> metric = R2()
    >>> metric.result(metric.statistics(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [3.0]])))
    0.5
    """

    higher_is_better: ClassVar[bool] = True
    ignores_shift: ClassVar[bool] = True

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return [Σ w, Σ w y, Σ w y², Σ w (a − y)²] ``(4, n)`` for n outputs; ShapeError if `y` has another size."""
        shape = (len(a), prod(a.shape[1:]))
        y = like(a, y, "r2").reshape(shape)
        error = a.reshape(shape) - y
        w = np.ones(len(a)) if weight is None else weight
        sums = (
            np.full(y.shape[1], w.sum(dtype=np.float64)),
            np.einsum("i,ij->j", w, y, dtype=np.float64),
            np.einsum("i,ij,ij->j", w, y, y, dtype=np.float64),
            np.einsum("i,ij,ij->j", w, error, error, dtype=np.float64),
        )
        return np.stack(sums)

    def result(self, statistics: Array) -> float:
        """Return the mean of R² over the outputs, at most 1."""
        return float(np.mean([_r2(*column) for column in statistics.T.tolist()]))


@dataclass(frozen=True)
class OfOutcomes(Metric):
    """A ratio of true positives, false positives and false negatives, averaged over the classes."""

    _: KW_ONLY
    average: Average | None = None
    multilabel: bool = False
    higher_is_better: ClassVar[bool] = True

    numerator: ClassVar[tuple[int, ...]]
    denominator: ClassVar[tuple[int, ...]]
    """The factors of TP, FP, FN and, where a ratio needs them, TN."""

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the weights of TP, FP and FN of each class ``(3, K)``; ShapeError if `average` does not suit them."""
        if self.multilabel and self.average == "binary":
            raise ShapeError(
                "average 'binary' has one positive class, multilabel has one for each output; use 'macro'."
            )
        found = outcomes(a, y, weight, multilabel=self.multilabel)
        if self.average == "binary" and found.shape[1] > 2:
            raise ShapeError(
                f"average 'binary' needs two classes, got {found.shape[1]} outputs; use 'macro' or 'micro'."
            )
        return found

    def result(self, statistics: Array) -> float:
        """Return the average over the classes, in [0, 1]."""
        numerator, denominator = (
            np.array(factors, np.float64) @ statistics for factors in (self.numerator, self.denominator)
        )
        average = self.average or ("binary" if len(numerator) == 2 and not self.multilabel else "macro")
        if average == "micro":
            numerator, denominator = numerator.sum(keepdims=True), denominator.sum(keepdims=True)
        scores = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
        if average == "binary":
            return float(scores[1])
        if average == "micro":
            return float(scores[0])
        present = statistics[:3].sum(axis=0) > 0
        return float(scores[present].mean()) if present.any() else 0.0


@dataclass(frozen=True)
class Precision(OfOutcomes):
    """True positives over predicted positives.

    TP / (TP + FP)

    Parameters
    ----------
    average : {"binary", "macro", "micro"} or None
        ``"binary"``: class 1 of two is the positive one. ``"macro"``: the mean over the classes. ``"micro"``: from the
        sums over the classes. None (default): binary for two classes, macro for more.
    multilabel : bool
        Whether each output is a class of its own, which an example has or has not, as with several sigmoids: an output
        above ½ says yes, and a row of labels may hold any number of ones. False by default.

    Notes
    -----
    0/0 is 0. A class that is neither predicted nor actual in any example is left out of the macro mean.

    Examples
    --------
    >>> metric = Precision()
    >>> metric.result(metric.statistics(np.array([[0.9], [0.8], [0.1]]), np.array([[1.0], [0.0], [1.0]])))
    0.5
    """

    numerator: ClassVar[tuple[int, ...]] = (1, 0, 0)
    denominator: ClassVar[tuple[int, ...]] = (1, 1, 0)


@dataclass(frozen=True)
class Recall(OfOutcomes):
    """True positives over actual positives.

    TP / (TP + FN)

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
    >>> metric = Recall()
    >>> metric.result(metric.statistics(np.array([[0.9], [0.8], [0.1]]), np.array([[1.0], [1.0], [1.0]])))
    0.6666666666666666
    """

    numerator: ClassVar[tuple[int, ...]] = (1, 0, 0)
    denominator: ClassVar[tuple[int, ...]] = (1, 0, 1)


@dataclass(frozen=True)
class F1(OfOutcomes):
    """Harmonic mean of precision and recall.

    2 TP / (2 TP + FP + FN)

    Parameters
    ----------
    average : {"binary", "macro", "micro"} or None
        As for ``precision``; ``"macro"`` is the mean of the F1 of the classes.
    multilabel : bool
        As for ``precision``.

    Notes
    -----
    0/0 is 0. A class that is neither predicted nor actual in any example is left out of the macro mean.

    Examples
    --------
    >>> metric = F1()
    >>> metric.result(metric.statistics(np.array([[0.9], [0.8], [0.1]]), np.array([[1.0], [1.0], [1.0]])))
    0.8
    """

    numerator: ClassVar[tuple[int, ...]] = (2, 0, 0)
    denominator: ClassVar[tuple[int, ...]] = (2, 1, 1)


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """Counts of examples by actual and predicted class.

    M_rc = Σ_i w_i [y_i = r] [class(a_i) = c]

    Notes
    -----
    Rows are actual classes, columns predicted ones; two of each for a single output. `higher_is_better` means nothing
    for a matrix, and nothing can be monitored by it. More than 4,096 classes are refused: their matrix takes more than
    128 MiB, and every epoch's record holds one.

    Examples
    --------
    >>> metric = ConfusionMatrix()
    >>> metric.result(metric.statistics(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1])))
    array([[1., 0.],
           [1., 0.]])
    """

    higher_is_better: ClassVar[bool] = True

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return M ``(K, K)`` for K classes; ShapeError if there are too many."""
        count = max(2, (1, *a.shape)[-1] if a.ndim > 1 else 1)
        if count > _MOST_CLASSES:
            raise ShapeError(
                f"a confusion matrix of {count:,} classes has {count**2:,} entries, {count**2 >> 17:,} MiB; "
                f"{_MOST_CLASSES:,} classes are the most. Use f1, precision or recall, which count per class."
            )
        predicted, actual, w, count, _ = counted(a, y, weight)
        matrix = np.bincount(actual * count + predicted, w, minlength=count * count)
        return matrix.reshape(count, count)

    def result(self, statistics: Array) -> Array:
        """Return M."""
        return statistics


def outcomes(a: Array, y: Array, weight: Array | None = None, *, multilabel: bool = False) -> Array:
    """Return the weights of TP, FP and FN of each class ``(3, K)``; with `multilabel`, of each output."""
    if multilabel:
        said, true = labels_of(a, y)
        w = weights_of(weight, a, len(true))
        return np.stack([w @ found for found in (said & true, said & ~true, ~said & true)])
    predicted, actual, w, count, _ = counted(a, y, weight)
    right = predicted == actual
    found = ((actual, right), (predicted, ~right), (actual, ~right))
    return np.stack([np.bincount(classes[rows], w[rows], minlength=count) for classes, rows in found])


def labels_of(a: Array, y: Array) -> tuple[Array, Array]:
    """Return which labels outputs say and which are true, ``(n, K)`` booleans, where each output is a label."""
    y = like(a, y, "multilabel")
    wrong = (y != 0) & (y != 1)
    if wrong.any():
        raise DataError(f"multilabel expects 0 or 1 for each output, got the label {y[wrong][0]:g}. Correct it.")
    outputs = a.shape[-1] if a.ndim > 1 else 1
    said, true = (values.reshape(-1, outputs) > THRESHOLD for values in (a, y))
    return said, true


def like(a: Array, y: Array, metric: str) -> Array:
    """Return `y` in the shape of `a`; ShapeError if their sizes differ."""
    if a.size != y.size or len(a) != len(y):
        raise ShapeError(
            f"{metric} compares each entry of a and y: expected y of shape {a.shape}, got {y.shape}. For numbers of "
            "classes use a metric of classes such as accuracy, or give the labels as one-hot rows."
        )
    return y.reshape(a.shape)


def _holds_classes(a: Array, y: Array) -> bool:
    """Return whether labels are the numbers of classes, with an output for each class."""
    return y.dtype.kind == "i" and y.shape == a.shape[:-1] and a.shape[-1] > 1


def counted(a: Array, y: Array, weight: Array | None) -> tuple[Array, Array, Array, int, Array]:
    """Return predicted class, actual class and weight of each label that counts, the number of classes, and which do.

    Whether each of the n labels counts comes as booleans ``(n,)``.
    """
    predicted, actual, count = predicted_and_actual(a, y)
    predicted, actual = predicted.reshape(-1), actual.reshape(-1)
    rows = actual != NOT_COUNTED
    return predicted[rows], actual[rows], weights_of(weight, a, actual.size)[rows], count, rows


def predicted_and_actual(a: Array, y: Array) -> tuple[Array, Array, int]:
    """Return predicted and actual classes, each of the shape of `a` without the axis of classes, and their number.

    The class of labels that do not count is −1.
    """
    scores = a[:, np.newaxis] if a.ndim == 1 else a
    count = scores.shape[-1]
    shape = scores.shape[:-1]
    if y.shape not in (shape, scores.shape):
        raise ShapeError(
            f"expected labels of shape {shape} or {scores.shape} for a of shape {a.shape}, got {y.shape}. Give each "
            "class as a whole number or a one-hot row; for labels that are no classes use a metric such as mse."
        )
    if count == 1:
        _require_binary(y)
        return (scores[..., 0] > THRESHOLD).astype(np.intp), (y.reshape(shape) > THRESHOLD).astype(np.intp), 2
    predicted = np.argmax(scores, axis=-1)
    if y.shape != shape:
        return predicted, _largest(y), count
    actual = y.astype(np.intp, copy=False)
    least = NOT_COUNTED if y.dtype.kind == "i" else 0
    if actual.size and not least <= actual.min() <= actual.max() < count:
        wrong = actual.min() if actual.min() < least else actual.max()
        advice = from_one(actual, count) or "Correct it, or give the output layer more units."
        raise DataError(f"expected classes from 0 to {count - 1}, one for each output, got {wrong}. {advice}")
    return predicted, actual, count


def _largest(y: Array) -> Array:
    """Return the class of each row of labels; refuse rows that name no single class, such as those of a regression."""
    first: Array = np.argmax(y, axis=-1)
    largest = np.take_along_axis(y, first[..., np.newaxis], axis=-1)
    if np.count_nonzero(y == largest) == first.size and _has_two_values(y):
        return first
    wrong = np.abs(np.abs(y).sum(axis=-1, dtype=np.float64) - 1) > SUM_TOLERANCE  # (½, ½) is a distribution
    tied = wrong & (first != y.shape[-1] - 1 - np.argmax(y[..., ::-1], axis=-1))
    if tied.any():
        row = y[tied][0]
        raise DataError(
            f"expected labels that name one class each, got a row whose largest entry, {row.max():g}, occurs "
            f"{np.count_nonzero(row == row.max())} times. Where an example has any number of labels, use "
            "exact_match, or f1, precision or recall with multilabel = true."
        )
    if wrong.any() and not _has_two_values(y[wrong]):
        numbers = ", ".join(f"{value:g}" for value in y[wrong][0][:_SHOWN])
        raise DataError(
            f"expected labels that name one class each, got the row ({numbers}{', ...' * (y.shape[-1] > _SHOWN)}), "
            "which is neither one-hot nor sums to 1. For labels that are no classes use a metric such as r2, mae or "
            "mse."
        )
    return first


def _has_two_values(y: Array) -> bool:
    """Return whether rows of labels, each with a single largest entry, hold no more than two different values."""
    return not y.size or bool(np.count_nonzero(y == y.max()) + np.count_nonzero(y == y.min()) == y.size)


def _require_binary(y: Array) -> None:
    """Refuse labels of one output that are neither 0 nor 1: those of a regression."""
    wrong = (y != 0) & (y != 1)
    if wrong.any():
        advice = from_one(y, 2) or "For labels that are no classes use a metric such as r2, mae or mse."
        raise DataError(f"expected the classes 0 and 1 for one output, got the label {y[wrong][0]:g}. {advice}")


def weights_of(weight: Array | None, a: Array, count: int) -> Array:
    """Return the weight of each of `count` entries; the entries of an example have its weight."""
    return np.ones(count) if weight is None else np.repeat(weight, count // max(1, len(a))).astype(np.float64)


def _r2(weight: float, first: float, second: float, residual: float) -> float:
    if not weight:
        return nan
    total = second - first * first / weight
    # Σ w y² − (Σ w y)²/Σ w of equal labels is 0 up to rounding errors of the terms.
    if total <= ROUNDING * second:
        return 0.0 if residual else 1.0
    return 1 - residual / total


ROUNDING = 1e-12  # relative error of a sum of some thousand numbers in float64, with a margin
