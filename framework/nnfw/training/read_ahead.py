"""Rows of a memory-mapped array, read from its file without the map.

Touched pages of a map count as memory of the process, each row of a shuffled epoch costs a page fault, and truncating
the file kills the process. Reads cause no page fault, do not count as memory, and fail with an error.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data import release
from nnfw.errors import DataError

if TYPE_CHECKING:
    from concurrent.futures import Executor

Mapped = np.memmap[tuple[int, ...], np.dtype[np.generic]]

_PART = 1 << 20  # bytes read together: many disk accesses at once, yet small enough for a processor's cache
_AT_HAND = getattr(os, "RWF_NOWAIT", 0)  # fail rather than wait for the disk
_COMPARED = 16  # rows that show whether the file is still the mapped one


@dataclass(frozen=True)
class RowFile:
    """The open file of a memory-mapped array.

    Row 0 begins at byte `start`, and each next row `step` bytes later; `step` is negative for a reversed array.
    """

    path: str
    descriptor: int
    start: int
    step: int

    def read(self, rows: Array, out: Array) -> bool:
        """Read the given rows into `out`, which has the dtype of the file; return whether it had to wait for the disk.

        DataError if the file is too short or cannot be read.
        """
        content, size = out.reshape(-1).view(np.uint8).data, out[0].nbytes
        places = (self.start + rows * self.step).tolist()
        if self.step == size and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            places, size = places[:1], out.nbytes  # neighbours are read together
        parts = [(content[begin : begin + size],) for begin in range(0, out.nbytes, size)]
        if self._read_at_hand(parts, places, out.nbytes):
            return False
        if hasattr(os, "posix_fadvise"):  # request everything first, so the disk has many requests at once
            for (part,), place in zip(parts, places, strict=True):
                os.posix_fadvise(self.descriptor, place, len(part), os.POSIX_FADV_WILLNEED)
        for (part,), place in zip(parts, places, strict=True):
            self._read_whole(part, place)
        return True

    def _read_at_hand(self, parts: list[tuple[memoryview]], places: list[int], size: int) -> bool:
        """Read what is in the system's cache; return whether that was everything."""
        try:
            return sum(map(os.preadv, repeat(self.descriptor), parts, places, repeat(_AT_HAND))) == size
        except OSError:  # something is not in the cache, or the file system does not know
            return False

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


def _map_of(array: Array) -> mmap.mmap:
    """Return the map of the file behind a memory-mapped array."""
    mapped: object = array
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    assert isinstance(mapped, mmap.mmap)
    return mapped


def _place_in_file(array: Mapped) -> int:
    """Return where in its file the first element of a memory-mapped array lies."""
    beginning = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    return beginning + array.ctypes.data - np.frombuffer(_map_of(array), np.uint8).ctypes.data


def _readable(array: Array) -> TypeGuard[Mapped]:
    """Return whether the rows of an array can be read from a file, each in one piece."""
    return (
        isinstance(array, np.memmap)
        and array.mode == "r"  # a writable map may hold changes that are not in the file
        and array.filename is not None
        and hasattr(os, "preadv")
        and array[0].size > 0
        and array[0].flags.c_contiguous
    )


@contextmanager
def opened(array: Array) -> Iterator[RowFile | None]:
    """Open the file of a memory-mapped array; None for other arrays, and if another file has taken its place."""
    with ExitStack() as stack:
        file = None
        if _readable(array):
            assert array.filename is not None
            with suppress(OSError):
                descriptor = os.open(array.filename, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                file = RowFile(str(array.filename), descriptor, _place_in_file(array), array.strides[0])
        yield file if file is not None and _holds(file, array) else None


def _holds(file: RowFile, array: Array) -> bool:
    """Return whether the file is the mapped one, judging by its size and some rows."""
    if os.fstat(file.descriptor).st_size != _map_of(array).size():
        return False
    rows = np.linspace(0, len(array) - 1, _COMPARED).astype(np.int64)
    found = np.empty((len(rows), *array.shape[1:]), array.dtype)
    file.read(rows, found)
    same = found.tobytes() == array[rows].tobytes()
    release(array)
    return same


@dataclass(frozen=True, eq=False)
class Batches:
    """Rows of a file in batches of `size`; a thread reads ahead once a read has to wait for the disk.

    A row has the given dtype and shape. `buffer` returns where a batch of a shape goes, in any dtype. Rows in the
    system's cache are read without the thread: two threads that hand each other Python's lock for each row are slower
    than one. A forked child does not have the thread, so it reads by itself.
    """

    file: RowFile
    dtype: np.dtype[np.generic]
    shape: Shape
    rows: Array
    size: int
    buffer: Callable[[Shape], Array]
    process: int = field(default_factory=os.getpid)

    def __iter__(self) -> Generator[Array, None, None]:
        """Yield each batch in its buffer; close the generator to end the thread early. DataError if a read fails."""
        from concurrent.futures import ThreadPoolExecutor  # which loads logging

        raw, done = self._empty(self.size), 0
        with ThreadPoolExecutor(1, "nnfw-read-ahead") as thread:
            while done < len(self.rows):
                batch = self.rows[done : done + self.size]
                out = self.buffer((len(batch), *self.shape))
                read = out if out.dtype == self.dtype else raw[: len(batch)]
                waited = self.file.read(batch, read)
                if read is not out:
                    out[...] = read
                yield out
                done += len(batch)
                if waited and os.getpid() == self.process:
                    done = yield from self._ahead(thread, done)

    def _ahead(self, thread: Executor, done: int) -> Generator[Array, None, int]:
        """Read in the thread, each part while the one before is in use, until a part needs no waiting."""
        count = self.size * max(1, _PART // self._empty(self.size).nbytes)
        part, coming = self._empty(count), self._empty(count)
        reading = self._read(thread, done, coming)
        while reading is not None:
            waited = reading() and os.getpid() == self.process
            part, coming = coming, part
            end = min(done + count, len(self.rows))
            reading = self._read(thread, end, coming) if waited else None
            for start in range(0, end - done, self.size):
                batch = part[start : min(start + self.size, end - done)]
                out = self.buffer(batch.shape)
                out[...] = batch
                yield out
            done = end
        return done

    def _read(self, thread: Executor, done: int, part: Array) -> Callable[[], bool] | None:
        """Start reading a part in the thread; return a function that waits for it, or None at the end of the rows."""
        rows = self.rows[done : done + len(part)]
        if not len(rows):
            return None
        read = partial(self.file.read, rows, part[: len(rows)])
        future = thread.submit(read)
        return lambda: future.result() if os.getpid() == self.process else read()

    def _empty(self, count: int) -> Array:
        return np.empty((count, *self.shape), self.dtype)
