"""What the training loop needs of a model."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from nnfw.arrays import Array, Shape
    from nnfw.plugins import Registry
    from nnfw.storage import Directory
    from nnfw.training.batches import Batch
    from nnfw.workspace import Workspace


class Objective(Protocol):
    """A cost at the output of a model."""

    def value(self, z: Array, a: Array, y: Array, weight: Array | None) -> float:
        """Return C."""
        ...


class Trainable(Protocol):
    """A differentiable model with one flat parameter vector."""

    registry: Registry
    input_shape: Shape
    output_shape: Shape
    dtype: np.dtype[Any]

    @property
    def vectors(self) -> tuple[Array, Array]:
        """The flat vector of the trainable parameters, and that of the state beside them."""
        ...

    @property
    def decays(self) -> slice:
        """The part of the vector on which weight decay acts."""
        ...

    def views(self, vector: Array, state: Array | None = None) -> Mapping[str, Array]:
        """Return a flat vector as named arrays, and with them those of the state if it is given."""
        ...

    def workspace(self, rng: np.random.Generator | None = None, *, training: bool = False) -> Workspace:
        """Return the memory of a pass."""
        ...

    def forward(self, x: Array, workspace: Workspace) -> tuple[Array, Array]:
        """Return z^L and a^L of a batch."""
        ...

    def backward(
        self,
        x: Array,
        y: Array,
        weight: Array | None,
        objective: Any,
        workspace: Workspace,
        grads: Mapping[str, Array],
    ) -> tuple[float, Array]:
        """Return C and a^L of a batch, and fill `grads` with ∂C/∂θ."""
        ...

    def repeated(
        self, objective: Any, workspace: Workspace, grads: Mapping[str, Array]
    ) -> Callable[[Batch], tuple[float, Array]]:
        """Return :meth:`backward` for batches that lie in the same arrays time and again, and that it gathers."""
        ...

    def first_non_finite(self, workspace: Workspace, labels: float = 0.0) -> str:
        """Name the first layer with values that were not finite in the last pass, or else the last layer.

        Labels that reach further, up to `labels`, are named instead of the last layer.
        """
        ...

    def save(self, path: str | PathLike[str], *, inside: Directory | None = None) -> None:
        """Write the model file; no link below `inside` is followed."""
        ...
