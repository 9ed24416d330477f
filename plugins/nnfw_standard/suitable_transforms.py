"""Which transforms suit the columns of a table: what a recipe writes, and what ``transforms = "auto"`` picks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from nnfw.arrays import Array
from nnfw.data import Dates, categorical, dates_in
from nnfw.plain import PlainTable

STANDARDIZE: PlainTable = {"type": "standardize"}

_ROWS_FOR_QUANTILES = 3_000  # of fewer, too little is known of the tails

MOST_WORDS = 0.5
"""Different words for each row; a column of more is text or identifies its row."""

_ROWS_TO_JUDGE = 20  # of fewer, all words may differ by chance
_SLOTS = 32  # for the words of texts


@dataclass(frozen=True)
class Kinds:
    """What columns hold.

    Parameters
    ----------
    numbers
        Columns of numbers.
    incomplete
        Those among them in which some are missing.
    dates
        Columns of dates, and how they are written.
    vectors
        Columns of words for which a layer learns vectors.
    words
        Other columns of words.
    texts
        Columns of words of which nearly all differ.
    kept
        Columns of numbers that stay as they are.
    rows
        How many the table has.
    """

    numbers: tuple[str, ...]
    incomplete: tuple[str, ...] = ()
    dates: Mapping[str, Dates] = field(default_factory=dict)
    vectors: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    rows: int = 0


def transforms_for(kinds: Kinds) -> Iterator[tuple[PlainTable, str]]:
    """Yield the transforms for columns, in order, each with the reason."""
    names = (*kinds.numbers, *kinds.words, *kinds.texts, *kinds.vectors)
    complete = tuple(name for name in names if name not in kinds.incomplete)
    if kinds.incomplete:
        own = _own(kinds.incomplete)
        yield {"type": "fill", "by": "median", "indicator": True, **own}, "missing here: say so"
    if complete:
        own = _own(complete, whole=not (kinds.incomplete or kinds.dates or kinds.kept))
        yield {"type": "fill", "by": "median", **own}, "new data may lack some"
    yield from _of_dates(kinds.dates)
    if kinds.vectors:
        own = _own(kinds.vectors, whole=not (kinds.words or kinds.texts or kinds.dates))
        yield {"type": "index", **own}, "words become vectors; one is for new ones"
    if kinds.words:
        own = _own(kinds.words, whole=not (kinds.vectors or kinds.texts or kinds.dates))
        yield {"type": "one_hot", **own}, "a 1 at the place of each word"
    if kinds.texts:
        own = _own(kinds.texts)
        yield {"type": "tokens", "slots": _SLOTS, **own}, "nearly all different, so their parts are counted"
    if numeric := (*kinds.numbers, *kinds.dates):
        own = _own(numeric, whole=not (kinds.dates or kinds.kept))
        if kinds.rows >= _ROWS_FOR_QUANTILES:
            yield {"type": "quantile", "to": "normal", **own}, "to a normal distribution, without tails and lumps"
        else:
            yield {**STANDARDIZE, **own}, "to mean 0 and deviation 1, which suits a network"


def _of_dates(dates: Mapping[str, Dates]) -> Iterator[tuple[PlainTable, str]]:
    if dates:
        yield {"type": "fill", "by": "most_frequent", **_own(tuple(dates))}, "dates too"
    for each in dict.fromkeys(dates.values()):
        parts = ["elapsed", "month", "weekday", *(["hour"] if each.clock else [])]
        written: PlainTable = {"formats": list(each.formats)} if each.formats else {}
        own = _own(tuple(name for name, form in dates.items() if form == each))
        told = "month, weekday and hour" if each.clock else "month and weekday"
        yield {"type": "date", "parts": parts, **written, **own}, f"days since the first, {told}"


def _own(columns: tuple[str, ...], *, whole: bool = False) -> PlainTable:
    """Return the option of a transform for its own columns; nothing if these are the `whole` table's."""
    return {} if whole else {"columns": list(columns)}


def kinds_of(columns: Mapping[str, Array], indices: Collection[str], categories: Collection[str] = ()) -> Kinds:
    """Return what columns hold, of which `indices` must become indices, and `categories` are no dates."""
    words = {name: column for name, column in columns.items() if categorical(column)}
    numbers = tuple(name for name in columns if name not in words and name not in indices)
    others = {name: np.unique(column) for name, column in words.items() if name not in indices}
    found = {name: dates_in(filter(None, own.tolist())) for name, own in others.items() if name not in categories}
    dates = {name: form for name, form in found.items() if form is not None and not form.doubt}
    many = [name for name, own in others.items() if _nearly_all_differ(own, words[name])]
    return Kinds(
        numbers,
        tuple(name for name in numbers if columns[name].dtype.kind == "f" and np.isnan(columns[name]).any()),
        dates,
        tuple(name for name in words if name in indices),
        tuple(name for name in others if name not in dates and name not in many),
        tuple(name for name in many if name not in dates),
        tuple(name for name in indices if name not in words),
        max(map(len, columns.values()), default=0),
    )


def _nearly_all_differ(different: Array, column: Array) -> bool:
    return len(column) >= _ROWS_TO_JUDGE and len(different) > MOST_WORDS * len(column)
