"""The batch of a step."""

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
        The examples, labels and weights of the current batch; None if there are no weights.
    sources
        Arrays in memory, each with the rows to gather and the buffer that receives them. Data from files is in the
        buffers already.
    """

    x: Array
    y: Array
    weight: Array | None = None
    sources: tuple[tuple[Array, Array, Array], ...] = ()

    @kernels_only
    def gather(self) -> None:
        """Gather rows from the arrays in memory; recorded as part of the step."""
        for source, rows, out in self.sources:
            kernels().take(source, rows, out)
