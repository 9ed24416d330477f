"""Sequences of different lengths in one array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from nnfw.arrays import Array
from nnfw.data.conversion import as_numeric
from nnfw.data.sparse import SparseMatrix
from nnfw.errors import DataError


class Stored(Protocol):
    """An array that is stored elsewhere, such as a data set of h5py or zarr: slices of it are read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its axes, examples first."""

    @property
    def dtype(self) -> Any:
        """That of NumPy."""

    def __getitem__(self, rows: Any, /) -> Any:
        """Return some of the rows."""


@dataclass(frozen=True, eq=False)
class Padded:
    """Sequences of different lengths: an array with padding at their ends, and the lengths.

    Parameters
    ----------
    values
        ``(N, T, ...)``; ``(T, ...)`` for a single example. What lies beyond a length counts for nothing.
    lengths
        ``(N,)``, whole numbers from 0 to T; a number for a single example.

    Examples
    --------
    >>> words = Padded([[4, 7, 2], [5, 0, 0]], lengths=[3, 1])
    """

    values: ArrayLike
    lengths: ArrayLike

    def checked_lengths(self, shape: tuple[int, ...], owner: str) -> Array:
        """Return the lengths for a batch of `shape`, as int64; DataError names `owner`, the row and the value.

        They are ``(N,)`` or, for one example, a number.
        """
        lengths = as_numeric(self.lengths, f"The lengths of {owner}")
        lengths = lengths.reshape(1) if shape[0] == 1 and not lengths.ndim else lengths
        if len(shape) < 2:
            raise DataError(f"{owner} has lengths, but no axis of time: expected shape (N, T, ...), got {shape}.")
        if lengths.shape != shape[:1] or lengths.dtype.kind not in "iu":
            raise DataError(
                f"The lengths of {owner} must be whole numbers, one for each of {shape[0]} examples, got "
                f"{lengths.dtype} of shape {lengths.shape}."
            )
        wrong = (lengths < 0) | (lengths > shape[1])
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"The lengths of {owner} must lie between 0 and {shape[1]}, the number of time steps, got "
                f"{lengths[row]} in row {row} (the first is row 0)."
            )
        return np.ascontiguousarray(lengths, np.int64)


Value = ArrayLike | Stored | Padded | SparseMatrix
"""What may be given as one input, or one output's labels: an array or sequences of different lengths."""

Values = Value | Mapping[str, Value]
"""What may be given as examples or labels: a value, or several of them by name."""
