"""An optimizer, the schedule of its learning rate, and a solver, which takes the place of both."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from nnfw.arrays import Shape

if TYPE_CHECKING:
    from nnfw.arrays import Array


EVALUATED = "evaluated"
"""The array of an optimizer's state that holds the parameters at which the model is evaluated and saved."""


@dataclass(frozen=True)
class Parts(Mapping[str, slice]):
    """The slice of each parameter in the flat vector by name, its shape, and factors of the learning rate.

    `rates` is empty but for an optimizer that declares ``scales_parts``: then it has the factors of parameters, 0 for
    those that are frozen. Parameters without one have the rate as it is.

    Examples
    --------
    >>> parts = Parts({"layers.0.weight": slice(0, 6)}, {"layers.0.weight": (2, 3)})
    >>> parts["layers.0.weight"], parts.shapes["layers.0.weight"]
    (slice(0, 6, None), (2, 3))
    """

    places: Mapping[str, slice]
    shapes: Mapping[str, Shape]
    rates: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> slice:
        """Return where a parameter is."""
        return self.places[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.places)

    def __len__(self) -> int:
        """Return the number of parameters."""
        return len(self.places)


class Optimizer(Protocol):
    """One step downhill, in place, on the flat parameter vector.

    Attributes
    ----------
    learning_rate
        The base rate η; a schedule multiplies it.
    rests
        Whether a zero gradient leaves parameters without decay unchanged in the first step.
    parameter_patterns
        Options that hold patterns of names of parameters: a pattern that is that of no parameter is refused.
    scales_parts
        Whether `update_parts` multiplies the learning rate by the factors in ``parts.rates``. Otherwise the training
        scales the step of `vector`, and refuses to where the state holds an average of the parameters.
    """

    learning_rate: float
    rests: ClassVar[bool] = True
    parameter_patterns: ClassVar[tuple[str, ...]] = ()
    scales_parts: ClassVar[bool] = False

    def state(self, vector: Array) -> Mapping[str, Array]:
        """Return fresh arrays of state (momenta, second moments), each shaped like `vector`; none by default.

        If one is named ``"evaluated"``, the model is evaluated and saved with its values in place of `vector`, which is
        trained: an average that the optimizer keeps.
        """
        return {}

    @abstractmethod
    def update(
        self, vector: Array, gradient: Array, state: Mapping[str, Array], step: int, learning_rate: float, decays: slice
    ) -> None:
        """Change `vector` and `state` in place.

        `gradient` may be overwritten. `step` counts from 1, `learning_rate` is the rate of this step. Weight decay acts
        on ``vector[decays]``: the weights, not the biases.
        """

    def update_parts(
        self,
        vector: Array,
        gradient: Array,
        state: Mapping[str, Array],
        step: int,
        learning_rate: float,
        decays: slice,
        parts: Parts,
    ) -> None:
        """Change `vector` and `state` in place, as :meth:`update`, knowing where each parameter is.

        Where the step depends on single parameters, derive from :class:`PartsOptimizer` and write this method. `parts`
        are their places in the vector by name, ``layers.0.weight`` for instance, and ``parts.shapes`` their shapes.
        """
        self.update(vector, gradient, state, step, learning_rate, decays)


class PartsOptimizer(Optimizer, Protocol):
    """An optimizer whose step depends on single parameters: on their norms, as in LAMB, or their shapes, as in Muon.

    Its author writes `update_parts` instead of `update`.
    """

    @abstractmethod
    def update_parts(
        self,
        vector: Array,
        gradient: Array,
        state: Mapping[str, Array],
        step: int,
        learning_rate: float,
        decays: slice,
        parts: Parts,
    ) -> None:
        """Change `vector` and `state` in place, as `update`, knowing where each parameter is and its shape."""

    def update(
        self, vector: Array, gradient: Array, state: Mapping[str, Array], step: int, learning_rate: float, decays: slice
    ) -> None:
        """Change `vector` and `state` in place, with all parameters as one."""
        whole = Parts({"all": slice(0, len(vector))}, {"all": vector.shape})
        self.update_parts(vector, gradient, state, step, learning_rate, decays, whole)


class SplitOptimizer(Optimizer, Protocol):
    """An optimizer whose step is made of operations, with all that depends on the step and the rate in a few numbers.

    An engine can then take many steps in one call. `update` does the same as `coefficients` and `apply` together.
    """

    @abstractmethod
    def coefficients(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Return the numbers of a step: always the same count."""

    @abstractmethod
    def apply(
        self, vector: Array, gradient: Array, state: Mapping[str, Array], coefficients: tuple[float, ...], decays: slice
    ) -> None:
        """Change `vector` and `state` in place, by operations alone; declared `kernels_only`.

        The coefficients are passed to operations and not computed with: in a recording each stands for one number per
        step.
        """

    def update(
        self, vector: Array, gradient: Array, state: Mapping[str, Array], step: int, learning_rate: float, decays: slice
    ) -> None:
        """Change `vector` and `state` in place, as :meth:`Optimizer.update`."""
        # a NumPy scalar would compute in float64 and be cast back
        self.apply(vector, gradient, state, self.coefficients(step, float(learning_rate)), decays)


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
        """Minimise a function of θ. Return why it stopped early, or an empty string.

        Parameters
        ----------
        function
            C and ∂C/∂θ for θ, in float64 and in an array of its own.
        vector
            The initial θ; not modified.
        iterations
            The largest number of iterations.
        ended
            Call it after each iteration with θ and C, and stop if it returns True.
        """


class Schedule(Protocol):
    """The factor by which the learning rate is multiplied, over time."""

    @abstractmethod
    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return the factors for times `t` in epochs.

        Called once at the start of each epoch, with the times of all its steps: `t` ``(steps,)`` holds
        ``epoch + i/steps`` where the first epoch is 0, `epochs` is the planned number and `history` the monitored
        cost after each finished epoch that recorded it.
        """
