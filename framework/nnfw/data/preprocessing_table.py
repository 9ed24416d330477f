"""A preprocessing as plain tables, which a model file holds as JSON, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, MaxLen, MinLen

from nnfw.configuration import build
from nnfw.data.columns import Column, Step
from nnfw.data.examples import categorical
from nnfw.errors import ConfigError, DataError, Mistake, short
from nnfw.protocols import Transform

if TYPE_CHECKING:
    from nnfw.data.preprocessing import Preprocessing
    from nnfw.plugins import Registry

Parts = tuple[tuple[Column, ...], Column | None, tuple[str, ...] | None]
"""What a preprocessing consists of: feature columns, target column and classes."""

_MOST_WORK = 1 << 22  # numbers that transforms may make of one example
_MOST_ROOM = 1 << 24  # characters, in an array that gives each class the room of the longest
_Size = Annotated[int, Ge(1)]
_Word = Annotated[str, MaxLen(1000)]  # an array of words gives each of them the room of the longest


@dataclass(frozen=True)
class _StepTable:
    transform: Transform | str
    fitted: dict[str, Any]


@dataclass(frozen=True)
class _ColumnTable:
    name: str
    kind: Literal["numeric", "integer", "categorical"]
    shape: tuple[_Size, ...]
    output_shape: tuple[_Size, ...]
    steps: tuple[_StepTable, ...]

    def column(self) -> Column:
        steps = tuple(Step(step.transform, step.fitted) for step in self.steps)  # type: ignore[arg-type]  # resolved
        return Column(self.name, self.kind, self.shape, self.output_shape, steps)


@dataclass(frozen=True)
class _PreprocessingTable:
    columns: Annotated[tuple[_ColumnTable, ...], MinLen(1)]
    target: _ColumnTable | None = None
    classes: Annotated[tuple[_Word, ...], MinLen(1)] | None = None


def to_table(preprocessing: Preprocessing, registry: Registry) -> dict[str, Any]:
    """Return a preprocessing as plain values; PluginError if a transform belongs to no installed plugin."""
    table: dict[str, Any] = {"columns": [_column_table(column, registry) for column in preprocessing.columns]}
    if preprocessing.target_column is not None:
        table["target"] = _column_table(preprocessing.target_column, registry)
    if preprocessing.classes is not None:
        table["classes"] = list(preprocessing.classes)
    return table


def from_table(table: Any, registry: Registry) -> Parts:
    """Return the parts of the preprocessing that :func:`to_table` described.

    Raises
    ------
    ConfigError
        With every mistake in the table, a transform that is not installed among them.
    DataError, PluginError
        If a transform cannot be applied with the values fitted.
    """
    if not isinstance(table, Mapping):
        raise ConfigError([Mistake(("preprocessing",), f"must be a table, got {short(table)}.")])
    try:
        found: _PreprocessingTable = build(_PreprocessingTable, table, registry.resolve)
    except ConfigError as error:
        raise ConfigError([mistake.under("preprocessing") for mistake in error.mistakes]) from error
    _require_different("columns", (column.name for column in found.columns))
    _require_different("classes", found.classes or ())
    _require_room(found.classes or ())
    columns = tuple(column.column() for column in found.columns)
    target = None if found.target is None else found.target.column()
    work = sum(column.work for column in (*columns, *([target] if target else ())))
    if work > _MOST_WORK:
        raise DataError(f"Transforms may make {_MOST_WORK:,} numbers of one example, these make {work:,}.")
    for column in columns:
        if categorical(column.require_sound()):
            raise DataError(f"Column {column.name!r} gives words, which a network cannot take.")
    if target is not None:
        target.require_sound()
    return columns, target, found.classes


def _require_different(what: str, names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ConfigError(
            [Mistake(("preprocessing", what), f"must be different names, got {short(repeated[0])} twice.")]
        )


def _require_room(classes: tuple[str, ...]) -> None:
    room = len(classes) * max(map(len, classes), default=0)
    if room > _MOST_ROOM:
        raise DataError(
            f"{len(classes):,} classes with the room of the longest have {room:,} characters; {_MOST_ROOM:,} are the "
            "most. Shorten their names."
        )


def _column_table(column: Column, registry: Registry) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "shape": list(column.shape),
        "output_shape": list(column.output_shape),
        "steps": [
            {"transform": registry.describe("transform", step.transform), "fitted": dict(step.fitted)}
            for step in column.steps
        ],
    }
