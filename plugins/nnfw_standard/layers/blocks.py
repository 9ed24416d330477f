"""Blocks: several nodes that stand in the place of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Annotated, Any

from annotated_types import Ge, Le, Lt

from nnfw.errors import ConfigError, short
from nnfw.network import Chain
from nnfw.protocols import AnyActivation, Block, Layer, Layers, Merge, Node
from nnfw_standard.layers.dropout import Dropout
from nnfw_standard.layers.merging import Add


@dataclass(frozen=True)
class Residual(Block):
    """Layers whose output is added to their input.

    a = σ(f(x) + s(x)), where f are the layers and s is the shortcut

    Parameters
    ----------
    layers
        f: one layer or more, one after the other.
    shortcut
        s: a layer that gives the input the shape of f(x); by default the input itself.
    activation
        σ; identity by default.

    Raises
    ------
    ShapeError
        Where a network is built, if f(x) and s(x) have different shapes.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun (2015), *Deep residual learning for image recognition*, Equations 1 and 2.

    Examples
    --------
    >>> from nnfw_standard import Dense
    >>> import nnfw
    >>> block = Residual((Dense(8, activation="relu"), Dense(3)), shortcut=Dense(3, bias=False), activation="relu")
    >>> list(nnfw.Sequential([block], input_shape=5).parameters)[-1]
    'layers.0.shortcut.weight'
    """

    layers: Layers
    _: KW_ONLY
    shortcut: Layer | Block | str | None = None
    activation: AnyActivation = "identity"

    def nodes(self, inputs: tuple[str, ...]) -> Sequence[Node]:
        """Return the layers, the shortcut and the sum."""
        total = Add(activation=self.activation)
        if self.shortcut is None:
            return [*self.layers, Node(total, inputs=("previous", inputs[0]))]
        end = self.layers[-1].name or f"layers.{len(self.layers) - 1}"
        return [*self.layers, Node(self.shortcut, "shortcut", inputs[:1]), Node(total, inputs=(end, "shortcut"))]


@dataclass(frozen=True)
class Repeat(Block):
    """The same layers several times, one after the other, each time with parameters of their own.

    Parameters
    ----------
    layers
        One layer or more.
    times
        How many times, 1 to 10,000.

    Examples
    --------
    >>> from nnfw_standard import Dense
    >>> import nnfw
    >>> model = nnfw.Sequential([Repeat((Dense(5, activation="tanh"),), times=3)], input_shape=5)
    >>> list(model.parameters)[::2]
    ['layers.0.layers.0.layers.0.weight', 'layers.0.layers.1.layers.0.weight', 'layers.0.layers.2.layers.0.weight']
    """

    layers: Layers
    times: Annotated[int, Ge(1), Le(10_000)]

    def nodes(self, inputs: tuple[str, ...]) -> Sequence[Node]:
        """Return a chain of the layers for each time."""
        return [Node(Chain(self.layers))] * self.times


@dataclass(frozen=True)
class Parallel(Block):
    """Layers that take the same input, and a layer that merges what they give.

    Parameters
    ----------
    layers
        One layer or more: a chain for a branch of several.
    merge
        Concatenates by default.

    Examples
    --------
    >>> from nnfw_standard import Dense
    >>> import nnfw
    >>> nnfw.Sequential([Parallel((Dense(4, activation="tanh"), Dense(3)))], input_shape=5).output_shape
    (7,)
    """

    layers: Layers
    _: KW_ONLY
    merge: Merge | str = "concatenate"

    def nodes(self, inputs: tuple[str, ...]) -> Sequence[Node]:
        """Return the layers and the merge."""
        names = tuple(node.name or f"layers.{index}" for index, node in enumerate(self.layers))
        branches = [Node(node.layer, node.name, inputs, node.share) for node in self.layers]
        return [*branches, Node(self.merge, inputs=names)]


@dataclass(frozen=True)
class Bidirectional(Block):
    """A recurrent layer that reads a sequence forwards, beside one that reads it backwards, with their own parameters.

    Parameters
    ----------
    layer
        The layer that reads forwards; its copy has the option `reverse`.
    merge
        Concatenates by default.

    Raises
    ------
    ConfigError
        For a layer without the option `reverse`.

    References
    ----------
    M. Schuster, K. K. Paliwal (1997), *Bidirectional recurrent neural networks*.

    Examples
    --------
    >>> from nnfw_standard import LSTM
    >>> import nnfw
    >>> nnfw.Sequential([Bidirectional(LSTM(4, states="all"))], input_shape=(7, 3)).output_shape
    (7, 8)
    """

    layer: Layer | Merge | str
    _: KW_ONLY
    merge: Merge | str = "concatenate"

    def nodes(self, inputs: tuple[str, ...]) -> Sequence[Node]:
        """Return both layers and the merge."""
        layer: Any = self.layer
        if "reverse" not in {field.name for field in fields(layer)}:
            raise ConfigError(f"expected a recurrent layer, which has the option reverse, got {short(layer)}.")
        backwards = replace(layer, reverse=not layer.reverse)
        return [
            Node(layer, "forwards", inputs),
            Node(backwards, "backwards", inputs),
            Node(self.merge, inputs=("forwards", "backwards")),
        ]


@dataclass(frozen=True)
class Stacked(Block):
    """Recurrent layers one after the other: all but the last give the states of every time step.

    h^(k)_t is the state of layer k at time t, its input that of layer k − 1 at the same time. Each has its own
    parameters.

    Parameters
    ----------
    layer
        The recurrent layer, with the option `states` of the last one.
    times
        How many, 1 or more; 2 by default.
    dropout
        Probability that a number between two layers becomes 0 in training, in [0, 1); 0 by default.

    Raises
    ------
    ConfigError
        For a layer without the option `states`.

    References
    ----------
    A. Graves, A. Mohamed, G. Hinton (2013), *Speech recognition with deep recurrent neural networks*, section 2.

    Examples
    --------
    >>> from nnfw_standard import LSTM
    >>> import nnfw
    >>> list(nnfw.Sequential([Stacked(LSTM(4, bias=False))], input_shape=(7, 3)).parameters)[::2]
    ['layers.0.layers.0.weight', 'layers.0.layers.1.weight']
    """

    layer: Layer | Merge | str
    _: KW_ONLY
    times: Annotated[int, Ge(1)] = 2
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0

    def nodes(self, inputs: tuple[str, ...]) -> Sequence[Node]:
        """Return the layers, with dropout between them."""
        layer: Any = self.layer
        if "states" not in {field.name for field in fields(layer)}:
            raise ConfigError(f"expected a recurrent layer, which has the option states, got {short(layer)}.")
        inner = [replace(layer, states="all"), *([Dropout(self.dropout)] if self.dropout else [])]
        first, *others = [*(inner * (self.times - 1)), layer]
        return [Node(first, inputs=inputs), *map(Node, others)]
