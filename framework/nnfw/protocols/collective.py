"""Several processes that train one model together."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nnfw.arrays import Array


class Collective(Protocol):
    """The ranks (processes or threads) that train copies of one model, each on its part of every batch.

    Attributes
    ----------
    rank
        Which of them this is, from 0 on.
    size
        How many there are, 1 or more.
    """

    rank: int
    size: int

    @abstractmethod
    def sum(self, array: Array) -> None:
        """Replace `array` by the sum of the arrays of all ranks, with the same bits on each.

        It is float64, one-dimensional and contiguous, and has the same length on each rank. All ranks call this equally
        often, and each waits for the others; an error in one of them has to end the waiting. With mpi4py the body is
        ``comm.Allreduce(MPI.IN_PLACE, array)``.
        """
