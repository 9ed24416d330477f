"""The cost of sequences whose labels are shorter and not aligned: connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from nnfw.arrays import Array
from nnfw.data import as_numeric
from nnfw.errors import DataError, short
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.protocols import CanonicalCost, Shape
from nnfw_standard import ctc_operations, operations
from nnfw_standard.costs import classes_of, weighed


@dataclass(frozen=True)
class CTC(CanonicalCost):
    """The negative log-likelihood of labels that a sequence gives in their order, at times that nobody knows.

    | A path π takes one class at each time step; merged repetitions and left-out blanks, it reads as labels B(π)
    | C = −1/N Σ_i w_i log p(y_i), with p(y) = Σ_(π: B(π) = y) Π_t a_t,π_t
    | With the share g_tk of the paths of y that pass class k at t, by probability: ∂C/∂a_itk = −w_i/N g_itk / a_itk,
      and for softmax δ^L_itk = w_i/N (a_itk − g_itk)

    Parameters
    ----------
    blank
        The class that stands for no label, below K; 0 by default.
    padding
        The number after the labels of shorter rows of y; −1 by default.

    Notes
    -----
    `a` is ``(N, T, K)`` with probabilities of the K classes, blank among them; canonical with softmax, in log space. y
    is ``(N, L)``. L labels need L time steps, and one more between each two equal ones. A padded sequence has its own
    length, and one of length 0 costs nothing. Sums over paths run forwards and backwards through time, so a step takes
    O(T L).

    PyTorch's `CTCLoss` divides the cost of each example by its number of labels (``"mean"``), or adds up (``"sum"``,
    which is N C). Metrics take no such labels; :meth:`decode` gives the labels that the likeliest classes spell.

    References
    ----------
    A. Graves, S. Fernández, F. Gomez, J. Schmidhuber (2006), *Connectionist temporal classification: labelling
    unsegmented sequence data with recurrent neural networks*.

    Examples
    --------
    >>> a = np.full((1, 2, 2), 0.5)  # three of four paths read as [1]: 01, 10 and 11
    >>> cost = CTC()
    >>> round(float(np.exp(-cost.value(a, cost.targets(np.array([[1]]), (2, 2))))), 4)
    0.75
    >>> cost.decode(np.array([[[0.1, 0.9], [0.2, 0.8], [0.9, 0.1], [0.3, 0.7]]]))
    [[1, 1]]
    """

    _: KW_ONLY
    blank: Annotated[int, Ge(0)] = 0
    padding: Annotated[int, Le(-1)] = -1

    canonical: ClassVar[str | None] = "softmax"
    domain: ClassVar[tuple[float, float] | None] = (0, 1)
    whole_sequences: ClassVar[bool] = True

    def constant(self, y: Array, output_shape: Shape, weight: Array | None = None) -> Array | None:
        """Return None: the same outputs at all times align with no sequence."""
        return None

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return labels as ``intp``, with the blank as padding.

        Parameters
        ----------
        y
            Whole numbers from 0 to K − 1 but for the blank, then `padding`; ``(N, L)``.
        output_shape
            ``(T, K)``.

        Raises
        ------
        DataError
            If the output is no sequence with the class `blank`; if `y` is not numeric, of another shape, holds other
            numbers, the blank, or labels after padding, or needs more than T time steps.
        """
        y = as_numeric(y, "CTC: y")
        if len(output_shape) != 2 or output_shape[1] <= self.blank:
            raise DataError(
                f"CTC: expected an output of shape (T, K) with more than {self.blank} classes, one of them the blank "
                f"{self.blank}, got {output_shape}."
            )
        if y.ndim != 2:
            raise DataError(f"CTC: y must have shape (N, L), rows of labels, got {y.shape}.")
        pads = np.asarray(y == self.padding)
        found = classes_of("CTC", np.where(pads, np.zeros((), y.dtype), y), output_shape[1])
        for wrong, what in (
            (
                ~pads & (found == self.blank),
                f"is the blank {self.blank}, which no label is. Set blank to another class",
            ),
            (~pads[:, 1:] & pads[:, :-1], f"comes after the padding {self.padding}. Put labels first in a row"),
        ):
            if wrong.any():
                row, column = map(int, np.argwhere(wrong)[0])
                raise DataError(f"CTC: the label {column + y.shape[1] - wrong.shape[1]} of example {row} {what}.")
        labels = np.where(pads, np.intp(self.blank), found)
        self._require_time(labels, np.full(len(y), output_shape[0]))
        return labels

    def _require_time(self, y: Array, lengths: Array, whole: str = "") -> None:
        """Raise DataError if there are fewer time steps than labels need; `whole` is what the examples are part of."""
        repeated = (y[:, 1:] == y[:, :-1]) & (y[:, 1:] != self.blank)
        needed = (y != self.blank).sum(axis=1) + repeated.sum(axis=1)
        if (needed > lengths).any():
            row = int(np.argmax(needed > lengths))
            labels = short(y[row][y[row] != self.blank].tolist())
            raise DataError(
                f"CTC: the labels {labels} of example {row}{whole} need {needed[row]} time steps, one for each and one "
                f"between equal ones, but its sequence has {int(lengths[row])}. Leave such examples out, or shorten "
                "sequences less."
            )

    def value(self, a: Array, y: Array, weight: Array | None = None) -> float:
        """Return C; DataError if the labels of an example need more time steps than its sequence has."""
        log_a = np.empty_like(a)
        operations.bounded_log(a, log_a)
        return self._value(log_a, y, weight)

    def value_from_z(self, z: Array, y: Array, weight: Array | None = None) -> float:
        """Return C for a = softmax(z); DataError as :meth:`value`."""
        log_a, scratch, row = np.empty_like(z), np.empty_like(z), np.empty_like(z[..., :1])
        operations.shift(z, scratch, row, log_a)
        operations.subtract_log(log_a, row)
        return self._value(log_a, y, weight)

    def _value(self, log_a: Array, y: Array, weight: Array | None) -> float:
        lengths, weights = _sequences(log_a, weight, Workspace(log_a.dtype))
        self._require_time(y, lengths, " of a batch")
        terms = np.empty(len(log_a), log_a.dtype)
        ctc_operations.ctc_terms(log_a, y, lengths, self.blank, terms)
        if weights is not None:
            terms *= weights
        return float(terms.sum(dtype=np.float64)) / len(terms)

    @kernels_only
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return −w_i/N g_itk / a_itk."""
        lengths, weights = _sequences(a, weight, workspace)
        gradient = workspace.passing("gradient", a.shape)
        ctc_operations.ctc_slope(a, y, lengths, self.blank, len(a), gradient)
        return weighed(gradient, weights)

    @kernels_only
    def canonical_delta(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return δ^L = w_i/N (a_itk − g_itk), 0 beyond the length of a sequence."""
        lengths, weights = _sequences(a, weight, workspace)
        delta = workspace.passing("delta", a.shape)
        ctc_operations.ctc_delta(a, y, lengths, self.blank, len(a), delta)
        return weighed(delta, weights)

    def samples(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """Yield z of sequences and labels for checks, some of them repeated, one row without any."""
        y = rng.integers(1, 4, (8, 2))
        y[y == self.blank] = 0
        y[0], y[1, 1], y[2, 1] = self.padding, self.padding, y[2, 0]
        yield rng.standard_normal((8, 5, 4)), y

    def decode(self, a: Array, lengths: Array | None = None) -> list[list[int]]:
        """Return the labels of each sequence that the likeliest class at each time step spells.

        Parameters
        ----------
        a
            Probabilities or any scores that grow with them, ``(N, T, K)``.
        lengths
            Of the sequences, ``(N,)``; T by default.
        """
        best = np.asarray(a).argmax(axis=2)
        ends = np.full(len(best), best.shape[1]) if lengths is None else np.asarray(lengths)
        rows = (row[:end] for row, end in zip(best, ends, strict=True))
        return [[int(k) for i, k in enumerate(row) if k != self.blank and (i == 0 or row[i - 1] != k)] for row in rows]


def _sequences(a: Array, weight: Array | None, workspace: Workspace) -> tuple[Array, Array | None]:
    """Return the lengths ``(N,)`` of sequences and the weights of the examples, if there are any.

    Weights ``(N, T)`` are those of time steps of padded sequences: 0 beyond a length.
    """
    count, steps = a.shape[:2]
    if weight is None or weight.ndim == 1:
        return workspace.once((count, steps), lambda: np.full(count, steps, np.int64)), weight
    lengths, weights = workspace.buffer("lengths", (count,), np.int64), workspace.buffer("weights", (count,))
    ctc_operations.marked(weight, lengths, weights)
    return lengths, weights
