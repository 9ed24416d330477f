"""Examples from NumPy's files. Nothing in them is ever executed: pickled objects are refused unread."""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import KW_ONLY, dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from nnfw.data import Examples, read_declared, reading
from nnfw.errors import DataError, did_you_mean
from nnfw.protocols import Dataset, Shape

Array = NDArray[Any]

_NUMBERS_AND_WORDS = "biufU"  # kinds of dtype
_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
_ZIP_MAGIC = b"PK"
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, ..., lengths of the name and of the extra field
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, ValueError)


@dataclass(frozen=True)
class Npy(Dataset):
    """x and y from two ``.npy`` files, memory-mapped: they are read from disk as batches need them.

    Parameters
    ----------
    x, y : str
        The files; `y` may be left out (None). Relative paths start at the directory of the experiment.
    classes : tuple of str or None
        Names of the classes, where `y` holds their numbers from 0 on.

    Notes
    -----
    The features are one column ``x`` of shape ``(N, ...)``. Numbers of every real dtype are taken, and text ``(N,)`` as
    categories. Files with Python objects are refused unread, since unpickling can run code.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "x.npy"), np.eye(3))
    ...     np.save(Path(folder, "y.npy"), np.arange(3))
    ...     examples = Npy("x.npy", "y.npy").load(Path(folder))
    >>> type(examples.features["x"]).__name__, examples.target
    ('memmap', memmap([0, 1, 2]))
    """

    x: str
    y: str | None = None
    _: KW_ONLY
    classes: tuple[str, ...] | None = None

    def load(self, directory: Path) -> Examples:
        """Return the examples, memory-mapped.

        Raises
        ------
        DataError
            If a file is missing, truncated, of another format, or holds anything but numbers or text.
        """
        target = None if self.y is None else _map_npy(directory / self.y)
        return Examples({"x": _map_npy(directory / self.x)}, target, "y", self.classes)


@dataclass(frozen=True)
class Npz(Dataset):
    """x and y from one ``.npz`` archive; memory-mapped where it is not compressed (``numpy.savez``).

    Parameters
    ----------
    path : str
        The archive; relative paths start at the directory of the experiment.
    x, y : str
        Names of the arrays in it, ``"x"`` and ``"y"`` by default; None for no `y`.
    classes : tuple of str or None
        Names of the classes, where `y` holds their numbers from 0 on.

    Notes
    -----
    As for ``npy``. The column of features and the target have the names of the arrays. The checksums in the archive are
    verified for compressed arrays only.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.savez_compressed(Path(folder, "data.npz"), x=np.eye(3), y=np.arange(3))
    ...     examples = Npz("data.npz").load(Path(folder))
    >>> examples.features["x"].shape, examples.target
    ((3, 3), array([0, 1, 2]))
    """

    path: str
    _: KW_ONLY
    x: str = "x"
    y: str | None = "y"
    classes: tuple[str, ...] | None = None

    def load(self, directory: Path) -> Examples:
        """Return the examples.

        Raises
        ------
        DataError
            If the file is missing, damaged or no archive, lacks an array, or holds anything but numbers or text.
        """
        path = directory / self.path
        with reading(path, "an .npz archive"):
            try:
                with zipfile.ZipFile(path) as archive:
                    features = {self.x: _read_member(path, archive, self.x)}
                    target = None if self.y is None else _read_member(path, archive, self.y)
            except DataError:
                raise
            except _DAMAGED as error:
                raise DataError(
                    f"{path.name} is no readable .npz archive: {error}. Write it with numpy.savez."
                ) from error
        return Examples(features, target, self.y or "y", self.classes)


def _map_npy(path: Path) -> Array:
    with reading(path, "an .npy array"), path.open("rb") as stream:
        if stream.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC:
            raise DataError(f"{path.name} is an archive of arrays; use the dataset 'npz' for it.")
        return _map(path, path.name, 0, path.stat().st_size)


def _read_member(path: Path, archive: zipfile.ZipFile, member: str) -> Array:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if member not in names:
        raise DataError(
            f"{path.name}: there is no array {member!r}.{did_you_mean(member, names)} Arrays: "
            f"{', '.join(names) or 'none'}."
        )
    info = archive.infolist()[names.index(member)]
    name = f"{path.name}[{member}]"
    if info.compress_type == zipfile.ZIP_STORED:
        return _map(path, name, _start(path, info), info.file_size)
    with archive.open(info) as stream:
        shape, fortran_order, dtype = _header(stream, name)
        declared = prod(shape) * dtype.itemsize
        content = read_declared(stream, declared)
    _require_size(name, shape, dtype, len(content))
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")


def _start(path: Path, info: zipfile.ZipInfo) -> int:
    """Return where in the file the bytes of a stored member start."""
    with path.open("rb") as stream:
        stream.seek(info.header_offset)
        signature, name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    if signature != zipfile.stringFileHeader:  # type: ignore[attr-defined]
        raise zipfile.BadZipFile(f"no member starts at byte {info.header_offset}")
    return int(info.header_offset + _LOCAL_HEADER.size + name + extra)


def _map(path: Path, name: str, offset: int, size: int) -> Array:
    """Return the array whose `size` bytes, header included, start at `offset`, without reading its values."""
    with path.open("rb") as stream:
        stream.seek(offset)
        shape, fortran_order, dtype = _header(stream, name)
        start = stream.tell()
    there = min(offset + size, path.stat().st_size) - start
    _require_size(name, shape, dtype, there)
    if not there:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran_order else "C")


def _header(stream: IO[bytes], name: str) -> tuple[Shape, bool, np.dtype[Any]]:
    try:
        version = npy_format.read_magic(stream)
        if version not in _READERS:
            raise ValueError(f"version {version} is not supported")
        shape, fortran_order, dtype = _READERS[version](stream)
    except Exception as error:  # NumPy parses the header as Python, which fails in many ways
        problem = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"{name} is no readable .npy array: {problem}. Write it with numpy.save.") from error
    if dtype.hasobject:
        raise DataError(
            f"{name} holds pickled Python objects, which could run code when read; nothing of it was read. Save "
            "numbers or text: numpy.save(file, array.astype(float))."
        )
    if dtype.kind not in _NUMBERS_AND_WORDS or min(shape, default=0) < 0:
        raise DataError(f"{name} must hold real numbers or text, got dtype {dtype} and shape {shape}.")
    if not shape or (dtype.kind == "U" and len(shape) > 1):
        wanted = "(N,)" if shape else "(N, ...)"
        raise DataError(f"{name} must have one entry for each example, shape {wanted}, got {shape}.")
    return shape, fortran_order, dtype


def _require_size(name: str, shape: Shape, dtype: np.dtype[Any], there: int) -> None:
    declared = prod(shape) * dtype.itemsize
    if there != declared:
        found = f"{there:,}" if there < declared else "more"
        raise DataError(
            f"{name}: the header declares {dtype} of shape {shape}, {declared:,} bytes, but the file has {found}. It "
            "is truncated or damaged."
        )
