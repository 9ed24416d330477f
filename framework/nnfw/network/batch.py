"""The batch of a step: where its examples, labels and weights lie."""

from __future__ import annotations

from dataclasses import dataclass

from nnfw.arrays import Array
from nnfw.ops import kernels, kernels_only


@dataclass(frozen=True, eq=False)
class Batch:
    """Buffers shared by all batches of one size.

    Parameters
    ----------
    x, y, weight
        The examples, labels and weights of the present batch; no weights are None.
    sources
        Arrays in memory, each with the rows to take from it and the one of `x`, `y` and `weight` where they go. What
        comes from files is there already.
    """

    x: Array
    y: Array
    weight: Array | None = None
    sources: tuple[tuple[Array, Array, Array], ...] = ()

    @kernels_only
    def gather(self) -> None:
        """Take the rows from the arrays in memory: part of the step, so it is recorded with the rest."""
        for source, rows, out in self.sources:
            kernels().take(source, rows, out)
