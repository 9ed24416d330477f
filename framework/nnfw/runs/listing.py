"""The runs in a folder: found, filtered, sorted. No NumPy and no plugin is imported."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nnfw.errors import ConfigError, DataError, FileFormatError, did_you_mean, in_words
from nnfw.experiments.component_text import parse_value
from nnfw.runs.layout import EXPERIMENT, METRICS, MODEL, RECORD
from nnfw.runs.reading import is_number, read_document, read_run
from nnfw.toml import flattened

BROKEN = "broken"
"""The status of a directory whose files cannot be read as a run."""

_VALUES = ("status", "started", "seconds", "epochs", "name", "reason")
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*(?P<key>.+?)\s*(?P<sign><=|>=|!=|==?|<|>)\s*(?P<value>.*?)\s*", re.DOTALL)
_NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, eq=False)
class ListedRun:
    """A run in a list: its directory; what :class:`~nnfw.runs.StoredRun` knows, None if not known; and its figures."""

    path: Path
    values: Mapping[str, Any]
    figures: Mapping[str, float]

    def value(self, key: str) -> object:
        """Return a value, a figure, or the entry of the experiment with a dotted key; None if there is none."""
        for table in (self.values, self.figures):
            if key in table:
                return table[key]
        return self.experiment().get(key)

    def experiment(self) -> dict[str, object]:
        """Return the entries of the experiment by dotted keys; empty if it cannot be read."""
        with suppress(FileFormatError):
            return flattened(read_document(self.path).table)
        return {}


def list_runs(
    folder: Path, where: Iterable[str] = (), sort: str = "started", *, reverse: bool = False
) -> list[ListedRun]:
    """Return the runs in a folder.

    DataError if there is no such folder; ConfigError if a condition cannot be read, or no run has a value for a key.

    Parameters
    ----------
    folder
        It holds the directories of runs, or is one itself.
    where
        Conditions ``"status=finished"``, ``"test accuracy>0.97"``, ``"optimizer.learning_rate<=0.01"``: a key, one of
        = != < <= > >=, and a TOML value or a bare word. All must hold; a run without a value meets none.
    sort
        The key to sort by; runs without a value come first.
    reverse
        Whether to sort the largest first, and runs without a value last.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder. Name one that holds runs.")
    conditions = [_condition(text) for text in where]
    runs = [_listed(path) for path in _directories(folder)]
    for key in (*(key for key, _, _ in conditions), sort):
        _require_known(key, runs)
    kept = [run for run in runs if all(_holds(run.value(key), sign, value) for key, sign, value in conditions)]
    return sorted(kept, key=lambda run: (_order(run.value(sort)), str(run.path)), reverse=reverse)


def condition_keys(where: Iterable[str]) -> list[str]:
    """Return the keys of conditions in the form that :func:`list_runs` takes.

    Examples
    --------
    >>> condition_keys(["status = finished", "test accuracy>0.97"])
    ['status', 'test accuracy']
    """
    return [_condition(text)[0] for text in where]


def _directories(folder: Path) -> list[Path]:
    """Return the directories that hold a file of a run: `folder` itself, or those in it."""
    below = [path for path in [folder, *sorted(folder.iterdir())] if path.is_dir()]
    return [path for path in below if any((path / name).exists() for name in (EXPERIMENT, METRICS, MODEL, RECORD))]


def _listed(path: Path) -> ListedRun:
    try:
        run = read_run(path)
        values = {"run": path.resolve().name, **{key: getattr(run, key) for key in _VALUES}}
        return ListedRun(path, values, run.figures)
    except FileFormatError as error:
        reason = in_words(error).removeprefix(f"{path} holds no run that can be read: ").removeprefix(f"{path}{os.sep}")
        known = {"run": path.name, "status": BROKEN, "reason": reason}
        return ListedRun(path, {**dict.fromkeys(("run", *_VALUES)), **known}, {})


def _condition(text: str) -> tuple[str, str, object]:
    found = _CONDITION.fullmatch(text)
    if not found:
        raise ConfigError(f"--where {text!r} has no comparison. Write KEY=VALUE, KEY>VALUE, or one of != < <= >=.")
    return found["key"], found["sign"].replace("==", "="), parse_value(found["value"])


def _require_known(key: str, runs: Sequence[ListedRun]) -> None:
    if not runs or any(key in run.values or run.value(key) is not None for run in runs):
        return
    shown = dict.fromkeys(name for run in runs for name in (*run.values, *run.figures))
    known = shown | dict.fromkeys(name for run in runs for name in run.experiment())
    text = f"No run has a value for {key!r}.{did_you_mean(key, known)} Known are the experiments' keys, and"
    raise ConfigError(f"{text} {', '.join(shown)}.")


def _holds(value: object, sign: str, expected: object) -> bool:
    """Compare two numbers, or else two texts; of a time, as many characters as the expected text has."""
    if isinstance(value, datetime):
        value, expected = value.astimezone().isoformat(" ")[: len(str(expected))], str(expected)
    if not (is_number(value) and is_number(expected)):
        value, expected = _text(value), _text(expected)
    return value is not None and _COMPARISONS[sign](value, expected)


def _text(value: object) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _order(value: object) -> tuple[int, float, str]:
    """Return a sort key for the values of a column: missing values, then numbers and times, then texts."""
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, datetime):
        return 1, (value - _NEVER).total_seconds(), ""
    return (1, value, "") if is_number(value) else (2, 0.0, str(value))
