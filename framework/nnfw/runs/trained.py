"""The trained model of a run, and its experiment with the data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from nnfw.data import Examples
from nnfw.errors import FileFormatError
from nnfw.experiments.experiment import Experiment, distributions_of
from nnfw.experiments.preparation import Prepared, prepare
from nnfw.machine import required_packages
from nnfw.model import Sequential, load
from nnfw.runs.layout import CHECKPOINTS, EXPERIMENT, MODEL, RECORD
from nnfw.runs.opening import Access, open_run, resume_command
from nnfw.runs.reading import read_run
from nnfw.runs.run import origin_of
from nnfw.storage import Directory
from nnfw.training import load_parameters, newest, require_same_origin, warn

_NUMERICAL = ("numpy", "scipy")  # the required packages that the last digits of results depend on


def open_model(path: Path, access: Access) -> Sequential:
    """Return the model of a run's directory, or of a model file; :func:`prepare_run` says what is used without one."""
    if (path / RECORD).exists() and not (path / MODEL).exists():
        return prepare_run(path, access).model
    inside = Directory(path) if path.is_dir() else None
    model = load(path / MODEL if inside else path, registry=access.registry, inside=inside)
    directory = directory_of(path)
    if directory is not None:
        with suppress(FileFormatError):  # the model can be used even if the record cannot be read
            run, packages = read_run(directory), required_packages()
            before = run.environment.get("packages", {})
            _warn_of_versions(directory, before, {name: packages[name] for name in _NUMERICAL})
            if inside and run.status != "finished":
                access.tell(f"{path} is {run.status}: its model is from the last time that its training finished.")
    return model


def warn_of_plugins(directory: Path, experiment: Experiment, model: Sequential) -> None:
    """Warn of plugins whose versions differ from those of a run; loading the model has reported its own ones."""
    own = model.registry.distributions_in(model.description())
    now = distributions_of(experiment, model.registry)
    _warn_of_versions(
        directory,
        read_run(directory).active_plugins,
        {name: version for name, version in now.items() if name not in own},
    )


def _warn_of_versions(directory: Path, before: Mapping[str, object], now: Mapping[str, str | None]) -> None:
    """Warn of packages whose versions have changed since a run; those not recorded count as unchanged."""
    changed = [f"{name} {before[name]} (here {now[name]})" for name in now if before.get(name, now[name]) != now[name]]
    if changed:
        warn(f"{directory} was trained with {', '.join(changed)}. Results may differ.")


def prepare_run(path: Path, access: Access, examples: Examples | None = None) -> Prepared:
    """Return a run's experiment with its data, unless that was read before, and its model.

    Without a model, that of its newest checkpoint is used. FileFormatError if there is neither, DataError if the data
    has changed since a checkpoint that is needed.
    """
    file, registry = open_run(path, access), access.registry
    if (path / MODEL).exists():
        prepared = prepare(file, registry, open_model(path, access), examples)
        warn_of_plugins(path, file.experiment, prepared.model)
        return prepared
    status = read_run(path).status
    start = newest(Directory(path).below(CHECKPOINTS), registry, access.tell)
    if start is None or not start.header.step:
        raise FileFormatError(
            f"{path} holds neither a model nor a checkpoint of a trained one: its status is {status!r}. Resume it: "
            f"{resume_command(file, path, registry)}"
        )
    prepared = prepare(file, registry, examples=examples)
    require_same_origin(start, origin_of(prepared), f"Undo that, or train to the end: {path} holds no model.")
    load_parameters(prepared.model.parameters, start)
    access.tell(f"{path} is {status} and holds no model: its newest checkpoint is used, {start.header.place}.")
    return prepared


def directory_of(path: Path) -> Path | None:
    """Return the directory of a run, or the one that holds a model file; None if that is not the directory of a run."""
    directory = path if path.is_dir() else path.parent
    return directory if (directory / RECORD).is_file() and (directory / EXPERIMENT).is_file() else None
