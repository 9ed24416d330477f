"""The cost of sequences of classes, some of which do not count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

import numpy as np

from nnfw.arrays import Array
from nnfw.data import as_numeric
from nnfw.errors import DataError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.ops.definitions import multiply
from nnfw.protocols import CanonicalCost, Shape
from nnfw_standard import cost_operations, operations
from nnfw_standard.costs import Written, classes_of, value_of, weighed, write_mean, written


@dataclass(frozen=True)
class TokenCrossEntropy(Written, CanonicalCost):
    """The negative log-likelihood of classes, one for each token of a sequence, where some labels are ignored.

    C = −1/N Σ_i w_i/n_i Σ_t log a_(i,t,y_it) over the tokens t that are not ignored; n_i is their number, or 1

    Parameters
    ----------
    ignored
        The label of tokens that do not count, a whole number; −100 by default.
    mean
        ``"token"``, the default: n_i is the number of tokens of example i that count, so that each example has the same
        share. ``"example"``: n_i = 1, so that each token has.

    Notes
    -----
    The last axis of `a` holds the probabilities of the K classes. An example without a token that counts costs 0. With
    softmax, its canonical output activation, δ^L = w_i (a − y)/(n_i N) where y is one-hot, 0 for ignored tokens, and C
    comes from z in log space. Of padded sequences, tokens beyond a length are ignored too. Metrics of classes leave out
    ignored labels, and count each token alike.

    PyTorch's `CrossEntropyLoss(ignore_index=-100)` divides the sum over a whole batch by the number of its tokens; it
    is the same where all examples have as many. Keras has `ignore_class`.

    Examples
    --------
    >>> a = np.array([[[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]]])
    >>> cost = TokenCrossEntropy()
    >>> round(cost.value(a, cost.targets(np.array([[0, 1, -100]]), (3, 2))), 4)  # (log 4 + log 2) / 2
    1.0397
    """

    _: KW_ONLY
    ignored: int = -100
    mean: Literal["token", "example"] = "token"

    canonical: ClassVar[str | None] = "softmax"
    domain: ClassVar[tuple[float, float] | None] = (0, 1)

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return classes as ``intp``, −1 where they are ignored.

        Parameters
        ----------
        y
            Whole numbers from 0 to K − 1, or `ignored`, of shape ``(N, *output_shape[:-1])``.
        output_shape
            Shape of one example's `a`; K is its last entry.

        Raises
        ------
        DataError
            If `y` is not numeric, of another shape, or not such classes; if all are ignored.
        """
        y = as_numeric(y, "TokenCrossEntropy: y")
        if not y.ndim or y.shape[1:] != output_shape[:-1]:
            wanted = ", ".join(map(str, ("N", *output_shape[:-1]))) + "," * (len(output_shape) == 1)
            raise DataError(
                f"TokenCrossEntropy: y must have shape ({wanted}), a class for each token, got {y.shape}. Give it that "
                "shape, or change the output layer."
            )
        ignored = np.asarray(y == self.ignored)
        if y.size and ignored.all():
            raise DataError(
                f"TokenCrossEntropy: all {y.size} labels are {self.ignored}, which is ignored, so there is nothing to "
                "learn. Give classes for some tokens, or set ignored to another number."
            )
        classes = classes_of("TokenCrossEntropy", np.where(ignored, np.zeros((), y.dtype), y), output_shape[-1])
        return np.where(ignored, np.intp(-1), classes)

    def weigh_steps(self, y: Array, weights: Array) -> None:
        """Divide the weights of the time steps of padded sequences by n_i, in place."""
        if self.mean == "token":
            counted = (y.reshape(*weights.shape, -1) >= 0) & (weights != 0)[..., np.newaxis]
            weights /= np.maximum(counted.sum(axis=(1, 2)), 1)[:, np.newaxis]

    @kernels_only
    def write_value(self, a: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C into `out`, for a batch of a single block; return whether it did."""
        return written(self._write, a, y, weight, out)

    @kernels_only
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return −w_i/n_i [k = y_it] / a_itk / N."""
        gradient, clipped = workspace.passing("gradient", a.shape), workspace.buffer("clipped", a.shape)
        classes, shares = self._tokens(y, a.dtype)
        operations.class_slope(_rows(a), classes, 0.0, len(a), _rows(clipped), _rows(gradient))
        operations.weigh(_rows(gradient), shares)
        return weighed(gradient, weight)

    def value_from_z(self, z: Array, y: Array, weight: Array | None = None) -> float:
        """Return C for a = softmax(z), from log a_itk = z_itk − log Σ_k e^z_itk."""
        return value_of(self._write_from_z, z, y, weight)

    @kernels_only
    def write_value_from_z(self, z: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C for a = softmax(z) into `out`, for a batch of a single block; return whether it did."""
        return written(self._write_from_z, z, y, weight, out)

    @kernels_only
    def canonical_delta(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return δ^L = w_i/n_i (a_itk − [k = y_it]) / N, 0 for ignored tokens."""
        delta = workspace.passing("delta", a.shape)
        classes, shares = self._tokens(y, a.dtype)
        operations.class_residual(_rows(a), classes, 0.0, len(a), _rows(delta))
        operations.weigh(_rows(delta), shares)
        return weighed(delta, weight)

    def samples(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """Yield z of sequences and labels for checks, some of them ignored."""
        y = rng.integers(0, 3, (8, 4))
        y[0, 1:], y[1] = self.ignored, self.ignored
        yield rng.standard_normal((8, 4, 3)), y

    def _write(self, a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        log_a = np.empty_like(a)
        operations.bounded_log(a, log_a)
        self._write_from_log(log_a, y, weight, count, out)

    def _write_from_z(self, z: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        log_a, scratch, row = np.empty_like(z), np.empty_like(z), np.empty_like(z[..., :1])
        operations.shift(z, scratch, row, log_a)
        operations.subtract_log(log_a, row)
        self._write_from_log(log_a, y, weight, count, out)

    def _write_from_log(self, log_a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        classes, shares = self._tokens(y, log_a.dtype)
        terms = np.empty_like(shares)
        operations.class_terms(_rows(log_a), classes, 0.0, terms)
        multiply(terms, shares, terms)
        write_mean(terms.reshape(len(log_a), -1), weight, count, out)

    def _tokens(self, y: Array, dtype: np.dtype[np.generic]) -> tuple[Array, Array]:
        """Return the class of each token, 0 where it is ignored, and its share 1/n_i, 0 where it is ignored."""
        labels = y.reshape(len(y), -1)
        classes, shares = np.empty_like(labels), np.empty(labels.shape, dtype)
        cost_operations.tokens(labels, self.mean == "token", classes, shares)
        return classes.reshape(-1), shares.reshape(-1)


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])
