"""Tables of named columns, read from CSV row by row."""

from __future__ import annotations

import csv
import math
import re
from array import array
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import numpy as np

from nnfw.arrays import Array
from nnfw.data.input_files import CHUNK, reading
from nnfw.errors import DataError, did_you_mean, short, shown, warn
from nnfw.storage import open_regular

MISSING = frozenset({"", "na", "n/a", "nan", "null"})
"""What marks a missing value, in upper or lower case."""

_LONGEST_ROW = 1 << 22  # characters; no table has such a row, but a binary file may
_MOST_COLUMNS = 1 << 16
_LONGEST_WORD = 1000  # characters of a category: an array of words gives each of them the room of the longest
_CELLS = 1 << 17  # cells parsed together
_SHOWN = 12  # names that a message lists
_MARKS = ",;\t|"  # possible delimiters
_UNCLOSED = "unexpected end of data"  # Python's csv on a quotation mark that is not closed
_CLUTTERED = re.compile(r"[$€£¥]?[-+−]?[$€£¥]?(\d{1,3}([\s,.'’]\d{3})+|\d+)([.,]\d+)?\s?[%$€£¥]?")
"""A number with separators, a decimal comma, a unit or a currency."""


class Table:
    r"""Columns by name, as :func:`read_csv` reads them; `names` has all names, in order.

    Problems of a column are reported only when that column is requested. `name` is what messages call the table.

    Examples
    --------
    >>> from io import StringIO
    >>> table = read_csv(StringIO("age,city\n31,Oslo\n55,Bern\n"), name="people")
    >>> table.names, len(table)
    (('age', 'city'), 2)
    >>> table.columns(["age"])
    {'age': array([31., 55.])}
    """

    def __init__(self, name: str, columns: Mapping[str, _Column], length: int) -> None:
        self.name = name
        self.names = tuple(columns)
        self._columns = columns
        self._length = length

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._length

    def require(self, names: Iterable[str]) -> None:
        """Raise DataError if one of `names` is no column; suggests the nearest."""
        unknown = [name for name in names if name not in self._columns]
        if unknown:
            lines = [f"{self.name}: there is no column {name!r}.{did_you_mean(name, self.names)}" for name in unknown]
            raise DataError("\n".join(lines) + f" Columns: {listed(self.names)}.{_about_header(self.names)}")

    def columns(
        self, names: Iterable[str], numeric: Collection[str] = (), missing: Collection[str] = ()
    ) -> dict[str, Array]:
        """Return columns by name: float64 ``(N,)`` where they are numeric, as those in `numeric` must be; else str.

        Missing numbers of the columns in `missing` are NaN.

        Raises DataError if a column does not exist, lacks values, or holds a word where a number is expected; all of
        them at once, each with its first line. Warns if most of what is taken for words looks like numbers.
        """
        wanted = tuple(dict.fromkeys(names))
        self.require(wanted)
        problems = [self._columns[name].problem(name in numeric, name in missing) for name in wanted]
        if any(problems):
            raise DataError("\n".join(f"{self.name}:{problem}" for problem in problems if problem))
        for doubt in filter(None, (self._columns[name].doubt() for name in wanted)):
            warn(f"{self.name}:{doubt}")
        return {name: self._values(name) for name in wanted}

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
            return column.values()
        except MemoryError as error:
            longest = max(map(len, column.vocabulary), default=0)
            raise DataError(
                f"{self.name}: column {name!r} does not fit into memory: {len(column.words):,} words with the room for "
                f"{longest:,} characters each. Shorten the longest, or leave the column out of the features."
            ) from error


def read_csv(
    source: Path | TextIO, *, categorical: Collection[str] = (), delimiter: str = ",", name: str = ""
) -> Table:
    """Return the table of a CSV file, read row by row.

    The first line is the header. A column is numeric if its first value is a number, and categorical otherwise; the
    columns in `categorical` are never parsed. White space around a cell is dropped, empty lines are skipped.

    Raises DataError if the file is missing or not text, a row is ragged, or the header is missing or repeats a name.
    Problems of single cells are reported by :meth:`Table.columns`.

    Parameters
    ----------
    source
        Path of a file in UTF-8, with or without a byte order mark; or an open text stream.
    categorical
        Columns to keep as words, whatever they look like.
    delimiter
        The character between cells.
    name
        What messages call the table; by default the file's name.

    Notes
    -----
    A cell is missing if it is empty, NA, N/A, NaN or null, in upper or lower case; in a column of `categorical` these
    are ordinary categories.
    """
    path = source if isinstance(source, Path) else None
    name = name or (path.name if path else "table")
    try:
        if not isinstance(source, Path):
            return _read(source, categorical, delimiter, name)
        with reading(source, "a CSV table"), TextIOWrapper(open_regular(source), "utf-8", newline="") as stream:
            return _read(stream, categorical, delimiter, name)
    except UnicodeDecodeError as error:  # its position is relative to a block of the stream, not to the file
        place = f":{_first_undecodable(path)}" if path else ""
        raise DataError(
            f"{name}{place}: this is not text in {error.encoding.upper()} ({error.reason}). Save it as UTF-8."
        ) from error


def listed(names: Sequence[str]) -> str:
    """Return names for a message, the first dozen of them.

    Examples
    --------
    >>> listed(["a", "b"])
    'a, b'
    """
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(shown, names[:_SHOWN])) + more


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


class _Column:
    """One column while it is read: its numbers or words, and the first things wrong with it."""

    def __init__(self, name: str, verbatim: bool) -> None:
        self.name = name
        self.verbatim = verbatim
        self.categorical: bool | None = True if verbatim else None  # None until the first value
        self.numbers = array("d")
        self.words: list[str] = []
        self.vocabulary: dict[str, str] = {}  # each word is kept once, however often it occurs
        self.word: tuple[int, str] | None = None  # the first word, with its line
        self.missing = 0
        self.first_missing: tuple[int, str] = (0, "")
        self.infinite: tuple[int, str] | None = None  # the first that counts as missing, but is infinite
        self.long: tuple[int, int] | None = None  # the first word that is too long, as line and length

    def extend(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        if self.categorical is not True and self._extend_numbers(cells):
            self.categorical = False
        elif self.verbatim or (self.categorical and MISSING.isdisjoint(map(str.casefold, set(cells)))):
            self._keep(cells, lines)
        else:
            for cell, line in zip(cells, lines, strict=True):
                self._add(cell, line)

    def _extend_numbers(self, cells: Sequence[str]) -> bool:
        """Take all cells at once if every one is a finite number; return whether they were."""
        try:
            numbers = list(map(float, cells))
        except ValueError:
            return False
        if not all(map(math.isfinite, numbers)) or any("_" in cell for cell in cells):
            return False
        self.numbers.extend(numbers)
        return True

    def _add(self, cell: str, line: int) -> None:
        missing = cell.casefold() in MISSING
        number = math.nan if missing else _number(cell)
        if self.categorical is None and not missing:
            self.categorical = number is None
        if self.categorical and not missing:
            self._keep([cell], [line])
        elif number is None:
            self.word = self.word or (line, cell)
        else:
            if not math.isfinite(number):
                self._miss(cell, line, number)
            self.numbers.append(number)

    def _miss(self, cell: str, line: int, number: float) -> None:
        self.first_missing = self.first_missing if self.missing else (line, cell)
        self.missing += 1
        if math.isinf(number):
            self.infinite = self.infinite or (line, cell)

    def _keep(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        self.word = self.word or (lines[0], cells[0])
        if not self.long and max(map(len, cells)) > _LONGEST_WORD:
            self.long = next(
                (line, len(cell)) for line, cell in zip(lines, cells, strict=True) if len(cell) > _LONGEST_WORD
            )
        self.words.extend(self.vocabulary.setdefault(cell, cell) for cell in cells)

    def problem(self, numeric: bool, missing: bool) -> str:
        """Return ``line: column ...: what is wrong``, or nothing; NaN is not wrong in a column of `missing` numbers."""
        if self.word and (numeric or not self.categorical):
            line, cell = self.word
            advice = "" if numeric else " Correct it, or name the column in categorical."
            advice = " Write numbers as 1234.5." if _CLUTTERED.fullmatch(cell) else advice
            return f"{line}: column {self.name!r}: expected a number, got {short(cell)}.{advice}"
        if self.long:
            line, length = self.long
            return (
                f"{line}: column {self.name!r}: a category may have {_LONGEST_WORD:,} characters, this one has "
                f"{length:,}. Shorten it, or leave the column out of the features."
            )
        if missing and (numeric or self.categorical is False):
            if self.infinite is None:
                return ""
            line, cell = self.infinite
            return f"{line}: column {self.name!r}: expected a finite number, got {cell!r}. Correct it."
        if self.missing and self.categorical is None:
            return f"{self.first_missing[0]}: column {self.name!r} is empty. Leave it out of the features."
        if self.missing:
            line, cell = self.first_missing
            kind = "missing values" if self.categorical else "cells without a finite number"
            advice = ", or name the column in categorical to keep them" if self.categorical else ""
            return (
                f"{line}: column {self.name!r}: {kind}: {self.missing}, the first is {cell!r} in this line. "
                f"Fill them or remove their rows{advice}."
            )
        return ""

    def doubt(self) -> str:
        """Return ``line: column ...: what may be wrong``, or nothing."""
        like_numbers = 0 if self.verbatim else sum(map(_like_number, self.vocabulary))
        if self.word is None or 2 * like_numbers <= len(self.vocabulary):
            return ""
        line, cell = self.word
        return (
            f"{line}: column {self.name!r} is taken for words, since its first value is {short(cell)}, but "
            f"{like_numbers:,} of {len(self.vocabulary):,} different values look like numbers. Correct it and write "
            "numbers as 1234.5, or name the column in categorical."
        )

    def values(self) -> Array:
        return np.array(self.words) if self.categorical else np.frombuffer(self.numbers)


def _read(stream: TextIO, categorical: Collection[str], delimiter: str, name: str) -> Table:
    rows = _rows(stream, delimiter, name)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{name} is empty; expected a header line with the names of the columns.")
    header = _header(*first, name)
    columns = [_Column(column, column in categorical) for column in header]
    length = 0
    for lines, block in _blocks(rows, header, name):
        length += len(lines)
        for column, cells in zip(columns, zip(*block, strict=True), strict=True):
            column.extend(cells, lines)
    if not length:
        raise DataError(f"{name} holds a header but no row below it; at least one example is needed.")
    return Table(name, {column.name: column for column in columns}, length)


def _rows(stream: TextIO, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty with the number of the line where it starts."""
    lines = _Lines(stream, name, delimiter)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " ", strict=True)
    start = 1
    try:
        for row in reader:
            if row:
                yield start, [cell.strip() for cell in row]
            start = lines.next_row()
    except csv.Error as error:
        what = "a quotation mark is opened and not closed" if str(error) == _UNCLOSED else error
        raise DataError(f"{name}:{start}: the row that starts here cannot be read as CSV: {what}.") from error


class _Lines:
    """The lines of a table; a row that is too long is refused before it is split into cells."""

    def __init__(self, stream: TextIO, name: str, delimiter: str) -> None:
        self.stream, self.name, self.delimiter = stream, name, delimiter
        self.number = 0
        self.start, self.length, self.marks = 1, 0, 0  # of the row

    def next_row(self) -> int:
        """Return the number of the line where the next row starts."""
        self.start, self.length, self.marks = self.number + 1, 0, 0
        return self.start

    def __iter__(self) -> Iterator[str]:
        return iter(self._next, "")

    def _next(self) -> str:
        line = self.stream.readline(_LONGEST_ROW)
        if not self.length and line.isspace() and not (self.delimiter == "\t" and "\t" in line):
            line = "\n"  # not a row of one empty cell
        self.number += 1
        self.length += len(line)
        self.marks += line.count(self.delimiter)
        if "\0" in line:
            raise DataError(f"{self.name}:{self.number}: holds a NUL character; expected a CSV table in UTF-8.")
        if self.marks >= _MOST_COLUMNS:
            raise DataError(
                f"{self.name}:{self.start}: the row has more than {_MOST_COLUMNS:,} cells, the most that are read. "
                "Store so many columns as an array: numpy.save."
            )
        if self.length >= _LONGEST_ROW:
            raise DataError(
                f"{self.name}:{self.start}: the row is longer than {_LONGEST_ROW:,} characters; expected a CSV table."
            )
        return line.removeprefix("\ufeff") if self.number == 1 else line


def _header(line: int, names: list[str], name: str) -> list[str]:
    if "" in names:
        number = names.index("") + 1
        index = " If it is an index of pandas, leave it out: to_csv(..., index=False)." if number == 1 else ""
        raise DataError(f"{name}:{line}: the header gives no name to column {number}. Name it or remove it.{index}")
    if twice := repeated(names):
        shown = listed([short(column) for column in twice])
        raise DataError(f"{name}:{line}: the header repeats {shown}. Give each column its own name.")
    return names


def _blocks(
    rows: Iterator[tuple[int, list[str]]], header: list[str], name: str
) -> Iterator[tuple[list[int], list[list[str]]]]:
    """Yield rows in blocks, with their lines; a column is parsed block by block, which is much faster than by cell."""
    size = max(1, _CELLS // len(header))
    lines: list[int] = []
    block: list[list[str]] = []
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{name}:{line}: expected {len(header)} cell{'s' if len(header) > 1 else ''}, as in the header, got "
                f"{len(row)}.{_about_row(row, header)}"
            )
        lines.append(line)
        block.append(row)
        if len(lines) == size:
            yield lines, block
            lines, block = [], []
    if lines:
        yield lines, block


def _about_row(row: Sequence[str], header: Sequence[str]) -> str:
    """Return what may be wrong with a row that has more or fewer cells than the header."""
    if len(header) == 1:
        return _about_header(header) or f" The header is {short(header[0])}; it must name all columns."
    if len(row) < len(header):
        return ""
    if not any(row[len(header) :]):
        return " Remove the delimiter at the end of the line."
    return " Quote cells that hold the delimiter."


def _about_header(names: Sequence[str]) -> str:
    """Return what may be wrong with a header in which columns are missing."""
    advice = delimiter_advice(names)
    if advice:
        return advice
    number = next((name for name in names if _number(name) is not None), "")
    return f" The first line must name the columns; {short(number)} is a number." if number else ""


def _number(cell: str) -> float | None:
    """Return the number in a cell, or None for a word; Python's 1_000 is a word here."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _like_number(cell: str) -> bool:
    """Return whether a cell is a finite number, written plainly or with separators and units."""
    number = _number(cell)
    return bool(_CLUTTERED.fullmatch(cell)) if number is None else math.isfinite(number)


def _first_undecodable(path: Path) -> int:
    """Return the line of the first byte that is not UTF-8."""
    decoder, line = getincrementaldecoder("utf-8")(), 1
    with reading(path, "a CSV table"), open_regular(path) as stream:
        try:
            while chunk := stream.read(CHUNK):
                line += decoder.decode(chunk).count("\n")
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
    return line
