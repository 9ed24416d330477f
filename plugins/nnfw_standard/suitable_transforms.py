"""Which transforms suit the columns of a table: what a recipe writes, and what ``transforms = "auto"`` picks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from nnfw.arrays import Array
from nnfw.data import categorical
from nnfw.plain import PlainTable

STANDARDIZE: PlainTable = {"type": "standardize"}

_MOST_WORDS = 0.5  # different words for each row; a column of more is text or identifies its row
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
    vectors
        Columns of words for which a layer learns vectors.
    words
        Other columns of words.
    texts
        Those among them in which nearly all words differ.
    kept
        Columns that stay as they are.
    """

    numbers: tuple[str, ...]
    incomplete: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def transforms_for(kinds: Kinds) -> Iterator[tuple[PlainTable, str]]:
    """Yield the transforms for columns, in order, each with the reason."""
    names = (*kinds.numbers, *kinds.words, *kinds.vectors)
    complete = tuple(name for name in names if name not in kinds.incomplete)
    if kinds.incomplete:
        own = _own(kinds.incomplete)
        yield {"type": "fill", "by": "median", "indicator": True, **own}, "missing here: say so"
    if complete:
        own = _own(complete, whole=not (kinds.incomplete or kinds.kept))
        yield {"type": "fill", "by": "median", **own}, "complete here, but new data may not be"
    if kinds.vectors:
        own = _own(kinds.vectors, whole=not kinds.words)
        yield {"type": "index", **own}, "words become vectors; one is for new ones"
    if common := tuple(name for name in kinds.words if name not in kinds.texts):
        own = _own(common, whole=not (kinds.vectors or kinds.texts))
        yield {"type": "one_hot", **own}, "a 1 at the place of each word"
    if kinds.texts:
        yield (
            {"type": "tokens", "slots": _SLOTS, **_own(kinds.texts)},
            "nearly all different, so their parts are counted",
        )
    if kinds.numbers:
        yield {**STANDARDIZE, **_own(kinds.numbers, whole=not kinds.kept)}, "to mean 0 and deviation 1"


def _own(columns: tuple[str, ...], *, whole: bool = False) -> PlainTable:
    """Return the option of a transform for its own columns; nothing if these are the `whole` table's."""
    return {} if whole else {"columns": list(columns)}


def kinds_of(columns: Mapping[str, Array], indices: Collection[str]) -> Kinds:
    """Return what columns hold, of which `indices` must become indices."""
    words = tuple(name for name, column in columns.items() if categorical(column))
    numbers = tuple(name for name in columns if name not in words and name not in indices)
    others = tuple(name for name in words if name not in indices)
    return Kinds(
        numbers,
        tuple(name for name in numbers if columns[name].dtype.kind == "f" and np.isnan(columns[name]).any()),
        tuple(name for name in words if name in indices),
        others,
        tuple(name for name in others if _nearly_all_different(columns[name])),
        tuple(name for name in indices if name not in words),
    )


def _nearly_all_different(column: Array) -> bool:
    return len(column) >= _ROWS_TO_JUDGE and len(np.unique(column)) > _MOST_WORDS * len(column)
