"""What a component is tried with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np


@runtime_checkable
class HasSamples(Protocol):
    """A component that the conformance kit cannot draw inputs for, or not those that matter."""

    @abstractmethod
    def samples(self, rng: np.random.Generator) -> Iterable[object]:
        """Yield what the kit tries the component with instead of its own inputs.

        | layer: batches ``(N, *input_shape)``, of one shape each; for several inputs tuples of them
        | cost: pairs of z^L ``(N, *output_shape)`` (a^L where no canonical activation is named) and labels
        | metric: pairs of outputs a^L and labels in the form of the cost
        | transform: columns ``(N, ...)``
        | dataset: folders to load from, each used before the next one is asked for
        """
