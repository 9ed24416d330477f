"""Metrics of probabilities: how much the network believes in the right class, and whether it should.

Outputs are probabilities of the classes, or of class 1 for a single output. Outputs outside [0, 1] are refused before a
training where the output activation allows them.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import nan
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.protocols import Metric
from nnfw_standard.metrics import NOT_COUNTED, MeanOfLabels, counted, predicted_and_actual


class _OfProbabilities(MeanOfLabels):
    """A mean over the labels that count, of a value that probabilities and the actual class give."""

    higher_is_better: ClassVar[bool] = False
    domain: ClassVar[tuple[float, float] | None] = (0, 1)

    @abstractmethod
    def of_label(self, p: Array, actual: Array) -> Array:
        """Return the values ``(n,)`` for float64 probabilities ``(n, K)``, K ≥ 2, and classes ``(n,)``."""

    def values(self, a: Array, y: Array) -> Array:
        """Return the values of the labels, 0 for those that do not count."""
        _, actual, _ = predicted_and_actual(a, y)
        flat = actual.reshape(-1)
        values = np.where(flat == NOT_COUNTED, 0, self.of_label(_probabilities(a, flat), np.maximum(flat, 0)))
        return values.reshape(actual.shape)


@dataclass(frozen=True)
class LogLoss(_OfProbabilities):
    """Mean negative logarithm of the probability of the right class.

    −Σ_i w_i log a_i,y_i / Σ_i w_i

    Notes
    -----
    The natural logarithm. A probability below ε, the distance from 1 to the next number of the outputs' dtype (1.2e−7
    in float32), counts as ε, so that a single certain mistake does not make the mean infinite. For a classifier trained
    with ``cross_entropy`` or ``binary_cross_entropy`` it is the cost without label smoothing. NaN where the weights sum
    to 0.

    Examples
    --------
    >>> metric = LogLoss()
    >>> round(metric.result(metric.statistics(np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1]))), 4)
    0.4581
    """

    def of_label(self, p: Array, actual: Array) -> Array:
        """Return −log p of the actual class, for p already bounded."""
        return np.asarray(-np.log(np.take_along_axis(p, actual[:, np.newaxis], axis=1)[:, 0]))

    def values(self, a: Array, y: Array) -> Array:
        """Return the values of the labels."""
        least = np.finfo(a.dtype if a.dtype.kind == "f" else np.float64).eps
        highest = 1 - least if a.ndim == 1 or a.shape[-1] == 1 else 1  # 1 − a is the probability of class 0
        return super().values(np.clip(a, least, highest), y)


@dataclass(frozen=True)
class Brier(_OfProbabilities):
    """Mean squared difference between probabilities and what happened.

    Two classes: Σ_i w_i (a_i1 − [y_i = 1])² / Σ_i w_i; more: Σ_i w_i Σ_k (a_ik − [y_i = k])² / Σ_i w_i

    Notes
    -----
    From 0 to 1 for two classes, to 2 for more. NaN where the weights sum to 0.

    References
    ----------
    G. W. Brier (1950), *Verification of forecasts expressed in terms of probability*.

    Examples
    --------
    >>> metric = Brier()
    >>> metric.result(metric.statistics(np.array([[0.5], [1.0]]), np.array([1, 1])))
    0.125
    """

    def of_label(self, p: Array, actual: Array) -> Array:
        """Return the squared difference of each label."""
        if p.shape[1] == 2:
            return np.asarray(np.square(p[:, 1] - actual))
        return np.asarray(np.square(p - np.eye(p.shape[1])[actual]).sum(axis=1))


@dataclass(frozen=True)
class ExpectedCalibrationError(Metric):
    """How far the confidence of predictions is from their accuracy, in bins of confidence.

    Σ_b |Σ_(i in b) w_i (c_i − r_i)| / Σ_i w_i, with the probability c_i of the predicted class, r_i = [right]

    Parameters
    ----------
    bins : int
        Bins of equal width over [0, 1]; 1 or more, 15 by default. The right edge belongs to a bin.

    Notes
    -----
    0 where each bin is right as often as it says. It depends on the number of bins, and few examples in a bin make it
    larger. NaN where the weights sum to 0.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger (2017), *On calibration of modern neural networks*, Equation 3.

    Examples
    --------
    >>> metric = ExpectedCalibrationError()
    >>> metric.result(metric.statistics(np.array([[0.75], [0.75], [0.75], [0.75]]), np.array([1, 1, 0, 0])))
    0.25
    """

    bins: Annotated[int, Ge(1)] = 15
    higher_is_better: ClassVar[bool] = False
    domain: ClassVar[tuple[float, float] | None] = (0, 1)

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the weight of each bin, of its confidence and of what is right in it, ``(3, bins)``."""
        predicted, actual, w, _, rows = counted(a, y, weight)
        confidence = _probabilities(a, rows)[rows, predicted]
        places = np.clip(np.ceil(np.nan_to_num(confidence) * self.bins).astype(np.intp) - 1, 0, self.bins - 1)
        of_bin = (w, w * confidence, w * (predicted == actual))
        return np.stack([np.bincount(places, each, minlength=self.bins) for each in of_bin])

    def result(self, statistics: Array) -> float:
        """Return the error, in [0, 1]."""
        weight, confidence, right = statistics
        total = weight.sum()
        return float(np.abs(confidence - right).sum() / total) if total else nan


def _probabilities(a: Array, labels: Array) -> Array:
    """Return the probabilities of two classes or more as float64, ``(n, K)`` for n labels."""
    p = a.reshape(len(labels), -1).astype(np.float64)
    return np.hstack([1 - p, p]) if p.shape[1] == 1 else p
