"""Costs whose outputs are not one for each label: quantiles, distributions, directions.

As in :mod:`nnfw_standard.costs`, C = 1/N Σ_i w_i c_i, and c_i is a sum over all labels of an example.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt, MinLen

from nnfw.arrays import Array
from nnfw.errors import ConfigError, DataError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.protocols import Shape
from nnfw_standard import cost_operations
from nnfw_standard.costs import Written, as_float, first_of, labels_of_shape, place_of, quantile_of, weighed, write_mean


@dataclass(frozen=True)
class Quantile(Written):
    """The pinball cost: each output learns a quantile of the label, so that they span an interval.

    C = 1/N Σ_i w_i Σ_k max(q_k (y_i − a_ik), (q_k − 1)(y_i − a_ik))

    Parameters
    ----------
    quantiles
        q_k in (0, 1), increasing; 0.1, 0.5 and 0.9 by default. The last axis of `a` has one output for each.

    Notes
    -----
    ∂C/∂a_ik = −w_i q_k/N where y_i > a_ik, w_i (1 − q_k)/N where y_i < a_ik, 0 where they are equal. For q = 0.5 it is
    half the absolute difference. Outputs of several quantiles may cross; sort them where that matters.

    References
    ----------
    R. Koenker, G. Bassett (1978), *Regression quantiles*.

    Examples
    --------
    >>> cost = Quantile((0.25, 0.75))
    >>> cost.value(np.array([[1.0, 4.0]]), np.array([2.0]))  # 0.25 · 1 + 0.25 · 2
    0.75
    """

    quantiles: Annotated[tuple[Annotated[float, Gt(0), Lt(1)], ...], MinLen(1)] = (0.1, 0.5, 0.9)

    def __post_init__(self) -> None:
        """Raise ConfigError unless the quantiles increase."""
        for low, high in pairwise(self.quantiles):
            if low >= high:
                raise ConfigError(f"quantiles must increase, got {high:g} after {low:g}. Sort them.")

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return `y` as floats of shape ``(N, *output_shape[:-1])``.

        Parameters
        ----------
        y
            One number for all quantiles together, ``(N, *output_shape[:-1])``: ``(N,)`` for an output of shape
            ``(K,)``, where ``(N, 1)`` is accepted too.
        output_shape
            Shape of one example's `a`; its last entry is the number of quantiles.

        Raises
        ------
        DataError
            If `y` is not numeric, of another shape or not finite; if there is not one output for each quantile.
        """
        count = len(self.quantiles)
        if output_shape[-1] != count:
            raise DataError(
                f"Quantile: the output has {output_shape[-1]} values, but there are {count} quantiles. Give the output "
                f"layer {count} units, one for each."
            )
        return as_float(labels_of_shape("Quantile", y, output_shape[:-1], "one value for all quantiles together"))

    @kernels_only
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return w_i ((1 − q_k) where y_i < a_ik, −q_k where y_i > a_ik)/N."""
        gradient = workspace.passing("gradient", a.shape)
        cost_operations.quantile_slope(a, y, self._array(a), len(a), gradient)
        return weighed(gradient, weight)

    def predictions(self, a: Array) -> Mapping[str, Array]:
        """Return each quantile, as ``quantile_0.1``."""
        return {f"quantile_{q:g}": a[..., k] for k, q in enumerate(self.quantiles)}

    def constant(self, y: Array, output_shape: Shape, weight: Array | None = None) -> Array | None:
        """Return the quantiles of the labels."""
        return np.stack([quantile_of(y, q, weight) for q in self.quantiles], axis=-1)

    def _write(self, a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        terms = np.empty_like(a)
        cost_operations.quantile_terms(a, y, self._array(a), terms)
        write_mean(terms, weight, count, out)

    def _array(self, a: Array) -> Array:
        return np.array(self.quantiles, a.dtype)


@dataclass(frozen=True)
class GaussianNLL(Written):
    """The negative log-likelihood of a normal distribution, whose mean and variance the network gives.

    C = 1/(2N) Σ_i w_i Σ_j (s_ij + (y_ij − μ_ij)² e^−s_ij), where s = log σ²

    Notes
    -----
    The first half of the last axis of `a` holds the means μ, the second half the logarithms s of the variances, so `a`
    needs no activation. ∂C/∂μ = w_i (μ − y) e^−s/N and ∂C/∂s = w_i (1 − (y − μ)² e^−s)/(2N). The constant log(2π)/2 is
    left out. e^−s is at most e^44 (float64: e^354), which keeps it finite where σ vanishes. PyTorch's
    `GaussianNLLLoss` takes σ² itself, and the mean over the outputs.

    References
    ----------
    D. A. Nix, A. S. Weigend (1994), *Estimating the mean and variance of the target probability distribution*.

    Examples
    --------
    >>> GaussianNLL().value(np.array([[1.0, 0.0]]), np.array([[3.0]]))  # (0 + 2²) / 2
    2.0
    """

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return `y` as floats of half the output's shape, ``(N, *output_shape[:-1], K)``.

        Parameters
        ----------
        y
            Numbers ``(N, *output_shape[:-1], K)``; ``(N,)`` too for an output of shape ``(2,)``.
        output_shape
            Shape of one example's `a`, whose last entry is 2K.

        Raises
        ------
        DataError
            If `y` is not numeric, of another shape or not finite; if the output cannot be halved.
        """
        if output_shape[-1] % 2:
            raise DataError(
                f"GaussianNLL: the output has {output_shape[-1]} values, expected a mean and a log variance for each "
                "label. Give the output layer an even number of units, means first."
            )
        shape = (*output_shape[:-1], output_shape[-1] // 2)
        return as_float(labels_of_shape("GaussianNLL", y, shape, "one value for each mean"))

    @kernels_only
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return ∂C/∂μ and ∂C/∂s, side by side."""
        gradient = workspace.passing("gradient", a.shape)
        cost_operations.gaussian_slope(*_halves(a), y, len(a), *_halves(gradient))
        return weighed(gradient, weight)

    def predictions(self, a: Array) -> Mapping[str, Array]:
        """Return the mean, and the ends of the interval that holds 95 % of the labels: μ ∓ 1.96 σ."""
        mean, s = _halves(a)
        reach = _NORMAL_95 * np.exp(s / 2)
        return {"": mean, "low_95": mean - reach, "high_95": mean + reach}

    def constant(self, y: Array, output_shape: Shape, weight: Array | None = None) -> Array | None:
        """Return mean and log variance of the labels; a variance of 0 counts as the least normal number."""
        y = y.astype(np.float64)
        mean = np.average(y, axis=0, weights=weight)
        variance = np.average(np.square(y - mean), axis=0, weights=weight)
        return np.concatenate([mean, np.log(np.maximum(variance, np.finfo(np.float32).tiny))], axis=-1)

    def samples(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """Yield outputs and labels for checks."""
        yield rng.standard_normal((8, 4)), rng.standard_normal((8, 2))

    def _write(self, a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        terms = np.empty_like(y, a.dtype)
        cost_operations.gaussian_terms(*_halves(a), y, terms)
        write_mean(terms, weight, count, out)


_NORMAL_95 = 1.959963984540054  # 95 % of a normal distribution lies within so many σ of its mean


def _halves(array: Array) -> tuple[Array, Array]:
    half = array.shape[-1] // 2
    return array[..., :half], array[..., half:]


@dataclass(frozen=True)
class CosineDistance(Written):
    """The distance of directions, whatever the lengths of the vectors: 0 for the same, 2 for the opposite.

    C = 1/N Σ_i w_i (1 − a_i · y_i / (‖a_i‖ ‖y_i‖))

    Notes
    -----
    Over the last axis of `a`; further axes are summed over. ∂C/∂a_i = w_i (cos_i a_i/‖a_i‖ − y_i/‖y_i‖)/‖a_i‖/N. An `a`
    of 0 has no direction: its cosine is 0, and so is the slope. It is 1 plus Keras's `CosineSimilarity`.

    Examples
    --------
    >>> CosineDistance().value(np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 2.0]]))  # (0 + 1) / 2
    0.5
    """

    least_at_labels: ClassVar[bool] = True

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return `y` as floats of shape ``(N, *output_shape)``.

        Parameters
        ----------
        y
            Vectors ``(N, *output_shape)``, none of them 0.
        output_shape
            Shape of one example's `a`.

        Raises
        ------
        DataError
            If `y` is not numeric, of another shape, not finite or 0; if the output is a single value.
        """
        if output_shape[-1] == 1:
            raise DataError(
                "CosineDistance: a single value has no direction but its sign. Give the output layer more units, or "
                "choose another cost."
            )
        y = as_float(labels_of_shape("CosineDistance", y, output_shape, "a vector for each example"))
        none = np.asarray(~y.any(axis=-1))
        if none.any():
            raise DataError(
                f"CosineDistance: y is 0 for {place_of(first_of(none))}, which has no direction. Leave the example "
                "out, or choose another cost."
            )
        return y

    @kernels_only
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return w_i (cos_i a_i/‖a_i‖ − y_i/‖y_i‖)/‖a_i‖/N."""
        gradient = workspace.passing("gradient", a.shape)
        cost_operations.cosine_slope(a, y, len(a), gradient)
        return weighed(gradient, weight)

    def _write(self, a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        terms = np.empty_like(a[..., 0])
        cost_operations.cosine_terms(a, y, terms)
        write_mean(terms, weight, count, out)
