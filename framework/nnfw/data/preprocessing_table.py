"""A preprocessing as the table that a model file holds, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import MaxLen, MinLen

from nnfw.configuration import build, to_table
from nnfw.data.columns import Column
from nnfw.data.examples import categorical
from nnfw.data.preprocessing import Preprocessing
from nnfw.data.tables import repeated
from nnfw.errors import ConfigError, DataError, Mistake, short

if TYPE_CHECKING:
    from nnfw.plain import PlainTable
    from nnfw.plugins import Registry

_MOST_WORK = 1 << 22  # numbers that transforms may make of one example
_MOST_ROOM = 1 << 24  # characters, in an array that gives each class the room of the longest
_Word = Annotated[str, MaxLen(1000)]  # an array of words gives each of them the room of the longest


@dataclass(frozen=True)
class _Stored:
    columns: Annotated[tuple[Column, ...], MinLen(1)]
    target: Column | None = None
    classes: Annotated[tuple[_Word, ...], MinLen(1)] | None = None


def describe_preprocessing(preprocessing: Preprocessing, registry: Registry) -> PlainTable:
    """Return a preprocessing as plain values, fit for JSON.

    Raises PluginError if a transform belongs to no installed plugin.
    """
    stored = _Stored(preprocessing.columns, preprocessing.target_column, preprocessing.classes)
    return to_table(stored, registry.describe)


def build_preprocessing(table: object, registry: Registry) -> Preprocessing:
    """Return the preprocessing that :func:`describe_preprocessing` described.

    ConfigError lists every mistake in the table, such as a transform that is not installed. DataError or
    PluginError if a transform cannot be applied with the values fitted.
    """
    if not isinstance(table, Mapping):
        raise ConfigError([Mistake(("preprocessing",), f"must be a table, got {short(table)}.")])
    try:
        found: _Stored = build(_Stored, table, registry.resolve)
    except ConfigError as error:
        raise ConfigError([mistake.under("preprocessing") for mistake in error.mistakes]) from error
    columns, target, classes = found.columns, found.target, found.classes
    _require_different("columns", (column.name for column in columns))
    _require_different("classes", classes or ())
    _require_room(classes or ())
    work = sum(column.work for column in (*columns, *([target] if target else ())))
    if work > _MOST_WORK:
        raise DataError(f"Transforms may make {_MOST_WORK:,} numbers of one example, these make {work:,}.")
    for column in columns:
        if categorical(column.require_sound()):
            raise DataError(f"Column {column.name!r} gives words, which a network cannot take.")
    if target is not None:
        target.require_sound()
    return Preprocessing(columns, target, classes)


def _require_different(what: str, names: Iterable[str]) -> None:
    if twice := repeated(names):
        raise ConfigError([Mistake(("preprocessing", what), f"must be different names, got {short(twice[0])} twice.")])


def _require_room(classes: tuple[str, ...]) -> None:
    room = len(classes) * max(map(len, classes), default=0)
    if room > _MOST_ROOM:
        raise DataError(
            f"{len(classes):,} classes with the room of the longest have {room:,} characters; {_MOST_ROOM:,} are the "
            "most. Shorten their names."
        )
