"""σ: from the weighted input z to the activation a, and from ∂C/∂a back to δ."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnfw.arrays import Array, Shape
    from nnfw.workspace import Workspace


class Activation(Protocol):
    """a = σ(z), and the step from ∂C/∂a to δ = ∂C/∂z.

    Attributes
    ----------
    range
        The closed interval that contains every a, or None if it is not known.
    monotonic
        Whether no a_j decreases when its z_j increases.
    """

    range: ClassVar[tuple[float, float] | None] = None
    monotonic: ClassVar[bool] = False

    def require_shape(self, shape: Shape) -> None:
        """Raise ShapeError if z cannot have this shape for one example. By default every shape is accepted."""
        return

    def as_layer(self) -> object:
        """Return the layer that takes the place of σ in a network, if it has parameters; None by default.

        It becomes a node of its own, ``layers.0.activation``, after the one whose activation this is. `forward` and
        `delta` then stand for its first values.
        """
        return None

    @abstractmethod
    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return a = σ(z), of the shape and dtype of `z`; `z` is not modified."""

    @abstractmethod
    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return δ = ∂C/∂z from ∂C/∂a; for an elementwise σ that is ∂C/∂a ⊙ σ'(z). The arguments are not modified."""


class Elementwise(Activation, Protocol):
    """An activation that acts on each element alone: its author writes `value` and `derivative`, one line each."""

    @abstractmethod
    def value(self, z: Array) -> Array:
        """Return σ(z)."""

    @abstractmethod
    def derivative(self, z: Array, a: Array) -> Array:
        """Return σ'(z); a = σ(z) is passed because many derivatives are shorter in a."""

    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return a = σ(z)."""
        return self.value(z)

    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return δ = ∂C/∂a ⊙ σ'(z): the right-hand factor of Equations 1 and 2."""
        return grad_a * self.derivative(z, a)


if TYPE_CHECKING:
    AnyActivation = Activation | str | tuple[Callable[[Array], Array], Callable[[Array], Array]]
    """An activation as an option: an object, a name, or σ(z) and σ'(z) as two functions."""
else:
    AnyActivation = Activation | str  # two functions become an object before the option is read
