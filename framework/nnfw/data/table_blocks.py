"""Blocks of a table: lines that are all plain rows are split and parsed together, without a look at each cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from nnfw.arrays import Array
from nnfw.data.digits import AFTER, BEFORE, parse

DELIMITERS = (",", ";", "\t", "|", ":")
"""Delimiters of blocks; of lines of spaces, some are rows and some are empty."""

_NEWLINE, _QUOTE, _ZERO = map(ord, '\n"0')
EXACT = 2.0**53
"""From here on, float64 rounds whole numbers."""


class Known(NamedTuple):
    """What is known of the numbers in a column of a block.

    Parameters
    ----------
    values
        A number for each row.
    sure
        Where it is that of the cell. Other cells may be numbers too.
    leading
        Where it is sure and begins with a zero before other digits.
    plain
        Whether all are sure, none begins with a zero before other digits, and none is so large that it may be rounded.
    """

    values: Array
    sure: Array
    leading: Array
    plain: bool


class Cells(Sequence[str]):
    """The cells of a column of a block, made when asked for."""

    def __init__(self, text: str, starts: Array, stops: Array) -> None:
        self._text, self._starts, self._stops = text, starts, stops

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Cells: ...
    def __getitem__(self, index: int | slice) -> str | Cells:
        """Return one cell, or some of them."""
        if isinstance(index, slice):
            return Cells(self._text, self._starts[index], self._stops[index])
        return self._text[self._starts[index] : self._stops[index]].strip()

    def __iter__(self) -> Iterator[str]:
        """Yield each cell."""
        places = map(slice, self._starts.tolist(), self._stops.tolist())
        return map(str.strip, map(self._text.__getitem__, places))


class Block:
    r"""Plain rows of a table.

    Parameters
    ----------
    text
        Lines that all end with ``"\n"``.
    characters
        The text, one byte for each character.
    starts, points, stops
        Where the cells of ``(rows, columns)`` start and end in the text, without quotation marks, and where the point
        before decimals is, or the end if there is none.
    """

    def __init__(self, text: str, characters: bytes, starts: Array, points: Array, stops: Array) -> None:
        self._text, self._characters = text, characters
        self._starts, self._points, self._stops = starts, points, stops

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._starts)

    def cells(self, column: int) -> Cells:
        """Return the cells of a column."""
        return Cells(self._text, self._starts[:, column], self._stops[:, column])

    def numbers(self, columns: Sequence[int]) -> list[Known]:
        """Return the numbers of some columns."""
        every = len(columns) == self._starts.shape[1]
        places = (self._starts, self._points, self._stops)
        starts, points, stops = (each.ravel() if every else each[:, columns].ravel() for each in places)
        values, sure = parse(self._characters, starts, points, stops)
        first = np.frombuffer(self._characters, np.uint8)[BEFORE:][starts]
        leading = sure & (first == _ZERO) & (points - starts > 1)
        odd = (~sure | leading | (np.abs(values) >= EXACT)).reshape(len(self), -1).any(axis=0)
        found = (each.reshape(len(self), -1).T.copy() for each in (values, sure, leading))
        return [Known(*each) for each in zip(*found, (~odd).tolist(), strict=True)]


def block_of(text: str, delimiter: str, columns: int, point: str = ".", comment: str = "") -> Block | None:
    r"""Return whole lines as a block; None unless all are plain rows of so many cells.

    A plain row lies in one line, is neither empty nor a comment, and its cells have quotation marks, if any, around
    all that they hold and nowhere else. In its numbers, `point` stands before decimals.

    Examples
    --------
    >>> block = block_of("1,2\n'3',4\n".replace("'", '"'), ",", 2)
    >>> list(block.cells(0)), block.numbers([1])[0].values
    (['1', '3'], array([2., 4.]))
    >>> block_of("1,2\n3\n", ",", 2) is None
    True
    """
    if delimiter not in DELIMITERS or "\0" in text or (comment and comment in text):
        return None
    text = text.replace("\r\n", "\n") if "\r" in text else text
    text = text if text.endswith("\n") else text + "\n"
    if "\r" in text or (columns == 1 and not all(map(str.strip, text[:-1].split("\n")))):
        return None
    characters = b"\n" * BEFORE + text.encode("latin-1", "replace") + b"\n" * AFTER
    each = np.frombuffer(characters, np.uint8)[BEFORE:-AFTER]
    places = np.flatnonzero((each == ord(delimiter)) | (each == _NEWLINE) | (each == ord(point)))
    marks = each[places]
    ends = np.flatnonzero((marks == ord(delimiter)) | (marks == _NEWLINE))
    stops = places[ends]
    newlines = np.flatnonzero(marks[ends] == _NEWLINE)
    if len(newlines) * columns != len(stops) or (newlines != np.arange(columns - 1, len(stops), columns)).any():
        return None
    starts = np.append(0, stops[:-1] + 1)
    if '"' in text:
        opened, closed = each[starts] == _QUOTE, (each[stops - 1] == _QUOTE) & (stops - starts > 1)
        if (opened != closed).any() or 2 * opened.sum() != text.count('"'):
            return None
        starts, stops = starts + opened, stops - opened
    points = np.where(np.diff(ends, prepend=-1) > 1, places[ends - 1], stops)
    return Block(text, characters, *(each.reshape(-1, columns) for each in (starts, points, stops)))
