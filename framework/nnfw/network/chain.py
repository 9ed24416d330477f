"""The block that is a sequence of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnfw.protocols import Block, Layers, Node


@dataclass(frozen=True)
class Chain(Block):
    """Layers one after the other.

    Parameters
    ----------
    layers
        One layer or more, or nodes: they may have names, and inputs among those before.

    Notes
    -----
    A network consists of the layers alone, so chains inside chains change nothing but the names of parameters: those of
    the chain at position 3 are called ``layers.3.layers.0.weight``.

    Examples
    --------
    >>> from nnfw_standard import Dense
    >>> import nnfw
    >>> model = nnfw.Sequential([Chain((Dense(30), Dense(10)))], input_shape=784)
    >>> model.output_shape, list(model.parameters)[:2]
    ((10,), ['layers.0.layers.0.weight', 'layers.0.layers.0.bias'])
    """

    layers: Layers

    def nodes(self, inputs: tuple[str, ...]) -> Sequence[Node]:
        """Return the layers."""
        return self.layers
