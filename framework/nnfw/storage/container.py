"""The container of models and checkpoints: arrays, and a header that describes them. Reading executes nothing.

It is a safetensors file: the length of a JSON table, the table, the bytes of the arrays. The only entry of its metadata
is a SHA-256, followed by the JSON text that it belongs to: the caller's header, and the SHA-256 of each array's bytes.
``docs/model-file.md`` specifies all of it. Models and checkpoints differ in their `Format`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BufferedReader
from math import isfinite, prod
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import DataError, FileFormatError, short
from nnfw.storage.directory import Directory, open_regular
from nnfw.storage.files import replace_file

_LARGEST_TABLE = 8 << 20  # bytes
_MOST_VALUES = 1 << 19  # in the table and in the header within: as Python's objects they may take 80 bytes each
_LENGTH_BYTES = 8
_MOST_AXES = 64  # NumPy's limit
_CHECKSUM = "sha256"
_METADATA = "__metadata__"
_ROW = ("dtype", "shape", "data_offsets")
_LARGEST_NUMBER = (1 << 63) - 1
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")
_RESERVED = frozenset({"format", "readable_since", "tensors"})
_DTYPES: dict[str, np.dtype[np.generic]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    **{f"I{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
}
_ALLOWED = frozenset(_DTYPES.values())

Header = dict[str, Any]


@dataclass(frozen=True)
class Format:
    """One kind of file in this container.

    Parameters
    ----------
    noun
        What such a file holds, in messages.
    entry
        The only entry of its metadata.
    source
        What writes such files, in messages.
    number
        The format that is written, and the newest that is read; from 1.
    readable_since
        The first version of nnfw that reads it.
    """

    noun: str
    entry: str
    source: str
    number: int
    readable_since: str


MODEL = Format("model", "nnfw", "`nnfw train` or `model.save`", 1, "0.1")


@dataclass(frozen=True)
class Tensor:
    """The description of one array in a file; its bytes are from `begin` to `end`, from the end of the table."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, eq=False)
class Container:
    """An open file: its header is checked, its arrays are still on the disk.

    The `header` is as given to :func:`write`; the `tensors` are in the order of their bytes, which fill the file.
    """

    header: Header
    tensors: tuple[Tensor, ...]
    _file: BufferedReader
    _name: str
    _hashes: Mapping[str, str]

    def arrays(self) -> dict[str, Array]:
        """Read the arrays, equal to those written to the bit: sorted by name, writable.

        Raises FileFormatError if the bytes of one differ from those written, or hold numbers that are not finite.
        """
        with _reading(self._name):
            arrays = {tensor.name: self._array(tensor) for tensor in self.tensors}
        return dict(sorted(arrays.items()))

    def _array(self, tensor: Tensor) -> Array:
        shown = f"tensor {short(tensor.name)}"
        try:
            content = np.empty(tensor.end - tensor.begin, np.uint8)
        except MemoryError as error:
            raise NotReadableError(
                f"{self._name}: {shown} takes {tensor.end - tensor.begin:,} bytes of memory, more than there are. Load "
                "it on a larger machine."
            ) from error
        if self._file.readinto(content.data) != content.size:
            raise _damaged(self._name, f"{shown} ended while it was read")
        if _hash(content) != self._hashes[tensor.name]:
            raise _damaged(self._name, f"the bytes of {shown} are not those that were written")
        try:
            array = content.view(tensor.dtype).reshape(tensor.shape)
        except ValueError as error:  # more than NumPy can index, times zero
            raise _damaged(self._name, f"{shown} cannot have shape {tensor.shape}") from error
        if _count_not_finite(array):
            raise _damaged(self._name, f"{shown} holds numbers that are not finite")
        return array


def write(
    path: str | os.PathLike[str],
    header: Mapping[str, object],
    arrays: Mapping[str, Array],
    kind: Format = MODEL,
    *,
    inside: Directory | None = None,
) -> None:
    """Write a model file, or one of another kind, replacing one that is there in one step.

    Raises DataError if an array is not finite or of another dtype, or the header is not JSON; the file stays as it was.
    It raises NnfwError if the file cannot be written.

    Parameters
    ----------
    header
        What JSON can hold, without NaN and infinity; the names format, readable_since and tensors are reserved.
    arrays
        Array by name: float32, float64 or integers, finite, of any shape and memory layout.
    path, kind, inside
        The file, whose folder must exist; what it is; a directory that `path` lies in: no link below it is followed.
    """
    stored = {name: _stored(name, array, kind) for name, array in arrays.items()}
    taken = sorted(_RESERVED & header.keys())
    if taken:
        raise DataError(f"The header of a {kind.noun} file has {taken[0]!r}, a name that the format needs. Rename it.")
    tensors = {
        name: {_CHECKSUM: _hash(array), "dtype": array.dtype.name, "shape": array.shape}
        for name, array in stored.items()
    }
    own = {**header, "format": kind.number, "readable_since": kind.readable_since, "tensors": tensors}
    from safetensors.numpy import save  # imported here: reading needs no more than NumPy

    try:
        text = json.dumps(own, sort_keys=True, allow_nan=False)
        _parsed(text)
        content = save(stored, {kind.entry: f"{_text_hash(text)} {text}"})  # one entry: the order of several would vary
        table = content[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")]
        _parsed(table.decode("utf-8"))
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"The header of a {kind.noun} file must be JSON without NaN and infinity: {error}.") from error
    if len(table) > _LARGEST_TABLE:
        raise DataError(
            f"The header of a {kind.noun} file has {len(text):,} bytes; with the table of the arrays, "
            f"{_LARGEST_TABLE:,} are the most. Put what is large into arrays."
        )
    replace_file(path, content, inside=inside)


def read(
    path: str | os.PathLike[str], kind: Format = MODEL, *, inside: Directory | None = None
) -> tuple[Header, dict[str, Array]]:
    """Return header and arrays of a file, as given to :func:`write`.

    Raises FileFormatError as :func:`opened` and :meth:`Container.arrays` do.
    """
    with opened(path, kind, inside=inside) as file:
        return file.header, file.arrays()


@contextmanager
def opened(
    path: str | os.PathLike[str], kind: Format = MODEL, *, inside: Directory | None = None
) -> Iterator[Container]:
    """Open a file of some kind and check all but the bytes of its arrays; `inside` as for :func:`write`.

    Raises FileFormatError if it is missing, truncated, damaged, of another format or made by a newer nnfw. A declared
    size is checked against that of the file before memory is allocated.
    """
    name = os.fspath(path)
    with _reading(name):
        stream = open_regular(path, inside)
    with stream:
        with _reading(name):
            size = os.fstat(stream.fileno()).st_size
            table = _read_table(stream, size, name, kind)
            own = _read_own(table, name, kind)
            tensors = _layout(table, size - stream.tell(), name)
            _compare(tensors, own["tensors"], name)
        header = {key: value for key, value in own.items() if key not in _RESERVED}
        hashes = {key: row[_CHECKSUM] for key, row in own["tensors"].items()}
        yield Container(header, tuple(tensors), stream, name, hashes)


class NotReadableError(FileFormatError):
    """A file that may be intact but cannot be read here: permission, disk, memory, or made by a newer nnfw."""


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn the errors of opening and reading into FileFormatErrors."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileFormatError(f"{name}: there is no such file. Check the path.") from error
    except IsADirectoryError as error:
        raise FileFormatError(f"{name}: is a folder. Name a model file in it.") from error
    except FileFormatError:  # which is a ValueError
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise NotReadableError(f"{name}: cannot be read: {reason}. Check path and disk.") from error


def _stored(name: str, array: Array, kind: Format) -> Array:
    """Return the array as it is stored: little-endian and contiguous, as safetensors assumes."""
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _ALLOWED:
        raise DataError(
            f"Tensor {name!r} has dtype {array.dtype}; a {kind.noun} file holds float32, float64 and integers. "
            "Convert it."
        )
    count = _count_not_finite(array)
    if count:
        raise DataError(
            f"Tensor {name!r} holds {count} value{'s' if count > 1 else ''} that {'are' if count > 1 else 'is'} not "
            f"finite; such a {kind.noun} is not written. Lower the learning rate, or check the data."
        )
    if name == _METADATA or not _encodable(name):
        raise DataError(f"Tensor {name!r}: the format cannot hold this name. Rename it.")
    return np.asarray(array, dtype, order="C")


def _encodable(name: str) -> bool:
    return name.encode("utf-8", "replace").decode("utf-8") == name


def _count_not_finite(array: Array) -> int:
    return array.size - int(np.isfinite(array).sum()) if array.dtype.kind == "f" else 0


def _hash(array: Array) -> str:
    return sha256(array.reshape(-1).view(np.uint8).data).hexdigest()


def _read_table(file: BufferedReader, size: int, name: str, kind: Format) -> Header:
    """Return the container's table and leave the file where the arrays begin."""
    if not size:
        raise FileFormatError(f"{name}: is empty. Take a copy that is whole.")
    start = file.read(_LENGTH_BYTES + 1)
    length = int.from_bytes(start[:_LENGTH_BYTES], "little")
    if start[_LENGTH_BYTES:] != b"{" or length > _LARGEST_TABLE:
        raise FileFormatError(f"{name}: is not a {kind.noun} file of nnfw. Name a file that {kind.source} wrote.")
    if _LENGTH_BYTES + length > size:
        raise _truncated(name, size, _LENGTH_BYTES + length)
    file.seek(_LENGTH_BYTES)
    return _strict_json(file.read(length), name)


def _read_own(table: Header, name: str, kind: Format) -> Header:
    """Return nnfw's entry of the metadata; refuse what this version cannot read."""
    metadata = table.get(_METADATA)
    entry = metadata.get(kind.entry) if isinstance(metadata, dict) else None
    if not isinstance(entry, str):
        raise FileFormatError(
            f"{name}: is a safetensors file, but not a {kind.noun} of nnfw. Name a file that {kind.source} wrote."
        )
    digest, _, text = entry.partition(" ")
    own = _strict_json(text, name)
    made_in = own.get("format")
    since = own.get("readable_since")
    has_since = isinstance(since, str) and _VERSION.fullmatch(since) is not None
    if type(made_in) is int and made_in > kind.number:
        wanted = f"nnfw >= {since}" if has_since else "the newest nnfw"
        raise NotReadableError(
            f"{name}: was made by a newer nnfw: its format is {short(made_in)}, this version reads up to "
            f"{kind.number}. Install {wanted}."
        )
    if type(made_in) is not int or made_in < 1 or not has_since or not isinstance(own.get("tensors"), dict):
        raise _damaged(name, "its header lacks format, readable_since or tensors")
    if digest != _text_hash(text):
        raise _damaged(name, "its header does not fit its checksum")
    if metadata != {kind.entry: entry}:
        raise _damaged(name, f"its metadata have more than the entry {kind.entry!r}")
    return own


def _text_hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _layout(table: Header, size: int, name: str) -> list[Tensor]:
    """Return the rows of the table in the order of their bytes, which must fill the `size` that there are, once."""
    tensors = sorted(
        (_tensor(key, row, name) for key, row in table.items() if key != _METADATA),
        key=lambda row: (row.begin, row.end),
    )
    position = 0
    for tensor in tensors:
        if tensor.begin != position:
            raise _damaged(
                name, f"the bytes of tensor {short(tensor.name)} begin at {tensor.begin:,}, not at {position:,}"
            )
        position = tensor.end
    if position > size:
        raise _truncated(name, size, position)
    if position < size:
        raise _damaged(name, f"{size - position:,} bytes at its end belong to no tensor")
    return tensors


def _tensor(key: str, row: object, name: str) -> Tensor:
    match row:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end], **more} if not more:
            numbers = [*shape, begin, end]
        case _:
            raise _damaged(name, f"tensor {short(key)} lacks one of {', '.join(_ROW)}, or has more")
    if dtype not in _DTYPES:
        raise FileFormatError(
            f"{name}: tensor {short(key)} has dtype {short(dtype)}; a file of nnfw holds float32, float64 and "
            "integers. Convert it with the program that made it."
        )
    if (
        any(type(number) is not int or not 0 <= number <= _LARGEST_NUMBER for number in numbers)
        or len(shape) > _MOST_AXES
    ):
        raise _damaged(name, f"shape or offsets of tensor {short(key)} are not a list of sizes")
    if end - begin != prod(shape) * _DTYPES[dtype].itemsize:
        raise _damaged(name, f"tensor {short(key)} of shape {tuple(shape)} cannot have {end - begin:,} bytes")
    return Tensor(key, _DTYPES[dtype], tuple(shape), begin, end)


def _compare(tensors: Iterable[Tensor], described: Header, name: str) -> None:
    """Refuse a table that does not agree with nnfw's own description of the tensors."""
    found = {tensor.name: {"dtype": tensor.dtype.name, "shape": list(tensor.shape)} for tensor in tensors}
    for key in sorted(found.keys() | described.keys()):
        row = described.get(key)
        if (
            key not in found
            or not isinstance(row, dict)
            or row != {**found[key], _CHECKSUM: row.get(_CHECKSUM)}
            or any(type(size) is not int for size in row["shape"])  # 2.0 and true equal whole numbers
        ):
            raise _damaged(name, f"its header and its table disagree about tensor {short(key)}")


def _strict_json(text: str | bytes, name: str) -> Header:
    """Return the table in a JSON text, read strictly."""
    try:
        table = _parsed(text if isinstance(text, str) else text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(name, f"its header is not JSON: {error}") from error
    if not isinstance(table, dict):
        raise _damaged(name, "its header is not a table")
    return table


def _parsed(text: str) -> object:
    """Return the value of a JSON text without repeated keys, numbers that are not finite, and halves of characters.

    Raises ValueError or RecursionError if it is not such a text, or holds too many values.
    """
    if text.count(",") + text.count("[") + text.count("{") > _MOST_VALUES:
        raise ValueError(f"it holds more than {_MOST_VALUES:,} values, the most that are read")
    value: object = json.loads(
        text, object_pairs_hook=_without_repeats, parse_constant=_finite_number, parse_float=_finite_number
    )
    if "\\u" in text:  # written so, half a character passes the decoder
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key is there twice")
    return table


def _finite_number(text: str) -> float:
    number = float(text)
    if not isfinite(number):  # NaN, Infinity, and 1e400, which Python takes for infinity
        raise ValueError(f"{short(text)} is not a finite number")
    return number


def _truncated(name: str, size: int, expected: int) -> FileFormatError:
    return FileFormatError(f"{name}: is truncated: {size:,} bytes of at least {expected:,}. Take a copy that is whole.")


def _damaged(name: str, what: str) -> FileFormatError:
    return FileFormatError(f"{name}: is damaged: {what}. Take a copy that is whole.")
