"""Examples from NumPy's files. Nothing in them is ever executed: pickled objects are refused without reading them."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import IO

from nnfw.arrays import Array
from nnfw.data import Examples, as_whole, listed, map_npy, read_npy, read_npy_stream, reading
from nnfw.errors import DataError, did_you_mean
from nnfw.protocols import Dataset
from nnfw.storage import open_regular

_LONGEST_LIST = 1 << 20  # bytes: ten thousand arrays; a hundred bytes of it take a thousand of memory
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, ..., lengths of the name and of the extra field
_NO_LABELS = ' Set y = "" if it holds no labels.'
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, ValueError)


@dataclass(frozen=True)
class Npy(Dataset):
    """x and y from two ``.npy`` files, memory-mapped: batches read them from disk as needed.

    Parameters
    ----------
    x, y : str
        The files; `y` may be left out (None). Relative paths start at the directory of the experiment.
    classes : tuple of str or None
        Names of the classes, where `y` holds their numbers from 0 on.

    Notes
    -----
    The features are one column ``x`` of shape ``(N, ...)``. Numbers of every real dtype are taken, and text ``(N,)`` as
    categories. A target ``(N,)`` of floats that are all whole becomes int64, as in ``csv``, so it may number classes.
    Files with Python objects are refused unread, since unpickling can run code.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
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
        target = None if self.y is None else _target(read_npy(directory / self.y))
        return Examples({"x": read_npy(directory / self.x)}, target, "y", self.classes)


@dataclass(frozen=True)
class Npz(Dataset):
    """x and y from one ``.npz`` archive; memory-mapped where it is not compressed (``numpy.savez``).

    Parameters
    ----------
    path : str
        The archive; relative paths start at the directory of the experiment.
    x, y : str
        Names of the arrays in it, ``"x"`` and ``"y"`` by default. For `x` also a list of them. None or ``""`` for no
        `y`, as in an archive to be predicted.
    classes : tuple of str or None
        Names of the classes, where `y` holds their numbers from 0 on.
    weight : str or None
        Name of an array of weights, how much each example counts in cost and metrics; none by default.

    Notes
    -----
    As for ``npy``. The columns of features and the target have the names of the arrays. The checksums in the archive
    are verified for compressed arrays only.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> with TemporaryDirectory() as folder:
    ...     np.savez_compressed(Path(folder, "data.npz"), x=np.eye(3), y=np.arange(3))
    ...     examples = Npz("data.npz").load(Path(folder))
    >>> examples.features["x"].shape, examples.target
    ((3, 3), array([0, 1, 2]))
    """

    path: str
    _: KW_ONLY
    x: str | tuple[str, ...] = "x"
    y: str | None = "y"
    classes: tuple[str, ...] | None = None
    weight: str | None = None

    def load(self, directory: Path) -> Examples:
        """Return the examples.

        Raises
        ------
        DataError
            If the file is missing, damaged or not an archive, lacks an array, or holds anything but numbers or text.
        """
        path = directory / self.path
        with reading(path, "an .npz archive"):
            try:
                with open_regular(path) as file, zipfile.ZipFile(_InPieces(file, path.name)) as archive:
                    names = (self.x,) if isinstance(self.x, str) else self.x
                    features = {name: _read_member(file, path, archive, name) for name in names}
                    target = _target(_read_member(file, path, archive, self.y, _NO_LABELS)) if self.y else None
                    weight = _read_member(file, path, archive, self.weight) if self.weight else None
            except DataError:
                raise
            except _DAMAGED as error:
                raise DataError(
                    f"{path.name} is not a readable .npz archive: {error}. Write it with numpy.savez."
                ) from error
        return Examples(features, target, self.y or "y", self.classes, weight=weight)


def _target(y: Array) -> Array:
    """Return y, as whole numbers where it holds one in each entry: floats may number classes too."""
    return as_whole(y) if y.ndim == 1 else y


class _InPieces:
    """An open archive that refuses large reads, which limits the list of its members."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self._name = file, name
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(_LONGEST_LIST + 1 if size < 0 else min(size, _LONGEST_LIST + 1))
        if len(content) > _LONGEST_LIST:
            raise DataError(
                f"{self._name}: the list of its arrays has more than {_LONGEST_LIST:,} bytes, the most that is read. "
                "Put the examples into few arrays."
            )
        return content


def _read_member(file: IO[bytes], path: Path, archive: zipfile.ZipFile, member: str, advice: str = "") -> Array:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if any(_climbs(name) for name in names):
        raise DataError(f"{path.name} names arrays outside of the archive; nothing of it was read. Do not unpack it.")
    if member not in names:
        raise DataError(
            f"{path.name}: there is no array {member!r}.{did_you_mean(member, names)} Arrays: "
            f"{listed(names) or 'none'}.{advice}"
        )
    info = archive.infolist()[names.index(member)]
    name = f"{path.name}[{member}]"
    if info.compress_type == zipfile.ZIP_STORED:
        return map_npy(file, path, name, _start(file, info), info.file_size)
    if info.compress_type != zipfile.ZIP_DEFLATED:  # others can expand without end in one step
        raise DataError(f"{name} is compressed in a way that NumPy does not use. Write it with numpy.savez_compressed.")
    with archive.open(info) as stream:
        return read_npy_stream(stream, name, min(info.compress_size, os.fstat(file.fileno()).st_size))


def _climbs(name: str) -> bool:
    """Return whether a name would lead out of a folder into which somebody unpacks the archive."""
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/")


def _start(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Return where in the file the bytes of a stored member start."""
    file.seek(info.header_offset)
    signature, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if signature != zipfile.stringFileHeader:  # type: ignore[attr-defined]
        raise zipfile.BadZipFile(f"no member starts at byte {info.header_offset}")
    return int(info.header_offset + _LOCAL_HEADER.size + name + extra)
