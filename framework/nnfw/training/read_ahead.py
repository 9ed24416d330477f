"""Rows of a memory-mapped array, read from its file without the map.

Pages of a map that were touched count as memory of the process, each row of a shuffled epoch costs a page fault, and a
file that is cut meanwhile ends the process. Reads cost no fault, count for nothing, and fail with an error.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnfw.data import release
from nnfw.errors import DataError

Array = NDArray[Any]

_PART = 1 << 20  # bytes read together: many disk accesses at once, and yet at home in a processor's cache
_AT_HAND = getattr(os, "RWF_NOWAIT", 0)  # fail rather than wait for the disk
_COMPARED = 16  # rows that show whether the file is still the one that is mapped


@dataclass(frozen=True)
class RowFile:
    """The open file of a memory-mapped array.

    Parameters
    ----------
    path
        Named in errors.
    descriptor
        The open file.
    start
        Where in it row 0 begins, in bytes.
    step
        Bytes from a row to the next; negative in a reversed array.
    """

    path: str
    descriptor: int
    start: int
    step: int

    def read(self, rows: Array, out: Array) -> bool:
        """Read the given rows into the first of `out`, which has the dtype of the file; return whether it had to wait.

        Raises
        ------
        DataError
            If the file ends before, or cannot be read.
        """
        content, size = out.reshape(-1).view(np.uint8).data, out[0].nbytes
        offsets = self.start + rows * self.step
        first = np.flatnonzero(np.diff(offsets, prepend=offsets[0] - size - 1) != size)  # neighbours are read together
        edges = (np.append(first, len(rows)) * size).tolist()
        places = offsets[first].tolist()
        parts = [(content[begin:end],) for begin, end in pairwise(edges)]
        return not self._read_at_hand(parts, places, edges[-1]) and self._read_waiting(parts, places)

    def _read_at_hand(self, parts: list[tuple[memoryview]], places: list[int], size: int) -> bool:
        """Read what is in the system's cache; return whether that was all."""
        try:
            return sum(map(os.preadv, repeat(self.descriptor), parts, places, repeat(_AT_HAND))) == size
        except OSError:  # something is not there, or the file system cannot tell
            return False

    def _read_waiting(self, parts: list[tuple[memoryview]], places: list[int]) -> bool:
        """Ask the system for all of it, so that the disk has many requests at once, then read; return True."""
        if hasattr(os, "posix_fadvise"):
            for (part,), place in zip(parts, places, strict=True):
                os.posix_fadvise(self.descriptor, place, len(part), os.POSIX_FADV_WILLNEED)
        for (part,), place in zip(parts, places, strict=True):
            self._read_whole(part, place)
        return True

    def _read_whole(self, part: memoryview, place: int) -> None:
        while len(part):
            try:
                count = os.preadv(self.descriptor, (part,), place)
            except OSError as error:
                raise DataError(f"{self.path} cannot be read any more: {error.strerror or error}.") from error
            if not count:
                raise DataError(
                    f"{self.path} became shorter while it was being read: it ends before byte {place + len(part):,}. "
                    "Leave a file alone while a training reads it; write a new one beside it instead."
                )
            part, place = part[count:], place + count


def _place_in_file(array: np.memmap[Any, Any]) -> int:
    """Return where in its file the first element of a memory-mapped array lies."""
    mapped: Any = array
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    beginning = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    return beginning + array.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data


def _readable(array: Array) -> bool:
    """Whether the rows of an array can be read from a file, each as one piece."""
    return (
        isinstance(array, np.memmap)
        and array.mode == "r"  # any other may hold changes that the file has not
        and array.filename is not None
        and hasattr(os, "preadv")
        and array[0].size > 0
        and array[0].flags.c_contiguous
    )


@contextmanager
def opened(array: Array) -> Iterator[RowFile | None]:
    """Open the file of a memory-mapped array; None for other arrays, and where another file has taken its place."""
    try:
        descriptor = os.open(array.filename, os.O_RDONLY) if _readable(array) else None  # type: ignore[attr-defined]
    except OSError:
        descriptor = None
    if descriptor is None:
        yield None
        return
    try:
        path = os.fspath(array.filename)  # type: ignore[attr-defined]
        file = RowFile(str(path), descriptor, _place_in_file(array), array.strides[0])  # type: ignore[arg-type]
        yield file if _holds(file, array) else None
    finally:
        os.close(descriptor)


def _holds(file: RowFile, array: Array) -> bool:
    rows = np.linspace(0, len(array) - 1, _COMPARED).astype(np.int64)
    found = np.empty((len(rows), *array.shape[1:]), array.dtype)
    file.read(rows, found)
    same = found.tobytes() == array[rows].tobytes()
    release(array)
    return same


def in_parts(file: RowFile, like: Array, rows: Array, size: int) -> Generator[Array, None, None]:
    """Yield the given rows, `size` at a time; once the disk must be waited for, a thread reads ahead.

    Parameters
    ----------
    file, like
        The file, and the array that it holds.
    rows
        In the order in which they are wanted.
    size
        Number of rows in each array, 1 or more; the last may have fewer. An array is valid until the next one is asked
        for.

    Raises
    ------
    DataError
        As :meth:`RowFile.read`; also where it was the thread that read.

    Notes
    -----
    What is in the system's cache is read without a thread: two threads that take turns at Python's lock for each row
    are slower than one.
    """
    count = min(len(rows), size * max(1, _PART // (size * like[0].nbytes)))
    buffers = [np.empty((count, *like.shape[1:]), like.dtype) for _ in range(2)]
    parts = [rows[start : start + count] for start in range(0, len(rows), count)]
    with ThreadPoolExecutor(1, "nnfw-read-ahead") as thread:
        coming: Future[bool] | None = None
        for index, part in enumerate(parts):
            buffer, spare = buffers[index % 2], buffers[1 - index % 2]
            waited = file.read(part, buffer[: len(part)]) if coming is None else coming.result()
            after = parts[index + 1] if waited and index + 1 < len(parts) else None
            coming = None if after is None else thread.submit(file.read, after, spare[: len(after)])
            yield from (buffer[start : min(start + size, len(part))] for start in range(0, len(part), size))
