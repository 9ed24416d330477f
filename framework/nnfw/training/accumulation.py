"""Gradient accumulation: several batches for one step of the optimizer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnfw.arrays import Array
from nnfw.ops.definitions import blend, copy

GRADIENT, UPDATES = "training.gradient", "training.updates"
"""The mean gradient of the batches so far, and the number of the optimizer's steps, among the arrays of a training."""


def arrays_of_accumulation(vector: Array) -> dict[str, Array]:
    """Return fresh arrays for a parameter vector."""
    return {GRADIENT: np.zeros_like(vector), UPDATES: np.zeros(1, np.int64)}


class Accumulation:
    """Joins batches into groups: the gradient of a group is that of one batch with all of its examples.

    ḡ ← g_k + n/(n + n_k) (ḡ − g_k), where n_k are the examples of batch k, and n those of the batches before it.

    Parameters
    ----------
    batches
        Batches in a group; the last group of an epoch may have fewer.
    size, examples
        Examples in a batch, and in an epoch.
    arrays
        Those of :func:`arrays_of_accumulation`.
    """

    def __init__(self, batches: int, size: int, examples: int, arrays: Mapping[str, Array]) -> None:
        self._batches, self._size, self._examples = batches, size, examples
        self._mean, self._updates = arrays[GRADIENT], arrays[UPDATES]

    @property
    def updates(self) -> int:
        """The number of complete groups over the whole training."""
        return int(self._updates[0])

    def add(self, gradient: Array, position: int) -> bool:
        """Add the gradient of a batch; if it completes a group, fill `gradient` with the mean and return True.

        `position` counts the batches of the epoch before this one.
        """
        first, start = position // self._batches * self._batches * self._size, position * self._size
        end = min(start + self._size, self._examples)
        if start == first:
            copy(gradient, self._mean)
        else:
            blend(self._mean, gradient, (start - first) / (end - first))
        if (position + 1) % self._batches and end < self._examples:
            return False
        copy(self._mean, gradient)
        self._updates += 1
        return True
