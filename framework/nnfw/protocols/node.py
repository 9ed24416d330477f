"""Nodes, of which a network consists, and blocks, which stand for several of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from nnfw.protocols.layer import Layer, Merge


@dataclass(frozen=True)
class Inline:
    """Marks the field of a section whose options stand beside the section's own: ``layer: Annotated[Layer, Inline()]``.

    The table ``{type = "dense", units = 3, name = "trunk"}`` is then a section with a layer and a name. The name of a
    component, or a component alone, is a section with nothing else.
    """


@dataclass(frozen=True)
class Node:
    """A layer in its place in a network: with a name, and with the names of its inputs.

    Parameters
    ----------
    layer
        The layer, by name, by table or as an object. In a table, the keys of the node stand beside the layer's options.
    name
        Begins with a letter, then letters, digits, ``_`` and ``-``. Parameters are then called ``name.weight``; without
        a name they are called ``layers.<position>.weight``.
    inputs
        What the layer takes: names of nodes before it, of inputs of the network (``x`` if it has only one), or
        ``previous``. By default the node before it; for the first node the input of the network.
    share
        A node before it whose parameters it uses; their gradients add up.

    Notes
    -----
    In a block, names are looked up in the block first and then outside. A name that begins with a dot is that of a node
    or an input of the network, wherever it is used.

    Examples
    --------
    >>> from nnfw_standard import Add, Dense
    >>> import nnfw
    >>> trunk = Node(Dense(4, activation="tanh"), name="trunk")
    >>> model = nnfw.Sequential([trunk, Dense(4), Node(Add(), inputs=("trunk", "previous"))], input_shape=3)
    >>> list(model.parameters)
    ['trunk.weight', 'trunk.bias', 'layers.1.weight', 'layers.1.bias']
    """

    layer: Annotated[Layer | Merge | Block | str, Inline()]
    name: str | None = None
    inputs: tuple[str, ...] = ()
    share: str | None = None

    def __repr__(self) -> str:
        """Return the layer, with name, inputs and share where there are any."""
        said = [f"{key}={value!r}" for key in ("name", "inputs", "share") if (value := getattr(self, key))]
        return f"Node({', '.join([repr(self.layer), *said])})" if said else repr(self.layer)


class Block(Protocol):
    """Several nodes that stand in the place of one. A network consists of the nodes alone.

    The last node gives the output. Parameters are called by the name of the block and of the node in it, as in
    ``layers.3.shortcut.weight``.
    """

    @abstractmethod
    def nodes(self, inputs: tuple[str, ...]) -> Sequence[Node]:
        """Return the nodes, in order.

        `inputs` are the inputs of the block, to be used among the inputs of its nodes. The first one is ``previous``
        for the first node.
        """
