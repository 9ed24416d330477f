"""The summary of a network: layers, shapes, parameters, memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from math import prod

from nnfw.arrays import Shape
from nnfw.data import INPUT
from nnfw.errors import ConfigError
from nnfw.experiments.experiment import Experiment, costs_of, graph_of
from nnfw.experiments.memory import training_bytes
from nnfw.experiments.picture import Picture, Repeated, repeated_parts
from nnfw.experiments.preparation import infer_shapes
from nnfw.experiments.shares import Share, shares_of
from nnfw.network import Graph, Network, Objective, Term
from nnfw.plugins import Registry
from nnfw.protocols import Parameter


@dataclass(frozen=True)
class LayerSummary:
    """One layer of a network.

    The name of its node, its component, the nodes or inputs that it takes, its activation, the shape of one example's
    activation, and how many numbers it learns.
    """

    name: str
    layer: str
    inputs: tuple[str, ...]
    activation: str
    output_shape: Shape
    parameters: int
    share: Share | None = None  # in the time and the memory of a training step, if that was measured

    @property
    def shares(self) -> dict[str, float]:
        """The shares by name; none if they were not measured."""
        return {} if self.share is None else asdict(self.share)


@dataclass(frozen=True)
class Summary:
    """A network, described without reading data.

    The memory of a training is that of its arrays, as steps with one example and with two show it.
    """

    input_shape: Shape | Mapping[str, Shape]  # by name where inputs have names
    layers: tuple[LayerSummary, ...]
    parameters: int  # how many numbers training changes
    state: int  # how many numbers layers keep besides
    training_bytes: int
    outputs: tuple[str, ...] = ()  # names of the outputs; none for a single one without a name
    repeated: tuple[Repeated, ...] = ()  # parts that come several times in a row

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shape of one example of each input, by its name."""
        return dict(self.input_shape) if isinstance(self.input_shape, Mapping) else {INPUT: self.input_shape}

    @property
    def input_rows(self) -> list[tuple[str, Shape]]:
        """What tables call each input, and its shape."""
        named = isinstance(self.input_shape, Mapping)
        return [(f"input {name}" if named else "input", shape) for name, shape in self.inputs.items()]

    @property
    def is_chain(self) -> bool:
        """Whether each layer takes what the one before gives."""
        names = [*self.inputs, *(row.name for row in self.layers)]
        if len(self.inputs) > 1:
            return False
        return all(row.inputs == (before,) for row, before in zip(self.layers, names, strict=False))

    @property
    def picture(self) -> Picture:
        """The network with repeated parts folded."""
        names = [*self.inputs, *(row.name for row in self.layers)]
        place = {name: position for position, name in enumerate(names)}
        return Picture.of(
            len(self.inputs), [[place[name] for name in row.inputs] for row in self.layers], self.repeated
        )

    def name_inside(self, index: int) -> str:
        """Return the name of a layer; in the first of repeated parts, what follows the name of the part."""
        name = self.layers[index].name
        for part in self.repeated:
            if part.first <= index < part.folded.start:
                name = self.layers[index].name.removeprefix(f"{part.names[0]}.")
        return name

    def shares_of(self, part: Repeated) -> dict[str, float]:
        """Return the shares of a repeated part, all times together; none if they were not measured."""
        rows = self.layers[part.first : part.folded.stop]
        return {key: sum(row.shares[key] for row in rows) for key in rows[0].shares}

    @property
    def size(self) -> str:
        """The number of parameters, and of state if there is any, in words; and the outputs, if they have names."""
        outputs = f"Outputs: {', '.join(self.outputs)}. " if self.outputs else ""
        state = f", {self.state:,} numbers of state" if self.state else ""
        return f"{outputs}{self.parameters:,} parameters{state}"

    def to_table(self) -> dict[str, object]:
        """Return it as plain values."""
        return asdict(self)


def shape_in_words(shape: Shape) -> str:
    """Return a shape for people.

    Examples
    --------
    >>> shape_in_words((28, 28)), shape_in_words(())
    ('28 × 28', '1')
    """
    return " × ".join(map(str, shape)) or "1"


def summarise(
    experiment: Experiment,
    registry: Registry,
    input_shape: Shape | Mapping[str, Shape] | None = None,
    *,
    measured: bool = False,
) -> Summary:
    """Return the summary of an experiment's network.

    By default, file or dataset say the shape of one example; ConfigError if that is not known before the data is read,
    ShapeError if the layers do not fit. If it is `measured`, a few steps are timed, for the shares of the layers.
    """
    shapes = infer_shapes(experiment, registry, input_shape)
    if shapes is None:
        dataset = registry.label("dataset", experiment.data.source)
        how = "{ NAME = [n], ... }" if experiment.data.inputs else "[n]"
        text = (
            f"Dataset {dataset} does not know the shape of its examples before they are read. Set model.input_shape = "
            f"{how}, or read the data with --read-data."
        )
        raise ConfigError(text)
    graph = graph_of(experiment, registry)
    declared = graph.parameters(shapes)
    rows = tuple(
        LayerSummary(
            graph.value_name(place.position),
            registry.name_of("layer", place.layer),
            tuple(graph.value_name(source) for source in place.sources),
            registry.name_of("activation", place.activation),
            shapes[place.position],
            _size(declared.get(place.name, {}).values()),
        )
        for place in graph.nodes
    )
    everything = [parameter for own in declared.values() for parameter in own.values()]
    parameters, state = _size(everything), _size(everything, trainable=False)
    named = None if experiment.data.inputs is None else dict(zip(graph.inputs, shapes, strict=False))
    network = Network(graph, shapes[: len(graph.inputs)], experiment.dtype)
    objective = _objective(experiment, graph, registry)
    size = _training_bytes(experiment, network, objective)
    if measured:
        shares = shares_of(network, objective, experiment.training.batch_size)
        rows = tuple(replace(row, share=share) for row, share in zip(rows, shares, strict=True))
    repeated = repeated_parts(graph, shapes, registry)
    return Summary(named or shapes[0], rows, parameters, state, size, graph.output_names, repeated)


def _size(declared: Iterable[Parameter], *, trainable: bool = True) -> int:
    return sum(prod(parameter.shape) for parameter in declared if parameter.trainable is trainable)


def _objective(experiment: Experiment, graph: Graph, registry: Registry) -> Objective:
    costs, places = costs_of(experiment), [graph.nodes[index] for index in graph.outputs]
    chosen = [costs[name] for name in graph.output_names or ("",)]
    terms = [Term(item.cost, place.activation, registry) for item, place in zip(chosen, places, strict=True)]
    return Objective(terms, [item.weight for item in chosen])


def _training_bytes(experiment: Experiment, network: Network, objective: Objective) -> int:
    validates = experiment.data.split.validation > 0
    return training_bytes(network, objective, experiment.optimizer, experiment.training, validates=validates)
