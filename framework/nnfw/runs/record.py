"""What ``record.json`` says of a run: its entries, and how they are checked.

Older records lack the entries that were added later.
"""

from __future__ import annotations

import os
import platform
import sys
from datetime import MAXYEAR, MINYEAR, datetime
from functools import cache
from typing import Any, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

from nnfw.errors import FileFormatError, short

RECORD_FORMAT = 1
STATUSES = ("running", "finished", "failed", "diverged", "interrupted")
_WORDS = {bool: "true or false", int: "a whole number", str: "text", dict: "a table", list: "a list"}
_types_of = cache(get_type_hints)


class DataEntry(TypedDict, total=False):
    """The data: where its paths start, its hash, how many examples each part has, and whether they have weights."""

    directory: str
    sha256: str
    examples: dict[str, object]
    weighted: bool


class PluginEntry(TypedDict, total=False):
    """A plugin that was found."""

    distribution: str
    version: str
    status: str


class ThreadsEntry(TypedDict, total=False):
    """The libraries that share the work among threads, and the variables that they look at."""

    libraries: list[object]
    variables: object


class EnvironmentEntry(TypedDict, total=False):
    """Python, packages and machine."""

    python: str
    packages: dict[str, object]
    cpu: dict[str, object]
    platform: dict[str, object]
    threads: ThreadsEntry


class ProcessEntry(TypedDict, total=False):
    """The process that writes the record."""

    id: int
    host: str


class Record(TypedDict, total=False):
    """The entries of ``record.json``; those from `ended` on are written at the end of the run."""

    format: int
    name: str
    status: str
    seed: int
    unit: str
    parameters: int
    data: DataEntry
    plugins: list[PluginEntry]
    distributions: dict[str, object]
    environment: EnvironmentEntry
    git: object
    process: ProcessEntry
    started: str
    resumed: list[str]
    ended: str
    epochs: int
    stopped: str
    warning: str
    verdicts: list[str]
    reason: str
    exit: int
    accelerator: str
    results: dict[str, dict[str, object]]
    baseline: dict[str, dict[str, object]]
    constant: list[object]


def checked_record(value: object) -> Record:
    """Return what a ``record.json`` holds as a record; an entry that is null counts as missing.

    FileFormatError if an entry has the wrong type or a value that makes no sense.
    """
    if not isinstance(value, dict):
        raise FileFormatError(f"expected a table, got {short(value)}.")
    found = value.get("format")
    if type(found) is int and found > RECORD_FORMAT:
        raise FileFormatError(
            f"has format {found}, this nnfw reads formats up to {RECORD_FORMAT}. Install a newer nnfw."
        )
    record: Record = _checked(value, Record, "")
    if record.get("status") not in STATUSES:
        raise FileFormatError(f"status must be one of {', '.join(STATUSES)}, got {short(record.get('status'))}.")
    for key, text in (("started", record.get("started")), ("ended", record.get("ended"))):
        if text is not None and time_of(text) is None:
            raise FileFormatError(f"{key} must be a time with its zone, got {short(text)}.")
    return record


def _checked(value: Any, expected: Any, place: str) -> Any:
    """Return a value of the expected type; an entry that the type does not name may be anything."""
    if expected is object:
        return value
    kind = dict if is_typeddict(expected) else get_origin(expected) or expected
    if type(value) is not kind:
        raise FileFormatError(f"{place} must be {_WORDS[kind]}, got {short(value)}.")
    if isinstance(value, int) and value < 0:
        raise FileFormatError(f"{place} must be 0 or more, got {value}.")
    if is_typeddict(expected):
        types = _types_of(expected)
        return {
            key: _checked(item, types.get(key, object), f"{place}.{key}".lstrip("."))
            for key, item in value.items()
            if item is not None or types.get(key, object) is object
        }
    if kind is list:
        return [_checked(item, get_args(expected)[0], f"{place}[]") for item in value]
    if kind is dict:
        return {key: _checked(item, get_args(expected)[1], f"{place}[]") for key, item in value.items()}
    return value


def time_of(text: str | None) -> datetime | None:
    """Return the time that an entry holds; None if it is none, or lacks its zone."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo and MINYEAR < time.year < MAXYEAR else None  # so that every other zone has it, too


def this_process() -> ProcessEntry:
    """Return the entry of the process that writes a record."""
    return {"id": os.getpid(), "host": platform.node()}


def is_alive(process: ProcessEntry) -> bool:
    """Return whether the process of a record may still be there."""
    number = process.get("id")
    if number is None or process.get("host") != platform.node() or sys.platform == "win32":
        return True  # on Windows, a signal 0 is a real one
    try:
        os.kill(number, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
