"""Tables of named columns, read from CSV row by row."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from nnfw.arrays import Array
from nnfw.data.date_forms import Dates
from nnfw.data.table_blocks import Block
from nnfw.data.table_columns import ROW, Finding, Kind, Seen, TableColumn
from nnfw.data.table_text import AUTO, UNKNOWN, Dialect, Layout, Numbers, Rows, Spelling, Text, layout_of
from nnfw.data.watching import WATCHER
from nnfw.errors import DataError, did_you_mean, short, shown, warn

_CHARACTERS = 400  # of each column that are split together, if that makes more than the least: many calls cost more
_SHOWN = 12  # names that a message lists
_MARKS = ",;\t|"  # possible delimiters


class Table:
    r"""Columns by name, as :func:`read_csv` reads them; `names` has all names, in order.

    Problems of a column are reported only when that column is requested. `name` is what messages call the table,
    `dialect` how it was written, and `notes` what else was understood when it was read.

    Examples
    --------
    >>> from io import StringIO
    >>> table = read_csv(StringIO("age;city\n31;Oslo\n55;Bern\n"), name="people")
    >>> table.names, len(table)
    (('age', 'city'), 2)
    >>> table.columns(["age"])
    {'age': array([31., 55.])}
    """

    def __init__(
        self,
        name: str,
        columns: Mapping[str, TableColumn],
        length: int,
        dialect: Dialect = UNKNOWN,
        notes: Sequence[str] = (),
        kept: Array | None = None,
    ) -> None:
        self.name = name
        self.names = tuple(columns)
        self.dialect = dialect
        self.notes = tuple(notes)
        self._columns = columns
        self._length = length if kept is None else len(kept)
        self._kept = kept  # the rows of the columns that are rows of the table; None for all
        self._whole: frozenset[str] = frozenset()  # columns without whose values there is no row

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._length

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that may be features: all but those that are empty or only number the rows."""
        return tuple(name for name, column in self._columns.items() if not column.idle)

    def kind(self, name: str) -> Kind:
        """Return what a column holds; it is empty if all of its values are missing."""
        return self._columns[name].kind

    def hint(self, name: str) -> str:
        """Return what a user may want to do about a column; nothing if it is as it should be."""
        return self._columns[name].hint()

    def finding(self, name: str) -> Finding:
        """Return what is special about a column."""
        return self._columns[name].finding

    def dates(self, name: str) -> Dates | None:
        """Return what the words of a column are like as dates; None if they are none."""
        return self._columns[name].dates

    def seen(self, name: str) -> Seen:
        """Return what there is to see in a column."""
        return self._columns[name].seen()

    def require(self, names: Iterable[str]) -> None:
        """Raise DataError if one of `names` is no column; suggests the nearest."""
        unknown = [name for name in names if name not in self._columns]
        if unknown:
            lines = [f"{self.name}: there is no column {name!r}.{did_you_mean(name, self.names)}" for name in unknown]
            raise DataError("\n".join(lines) + f" Columns: {listed(self.names)}.{header_advice(self.names)}")

    def columns(
        self, names: Iterable[str], numeric: Collection[str] = (), missing: Collection[str] = ()
    ) -> dict[str, Array]:
        """Return columns by name: float64 ``(N,)`` where they are numeric, as those in `numeric` must be; else str.

        Missing numbers of the columns in `missing` are NaN, missing words empty.

        Raises DataError if a column does not exist, lacks values, or holds a word where a number is expected; all of
        them at once, each with its first line. Warns if most of what is taken for words looks like numbers, or whole
        numbers were rounded.
        """
        wanted = tuple(dict.fromkeys(names))
        self.require(wanted)
        may_lack = {*missing, *self._whole}
        problems = [self._columns[name].problem(name in numeric, name in may_lack) for name in wanted]
        if any(problems):
            raise DataError("\n".join(f"{self.name}:{problem}" for problem in problems if problem))
        for doubt in filter(None, (self._columns[name].doubt() for name in wanted)):
            warn(f"{self.name}:{doubt}")
        return {name: self._values(name) for name in wanted}

    def weights(self, name: str) -> Array:
        """Return a column of weights; DataError if one is missing, no number or negative, or all are 0."""
        weights = self.columns([name], numeric=[name])[name]
        wrong = weights < 0
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(self.at(name, row, f"a weight must be 0 or more, got {weights[row]:g}. Correct it."))
        if not weights.any():
            raise DataError(
                f"{self.name}: column {name!r}: all weights are 0, so no row counts. Give one of them more."
            )
        return weights

    def at(self, name: str, row: int, text: str) -> str:
        r"""Return a text about a cell, after its place.

        Examples
        --------
        >>> from io import StringIO
        >>> read_csv(StringIO("age\n31\n\n55\n"), name="people").at("age", 1, "too old.")
        "people:4: column 'age': too old."
        """
        return f"{self.name}:{self._columns[name].at(self._row(row), text)}"

    def without_missing(self, names: Sequence[str]) -> Table:
        r"""Return the table without the rows in which one of these columns has no value.

        DataError if no row is left.

        Examples
        --------
        >>> from io import StringIO
        >>> table = read_csv(StringIO("age,city\n31,Oslo\n,Bern\n"), name="people").without_missing(["age"])
        >>> table.columns(["city"]), table.notes
        ({'city': array(['Oslo'], dtype='<U4')}, ('a row without age left out',))
        """
        lacking = np.any([self._columns[name].lacking() for name in names], axis=0)
        if not lacking.any():
            return self
        listing, count = listed(names), int(lacking.sum())
        if count == len(self):
            raise DataError(f"{self.name}: no row is left: each lacks a value of {listing}.")
        told = f"a row without {listing} left out" if count == 1 else f"{count:,} rows without {listing} left out"
        notes = (*self.notes, told)
        table = Table(self.name, self._columns, self._length, self.dialect, notes, np.flatnonzero(~lacking))
        table._whole = frozenset(names)
        return table

    def _row(self, row: Any) -> Any:
        """Return which row, or rows, of the columns are meant."""
        return row if self._kept is None else self._kept[row]

    def marks(self, names: Iterable[str]) -> Array:
        """Return 64 bits for each row, the same for rows with the same values in these columns."""
        mixed = np.zeros(1, np.uint64)
        for name in names:  # spread by the golden ratio
            mixed = (mixed ^ (mixed >> np.uint64(32)) ^ self._columns[name].bits()) * np.uint64(0x9E3779B97F4A7C15)
        return mixed if self._kept is None else mixed[self._kept]

    def repeated_rows(self, names: Iterable[str]) -> int:
        """Return how many rows hold the same values in these columns as an earlier one."""
        return len(self) - len(np.unique(self.marks(names)))

    def cell(self, name: str, row: int) -> str:
        """Return the value of a column in a row, counted from 0, as a text."""
        return self._columns[name].cell(self._row(row))

    def ranks(self, name: str, rows: Array) -> Array:
        """Return the ranks of the values of a column in some rows, from 0; the same for the same values."""
        return self._columns[name].ranks(self._row(rows))

    def missing(self, names: Iterable[str]) -> dict[str, str]:
        r"""Return by name what :meth:`columns` says of each column that lacks values.

        Examples
        --------
        >>> from io import StringIO
        >>> read_csv(StringIO("age\n31\nNA\n"), name="people").missing(["age"])["age"]
        "people:3: column 'age': cells without a finite number: 1, the first is 'NA' in this line. Fill them or ..."
        """
        problems = ((name, self._columns[name].problem(numeric=False, missing=False)) for name in names)
        return {name: f"{self.name}:{problem}" for name, problem in problems if problem}

    def _values(self, name: str) -> Array:
        column = self._columns[name]
        try:
            return column.values() if self._kept is None else column.values()[self._kept]
        except MemoryError as error:
            longest = max(map(len, column.vocabulary), default=0)
            raise DataError(
                f"{self.name}: column {name!r} does not fit into memory: {len(column.codes):,} words with the room for "
                f"{longest:,} characters each. Shorten the longest, or leave the column out of the features."
            ) from error


def read_csv(
    source: Path | TextIO,
    *,
    categorical: Collection[str] = (),
    words: Collection[str] = (),
    delimiter: str = AUTO,
    name: str = "",
    dialect: Dialect = UNKNOWN,
) -> Table:
    """Return the table of a CSV file as it is found.

    Delimiter, decimal commas, marks between thousands and encoding are found out from the text, and lines above the
    header are skipped. A column is numeric if at least as many of its values are numbers as words, whatever their
    order, and categorical otherwise; the columns in `categorical` are never parsed. White space around a cell is
    dropped, empty lines are skipped.

    Raises DataError if the file is missing, damaged or not text, or a row is ragged. Problems of single cells are
    reported by :meth:`Table.columns`.

    Parameters
    ----------
    source
        Path of a file, which ``.gz``, ``.zip`` or ``.zst`` at its end says to expand; or an open text stream.
    categorical
        Columns to keep as words, whatever they look like.
    words
        Columns of words, some of which may be missing.
    delimiter
        The character between cells, if the `dialect` does not say.
    name
        What messages call the table; by default the file's name.
    dialect
        What is known of the text.

    Notes
    -----
    A cell is missing if it is one of ``dialect.na_values``; in a column of `categorical` these are ordinary categories.
    A first column without a name that numbers the rows is called ``row``, and other columns without a name after their
    place, as is the first of two columns with one name. The file is read again where a column turns out to be of
    another kind than its first rows, so this takes up to three times as long.
    """
    name = name or (source.name if isinstance(source, Path) else "table")
    dialect = replace(dialect, delimiter=delimiter) if dialect.delimiter == AUTO else dialect
    with Text(source, name) as text:
        layout = layout_of(text, dialect)
        reading = _Reading(text, layout, frozenset(categorical), frozenset(words))
        columns = reading.columns(_numbers_of(dialect))
        written = _written(columns, dialect)
        if written != _numbers_of(dialect):
            columns = reading.columns(written)
    layout = replace(layout, dialect=replace(layout.dialect, decimal=written[0], thousands=written[1]))
    return Table(name, columns, reading.length, layout.dialect, _notes(layout, columns, reading.header))


def listed(names: Sequence[str]) -> str:
    """Return names for a message, the first dozen of them.

    Examples
    --------
    >>> listed(["a", "b"])
    'a, b'
    """
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(shown, names[:_SHOWN])) + more


def names_in(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names in an option that may be one name, several or none."""
    return (value,) if isinstance(value, str) else value or ()


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def delimiter_advice(names: Sequence[str]) -> str:
    r"""Return advice, with a leading space, if the only column of a table looks like several; else nothing.

    Examples
    --------
    >>> delimiter_advice(["a;b"]), delimiter_advice(["a"]), delimiter_advice(["a;b", "c"])
    (" Its cells seem to be separated by ';': say so as the delimiter.", '', '')
    """
    found = len(names) == 1 and next((mark for mark in _MARKS if mark in names[0]), "")
    return f" Its cells seem to be separated by {found!r}: say so as the delimiter." if found else ""


class _Reading:
    """Reads the columns of a text, again where some turn out to be of another kind than their first rows."""

    def __init__(self, text: Text, layout: Layout, categorical: frozenset[str], words: frozenset[str]) -> None:
        self.text, self.layout, self.categorical, self.length = text, layout, categorical, 0
        self.header: list[str] = []  # names as they are written
        self.words: dict[str, Kind] = dict.fromkeys(words, "words")

    def columns(self, written: tuple[str, str]) -> dict[str, TableColumn]:
        """Return the columns, where numbers are written with these marks before decimals and between thousands."""
        numbers = Numbers(*written)
        columns = self._read(numbers, self.words)
        changed = {column.name: column.kind for column in columns if column.changed}
        columns = self._read(numbers, self.words | changed) if changed else columns
        return {column.name: column for column in columns}

    def _read(self, numbers: Numbers, kinds: Mapping[str, Kind]) -> list[TableColumn]:
        name, dialect = self.text.name, self.layout.dialect
        missing = frozenset(map(str.casefold, dialect.na_values))
        with self.text.open(dialect.encoding) as stream:
            found = Rows(stream, self.layout, name)
            first = found.next()
            if first is None:
                raise DataError(f"{name} is empty; expected a header line with the names of the columns.")
            header = _header(first[1], self.layout)
            self.header = first[1] if dialect.header else header
            lines = array("q")
            columns = [
                TableColumn(column, place, lines, missing, numbers, column in self.categorical, kinds.get(column))
                for place, column in enumerate(header, 1)
            ]
            if not dialect.header:
                _take_rows(columns, [first], header, name)
            watcher = WATCHER.get()
            try:
                while found.peek(_CHARACTERS * len(header)):
                    start, block = found.line, found.peeked_block(len(header), numbers.point)
                    if block is None:
                        _take_rows(columns, found.peeked_rows(), header, name)
                    else:
                        _take_block(columns, block, start)
                    if watcher is not None:
                        watcher(name, len(lines))
            finally:
                if watcher is not None:
                    watcher(name, None)
        if not lines:
            raise DataError(f"{name} holds a header but no row below it; at least one example is needed.")
        self.length = len(lines)
        return columns


def _take_block(columns: Sequence[TableColumn], block: Block, line: int) -> None:
    """Add the rows of a block, which begins at a line, to the columns of a table."""
    numeric = [place for place, column in enumerate(columns) if column.wants_numbers]
    known = dict(zip(numeric, block.numbers(numeric), strict=True)) if numeric else {}
    for place, column in enumerate(columns):
        column.extend(block.cells(place), known.get(place))
    columns[0].lines.frombytes(np.arange(line, line + len(block)).tobytes())


def _take_rows(
    columns: Sequence[TableColumn], rows: Iterable[tuple[int, list[str]]], header: Sequence[str], name: str
) -> None:
    """Add rows, each with its line, to the columns of a table; DataError if one has more or fewer cells."""
    lines, cells = [], []
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{name}:{line}: expected {len(header)} cell{'s' if len(header) > 1 else ''}, as in the header, got "
                f"{len(row)}.{_about_row(row, header)}"
            )
        lines.append(line)
        cells.append(row)
    if lines:
        for column, own in zip(columns, zip(*cells, strict=True), strict=True):
            column.extend(own)
        columns[0].lines.extend(lines)


def _numbers_of(dialect: Dialect) -> tuple[str, str]:
    """Return what stands before decimals and between thousands, as far as it is known."""
    return "." if dialect.decimal == AUTO else dialect.decimal, "" if dialect.thousands == AUTO else dialect.thousands


def _written(columns: Mapping[str, TableColumn], dialect: Dialect) -> tuple[str, str]:
    """Return what stands before decimals and between thousands, by the words that are numbers with separators."""
    decimal, thousands = _numbers_of(dialect)
    found: Counter[Spelling] = Counter()
    for column in columns.values():
        ways = column.spellings()
        if ways["either"] and (column.has_decimals or ways["comma"]):  # 1,234 among 3.5 or 1,234,567
            ways["comma"] += ways["either"]
        found += ways
    if dialect.decimal == AUTO and (found["decimal"] or found["dot"]) and not found["comma"]:
        decimal = ","
    if dialect.thousands == AUTO:
        marks = {"comma": ",", "dot": ".", "space": " ", "apostrophe": "'"}
        way = max(marks, key=lambda each: found[each])  # type: ignore[index]
        thousands = marks[way] if found[way] and marks[way] != decimal else thousands  # type: ignore[index]
    return decimal, thousands


def _notes(layout: Layout, columns: Mapping[str, TableColumn], written: Sequence[str]) -> list[str]:
    """Return what was understood beside the dialect; `written` are the names as they are in the header."""
    notes = [f"{layout.titles} lines above the header skipped"] * (layout.titles > 1)
    notes += ["a line above the header skipped"] * (layout.titles == 1)
    notes += ["the header has one name less than the rows: the first column is called 'row'"] * layout.named_rows
    for name, old in zip(columns, ["", *written] if layout.named_rows else written, strict=True):
        notes += [f"another column is called {short(old)}: this one is now {short(name)}"] * (name != old != "")
    if layout.dialect.header and (number := _number_among(written)):
        notes.append(f"{short(number)} in the header is a number: is the first line a row? Then say header = false")
    for column in columns.values():
        if column.idle:
            notes.append(
                f"column {column.name!r} left out: {'empty' if column.kind == 'empty' else 'numbers the rows'}"
            )
    return notes


def _header(names: list[str], layout: Layout) -> list[str]:
    """Return different names of all columns: a first one without a name is called row, others after their place."""
    if not layout.dialect.header:
        return [f"column_{place}" for place in range(1, len(names) + 1)]
    names = ["", *names] if layout.named_rows else list(names)
    taken = set(names)
    first: set[str] = set()
    for k, name in enumerate(names):
        if name and name not in first:
            first.add(name)
            continue
        wanted = [ROW] if not name and k == 0 else []
        stem = name or f"column_{k + 1}"
        candidates = [
            *wanted,
            *([stem] if not name else []),
            *(f"{stem}_{number}" for number in range(2, len(names) + 3)),
        ]
        names[k] = next(each for each in candidates if each not in taken)
        taken.add(names[k])
        first.add(names[k])
    return names


def _about_row(row: Sequence[str], header: Sequence[str]) -> str:
    """Return what may be wrong with a row that has more or fewer cells than the header."""
    if len(header) == 1:
        return header_advice(header) or f" The header is {short(header[0])}; it must name all columns."
    if len(row) < len(header):
        return ""
    if not any(row[len(header) :]):
        return " Remove the delimiter at the end of the line."
    return " Quote cells that hold the delimiter."


def _number_among(names: Iterable[str]) -> str:
    """Return the first name that is a number; nothing if none is."""
    return next((name for name in names if Numbers(".", "").parse(name) is not None), "")


def header_advice(names: Sequence[str]) -> str:
    """Return what may be wrong with a header in which columns are missing, with a leading space; nothing if unknown."""
    advice = delimiter_advice(names)
    if advice:
        return advice
    number = _number_among(names)
    if not number:
        return ""
    return f" The first line must name the columns; {short(number)} is a number. If it names none, say header = false."
