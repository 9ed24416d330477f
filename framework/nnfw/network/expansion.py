"""From the nodes that a user writes to the nodes of the pass: blocks expanded, names of inputs found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from nnfw.configuration import MOST_MISTAKES, build
from nnfw.data import listed
from nnfw.errors import ConfigError, Mistake, did_you_mean, short, shown
from nnfw.plugins import Registry
from nnfw.plugins.results import naming, unexpected
from nnfw.protocols import KINDS, Block, Layer, Node

PREVIOUS = "previous"
"""The name of the node before, or in front of the first node of the input."""

_NAME = re.compile(r"[^\W\d_][\w-]*")
_NAMES = "must begin with a letter and consist of letters, digits, '_' and '-'"
_RESERVED = ("layers", PREVIOUS)
_ACTIVATION = "activation"  # of a node whose activation has parameters
_DEEPEST = 32  # blocks inside blocks
_MOST_NODES = 1 << 14  # a file of a few bytes could repeat without end


def short_name(name: str) -> str:
    """Return the name of a node for people: ``3.shortcut`` for ``layers.3.shortcut``."""
    return ".".join(part for part in name.split(".") if part != "layers")


def title(name: str, layer: object, registry: Registry) -> str:
    """Return how messages name a node: ``Layer 3.shortcut 'dense' (built-in)``."""
    return f"Layer {shown(short_name(name))} {registry.label('layer', layer)}"


@dataclass(frozen=True)
class _Nodes:
    nodes: tuple[Node, ...]


@dataclass
class _Scope:
    """A block that is being expanded, or the network itself."""

    prefix: str
    nodes: Iterator[tuple[int, Node]]
    block: Block | None
    previous: str
    share: str = ""
    names: set[str] = field(default_factory=set)


class Expansion:
    """The nodes of a network in the order of the pass.

    Parameters
    ----------
    nodes
        As the user wrote them, with every layer resolved.
    inputs
        Names of the inputs of the network.
    registry
        Resolves the layers of blocks, and names them in messages.

    Attributes
    ----------
    nodes
        One for each layer. Their names are complete, and so are those of their inputs.
    outer
        For each, the position of the node that the user wrote.
    parted
        The names of nodes whose activation is a node of its own.
    ends
        The name of the node that gives the output of a node, a block or an input, by the complete name of that.
    blocks
        The blocks by their complete names.

    Raises
    ------
    ConfigError
        For a name that is taken or no name, an input that is no node before, blocks nested too deep.
    PluginError
        If a block does not return nodes.
    """

    def __init__(self, nodes: Sequence[Node], inputs: Sequence[str], registry: Registry) -> None:
        self._registry = registry
        self._inputs = tuple(inputs)
        _require_names(self._inputs)
        self._built: dict[int, tuple[object, Node]] = {}  # nodes of blocks, checked, by the id of what the block gave
        self.nodes: list[Node] = []
        self.outer: list[int] = []
        self.parted: set[str] = set()
        self._leaves: set[str] = set()
        self.ends = {name: name for name in inputs}
        self.blocks: dict[str, Block] = {}
        self._later = {node.name: index for index, node in enumerate(nodes) if node.name is not None}
        first = inputs[0] if len(inputs) == 1 else ""
        scopes = [_Scope("", iter(enumerate(nodes)), None, first)]
        self._top, self._inside, self._index = 0, "", 0  # where the current node is, for messages
        self._mistakes: list[Mistake] = []
        while scopes:
            index, node = next(scopes[-1].nodes, (0, None))
            if node is None:
                self._close(scopes)
                continue
            if len(scopes) == 1:
                self._top = index
            self._inside, self._index = scopes[-1].prefix[:-1], index
            self._place(index, node, scopes)
        if self._mistakes:
            raise ConfigError(self._mistakes)

    def _close(self, scopes: list[_Scope]) -> None:
        """End a block: its last node gives its output."""
        inner = scopes.pop()
        if scopes:
            self.ends[inner.prefix[:-1]] = inner.previous
            scopes[-1].previous = inner.previous

    def _place(self, index: int, node: Node, scopes: list[_Scope]) -> None:
        scope = scopes[-1]
        name = scope.prefix + self._local_name(index, node, scope)
        sources = tuple(self._source(given, k, node, scope) for k, given in enumerate(node.inputs or (PREVIOUS,)))
        share = self._shared(node, name, scope)
        sort = KINDS["layer"].sort_of(type(node.layer))
        if sort == "block":
            self.blocks[name] = cast(Block, node.layer)
            inner = self._nodes_of(self.blocks[name], name, tuple(f".{source}" for source in sources), scopes)
            scopes.append(_Scope(f"{name}.", iter(enumerate(inner)), self.blocks[name], sources[0], share))
            return
        if sort == "layer" and len(sources) > 1:
            label = self._registry.label("layer", node.layer)
            self._note(
                f"must be one input for {label}, got {len(sources)}: {listed(sources)}. Put a layer before it that "
                "merges them: 'add', 'multiply' or 'concatenate'.",
                "inputs",
            )
        if share and share not in self._leaves:
            self._note(f"is {short(share)}, which is not a single layer. Share layer by layer.", "share")
        self._append(Node(node.layer, name, sources, share or None))
        self.ends[name] = scope.previous = name
        own = self._layer_of_activation(node.layer, name)
        if own is not None:
            after = f"{name}.{_ACTIVATION}"
            self.parted.add(name)
            self._append(Node(own, after, (name,), (share and f"{share}.{_ACTIVATION}") or None))
            self.ends[name] = scope.previous = after

    def _append(self, node: Node) -> None:
        self._require_room(1)
        self._leaves.add(str(node.name))
        self.nodes.append(node)
        self.outer.append(self._top)

    def _layer_of_activation(self, layer: object, name: str) -> Layer | None:
        """Return the layer that a layer's activation becomes if it has parameters; PluginError if it is none."""
        activation = getattr(layer, "activation", None)
        if isinstance(activation, str):  # a class variable: options are resolved
            with suppress(ConfigError):  # the graph says what is wrong
                activation = self._registry.resolve("activation", activation)
        as_layer = getattr(activation, "as_layer", None)
        if as_layer is None:
            return None
        with naming(partial(title, name, layer, self._registry), "as_layer of its activation", ("layers", self._top)):
            found: object = as_layer()
            is_layer = hasattr(found, "backward") and KINDS["layer"].sort_of(type(found)) == "layer"
            if found is not None and not is_layer:
                raise unexpected("as_layer", found, "a layer, or None")
            if found is not None:
                self._registry.call_after(found, "activation", activation)
            return cast("Layer | None", found)

    def _require_room(self, count: int) -> None:
        if len(self.nodes) + count > _MOST_NODES:
            text = f"expands into more than {_MOST_NODES:,} nodes. Repeat fewer of them."
            raise ConfigError([Mistake(("layers", self._top), text)])

    def _local_name(self, index: int, node: Node, scope: _Scope) -> str:
        if node.name is None:
            return f"layers.{index}"
        name, wrong = node.name, ""
        if not _NAME.fullmatch(name):
            wrong = _NAMES
        elif name in _RESERVED or (not scope.prefix and name in self._inputs):
            wrong = f"must not be {'that of an input' if name in self._inputs else 'a reserved word'}"
        elif name in scope.names:
            wrong = "must differ from that of every node before it"
        if wrong:
            self._note(f"{wrong}, got {short(name)}. Choose another name.", "name")
            return f"layers.{index}"
        scope.names.add(name)
        return name

    def _source(self, given: str, position: int, node: Node, scope: _Scope) -> str:
        """Return the complete name of the node that an input means; of another one if it means none."""
        found, instead = self._found(given, scope), scope.previous or self._inputs[0]
        if given == PREVIOUS:
            if not scope.previous:
                self._note(f"must name inputs of the network: {listed(self._inputs)}.", "inputs")
            return instead
        if found is not None:
            return found
        if given.startswith("."):
            known = [f".{name}" for name in self.ends]
        else:
            known = [name.removeprefix(scope.prefix) for name in self.ends if name.startswith(scope.prefix)]
            known = list(dict.fromkeys([*known, *self._inputs, PREVIOUS]))
        later = " It comes later: a node takes nodes before it." if given in self._later or given == node.name else ""
        self._note(
            f"is {short(given)}, but no node before it has that name.{later or did_you_mean(given, known)} "
            f"Names: {listed(known)}.",
            "inputs",
            position,
        )
        return instead

    def _found(self, given: str, scope: _Scope) -> str | None:
        """Look a name up in a block, then in the blocks around it; a name that begins with a dot only outermost."""
        if given.startswith("."):
            return self.ends.get(given[1:])
        parts = scope.prefix.split(".")[:-1]
        prefixes = (".".join([*parts[:count], ""]) for count in range(len(parts), -1, -1))
        return next((self.ends[prefix + given] for prefix in prefixes if prefix + given in self.ends), None)

    def _shared(self, node: Node, name: str, scope: _Scope) -> str:
        """Return the complete name of the node whose parameters a node uses; empty for its own."""
        if node.share is None:
            return f"{scope.share}.{name.removeprefix(scope.prefix)}" if scope.share else ""
        parts = scope.prefix.split(".")[:-1]
        for count in range(len(parts), -1, -1):
            found = ".".join([*parts[:count], node.share.removeprefix(".")])
            if found in self.ends:
                return found
        self._note(
            f"is {short(node.share)}, but no node before it has that name.{did_you_mean(node.share, self._leaves)}",
            "share",
        )
        return ""

    def _nodes_of(self, block: Block, name: str, inputs: tuple[str, ...], scopes: Sequence[_Scope]) -> tuple[Node, ...]:
        if len(scopes) > _DEEPEST:
            label = self._registry.label("layer", block)
            itself = any(scope.block == block for scope in scopes)  # asked here alone: blocks may hold many layers
            how = f"{label} expands into itself: one of its nodes is the same block."
            self._note(how if itself else f"blocks are nested more than {_DEEPEST} deep in {label}. Nest fewer.")
            raise ConfigError(self._mistakes)
        owner = partial(title, name, block, self._registry)
        with naming(owner, f"nodes({short(inputs)})", ("layers", self._top)):
            found: object = block.nodes(inputs)
            if not isinstance(found, Sequence) or isinstance(found, str) or not found:
                raise unexpected("nodes", found, "a list of one Node or more")
        self._require_room(len(found))
        new = {id(node): node for node in found if id(node) not in self._built}  # a block may repeat its nodes
        try:
            built = build(_Nodes, {"nodes": list(new.values())}, self._registry.resolve).nodes
        except ConfigError as error:
            mistakes = [Mistake(("layers", self._top), f"A node of {owner()}: {text}") for text in error.mistakes]
            raise ConfigError(mistakes) from error
        self._built |= {key: (given, node) for (key, given), node in zip(new.items(), built, strict=True)}
        return tuple(self._built[id(node)][1] for node in found)

    def _note(self, text: str, *place: int | str) -> None:
        """Note a mistake in the current node; all of them, up to a hundred, are raised together."""
        if self._inside:
            inner = Mistake(("layers", self._index, *place), text) if place else text
            place, text = (), f"Inside {shown(self._inside)}: {inner}"
        self._mistakes.append(Mistake(("layers", self._top, *place), text))
        if len(self._mistakes) >= MOST_MISTAKES:
            raise ConfigError(self._mistakes)


def _require_names(inputs: Sequence[str]) -> None:
    """Refuse names of inputs that could mean something else among the inputs of a node."""
    if not inputs:
        raise ConfigError([Mistake(("input_shape",), "names no input. Give one or more.")])
    for name in inputs:
        if not _NAME.fullmatch(name) or name in _RESERVED:
            text = f"The name of an input {_NAMES}, and must not be a reserved word, got {short(name)}."
            raise ConfigError([Mistake(("input_shape", name), text)])
