"""The nodes of a network in order: forward and backward propagation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any, cast

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data import listed
from nnfw.errors import ConfigError, DataError, Mistake, NnfwError, PluginError, ShapeError, short, shown
from nnfw.network.expansion import Expansion, short_name, title
from nnfw.network.inputs import INPUT, Limit, is_limit, least
from nnfw.network.parameters import Scope
from nnfw.ops import kernels_only
from nnfw.ops.definitions import add, copy, take
from nnfw.plugins import Registry
from nnfw.plugins.results import naming, unexpected
from nnfw.protocols import KINDS, Activation, Node, Parameter
from nnfw.workspace import ACTIVATION, LAYER
from nnfw.workspace import Workspace as Workspace  # re-exported

_PADDED = "padded"

THROUGH = "through"
"""Key of the workspace of an output that nodes take too: δ from its "cost", and δ through the "nodes"."""


def is_shape(value: Any) -> bool:
    """Return whether a value is a shape: a tuple of whole numbers."""
    return isinstance(value, tuple) and all(isinstance(size, Integral) and int(size) >= 0 for size in value)


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """A node in the pass.

    Parameters
    ----------
    name
        Its complete name: ``trunk``, ``layers.1``, ``layers.3.shortcut``.
    layer, activation
        Resolved components.
    position
        Where its activation is among the values of a pass: those of the inputs come first.
    sources
        The positions of what it takes.
    merges
        Whether the layer takes a tuple of inputs: a :class:`~nnfw.protocols.Merge`.
    only
        For each source, whether ∂C/∂a has the one term from this node, which is used at once: this is the next node and
        the only one that takes it, and it is no output.
    parameters
        The name of the node whose parameters it uses: its own, or that of the node it shares with.
    outer
        The position of the node that the user wrote.
    """

    name: str
    layer: Any  # a Layer or a Merge: `merges` says which
    activation: Activation
    position: int
    sources: tuple[int, ...]
    merges: bool
    only: tuple[bool, ...]
    parameters: str
    outer: int

    @property
    def title(self) -> str:
        """How messages call it: ``Layer 1``, ``Layer trunk``, ``Layer 3.shortcut``."""
        return f"Layer {shown(short_name(self.name))}"


class Graph:
    """Nodes in the order of the pass; a chain of layers is the simplest case.

    | Forward, for each node l in order: z^l from the activations of its inputs, and a^l = σ^l(z^l).
    | Backward, in reverse order, from δ of the outputs (Equation 1, from :class:`~nnfw.network.Objective`):
      ∇_w C and ∇_b C (Equations 4 and 3), and δ^l = (Σ_m ∂C/∂a^l through m) ⊙ σ'(z^l), where m are the nodes that take
      a^l (Equation 2; a chain has one term, (w^(l+1))^T δ^(l+1)).

    Parameters
    ----------
    nodes
        As the user wrote them, with every layer resolved; blocks among them are expanded.
    registry
        Names the components in messages.
    inputs
        Names of the inputs.
    outputs
        Names of the nodes whose activations are the outputs; by default the last one.

    Attributes
    ----------
    given
        The nodes as the user wrote them.
    nodes
        One for each layer, in order.
    blocks
        The blocks that were expanded, by their complete names: those of their nodes begin with it.
    outputs
        Positions among the nodes.
    output_names
        Names of the outputs; none for a single output without a name.

    Raises
    ------
    ConfigError
        For names of nodes and inputs that do not fit, for a node or an input that leads nowhere.
    PluginError
        If a layer has no activation, or a block does not return nodes.

    References
    ----------
    A. Mehrotra (2020), *Neural Networks*, sections 1 and 2.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        registry: Registry,
        inputs: Sequence[str] = (INPUT,),
        outputs: Sequence[str] = (),
    ) -> None:
        self.registry, self.given = registry, tuple(nodes)
        self.inputs, self.output_names = tuple(inputs), tuple(outputs)
        found, first = Expansion(nodes, self.inputs, registry), len(self.inputs)
        self.blocks = found.blocks
        names = [*self.inputs, *(str(node.name) for node in found.nodes)]
        position = {name: index for index, name in enumerate(names)}
        takers = Counter(position[source] for node in found.nodes for source in node.inputs)
        ends = [self._output(name, found) for name in outputs] or names[-1:]
        self.outputs = tuple(position[name] - first for name in ends)
        owners = _owners(found.nodes)

        def placed(node: Node, name: str, outer: int) -> Place:
            here, sources = position[name], tuple(position[source] for source in node.inputs)
            owner = partial(title, name, node.layer, registry)
            with naming(owner, "its activation", ("layers", outer)):
                activation = _activation_of(None if name in found.parted else node.layer, registry)
            return Place(
                name=name,
                layer=node.layer,
                activation=activation,
                position=here,
                sources=sources,
                merges=KINDS["layer"].sort_of(type(node.layer)) == "merge",
                only=tuple(k == here - 1 and takers[k] == 1 and k - first not in self.outputs for k in sources),
                parameters=owners[name],
                outer=outer,
            )

        self.nodes = tuple(map(placed, found.nodes, names[first:], found.outer))
        if len(set(self.outputs)) < len(self.outputs):
            text = f"names one node twice: {listed(self.output_names)}. Name each output once."
            raise ConfigError([Mistake(("outputs",), text)])
        self._require_use(takers)

    @property
    def values(self) -> tuple[str, ...]:
        """The names of what a pass computes: those of the inputs, then of the nodes."""
        return (*self.inputs, *(place.name for place in self.nodes))

    def _output(self, name: str, found: Expansion) -> str:
        """Return the complete name of an output."""
        names = [str(node.name) for node in found.nodes]
        if found.ends.get(name) not in names:
            raise ConfigError(
                [Mistake(("outputs",), f"names {short(name)}, which is no node. Nodes: {listed(names)}.")]
            )
        return found.ends[name]

    def _require_use(self, takers: Mapping[int, int]) -> None:
        """Refuse inputs and nodes whose values nothing takes."""
        unused = [name for k, name in enumerate(self.inputs) if k not in takers]
        if unused:
            text = f"No layer takes the input {listed(unused)}. Name it among the inputs of one, or remove it."
            raise ConfigError([Mistake(("input_shape", unused[0]), text)])
        for index, place in enumerate(self.nodes):
            if place.position not in takers and index not in self.outputs:
                text = f"{self.label(place)}: no node takes its output, and it is not an output of the network."
                raise ConfigError([Mistake(("layers", place.outer), f"{text} Name it among inputs, or remove it.")])

    def label(self, place: Place) -> str:
        """Return how messages name a node: ``Layer 1 'dense' (built-in)``."""
        return title(place.name, place.layer, self.registry)

    def naming(self, place: Place, call: str) -> AbstractContextManager[None]:
        """Return a context manager that names a node in the errors of its components; `call` says what is called."""
        return naming(partial(self.label, place), call, ("layers", place.outer))

    def _name(self, error: Exception, place: Place) -> None:
        """Name the node whose component raised an error in a pass; one that is not of nnfw keeps its class."""
        if isinstance(error, NnfwError):
            error.of(self.label(place), ("layers", place.outer))
        else:
            error.add_note(f"Raised in {self.label(place)}.")

    def shapes(self, *input_shapes: Shape) -> list[Shape]:
        """Return the shapes for one example: of the inputs, then of each node's activation.

        Raises
        ------
        ShapeError
            If a layer rejects its inputs; names it and where they come from.
        PluginError
            If a layer's `output_shape` does not return a shape.
        """
        shapes = list(input_shapes)
        for place in self.nodes:
            with self.naming(place, "output_shape"):
                try:
                    shape = place.layer.output_shape(_taken(place, shapes))
                except ShapeError as error:
                    raise ShapeError(f"{error} {self._origins(place, shapes)}") from error
                if not is_shape(shape):
                    raise PluginError(f"output_shape returned {short(shape)}, expected a tuple of whole numbers.")
            shapes.append(shape)
        return shapes

    def _origins(self, place: Place, shapes: Sequence[Shape]) -> str:
        """Say where the shapes of a node's inputs come from."""
        found = [f"{shapes[source]} comes from {self._value(source)}" for source in place.sources]
        return f"The shape {', '.join(found)}."

    def _value(self, position: int) -> str:
        """Name an input or a node."""
        first = len(self.inputs)
        if position >= first:
            return self.label(self.nodes[position - first])
        return "the input" if self.inputs == (INPUT,) else f"the input {short(self.inputs[position])}"

    def limits(self, shapes: Sequence[Shape] | None = None) -> list[Limit | None]:
        """Return for each input n, or one for each place on its last axis, if it holds indices 0 … n − 1; else None.

        The `shapes` are those of the inputs, if they are known.

        ConfigError if layers take one input in both ways, or a layer takes indices from another layer.
        """
        first = len(self.inputs)
        found: list[set[Limit | None]] = [set() for _ in self.inputs]
        for place in self.nodes:
            limit = self._limit_of(place, shapes)
            for source in place.sources:
                if source < first:
                    found[source].add(limit)
                elif limit is not None:
                    text = f"takes indices, which only an input of the network can be, not {self._value(source)}."
                    raise ConfigError([Mistake(("layers", place.outer), f"{self.label(place)}: {text}")])
        for name, limits in zip(self.inputs, found, strict=True):
            _require_one_kind(name, limits)
        return [least(limits) for limits in found]

    def _limit_of(self, place: Place, shapes: Sequence[Shape] | None) -> Limit | None:
        """Return the limit of the indices that a layer takes; PluginError unless it is one for an input it takes."""
        if not hasattr(place.layer, "index_limit"):
            return None
        with self.naming(place, "index_limit"):
            found: object = place.layer.index_limit()
            if found is not None and not is_limit(found):
                raise unexpected("index_limit", found, "a whole number ≥ 1, a tuple of them, or None")
            places = [shapes[source][-1:] for source in place.sources if source < len(shapes)] if shapes else []
            if isinstance(found, tuple) and any(each != (len(found),) for each in places):
                wanted = f"one for each place on the last axis of its input: {places[0]}"
                raise PluginError(f"index_limit returned {len(found)} numbers, expected {wanted}.")
            return found

    def value_name(self, position: int) -> str:
        """Return the name of an input or a node, for people."""
        first = len(self.inputs)
        return self.inputs[position] if position < first else short_name(self.nodes[position - first].name)

    def unfit(self, shapes: Sequence[Shape]) -> Iterator[tuple[int, str]]:
        """Yield the outer position of each node whose activation rejects the shape of its z, with the reason."""
        for place in self.nodes:
            try:
                with self.naming(place, "require_shape of its activation"):
                    place.activation.require_shape(shapes[place.position])
            except ShapeError as error:
                yield place.outer, str(error)

    def parameters(self, shapes: Sequence[Shape]) -> dict[str, Mapping[str, Parameter]]:
        """Return the parameters that each node declares, by its name; for one that shares, those must be the same.

        ShapeError if parameters are shared between nodes that declare other shapes.
        """
        declared: dict[str, Mapping[str, Parameter]] = {}
        for place in self.nodes:
            with self.naming(place, "parameters"):
                found = _declared(place.layer.parameters(_taken(place, shapes)))
            if place.parameters == place.name:
                declared[place.name] = found
                continue
            own, others = ({n: p.shape for n, p in each.items()} for each in (found, declared[place.parameters]))
            if own != others:
                raise ShapeError(
                    f"cannot share the parameters of {shown(place.parameters)}: it needs {own}, those are {others}. "
                    "Give both layers the same options and inputs of the same shape."
                ).of(self.label(place), ("layers", place.outer))
        return declared

    def forward(
        self,
        params: Scope,
        inputs: Sequence[Array],
        workspace: Workspace,
        lengths: Sequence[Array | None] | None = None,
    ) -> None:
        """Compute z and a of every node, from the values of the inputs; :meth:`workspace_of` a node keeps them.

        The `lengths` are those of the sequences in each input, if one is padded.
        """
        ends = self.hand_on_lengths(inputs, lengths or [None] * len(inputs), workspace)
        values, step = list(inputs), workspace.step
        try:
            for place in self.nodes:
                own = self.workspace_of(place, workspace)
                z = own["z"] = step(
                    place.layer.forward, params.of(place.parameters), _taken(place, values), own.child(LAYER)
                )
                if place.position in ends:
                    _require_known_lengths(place, own.child(LAYER), _taken(place, values))
                a = own["a"] = step(place.activation.forward, z, own.child(ACTIVATION))
                values.append(a)
        except Exception as error:
            self._name(error, place)
            raise

    def hand_on_lengths(
        self, inputs: Sequence[Array], lengths: Sequence[Array | None], workspace: Workspace
    ) -> set[int]:
        """Tell each layer the lengths of its input, those of the first input that has some; return which ends lengths.

        A merge with `own_lengths` gets those of each input; those of its first input hold for it.
        """
        ends: set[int] = set()
        if not any(each is not None for each in lengths) and not workspace.get(_PADDED):
            return ends
        workspace[_PADDED] = True  # a later pass without lengths has to clear these
        shapes: list[Shape] = workspace.once("shapes", lambda: self.shapes(*(array.shape[1:] for array in inputs)))
        found = list(lengths)
        for place in self.nodes:
            own = self.workspace_of(place, workspace)
            padded = [source for source in place.sources if found[source] is not None]
            each_its_own = place.merges and getattr(place.layer, "own_lengths", False)
            if each_its_own:
                own.child(LAYER).input_lengths = [found[source] for source in place.sources]
                padded = [source for source in place.sources[:1] if found[source] is not None]
            taken = found[padded[0]] if padded else None
            keeps = taken is not None and getattr(place.layer, "keeps_time", False)
            if len(shapes[place.position]) < 2 and not place.merges:
                keeps = False  # the axis may be that of features, as of dense layers
            text = ""
            if any(found[source] is not taken for source in padded):
                text = (
                    "its inputs are sequences with lengths of their own. Give the lengths with one of them, and pad "
                    "the others alike."
                )
            elif keeps and self._lengths_of_z(place, shapes[padded[0]][0], own)[-1] != shapes[place.position][0]:
                text = (
                    f"makes {shapes[place.position][0]} time steps of {shapes[padded[0]][0]}, so the lengths of its "
                    "input do not hold for them. End them in a layer before it, or give arrays without lengths."
                )
            if text:
                raise DataError(text).of(self.label(place), ("layers", place.outer))
            own.child(LAYER).lengths = taken
            own.lengths = None
            if any(found[source] is not None and not (keeps and found[source] is taken) for source in place.sources):
                ends.add(place.position)
            if keeps and taken is not None:
                table = self._lengths_of_z(place, shapes[padded[0]][0], own)
                own.lengths = taken if _is_identity(table) else own.step(_lookup, table, taken, own)
            found.append(own.lengths)
        return ends

    def _lengths_of_z(self, place: Place, steps: int, own: Workspace) -> Array:
        """Return the length of z for each length from 0 to all `steps` of the input; PluginError for none of these."""

        def asked() -> Array:
            lengths = np.arange(steps + 1)
            if place.merges or not hasattr(place.layer, "output_lengths"):
                return lengths
            with self.naming(place, "output_lengths"):
                found: object = place.layer.output_lengths(lengths)
                if not isinstance(found, np.ndarray) or found.dtype.kind not in "iu" or found.shape != lengths.shape:
                    raise unexpected("output_lengths", found, f"an array of {steps + 1} whole numbers")
                if (found < 0).any() or (found > found[-1]).any():
                    raise PluginError(f"output_lengths returned {short(found)}, expected numbers from 0 to the last.")
                return found.astype(np.int64)

        table: Array = own.once(("lengths of z", steps), asked)
        return table

    def backward(
        self,
        params: Scope,
        delta_of_output: Callable[[int, Workspace], Array],
        grads: Scope,
        workspace: Workspace,
    ) -> list[Array | None]:
        """Fill the gradients of every node, and return ∂C/∂a of each input.

        `delta_of_output` gives Equation 1: δ of a node among :attr:`outputs`, from its workspace.
        """
        step, first = workspace.step, len(self.inputs)
        grad_a: list[Array | None] = [None] * (first + len(self.nodes))
        written: set[str] = set()
        try:
            for index in range(len(self.nodes) - 1, -1, -1):
                place = self.nodes[index]
                own = self.workspace_of(place, workspace)
                delta = own["delta"] = self._delta(index, grad_a[place.position], delta_of_output, own)
                gradients = grads.of(place.parameters)
                shared = place.parameters in written
                target = _buffers(gradients, own) if shared else gradients
                terms = step(place.layer.backward, params.of(place.parameters), delta, target, own.child(LAYER))
                own["grad_inputs"] = terms
                if shared:
                    step(_add_gradients, gradients, target, own)
                written.add(place.parameters)
                if not own.needs_input_gradient:
                    continue
                each = zip(place.sources, place.only, terms if place.merges else (terms,), strict=True)
                for source, only, term in each:
                    if source >= first or workspace.needs_input_gradient:
                        grad_a[source] = term if only else self._sum(source, grad_a[source], term, workspace)
        except Exception as error:
            self._name(error, place)
            raise
        return grad_a[:first]

    def _delta(
        self, index: int, grad_a: Array | None, delta_of_output: Callable[[int, Workspace], Array], own: Workspace
    ) -> Array:
        """Return δ = (Σ_m ∂C/∂a through m) ⊙ σ'(z) of a node, with that of Equation 1 if it is an output."""
        activation, step = self.nodes[index].activation, own.step
        if index not in self.outputs:
            own["grad_a"] = grad_a
            return step(activation.delta, cast(Array, grad_a), own["z"], own["a"], own.child(ACTIVATION))
        delta = delta_of_output(index, own)
        if grad_a is None:
            return delta
        through = own.child(THROUGH)
        through["cost"] = delta  # both terms are kept for the verification: their sum could be a broadcast
        total = step(_plus, None, delta, through)  # copied before the activation overwrites it
        other = step(activation.delta, grad_a, own["z"], own["a"], own.child(ACTIVATION))
        through["nodes"] = other
        return step(_plus, total, other, through)

    def _sum(self, source: int, so_far: Array | None, term: Array | None, workspace: Workspace) -> Array | None:
        """Return ∂C/∂a = Σ_m ∂C/∂a through m: what there is so far, plus one more term."""
        if term is None:  # of indices
            return so_far
        return workspace.step(_plus, so_far, term, workspace.child(f"sum {source}"))

    def workspace_of(self, place: Place, workspace: Workspace) -> Workspace:
        """Return the workspace of a node, with z, a, δ, ∂C/∂a of its inputs, and children for its components."""
        first = len(self.inputs)
        needs = workspace.needs_input_gradient or any(source >= first for source in place.sources)
        return workspace.child(place.position, needs_input_gradient=needs)


def _declared(found: object) -> Mapping[str, Parameter]:
    """Return the parameters that a layer declares; PluginError if they are not a mapping of Parameters."""
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise unexpected("parameters", found, "a dictionary of Parameter objects by name")
    for name, parameter in found.items():
        method = f"parameters[{short(name)}]"
        if not isinstance(parameter, Parameter) or not is_shape(parameter.shape):
            raise unexpected(method, parameter, "a Parameter whose shape is whole numbers")
        if not hasattr(parameter.initializer, "sample"):
            raise unexpected(f"{method}.initializer", parameter.initializer, "an initializer")
    return found


def _taken(place: Place, values: Sequence[Any]) -> Any:
    """Return what a node takes of the values in a pass."""
    if place.merges:
        return tuple([values[source] for source in place.sources])
    return values[place.sources[0]]


def _require_known_lengths(place: Place, own: Workspace, taken: Any) -> None:
    """Raise DataError if a layer that ends the lengths of sequences has not read them: it counted padding."""
    if own.knows_lengths:
        return
    text = "takes no padded sequences: what lies beyond their lengths would count."
    if any(array.ndim < 3 and array.dtype.kind == "f" for array in (taken if place.merges else [taken])):
        text += " A single axis holds features for it: give sequences as (N, T, n)."
    raise DataError(
        f"{text} Put a layer before it that makes one vector of a sequence, such as a pool over time or a recurrent "
        "layer with its last state, or give arrays without lengths."
    )


def _is_identity(table: Array) -> bool:
    return bool((table == np.arange(len(table))).all())


@kernels_only
def _lookup(table: Array, lengths: Array, workspace: Workspace) -> Array:
    """Return the lengths of z, from a table of them by those of the input."""
    found = workspace.buffer("lengths of z", lengths.shape, lengths.dtype)
    take(table, lengths, found)
    return found


@kernels_only
def _plus(so_far: Array | None, term: Array, workspace: Workspace) -> Array:
    """Return the sum of two terms, in memory of its own: a term may be δ, or be overwritten by the next layer."""
    total = workspace.buffer("sum", term.shape)
    if so_far is None:
        copy(term, total)
    else:
        add(total, term)
    return total


@kernels_only
def _add_gradients(gradients: Mapping[str, Array], others: Mapping[str, Array], _: Workspace) -> None:
    """Add the gradients of a node that shares parameters."""
    for name, other in others.items():
        add(gradients[name], other)


def _buffers(gradients: Mapping[str, Array], workspace: Workspace) -> Mapping[str, Array]:
    shared = workspace.child("shared")
    return {name: shared.buffer(name, array.shape) for name, array in gradients.items()}


def _activation_of(layer: object, registry: Registry) -> Activation:
    """Return the activation of a layer, the identity without either; PluginError if its attribute is no activation."""
    found: Any = getattr(layer, "activation", "identity")
    if isinstance(found, str):  # a class variable: options are resolved
        try:
            found = registry.resolve("activation", found)
        except ConfigError as error:
            raise PluginError(f"its activation is {short(found)}: {error}") from error
    if not hasattr(found, "forward"):
        raise PluginError(f"its activation is {short(found)}, expected an activation.")
    activation: Activation = found
    return activation


def _owners(nodes: Sequence[Node]) -> dict[str, str]:
    """Return for each node the one whose parameters it uses: itself, or where a line of sharing nodes begins."""
    owners: dict[str, str] = {}
    for node in nodes:
        name = str(node.name)
        owners[name] = name if node.share is None else owners.get(node.share, name)
    return owners


def _require_one_kind(name: str, limits: set[Limit | None]) -> None:
    """Raise ConfigError if layers take an input in two ways."""
    if None in limits and len(limits) > 1:
        text = f"The input {short(name)} is taken as indices by one layer and as real numbers by another."
        raise ConfigError([Mistake(("input_shape", name), f"{text} Give them two inputs.")])
    columns = sorted({len(limit) for limit in limits if isinstance(limit, tuple)})
    if len(columns) > 1:
        text = f"The input {short(name)} is taken as {' and as '.join(map(str, columns))} columns of indices."
        raise ConfigError([Mistake(("input_shape", name), f"{text} Give each layer an input of its own.")])
