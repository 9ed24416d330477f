"""The batch of a step."""

from __future__ import annotations

from dataclasses import dataclass

from nnfw.arrays import Array
from nnfw.ops import kernels, kernels_only

EVALUATION_ROWS = 1024
"""Examples that pass through the network together when nothing is trained."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Buffers shared by all batches of one size.

    Parameters
    ----------
    inputs
        The examples of the current batch: an array for each input of the network.
    targets
        Their labels: an array for each output.
    weight
        Their weights; None if there are none.
    lengths
        For each input the lengths of its sequences ``(N,)``, int64; None where they are not padded.
    sources
        Arrays in memory, each with the rows to gather and the buffer that receives them. Data from files is in the
        buffers already.
    """

    inputs: tuple[Array, ...]
    targets: tuple[Array, ...]
    weight: Array | None = None
    lengths: tuple[Array | None, ...] = (None,)
    sources: tuple[tuple[Array, Array, Array], ...] = ()

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.inputs[0])

    @kernels_only
    def gather(self) -> None:
        """Gather rows from the arrays in memory; recorded as part of the step."""
        for source, rows, out in self.sources:
            kernels().take(source, rows, out)
