"""Arrays in NumPy's format. Nothing in a file is ever executed: pickled objects are refused without reading them."""

from __future__ import annotations

import os
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from nnfw.arrays import Array
from nnfw.data.input_files import Layout, Readable, read_declared, reading, require_size
from nnfw.errors import DataError
from nnfw.storage import open_regular

_NUMBERS_AND_WORDS = "biufU"  # kinds of dtype
_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
_LONGEST_HEADER = 1 << 14  # bytes; NumPy accepts 10,000, but reads the declared length before it checks
_ZIP_MAGIC = b"PK"


def read_npy(path: Path) -> Array:
    """Return the array of an ``.npy`` file, memory-mapped: its values are read from disk as they are used.

    It holds numbers ``(N, ...)`` or text ``(N,)``, of the shape and dtype in the file, and is read-only.

    Raises DataError if the file is missing, truncated, of another format, or holds anything but numbers or text.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "x.npy"), np.arange(3))
    ...     read_npy(Path(folder, "x.npy"))
    memmap([0, 1, 2])
    """
    with reading(path, "an .npy array"), open_regular(path) as stream:
        if stream.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC:
            raise DataError(
                f"{path.name} is an archive of arrays; use the dataset 'npz' for it, or save one array with numpy.save."
            )
        return map_npy(stream, path, path.name, 0, os.fstat(stream.fileno()).st_size)


def map_npy(stream: IO[bytes], path: Path, name: str, offset: int, size: int) -> Array:
    """Map the array that takes `size` bytes of an open file from `offset` on, header included; values are not read.

    `name` is what messages call the array. DataError as for :func:`read_npy`.
    """
    stream.seek(offset)
    return map_values(stream, path, name, offset + size, _header(stream, name))


def read_npy_stream(stream: IO[bytes], name: str, compressed: int) -> Array:
    """Return the array in a stream that decompresses `compressed` bytes, and must end with the array."""
    return read_values(stream, name, compressed, _header(stream, name))


def map_values(stream: IO[bytes], path: Path, name: str, end: int, layout: Layout) -> Array:
    """Map the values in an open file, from its position to byte `end`; DataError if they do not fit the header."""
    start = stream.tell()
    require_size(name, layout, min(end, os.fstat(stream.fileno()).st_size) - start)
    shape, dtype, order = layout
    if not prod(shape):
        return np.empty(shape, dtype)
    try:
        array = np.memmap(stream, dtype, "r", start, shape, order)  # opened by path, it might be another file by now
    except ValueError as error:
        raise DataError(f"{path}: became shorter while it was being read. Read it again.") from error
    array.filename = str(path.resolve())  # reading ahead opens it again by this name
    return array


def read_values(stream: Readable, name: str, compressed: int, layout: Layout) -> Array:
    """Return the values in the rest of a stream that decompresses; DataError as for :func:`read_declared`."""
    content = read_declared(name, stream, layout.size, compressed)
    require_size(name, layout, len(content))
    return np.frombuffer(content, layout.dtype).reshape(layout.shape, order=layout.order)


def _header(stream: IO[bytes], name: str) -> Layout:
    start = stream.tell()
    head = BytesIO(stream.read(_LONGEST_HEADER))
    try:
        version = npy_format.read_magic(head)
        if version not in _READERS:
            raise ValueError(f"version {version} is not supported")
        shape, fortran_order, dtype = _READERS[version](head)
    except Exception as error:  # NumPy parses the header as Python, which fails in many ways
        problem = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"{name} is not a readable .npy array: {problem}. Write it with numpy.save.") from error
    if dtype.hasobject:
        raise DataError(
            f"{name} holds pickled Python objects, which could run code when read; nothing of it was read. Save "
            "numbers or text: numpy.save(file, array.astype(float))."
        )
    stream.seek(start + head.tell())
    if dtype.kind not in _NUMBERS_AND_WORDS or not dtype.itemsize or min(shape, default=0) < 0:
        raise DataError(f"{name} must hold real numbers or text, got dtype {dtype} and shape {shape}.")
    if not shape or (dtype.kind == "U" and len(shape) > 1):
        wanted = "(N,)" if shape else "(N, ...)"
        raise DataError(f"{name} must have one entry for each example, shape {wanted}, got {shape}.")
    return Layout(shape, dtype, "F" if fortran_order else "C")
