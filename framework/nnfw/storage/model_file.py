"""The file of a model: arrays, and a header that says what they are. Reading it executes nothing.

The container is safetensors: the length of a JSON table, the table, the bytes of the arrays. Its metadata entry
``"nnfw"`` is JSON again: what the caller gives, for each array the SHA-256 of its bytes, and that of all the rest.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nnfw.configuration import short
from nnfw.errors import DataError, FileFormatError
from nnfw.storage.atomic import replace_file

FORMAT = 1
READABLE_SINCE = "0.1"  # the first nnfw that reads FORMAT
_LARGEST_TABLE = 16 << 20  # bytes: some 100,000 arrays; a damaged length must not make us allocate more
_LENGTH_BYTES = 8
_MOST_AXES = 64  # NumPy's limit
_OWN = "nnfw"
_CHECKSUM = "sha256"
_METADATA = "__metadata__"
_ROW = ("dtype", "shape", "data_offsets")
_LARGEST_NUMBER = (1 << 63) - 1
_VERSION = re.compile(r"[0-9]+(\.[0-9]+){0,3}")
_RESERVED = frozenset({"format", "readable_since", "tensors", _CHECKSUM})
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    **{f"I{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
}
_ALLOWED = frozenset(_DTYPES.values())

Header = dict[str, Any]


@dataclass(frozen=True)
class _Tensor:
    """One row of the container's table."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


def write(path: str | os.PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a model file, replacing one that is there in one step.

    Parameters
    ----------
    path
        The file; its folder must exist.
    header
        What JSON can hold, without NaN and infinity; the names format, readable_since and tensors are taken.
    arrays
        Array by name: float32, float64 or integers, finite, of any shape and memory layout.

    Raises
    ------
    DataError
        If an array is not finite or of another dtype, or the header is not JSON; the file stays as it was.
    NnfwError
        If the file cannot be written.
    """
    stored = {name: _stored(name, array) for name, array in arrays.items()}
    taken = sorted(_RESERVED & header.keys())
    if taken:
        raise DataError(f"The header of a model file has {taken[0]!r}, a name that the format needs. Rename it.")
    tensors = {
        name: {"sha256": _hash(array), "dtype": array.dtype.name, "shape": array.shape}
        for name, array in stored.items()
    }
    own = {**header, "format": FORMAT, "readable_since": READABLE_SINCE, "tensors": tensors}
    try:
        text = _json({**own, _CHECKSUM: _header_hash(own)})
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"The header of a model file must be JSON without NaN and infinity: {error}.") from error
    from safetensors.numpy import save  # imported here: reading needs no more than NumPy

    content = save(stored, {_OWN: text})
    if int.from_bytes(content[:_LENGTH_BYTES], "little") > _LARGEST_TABLE:
        raise DataError(
            f"The header of a model file has {len(text):,} bytes; with the table of the arrays, {_LARGEST_TABLE:,} "
            "are the most. Put what is large into arrays."
        )
    replace_file(path, content)


def read(path: str | os.PathLike[str]) -> tuple[Header, dict[str, NDArray[Any]]]:
    """Read a model file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tuple
        Header and arrays as :func:`write` took them, the arrays sorted by name, bit by bit the same, writable.

    Raises
    ------
    FileFormatError
        If it is missing, truncated, damaged, of another format or made by a newer nnfw. Nothing is allocated by what
        the file claims before the claim is checked against its size.
    """
    name = os.fspath(path)
    try:
        with _open(path, name) as file:
            size = os.fstat(file.fileno()).st_size
            table = _read_table(file, size, name)
            own = _read_own(table, name)
            tensors = _layout(table, size - file.tell(), name)
            _compare(tensors, own["tensors"], name)
            arrays = {tensor.name: _read_array(file, tensor, own["tensors"][tensor.name], name) for tensor in tensors}
    except OSError as error:
        raise FileFormatError(f"{name}: cannot be read: {error.strerror or error}. Check the disk.") from error
    header = {key: value for key, value in own.items() if key not in _RESERVED}
    return header, dict(sorted(arrays.items()))


def _stored(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return the array as it is stored: little-endian and contiguous, which safetensors takes for granted."""
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _ALLOWED:
        raise DataError(
            f"Tensor {name!r} has dtype {array.dtype}; a model file holds float32, float64 and integers. Convert it."
        )
    if dtype.kind == "f" and not np.isfinite(array).all():
        count = array.size - int(np.isfinite(array).sum())
        raise DataError(
            f"Tensor {name!r} holds {count} value{'s' if count > 1 else ''} that {'are' if count > 1 else 'is'} not "
            "finite; such a model is not written. Lower the learning rate, or check the data."
        )
    if name == _METADATA or not _encodable(name):
        raise DataError(f"Tensor {name!r}: the format cannot hold this name. Rename it.")
    return np.asarray(array, dtype, order="C")


def _encodable(name: str) -> bool:
    return name.encode("utf-8", "replace").decode("utf-8") == name


def _hash(array: NDArray[Any]) -> str:
    return sha256(array.reshape(-1).view(np.uint8).data).hexdigest()


def _open(path: str | os.PathLike[str], name: str) -> IO[bytes]:
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        raise FileFormatError(f"{name}: there is no such file. Check the path.") from error
    except IsADirectoryError as error:
        raise FileFormatError(f"{name}: is a folder. Name a model file in it.") from error
    except ValueError as error:  # a NUL in the path
        raise FileFormatError(f"{name}: cannot be read: {error}. Check the path.") from error


def _read_table(file: IO[bytes], size: int, name: str) -> dict[str, Any]:
    """Return the container's table and leave the file where the arrays begin."""
    if not size:
        raise FileFormatError(f"{name}: is empty. Take a copy that is whole.")
    start = file.read(_LENGTH_BYTES + 1)
    length = int.from_bytes(start[:_LENGTH_BYTES], "little")
    if start[_LENGTH_BYTES:] != b"{" or length > _LARGEST_TABLE:
        raise FileFormatError(f"{name}: is no model file of nnfw. Name a file that `nnfw train` or `model.save` wrote.")
    if _LENGTH_BYTES + length > size:
        raise _truncated(name, size, _LENGTH_BYTES + length)
    file.seek(_LENGTH_BYTES)
    return _strict_json(file.read(length), name)


def _read_own(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return nnfw's entry of the metadata; refuse what this version cannot read."""
    metadata = table.get(_METADATA)
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_OWN), str):
        raise FileFormatError(
            f"{name}: is a safetensors file, but no model of nnfw. Name a file that `nnfw train` or `model.save` wrote."
        )
    own = _strict_json(metadata[_OWN], name)
    made_in = own.get("format")
    if type(made_in) is int and made_in > FORMAT:
        since = own.get("readable_since")
        wanted = f"nnfw >= {since}" if isinstance(since, str) and _VERSION.fullmatch(since) else "the newest nnfw"
        raise FileFormatError(
            f"{name}: was made by a newer nnfw: its format is {made_in}, this version reads up to {FORMAT}. "
            f"Install {wanted}."
        )
    if type(made_in) is not int or made_in < 1 or not isinstance(own.get("tensors"), dict):
        raise _damaged(name, "its header lacks a format number or the list of tensors")
    if own.pop(_CHECKSUM, None) != _header_hash(own):
        raise _damaged(name, "its header does not fit its checksum")
    return own


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _header_hash(own: Mapping[str, Any]) -> str:
    return sha256(_json(own).encode()).hexdigest()


def _layout(table: Mapping[str, Any], size: int, name: str) -> list[_Tensor]:
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


def _tensor(key: str, row: Any, name: str) -> _Tensor:
    match row:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end]} if len(row) == len(_ROW):
            numbers = [*shape, begin, end]
        case _:
            raise _damaged(name, f"tensor {short(key)} lacks one of {', '.join(_ROW)}, or has more")
    if dtype not in _DTYPES:
        raise FileFormatError(
            f"{name}: tensor {short(key)} has dtype {short(dtype)}; a model of nnfw holds float32, float64 and "
            "integers. Convert it with the program that made it."
        )
    if (
        any(type(number) is not int or not 0 <= number <= _LARGEST_NUMBER for number in numbers)
        or len(shape) > _MOST_AXES
    ):
        raise _damaged(name, f"shape or offsets of tensor {short(key)} are no list of sizes")
    if end - begin != prod(shape) * _DTYPES[dtype].itemsize:
        raise _damaged(name, f"tensor {short(key)} of shape {tuple(shape)} cannot have {end - begin:,} bytes")
    return _Tensor(key, _DTYPES[dtype], tuple(shape), begin, end)


def _compare(tensors: Iterable[_Tensor], described: Mapping[str, Any], name: str) -> None:
    """Refuse a table that does not agree with nnfw's own description of the tensors."""
    found = {tensor.name: {"dtype": tensor.dtype.name, "shape": list(tensor.shape)} for tensor in tensors}
    for key in sorted(found.keys() | described.keys()):
        row = described.get(key)
        if key not in found or not isinstance(row, dict) or row != {**found[key], "sha256": row.get("sha256")}:
            raise _damaged(name, f"its header and its table disagree about tensor {short(key)}")


def _read_array(file: IO[bytes], tensor: _Tensor, described: Mapping[str, Any], name: str) -> NDArray[Any]:
    array = np.empty(tensor.end - tensor.begin, np.uint8)
    if file.readinto(array) != array.size:  # type: ignore[attr-defined]
        raise _damaged(name, f"tensor {short(tensor.name)} ended while it was read")
    if _hash(array) != described["sha256"]:
        raise _damaged(name, f"the bytes of tensor {short(tensor.name)} are not those that were written")
    try:
        return array.view(tensor.dtype).reshape(tensor.shape)
    except ValueError as error:  # more than NumPy can index, times zero
        raise _damaged(name, f"tensor {short(tensor.name)} cannot have shape {tensor.shape}") from error


def _strict_json(text: str | bytes, name: str) -> dict[str, Any]:
    """Return the table in a JSON text without repeated keys, NaN and infinity."""
    try:
        table = json.loads(
            text if isinstance(text, str) else text.decode("utf-8"),
            object_pairs_hook=_without_repeats,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise _damaged(name, f"its header is not JSON: {error}") from error
    if not isinstance(table, dict):
        raise _damaged(name, "its header is no table")
    return table


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key is there twice")
    return table


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _truncated(name: str, size: int, expected: int) -> FileFormatError:
    return FileFormatError(f"{name}: is truncated: {size:,} bytes of at least {expected:,}. Take a copy that is whole.")


def _damaged(name: str, what: str) -> FileFormatError:
    return FileFormatError(f"{name}: is damaged: {what}. Take a copy that is whole.")
