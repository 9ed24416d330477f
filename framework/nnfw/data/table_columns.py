"""A column of a table while it is read, and what there is to see in it."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from nnfw.arrays import Array
from nnfw.data.date_forms import Dates, dates_in
from nnfw.data.table_blocks import EXACT, Known
from nnfw.data.table_text import Numbers, Spelling, spelling
from nnfw.errors import short

_LONGEST_WORD = 1000  # characters of a category: an array of words gives each of them the room of the longest
_CLUTTERED = re.compile(r"[$€£¥]?[-+−]?[$€£¥]?(\d{1,3}([\s,.'’]\d{3})+|\d+)([.,]\d+)?\s?[%$€£¥]?")
"""A number with separators, a decimal comma, a unit or a currency."""

ROW = "row"
"""What a first column without a name is called."""

_INDICES = (ROW, "__index_level_0__")  # the second is how pandas writes an index without a name

Kind = Literal["numbers", "words", "empty", "other"]

Finding = Literal[
    "nothing",
    "empty",
    "row numbers",
    "stray words",
    "codes",
    "rounded",
    "identifier",
    "dates",
    "unread numbers",
    "all different",
]
"""What is special about a column: :meth:`TableColumn.hint` says what each means."""


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


class _Vocabulary(dict[str, int]):
    """Words, each with its code: as many as were before it."""

    def __missing__(self, word: str) -> int:
        """Add a word."""
        self[word] = code = len(self)
        return code


class TableColumn:
    """One column while it is read: its numbers or words, and what is wrong with it.

    Parameters
    ----------
    name, place
        Its name, and its number from 1.
    lines
        The line of each row, one array for all columns; filled block by block, after the columns.
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
        self.lines, self._missing, self._written = lines, missing, numbers
        self._known = known
        self._holds_words = self.verbatim or known == "words"
        self._settled = self._holds_words or known == "numbers"
        self.numbers = array("d")
        self.vocabulary: dict[str, int] = _Vocabulary()  # each word once, with its code
        self.codes = array("q")
        self._odd: dict[str, list[int]] = {}  # words among numbers, with their count and first row
        self._absent = [0, 0]  # count of missing or infinite numbers, and the first row
        self._infinite: int | None = None  # the first row of an infinite number
        self._firsts: dict[int, str] = {}  # cells of rows that messages show
        self._rounded: tuple[int, str] | None = None
        self._leading_zero: tuple[int, str] | None = None
        self._marks = [mark for mark in map(numbers.parse, missing) if mark is not None and math.isfinite(mark)]
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
            rounded = np.flatnonzero(np.abs(numbers) >= EXACT)
            inexact = (int(row) for row in rounded if int(numbers[row]) != int(values[row]))
            self._rounded = next(((row, str(values[row])) for row in inexact), None)

    @property
    def wants_numbers(self) -> bool:
        """Whether it keeps numbers, as far as it is read."""
        return not self._holds_words

    def extend(self, cells: Sequence[str], known: Known | None = None) -> None:
        """Take a block of cells; `known` are the numbers that are already parsed."""
        start, self._rows = self._rows, self._rows + len(cells)
        if not self._holds_words:
            self._take_numbers(cells, start, known)
        if not self._settled and self._odd:  # by the first block with words
            self._settled, words = True, self._words_among_numbers
            if words > start + len(cells) - words - self._absent[0] and not start:
                self._holds_words, self._odd, self.numbers = True, {}, array("d")
                self._absent, self._firsts, self._infinite = [0, 0], {}, None
        if self._holds_words:
            self.codes.extend(map(self.vocabulary.__getitem__, cells))

    def _take_numbers(self, cells: Sequence[str], start: int, known: Known | None) -> None:
        if known is None:
            values = np.asarray(self._parsed(cells, range(len(cells)), start))
        elif known.plain and not self._marks:
            values = known.values
        else:
            values = self._completed(cells, start, known)
        self.numbers.frombytes(values.tobytes())

    def _completed(self, cells: Sequence[str], start: int, known: Known) -> Array:
        """Return known numbers with the cells parsed that are not sure."""
        values, sure = known.values.copy(), known.sure
        sure = sure & ~np.isin(values, self._marks) if self._marks else sure
        for row in np.flatnonzero(known.leading & sure)[:1].tolist():
            self._note_zero(cells[row], start + row)
        for row in np.flatnonzero(sure & (np.abs(values) >= EXACT)).tolist():
            self._note_rounding(cells[row], start + row)
        left = np.flatnonzero(~sure)
        if len(left):
            rows = left.tolist()
            values[left] = self._parsed([cells[row] for row in rows], rows, start)
        return values

    def _parsed(self, cells: Sequence[str], rows: Sequence[int], start: int) -> Array | list[float]:
        """Return cells as numbers, NaN where they are none; their rows are counted from `start`."""
        found = None if self._marks else self._written.parse_all(cells)
        if found is None or not np.isfinite(values := np.array(found)).all():
            return [self._one(cell, start + row) for cell, row in zip(cells, rows, strict=True)]
        if "\n0" in "\n" + "\n".join(cells):
            for cell, row in zip(cells, rows, strict=True):
                self._note_zero(cell, start + row)
        if np.abs(values).max(initial=0) >= EXACT:
            for cell, row in zip(cells, rows, strict=True):
                self._note_rounding(cell, start + row)
        return values

    def _note_zero(self, cell: str, row: int) -> None:
        """Notice a number that is written as a code."""
        if _leads_with_zero(cell) and _is_before(row, self._leading_zero):
            self._leading_zero = row, cell

    def _note_rounding(self, cell: str, row: int) -> None:
        """Notice a number that float64 rounds."""
        digits = cell.lstrip("+-")
        rounded = len(digits) > 15 and digits.isdecimal() and int(float(digits)) != int(digits)
        if rounded and _is_before(row, self._rounded):
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
        self._note_zero(cell, row)
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
        """Whether it says nothing about its row: it is empty, or has no name and numbers the rows without dates."""
        if self.kind == "empty":
            return True
        return self.name in _INDICES and self.counts_rows and self.dates is None

    @property
    def counts_rows(self) -> bool:
        """Whether it is 0, 1, 2, ... or 1, 2, 3, ... in any order, or words that are all different."""
        if self.kind == "words":
            return len(self.vocabulary) == self._rows
        values = np.frombuffer(self.numbers)
        low, high = values.min(), values.max()
        return bool(low in (0, 1) and high - low == len(values) - 1 and (np.diff(np.sort(values)) == 1).all())

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
        return f"{'' if self.unit == 'line' else f' {self.unit} '}{self.lines[row]}"

    def at(self, row: int, text: str) -> str:
        """Return ``line: column ...: text``."""
        return f"{self._line(row)}: column {self.name!r}: {text}"

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
        word = next((word for word in self.vocabulary if not self._is_number(word)), None)
        if word is None or 2 * alike <= len(self.vocabulary):  # numbers alone are words where a model needs them
            return ""
        return (
            f"{self._line(self._row(word))}: column {self.name!r} is taken for words, such as {short(word)}, but "
            f"{alike:,} of {len(self.vocabulary):,} different values look like numbers. Correct it and write "
            "numbers as 1234.5, or name the column in categorical."
        )

    def _like_number(self, word: str) -> bool:
        """Return whether a cell is a finite number, written plainly or with separators and units."""
        return self._is_number(word) or bool(_CLUTTERED.fullmatch(word))

    @property
    def _words(self) -> list[str]:
        """Its different words, without those that mark a missing value."""
        return [word for word in self.vocabulary if word.casefold() not in self._missing]

    @cached_property
    def dates(self) -> Dates | None:
        """What its words are like as dates; None if they are none."""
        return dates_in(self._words) if self.kind == "words" else None

    @cached_property
    def finding(self) -> Finding:
        """What is special about it."""
        if self.kind == "empty":
            return "empty"
        if self.idle:
            return "row numbers"
        return self._finding_of_numbers if self.kind == "numbers" else self._finding_of_words

    @property
    def _finding_of_numbers(self) -> Finding:
        if self._odd:
            return "stray words"
        if self._leading_zero and not self.has_decimals:
            return "codes"
        if self._rounded is not None:
            return "rounded"
        return "identifier" if self._rows > 2 and self.counts_rows else "nothing"

    @property
    def _finding_of_words(self) -> Finding:
        if self.dates is not None:
            return "dates"
        words = self._words
        if words and not self.verbatim and 2 * sum(map(self._like_number, words)) > len(words):
            return "unread numbers"
        return "all different" if self._rows > 20 and len(words) > 0.9 * self._rows else "nothing"

    def hint(self) -> str:
        """Return what a user may want to do about the column; nothing if it is as it should be."""
        return {
            "nothing": "",
            "empty": "empty: left out",
            "row numbers": "numbers the rows: left out",
            "stray words": f"cells that are no numbers: {self._words_among_numbers:,}, such as "
            f"{short(next(iter(self._odd), ''))}",
            "codes": f"codes such as {(self._leading_zero or ('', ''))[1]}? Name it in categorical",
            "rounded": "longer than the 15 digits that are exact: name it in categorical, or exclude it",
            "identifier": "identifies rows? Exclude it",
            "dates": self._hint_of_dates,
            "unread numbers": "looks like numbers: write them as 1234.5",
            "all different": "nearly all different: exclude it",
        }[self.finding]

    @property
    def _hint_of_dates(self) -> str:
        if self.dates is None:
            return ""
        if self.dates.doubt:
            return f"dates, but {self.dates.doubt}: exclude it, or correct it"
        formats = ", ".join(map(short, self.dates.formats))
        return f"dates: the transform date makes numbers of them{formats and f', with formats = [{formats}]'}"

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

    def lacking(self) -> Array:
        """Return whether each row lacks a value, or has a word that marks a missing one."""
        if not self._holds_words:
            return np.isnan(np.frombuffer(self.numbers))
        absent = [code for word, code in self.vocabulary.items() if self._is_missing(word)]
        return np.isin(np.frombuffer(self.codes, np.int64), absent)

    def _is_missing(self, word: str) -> bool:
        return word.casefold() in self._missing

    def cell(self, row: int) -> str:
        """Return the value in a row as a text."""
        return list(self.vocabulary)[self.codes[row]] if self._holds_words else f"{self.numbers[row]:.6g}"

    def ranks(self, rows: Array) -> Array:
        """Return the ranks of the values in some rows, from 0; the same for the same values."""
        if not self._holds_words:
            return np.unique(np.frombuffer(self.numbers)[rows], return_inverse=True)[1]
        codes, inverse = np.unique(np.frombuffer(self.codes, np.int64)[rows], return_inverse=True)
        words = list(self.vocabulary)
        order = sorted(range(len(codes)), key=lambda k: words[codes[k]])
        ranks = np.empty(len(codes), np.intp)
        ranks[order] = np.arange(len(codes))
        return ranks[inverse]

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


def _is_before(row: int, noticed: tuple[int, str] | None) -> bool:
    return noticed is None or row < noticed[0]


def _leads_with_zero(cell: str) -> bool:
    return cell[:1] == "0" and cell[1:2].isdigit()
