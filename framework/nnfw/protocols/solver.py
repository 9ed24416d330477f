"""A solver, which takes the place of an optimizer and chooses its steps itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nnfw.arrays import Array


class Solver(Protocol):
    """Sees C and ∂C/∂θ of all examples at once, and chooses its steps itself: L-BFGS, for instance.

    It takes the place of an optimizer. One of its iterations is an epoch. It has no learning rate, and takes no
    schedule.
    """

    @abstractmethod
    def minimise(
        self,
        function: Callable[[Array], tuple[float, Array]],
        vector: Array,
        iterations: int,
        ended: Callable[[Array, float], bool],
    ) -> str:
        """Lower a function of θ, and return why that ended before the last iteration; nothing if it did not.

        Parameters
        ----------
        function
            C and ∂C/∂θ for θ, in float64 and in an array of its own.
        vector
            The first θ; it stays as it is.
        iterations
            How many there may be.
        ended
            To be called after each iteration with θ and C; where it returns True, no other may follow.
        """
