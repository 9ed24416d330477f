"""A layer, its parameters and their first values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar, Protocol

from nnfw.arrays import Shape as Shape
from nnfw.errors import PluginError
from nnfw.protocols.activation import Activation, AnyActivation  # not for types only: options are read from annotations

if TYPE_CHECKING:
    import numpy as np

    from nnfw.arrays import Array
    from nnfw.workspace import Workspace


class Layer(Protocol):
    """From a^(l-1) to the weighted input z^l, and back from δ^l to ∂C/∂a^(l-1).

    The framework applies `activation` between a layer's z and the next layer.

    Attributes
    ----------
    activation
        The σ of this layer, as an option or a class variable; the identity if it is neither. A name is replaced by the
        component when a network is built.
    rows_independent
        Whether the z of an example depends on that example alone; False for a layer that looks at the whole batch. A
        layer that is composed of others need not repeat what they declare.
    keeps_time
        Whether z has an axis of time if a padded input has one, so that z has lengths too, those of
        :meth:`output_lengths`; False for a layer that ends them. A z with a single axis ends them anyway: that axis
        holds features. A layer that ends lengths without reading ``workspace.lengths`` is refused padded sequences.
    """

    activation: AnyActivation
    rows_independent: ClassVar[bool] = True
    keeps_time: ClassVar[bool] = False

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one example's z. ShapeError if the input shape does not fit; no data is read."""

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare the arrays of this layer by name; none by default."""
        return {}

    def index_limit(self) -> int | tuple[int, ...] | None:
        """Return n if the input holds indices 0 … n − 1; None, the default, for real numbers.

        A tuple has an n for each place on the last axis of the input. Indices arrive as int64, checked against n, and
        have no derivative: `backward` returns None.
        """
        return None

    def output_lengths(self, lengths: Array) -> Array:
        """Return the lengths of z for those of the input, int64; the same ones by default.

        It is asked once, for all lengths from 0 to the number of time steps, so each must follow from one alone.
        """
        return lengths

    @abstractmethod
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z of shape ``(N, *output_shape)``; `a_prev` is not modified, `workspace` keeps what backward needs."""

    @abstractmethod
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev of shape ``(N, *input_shape)`` and overwrite every array of `grads` (Equations 3 and 4).

        `delta` is not modified. None is allowed where ``workspace.needs_input_gradient`` is False.
        """

    def pictures(self, params: Mapping[str, Array], workspace: Workspace) -> Mapping[str, Array]:
        """Return what the page about a run shows of this layer, by title; nothing by default.

        Filters, for instance, or weights of attention: arrays ``(K, rows, columns)``. `workspace` is that of a forward
        pass; of what depends on the examples, the first one is shown.
        """
        return {}

    def through_time(self, params: Mapping[str, Array], delta: Array, workspace: Workspace) -> Array | None:
        """Return ∂C/∂h_t of a recurrent layer's states ``(T, N, units)``, in the order in which it reads the steps.

        It is called after `backward` with the same arguments, and shows how δ vanishes on its way through time. What
        lies beyond the length of a sequence is NaN. None, the default, for a layer without a state.
        """
        return None


class Merge(Protocol):
    """A layer of several inputs: from a^k, a^m, ... to z^l, and back from δ^l to ∂C/∂a^k, ∂C/∂a^m, ...

    Derive from this class: its methods have the names of those of :class:`Layer`, which take one input.

    Attributes
    ----------
    activation, rows_independent, keeps_time
        As for :class:`Layer`.
    own_lengths
        Whether its inputs may be padded sequences with lengths of their own, which ``workspace.input_lengths`` gives;
        z then has the time steps of the first one. False, the default, where all must have the same lengths.
    """

    activation: AnyActivation
    rows_independent: ClassVar[bool] = True
    keeps_time: ClassVar[bool] = False
    own_lengths: ClassVar[bool] = False

    @abstractmethod
    def output_shape(self, input_shapes: tuple[Shape, ...]) -> Shape:
        """Return the shape of one example's z. ShapeError if the shapes do not fit together."""

    def parameters(self, input_shapes: tuple[Shape, ...]) -> Mapping[str, Parameter]:
        """Declare the arrays of this layer by name; none by default."""
        return {}

    @abstractmethod
    def forward(self, params: Mapping[str, Array], inputs: tuple[Array, ...], workspace: Workspace) -> Array:
        """Return z of shape ``(N, *output_shape)``; the inputs are not modified."""

    @abstractmethod
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> tuple[Array | None, ...]:
        """Return ∂C/∂a of each input, and overwrite every array of `grads`; as :meth:`Layer.backward`."""

    def pictures(self, params: Mapping[str, Array], workspace: Workspace) -> Mapping[str, Array]:
        """Return what the page about a run shows of this layer, by title; as :meth:`Layer.pictures`."""
        return {}

    def through_time(self, params: Mapping[str, Array], delta: Array, workspace: Workspace) -> Array | None:
        """Return ∂C/∂h_t of a recurrent layer's states; as :meth:`Layer.through_time`."""
        return None


@dataclass(frozen=True)
class Parameter:
    """The declaration of one array that a layer owns.

    Parameters
    ----------
    shape
        Shape of the array; ``(n_out, n_in, ...)`` for weights.
    initializer
        Draws its first values; an option of the layer, which is a component by then, no longer a name.
    trainable
        False for state that the layer itself maintains, such as running means: it is outside the parameter vector and
        has no gradient.
    decays
        Whether weight decay and regularizers act on it: True for weights, False for biases.
    """

    shape: Shape
    initializer: Initializer | str
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

    def sample(self, rng: np.random.Generator) -> Array:
        """Return first values from the initializer, drawn from `rng` alone; PluginError if it is still a name."""
        if isinstance(self.initializer, str):
            raise PluginError(
                f"The initializer of a Parameter of shape {self.shape} is the name {self.initializer!r}, expected a "
                "component. Make it an option of the layer, annotated Initializer | str: names of options are replaced."
            )
        return self.initializer.sample(self.shape, self.fan_in, self.fan_out, rng)


def activation_of(layer: Layer) -> Activation:
    """Return the activation of a layer in a network, where every name has been replaced by its component."""
    activation = layer.activation
    assert not isinstance(activation, str | tuple)
    return activation


class Initializer(Protocol):
    """Draws the first values of a parameter."""

    @abstractmethod
    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, drawn from `rng` alone.

        `fan_in` and `fan_out` count the inputs that one unit sums over and the units that one input reaches.
        """

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float | None:
        """Return the intended variance of the values, or None if there is none."""
        return None
