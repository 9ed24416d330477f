"""What arrays hold at one time, kept aside."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from nnfw.arrays import Array

LARGE = 1 << 20
"""Bytes from which a copy goes into a file."""


class StoredCopy:
    """A copy of arrays that is renewed time and again, and hardly ever wanted back.

    A large one lies in a temporary file, which leaves the memory to something else. The file has no name and belongs to
    the process: it ends with it, however that happens. It is written, not mapped, for pages of a map count as memory of
    the process. Where it cannot be written, on a full disk for instance, the copy lies in memory like a small one. The
    child of a fork leaves the file to its parent, and has a copy again once it renews it.

    Parameters
    ----------
    arrays
        They stay where they are; what they hold may change.
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._arrays = arrays
        self._open()

    def _open(self) -> None:
        self._process = os.getpid()
        self._file: IO[bytes] = BytesIO()
        if sum(array.nbytes for array in self._arrays) >= LARGE:
            with suppress(OSError):
                self._file = TemporaryFile()  # noqa: SIM115 - `close` closes it

    def renew(self) -> None:
        """Keep what the arrays hold now, in place of what was kept before."""
        if os.getpid() != self._process:
            self.close()
            self._open()
        try:
            self._write()
        except OSError:
            self.close()
            self._file = BytesIO()
            self._write()

    def _write(self) -> None:
        self._file.seek(0)
        for array in self._arrays:
            self._file.write(np.ascontiguousarray(array).data)
        self._file.flush()

    def put_back(self) -> None:
        """Let the arrays hold again what is kept.

        Raises
        ------
        OSError
            If the file cannot be read, or is that of the parent process.
        """
        if os.getpid() != self._process and not isinstance(self._file, BytesIO):
            raise OSError(errno.EBADF, "The copy belongs to the process that this one was forked from")
        self._file.seek(0)
        for array in self._arrays:
            array[...] = np.frombuffer(self._file.read(array.nbytes), array.dtype).reshape(array.shape)

    def close(self) -> None:
        """Let it go."""
        with suppress(OSError):  # the disk is full, so not all of it is written
            self._file.close()
