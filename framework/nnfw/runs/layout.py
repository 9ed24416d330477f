"""The files of a run's directory, and the directories of new runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from nnfw.errors import DataError
from nnfw.storage import LOCK, MODEL_FILE, TEMPORARY, Directory, locked

EXPERIMENT, METRICS, LAYERS = "experiment.toml", "metrics.jsonl", "layers.jsonl"
MODEL, RECORD = MODEL_FILE, "record.json"
"""The files of a run's directory."""

PAGE = "report.html"
"""The page that `nnfw report` writes there."""

CROSS_VALIDATION = "cross-validation.json"
"""The results of `nnfw evaluate --cross-validation`."""

THRESHOLD = "threshold.json"
"""The threshold that `nnfw evaluate --threshold` chose."""

CHECKPOINTS = "checkpoints"
"""The folder of a run's checkpoints."""

NAMES = (EXPERIMENT, RECORD, METRICS, LAYERS, MODEL, PAGE, CROSS_VALIDATION, THRESHOLD, LOCK, CHECKPOINTS)
"""Everything that nnfw may write to a run's directory."""

_LONGEST_NAME = 100  # bytes of an experiment's name in that of its directory


def new_directory(name: str) -> Path:
    """Return an unused ``runs/<name>-<time>``; `name` keeps only the characters that every file system takes."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip(".-").encode()[:_LONGEST_NAME].decode(errors="ignore") or "run"
    return unused(Path("runs") / f"{plain}-{datetime.now():%Y%m%d-%H%M%S}")


def unused(first: Path) -> Path:
    """Return a path that does not exist, not even as a link to nothing: `first`, or the same with a number."""
    others = (first.with_name(f"{first.name}-{number}") for number in count(2))
    return next(path for path in chain([first], others) if not os.path.lexists(path))


def require_writable(directory: Path, resume_command: str) -> None:
    """Refuse a directory that holds something or cannot be made, before any work is done; DataError says why.

    If it holds a run, the message advises the command that resumes it.
    """
    if (directory / LOCK).exists():
        with locked(directory) as held:  # held by another run, which is refused here; or left by a killed process
            _remove_beginning(held)
    require_empty(directory, resume_command)
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise DataError(f"{directory} cannot be written: {existing} is not a directory that you may write to.")


def _remove_beginning(directory: Directory) -> None:
    """Remove the files of a run that was killed before its record was written: temporary ones and its experiment.

    The lock, which the caller has taken over, shows that the experiment is not a file of the user.
    """
    directory.remove_left_overs()
    if set(directory.names()) == {LOCK, EXPERIMENT}:
        directory.remove(EXPERIMENT)


def require_empty(directory: Path, resume_command: str) -> None:
    """Refuse a directory that holds more than a lock and temporary files; DataError says so."""
    names = {name for name in _names(directory) if name != LOCK and not TEMPORARY.fullmatch(name)}
    if RECORD in names:
        raise DataError(f"{directory} already holds a run. Resume it: {resume_command}, or choose another with --out.")
    if names:
        raise DataError(f"{directory} is not empty. Choose another directory with --out.")


def _names(directory: Path) -> list[str]:
    try:
        return Directory(directory).names()
    except OSError:  # it does not exist, or cannot be read; require_writable checks its place next
        return []


@contextmanager
def made(directory: Path, *, new: bool = False) -> Iterator[Path]:
    """Make a directory and the folders above it; if the body fails, those that are empty are removed again.

    A `new` directory gets another name if it exists, since another process may just have made it.
    DataError if it cannot be made.
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
        with suppress(OSError):  # it is not empty
            for path in absent if is_there else (directory, *absent):
                path.rmdir()
        raise


def _make(directory: Path, *, new: bool) -> Path:
    while new:
        with suppress(FileExistsError):  # another process may be as fast
            path = unused(directory)
            path.mkdir(parents=True)
            return path
    directory.mkdir(parents=True, exist_ok=True)
    return directory
