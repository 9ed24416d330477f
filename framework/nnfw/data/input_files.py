"""Reading data files: errors of the system become DataErrors, and a declared size is checked before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from math import prod
from pathlib import Path
from stat import S_ISFIFO
from typing import IO, TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from nnfw.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from nnfw.arrays import Shape

CHUNK = 1 << 20  # bytes read together

_MOST_EXPANDED = 200  # times the compressed bytes; deflate reaches 1,032 with zeros alone, images and tables 2 to 20
_SMALL = 16 << 20  # bytes that are harmless at any ratio of compression
_HARMLESS = 1 << 30  # bytes of a whole table
_LARGEST = (1 << 63) - 1  # bytes that NumPy can address
_OPENED = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
_UNEXPANDED = ("~", "$", "%", "file:")


Readable: TypeAlias = BufferedIOBase | IO[bytes]
"""A stream of bytes; one that decompresses is the former."""


class Layout(NamedTuple):
    """What the header of a file declares about the array behind it."""

    shape: Shape
    dtype: np.dtype[np.generic]
    order: Literal["C", "F"] = "C"

    @property
    def size(self) -> int:
        """The number of bytes."""
        return prod(self.shape) * self.dtype.itemsize


def is_pipe(path: str) -> bool:
    """Return whether a path is that of a pipe or a file that the shell opened, which can be read once.

    Examples
    --------
    >>> is_pipe("/dev/stdin"), is_pipe("pets.csv")
    (True, False)
    """
    try:
        return path.startswith(_OPENED) or S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn the errors of opening and reading `path` into DataErrors; `expected` is what the file should be.

    Examples
    --------
    >>> with reading(Path("none.csv"), "a CSV table"):
    ...     Path("none.csv").open()
    Traceback (most recent call last):
    nnfw.errors.DataError: none.csv: there is no such file; expected a CSV table.
    """
    if "\0" in str(path):
        raise DataError(f"{str(path)!r} cannot be the path of {expected}: it holds a NUL character.")
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        literally = any(mark in str(path) for mark in _UNEXPANDED)
        advice = " A path is taken literally: ~, variables and URLs are not expanded." if literally else ""
        raise DataError(f"{path}: there is no such file; expected {expected}.{advice}") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a directory; expected {expected}.") from error
    except OSError as error:
        raise DataError(f"{path}: {expected} cannot be read: {str(error.strerror or error).rstrip('.')}.") from error
    except MemoryError as error:
        raise DataError(
            f"{path}: does not fit into memory. Store it as an .npy array, which is not read whole."
        ) from error


def read_declared(name: str, stream: Readable, size: int, compressed: int) -> bytearray:
    """Return up to ``size + 1`` bytes of a stream that decompresses `compressed` bytes, where a header declares `size`.

    Memory grows with the actual content, never with what a header declares. If the result has more or fewer than `size`
    bytes, the header is wrong. DataError if it is larger than 16 MiB and than 200 times `compressed`: only zeros
    compress that far, or a file made to fill the memory.
    """
    most = max(_SMALL, _MOST_EXPANDED * compressed)
    content = bytearray()
    while chunk := stream.read(min(CHUNK, min(size, most) + 1 - len(content))):
        content += chunk
    if len(content) > most:
        raise DataError(
            f"{name}: {compressed:,} compressed bytes expand to more than {_MOST_EXPANDED} times as many, the most "
            "that is read. Write it without compression."
        )
    return content


def require_expansion(name: str, declared: int, stored: int) -> None:
    """Refuse a file of `stored` bytes that declares to be `declared` in memory: over 1 GiB, and 200 times as many.

    Examples
    --------
    >>> require_expansion("x.parquet", 10**12, 10**6)
    Traceback (most recent call last):
    nnfw.errors.DataError: x.parquet: 1,000,000 bytes declare to be 1,000,000,000,000 in memory, more than 200 times ...
    """
    if declared > max(_HARMLESS, _MOST_EXPANDED * stored):
        raise DataError(
            f"{name}: {stored:,} bytes declare to be {declared:,} in memory, more than {_MOST_EXPANDED} times as many, "
            "the most that is read. It is damaged, or made to fill the memory."
        )


def require_size(name: str, layout: Layout, there: int) -> None:
    """Refuse an array of `there` bytes in a file whose header declares more or fewer.

    Examples
    --------
    >>> import numpy as np
    >>> require_size("x.npy", Layout((2, 3), np.dtype("float32")), 20)
    Traceback (most recent call last):
    nnfw.errors.DataError: x.npy: the header declares float32 of shape (2, 3), 24 bytes, but the file has 20. It is ...
    """
    shape, dtype, _ = layout
    if there != layout.size:
        found = f"{there:,}" if there < layout.size else "more"
        raise DataError(
            f"{name}: the header declares {dtype.newbyteorder('=')} of shape {shape}, {layout.size:,} bytes, but the "
            f"file has {found}. It is truncated or damaged: fetch or write it again."
        )
    if prod(size or 1 for size in shape) * dtype.itemsize > _LARGEST:  # without bytes: one of its sizes is 0
        raise DataError(f"{name}: the header declares shape {shape}, more than can be addressed. The file is damaged.")
