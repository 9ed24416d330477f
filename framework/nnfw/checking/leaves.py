"""The layers of a network that contain no others, in order; chains within chains are flattened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nnfw.arrays import Array, Shape
from nnfw.network import Chain
from nnfw.network.parameters import Scope
from nnfw.protocols import Layer, activation_of
from nnfw.workspace import ACTIVATION, LAYER, Workspace


@dataclass(frozen=True, eq=False)
class Leaf:
    """A layer, and where a pass stores its results.

    Parameters
    ----------
    name
        ``layers.0``, or ``layers.1.layers.0`` inside the chain ``layers.1``.
    layer, output_shape
        The layer, and the shape of one example's z.
    params
        Its arrays.
    inner, outer
        Where its z and δ are stored, and its a and ∂C/∂a: for the last layer of an inner chain, by the outer chain.
    """

    name: str
    layer: Layer
    output_shape: Shape
    params: Mapping[str, Array]
    inner: Workspace
    outer: Workspace

    @property
    def delta_name(self) -> str:
        """The name of its δ, beside ``layers.<i>.weight``."""
        return f"{self.name}.delta"

    @property
    def position(self) -> str:
        """Where it is, for messages: ``0``, or ``1.0`` in a chain."""
        return self.name.removeprefix("layers.").replace(".layers.", ".")

    def forward(self, a_prev: Array) -> Array:
        """Return z."""
        return self.layer.forward(self.params, a_prev, self.inner.child(LAYER))

    def activate(self, z: Array) -> Array:
        """Return a = σ(z)."""
        return activation_of(self.layer).forward(z, self.outer.child(ACTIVATION))


def leaves_of(
    chain: Chain,
    input_shape: Shape,
    params: Scope,
    workspace: Workspace,
    prefix: str = "",
    around: Workspace | None = None,
) -> Iterator[Leaf]:
    """Yield the leaves of a chain.

    Parameters
    ----------
    chain, input_shape, params, workspace
        The chain, the shape of its x, its arrays, and the memory of the pass.
    prefix, around
        For a chain in a chain: the beginning of the names, and where the outer chain keeps its a.
    """
    shapes, last = chain.shapes(input_shape), len(chain.layers) - 1
    for index in range(len(chain.layers)):
        layer = chain.layers[index]
        name, memory = f"{prefix}layers.{index}", chain.workspace_of(index, workspace)
        outer = around if around is not None and index == last else memory
        if type(layer) is Chain:  # a class derived from it may do anything between its layers
            inside = memory.child(LAYER)
            yield from leaves_of(layer, shapes[index], params.layer(index), inside, f"{name}.", outer)
        else:
            yield Leaf(name, layer, shapes[index + 1], params.layer(index), memory, outer)
