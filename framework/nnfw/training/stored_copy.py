"""A copy of arrays, kept out of memory if it is large."""

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
"""Size in bytes from which a copy goes into a file."""


class StoredCopy:
    """A copy of the values of arrays, renewed often and rarely read.

    A large copy is a temporary file without a name, so it disappears with the process, however that ends. The file is
    written, not mapped: pages of a map count as memory of the process. If it cannot be written, because the disk is
    full for instance, the copy stays in memory like a small one. A forked child leaves the file to its parent and has a
    copy of its own after the next :meth:`renew`.
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
        """Replace the copy by the arrays' current values."""
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
        """Restore the arrays; OSError if the file cannot be read or belongs to the parent process."""
        if os.getpid() != self._process and not isinstance(self._file, BytesIO):
            raise OSError(errno.EBADF, "The copy belongs to the process that this one was forked from")
        self._file.seek(0)
        for array in self._arrays:
            array[...] = np.frombuffer(self._file.read(array.nbytes), array.dtype).reshape(array.shape)

    def close(self) -> None:
        """Discard the copy."""
        with suppress(OSError):  # the disk is full, so not everything is written
            self._file.close()
