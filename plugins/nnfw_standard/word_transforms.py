"""Transforms of words and texts: in an order that is given, or hashed into slots."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from hashlib import blake2b
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, MinLen

from nnfw.arrays import Array
from nnfw.data import categorical, listed
from nnfw.errors import ConfigError, DataError, Mistake, did_you_mean, short
from nnfw.plain import PlainTable
from nnfw.protocols import FitsInParts

_WORD = re.compile(r"\w+")
_DIGEST = 8  # bytes of a hash: 2^64 is far more than there are slots


@dataclass(frozen=True)
class _OfWords(FitsInParts):
    """A transform of words that learns nothing from them; each value is changed by itself."""

    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]] = "categorical"
    _name: ClassVar[str]

    def start(self) -> None:
        """Return None: nothing is gathered."""

    def add(self, gathered: None, part: Array) -> None:
        """Gather nothing; DataError as :meth:`apply`."""
        self.apply(part[:1], {})

    def finish(self, gathered: None) -> PlainTable:
        """Return no fitted values."""
        return {}

    def _require_words(self, column: Array) -> None:
        if not categorical(column):
            raise DataError(
                f"{self._name} takes words, got numbers. Name the column in categorical to keep it as words."
            )


@dataclass(frozen=True)
class Ordinal(_OfWords):
    """A word as its position in an order that is given.

    x' = k if x is word k of the order, counted from 0

    Parameters
    ----------
    order : tuple of str
        The words from the lowest to the highest, two or more, all different.
    columns : tuple of str or None
        Names of the columns to change; None (default) for every column of words.

    Raises
    ------
    ConfigError
        From :meth:`fit`, for a word that is twice in the order.
    DataError
        For a word that is not in it.

    Notes
    -----
    Positions are numbers (float64), equally far apart, not indices; use ``index`` for an embedding. A number is undone
    to the word of the nearest position.

    Examples
    --------
    >>> transform = Ordinal(("low", "middle", "high"))
    >>> transform.apply(np.array(["high", "low"]), {})
    array([2., 0.])
    >>> transform.invert(np.array([0.6, 7.0]), {})
    array(['middle', 'high'], dtype='<U6')
    """

    order: Annotated[tuple[str, ...], MinLen(2)]
    _name: ClassVar[str] = "ordinal"

    def start(self) -> None:
        """Return None; ConfigError if a word is twice in the order."""
        if twice := [word for k, word in enumerate(self.order) if word in self.order[:k]]:
            raise ConfigError(
                [Mistake(("order",), f"must be different words, got {short(twice[0])} twice.")], "ordinal"
            )

    def add(self, gathered: None, part: Array) -> None:
        """Gather nothing; DataError as :meth:`apply`."""
        self.apply(part, {})

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return the positions, shaped like `column`; DataError names the first word without one, and its row."""
        self._require_words(column)
        position = {word: k for k, word in enumerate(self.order)}
        words, inverse = np.unique(column, return_inverse=True)
        positions = np.array([position.get(word, -1) for word in words.tolist()], np.float64)[inverse]
        positions = positions.reshape(column.shape)
        if (positions < 0).any():
            place = tuple(np.argwhere(positions < 0)[0].tolist())
            word = column[place].item()
            raise DataError(
                f"ordinal: {short(word)} in row {place[0]} (from 0) is not in the order {listed(self.order)}."
                f"{did_you_mean(word, self.order)} Correct it, or add it to the order."
            )
        return positions

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return the word of the nearest position, shaped like `column`."""
        words: Array = np.array(self.order)
        nearest = np.rint(np.clip(column, 0, len(self.order) - 1)).astype(np.int64)
        return np.asarray(words[nearest])

    def samples(self, rng: np.random.Generator) -> Iterable[object]:
        """Yield a column of words in the order."""
        yield rng.choice(self.order, 9)
        yield rng.choice(self.order, (9, 2))


@dataclass(frozen=True)
class Hash(_OfWords):
    """A word as one of k slots, whatever words there are: for many words, of which new ones keep coming.

    x' = h(x) mod k, with a hash h that is the same on every machine

    Parameters
    ----------
    slots : int
        k, 1 or more. Words share a slot by chance: of n words, a word has one for itself with probability about
        exp(−n / k).
    columns : tuple of str or None
        Names of the columns to change; None (default) for every column of words.

    Notes
    -----
    The slots are indices (int64) for an embedding with k rows. h is BLAKE2b of the word in UTF-8 with a digest of 8
    bytes, the lowest first. A missing word is the empty word, which has a slot like any other. It cannot be undone.

    References
    ----------
    K. Weinberger, A. Dasgupta, J. Langford, A. Smola, J. Attenberg (2009), *Feature hashing for large scale multitask
    learning*, section 2, without the signs.

    Examples
    --------
    >>> Hash(100).apply(np.array(["Oslo", "Bern", "Oslo"]), {})
    array([65, 95, 65])
    """

    slots: Annotated[int, Ge(1)]
    takes_missing: ClassVar[bool] = True
    invertible: ClassVar[bool] = False
    _name: ClassVar[str] = "hash"

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return the slots, shaped like `column`."""
        self._require_words(column)
        words, inverse = np.unique(column, return_inverse=True)
        slots: Array = np.array([_slot(word, self.slots) for word in words.tolist()], np.int64)
        return slots[inverse].reshape(column.shape)

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return the empty word for each slot."""
        return np.full(column.shape, "")


@dataclass(frozen=True)
class Tokens(_OfWords):
    """The words of a text, hashed into k slots: how often each slot occurs, or the slots in their order.

    | x'_s = the number of words in slot s, for s = 0 … k − 1
    | with a length: x'_t = 1 + the slot of word t, 0 beyond the last word

    Parameters
    ----------
    slots : int
        k, 1 or more. Words share a slot by chance, as for ``hash``.
    length : int or None
        The number of words to keep, in their order, for an embedding with k + 1 rows; None (default) to count.
    columns : tuple of str or None
        Names of the columns to change; None (default) for every column of words.

    Notes
    -----
    Words are runs of letters, digits and underscores; upper and lower case are the same. Counts are float32, slots
    int64. A missing text has no words. It cannot be undone.

    Examples
    --------
    >>> texts = np.array(["The cat, the dog", ""])
    >>> Tokens(4).apply(texts, {})
    array([[0., 1., 2., 1.],
           [0., 0., 0., 0.]], dtype=float32)
    >>> Tokens(4, length=5).apply(texts, {})
    array([[3, 4, 3, 2, 0],
           [0, 0, 0, 0, 0]])
    """

    slots: Annotated[int, Ge(1)]
    length: Annotated[int, Ge(1)] | None = None
    takes_missing: ClassVar[bool] = True
    invertible: ClassVar[bool] = False
    _name: ClassVar[str] = "tokens"

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return counts ``(N, k)`` or slots ``(N, length)``; DataError if the column is a block."""
        self._require_words(column)
        if column.ndim != 1:
            raise DataError(f"tokens takes one text for each example, shape (N,), got {column.shape}.")
        found: Array
        if self.length is None:
            found = np.zeros((len(column), self.slots), np.float32)
        else:
            found = np.zeros((len(column), self.length), np.int64)
        known: dict[str, int] = {}
        for row, text in zip(found, column.tolist(), strict=True):
            words = _WORD.findall(text.casefold())[: self.length]
            slots = [known.setdefault(word, _slot(word, self.slots)) for word in words]
            if self.length is None:
                np.add.at(row, slots, 1)
            else:
                row[: len(slots)] = np.array(slots, np.int64) + 1
        return found

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return an empty text for each example."""
        return np.full(len(column), "")


def _slot(word: str, slots: int) -> int:
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()
    return int.from_bytes(digest, "little") % slots
