"""The runs in a folder: found, filtered, sorted. Nothing here imports NumPy or a plugin."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nnfw.errors import ConfigError, DataError, FileFormatError, Mistake, did_you_mean, in_words
from nnfw.runs.reading import EXPERIMENT, METRICS, MODEL, RECORD, RecordedRun, read_document, read_run
from nnfw.toml.document import parse
from nnfw.toml.flattening import flattened

BROKEN = "broken"
"""The status of a directory that holds files of a run which cannot be read."""

COLUMNS = ("run", "status", "started", "seconds", "epochs")
_OTHERS = ("name", "reason")
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
    """A run in a list.

    Parameters
    ----------
    path
        Its directory.
    values
        ``run``, ``status``, ``started``, ``seconds``, ``epochs``, ``name`` and ``reason``; None for what is not known.
    figures
        Final cost and metrics by part, ``"test accuracy"``.
    """

    path: Path
    values: Mapping[str, Any]
    figures: Mapping[str, float] = field(default_factory=dict)

    def value(self, key: str) -> Any:
        """Return a value, a figure, or what the experiment says under a dotted key; None if it has none."""
        for table in (self.values, self.figures):
            if key in table:
                return table[key]
        return self._experiment().get(key)

    def known_keys(self) -> list[str]:
        """Return all keys that it has a value for."""
        return [*self.values, *self.figures, *self._experiment()]

    def _experiment(self) -> dict[str, Any]:
        with suppress(FileFormatError):
            return flattened(read_document(self.path).table)
        return {}


def list_runs(
    folder: Path, where: Iterable[str] = (), sort: str = "started", *, reverse: bool = False
) -> list[ListedRun]:
    """Return the runs in a folder.

    Parameters
    ----------
    folder
        It holds directories of runs, or is one.
    where
        Conditions ``"status=finished"``, ``"test accuracy>0.97"``, ``"optimizer.learning_rate<=0.01"``: a key, one of
        = != < <= > >=, and a TOML value or a bare word. All must hold; a run without a value does not fulfil one.
    sort
        A key; runs without a value for it come first.
    reverse
        Largest first, and runs without a value last.

    Raises
    ------
    DataError
        If there is no such folder.
    ConfigError
        If a condition cannot be read, or no run has a value of that key.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder. Name one that holds runs.")
    conditions = [_condition(text) for text in where]
    runs = [_listed(path) for path in _directories(folder)]
    for key in (*(key for key, _, _ in conditions), sort):
        _require_known(key, runs)
    kept = [run for run in runs if all(_holds(run.value(key), sign, value) for key, sign, value in conditions)]
    return sorted(kept, key=lambda run: (_order(run.value(sort)), str(run.path)), reverse=reverse)


def shown_figures(runs: Sequence[ListedRun]) -> list[str]:
    """Return the figures that a list shows: those of the part that is furthest from training."""
    names = list(dict.fromkeys(name for run in runs for name in run.figures))
    for part in ("test", "validation", "training"):
        found = [name for name in names if name.startswith(f"{part} ")]
        if found:
            return found
    return names


def condition_keys(where: Iterable[str]) -> list[str]:
    """Return the keys of conditions, as :func:`list_runs` takes them.

    Examples
    --------
    >>> condition_keys(["status = finished", "test accuracy>0.97"])
    ['status', 'test accuracy']
    """
    return [_condition(text)[0] for text in where]


def _directories(folder: Path) -> list[Path]:
    """Return the directories that hold a file of a run: those below `folder`, or itself."""
    below = [path for path in [folder, *sorted(folder.iterdir())] if path.is_dir()]
    return [path for path in below if any((path / name).exists() for name in (EXPERIMENT, METRICS, MODEL, RECORD))]


def _listed(path: Path) -> ListedRun:
    try:
        run = read_run(path)
        return ListedRun(path, _values(run), run.figures)
    except FileFormatError as error:
        reason = in_words(error).removeprefix(f"{path} holds no run that can be read: ").removeprefix(f"{path}{os.sep}")
        return ListedRun(
            path, dict.fromkeys((*COLUMNS, *_OTHERS)) | {"run": path.name, "status": BROKEN, "reason": reason}
        )


def _values(run: RecordedRun) -> dict[str, Any]:
    values = (run.path.resolve().name, run.status, run.started, run.seconds, run.epochs, run.name, run.reason)
    return dict(zip((*COLUMNS, *_OTHERS), values, strict=True))


def _condition(text: str) -> tuple[str, str, Any]:
    found = _CONDITION.fullmatch(text)
    if not found:
        raise ConfigError(
            [Mistake((), f"--where {text!r} has no comparison. Write KEY=VALUE, KEY>VALUE, or one of != < <= >=.")]
        )
    return found["key"], found["sign"].replace("==", "="), _value(found["value"])


def _value(text: str) -> Any:
    try:
        return parse(f"value = {text}", "--where").table["value"]
    except FileFormatError:
        return text


def _require_known(key: str, runs: Sequence[ListedRun]) -> None:
    if not runs or any(key in run.values or run.value(key) is not None for run in runs):
        return
    known = dict.fromkeys(name for run in runs for name in run.known_keys())
    shown = dict.fromkeys(name for run in runs for name in (*run.values, *run.figures))
    text = f"No run has a value of {key!r}.{did_you_mean(key, known)} Known are what experiments say, and"
    raise ConfigError([Mistake((), f"{text} {', '.join(shown)}.")])


def _holds(value: Any, sign: str, expected: Any) -> bool:
    """Compare two numbers, or else two texts: of a time, so many letters as are given."""
    if isinstance(value, datetime):
        value, expected = value.astimezone().isoformat(" ")[: len(str(expected))], str(expected)
    comparable = _number(value) and _number(expected)
    if not comparable:
        value, expected = _text(value), _text(expected)
    return value is not None and _COMPARISONS[sign](value, expected)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _order(value: Any) -> tuple[int, float, str]:
    """Return what sorts values of one key: what is missing, then numbers and times, then texts."""
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, datetime):
        return 1, (value - _NEVER).total_seconds(), ""
    return (1, value, "") if _number(value) else (2, 0.0, str(value))
