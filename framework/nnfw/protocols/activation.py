"""What a plugin implements: one protocol for each kind of component.

Components are frozen dataclasses of hyper-parameters. They hold no arrays and no state, so one object serves many
models and threads, and its fields are its configuration. Arrays live in the model's parameter vector and in a
:class:`~nnfw.Workspace`, the memory of one layer during one pass.

Conventions, the same everywhere:

- Examples are rows. A batch is ``(N, n)``; a weight keeps the note's orientation ``(n_out, n_in)``.
- δ is always ∂C/∂z of the cost that is minimised.
- The factor 1/N and the sample weights live in the cost and nowhere else.
- A `Shape` is that of one example, without the batch axis.

Subclass the protocol of your kind: what has a default below may then be left out.

References
----------
A. Mehrotra (2020), *Neural Networks*: the definitions and Equations 1 to 4.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeGuard

from nnfw.arrays import Shape as Shape
from nnfw.errors import DivergedError, StateError, class_name

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from nnfw.arrays import Array
    from nnfw.data import Examples
    from nnfw.plugins import Registry
    from nnfw.storage import LineFile
    from nnfw.workspace import Workspace


class Initializer(Protocol):
    """Draws the first values of a parameter."""

    @abstractmethod
    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, drawn from `rng` alone.

        `fan_in` and `fan_out` count the inputs that one unit sums over and the units that one input reaches.
        """
        ...

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float | None:
        """Return the variance that the values are meant to have, or None where that is left open."""
        return None


@dataclass(frozen=True)
class Parameter:
    """The declaration of one array that a layer owns.

    Parameters
    ----------
    shape
        Shape of the array; ``(n_out, n_in, ...)`` for weights.
    initializer
        Draws its first values.
    trainable
        False for state that the layer itself maintains, such as running means: it lies outside the parameter vector
        and has no gradient.
    decays
        Whether weight decay and regularizers act on it: True for weights, False for biases.
    """

    shape: Shape
    initializer: Initializer
    trainable: bool = True
    decays: bool = True

    @property
    def fan_in(self) -> int:
        """Inputs that one unit sums over: ``prod(shape[1:])``."""
        return prod(self.shape[1:])

    @property
    def fan_out(self) -> int:
        """Units that one input reaches: ``shape[0] * prod(shape[2:])``."""
        return prod(self.shape[:1]) * prod(self.shape[2:])


class Activation(Protocol):
    """a = σ(z), and the step from ∂C/∂a to δ = ∂C/∂z.

    Attributes
    ----------
    range
        The closed interval in which every a lies, or None where that is not known.
    monotonic
        Whether each a_j never falls where its z_j grows.
    """

    range: ClassVar[tuple[float, float] | None] = None
    monotonic: ClassVar[bool] = False

    def require_shape(self, shape: Shape) -> None:
        """Refuse a shape of one example's z that makes no sense here; ShapeError says why. Takes all by default."""
        return

    @abstractmethod
    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return a = σ(z), of the shape and dtype of `z`; `z` stays as it is."""
        ...

    @abstractmethod
    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return δ = ∂C/∂z from ∂C/∂a; for an elementwise σ that is ∂C/∂a ⊙ σ'(z). Nothing given is modified."""
        ...


class Elementwise(Activation, Protocol):
    """An activation that acts on each element alone: its author writes `value` and `derivative`, one line each."""

    @abstractmethod
    def value(self, z: Array) -> Array:
        """Return σ(z)."""
        ...

    @abstractmethod
    def derivative(self, z: Array, a: Array) -> Array:
        """Return σ'(z); a = σ(z) is at hand, since many derivatives are shorter in a."""
        ...

    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return a = σ(z)."""
        return self.value(z)

    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return δ = ∂C/∂a ⊙ σ'(z): the right-hand factor of Equations 1 and 2."""
        return grad_a * self.derivative(z, a)


class Layer(Protocol):
    """From a^(l-1) to the weighted input z^l, and back from δ^l to ∂C/∂a^(l-1).

    The framework applies `activation` between a layer's z and the next layer; a layer without one says so with the
    identity.

    Attributes
    ----------
    activation
        The σ of this layer; a name is replaced by the component when a network is built.
    rows_independent
        Whether the z of an example depends on that example alone; False for a layer that looks at the whole batch.
    """

    activation: Activation | str
    rows_independent: ClassVar[bool] = True

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one example's z. A shape that does not fit raises ShapeError; no data is read."""
        ...

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare the arrays of this layer by name; none by default."""
        return {}

    @abstractmethod
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z of shape ``(N, *output_shape)``; `a_prev` stays as it is, `workspace` keeps what backward needs."""
        ...

    @abstractmethod
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev of shape ``(N, *input_shape)`` and overwrite every array of `grads` (Equations 3 and 4).

        `delta` stays as it is. None is allowed where ``workspace.needs_input_gradient`` is False.
        """
        ...


class Cost(Protocol):
    """C, its gradient ∇_a C, and the check of the labels.

    C is a mean over the N examples of the batch: C = 1/N Σ_i weight_i · c(a_i, y_i), with weights of 1 by default.

    Attributes
    ----------
    canonical
        Name of the output activation for which δ^L has a closed form, or None. A cost that names one also has the
        two methods of :class:`CanonicalCost`.
    domain
        The closed interval of the outputs that it takes, or None for any. An activation whose `range` lies outside is
        refused at the output.
    least_at_labels
        Whether C is least where a equals the labels; an index of a class counts as the vector with a single 1.
    """

    canonical: ClassVar[str | None] = None
    domain: ClassVar[tuple[float, float] | None] = None
    least_at_labels: ClassVar[bool] = False

    @abstractmethod
    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return the labels of N examples in the form the other methods take; DataError for impossible labels.

        Called once before training, never in a step.
        """
        ...

    @abstractmethod
    def value(self, a: Array, y: Array, weight: Array | None = None) -> float:
        """Return C for activations `a` ``(N, *output_shape)``, `y` from :meth:`targets` and `weight` ``(N,)``."""
        ...

    @abstractmethod
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return ∇_a C, shaped like `a`, with 1/N and the weights inside."""
        ...


class CanonicalCost(Cost, Protocol):
    """A cost with a closed form of Equation 1 for one output activation: softmax with cross-entropy, for instance."""

    @abstractmethod
    def value_from_z(self, z: Array, y: Array, weight: Array | None = None) -> float:
        """Return C from the weighted input of the output layer, in log space, so that extreme z stay finite."""
        ...

    @abstractmethod
    def canonical_delta(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return δ^L, equal to Equation 1 for the canonical pair: (a − y)/N for the standard ones."""
        ...


class Optimizer(Protocol):
    """One step downhill, in place, on the flat parameter vector.

    Attributes
    ----------
    learning_rate
        The base rate η; a schedule multiplies it.
    rests
        Whether a gradient of zero leaves parameters that do not decay as they are, in the first step.
    """

    learning_rate: float
    rests: ClassVar[bool] = True

    def state(self, vector: Array) -> Mapping[str, Array]:
        """Return fresh arrays of state (momenta, second moments), each shaped like `vector`; none by default."""
        return {}

    @abstractmethod
    def update(
        self,
        vector: Array,
        gradient: Array,
        state: Mapping[str, Array],
        step: int,
        learning_rate: float,
        decays: slice,
    ) -> None:
        """Change `vector` and `state` in place.

        `gradient` may be overwritten. `step` counts from 1. ``vector[decays]`` are the parameters that weight decay
        acts on: the weights, not the biases.
        """
        ...


class Solver(Optimizer, Protocol):
    """An optimizer that sees C and ∂C/∂θ of all examples at once, and chooses its steps itself: L-BFGS, for instance.

    One of its iterations is an epoch. It has no learning rate, and takes no schedule.
    """

    learning_rate: ClassVar[float] = 1.0  # type: ignore[misc]

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


class Schedule(Protocol):
    """The factor by which the learning rate is multiplied, over time."""

    @abstractmethod
    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return the factors for times `t` in epochs.

        Called once at the start of each epoch, with the times of all its steps: `t` ``(steps,)`` holds
        ``epoch + i/steps`` where the first epoch is 0, `epochs` is the planned number and `history` the monitored
        cost after each finished epoch.
        """
        ...


class Regularizer(Protocol):
    """A penalty Ω(w) on the weights that decay, added to the cost that is minimised."""

    @abstractmethod
    def value(self, w: Array) -> float:
        """Return Ω(w) for the flat weights."""
        ...

    @abstractmethod
    def add_gradient(self, w: Array, gradient: Array) -> None:
        """Add ∂Ω/∂w to `gradient` in place."""
        ...


class Metric(Protocol):
    """A figure of merit as a sum over examples and a last formula, so that it works batch by batch.

    Attributes
    ----------
    higher_is_better
        What early stopping looks for.
    """

    higher_is_better: ClassVar[bool]

    @abstractmethod
    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return a float64 array that adds up over batches; `y` comes from the cost's :meth:`Cost.targets`."""
        ...

    @abstractmethod
    def result(self, statistics: Array) -> float | Array:
        """Return the metric from the summed statistics."""
        ...


class Dataset(Protocol):
    """Where examples come from."""

    @abstractmethod
    def load(self, directory: Path) -> Examples:
        """Read the examples; relative paths start at `directory`. DataError says what is wrong, and where."""
        ...

    def input_shape(self) -> Shape | None:
        """Return the shape of one example if it is known without reading anything; None by default."""
        return None


class Transform(Protocol):
    """A change of columns whose values are fitted on the training split and stored with the model.

    Attributes
    ----------
    columns
        Names of the columns to change; None for all that it `accepts`.
    accepts
        ``"numeric"`` or ``"categorical"``: the raw columns it takes when `columns` is None.
    """

    columns: tuple[str, ...] | None
    accepts: ClassVar[Literal["numeric", "categorical"]]

    @abstractmethod
    def fit(self, column: Array) -> Mapping[str, Any]:
        """Return the fitted values of one column ``(N, ...)``: strings, numbers or lists of them, fit for JSON."""
        ...

    @abstractmethod
    def apply(self, column: Array, fitted: Mapping[str, Any]) -> Array:
        """Return the changed column; its first axis stays."""
        ...

    @abstractmethod
    def invert(self, column: Array, fitted: Mapping[str, Any]) -> Array:
        """Return the column as it was before :meth:`apply`."""
        ...


class Fit(Protocol):
    """What a callback sees of a training in progress.

    Attributes
    ----------
    epoch, epochs, step, steps
        The current epoch and the planned number, the current step and the number of steps in one epoch; all count
        from 1 and `step` counts over the whole training.
    examples
        The number of examples to train on.
    recorded
        Names of the numbers that each epoch will record, apart from matrices.
    cost
        The cost of the last batch.
    history
        The records of the epochs that have ended, the first one first.
    vector
        The flat parameter vector of the model; to be read only.
    directory
        Where files with relative paths go.
    registry
        The installed components and plugins.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    examples: int
    recorded: tuple[str, ...]
    cost: float
    vector: Array
    directory: Path
    registry: Registry

    @property
    def history(self) -> Sequence[dict[str, Any]]:
        """The records of the epochs that have ended, the first one first."""
        ...

    def stop(self, reason: str) -> None:
        """End the training after this epoch."""
        ...

    def better(self, monitor: str, value: float, best: float) -> bool:
        """Whether `value` of the record entry `monitor` is better than `best`."""
        ...

    def snapshot(self) -> tuple[Array, ...]:
        """Return a copy of all parameters and state of the model."""
        ...

    def restore(self, snapshot: tuple[Array, ...]) -> None:
        """Put the values of a snapshot back into the model."""
        ...

    def watch(self) -> None:
        """Look from now on at the parameters; where a step makes them not finite, DivergedError names it."""
        ...

    def diverged(self, what: str) -> DivergedError:
        """Return the error for a cost that is not finite, as `what` says; it names the step where that began."""
        ...

    def first_non_finite(self) -> str:
        """Name the first layer with values that were not finite in the last pass, or else labels or the last layer."""
        ...

    def save_model(self, path: Path) -> None:
        """Write the model as it is now to `path`, replacing the file in one step."""
        ...

    def claim(self, path: str, callback: Callback) -> Path:
        """Return where a callback's file goes, and keep that name for it alone; ConfigError if another has it."""
        ...

    def lines(self, path: Path) -> LineFile:
        """Return a new text file at a claimed path, whose `write` reaches the system at once; `close` ends it."""
        ...


class Callback(Protocol):
    """Code that runs along with a training. What it must remember lies in `state`, a dictionary of its own.

    Where a training is resumed, :meth:`state` is called as at its beginning, and then every entry comes back that was
    plain in the checkpoint: numbers, texts, True and False, None and arrays, and lists, tuples and dictionaries of
    these. What is not plain, such as an open file, stays as :meth:`state` has made it.
    """

    def state(self, fit: Fit) -> dict[str, Any]:
        """Return the memory of this callback for one training; called before its first step, resumed or not."""
        return {}

    def step_computed(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        """Run after cost and gradient of a batch are known, before the parameters change."""
        return

    def epoch_ended(self, fit: Fit, record: Mapping[str, float], state: MutableMapping[str, Any]) -> None:
        """Run after each epoch with its record: epoch, learning_rate, cost, metrics, validation_cost and so on."""
        return

    def fit_ended(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        """Run when the training has ended without an error."""
        return

    def close(self, state: MutableMapping[str, Any]) -> None:
        """Release what `state` holds, such as an open file; runs last, after an error too."""
        return


@dataclass(frozen=True)
class Kind:
    """One kind of component, as a row of :data:`KINDS`.

    Parameters
    ----------
    name
        Singular, as in ``nnfw plugins --kind layer`` and ``nnfw.layer(...)``.
    protocol
        What its components implement.
    """

    name: str
    protocol: type

    @property
    def members(self) -> Iterable[str]:
        """Names that every component of the kind has: the methods and attributes of its protocol."""
        bases = [base for base in self.protocol.__mro__ if base.__module__.startswith("nnfw.protocols.")]
        return sorted(
            {name for base in bases for name in (*vars(base), *base.__annotations__) if not name.startswith("_")}
        )


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("layer", Layer),
        Kind("activation", Activation),
        Kind("cost", Cost),
        Kind("optimizer", Optimizer),
        Kind("schedule", Schedule),
        Kind("initializer", Initializer),
        Kind("regularizer", Regularizer),
        Kind("metric", Metric),
        Kind("dataset", Dataset),
        Kind("transform", Transform),
        Kind("callback", Callback),
    )
}
