"""Tables of named columns, read from CSV row by row."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TextIO

import numpy as np

from nnfw.arrays import Array
from nnfw.data.table_text import AUTO, UNKNOWN, Dialect, Layout, Numbers, Spelling, Text, layout_of, rows, spelling
from nnfw.errors import DataError, did_you_mean, short, shown, warn

_LONGEST_WORD = 1000  # characters of a category: an array of words gives each of them the room of the longest
_CELLS = 1 << 17  # cells parsed together
_SHOWN = 12  # names that a message lists
_MARKS = ",;\t|"  # possible delimiters
_EXACT = 2.0**53  # from here on, float64 rounds whole numbers
_CLUTTERED = re.compile(r"[$€£¥]?[-+−]?[$€£¥]?(\d{1,3}([\s,.'’]\d{3})+|\d+)([.,]\d+)?\s?[%$€£¥]?")
"""A number with separators, a decimal comma, a unit or a currency."""

Kind = Literal["numbers", "words", "empty", "other"]


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
    ) -> None:
        self.name = name
        self.names = tuple(columns)
        self.dialect = dialect
        self.notes = tuple(notes)
        self._columns = columns
        self._length = length

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

    def seen(self, name: str) -> Seen:
        """Return what there is to see in a column."""
        return self._columns[name].seen()

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

        Missing numbers of the columns in `missing` are NaN, missing words empty.

        Raises DataError if a column does not exist, lacks values, or holds a word where a number is expected; all of
        them at once, each with its first line. Warns if most of what is taken for words looks like numbers, or whole
        numbers were rounded.
        """
        wanted = tuple(dict.fromkeys(names))
        self.require(wanted)
        problems = [self._columns[name].problem(name in numeric, name in missing) for name in wanted]
        if any(problems):
            raise DataError("\n".join(f"{self.name}:{problem}" for problem in problems if problem))
        for doubt in filter(None, (self._columns[name].doubt() for name in wanted)):
            warn(f"{self.name}:{doubt}")
        return {name: self._values(name) for name in wanted}

    def repeated_rows(self, names: Iterable[str]) -> int:
        """Return how many rows hold the same values in these columns as an earlier one."""
        mixed = np.zeros(len(self), np.uint64)
        for name in names:  # 64 bits for each row, spread by the golden ratio
            mixed = (mixed ^ (mixed >> np.uint64(32)) ^ self._columns[name].bits()) * np.uint64(0x9E3779B97F4A7C15)
        return len(self) - len(np.unique(mixed))

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


@dataclass(frozen=True)
class Seen:
    """What there is to see in a column.

    Parameters
    ----------
    missing
        How many of its values are missing.
    distinct
        How many different ones there are.
    examples
        Some of them, as they are written in the table.
    range
        The least and the largest number; None for words.
    """

    missing: int
    distinct: int
    examples: tuple[str, ...]
    range: tuple[float, float] | None = None


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
            found = rows(stream, self.layout, name)
            first = next(found, None)
            if first is None:
                raise DataError(f"{name} is empty; expected a header line with the names of the columns.")
            header = _header(first[1], self.layout)
            self.header = first[1] if dialect.header else header
            lines = array("q")
            columns = [
                TableColumn(column, place, lines, missing, numbers, column in self.categorical, kinds.get(column))
                for place, column in enumerate(header, 1)
            ]
            for block_lines, block in _blocks(found if dialect.header else _again(first, found), header, name):
                for column, cells in zip(columns, zip(*block, strict=True), strict=True):
                    column.extend(cells)
                lines.extend(block_lines)
        if not lines:
            raise DataError(f"{name} holds a header but no row below it; at least one example is needed.")
        self.length = len(lines)
        return columns


def _again(first: tuple[int, list[str]], others: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from others


class TableColumn:
    """One column while it is read: its numbers or words, and what is wrong with it.

    Parameters
    ----------
    name, place
        Its name, and its number from 1.
    lines
        The line of each row; filled block by block, after the columns.
    missing
        Cells that mark a missing value, in lower case.
    numbers
        How numbers are written.
    verbatim
        Whether its cells are words as they are, none of them missing.
    known
        Its kind, if that is known, as after an earlier reading.

    Attributes
    ----------
    unit
        What `lines` count: lines of a text.
    """

    unit = "line"

    def __init__(
        self,
        name: str,
        place: int,
        lines: array[int],
        missing: frozenset[str],
        numbers: Numbers,
        verbatim: bool,
        known: Kind | None,
    ) -> None:
        self.name, self.place = name, place
        self.verbatim = verbatim
        self._lines, self._missing, self._written = lines, missing, numbers
        self._known = known
        self._holds_words = self.verbatim or known == "words"
        self._settled = self._holds_words or known == "numbers"
        self.numbers = array("d")
        self.vocabulary: dict[str, int] = {}  # each word once, with its code
        self.codes = array("q")
        self._odd: dict[str, list[int]] = {}  # words among numbers, with their count and first row
        self._absent = [0, 0]  # count of missing or infinite numbers, and the first row
        self._infinite: int | None = None  # the first row of an infinite number
        self._firsts: dict[int, str] = {}  # cells of rows that messages show
        self._rounded: tuple[int, str] | None = None
        self._leading_zero = ""
        self._rows = 0

    def take(self, values: Array) -> None:
        """Take all values at once, as numbers."""
        numbers = values.astype(np.float64)
        wrong, self._rows = ~np.isfinite(numbers), len(numbers)
        self.numbers.frombytes(numbers.tobytes())
        if wrong.any():
            row = int(np.argmax(wrong))
            self._absent, self._firsts[row] = [int(wrong.sum()), row], _shown_number(numbers[row])
        infinite = np.isinf(numbers)
        if infinite.any():
            self._infinite = int(np.argmax(infinite))
            self._firsts[self._infinite] = str(numbers[self._infinite])
        if values.dtype.kind in "iu":
            rounded = np.flatnonzero(np.abs(numbers) > _EXACT)
            inexact = (int(row) for row in rounded if int(numbers[row]) != int(values[row]))
            self._rounded = next(((row, str(values[row])) for row in inexact), None)

    def extend(self, cells: Sequence[str]) -> None:
        """Take a block of cells."""
        start, self._rows = self._rows, self._rows + len(cells)
        if not self._holds_words:
            self._take_numbers(cells, start)
        if not self._settled and self._odd:  # by the first block with words
            self._settled, words = True, self._words_among_numbers
            if words > start + len(cells) - words - self._absent[0] and not start:
                self._holds_words, self._odd, self.numbers = True, {}, array("d")
                self._absent, self._firsts, self._infinite = [0, 0], {}, None
        if self._holds_words:
            self.codes.extend([self.vocabulary.setdefault(cell, len(self.vocabulary)) for cell in cells])

    def _take_numbers(self, cells: Sequence[str], start: int) -> None:
        found = self._written.parse_all(cells)
        if found is not None:
            values = np.array(found)
            if np.isfinite(values).all():
                self._note(cells, values, start)
                self.numbers.frombytes(values.tobytes())
                return
        for row, cell in enumerate(cells, start):
            self.numbers.append(self._one(cell, row))

    def _note(self, cells: Sequence[str], values: Array, start: int) -> None:
        """Notice numbers that are written as codes, or are rounded."""
        if not self._leading_zero and (values == np.rint(values)).all():
            self._leading_zero = next(filter(_leads_with_zero, cells), "")
        if self._rounded is None and np.abs(values).max(initial=0) > _EXACT:
            for row, cell in enumerate(cells, start):
                self._note_rounding(cell, row)

    def _note_rounding(self, cell: str, row: int) -> None:
        digits = cell.lstrip("+-")
        if self._rounded is None and len(digits) > 15 and digits.isdecimal() and int(float(digits)) != int(digits):
            self._rounded = row, cell

    def _one(self, cell: str, row: int) -> float:
        if cell.casefold() in self._missing:
            return self._miss(cell, row)
        number = self._written.parse(cell)
        if number is None:
            self._odd.setdefault(cell, [0, row])[0] += 1
            return math.nan
        if not math.isfinite(number):
            if math.isinf(number) and self._infinite is None:
                self._infinite = row
                self._firsts[row] = cell
            return self._miss(cell, row, number)
        if not self._leading_zero and _leads_with_zero(cell):
            self._leading_zero = cell
        self._note_rounding(cell, row)
        return number

    def _miss(self, cell: str, row: int, number: float = math.nan) -> float:
        if not self._absent[0]:
            self._absent[1] = row
            self._firsts[row] = cell
        self._absent[0] += 1
        return number

    @property
    def _words_among_numbers(self) -> int:
        return sum(count for count, _ in self._odd.values())

    @property
    def _counts(self) -> dict[str, int]:
        """How often each word occurs."""
        counts = np.bincount(np.frombuffer(self.codes, np.int64), minlength=len(self.vocabulary))
        return dict(zip(self.vocabulary, counts.tolist(), strict=True))

    @property
    def kind(self) -> Kind:
        """What the column holds, whatever the order of its rows."""
        if self.verbatim or self._known == "words":
            return "words"
        if self._holds_words:
            counts = self._counts
            numbers = sum(count for word, count in counts.items() if self._is_number(word))
            absent = sum(count for word, count in counts.items() if word.casefold() in self._missing)
            words = self._rows - numbers - absent
        else:
            words, absent = self._words_among_numbers, self._absent[0]
            numbers = self._rows - words - absent
        if not numbers and not words:
            return "empty"
        return "words" if words > numbers else "numbers"

    @property
    def changed(self) -> bool:
        """Whether what was kept is of another kind than the column."""
        return self._known is None and self.kind != "empty" and (self.kind == "words") != self._holds_words

    @property
    def idle(self) -> bool:
        """Whether it says nothing about its row: it is empty, or has no name and numbers the rows."""
        return self.kind == "empty" or (self.name in _INDICES and self.counts_rows)

    @property
    def counts_rows(self) -> bool:
        """Whether it is 0, 1, 2, ... or 1, 2, 3, ... in any order, or words that are all different."""
        if self.kind == "words":
            return len(self.vocabulary) == self._rows
        values = np.sort(np.frombuffer(self.numbers))
        return bool(values[0] in (0, 1) and (np.diff(values) == 1).all())

    def _is_number(self, word: str) -> bool:
        if word.casefold() in self._missing:
            return False
        number = self._written.parse(word)
        return number is not None and math.isfinite(number)

    def spellings(self) -> Counter[Spelling]:
        """Return in which ways its words are numbers with separators; nothing if one of them is none."""
        words = self._odd if not self._holds_words else self.vocabulary
        found = [spelling(word) for word in words if word.casefold() not in self._missing and not self._is_number(word)]
        return Counter(found) if found and not self.verbatim and all(found) else Counter()

    @property
    def has_decimals(self) -> bool:
        """Whether it holds plain numbers with decimals."""
        if self._holds_words:
            return any("." in word for word in self.vocabulary if self._is_number(word))
        values = np.frombuffer(self.numbers)
        return bool((np.isfinite(values) & (values != np.rint(values))).any())

    def _line(self, row: int) -> str:
        return f"{'' if self.unit == 'line' else f' {self.unit} '}{self._lines[row]}"

    def problem(self, numeric: bool, missing: bool) -> str:
        """Return ``line: column ...: what is wrong``, or nothing; NaN is not wrong in a column of `missing` numbers."""
        kind = self.kind
        if kind == "words":
            return self._problem_of_words(numeric, missing)
        if self._odd:
            cell, (_, row) = next(iter(self._odd.items()))
            advice = "" if numeric else " Correct it, or name the column in categorical."
            advice = " Write numbers as 1234.5." if _CLUTTERED.fullmatch(cell) else advice
            return f"{self._line(row)}: column {self.name!r}: expected a number, got {short(cell)}.{advice}"
        if kind == "empty" and not (missing and numeric):
            return f"{self._line(0)}: column {self.name!r} is empty. Leave it out of the features."
        if missing:
            if self._infinite is None:
                return ""
            cell, line = self._firsts[self._infinite], self._line(self._infinite)
            return f"{line}: column {self.name!r}: expected a finite number, got {cell!r}. Correct it."
        count, row = self._absent
        return self._lacking(count, row, "cells without a finite number", "") if count else ""

    def _problem_of_words(self, numeric: bool, missing: bool) -> str:
        first = {code: word for word, code in self.vocabulary.items()}
        if numeric:
            word = next(
                (w for w in self.vocabulary if w.casefold() not in self._missing and not self._is_number(w)), first[0]
            )
            advice = " Write numbers as 1234.5." if _CLUTTERED.fullmatch(word) else ""
            return f"{self._line(self._row(word))}: column {self.name!r}: expected a number, got {short(word)}.{advice}"
        if long := next((word for word in self.vocabulary if len(word) > _LONGEST_WORD), None):
            return (
                f"{self._line(self._row(long))}: column {self.name!r}: a category may have {_LONGEST_WORD:,} "
                f"characters, this one has {len(long):,}. Shorten it, or leave the column out of the features."
            )
        absent = [] if self.verbatim else [word for word in self.vocabulary if word.casefold() in self._missing]
        if missing or not absent:
            return ""
        counts = self._counts
        advice = ", or name the column in categorical to keep them"
        return self._lacking(sum(counts[word] for word in absent), self._row(absent[0]), "missing values", advice)

    def _lacking(self, count: int, row: int, what: str, advice: str) -> str:
        cell = (
            self._firsts[row]
            if not self._holds_words
            else next(word for word, code in self.vocabulary.items() if code == self.codes[row])
        )
        return (
            f"{self._line(row)}: column {self.name!r}: {what}: {count}, the first is {cell!r} in this {self.unit}. "
            f"Fill them or remove their rows{advice}."
        )

    def _row(self, word: str) -> int:
        """Return the first row that holds a word."""
        return self.codes.index(self.vocabulary[word])

    def doubt(self) -> str:
        """Return ``line: column ...: what may be wrong``, or nothing."""
        if self._rounded is not None and self.kind == "numbers":
            row, cell = self._rounded
            return (
                f"{self._line(row)}: column {self.name!r}: {cell} is rounded to {float(cell):.0f}: a number has 15 "
                "exact digits. If these are codes, name the column in categorical, or leave it out."
            )
        if self.kind != "words" or self.verbatim:
            return ""
        alike = sum(map(self._like_number, self.vocabulary))
        if 2 * alike <= len(self.vocabulary):
            return ""
        word = next(word for word in self.vocabulary if not self._is_number(word))
        return (
            f"{self._line(self._row(word))}: column {self.name!r} is taken for words, such as {short(word)}, but "
            f"{alike:,} of {len(self.vocabulary):,} different values look like numbers. Correct it and write "
            "numbers as 1234.5, or name the column in categorical."
        )

    def _like_number(self, word: str) -> bool:
        """Return whether a cell is a finite number, written plainly or with separators and units."""
        return self._is_number(word) or bool(_CLUTTERED.fullmatch(word))

    def hint(self) -> str:
        """Return what a user may want to do about the column; nothing if it is as it should be."""
        kind = self.kind
        if kind == "empty":
            return "empty: left out"
        if self.idle:
            return "numbers the rows: left out"
        if kind == "numbers":
            if self._odd:
                cell = next(iter(self._odd))
                return f"cells that are no numbers: {self._words_among_numbers:,}, such as {short(cell)}"
            if self._leading_zero and not self.has_decimals:
                return f"codes such as {self._leading_zero}? Name it in categorical"
            if self._rounded is not None:
                return "longer than the 15 digits that are exact: name it in categorical, or exclude it"
            return "identifies rows? Exclude it" if self._rows > 2 and self.counts_rows else ""
        words = [word for word in self.vocabulary if word.casefold() not in self._missing]
        if words and all(map(_DATE.match, words)):
            return "dates: exclude it, or use a transform of dates"
        if words and not self.verbatim and 2 * sum(map(self._like_number, words)) > len(words):
            return "looks like numbers: write them as 1234.5"
        if self._rows > 20 and len(words) > 0.9 * self._rows:
            return "nearly all different: exclude it"
        return ""

    def seen(self) -> Seen:
        """Return what there is to see in the column."""
        if self._holds_words:
            absent = {} if self.verbatim else {w: n for w, n in self._counts.items() if w.casefold() in self._missing}
            words = [word for word in self.vocabulary if word not in absent]
            return Seen(sum(absent.values()), len(words), tuple(words[:3]))
        values = np.frombuffer(self.numbers)
        different = np.unique(values[np.isfinite(values)])
        texts = tuple(f"{value:.6g}" for value in values[np.isfinite(values)][:3])
        ends = (float(different[0]), float(different[-1])) if len(different) else None
        return Seen(self._absent[0], len(different), texts, ends)

    def bits(self) -> Array:
        """Return a number of 64 bits for each row, the same for the same cells."""
        if self._holds_words:
            return np.frombuffer(self.codes, np.uint64)
        return (np.frombuffer(self.numbers) + 0.0).view(np.uint64)  # -0 is 0

    def values(self) -> Array:
        """Return the numbers, NaN where they are missing, or the words, empty where they are."""
        if not self._holds_words:
            return np.frombuffer(self.numbers)
        absent = frozenset() if self.verbatim else self._missing
        words = ["" if word.casefold() in absent else word for word in self.vocabulary]
        return np.array(words)[np.frombuffer(self.codes, np.int64)]


def _shown_number(number: float) -> str:
    """Return a number as a cell; nothing for NaN, which stands for one that is missing."""
    return "" if math.isnan(number) else str(number)


def _leads_with_zero(cell: str) -> bool:
    return cell[:1] == "0" and cell[1:2].isdigit()


_ROW = "row"
_INDICES = (_ROW, "__index_level_0__")  # the second is how pandas writes an index without a name
_DATE = re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([T ]\d{1,2}:\d{2}.*)?$")


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
        wanted = [_ROW] if not name and k == 0 else []
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


def _number_among(names: Iterable[str]) -> str:
    """Return the first name that is a number; nothing if none is."""
    return next((name for name in names if Numbers(".", "").parse(name) is not None), "")


def _about_header(names: Sequence[str]) -> str:
    """Return what may be wrong with a header in which columns are missing."""
    advice = delimiter_advice(names)
    if advice:
        return advice
    number = _number_among(names)
    return f" The first line must name the columns; {short(number)} is a number." if number else ""
