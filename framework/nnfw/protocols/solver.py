"""An optimizer that chooses its steps itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeGuard

from nnfw.errors import StateError, class_name
from nnfw.protocols.optimizer import Optimizer

if TYPE_CHECKING:
    from nnfw.arrays import Array


class Solver(Optimizer, Protocol):
    """An optimizer that sees C and ∂C/∂θ of all examples at once, and chooses its steps itself: L-BFGS, for instance.

    One of its iterations is an epoch. It has no learning rate, and takes no schedule.
    """

    learning_rate: float = 1.0

    def update(
        self,
        vector: Array,
        gradient: Array,
        state: Mapping[str, Array],
        step: int,
        learning_rate: float,
        decays: slice,
    ) -> None:
        """Raise StateError: a solver takes no single steps."""
        raise StateError(f"{class_name(self)} takes no single steps: it sees all examples at once, with minimise.")

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
        ...


def is_solver(optimizer: object) -> TypeGuard[Solver]:
    """Return whether an optimizer is a solver."""
    return Solver in type(optimizer).__mro__
