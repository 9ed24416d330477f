"""Transforms that learn from the target: the training rows are made without their own labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import DataError
from nnfw.protocols import FitsToTarget
from nnfw.randomness import stream

MOST_CLASSES = 20
"""Different whole numbers up to which a target has classes, for a transform that learns from it."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The training part among some examples.

    Parameters
    ----------
    rows
        Which examples they are.
    target
        Their target ``(N, K)``, as :class:`nnfw.FitsToTarget` takes it.
    seed
        Of the folds.
    """

    rows: Array | slice
    target: Array
    seed: int

    @classmethod
    def of(cls, labels: Iterable[tuple[Array, bool]], rows: Array | slice, seed: int) -> TrainingRows:
        """Return rows with the labels of some targets, and whether transforms change these.

        DataError if a target has a block of words for each example.
        """
        return cls(rows, np.column_stack([_numbers(each[rows], changed) for each, changed in labels]), seed)

    def cross_fit(self, transform: FitsToTarget, column: Array) -> Array:
        """Return what a transform makes of the rows of a column."""
        return transform.cross_fit(column[self.rows], self.target, stream(self.seed, "cross_fit"))


def _numbers(labels: Array, changed: bool) -> Array:
    """Return labels as numbers ``(N, K)``: of classes, a column of 0 and 1 for each, of two that of the second.

    Whole numbers that transforms change are no classes.
    """
    if labels.dtype.kind == "f" or (labels.dtype.kind != "U" and (changed or labels.ndim > 1)):
        return labels.reshape(len(labels), -1).astype(np.float64)
    if labels.ndim > 1:
        raise DataError(
            f"A transform that learns from the target needs one word for each example, got {labels.shape[1:]} of them."
        )
    classes = np.unique(labels)
    if labels.dtype.kind != "U" and len(classes) > MOST_CLASSES:
        return labels.reshape(-1, 1).astype(np.float64)
    columns: Array = labels[:, np.newaxis] == (classes[1:] if len(classes) == 2 else classes)
    return columns.astype(np.float64)
