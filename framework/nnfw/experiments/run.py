"""A run: an experiment carried out, in one directory of plain files."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnfw.compute import describe_environment
from nnfw.data import Examples, Preprocessing, Split, categorical, split
from nnfw.errors import DataError, DivergedError, FileFormatError, ShapeError
from nnfw.experiments.experiment import Experiment, ExperimentFile, check_experiment, to_table
from nnfw.experiments.toml import read, write
from nnfw.network import Chain, Objective, Sequential
from nnfw.plugins import Registry
from nnfw.protocols import Callback, Fit
from nnfw.randomness import stream
from nnfw.storage import replace_file
from nnfw.training import Labelled, Training, evaluate, named_metrics

EXPERIMENT, METRICS, MODEL, RECORD = "experiment.toml", "metrics.jsonl", "model.nnfw", "record.json"
"""The files of a run's directory."""

RECORD_FORMAT = 1
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


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Parameters
    ----------
    directory
        Its files.
    results
        Cost and metrics of the final model by part.
    epochs
        How many epochs it took.
    stopped
        Why it ended early; empty if it did not.
    """

    directory: Path
    results: Mapping[str, Mapping[str, Any]]
    epochs: int
    stopped: str


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


def train(file: ExperimentFile, registry: Registry, out: Path | None = None, callbacks: Sequence[Callback] = ()) -> Run:
    """Carry an experiment out, and write the run's directory.

    Parameters
    ----------
    file
        The experiment.
    registry
        Where names are looked up.
    out
        The directory; ``runs/<name>-<time>`` by default. It must not hold a run yet.
    callbacks
        Further callbacks, a progress bar for instance.

    Returns
    -------
    Run
        Where the files are, and the results.

    Raises
    ------
    ConfigError, DataError, ShapeError
        Before anything is written.
    DivergedError
        If the cost stops being finite: the directory then holds the record and the metrics so far, but no model.
    """
    directory = out or Path("runs") / f"{file.experiment.name}-{datetime.now():%Y%m%d-%H%M%S}"
    _require_writable(directory)
    prepared = prepare(file, registry)
    table = to_table(prepared.experiment, registry)
    _create(directory)
    record = _first_record(file, prepared, registry)
    replace_file(directory / EXPERIMENT, write(table).encode())
    _write_record(directory, record)
    _notify(registry, "nnfw_run_started", directory=directory, experiment=table)
    try:
        run = _train(prepared, directory, (_RunLog(directory), *callbacks))
    except BaseException as error:
        status = "diverged" if isinstance(error, DivergedError) else "failed"
        _end_record(directory, registry, record, status, reason=str(error) or type(error).__name__)
        raise
    _end_record(
        directory, registry, record, "finished", epochs=run.epochs, stopped=run.stopped, results=dict(run.results)
    )
    return run


def open_run(path: Path, registry: Registry) -> ExperimentFile:
    """Return the experiment of a run's directory, with the folder in which its data lies.

    Raises
    ------
    FileFormatError
        If the directory holds no run.
    ConfigError
        If the experiment cannot be built any more.
    """
    directory = Path(_recorded(path, "directory"))
    document = read(path / EXPERIMENT)
    return ExperimentFile(check_experiment(document, registry), document, directory)


def recorded_fingerprint(path: Path) -> str:
    """Return the SHA-256 of the data that a run was trained on; FileFormatError if the directory holds no run."""
    return _recorded(path, "sha256")


def _recorded(path: Path, key: str) -> str:
    try:
        return str(json.loads((path / RECORD).read_bytes())["data"][key])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} holds no run that can be read: {RECORD}: {error}.") from error


def _train(prepared: Prepared, directory: Path, callbacks: Sequence[Callback]) -> Run:
    experiment = prepared.experiment
    loop = Training(
        prepared.model,
        prepared.parts["training"],
        prepared.parts.get("validation"),
        objective=prepared.objective,
        optimizer=experiment.optimizer,  # type: ignore[arg-type]
        options=replace(experiment.training, callbacks=(*experiment.training.callbacks, *callbacks)),
        seed=experiment.seed,
        directory=directory,
    )
    history = loop.run()
    prepared.model.save(directory / MODEL)
    results = {part: prepared.evaluate(part) for part in prepared.parts}
    return Run(directory, results, len(history), history.stopped)


@dataclass(frozen=True)
class _RunLog(Callback):
    """Appends each epoch's record to ``metrics.jsonl``, and tells it to the plugins."""

    directory: Path

    def state(self, fit: Fit) -> dict[str, Any]:
        return {"file": (self.directory / METRICS).open("w", encoding="utf-8")}

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        state["file"].write(json.dumps(record) + "\n")
        state["file"].flush()
        _notify(fit.registry, "nnfw_epoch_ended", directory=self.directory, record=record)

    def close(self, state: MutableMapping[str, Any]) -> None:
        state["file"].close()


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


def _require_writable(directory: Path) -> None:
    """Refuse a directory that holds something or cannot be made, before any work is done."""
    if directory.is_dir() and any(directory.iterdir()):
        raise DataError(f"{directory} is not empty. Choose another directory with --out.")
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise DataError(f"{directory} cannot be written: {existing} is no directory that may be written to.")


def _create(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{directory} cannot be made: {error.strerror}. Choose another with --out.") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _first_record(file: ExperimentFile, prepared: Prepared, registry: Registry) -> dict[str, Any]:
    return {
        "format": RECORD_FORMAT,
        "name": prepared.experiment.name,
        "status": "running",
        "started": _now(),
        "seed": prepared.experiment.seed,
        "parameters": int(prepared.model.parameters.vector.size),
        "data": {
            "directory": str(file.directory.absolute()),
            "sha256": prepared.fingerprint,
            "examples": {name: len(part) for name, part in prepared.parts.items()},
        },
        "plugins": [
            {"distribution": plugin.distribution, "version": plugin.version, "status": plugin.status}
            for plugin in registry.plugins
        ],
        "environment": describe_environment(),
    }


def _end_record(directory: Path, registry: Registry, record: dict[str, Any], status: str, **outcome: Any) -> None:
    record |= {"status": status, "ended": _now()} | outcome
    _write_record(directory, record)
    _notify(registry, "nnfw_run_ended", directory=directory, record=record)


def _write_record(directory: Path, record: Mapping[str, Any]) -> None:
    replace_file(directory / RECORD, (json.dumps(record, indent=2) + "\n").encode())


def _notify(registry: Registry, hook: str, **arguments: Any) -> None:
    """Tell the plugins; one that fails is reported, and the run goes on."""
    try:
        getattr(registry.hooks, hook)(**arguments)
    except Exception as error:
        warnings.warn(f"A plugin failed in {hook}: {type(error).__name__}: {error}", RuntimeWarning, stacklevel=2)
