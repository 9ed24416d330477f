"""Opening runs: experiment, data and model. A run from somebody else may name any file of the person who opens it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nnfw.errors import ConfigError, DataError, FileFormatError, Mistake, warn
from nnfw.experiments.data import RawData
from nnfw.experiments.experiment import Experiment, ExperimentFile, check_experiment, distributions_of
from nnfw.experiments.preparation import Prepared, prepare
from nnfw.machine import required_packages
from nnfw.model import Sequential, load
from nnfw.plugins import Registry
from nnfw.plugins.specs import is_distribution
from nnfw.runs.layout import CHECKPOINTS, EXPERIMENT, MODEL, RECORD
from nnfw.runs.reading import StoredRun, read_document, read_run
from nnfw.storage import Directory
from nnfw.toml import apply_overrides, flattened
from nnfw.training import load_parameters, newest, require_same_origin

_NUMERICAL = ("numpy", "scipy")  # the required packages that the last digits of results depend on


@dataclass(frozen=True, eq=False)
class Access:
    """How runs and models are opened.

    Parameters
    ----------
    registry
        Where names are looked up.
    tell
        Called with a message, such as that a checkpoint is used because there is no model; by default it warns.
    data_directory
        Where relative paths of the data start; by default where they did.
    trust
        Whether the data may lie anywhere; False refuses data outside the run's folder, the current one and
        `data_directory`.
    """

    registry: Registry
    tell: Callable[[str], None] = warn
    data_directory: Path | None = None
    trust: bool = True


def open_run(path: Path, access: Access, overrides: Iterable[str] = ()) -> ExperimentFile:
    """Return the experiment of a run's directory, with the folder in which its data lies.

    FileFormatError if the directory holds no run; ConfigError if the experiment cannot be built any more, with the
    plugins that are missing now; DataError if the run is not trusted.
    """
    run = read_run(path)
    directory = access.data_directory or Path(run.data_entry("directory"))
    document = read_document(path)
    if "data.metrics_in_unit" not in flattened(document.table):  # an older run, whose metrics were not
        document = apply_overrides(document, ["data.metrics_in_unit=false"])
    document = apply_overrides(document, overrides)
    try:
        file = ExperimentFile(check_experiment(document, access.registry), document, directory)
    except ConfigError as error:
        missing = _missing_plugins(run, access.registry)
        if not missing:
            raise
        text = f"{', '.join(missing.values())} was active when it ran, and is not now: pip install {' '.join(missing)}"
        raise ConfigError([*error.mistakes, Mistake((), f"{path}: {text}")], error.owner) from error
    require_trusted(file, path, access)
    return file


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


def prepare_run(path: Path, access: Access, data: RawData | None = None) -> Prepared:
    """Return a run's experiment with its data, unless that was read before, and its model.

    Without a model, that of its newest checkpoint is used. FileFormatError if there is neither, DataError if the data
    has changed since a checkpoint that is needed.
    """
    file, registry = open_run(path, access), access.registry
    if (path / MODEL).exists():
        prepared = prepare(file, registry, open_model(path, access), data)
        warn_of_plugins(path, file.experiment, prepared.model)
        return prepared
    status = read_run(path).status
    start = newest(Directory(path).below(CHECKPOINTS), registry, access.tell)
    if start is None or not start.header.step:
        raise FileFormatError(
            f"{path} holds neither a model nor a checkpoint of a trained one: its status is {status!r}. Resume it: "
            f"{resume_command(file, path, registry)}"
        )
    prepared = prepare(file, registry, data=data)
    require_same_origin(start, prepared.origin, f"Undo that, or train to the end: {path} holds no model.")
    load_parameters(prepared.model.parameters, start)
    access.tell(f"{path} is {status} and holds no model: its newest checkpoint is used, {start.header.place}.")
    return prepared


def directory_of(path: Path) -> Path | None:
    """Return the directory of a run, or the one that holds a model file; None if that is not the directory of a run."""
    directory = path if path.is_dir() else path.parent
    return directory if (directory / RECORD).is_file() and (directory / EXPERIMENT).is_file() else None


def require_trusted(file: ExperimentFile, run: Path, access: Access) -> None:
    """Refuse a run that is not trusted if its data lies elsewhere, before any of it is read; DataError says where.

    Links are resolved: the place of the target counts.
    """
    if access.trust:
        return
    for path in _elsewhere(file, run, access.registry, access.data_directory):
        target = Path(os.path.realpath(path))
        link = "" if target == path.absolute() else f", which leads to {target}"
        raise DataError(
            f"{run / EXPERIMENT} names data outside the run's folder and the current one: {path}{link}. A run from "
            "somebody else could reveal any of your files, so nothing was read. If you trust the person who made the "
            "run, add --trust; or name the folder of its data: --data-dir DIR."
        )


def resume_command(file: ExperimentFile, run: Path, registry: Registry) -> str:
    """Return the command that continues a run."""
    trust = " --trust" if any(_elsewhere(file, run, registry)) else ""
    return f"nnfw resume {shlex.quote(str(run))}{trust}"


def _elsewhere(
    file: ExperimentFile, run: Path, registry: Registry, data_directory: Path | None = None
) -> Iterator[Path]:
    """Yield the existing files and folders that the options of the dataset name and that lie elsewhere."""
    inside = [Path(os.path.realpath(folder)) for folder in (run, Path(), data_directory) if folder is not None]
    for text in _texts(registry.describe("dataset", file.experiment.data.source)):
        path = file.directory / text
        there = os.path.exists(path)  # noqa: PTH110 - a Path raises where a name is too long
        if there and not any(Path(os.path.realpath(path)).is_relative_to(each) for each in inside):
            yield path


def _texts(options: Mapping[str, object]) -> Iterator[str]:
    for value in flattened(options).values():
        yield from (text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))


def _missing_plugins(run: StoredRun, registry: Registry) -> dict[str, str]:
    """Return the plugins that were active when a run was trained, and are not now: distribution, and with version.

    A record may come from strangers, and people copy the command: only names of distributions are kept.
    """
    active = {plugin.distribution for plugin in registry.plugins if plugin.status == "active"}
    missing = {name: version for name, version in run.active_plugins.items() if name not in active}
    return {name: f"{name} {version}".strip() for name, version in missing.items() if is_distribution(name, version)}
