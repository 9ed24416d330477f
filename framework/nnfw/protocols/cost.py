"""What a training minimises, and what it reports: cost, regularizer and metric."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnfw.arrays import Array, Shape
    from nnfw.workspace import Workspace


class Cost(Protocol):
    """C, its gradient ∇_a C, and the check of the labels.

    C is a mean over the N examples of the batch: C = 1/N Σ_i weight_i · c(a_i, y_i), with weights of 1 by default.

    Attributes
    ----------
    canonical
        Name of the output activation for which δ^L has a closed form, or None. A cost that names one also has the
        two methods of :class:`CanonicalCost`.
    domain
        The closed interval of outputs that it accepts, or None for any. An output activation whose `range` is not
        inside is refused.
    least_at_labels
        Whether C is smallest where a equals the labels; a class index counts as its one-hot vector.
    whole_sequences
        Whether of padded sequences the cost sees whole ones, with weights ``(N, T)`` of their time steps: that of the
        example, 0 beyond its length. False, the default, where it sees each time step as an example.
    """

    canonical: ClassVar[str | None] = None
    domain: ClassVar[tuple[float, float] | None] = None
    least_at_labels: ClassVar[bool] = False
    whole_sequences: ClassVar[bool] = False

    @abstractmethod
    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return the labels of N examples in the form the other methods take; DataError for impossible labels.

        Called once before training, never in a step.
        """

    @abstractmethod
    def value(self, a: Array, y: Array, weight: Array | None = None) -> float:
        """Return C for activations `a` ``(N, *output_shape)``, `y` from :meth:`targets` and `weight` ``(N,)``."""

    @abstractmethod
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return ∇_a C, shaped like `a`, with 1/N and the weights inside."""

    def weigh_steps(self, y: Array, weights: Array) -> None:
        """Change the weights ``(N, T)`` of the time steps of padded sequences in place; by default they stay.

        Of such sequences the cost sees each time step as an example, with these weights: those of the examples, 0
        beyond a length. Override it where C divides by something of a whole sequence: its length, for a mean.
        """
        return

    def predictions(self, a: Array) -> Mapping[str, Array]:
        """Return what outputs ``(N, *output_shape)`` say of the labels, by name, each in the shape of the labels.

        For outputs that are no labels themselves: quantiles, or a mean with its variance. By default nothing: outputs
        are labels, or scores of classes. The name ends that of the target; an empty one is the target's own.
        """
        return {}

    def constant(self, y: Array, output_shape: Shape, weight: Array | None = None) -> Array | None:
        """Return the best outputs of a network that does not look at its inputs, in `output_shape`; None if unknown.

        A model is compared with this baseline. By default it is the mean of the labels ``(N, *output_shape)``, which
        :meth:`targets` returned, or the shares of the classes ``(N, *output_shape[:-1])``, of which those below 0 do
        not count.
        """
        import numpy as np

        if y.shape[1:] == output_shape:
            return np.asarray(np.average(y.astype(np.float64), axis=0, weights=weight))
        if y.dtype.kind not in "iu" or y.shape[1:] != output_shape[:-1]:
            return None
        w = np.broadcast_to(1.0 if weight is None else weight.reshape(-1, *[1] * (y.ndim - 1)), y.shape)
        counts = np.bincount(y[y >= 0], w[y >= 0], minlength=output_shape[-1])
        return np.broadcast_to(counts / counts.sum(), output_shape) if counts.any() else None


class CanonicalCost(Cost, Protocol):
    """A cost with a closed form of Equation 1 for one output activation: softmax with cross-entropy, for instance."""

    @abstractmethod
    def value_from_z(self, z: Array, y: Array, weight: Array | None = None) -> float:
        """Return C from the weighted input of the output layer, in log space, so that extreme z stay finite."""

    @abstractmethod
    def canonical_delta(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return δ^L, equal to Equation 1 for the canonical pair: (a − y)/N for the standard ones."""


class WritesValue(Protocol):
    """A cost that can write its value by operations alone, so that an engine can take many steps in one call."""

    @abstractmethod
    def write_value(self, a: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C into `out` ``(1,)``, float64, and return True; False, with nothing done, where operations cannot.

        Declared `kernels_only`. It depends on shapes and dtypes alone whether they can.
        """


class WritesValueFromZ(Protocol):
    """A canonical cost that can write its value from z by operations alone."""

    @abstractmethod
    def write_value_from_z(self, z: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C as :meth:`CanonicalCost.value_from_z` gives it, in the manner of :meth:`WritesValue.write_value`."""


class Regularizer(Protocol):
    """A penalty Ω(w) on the weights that decay, added to the cost that is minimised."""

    @abstractmethod
    def value(self, w: Array) -> float:
        """Return Ω(w) for the flat weights."""

    @abstractmethod
    def add_gradient(self, w: Array, gradient: Array) -> None:
        """Add ∂Ω/∂w to `gradient` in place."""


class Metric(Protocol):
    """A figure of merit, computed batch by batch: statistics of each batch, merged into one, then a final formula.

    Attributes
    ----------
    higher_is_better
        What early stopping looks for.
    domain
        The closed interval of outputs that it means something for, (0, 1) for probabilities; None for any. Before a
        training an output activation whose `range` is not inside is refused.
    ignores_shift
        Whether one number added to outputs and labels changes nothing but rounding. In the unit of a target whose
        transforms are undone, 0 is then where the network has it, so that sums of squares keep their digits.
    """

    higher_is_better: ClassVar[bool]
    domain: ClassVar[tuple[float, float] | None] = None
    ignores_shift: ClassVar[bool] = False

    @abstractmethod
    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the statistics of a batch, a float64 array; `y` comes from the cost's :meth:`Cost.targets`."""

    def merge(self, first: Array, second: Array) -> Array:
        """Return the statistics of two groups of examples together, the first ones first: by default the sum.

        Statistics that are merged in another way may change their shape: all scores so far, for instance. A checkpoint
        within an epoch holds them. Neither argument is modified.
        """
        return first + second

    @abstractmethod
    def result(self, statistics: Array) -> float | Array:
        """Return the metric from the statistics of all examples."""


class WritesStatistics(Protocol):
    """A metric that can write its statistics by operations alone, so that an engine can take many steps in one call."""

    @abstractmethod
    def write_statistics(self, a: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write the statistics into `out`, float64, in the manner of :meth:`WritesValue.write_value`.

        They must be whole numbers, so that their sum is the same in any order. It is not called if the metric has its
        own `merge`.
        """
