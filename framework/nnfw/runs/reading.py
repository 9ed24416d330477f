"""A run as its directory tells of it, read without NumPy and without any plugin.

Older records lack what was not recorded yet: whatever is missing is None. What is there must be what it should be.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from nnfw.errors import FileFormatError, readable, short
from nnfw.storage import Directory, jsonable, open_regular
from nnfw.toml.document import Document, read

EXPERIMENT, METRICS, MODEL, RECORD = "experiment.toml", "metrics.jsonl", "model.nnfw", "record.json"
"""The files of a run's directory."""

PAGE = "report.html"
"""The page that `nnfw report` writes there."""

RECORD_FORMAT = 1
STATUSES = ("running", "finished", "failed", "diverged", "interrupted")
KILLED = "killed"
"""What a run is called that says that it is running, though its process is no more."""

PARTS = ("training", "validation", "test")
VALIDATION = "validation_"
_LARGEST = {RECORD: 16 << 20, METRICS: 256 << 20}  # bytes; a record has some 10,000, a million epochs 200 MiB
_MINUTE = 60  # seconds; an hour has as many minutes
_FEW_SECONDS = 10  # below, tenths are told
_FORMER_ADVICE = (" Its state is in ", " Continue with: ")  # in older records, with a path that may be another one now
_ROW_KEYS = ("epoch", "learning_rate")

_EACH = "[]"  # stands for every entry of a list or table
# What is in a record, and what it must be if it is there.
_TABLE: Mapping[str, type] = {
    "format": int,
    "name": str,
    "status": str,
    "seed": int,
    "parameters": int,
    "data": dict,
    "data.directory": str,
    "data.sha256": str,
    "data.examples": dict,
    "plugins": list,
    "plugins[]": dict,
    "plugins[].distribution": str,
    "plugins[].version": str,
    "plugins[].status": str,
    "distributions": dict,
    "environment": dict,
    "environment.python": str,
    "environment.packages": dict,
    "environment.cpu": dict,
    "environment.platform": dict,
    "environment.threads": dict,
    "environment.threads.libraries": list,
    "git": dict,
    "process": dict,
    "process.id": int,
    "process.host": str,
    "started": str,
    "resumed": list,
    "resumed[]": str,
    "ended": str,
    "epochs": int,
    "stopped": str,
    "warning": str,
    "reason": str,
    "exit": int,
    "accelerator": str,
    "results": dict,
    "results[]": dict,
}
_WORDS = {int: "a whole number", str: "text", dict: "a table", list: "a list"}


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run's directory.

    Parameters
    ----------
    path
        The directory.
    record
        What ``record.json`` holds, checked.
    """

    path: Path
    record: Mapping[str, Any] = field(repr=False)

    def get(self, *keys: str) -> Any:
        """Return a value of the record, by the keys that lead there; None if it was not recorded."""
        value: Any = self.record
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    @property
    def name(self) -> str:
        """What the experiment is called."""
        return self.get("name") or self.path.name

    @property
    def status(self) -> str:
        """How it ended: one of ``STATUSES``, or ``KILLED``."""
        status: str = self.record["status"]
        return KILLED if status == "running" and not self._lives() else status

    @property
    def started(self) -> datetime | None:
        """When."""
        return _time(self.get("started"))

    @property
    def seconds(self) -> float | None:
        """How long it took, or has been taking; for a run that was killed, until its last epoch.

        None if it is not known: nothing was recorded, or the clock was set back.
        """
        ended = _time(self.get("ended"))
        if ended is None:
            ended = datetime.now(UTC) if self.status == "running" else _changed(self.path / METRICS)
        seconds = (ended - self.started).total_seconds() if ended and self.started else -1.0
        return seconds if seconds >= 0 else None

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        recorded = self.get("epochs")
        return len(self.metrics) if recorded is None else int(recorded)

    @property
    def reason(self) -> str:
        """Why it ended as it did; empty if there is nothing to say."""
        text = readable(self.get("reason") or self.get("stopped") or "")
        for advice in _FORMER_ADVICE:
            text = text.partition(advice)[0]
        return text

    @cached_property
    def metrics(self) -> tuple[dict[str, Any], ...]:
        """The record of every epoch.

        Raises
        ------
        FileFormatError
            If a line cannot be read. A last line that is torn is left out.
        """
        path = self.path / METRICS
        return tuple(_epochs(path, _read(path))) if path.exists() else ()

    @property
    def figures(self) -> dict[str, float]:
        """Final cost and metrics, ``"test accuracy"``: of the final model, or else of the last complete epoch."""
        results = self.get("results")
        if results is None:
            results = _by_part(self.metrics[-1]) if self.metrics else {}
        parts = sorted(results, key=lambda part: PARTS.index(part) if part in PARTS else len(PARTS))
        return {f"{part} {name}": value for part in parts for name, value in numbers(results[part]).items()}

    @property
    def best(self) -> dict[str, Any]:
        """The record of the epoch with the lowest validation cost, or lowest cost where there is none; maybe empty."""
        known = [record for record in self.metrics if _watched(record) is not None]
        return min(known, key=lambda record: _watched(record) or 0.0) if known else {}

    def _lives(self) -> bool:
        """Tell whether the process of the run may still be there."""
        number, host = self.get("process", "id"), self.get("process", "host")
        if number is None or host != platform.node() or sys.platform == "win32":  # there, a signal 0 is a real one
            return True
        try:
            os.kill(number, 0)
        except PermissionError:
            return True
        except (OSError, OverflowError):
            return False
        return True


def this_process() -> dict[str, Any]:
    """Return what a record says of the process that writes it."""
    return {"id": os.getpid(), "host": platform.node()}


def read_run(path: Path) -> RecordedRun:
    """Read the record of a run.

    Raises
    ------
    FileFormatError
        If the directory holds none, or one that makes no sense.
    """
    name = f"{path} holds no run that can be read: {RECORD}"
    if path.exists() and not path.is_dir():
        raise FileFormatError(f"{path} is no directory of a run. Name one, such as those that `nnfw runs` lists.")
    content = _read(path / RECORD)
    try:
        record: Any = jsonable(json.loads(content.decode()))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{name} is not JSON: {error}.") from error
    for problem in _problems(record):
        raise FileFormatError(f"{name}: {problem}")
    return RecordedRun(path, record)


def numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the entries that are numbers: no matrices, and nothing that was not finite."""
    return {name: value for name, value in record.items() if type(value) in (int, float)}


def time_span(seconds: float | None) -> str:
    """Return a time span for people.

    Examples
    --------
    >>> time_span(0.42), time_span(75), time_span(3700), time_span(None)
    ('0.42 s', '1 min 15 s', '1 h 01 min', '')
    """
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return f"{seconds:.2g} s" if seconds < _FEW_SECONDS else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return (
        f"{minutes} min {rest:02d} s" if minutes < _MINUTE else f"{minutes // _MINUTE:,} h {minutes % _MINUTE:02d} min"
    )


def read_document(path: Path) -> Document:
    """Return the experiment in a run's directory; FileFormatError if it cannot be read, or is a link."""
    return read(path / EXPERIMENT, inside=Directory(path))


def _read(path: Path) -> bytes:
    largest = _LARGEST[path.name]
    try:
        with open_regular(path, Directory(path.parent)) as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(largest + 1) if size <= largest else b""
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise FileFormatError(f"{path.parent} holds no run that can be read: {path.name}: {reason}.") from error
    if max(size, len(content)) > largest:
        raise FileFormatError(f"{path} has more than {largest:,} bytes, the most that is read.")
    return content


def _epochs(path: Path, content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the records of a file; its last line may be torn, as a process leaves it that is killed while it writes."""
    lines = content.split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # behind the last end of a line stands nothing, or what is torn
        try:
            record = jsonable(json.loads(line.decode()))
        except (ValueError, RecursionError) as error:
            if number == len(lines) - 1:
                return
            raise FileFormatError(f"{path}:{number}: is not JSON: {error}. Restore the file, or remove it.") from error
        if not isinstance(record, dict) or type(record.get("epoch")) is not int:
            raise FileFormatError(
                f"{path}:{number}: expected a table with the number of an epoch, got {short(record)}."
            )
        for name, value in record.items():
            if not _is_figure(value):
                raise FileFormatError(f"{path}:{number}: {short(name)} must be numbers, got {short(value)}.")
        yield record


def _is_figure(value: Any) -> bool:
    """Return whether a value is a number that a float can hold, None for what was not finite, or a list of these."""
    if isinstance(value, list):
        return all(map(_is_figure, value))
    return value is None or (type(value) in (int, float) and abs(value) <= sys.float_info.max)


def _problems(record: Any) -> Iterator[str]:
    """Yield what is wrong with a record."""
    if not isinstance(record, dict):
        yield f"expected a table, got {short(record)}."
        return
    if type(record.get("format")) is int and record["format"] > RECORD_FORMAT:
        yield f"has format {record['format']}, this nnfw reads formats up to {RECORD_FORMAT}. Install a newer nnfw."
    for place, expected in _TABLE.items():
        for value in _at(record, place):
            if value is None and not place.endswith(_EACH):  # as good as missing
                continue
            if type(value) is not expected:
                yield f"{place} must be {_WORDS[expected]}, got {short(value)}."
            elif isinstance(value, int) and value < 0:
                yield f"{place} must be 0 or more, got {value}."
    if record.get("status") not in STATUSES:
        yield f"status must be one of {', '.join(STATUSES)}, got {short(record.get('status'))}."
    for key in ("started", "ended"):
        if isinstance(record.get(key), str) and _time(record[key]) is None:
            yield f"{key} must be a time with its zone, got {short(record[key])}."


def _at(value: Any, place: str) -> list[Any]:
    """Return the values at a place."""
    found = [value]
    for key in place.replace(_EACH, f".{_EACH}").split("."):
        if key == _EACH:
            found = [item for each in found for item in (each.values() if isinstance(each, dict) else each or ())]
        else:
            found = [each[key] for each in found if isinstance(each, dict) and key in each]
    return found


def _by_part(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the record of an epoch as cost and metrics of each part."""
    parts: dict[str, dict[str, Any]] = {}
    for name, value in record.items():
        if name not in _ROW_KEYS:
            part = "validation" if name.startswith(VALIDATION) else "training"
            parts.setdefault(part, {})[name.removeprefix(VALIDATION)] = value
    return parts


def _watched(record: Mapping[str, Any]) -> float | None:
    return numbers(record).get(f"{VALIDATION}cost" if f"{VALIDATION}cost" in record else "cost")


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo and MINYEAR < time.year < MAXYEAR else None  # so that every other zone has it, too


def _changed(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
