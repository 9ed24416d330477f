"""Examples in the IDX format, in which MNIST and its relatives are distributed."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np

from nnfw.arrays import Array
from nnfw.data import Examples, Layout, Readable, map_values, read_values, reading
from nnfw.errors import DataError
from nnfw.protocols import Dataset
from nnfw.storage import open_regular

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_MOST_AXES = 32
_WHITE = np.float32(255)  # the largest value of a pixel


@dataclass(frozen=True)
class IDX(Dataset):
    """Images and labels in the format of MNIST; plain, or compressed by gzip whatever the file is called.

    Parameters
    ----------
    images : str
        The file of features, ``(N, ...)``; relative paths start at the directory of the experiment.
    labels : str or None
        The file of labels, ``(N,)``; None (default) where there are none.
    scaled : bool
        True (default): unsigned bytes become float32 in [0, 1], divided by 255. False: numbers stay as they are, and a
        plain file is memory-mapped.
    classes : tuple of str or None
        Names of the classes, where the labels are their numbers from 0 on.

    Notes
    -----
    The features are one column ``pixels`` of shape ``(N, rows, columns)``; a ``flatten`` layer joins its axes. Numbers
    other than unsigned bytes are never scaled. Whole-number labels become int64.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges (1998), *The MNIST database of handwritten digits*: file formats.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "images").write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255]))
    ...     IDX("images").load(Path(folder)).features["pixels"]
    array([[0., 1.]], dtype=float32)
    """

    images: str
    labels: str | None = None
    _: KW_ONLY
    scaled: bool = True
    classes: tuple[str, ...] | None = None

    def load(self, directory: Path) -> Examples:
        """Return the examples.

        Raises
        ------
        DataError
            If a file is missing, of another format, or not of the size that its header declares.
        """
        images = read_idx(directory / self.images)
        if self.scaled and images.dtype == np.uint8:
            images = np.divide(images, _WHITE, dtype=np.float32)
        if self.labels is None:
            return Examples({"pixels": images}, target_name="label")
        labels = read_idx(directory / self.labels)
        if labels.ndim != 1:
            raise DataError(
                f"{self.labels}: expected one label for each example, shape (N,), got {labels.shape}. Are images and "
                "labels exchanged?"
            )
        target = labels.astype(np.int64) if labels.dtype.kind in "iu" else labels
        return Examples({"pixels": images}, target, "label", self.classes)


def read_idx(path: Path) -> Array:
    """Return the array of an IDX file, memory-mapped if the file is not compressed.

    Raises DataError if the file is missing, of another format, damaged, or not of the size that its header declares.
    """
    with reading(path, "an IDX file"):
        try:
            with open_regular(path) as stream:
                compressed = stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
                stream.seek(0)
                size = os.fstat(stream.fileno()).st_size
                if not compressed:
                    return map_values(stream, path, path.name, size, _header(stream, path.name))
                with gzip.open(stream) as content:
                    return read_values(content, path.name, size, _header(content, path.name))
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(f"{path.name} is compressed by gzip, but damaged or truncated: {error}.") from error


def _header(stream: Readable, name: str) -> Layout:
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _DTYPES or not 1 <= start[3] <= _MOST_AXES:
        raise DataError(
            f"{name} is not an IDX file: it starts with the bytes {start.hex(' ') or '(none)'}; expected 00 00, a "
            f"type of number from 08 to 0e, and 1 to {_MOST_AXES} axes."
        )
    sizes = stream.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise DataError(f"{name}: the file ends within its header, which declares {start[3]} axes. It is truncated.")
    return Layout(tuple(np.frombuffer(sizes, ">u4").tolist()), np.dtype(_DTYPES[start[2]]))
