"""From an experiment to data that is read and a network that is built."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnfw.data import Examples, Preprocessing, Split, categorical, split
from nnfw.errors import DataError, ShapeError
from nnfw.experiments.experiment import Experiment, ExperimentFile
from nnfw.network import Chain, Objective, Sequential
from nnfw.plugins import Registry
from nnfw.randomness import stream
from nnfw.training import Labelled, evaluate, named_metrics

HASHED_ROWS = 1 << 14  # rows of a column that are hashed together: a memory-mapped one is never read whole


@dataclass(frozen=True, eq=False)
class Prepared:
    """An experiment with its data read and its network built: nothing can be wrong with it any more.

    Parameters
    ----------
    experiment
        What is carried out.
    model
        With its first parameters, and its preprocessing fitted on the training part.
    objective
        The cost at the model's output.
    parts
        The examples by part: ``training``, and ``validation`` and ``test`` where the split has them.
    fingerprint
        SHA-256 of the raw data.
    """

    experiment: Experiment
    model: Sequential
    objective: Objective
    parts: Mapping[str, Labelled]
    fingerprint: str

    def evaluate(self, part: str) -> dict[str, Any]:
        """Return cost and metrics of the model on one part."""
        metrics = named_metrics(self.experiment.training.metrics, self.model.registry)
        return evaluate(self.model, self.parts[part], self.objective, metrics, self.model.workspace())


def prepare(file: ExperimentFile, registry: Registry) -> Prepared:
    """Read the data of an experiment, split it, fit the preprocessing, and build the network.

    Raises
    ------
    DataError
        If the data cannot be read or does not fit network or cost.
    ShapeError
        If the layers do not fit the data or each other.
    """
    experiment = file.experiment
    infer_shapes(experiment)
    examples = _with_classes(experiment.data.source.load(file.directory))  # type: ignore[union-attr]
    shares = experiment.data.split
    rows = split(
        examples, shares.validation, shares.test, stratify=shares.stratify, rng=stream(experiment.seed, "split")
    )
    preprocessing = _fit_preprocessing(experiment, examples, rows)
    model = build_model(experiment, preprocessing.input_shape, registry)
    model.preprocessing = preprocessing
    objective = model.objective(experiment.cost)
    return Prepared(experiment, model, objective, _parts(model, objective, examples, rows), _fingerprint(examples))


def build_model(experiment: Experiment, input_shape: tuple[int, ...], registry: Registry) -> Sequential:
    """Return the network of an experiment with its first parameters.

    Raises
    ------
    ShapeError
        If the layers do not fit, or `input_shape` is not the one that the file declares.
    """
    declared = experiment.model.input_shape
    if declared is not None and declared != input_shape:
        raise ShapeError(
            f"model.input_shape is {declared}, but one example of the data has shape {input_shape}. Correct it, or "
            "remove it."
        )
    layers: Sequence[Any] = experiment.model.layers
    return Sequential(layers, input_shape, seed=experiment.seed, dtype=experiment.dtype, registry=registry)


def known_input_shape(experiment: Experiment) -> tuple[int, ...] | None:
    """Return the shape of one example as far as it is known without reading data."""
    return experiment.model.input_shape or experiment.data.source.input_shape()  # type: ignore[union-attr]


def infer_shapes(experiment: Experiment) -> list[tuple[int, ...]] | None:
    """Return the shape of every activation of one example, or None if the input's is not known without reading data.

    Raises
    ------
    ShapeError
        If the layers do not fit.
    """
    shape = known_input_shape(experiment)
    return None if shape is None else Chain(experiment.model.layers).shapes(shape)


def _fit_preprocessing(experiment: Experiment, examples: Examples, rows: Split) -> Preprocessing:
    transforms, target_transforms = experiment.data.transforms, experiment.data.target_transforms
    fitted_on = examples.take(rows.training) if transforms or target_transforms else examples
    return Preprocessing.fit(fitted_on, transforms, target_transforms)  # type: ignore[arg-type]


def _with_classes(examples: Examples) -> Examples:
    """Return the examples with the names of all classes, so that a rare one may be in any part of the split."""
    if examples.target is None:
        raise DataError("The data has no target, so nothing can be learned from it. Name the target of the dataset.")
    if examples.classes is not None or not categorical(examples.target):
        return examples
    return replace(examples, classes=tuple(np.unique(examples.target).tolist()))


def _parts(model: Sequential, objective: Objective, examples: Examples, rows: Split) -> dict[str, Labelled]:
    assert model.preprocessing is not None
    x = model.preprocessing.apply(examples.features, model.dtype)
    y = model.preprocessing.target(examples, model.dtype)
    whole = model.labelled(x, y, objective)
    return {name: whole.subset(part) for name, part in rows._asdict().items() if len(part)}


def _fingerprint(examples: Examples) -> str:
    digest = hashlib.sha256()
    for name, column in {**examples.features, examples.target_name: examples.target}.items():
        array: NDArray[Any] = np.asarray(column)
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        for start in range(0, len(array), HASHED_ROWS):
            digest.update(np.ascontiguousarray(array[start : start + HASHED_ROWS]).data)
    return digest.hexdigest()
