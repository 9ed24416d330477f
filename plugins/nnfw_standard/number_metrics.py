"""Further metrics of numbers, over all entries of outputs and labels."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt, MinLen

from nnfw.arrays import Array
from nnfw.errors import DataError, ShapeError
from nnfw.protocols import Metric
from nnfw_standard.metrics import ROUNDING, MeanOfValues, MeanSquaredError, like


@dataclass(frozen=True)
class RootMeanSquaredError(MeanSquaredError):
    """Root of the mean of the squared differences over all entries, in the unit of the labels.

    √(Σ_i w_i Σ_j (a_ij − y_ij)² / (n · Σ_i w_i)), with n entries in an example

    Notes
    -----
    The root of ``mse``, so for several outputs the root of the mean over all of them. NaN where the weights sum to 0.

    Examples
    --------
    >>> metric = RootMeanSquaredError()
    >>> metric.result(metric.statistics(np.array([[3.0, 1.0]]), np.array([[0.0, 5.0]])))
    3.5355339059327378
    """

    def result(self, statistics: Array) -> float:
        """Return the root of the mean."""
        return float(super().result(statistics) ** 0.5)


@dataclass(frozen=True)
class MeanAbsolutePercentageError(MeanOfValues):
    """Mean of the absolute differences relative to the labels: 0.1 is 10 %.

    Σ_i w_i Σ_j |a_ij − y_ij| / |y_ij| / (n · Σ_i w_i), with n entries in an example

    Notes
    -----
    A label of 0 is refused. It means something for labels with a natural zero, such as a price, and nothing for
    standardized ones. NaN where the weights sum to 0.

    Examples
    --------
    >>> metric = MeanAbsolutePercentageError()
    >>> metric.result(metric.statistics(np.array([[9.0], [30.0]]), np.array([[10.0], [20.0]])))
    0.3
    """

    higher_is_better: ClassVar[bool] = False

    def values(self, a: Array, y: Array) -> Array:
        """Return |a_ij − y_ij| / |y_ij|; ShapeError if `a` and `y` differ in size, DataError for a label of 0."""
        y = like(a, y, "mape").astype(np.float64)
        if not y.all():
            raise DataError("mape divides by the labels, and got the label 0. Use mae or rmse.")
        return np.asarray(np.abs(a - y) / np.abs(y))


@dataclass(frozen=True)
class Pinball(MeanOfValues):
    """Mean pinball loss of quantiles, over all of them.

    Σ_i w_i Σ_k max(q_k (y_i − a_ik), (q_k − 1)(y_i − a_ik)) / (K · Σ_i w_i)

    Parameters
    ----------
    quantiles
        q_k in (0, 1), one for each of the K outputs, as of the cost ``quantile``; ``[0.5]`` by default. A single one
        holds for every output.

    Notes
    -----
    The cost ``quantile`` is the sum over the quantiles, this the mean. For q = ½ it is half the absolute difference.
    NaN where the weights sum to 0.

    Examples
    --------
    >>> metric = Pinball((0.25, 0.75))
    >>> metric.result(metric.statistics(np.array([[1.0, 4.0]]), np.array([2.0])))  # (0.25 · 1 + 0.25 · 2) / 2
    0.375
    """

    quantiles: Annotated[tuple[Annotated[float, Gt(0), Lt(1)], ...], MinLen(1)] = (0.5,)
    higher_is_better: ClassVar[bool] = False

    def values(self, a: Array, y: Array) -> Array:
        """Return the loss of each output; ShapeError if outputs, quantiles and labels differ in number."""
        q = np.array(self.quantiles)
        if len(q) == 1:
            difference = like(a, y, "pinball") - a
        elif a.shape[-1] == len(q) and y.shape in (a.shape[:-1], (*a.shape[:-1], 1)):
            difference = y.reshape(*a.shape[:-1], 1) - a
        else:
            raise ShapeError(
                f"pinball has {len(q)} quantiles: expected one output for each, and labels of shape (N,), got outputs "
                f"of shape {a.shape} and labels of shape {y.shape}. Give it the quantiles of the cost."
            )
        return np.asarray(np.maximum(q * difference, (q - 1) * difference))


@dataclass(frozen=True)
class ExplainedVariance(Metric):
    """Share of the labels' variance that the outputs explain, averaged over the outputs.

    1 − var(y_j − a_j) / var(y_j)

    Notes
    -----
    Unlike ``r2`` it forgives a constant error. For an output whose labels are all equal it is 1 if all errors are
    equal too, and 0 otherwise. It loses digits where the mean is large beside the spread, as ``r2`` does. NaN where the
    weights sum to 0.

    Examples
    --------
    >>> metric = ExplainedVariance()
    >>> metric.result(metric.statistics(np.array([[11.0], [12.0], [13.0]]), np.array([[1.0], [2.0], [3.0]])))
    1.0
    """

    higher_is_better: ClassVar[bool] = True
    ignores_shift: ClassVar[bool] = True

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return [Σ w, Σ w y, Σ w y², Σ w e, Σ w e²] with e = y − a, ``(5, n)`` for n outputs."""
        y = like(a, y, "explained_variance").reshape(len(a), -1).astype(np.float64)
        error = y - a.reshape(y.shape)
        w = np.ones(len(a)) if weight is None else weight.astype(np.float64)
        sums = [w @ values for values in (y, y * y, error, error * error)]
        return np.stack([np.full(y.shape[1], w.sum()), *sums])

    def result(self, statistics: Array) -> float:
        """Return the mean over the outputs, at most 1."""
        return float(np.mean([_explained(*column) for column in statistics.T.tolist()]))


def _explained(weight: float, first: float, second: float, error: float, error_squared: float) -> float:
    if not weight:
        return nan
    total, left = second - first * first / weight, error_squared - error * error / weight
    left = left if left > ROUNDING * error_squared else 0.0
    if total <= ROUNDING * second:
        return 0.0 if left else 1.0
    return 1 - left / total
