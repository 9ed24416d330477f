"""A lock for one process at a time in a directory; it ends with its process, however that ends."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

from nnfw.errors import NnfwError, StateError
from nnfw.storage.directory import Directory, as_directory, lock_file

LOCK = "lock"
"""Name of the file that is locked; it exists while the lock is held."""

_ATTEMPTS, _PAUSE = 20, 0.01  # seconds, to wait for the holder to write its name


@contextmanager
def locked(directory: Path | Directory) -> Iterator[Directory]:
    """Keep other processes out of an existing directory.

    Raises StateError if another process is in it; says which, where, and since when. It raises NnfwError if no file can
    be made in it.

    Only processes that call this function for it are kept out. The directory is yielded.

    Notes
    -----
    On Windows, and on network disks without locks, nobody is kept out.
    """
    directory = as_directory(directory)
    descriptor = _acquired(directory)
    try:
        _sign(descriptor)
        yield directory
    finally:
        with suppress(OSError):  # the directory may have vanished
            if directory.is_at(descriptor, LOCK):  # else this may be the lock of another process
                directory.remove(LOCK)
        with suppress(OSError):  # its content does not matter
            os.close(descriptor)


def _acquired(directory: Directory) -> int:
    """Return the descriptor of a directory's lock, open and locked."""
    while True:
        try:
            descriptor = directory.create(LOCK, new=False)
        except OSError as error:
            text = f"{directory.path / LOCK} cannot be written: {error.strerror}. Choose another directory."
            raise NnfwError(text) from error
        if not lock_file(descriptor):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise StateError(
                f"{directory.path} is in use by {holder}. Wait until it ends, or choose another directory."
            )
        if directory.is_at(descriptor, LOCK):
            return descriptor
        os.close(descriptor)  # its holder removed it before it was locked here


def _sign(descriptor: int) -> None:
    """Write who has the lock. Only people read it, so a full disk does no harm."""
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(holder).encode())


def _holder(descriptor: int) -> str:
    for _ in range(_ATTEMPTS):
        try:
            found = json.loads(os.pread(descriptor, 1 << 12, 0))
            return f"process {found['pid']} on {found['host']} since {found['since']}"
        except (ValueError, KeyError, TypeError, RecursionError):
            sleep(_PAUSE)
    return "another process"
