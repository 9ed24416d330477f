"""Preparing an experiment: reading its data and building its network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data import (
    Examples,
    InputColumns,
    Preprocessing,
    Target,
    categorical,
    listed,
    require_different,
    shape_of,
    words_in,
)
from nnfw.errors import ConfigError, DataError, NnfwError, ShapeError, about, did_you_mean, short
from nnfw.experiments.automatic import with_transforms
from nnfw.experiments.data import InChunks, Part, RawData, read_data
from nnfw.experiments.doubts import doubts
from nnfw.experiments.experiment import Experiment, ExperimentFile, SplitSection, graph_of, placed, placing, table_of
from nnfw.model import Sequential, numbers_of
from nnfw.network import INPUT, Health, Objective, by_name, health_of
from nnfw.plugins import Registry
from nnfw.protocols import FitsToTarget, Metric, Transform
from nnfw.randomness import stream
from nnfw.storage import container
from nnfw.toml import Keys
from nnfw.training import (
    FREE_OPTIONS,
    Labelled,
    TrainingOptions,
    Unit,
    chosen_at,
    constant_outputs,
    evaluate,
    evaluate_constant,
    steps_of,
    unmatched,
    unmatched_by,
    unmixable,
    unmixable_examples,
    with_class_weights,
    with_length,
)

MOST_EXAMPLES = 128
"""Examples of a look at a network's health: enough to tell a dead unit from a rare one, at the cost of one step."""

_MANY = 1000  # columns, whose transforms fill the header of a model file

Figures: TypeAlias = dict[str, Any]
"""Cost and metrics by name: numbers, and arrays such as a confusion matrix."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """An experiment, completely checked, with its data read and its network built.

    The model has its first parameters, and its preprocessing is fitted on the training part.
    """

    experiment: Experiment
    model: Sequential
    objective: Objective
    parts: Mapping[str, Part]  # training, and validation and test where the split has them
    fingerprint: str  # SHA-256 of the raw data
    weighted: bool = False  # whether the data says how much each example counts
    picked: str = ""  # which transforms were picked for it, in words

    @property
    def origin(self) -> dict[str, Any]:
        """What the results depend on: the experiment, but for what is free to change, and the data."""
        table = table_of(self.experiment, self.model.registry)
        del table["name"]
        if not self.experiment.data.metrics_in_unit:
            del table["data"]["metrics_in_unit"]  # older runs, whose metrics are not, do not record it
        training = {name: value for name, value in table["training"].items() if name not in FREE_OPTIONS}
        return {**table, "training": training, "data.sha256": self.fingerprint}

    def remarks(self) -> Iterator[str]:
        """Yield what was understood of the data that its user may want to know."""
        assert self.model.preprocessing is not None
        if self.picked:
            yield self.picked
        if self.weighted:
            yield "The data has weights: examples count by them in the cost and metrics of every part."
        yield from self.model.preprocessing.remarks()

    @cached_property
    def units(self) -> tuple[Unit | None, ...]:
        """The units in which metrics see the outputs."""
        return self.model.units(self.objective) if self.experiment.data.metrics_in_unit else ()

    @cached_property
    def measures(self) -> dict[str, Metric]:
        """What is recorded beside the cost, by its name."""
        return self.model.measures(self.experiment.training.metrics, self.units)

    @property
    def unit(self) -> str:
        """In which unit cost and metrics are, in words; empty if nothing transforms a target of numbers."""
        return unit_in_words(self.model, self.objective, in_unit=self.experiment.data.metrics_in_unit)

    def evaluate(self, part: str) -> Figures:
        """Return cost and metrics of the model on one part."""
        network = self.model.network
        return evaluate(network, self.parts[part], self.objective, self.measures, network.workspace())

    @cached_property
    def constant(self) -> tuple[Array, ...] | None:
        """The outputs of a network that does not look at its inputs, from the training part; None if there are none."""
        return constant_outputs(self.model.network, self.parts["training"], self.objective)

    def baseline(self, part: str) -> Figures:
        """Return cost and metrics of these outputs on one part, without matrices; nothing if there are none."""
        data = self.parts[part]
        if self.constant is None or not isinstance(data, Labelled):
            return {}
        found = evaluate_constant(self.constant, self.model.network, data, self.objective, self.measures)
        return {name: value for name, value in found.items() if isinstance(value, float)}

    def health(self, most: int = MOST_EXAMPLES, *, through_time: bool = False) -> tuple[Health, ...]:
        """Return what a training step finds at each node, for `most` examples spread over the training part."""
        sample = self.parts["training"].sample
        rows = np.linspace(0, len(sample) - 1, min(most, len(sample))).astype(np.intp)
        batch = sample.subset(sample.rows_at(rows)).part(0, len(rows), self.model.dtype)
        return health_of(self.model.network, batch, self.objective, through_time=through_time)


@placing
def prepare(
    file: ExperimentFile,
    registry: Registry,
    trained: Sequential | None = None,
    data: RawData | None = None,
    rows: Mapping[str, Any] | None = None,
    *,
    tell: Callable[[str], None] | None = None,
    look: Callable[[Examples], None] | None = None,
) -> Prepared:
    """Read the data of an experiment, split it, fit the preprocessing, and build the network.

    If there is a `trained` model of this experiment, it and its preprocessing are used, and nothing is fitted or built.
    The raw `data` may have been read already, and the `rows` of each part chosen. `look` is called with the first
    examples as they were read; `tell` with what is doubtful, and what was chosen.

    DataError if the data cannot be read or does not fit network or cost, or if no file could hold the model; ShapeError
    if the layers do not fit the data or each other, or the outputs do not fit the classes; ConfigError if a metric
    cannot take outputs and labels, an activation refuses the number of units, or a source is to be stratified.
    """
    experiment = file.experiment
    infer_shapes(experiment, registry)
    data = data or read_data(experiment.data.source, file.directory)
    if look is not None:
        look(data.first)
    require_columns(file, data)
    if data.first.target is None and not experiment.data.targets:
        raise DataError("The data has no target, so nothing can be learned from it. Name the target of the dataset.")
    experiment, picked = with_transforms(file, data, registry)
    rows = rows or data.split(experiment.data.split, stream(experiment.seed, "split"))
    model = trained or _new_model(experiment, data, rows["training"], registry)
    _require_an_output_for_each_class(model)
    if trained is None and data.first.table is not None:
        for target in experiment.data.targets.values() if experiment.data.targets else [data.first.target_name]:
            require_different(data.first.table, target, rows["training"])
    if trained is None:
        _require_fit_activations(file, model)
    objective = model.objective(experiment.cost)
    parts = data.labelled(model, objective, rows)
    parts["training"] = _weighted(file, model, parts["training"])
    _require_metrics(file, model, objective, parts)
    mix = experiment.training.mix
    mistakes = [
        *unmatched(experiment.training, model.parameters.layout),
        *unmixable(mix, model.network, objective),
        *unmixable_examples(mix, parts["training"]),
    ]
    named: list[tuple[Keys, str]] = [(("training", *mistake.path), f"training.{mistake}") for mistake in mistakes]
    named += [(each.path, str(each)) for each in unmatched_by(experiment.optimizer, model.parameters.layout)]
    _refuse(file, named)
    if trained is None:
        _require_storable(model)
    steps = steps_of(parts["training"], experiment.optimizer, experiment.training)
    training = with_length(experiment.training, steps, registry, validated="validation" in parts)
    if tell is not None:
        of = experiment, model, objective, data.first, rows
        for text in (*doubts(*of), *_chosen_length(experiment.training, training)):
            tell(text)
    complete, weighted = replace(experiment, training=training), data.first.weight is not None
    return Prepared(complete, model, objective, parts, data.fingerprint(), weighted, picked)


def _chosen_length(given: TrainingOptions, chosen: TrainingOptions) -> Iterator[str]:
    """Yield how long a training takes that does not say so."""
    if given.epochs is None:
        ends = ", and fewer if the validation cost stops falling" if chosen.callbacks != given.callbacks else ""
        yield f"training.epochs is not given: {chosen.epochs} epochs{ends}."


def unit_in_words(model: Sequential, objective: Objective, *, in_unit: bool = True) -> str:
    """Return in which unit cost and metrics are; empty if nothing transforms a target of numbers.

    `in_unit` says whether metrics see the target with its transforms undone.
    """
    columns = [unit.column for unit in model.units(objective) if unit is not None and unit.column is not None]
    if not columns:
        return ""
    targets = [name for column in columns for name in column.entries or (column.name,)]
    names = listed([*map(repr, targets)])
    unit = "its unit" if len(targets) == 1 else "their units"
    steps = dict.fromkeys(step.transform for column in columns for step in column.steps)
    after = listed([_name_of(transform, model.registry) for transform in steps])
    if in_unit:
        return f"Metrics of {names} are in {unit}; the cost is that after {after}."
    return f"Cost and metrics of {names} are those after {after}, not in {unit}."


def _name_of(transform: Transform, registry: Registry) -> str:
    found = registry.component_of("transform", transform)
    return type(transform).__name__ if found is None else found.name


def _weighted(file: ExperimentFile, model: Sequential, data: Part) -> Part:
    """Return the training examples with the weights of their classes."""
    assert model.preprocessing is not None
    wanted, targets = file.experiment.training.class_weight, [*model.preprocessing.outputs.values()]
    try:
        numbers = targets[0].numbers
        names = targets[0].classes if numbers is None else [*map(str, numbers)]
        return with_class_weights(data, wanted, names, model.dtype)
    except ConfigError as error:
        found = [(("training", *mistake.path), f"training.{mistake}") for mistake in error.mistakes]
        raise ConfigError(placed(file.document, found)) from error


def infer_shapes(
    experiment: Experiment, registry: Registry, input_shape: Shape | Mapping[str, Shape] | None = None
) -> list[Shape] | None:
    """Return the shapes of inputs and activations of one example; None if the data must be read to know the first.

    ShapeError if the layers do not fit, ConfigError if `input_shape` is not that of the inputs by name.
    """
    data, shape = experiment.data, input_shape or experiment.model.input_shape
    if shape is None and not (data.inputs or data.targets or data.split.group):
        shape = shape_of(data.source)
    if shape is None:
        return None
    graph = graph_of(experiment, registry)
    if not isinstance(shape, Mapping) and graph.inputs == (INPUT,):
        return graph.shapes(shape)
    with about("input_shape"):
        shapes = by_name(shape, graph.inputs, "model.input_shape", "input", ConfigError)
    return graph.shapes(*shapes)


def require_columns(file: ExperimentFile, data: RawData) -> None:
    """Refuse columns that the data lacks or that are its target, and splits unfit for it; ConfigError with lines."""
    _refuse(file, _unfit_options(file.experiment, data))


def _unfit_options(experiment: Experiment, data: RawData) -> Iterator[tuple[Keys, str]]:
    """Yield columns of inputs and targets that the data lacks, or that are its target, and splits unfit for it."""
    known = data.first.columns
    named = [(("inputs", key), name) for key, group in (experiment.data.groups or {}).items() for name in group.names]
    named += [(("targets", key), name) for key, name in (experiment.data.targets or {}).items()]
    for path, name in named:
        if name not in known:
            text = f"data.{'.'.join(path)}: there is no column {name!r}.{did_you_mean(name, known)}"
            yield ("data", *path), f"{text} Columns: {listed(tuple(known))}."
        elif not experiment.data.targets and name not in data.first.features:
            text = f"data.{'.'.join(path)} names the column {name!r}, which is the target. Remove it."
            yield ("data", *path), text
    learning = [each for each in experiment.data.transforms or () if isinstance(each, FitsToTarget)]
    if learning and isinstance(data, InChunks):
        text = (
            f"has {short(learning[0])}, which learns from the target and needs all examples in memory, but the data is "
            "read chunk by chunk. Use hash or index in its place."
        )
        yield ("data", "transforms"), f"data.transforms {text}"
    yield from _unfit_split(experiment.data.split, data)


def _unfit_split(split: SplitSection, data: RawData) -> Iterator[tuple[Keys, str]]:
    """Yield options of the split that contradict each other, or that the data cannot follow."""
    first, known = data.first, data.first.columns
    twice = {
        "in_order": "time" if split.in_order and first.time is not None else "",
        "group": "group" if split.group is not None and first.group is not None else "",
    }
    for option, role in twice.items():
        text = f"data.split.{option} says what the {role} of the dataset says already. Remove one of them."
        if role:
            yield ("data", "split", option), text
    if isinstance(data, InChunks):
        for option, wanted in (("stratify", split.stratify), ("group", split.group is not None)):
            text = (
                f"data.split.{option} needs all examples in memory, but the data is read chunk by chunk. Leave it out."
            )
            if wanted:
                yield ("data", "split", option), text
    elif split.group is not None and not twice["group"]:
        yield from _unfit_group(split.group, known)
    grouped, timed = split.group is not None or first.group is not None, first.time is not None
    if split.stratify and (split.in_order or grouped or timed):
        other = "in_order" if split.in_order else "time" if timed else "group"
        text = (
            f"data.split.stratify draws examples class by class, which {other} leaves no room for. Remove one of them."
        )
        yield ("data", "split", "stratify"), text


def _unfit_group(group: str, known: Mapping[str, Array]) -> Iterator[tuple[Keys, str]]:
    """Yield why a column cannot be that of the groups."""
    path = ("data", "split", "group")
    if group not in known:
        near = f"{did_you_mean(group, known)} Columns: {listed(tuple(known))}."
        yield path, f"data.split.group: there is no column {group!r}.{near}"
    elif known[group].ndim > 1:
        text = f"names the column {group!r}, whose entries have the shape {known[group].shape[1:]}. Name one"
        yield path, f"data.split.group {text} with a word or a number for each example."


def _classes(data: RawData, targets: Mapping[str, str] | None) -> dict[str, tuple[str, ...]]:
    """Return the names of the classes of targets: those of the data, or all words of a column.

    A rare class may be missing in the training part.
    """
    first = data.first
    found: dict[str, tuple[str, ...]] = {}
    for name in [first.target_name] if targets is None else targets.values():
        if name == first.target_name and first.classes is not None:
            found[name] = first.classes
        elif categorical(first.column(name)):
            found[name] = words_in(name, data.whole)
    return found


def _new_model(experiment: Experiment, data: RawData, training: Any, registry: Registry) -> Sequential:
    section, graph = experiment.data, graph_of(experiment, registry)
    transforms, target_transforms = section.steps
    fits = transforms or target_transforms
    preprocessing = Preprocessing.fit(
        data.take(training) if fits else data.whole,
        transforms,
        target_transforms,
        inputs=section.groups or _without(section.split.group, data),
        indices=tuple(name for name, n in zip(graph.inputs, graph.limits(), strict=True) if n is not None) or None,
        targets=section.targets,
        classes=_classes(data, section.targets),
        seed=experiment.seed,
    )
    declared, found = experiment.model.input_shape, preprocessing.input_shape
    if declared is not None and declared != found:
        raise ShapeError(
            f"model.input_shape is {declared}, but one example of the data has shape {found}. Correct it, or remove it."
        ).of("", ("input_shape",))
    model = Sequential(
        experiment.model.layers,
        found,
        outputs=experiment.model.outputs or (),
        seed=experiment.seed,
        dtype=experiment.dtype,
        registry=registry,
    )
    model.preprocessing = _numbered(preprocessing, model, model.objective(experiment.cost), data)
    return model


def _numbered(preprocessing: Preprocessing, model: Sequential, objective: Objective, data: RawData) -> Preprocessing:
    """Return the preprocessing with the labels of classes that are not 0 … K − 1, such as 1 … K, numbered so.

    Examples that are read in chunks keep their labels: to look at all of them would take a pass over the data.
    """
    if isinstance(data, InChunks):
        return preprocessing
    shapes = model.network.output_shapes
    for (name, target), term, shape in zip(preprocessing.outputs.items(), objective.terms, shapes, strict=True):
        column = target.column
        if column is None or column.kind == "categorical" or column.shape or column.steps or target.classes is not None:
            continue
        numbers = numbers_of(data.first.column(column.name), term.cost, shape)
        if numbers is not None:
            preprocessing = preprocessing.numbered(name, numbers)
    return preprocessing


def _without(group: str | None, data: RawData) -> Mapping[str, InputColumns] | None:
    """Return the only input without the column of the groups; None if there are none."""
    names = tuple(name for name in data.first.features if name != group)
    return None if group is None else {INPUT: InputColumns(names)}


def _require_fit_activations(file: ExperimentFile, model: Sequential) -> None:
    """Refuse layers whose activation cannot take the number of units; name the line of each."""
    found = model.network.graph.unfit(model.network.shapes)
    _refuse(file, ((("model", "layers", index, "activation"), text) for index, text in found))


def _require_an_output_for_each_class(model: Sequential) -> None:
    """Refuse a number of outputs that does not match the classes; the cost may not notice it."""
    assert model.preprocessing is not None
    graph, targets = model.network.graph, model.preprocessing.outputs
    names = graph.output_names or ("",)
    for name, index, shape in zip(names, graph.outputs, model.network.output_shapes, strict=True):
        target = targets[name]
        if target.column is not None and target.classes is not None:
            place = graph.nodes[index]
            with about("layers", place.outer):
                _require_an_output_for_each(target, target.column.name, graph.label(place), shape[-1], name)


def _require_an_output_for_each(target: Target, column: str, label: str, outputs: int, name: str) -> None:
    classes = target.classes or ()
    if len(classes) < 2:
        text = f"The target {column!r} holds a single class, {classes[0]!r}: there is nothing to tell apart."
        raise DataError(text).of("", ("targets", name))
    needed = len(classes)
    if target.tells_apart(outputs):
        return
    or_one = ", or 1" if target.tells_apart(1) else ""
    raise ShapeError(
        f"{label} gives {outputs} {'output' if outputs == 1 else 'outputs'}, but the target {column!r} has {needed} "
        f"classes: {listed(classes)}. Give {'this' if name else 'the last'} layer {needed} units{or_one}."
    )


def _require_storable(model: Sequential) -> None:
    """Refuse a model that could not be saved and read again, before it is trained."""
    try:
        with TemporaryDirectory() as folder:
            container.write(Path(folder, "model"), model.description(), {})
    except NnfwError as error:
        count = 0 if model.preprocessing is None else len(model.preprocessing.columns)
        advice = f" {count:,} columns have transforms of their own: store such numbers as one array, numpy.save."
        raise DataError(f"A model of this data could not be saved: {error}{advice * (count > _MANY)}") from error


def _require_metrics(file: ExperimentFile, model: Sequential, objective: Objective, parts: Mapping[str, Part]) -> None:
    """Refuse metrics that cannot take outputs and labels of every part."""
    metrics = file.experiment.training.metrics
    places = chosen_at(metrics, model.measures(metrics))
    units = model.units(objective) if file.experiment.data.metrics_in_unit else ()
    found = dict(model.unfit_metrics(metrics, objective, *parts.values(), units=units))
    labels = {name: model.registry.label("metric", places[name][1]) for name in found}
    texts = (
        (("training", "metrics", *places[name][0]), f"Metric {labels[name]} does not fit network and labels: {text}")
        for name, text in found.items()
    )
    _refuse(file, texts)


def _refuse(file: ExperimentFile, found: Iterable[tuple[Keys, str]]) -> None:
    """Raise ConfigError for mistakes, each with its line, if there are any."""
    if mistakes := placed(file.document, found):
        raise ConfigError(mistakes)
