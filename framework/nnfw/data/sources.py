"""Sources: examples that are read chunk by chunk, with a check of what they give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data.conversion import as_numeric
from nnfw.data.tables import listed
from nnfw.errors import DataError, class_name, described, in_words, short
from nnfw.protocols import Source

_CHUNK = 1 << 24  # bytes of stored arrays that are read at once: shuffling within a chunk needs many examples
_IN_MEMORY = ("__array_ufunc__", "__dlpack__", "__array_interface__")


def is_stored(value: object) -> bool:
    """Return whether a value is an array that is read from where it is stored: a data set of h5py or zarr.

    It has a dtype of NumPy, a shape, slices and ``__array__``, but is not an array in memory.
    """
    return (
        isinstance(getattr(value, "dtype", None), np.dtype)
        and isinstance(getattr(value, "shape", None), tuple)
        and hasattr(value, "__getitem__")
        and hasattr(value, "__array__")
        and not any(hasattr(value, name) for name in _IN_MEMORY)
    )


class StoredArrays(Source):
    """Arrays of one length, some of them stored elsewhere, as the columns of a source.

    Parameters
    ----------
    columns
        Arrays by name; those that are stored elsewhere are read in slices of rows.

    Raises
    ------
    DataError
        If their lengths differ, or there is no example.
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        for name, column in columns.items():
            if not column.shape:
                raise DataError(f"{name} must have an entry for each example, got a single number.")
        lengths = {name: column.shape[0] for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name}: {length:,}" for name, length in lengths.items())
            raise DataError(f"Arrays must have one entry per example, all of the same length, got {found}.")
        (count,) = set(lengths.values())
        if not count:
            raise DataError(f"{listed(list(columns))} must hold at least one example, got none.")
        self._columns = columns
        self.schema = np.dtype([(name, column.dtype, column.shape[1:]) for name, column in columns.items()])
        self._rows = _rows_of_a_chunk(columns.values(), self.schema.itemsize)
        self.chunks = [min(self._rows, count - start) for start in range(0, count, self._rows)]

    def read(self, chunk: int) -> dict[str, Array]:
        """Return the next rows of each array."""
        rows = slice(chunk * self._rows, (chunk + 1) * self._rows)
        return {name: np.asarray(column[rows]) for name, column in self._columns.items()}


def _rows_of_a_chunk(columns: Iterable[Any], size: int) -> int:
    """Return how many examples of so many bytes are read at once: whole blocks of the largest block stored."""
    blocks = [getattr(column, "chunks", None) for column in columns]
    block = max([1, *(found[0] for found in blocks if isinstance(found, tuple) and found and type(found[0]) is int)])
    return block * max(1, _CHUNK // max(1, size * block))


def _called(source: Source) -> str:
    """Return how messages call a source, after its owner: by its class if that is public."""
    name = class_name(source)
    return "its source" if name.startswith("_") else name


def require_sound(source: Source, owner: str) -> None:
    """Refuse a source whose schema or chunks are not what they should be; DataError names `owner`."""
    schema, chunks = getattr(source, "schema", None), getattr(source, "chunks", None)
    if not isinstance(schema, np.dtype) or not schema.names:
        raise DataError(
            f"{owner}: the schema of {_called(source)} must be a structured dtype with a name for each column, got "
            f'{described(schema)}. Write np.dtype([("x", "f4", (3,)), ("y", "i8")]), for instance.'
        )
    if not isinstance(chunks, Sequence | np.ndarray) or not len(chunks):
        raise DataError(
            f"{owner}: the chunks of {_called(source)} must be the numbers of examples in them, one or more, got "
            f"{short(chunks)}. Count the examples beforehand; a source without an example has nothing to learn from."
        )
    for index, length in enumerate(chunks):
        if not isinstance(length, int | np.integer) or isinstance(length, bool) or length < 1:
            raise DataError(
                f"{owner}: chunk {index} of {_called(source)} must have a number of examples of 1 or more, got "
                f"{short(length)}. Leave empty chunks out; count the examples beforehand."
            )


def read_chunk(source: Source, chunk: int, owner: str) -> dict[str, Array]:
    """Return the columns of a chunk; DataError, naming `owner` and chunk, unless they are as the source says."""
    place, schema = f"{owner}, chunk {chunk}", source.schema
    try:
        found: object = source.read(chunk)
    except Exception as error:  # what a stranger's source raises
        raise DataError(f"{place}: {_called(source)} cannot read it: {in_words(error)}") from error
    if not isinstance(found, Mapping):
        raise DataError(f"{place}: read returned {described(found)}, expected columns by name.")
    assert schema.names is not None
    if set(found) != set(schema.names):
        raise DataError(
            f"{place}: read returned the columns {listed([*map(str, found)])}, expected those of the schema: "
            f"{listed(schema.names)}."
        )
    return {
        name: _column(found[name], schema[name], source.chunks[chunk], f"{place}: {name!r}") for name in schema.names
    }


def fingerprint_of(source: Source, owner: str, *said: object) -> str:
    """Return a SHA-256 of schema, chunks and fingerprint of a source, of what else is `said`, and of two chunks."""
    chunks = np.asarray(source.chunks, np.int64).tolist()
    digest = sha256(repr((source.schema.descr, chunks, source.fingerprint(), *said)).encode())
    for chunk in sorted({0, len(chunks) - 1}):
        for column in read_chunk(source, chunk, owner).values():
            digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()


def _column(value: Any, dtype: np.dtype[Any], count: int, owner: str) -> Array:
    column = value if isinstance(value, np.ndarray) and value.dtype.kind in "US" else as_numeric(value, owner)
    shape: Shape = (int(count), *dtype.shape)
    if column.shape != shape or column.dtype != dtype.base:
        raise DataError(
            f"{owner} is {column.dtype} of shape {column.shape}, expected {dtype.base} of shape {shape}, as schema and "
            "chunks say."
        )
    return column


def side_by_side(columns: Mapping[str, Array]) -> Array:
    """Return the numbers of columns as one array ``(N, n)``; a single column as it is, but for ``(N, 1)``."""
    arrays = list(columns.values())
    if len(arrays) == 1:
        return arrays[0] if arrays[0].ndim > 1 else arrays[0][:, np.newaxis]
    return np.concatenate([array.reshape(len(array), prod(array.shape[1:])) for array in arrays], axis=1)
