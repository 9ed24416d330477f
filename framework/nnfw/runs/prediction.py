"""Using what a run has left: evaluation on data, and predictions for raw columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.data import as_batch, require_finite, require_finite_predictions
from nnfw.errors import ConfigError, FileFormatError, Mistake
from nnfw.experiments.component_text import parse_reference
from nnfw.experiments.experiment import Experiment, distributions_of
from nnfw.experiments.preparation import Prepared, prepare
from nnfw.experiments.sources import features, read_examples
from nnfw.machine import required_packages
from nnfw.model import Sequential, describe, load
from nnfw.plugins import Registry
from nnfw.runs.reading import EXPERIMENT, MODEL, RECORD, read_document, read_run
from nnfw.runs.record_writer import open_run, recorded_fingerprint
from nnfw.runs.run import CHECKPOINTS, origin_of
from nnfw.runs.trust import require_trusted, resume_command
from nnfw.storage import Directory
from nnfw.training import evaluate, named_metrics, newest, require_finite_cost, require_same_origin, restore_model, warn

_NUMERICAL = ("numpy", "scipy")  # of what nnfw requires, that on which the last places depend


def open_model(
    path: Path,
    registry: Registry,
    tell: Callable[[str], None] = warn,
    *,
    data_directory: Path | None = None,
    trust: bool = True,
) -> Sequential:
    """Return the model of a run's directory, or of a model file.

    Parameters
    ----------
    path, registry
        The directory or the file, and where names are looked up.
    tell, data_directory, trust
        As for :func:`prepare_run`, which makes the model of a run that has not left one.

    Raises
    ------
    FileFormatError
        If there is none, or it cannot be read.
    """
    if (path / RECORD).exists() and not (path / MODEL).exists():
        return prepare_run(path, registry, tell, data_directory=data_directory, trust=trust).model
    model = _load(path, registry)
    directory = _run_of(path)
    if directory is not None:
        with suppress(FileFormatError):  # of a directory without a record that can be read, the model is enough
            run, packages = read_run(directory), required_packages()
            before = run.get("environment", "packages") or {}
            _tell_of_versions(directory, before, {name: packages[name] for name in _NUMERICAL})
            if path.is_dir() and run.status != "finished":
                tell(f"{path} is {run.status}: its model is from the last time its training finished.")
    return model


def _load(path: Path, registry: Registry) -> Sequential:
    if path.is_dir():
        return load(path / MODEL, registry=registry, inside=Directory(path))
    return load(path, registry=registry)


def _tell_of_plugins(directory: Path, experiment: Experiment, model: Sequential) -> None:
    """Warn of plugins of other versions than in a run; those of the model have been reported when it was loaded."""
    plugins = read_run(directory).get("plugins") or ()
    before = {item.get("distribution"): item.get("version") for item in plugins if item.get("status") == "active"}
    own = model.registry.distributions_in(describe(model))
    now = distributions_of(experiment, model.registry)
    _tell_of_versions(directory, before, {name: version for name, version in now.items() if name not in own})


def _tell_of_versions(directory: Path, before: Mapping[str, Any], now: Mapping[str, str | None]) -> None:
    """Warn of what had another version when a run was trained; what is not recorded counts as unchanged."""
    changed = [f"{name} {before[name]} (here {now[name]})" for name in now if before.get(name, now[name]) != now[name]]
    if changed:
        warn(f"{directory} was trained with {', '.join(changed)}. What it gives may differ.")


def prepare_run(
    path: Path,
    registry: Registry,
    tell: Callable[[str], None] = warn,
    *,
    data_directory: Path | None = None,
    trust: bool = True,
) -> Prepared:
    """Return a run's experiment with its data read and its model trained, or as far trained as it got.

    Parameters
    ----------
    path, registry
        The directory, and where names are looked up.
    tell
        Called with a message if the run has left no model, so that its newest checkpoint is taken, or may have gone on
        since it left one.
    data_directory
        Where relative paths of the data start; by default where they did.
    trust
        Whether the data may lie anywhere; False refuses what :func:`require_trusted` does.

    Raises
    ------
    FileFormatError
        If the run cannot be read, or holds neither model nor checkpoint.
    DataError
        If the data cannot be read, or has changed since a checkpoint that is needed.
    """
    file = open_run(path, registry, data_directory=data_directory)
    if not trust:
        require_trusted(file, path, registry, data_directory)
    if (path / MODEL).exists():
        prepared = prepare(file, registry, open_model(path, registry, tell))
        _tell_of_plugins(path, file.experiment, prepared.model)
        return prepared
    status = read_run(path).status
    start = newest(Directory(path).below(CHECKPOINTS), registry, tell)
    if start is None or not start.header.step:
        raise FileFormatError(
            f"{path} holds neither a model nor a checkpoint of a trained one: its status is {status!r}. Go on with it: "
            f"{resume_command(file, path, registry)}"
        )
    prepared = prepare(file, registry)
    require_same_origin(start, origin_of(prepared), f"Undo that, or train to the end: {path} holds no model.")
    restore_model(prepared.model.parameters, start)
    tell(f"{path} is {status} and holds no model: its newest checkpoint is taken, {start.header.place}.")
    return prepared


def evaluate_run(
    path: Path,
    registry: Registry,
    tell: Callable[[str], None] = warn,
    *,
    data_directory: Path | None = None,
    trust: bool = True,
) -> tuple[dict[str, dict[str, Any]], bool]:
    """Return cost and metrics of a run's model on each part of the run's data, and whether that data is the same still.

    Parameters
    ----------
    path, registry, tell, data_directory, trust
        As for :func:`prepare_run`.

    Raises
    ------
    ConfigError
        If `path` is a file: it does not know the data.
    FileFormatError, DataError
        If run, model or data cannot be read.
    """
    if path.is_file():
        raise ConfigError([Mistake((), f"{path} is a model file: name the data with --data, or the run's directory.")])
    prepared = prepare_run(path, registry, tell, data_directory=data_directory, trust=trust)
    same = recorded_fingerprint(path) == prepared.fingerprint
    results = {part: prepared.evaluate(part) for part in prepared.parts}
    for part, record in results.items():
        require_finite_cost(record["cost"], f"the {part} data")
    return results, same


def evaluate_on(
    path: Path,
    source: str,
    registry: Registry,
    *,
    cost: str | None = None,
    metrics: Sequence[str] = (),
    delimiter: str | None = None,
    tell: Callable[[str], None] = warn,
    data_directory: Path | None = None,
    trust: bool = True,
) -> dict[str, Any]:
    """Return cost and metrics of a model on other data.

    Parameters
    ----------
    path
        A run's directory, or a model file.
    source
        A CSV file with the target's column, ``"-"``, or a dataset as :func:`parse_reference` takes it.
    registry
        Where names are looked up.
    cost, metrics
        As :func:`parse_reference` takes them; by default those of the run.
    delimiter
        The character between the cells of a CSV file; by default that of the run's own table.
    tell, data_directory, trust
        As for :func:`prepare_run`, which makes the model of a run that has not left one.

    Raises
    ------
    ConfigError
        If there is no run to take the cost from.
    FileFormatError, DataError
        If model or data cannot be read.
    """
    model = open_model(path, registry, tell, data_directory=data_directory, trust=trust)
    preprocessing = model.preprocessing
    if preprocessing is None or preprocessing.target_column is None:
        raise ConfigError([Mistake((), f"{path} was not trained from an experiment: evaluate it in Python.")])
    chosen, resolved = _cost_and_metrics(path, model, cost, metrics)
    objective = model.objective(chosen)
    examples = read_examples(source, model, registry, delimiter or table_delimiter(path), with_target=True)
    y = preprocessing.target(examples, model.dtype)
    data = model.labelled(features(model, examples), y, objective)
    network = model.network
    record = evaluate(network, data, objective, named_metrics(resolved, registry), network.workspace())
    require_finite_cost(record["cost"], "the given data")
    return record


def _cost_and_metrics(path: Path, model: Sequential, cost: str | None, metrics: Sequence[str]) -> tuple[Any, Any]:
    """Return the cost and the metrics that are named, or else those of the run."""
    directory, registry = _run_of(path), model.registry
    if cost is None and directory is None:
        raise ConfigError([Mistake((), f"{path} stands beside no run, so name the cost: --cost mse, for instance.")])
    experiment = None if directory is None else open_run(directory, registry).experiment
    if directory is not None and experiment is not None:
        _tell_of_plugins(directory, experiment, model)
    wanted: Any = [parse_reference(metric) for metric in metrics] or (experiment.training.metrics if experiment else ())
    chosen = parse_reference(cost) if cost else experiment and experiment.cost
    return chosen, tuple(registry.resolve("metric", metric) for metric in wanted)


def _run_of(path: Path) -> Path | None:
    """Return the directory of the run that a path means, or that a model file stands in; None if there is none."""
    directory = path if path.is_dir() else path.parent
    return directory if (directory / RECORD).is_file() and (directory / EXPERIMENT).is_file() else None


def table_delimiter(path: Path) -> str:
    """Return the character between the cells of the table that a run was trained on; a comma where it is not known."""
    directory = _run_of(path)
    data = read_document(directory).table.get("data") if directory is not None else None
    source = data.get("source") if isinstance(data, dict) else None
    delimiter = source.get("delimiter", ",") if isinstance(source, dict) else ","
    return str(delimiter)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of N examples.

    Parameters
    ----------
    header
        Names of the columns: ``label`` and ``probability_<class>``, or the target, or ``output_<k>``.
    columns
        One array ``(N,)`` for each.
    """

    header: tuple[str, ...]
    columns: tuple[Array, ...]

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows as text; a number has as many digits as its dtype holds."""
        for row in zip(*self.columns, strict=True):
            yield [str(value) for value in row]

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as plain tables."""
        plain = [column.tolist() for column in self.columns]
        return [dict(zip(self.header, row, strict=True)) for row in zip(*plain, strict=True)]


def predict(model: Sequential, source: str, registry: Registry, delimiter: str = ",") -> Predictions:
    """Return predictions for the examples of `source`.

    Parameters
    ----------
    model
        From :func:`open_model`.
    source
        A CSV file of raw columns, ``"-"`` for one on the standard input, a ``.npy`` file for a model with one column,
        or a dataset as :func:`parse_reference` takes it.
    registry
        Where names are looked up.
    delimiter
        The character between the cells of a CSV file.

    Raises
    ------
    DataError
        If the data cannot be read or does not fit the model; if a prediction is not finite.
    """
    x = features(model, read_examples(source, model, registry, delimiter))
    x, _ = as_batch(x, model.input_shape, source)
    require_finite(x, source)
    with np.errstate(over="ignore", invalid="ignore"):  # reported below, with the example
        a = model.predict(x)
    require_finite_predictions(a)
    return _named(model, a)


def _named(model: Sequential, a: Array) -> Predictions:
    flat = a.reshape(len(a), -1)
    preprocessing = model.preprocessing
    if preprocessing is None or preprocessing.target_column is None:
        return Predictions(*_numbered("output", flat))
    labels = preprocessing.labels(a)
    classes = preprocessing.classes
    if classes is None and not (labels.dtype.kind == "i" and labels.ndim == 1 and flat.shape[1] > 1):
        return Predictions(*_numbered(preprocessing.target_column.name, labels.reshape(len(a), -1)))
    if flat.shape[1] == 1:  # one output tells the probability of class 1
        flat = np.hstack([1 - flat, flat])
    names = classes or tuple(map(str, preprocessing.labels(np.eye(flat.shape[1]))))
    header = ("label", *(f"probability_{name}" for name in names))
    return Predictions(header, (labels, *flat.T))


def _numbered(name: str, values: Array) -> tuple[tuple[str, ...], tuple[Array, ...]]:
    count = values.shape[1]
    return (name,) if count == 1 else tuple(f"{name}_{k}" for k in range(count)), tuple(values.T)
