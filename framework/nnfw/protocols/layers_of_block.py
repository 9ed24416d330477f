"""The option of a block that holds layers, in a module of its own: `nnfw --help` reads the protocols, but not this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import MinLen

from nnfw.protocols.node import Node

if TYPE_CHECKING:
    Layers = Sequence[Any]
    """The layers of a block, as an option: one or more, each as in the list of a network."""
else:
    Layers = Annotated[tuple[Node, ...], MinLen(1)]  # which is what each becomes before `nodes` is called
