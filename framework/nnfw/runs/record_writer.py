"""The directory of a run: which files it holds, and the record of how they came to be."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

from nnfw.errors import ConfigError, DataError, FileFormatError, Mistake
from nnfw.experiments.experiment import ExperimentFile, check_experiment, table_of
from nnfw.experiments.preparation import Prepared
from nnfw.machine import describe_environment, installed_distributions
from nnfw.plugins import Registry
from nnfw.plugins.specs import is_distribution
from nnfw.runs.git import describe_commit
from nnfw.runs.reading import (
    EXPERIMENT,
    RECORD,
    RECORD_FORMAT,
    RecordedRun,
    read_document,
    read_run,
    this_process,
)
from nnfw.runs.trust import resume_command
from nnfw.storage import LOCK, TEMPORARY, Directory, jsonable, locked, replace_file
from nnfw.toml.document import apply_overrides, write

_LONGEST_NAME = 100  # bytes of an experiment's name in that of its directory


class RunRecord:
    """What ``record.json`` says of a run, from its start to its end, and the plugins that observe it.

    Nothing is written before :meth:`start`.

    Parameters
    ----------
    directory
        The run's directory, locked.
    file, prepared
        The experiment.
    registry
        The installed plugins.
    resumed
        Whether the directory holds a run already, which goes on.
    """

    def __init__(
        self,
        directory: Directory,
        file: ExperimentFile,
        prepared: Prepared,
        registry: Registry,
        *,
        resumed: bool = False,
    ) -> None:
        self.directory = directory
        self.registry = registry
        self.resume_command = resume_command(file, directory.path, registry)
        self.started, self._resumed = False, resumed
        now = _now()
        before = read_run(directory.path) if resumed else None
        self._table = table_of(prepared.experiment, registry)
        self._content: dict[str, Any] = {
            "format": RECORD_FORMAT,
            "name": prepared.experiment.name,
            "status": "running",
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
            "distributions": installed_distributions(),
            "environment": describe_environment(),
            "git": describe_commit(file.directory),
            "process": this_process(),
            "started": (before and before.get("started")) or now,
            "resumed": [*(before.get("resumed") or []), now] if before else [],
        }

    def start(self) -> None:
        """Write experiment and record, and notify the plugins.

        The record comes last: without it, there is no run yet. If it cannot be written, a new directory is left as it
        was.
        """
        try:
            self._replace(EXPERIMENT, write(self._table))
            self._write()
        except BaseException:
            for name in () if self._resumed else (RECORD, EXPERIMENT):
                with suppress(OSError):
                    self.directory.remove(name)
            raise
        self.started = True
        self.registry.notify("nnfw_run_started", {"directory": self.directory.path, "experiment": self._table})

    def end(self, status: str, outcome: Mapping[str, Any]) -> None:
        """Write how the run has ended, and notify the plugins; nothing if it has not started."""
        if not self.started:
            return
        self._content |= {"status": status, "ended": _now(), **outcome}
        self._write()
        self.registry.notify("nnfw_run_ended", {"directory": self.directory.path, "record": self._content})

    def _write(self) -> None:
        self._replace(RECORD, json.dumps(jsonable(self._content), indent=2) + "\n")

    def _replace(self, name: str, text: str) -> None:
        replace_file(self.directory.path / name, text.encode(), inside=self.directory)


def new_directory(name: str) -> Path:
    """Return ``runs/<name>-<time>``, not there yet, where `name` keeps only what every file system takes."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip(".-").encode()[:_LONGEST_NAME].decode(errors="ignore") or "run"
    first = Path("runs") / f"{plain}-{datetime.now():%Y%m%d-%H%M%S}"
    return next(path for path in _and_others(first) if not path.exists())


def _and_others(first: Path) -> Iterator[Path]:
    return chain([first], (first.with_name(f"{first.name}-{number}") for number in count(2)))


def require_writable(directory: Path) -> None:
    """Refuse a directory that holds something or cannot be made, before any work is done; DataError says which."""
    if (directory / LOCK).exists():
        with locked(directory) as held:  # refused at once, before any data is read; or a killed process has left it
            _remove_beginning(held)
    require_empty(directory)
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise DataError(f"{directory} cannot be written: {existing} is no directory that may be written to.")


def _remove_beginning(directory: Directory) -> None:
    """Remove what a run killed before its record was written has left: temporary files, and its experiment.

    Its lock, which the caller has taken over, shows that the experiment is not somebody's own file.
    """
    directory.remove_left_overs()
    if set(directory.names()) == {LOCK, EXPERIMENT}:
        directory.remove(EXPERIMENT)


def require_empty(directory: Path) -> None:
    """Refuse a directory that holds something else than a lock and left-overs of writing; DataError says so."""
    names = {name for name in _names(directory) if name != LOCK and not TEMPORARY.fullmatch(name)}
    if RECORD in names:
        command = f"nnfw resume {shlex.quote(str(directory))}"
        raise DataError(f"{directory} holds a run already. Go on with it: {command}, or choose another with --out.")
    if names:
        raise DataError(f"{directory} is not empty. Choose another directory with --out.")


def _names(directory: Path) -> list[str]:
    try:
        return Directory(directory).names()
    except OSError:  # it is not there, or its place cannot be written to, which is found next
        return []


@contextmanager
def made(directory: Path, *, new: bool = False) -> Iterator[Path]:
    """Make a directory, and the folders above it; what the body leaves empty when it fails is removed again.

    Parameters
    ----------
    directory
        Where it is wanted.
    new
        Whether it gets another name if it is there, made by a process that was started at the same time.

    Raises
    ------
    DataError
        If it cannot be made.
    """
    absent = [path for path in directory.absolute().parents if not path.exists()]
    is_there = directory.exists() and not new
    try:
        directory = _make(directory, new=new)
    except OSError as error:
        raise DataError(f"{directory} cannot be made: {error.strerror}. Choose another with --out.") from error
    try:
        yield directory
    except BaseException:
        with suppress(OSError):  # of one that is not empty
            for path in absent if is_there else (directory, *absent):
                path.rmdir()
        raise


def _make(directory: Path, *, new: bool) -> Path:
    if not new:
        directory.mkdir(parents=True, exist_ok=True)
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    return next(path for path in _and_others(directory) if _is_made(path))


def _is_made(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def open_run(
    path: Path, registry: Registry, overrides: Iterable[str] = (), *, data_directory: Path | None = None
) -> ExperimentFile:
    """Return the experiment of a run's directory, with the folder in which its data lies.

    Parameters
    ----------
    path, registry
        The directory, and where names are looked up.
    overrides
        ``"training.epochs=5"`` and the like.
    data_directory
        Where relative paths of the data start; by default where they did.

    Raises
    ------
    FileFormatError
        If the directory holds no run.
    ConfigError
        If the experiment cannot be built any more; says which plugins were there when it could.
    """
    run = read_run(path)
    directory = data_directory or Path(_required(run, "data", "directory"))
    document = apply_overrides(read_document(path), overrides)
    try:
        return ExperimentFile(check_experiment(document, registry), document, directory)
    except ConfigError as error:
        missing = _missing_plugins(run, registry)
        if not missing:
            raise
        text = f"{', '.join(missing.values())} was active when it ran, and is not now: pip install {' '.join(missing)}"
        raise ConfigError([*error.mistakes, Mistake((), f"{path}: {text}")], error.owner) from error


def recorded_fingerprint(path: Path) -> str:
    """Return the SHA-256 of the data that a run was trained on; FileFormatError if the directory holds no run."""
    return str(_required(read_run(path), "data", "sha256"))


def has_finished(path: Path) -> bool:
    """Return whether a run has come to its end; FileFormatError if the directory holds no run."""
    return bool(read_run(path).get("status") == "finished")


def _missing_plugins(run: RecordedRun, registry: Registry) -> dict[str, str]:
    """Return the plugins that were active when a run was trained, and are not now: distribution, and with version.

    A record may come from others, and people copy the command: what is not the name of a distribution is left out.
    """
    active = {plugin.distribution for plugin in registry.plugins if plugin.status == "active"}
    before = {
        item["distribution"]: item.get("version", "")
        for item in run.get("plugins") or ()
        if item.get("status") == "active" and "distribution" in item
    }
    missing = {name: version for name, version in before.items() if name not in active}
    return {name: f"{name} {version}".strip() for name, version in missing.items() if is_distribution(name, version)}


def _required(run: RecordedRun, *keys: str) -> Any:
    value = run.get(*keys)
    if value is None:
        raise FileFormatError(f"{run.path} holds no run that can be read: {RECORD} lacks {'.'.join(keys)}.")
    return value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
