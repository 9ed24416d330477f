"""The inputs of a network: what each of them takes, and the check of what users give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data import INPUT as INPUT
from nnfw.data import Padded, Rows, SparseRows, as_batch, cast_finite, is_sparse, listed, require_finite, row_blocks
from nnfw.errors import DataError, NnfwError, about, did_you_mean, short

_BLOCK = 1 << 20  # indices checked at a time


Limit = int | tuple[int, ...]
"""What indices are below: one number, or one for each place on the last axis."""


def is_limit(found: object) -> TypeGuard[Limit]:
    """Return whether a layer may give this as the limit of its indices."""
    numbers = found if isinstance(found, tuple) and found else (found,)
    return all(type(number) is int and number >= 1 for number in numbers)


def least(limits: Iterable[Limit | None]) -> Limit | None:
    """Return the limit of indices that several layers take; None for real numbers."""
    found = [limit for limit in limits if limit is not None]
    if not found:
        return None
    if all(isinstance(limit, int) for limit in found):
        return int(np.min(found))
    return tuple(np.minimum.reduce(np.broadcast_arrays(*map(np.asarray, found))).tolist())


@dataclass(frozen=True)
class Input:
    """One input of a network.

    Parameters
    ----------
    name
        Its name.
    shape
        Shape of one example.
    limit
        n if it holds indices 0 … n − 1, or an n for each place on the last axis; None for real numbers.
    key
        What messages add to the name of the whole x: nothing, or ``['city']``.
    """

    name: str
    shape: Shape
    limit: Limit | None = None
    key: str = ""

    @classmethod
    def all(cls, names: Sequence[str], shapes: Sequence[Shape], limits: Sequence[Limit | None]) -> tuple[Input, ...]:
        """Return the inputs of a network; a single one called ``x`` has no name in messages."""
        keys = [""] if tuple(names) == (INPUT,) else [f"[{short(name)}]" for name in names]
        return tuple(map(cls, names, shapes, limits, keys))

    def rows_of(self, values: Any, owner: str) -> tuple[Rows, bool]:
        """Return values as a batch of examples, and whether they are a single one; DataError for another shape."""
        if not is_sparse(values):
            return as_batch(values, self.shape, owner)
        if self.limit is not None or values.shape[1:] != self.shape:
            taken = "indices" if self.limit is not None else f"examples of shape {self.shape}"
            raise DataError(
                f"{owner} is a sparse matrix of shape {values.shape}, but the network takes {taken}. Give an array of "
                "that shape."
            )
        return SparseRows(values, owner), False

    def require(self, array: Rows, owner: str, columns: Sequence[str] = ()) -> None:
        """Refuse what the network cannot take: numbers that are not finite, indices out of range.

        DataError names `owner`, the row and the value.
        """
        if isinstance(array, SparseRows):
            array.require_finite(owner, columns)
            return
        if self.limit is None:
            require_finite(array, owner, columns)
            return
        if array.dtype.kind not in "iu":
            raise DataError(
                f"{owner} must hold indices, whole numbers from 0 to {np.max(self.limit) - 1}, got {array.dtype}. Give "
                "an array of integers; floats are not rounded."
            )
        if found := self.outside(array):
            place, index = found
            raise DataError(f"{owner} holds the index {index} in {self.place(place)}, expected {self.expected(place)}.")

    def outside(self, array: Array) -> tuple[list[int], int] | None:
        """Return the place of the first index that is out of range, and the index; None if there is none."""
        if self.limit is None:
            return None
        for rows in row_blocks(array, _BLOCK):
            block = np.asarray(array[rows])
            if self._is_wrong(block):
                row, *rest = np.argwhere((block < 0) | (block >= self.limit))[0].tolist()
                return [(rows.start or 0) + row, *rest], int(block[(row, *rest)])
        return None

    def _is_wrong(self, block: Array) -> bool:
        """Return whether an index is out of range."""
        if not block.size:
            return False
        largest = block.max() if isinstance(self.limit, int) else block.max(axis=tuple(range(block.ndim - 1)))
        return bool(block.min() < 0 or np.any(largest >= self.limit))

    def place(self, place: Sequence[int]) -> str:
        """Return the words for the place of an index."""
        column = "" if isinstance(self.limit, int) else f", column {place[-1]}"
        return f"row {place[0]}{column} (the first is {'row ' * (not column)}0)"

    def expected(self, place: Sequence[int]) -> str:
        """Return the words for the indices that are right at a place."""
        limit = self.limit[place[-1]] if isinstance(self.limit, tuple) else self.limit or 1
        return f"0 to {limit - 1}"

    def cast(self, part: Rows, dtype: np.dtype[np.generic], name: str, whole: Rows, columns: Sequence[str]) -> Array:
        """Return some rows of `whole`, checked and as the network takes them; DataError as :meth:`require`.

        `name` is what messages call x as a whole.
        """
        if isinstance(part, SparseRows):
            part = part[:]
        whole = whole.as_array if isinstance(whole, SparseRows) else whole
        if self.limit is None:
            return cast_finite(part, dtype, name + self.key, whole, columns)
        if part.dtype.kind not in "iu" or self._is_wrong(part):
            self.require(whole, name + self.key)
        return np.asarray(part, np.int64)

    def dtype_in(self, dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
        """Return the dtype of a batch in a network of `dtype`."""
        return dtype if self.limit is None else np.dtype(np.int64)


Given = tuple[list[Rows], list[Array | None] | None, bool]
"""What a user gives: for each input its values, and its lengths if one is padded; whether it is one example."""


def arrays_of(x: object, inputs: Sequence[Input], name: str) -> Given:
    """Return a batch for each input.

    DataError if there is not one array for each input, or one has another shape or length, or lengths do not fit.

    Parameters
    ----------
    x
        An array, or arrays by the names of the inputs; :class:`~nnfw.Padded` for sequences of different lengths.
    inputs
        Those of the network.
    name
        What messages call `x`.
    """
    if not inputs[0].key and not isinstance(x, Padded):
        batch, single = inputs[0].rows_of(x, name)
        return [batch], None, single
    if not inputs[0].key:
        return _together([x], inputs, name)
    return _together(by_name(x, [each.name for each in inputs], name, "input"), inputs, name)


def _together(values: Sequence[Any], inputs: Sequence[Input], name: str) -> Given:
    arrays: list[Rows] = []
    lengths: list[Array | None] = []
    counts: dict[str, int | str] = {}
    for value, each in zip(values, inputs, strict=True):
        owner, padded = name + each.key, value if isinstance(value, Padded) else None
        with about("input_shape", each.name):
            batch, single = each.rows_of(value if padded is None else padded.values, owner)
            arrays.append(batch)
            lengths.append(None if padded is None else padded.checked_lengths(batch.shape, owner))
        counts[each.name] = "a single example" if single else len(batch)
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{short(key)}: {count}" for key, count in counts.items())
        raise DataError(f"The inputs in {name} must have one entry per example, got {found}.")
    return arrays, None if all(each is None for each in lengths) else lengths, single


def by_name(
    values: object, names: Sequence[str], owner: str, what: str, error: type[NnfwError] = DataError
) -> list[Any]:
    """Return an item of `values` for each name; DataError, or another, unless it is a mapping of exactly these."""
    if not isinstance(values, Mapping):
        raise error(
            f"{owner} must give one for each {what} by name: {listed(names)}, got {short(values)}. Write "
            f"{{{short(names[0])}: ...}}."
        )
    missing = [name for name in names if name not in values]
    further = [str(name) for name in values if name not in names]
    if missing:
        near = did_you_mean(missing[0], further)
        raise error(f"{owner} lacks the {what} {listed(missing)}.{near} It has: {listed([*map(str, values)])}.")
    if further:
        raise error(
            f"{owner} has {listed(further)}, which {'are' if len(further) > 1 else 'is'} no {what} of the network."
            f"{did_you_mean(further[0], names)} It takes: {listed(names)}."
        )
    return [values[name] for name in names]
