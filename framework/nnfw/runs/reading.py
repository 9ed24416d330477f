"""Reading a run from its directory, without NumPy and without any plugin."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias, TypeGuard

from nnfw.errors import FileFormatError, readable, short
from nnfw.plain import jsonable
from nnfw.runs.layout import EXPERIMENT, LAYERS, METRICS, RECORD, THRESHOLD
from nnfw.runs.record import DataEntry, EnvironmentEntry, Record, checked_record, is_alive, time_of
from nnfw.storage import Directory, open_regular
from nnfw.toml import Document, flattened, read

KILLED = "killed"
"""The status of a run whose record says that it is running, although its process is gone."""

PARTS = ("training", "validation", "test")
VALIDATION = "validation_"
_LARGEST = {RECORD: 16 << 20, METRICS: 256 << 20, LAYERS: 256 << 20, THRESHOLD: 1 << 20}
# bytes; a record has some 10,000, a million epochs 200 MiB, a hundred looks at 10,000 layers 80 MiB
_MINUTE = 60  # seconds; an hour has as many minutes
_FEW_SECONDS = 10  # below, tenths are shown
_FORMER_ADVICE = (" Its state is in ", " Continue with: ")  # in older records, with a path that may have changed since
_NOT_FIGURES = ("epoch", "learning_rate")

EpochValue: TypeAlias = "float | list[EpochValue] | None"
"""What an epoch records under one name: a number, a matrix, or None for a number that was not finite."""

EpochRow: TypeAlias = Mapping[str, EpochValue]
"""A line of ``metrics.jsonl``: the number of the epoch, its learning rate, cost and metrics. Or of ``layers.jsonl``."""


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A run, as read from its directory; the record is what ``record.json`` holds."""

    path: Path
    record: Record = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.record.get("name") or self.path.name

    @property
    def status(self) -> str:
        """How it ended: one of ``STATUSES``, or ``KILLED``."""
        status = self.record["status"]
        return KILLED if status == "running" and not is_alive(self.record.get("process", {})) else status

    @property
    def started(self) -> datetime | None:
        """When it started; None if that was not recorded."""
        return time_of(self.record.get("started"))

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far; for a killed run, until its last epoch.

        None if it is not known: nothing was recorded, or the clock was set back.
        """
        ended = time_of(self.record.get("ended"))
        if ended is None:
            ended = datetime.now(UTC) if self.status == "running" else _changed(self.path / METRICS)
        seconds = (ended - self.started).total_seconds() if ended and self.started else -1.0
        return seconds if seconds >= 0 else None

    @property
    def unit(self) -> str:
        """In which unit cost and metrics are, in words; empty if nothing transforms the target."""
        if "unit" in self.record:
            return self.record["unit"]
        options = flattened(read_document(self.path).table)
        transformed = any(name.startswith("data.target_transforms[") for name in options)
        return "Cost and metrics are those of the target after its transforms." if transformed else ""

    @property
    def epochs(self) -> int:
        """Number of completed epochs."""
        return self.record["epochs"] if "epochs" in self.record else len(self.history)

    @property
    def reason(self) -> str:
        """Why it ended as it did; empty if there is nothing to say."""
        text = readable(self.record.get("reason") or self.record.get("stopped") or "")
        for advice in _FORMER_ADVICE:
            text = text.partition(advice)[0]
        return text

    @property
    def data(self) -> DataEntry:
        """What the record says of the data."""
        return self.record.get("data", {})

    @property
    def environment(self) -> EnvironmentEntry:
        """What the record says of Python, packages and machine."""
        return self.record.get("environment", {})

    def data_entry(self, key: Literal["directory", "sha256"]) -> str:
        """Return an entry about the data; FileFormatError if the record lacks it."""
        value = self.data.get(key)
        if value is None:
            raise FileFormatError(f"{self.path} holds no run that can be read: {RECORD} lacks data.{key}.")
        return value

    @property
    def active_plugins(self) -> dict[str, str]:
        """The versions of the plugins that were active, by distribution; empty text if the version was not recorded."""
        return {
            item["distribution"]: item.get("version", "")
            for item in self.record.get("plugins", [])
            if item.get("status") == "active" and "distribution" in item
        }

    @cached_property
    def history(self) -> tuple[EpochRow, ...]:
        """A row for every epoch; a last line that was cut off is left out, any other damage is a FileFormatError."""
        path = self.path / METRICS
        return tuple(_rows(path, read_file(path))) if path.exists() else ()

    @cached_property
    def layers(self) -> tuple[EpochRow, ...]:
        """A row for every look at the layers: epoch, and for each node ``NODE.delta``, ``NODE.outputs``, ``NODE.dead``.

        Older runs have none; damage as for :attr:`history`.
        """
        path = self.path / LAYERS
        return tuple(_rows(path, read_file(path))) if path.exists() else ()

    @property
    def figures(self) -> dict[str, float]:
        """Final cost and metrics, ``"test accuracy"``: of the final model, or else of the last complete epoch."""
        results: Mapping[str, Mapping[str, object]] | None = self.record.get("results")
        if results is None:
            results = _by_part(self.history[-1]) if self.history else {}
        parts = sorted(results, key=lambda part: PARTS.index(part) if part in PARTS else len(PARTS))
        return {f"{part} {name}": value for part in parts for name, value in numbers(results[part]).items()}

    @property
    def best_epoch(self) -> EpochRow:
        """The epoch with the lowest validation cost, or else training cost; empty if there is none."""
        known = [row for row in self.history if _cost(row) is not None]
        return min(known, key=lambda row: _cost(row) or 0.0) if known else {}


def read_run(path: Path) -> StoredRun:
    """Read the record of a run; FileFormatError if the directory holds none, or one that makes no sense."""
    name = f"{path} holds no run that can be read: {RECORD}"
    if path.exists() and not path.is_dir():
        raise FileFormatError(f"{path} is not the directory of a run. Name one that `nnfw runs` lists.")
    content = read_file(path / RECORD)
    try:
        values = jsonable(json.loads(content.decode()))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{name} is not JSON: {error}.") from error
    try:
        return StoredRun(path, checked_record(values))
    except FileFormatError as error:
        raise FileFormatError(f"{name}: {error}") from error


def read_document(path: Path) -> Document:
    """Return the experiment in a run's directory; FileFormatError if it cannot be read, or is a link."""
    return read(path / EXPERIMENT, inside=Directory(path))


def shown_figures(figures: Iterable[str]) -> list[str]:
    """Return the figures to show first: those of the test data, else of the validation data, else of the training."""
    names = list(dict.fromkeys(figures))
    parts = ([name for name in names if name.startswith(f"{part} ")] for part in reversed(PARTS))
    return next(filter(None, parts), names)


def numbers(values: Mapping[str, object]) -> dict[str, float]:
    """Return the entries that are numbers: no matrices, and nothing that was not finite."""
    return {name: value for name, value in values.items() if is_number(value)}


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
    if minutes < _MINUTE:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // _MINUTE:,} h {minutes % _MINUTE:02d} min"


def read_file(path: Path) -> bytes:
    """Return the content of a file of a run; FileFormatError if it cannot be read, is a link, or is too large."""
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


def _rows(path: Path, content: bytes) -> Iterator[EpochRow]:
    """Yield the rows of a file; a process that is killed while it writes cuts off the last line."""
    lines = content.split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # what follows the last newline is nothing, or cut off
        try:
            row = jsonable(json.loads(line.decode()))
        except (ValueError, RecursionError) as error:
            if number == len(lines) - 1:
                return
            raise FileFormatError(f"{path}:{number}: is not JSON: {error}. Restore the file, or remove it.") from error
        if not isinstance(row, dict) or type(row.get("epoch")) is not int:
            raise FileFormatError(f"{path}:{number}: expected a table with the number of an epoch, got {short(row)}.")
        for name, value in row.items():
            if not _are_values(value):
                raise FileFormatError(f"{path}:{number}: {short(name)} must be numbers, got {short(value)}.")
        yield row


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value of JSON or TOML is a number."""
    return type(value) in (int, float)


def _are_values(value: object) -> bool:
    """Return whether a value is a number that a float can hold, None for a number not finite, or a list of these."""
    if isinstance(value, list):
        return all(map(_are_values, value))
    return value is None or (is_number(value) and abs(value) <= sys.float_info.max)


def _by_part(row: EpochRow) -> dict[str, dict[str, object]]:
    """Return cost and metrics of an epoch by part."""
    parts: dict[str, dict[str, object]] = {}
    for name, value in row.items():
        if name not in _NOT_FIGURES:
            part = "validation" if name.startswith(VALIDATION) else "training"
            parts.setdefault(part, {})[name.removeprefix(VALIDATION)] = value
    return parts


def _cost(row: EpochRow) -> float | None:
    return numbers(row).get(f"{VALIDATION}cost" if f"{VALIDATION}cost" in row else "cost")


def _changed(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
