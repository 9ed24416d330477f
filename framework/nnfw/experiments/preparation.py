"""Preparing an experiment: reading its data and building its network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data import (
    Examples,
    Padded,
    Preprocessing,
    Split,
    Target,
    categorical,
    listed,
    load_examples,
    release,
    shape_of,
    split,
)
from nnfw.errors import ConfigError, DataError, NnfwError, ShapeError, did_you_mean
from nnfw.experiments.experiment import Experiment, ExperimentFile, graph_of, placed, table_of
from nnfw.model import Sequential
from nnfw.network import INPUT, Objective, by_name
from nnfw.plugins import Registry
from nnfw.randomness import stream
from nnfw.storage import container
from nnfw.toml import Keys
from nnfw.training import FREE_OPTIONS, Labelled, chosen_at, evaluate, refused, unmatched

Figures: TypeAlias = dict[str, Any]
"""Cost and metrics by name: numbers, and arrays such as a confusion matrix."""

HASHED_ROWS = 1 << 14  # rows that are hashed at once: a memory-mapped column is never read whole


@dataclass(frozen=True, eq=False)
class Prepared:
    """An experiment, completely checked, with its data read and its network built.

    The model has its first parameters, and its preprocessing is fitted on the training part.
    """

    experiment: Experiment
    model: Sequential
    objective: Objective
    parts: Mapping[str, Labelled]  # training, and validation and test where the split has them
    fingerprint: str  # SHA-256 of the raw data

    @property
    def origin(self) -> dict[str, Any]:
        """What the results depend on: the experiment, but for what is free to change, and the data."""
        table = table_of(self.experiment, self.model.registry)
        del table["name"]
        training = {name: value for name, value in table["training"].items() if name not in FREE_OPTIONS}
        return {**table, "training": training, "data.sha256": self.fingerprint}

    def evaluate(self, part: str) -> Figures:
        """Return cost and metrics of the model on one part."""
        metrics = self.model.measures(self.experiment.training.metrics)
        network = self.model.network
        return evaluate(network, self.parts[part], self.objective, metrics, network.workspace())


def prepare(
    file: ExperimentFile, registry: Registry, trained: Sequential | None = None, examples: Examples | None = None
) -> Prepared:
    """Read the data of an experiment, split it, fit the preprocessing, and build the network.

    If there is a `trained` model of this experiment, it and its preprocessing are used, and nothing is fitted or built.
    The `examples` are the data, if it has been read already.

    DataError if the data cannot be read or does not fit network or cost, or if no file could hold the model; ShapeError
    if the layers do not fit the data or each other, or the outputs do not fit the classes; ConfigError if a metric
    cannot take outputs and labels, or an activation refuses the number of units.
    """
    experiment = file.experiment
    infer_shapes(experiment, registry)
    examples = load_examples(experiment.data.source, file.directory) if examples is None else examples
    if mistakes := placed(file.document, _unknown_columns(experiment, examples)):
        raise ConfigError(mistakes)
    examples = examples if experiment.data.targets else _with_classes(examples)
    shares = experiment.data.split
    rows = split(
        examples, shares.validation, shares.test, stratify=shares.stratify, rng=stream(experiment.seed, "split")
    )
    model = trained or _new_model(experiment, examples, rows, registry)
    _require_an_output_for_each_class(model)
    if trained is None:
        _require_fit_activations(file, model)
    objective = model.objective(experiment.cost)
    parts = _parts(model, objective, examples, rows)
    _require_metrics(file, model, objective, parts)
    unmatched_patterns = unmatched(experiment.training, model.parameters.layout)
    _refuse(file, ((("training", *mistake.path), f"training.{mistake}") for mistake in unmatched_patterns))
    if trained is None:
        _require_storable(model)
    return Prepared(experiment, model, objective, parts, _fingerprint(examples))


def infer_shapes(
    experiment: Experiment, registry: Registry, input_shape: Shape | Mapping[str, Shape] | None = None
) -> list[Shape] | None:
    """Return the shapes of inputs and activations of one example; None if the data must be read to know the first.

    ShapeError if the layers do not fit, ConfigError if `input_shape` is not that of the inputs by name.
    """
    data, shape = experiment.data, input_shape or experiment.model.input_shape
    if shape is None and not (data.inputs or data.targets):
        shape = shape_of(data.source)
    if shape is None:
        return None
    graph = graph_of(experiment, registry)
    if not isinstance(shape, Mapping) and graph.inputs == (INPUT,):
        return graph.shapes(shape)
    return graph.shapes(*by_name(shape, graph.inputs, "model.input_shape", "input", ConfigError))


def _unknown_columns(experiment: Experiment, examples: Examples) -> Iterator[tuple[Keys, str]]:
    """Yield each column in the tables of inputs and targets that the data does not have."""
    known = examples.columns
    named = [(("inputs", key), name) for key, group in (experiment.data.groups or {}).items() for name in group.names]
    named += [(("targets", key), name) for key, name in (experiment.data.targets or {}).items()]
    for path, name in named:
        if name not in known:
            text = f"data.{'.'.join(path)}: there is no column {name!r}.{did_you_mean(name, known)}"
            yield ("data", *path), f"{text} Columns: {listed(tuple(known))}."


def _classes_of(examples: Examples, columns: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of the classes of targets: those of the data, or all words of a column."""
    found: dict[str, tuple[str, ...]] = {}
    for name in columns:
        if name == examples.target_name and examples.classes is not None:
            found[name] = examples.classes
        elif categorical(column := examples.columns[name]):
            found[name] = tuple(np.unique(column).tolist())
    return found


def _with_classes(examples: Examples) -> Examples:
    """Return the examples with the names of all classes: a rare class may be missing in a part of the split."""
    if examples.target is None:
        raise DataError("The data has no target, so nothing can be learned from it. Name the target of the dataset.")
    if examples.classes is not None or not categorical(examples.target):
        return examples
    return replace(examples, classes=tuple(np.unique(examples.target).tolist()))


def _new_model(experiment: Experiment, examples: Examples, rows: Split, registry: Registry) -> Sequential:
    data, graph = experiment.data, graph_of(experiment, registry)
    fitted_on = examples.take(rows.training) if data.transforms or data.target_transforms else examples
    preprocessing = Preprocessing.fit(
        fitted_on,
        data.transforms,
        data.target_transforms,
        inputs=data.groups,
        indices=tuple(name for name, n in zip(graph.inputs, graph.limits(), strict=True) if n is not None) or None,
        targets=data.targets,
        classes=_classes_of(examples, (data.targets or {}).values()),
    )
    declared, found = experiment.model.input_shape, preprocessing.input_shape
    if declared is not None and declared != found:
        raise ShapeError(
            f"model.input_shape is {declared}, but one example of the data has shape {found}. Correct it, or remove it."
        )
    model = Sequential(
        experiment.model.layers,
        found,
        outputs=experiment.model.outputs or (),
        seed=experiment.seed,
        dtype=experiment.dtype,
        registry=registry,
    )
    model.preprocessing = preprocessing
    return model


def _parts(model: Sequential, objective: Objective, examples: Examples, rows: Split) -> dict[str, Labelled]:
    assert model.preprocessing is not None
    x = model.preprocessing.apply(examples.features, model.dtype)
    y = model.preprocessing.target(examples, model.dtype)
    require_indices(model, x, examples)
    whole = model.labelled(x, y, objective)
    return {name: whole.subset(part) for name, part in rows._asdict().items() if len(part)}


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
            _require_an_output_for_each(target, target.column.name, graph.label(graph.nodes[index]), shape[-1], name)


def _require_an_output_for_each(target: Target, column: str, label: str, outputs: int, name: str) -> None:
    classes = target.classes or ()
    if len(classes) < 2:
        raise DataError(f"The target {column!r} holds a single class, {classes[0]!r}: there is nothing to tell apart.")
    needed = len(classes)
    if target.tells_apart(outputs):
        return
    or_one = ", or 1" if target.tells_apart(1) else ""
    raise ShapeError(
        f"{label} gives {outputs} {'output' if outputs == 1 else 'outputs'}, but the target {column!r} has {needed} "
        f"classes: {listed(classes)}. Give {'this' if name else 'the last'} layer {needed} units{or_one}."
    )


def require_indices(model: Sequential, x: Any, examples: Examples) -> None:
    """Refuse indices out of range; DataError names input, row and index, and the raw value if it is another."""
    preprocessing = model.preprocessing
    if preprocessing is None:
        return
    for each in model.network.inputs:
        given = x[each.name] if each.key else x
        found = each.outside(np.asarray(given.values) if isinstance(given, Padded) else given)
        if found is None:
            continue
        (row, *_), index = found
        raw = preprocessing.raw_of(each.name, found[0], examples)
        made = "" if raw == index else f", made of {raw!r}"
        needed = f" The layer needs a count of at least {index + 1}." if index >= 0 else ""
        raise DataError(
            f"The input {each.name!r} holds the index {index} in row {row} (the first is row 0){made}; expected 0 to "
            f"{(each.limit or 1) - 1}.{needed}"
        )


def _require_storable(model: Sequential) -> None:
    """Refuse a model that could not be saved and read again, before it is trained."""
    try:
        with TemporaryDirectory() as folder:
            container.write(Path(folder, "model"), model.description(), {})
    except NnfwError as error:
        raise DataError(f"A model of this data could not be saved: {error}") from error


def _require_metrics(
    file: ExperimentFile, model: Sequential, objective: Objective, parts: Mapping[str, Labelled]
) -> None:
    """Refuse metrics that cannot take outputs and labels of every part."""
    metrics = file.experiment.training.metrics
    measures = model.measures(metrics)
    places = chosen_at(metrics, measures)
    found = dict(item for part in parts.values() for item in refused(model.network, part, objective, measures))
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


def _fingerprint(examples: Examples) -> str:
    digest = hashlib.sha256()
    for name, column in examples.columns.items():
        array: Array = np.asarray(column)
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        for start in range(0, len(array), HASHED_ROWS):
            digest.update(np.ascontiguousarray(array[start : start + HASHED_ROWS]).data)
            release(column)
    return digest.hexdigest()
