"""Tables of any format: CSV is read here, other formats by the readers of plugins."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from nnfw.arrays import Array
from nnfw.data.frames import as_frame, columns_of, is_frame, plain_entries
from nnfw.data.input_files import is_pipe, reading
from nnfw.data.table_columns import Kind, Seen, TableColumn
from nnfw.data.table_text import COMPRESSED, NA_VALUES, UNKNOWN, Dialect, Numbers
from nnfw.data.tables import Table, listed, read_csv
from nnfw.errors import DataError, NnfwError, described, did_you_mean, in_words, short
from nnfw.plugins import Registry, TableReaderSpec, default_registry, scheme_of
from nnfw.plugins.registry import import_target
from nnfw.plugins.specs import Declared
from nnfw.toml import STDIN

TEXTS = (".csv", ".tsv", ".txt")
"""Endings of tables in text, which no plugin reads; compressed too."""

_MOST_DIMENSIONS = 2
_EMPTY = frozenset({""})
_MARKS = frozenset(map(str.casefold, NA_VALUES))


def is_text(source: str) -> bool:
    """Return whether a path is that of a table in text, as what is compressed is.

    Examples
    --------
    >>> is_text("pets.CSV"), is_text("pets.tsv.gz"), is_text("pets.parquet")
    (True, True, False)
    """
    return Path(source).suffix.lower() in (*TEXTS, *COMPRESSED) and not scheme_of(source)


@contextmanager
def opened(source: str) -> Iterator[tuple[str | TextIO, str]]:
    """Open the standard input for ``"-"``, or a pipe, and yield it with what messages call it; else the source."""
    if source == STDIN:
        yield sys.stdin, "<stdin>"
    elif is_pipe(source):
        with reading(Path(source), "a CSV table"), Path(source).open(encoding="utf-8") as stream:
            yield stream, source  # its bytes are read, in whatever encoding they are
    else:
        yield source, ""


def is_table(source: str, registry: Registry | None = None) -> bool:
    """Return whether a path or URL is that of a table, by its ending or scheme."""
    return is_text(source) or (registry or default_registry()).table_reader(source) is not None


def read_table(
    source: str | TextIO,
    *,
    directory: Path | None = None,
    table: str = "",
    categorical: Collection[str] = (),
    words: Collection[str] = (),
    dialect: Dialect = UNKNOWN,
    name: str = "",
    registry: Registry | None = None,
) -> Table:
    """Return a table of any format, by the ending of its file or the scheme of its URL.

    What no plugin reads is taken for text, and read by :func:`read_csv`. A reader gives columns by name, arrays
    ``(N,)`` or ``(N, k)``, whose k columns are called ``name_0`` and so on, or a frame. Numbers and booleans become
    numbers, texts words; dates and times words in ISO form, durations seconds. None, NaN and an empty text are missing.
    A column that mixes texts with numbers is read as in a CSV file.

    Raises DataError if it cannot be read, or holds no row; problems of single cells are reported by
    :meth:`Table.columns`, rows counted from 1.

    Parameters
    ----------
    source
        Path or URL, or an open text stream.
    directory
        Where relative paths start; the current one by default.
    table
        Which table of a file that holds several: a sheet, a group, a table of a database or a query.
    categorical
        Columns to keep as words, whatever they hold, none of them missing.
    words
        Columns that hold words, some of which may be missing.
    dialect
        What is known of a text.
    name
        What messages call the table; by default the file's name.
    registry
        The installed readers.
    """
    registry = registry or default_registry()
    reader = registry.table_reader(source) if isinstance(source, str) else None
    if reader is None:
        _require_no_url(source, registry)
        if table:
            raise DataError(f"{name or source}: a text is a single table; there is no {short(table)} in it.")
        path = (directory or Path()) / source if isinstance(source, str) else source
        return read_csv(path, categorical=categorical, words=words, name=name, dialect=dialect)
    assert isinstance(source, str)
    place = source if scheme_of(source) else str((directory or Path()) / source)
    name = name or (f"{scheme_of(source)} {table}".strip() if scheme_of(source) else Path(source).name)
    return table_of(_read(reader, place, table, name), name, categorical, words)


def table_endings(registry: Registry) -> list[str]:
    """Return the endings of tables that are read, in lower case."""
    return [*TEXTS, *(ending for item in registry.table_readers for ending in item.spec.endings)]


def _require_no_url(source: object, registry: Registry) -> None:
    if isinstance(source, str) and (scheme := scheme_of(source)):
        known = [each for item in registry.table_readers for each in item.spec.schemes]
        near = did_you_mean(scheme, known)
        raise DataError(f"There is no reader for {scheme}:// URLs.{near} Those that are read: {listed(known)}.")


def _read(reader: Declared[TableReaderSpec], source: str, table: str, name: str) -> object:
    """Return what a reader gives; DataError or PluginError, with its owner, if it fails."""
    function = import_target(reader)
    try:
        return function(source, table)
    except ImportError as error:
        raise DataError(f"{name}: {in_words(error)}. {reader.spec.summary}.") from error
    except NnfwError:
        raise
    except Exception as error:  # whatever a damaged file does to a library
        raise DataError(f"{name}: {reader.title} cannot read it: {in_words(error)}") from error


def table_of(found: object, name: str, categorical: Collection[str] = (), words: Collection[str] = ()) -> Table:
    """Return columns by name, or a frame, as a table; DataError unless they fit together.

    Examples
    --------
    >>> table = table_of({"age": [31, None], "city": ["Oslo", "Bern"]}, "people")
    >>> table.columns(["age", "city"], missing=["age"])
    {'age': array([31., nan]), 'city': array(['Oslo', 'Bern'], dtype='<U4')}
    """
    frame = as_frame(found, name)
    columns = columns_of(frame) if is_frame(frame) else frame
    if not isinstance(columns, Mapping) or not all(isinstance(each, str) for each in columns):
        raise DataError(f"{name}: expected columns by name, or a frame, got {described(found)}.")
    arrays = {each: array for key, values in columns.items() for each, array in _arrays(key, values, name).items()}
    lengths = {each: len(array) for each, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{each!r}: {length:,}" for each, length in lengths.items())
        raise DataError(f"{name}: columns must have the same length, got {told}. Say which table is meant.")
    if not any(lengths.values()):
        raise DataError(f"{name} holds no {'row' if arrays else 'column'}; at least one is needed.")
    length = next(iter(lengths.values()))
    rows = array("q", range(1, length + 1))
    made = {
        each: _column(each, place, rows, values, each in categorical, each in words)
        for place, (each, values) in enumerate(arrays.items(), 1)
    }
    return Table(name, made, length)


def _arrays(name: str, values: object, owner: str) -> dict[str, Array]:
    """Return a column as an array, one of k columns as k arrays."""
    try:
        # NumPy makes texts of numbers beside texts
        column = np.fromiter(values, object, len(values)) if isinstance(values, list | tuple) else np.asarray(values)
        if column.dtype.kind == "S":
            column = np.char.decode(column, "utf-8")
    except Exception as error:  # a stranger's __array__
        raise DataError(f"{owner}: column {name!r} cannot be made an array: {in_words(error)}") from error
    if column.ndim == _MOST_DIMENSIONS and column.dtype.kind in "fiub":
        return {f"{name}_{index}": column[:, index] for index in range(column.shape[1])}
    if column.ndim == 1:
        return {name: column}
    if column.ndim == 0:
        raise DataError(f"{owner}: column {name!r} must have an entry for each row, got {short(values)}.")
    entries = np.empty(len(column), object)
    entries[:] = list(column)
    return {name: entries}


def _column(name: str, place: int, rows: array[int], values: Array, verbatim: bool, words: bool) -> TableColumn:
    column = plain_entries(values)
    if column.dtype.kind in "fiub" and not (verbatim or words):
        return _Numbers(name, place, rows, column)
    entries = column.tolist()
    odd = [k for k, entry in enumerate(entries) if not isinstance(entry, str | float | int | np.number | None)]
    if odd:
        return _Nested(name, place, rows, entries[odd[0]], odd[0])
    cells = ["" if entry is None or entry != entry else _written(entry) for entry in entries]
    if verbatim or words or all(entry is None or isinstance(entry, str) for entry in entries):
        return _Words(name, place, rows, cells, verbatim, verbatim or words)
    mixed = _Mixed(name, place, rows, cells)
    return _Mixed(name, place, rows, cells, mixed.kind) if mixed.changed else mixed


def _written(cell: object) -> str:
    """Return a value as a word: a whole number without a decimal point, as it stands in a CSV file."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


class _NoNumbers(Numbers):
    """Texts stay words, whatever they look like: their format says so."""

    def __init__(self) -> None:
        super().__init__(".", "")

    def parse(self, cell: str) -> float | None:
        """Return None."""
        return None


_PLAIN, _NEVER = Numbers(".", ""), _NoNumbers()


class _Typed(TableColumn):
    """A column of a format that has rows, not lines."""

    unit = "row"


class _Words(_Typed):
    def __init__(self, name: str, place: int, rows: array[int], cells: list[str], verbatim: bool, asked: bool) -> None:
        super().__init__(name, place, rows, _EMPTY, _NEVER, verbatim, "words")
        self.extend(cells)
        self._empty = not (asked or any(cells))

    @property
    def kind(self) -> Kind:
        """Words, if there is one or they were asked for."""
        return "empty" if self._empty else "words"


class _Mixed(_Typed):
    """Texts among numbers, as cells of a sheet may be: as in a CSV file."""

    def __init__(self, name: str, place: int, rows: array[int], cells: list[str], known: Kind | None = None) -> None:
        super().__init__(name, place, rows, _MARKS, _PLAIN, False, known)
        self.extend(cells)


class _Numbers(_Typed):
    def __init__(self, name: str, place: int, rows: array[int], values: Array) -> None:
        super().__init__(name, place, rows, _EMPTY, _PLAIN, False, "numbers")
        self.take(values)


class _Nested(_Typed):
    """A column of lists or other things that are neither numbers nor words."""

    def __init__(self, name: str, place: int, rows: array[int], entry: object, first: int) -> None:
        super().__init__(name, place, rows, _EMPTY, _NEVER, False, "words")
        self._first = first
        self._entry = entry.tolist() if isinstance(entry, np.ndarray) else entry

    @property
    def kind(self) -> Kind:
        """Neither numbers nor words."""
        return "other"

    def problem(self, numeric: bool, missing: bool) -> str:
        """Return what it holds."""
        return (
            f"{self._line(self._first)}: column {self.name!r}: expected a number or a text, got {short(self._entry)}. "
            "Leave it out of the features, or make columns of it."
        )

    def hint(self) -> str:
        """Return what to do about it."""
        return f"neither numbers nor words, such as {short(self._entry)}: exclude it"

    def seen(self) -> Seen:
        """Return nothing but an example."""
        return Seen(0, 0, (short(self._entry),))
