"""One process at a time works in a directory; the lock ends with its process, however that ends."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import IO

from nnfw.errors import NnfwError, StateError
from nnfw.storage.opening import require_regular

if sys.platform != "win32":
    import fcntl

LOCK = "lock"
"""Name of the file that is locked; it is there as long as it is needed."""

_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # neither another file, nor waiting for a pipe
_ATTEMPTS, _PAUSE = 20, 0.01  # until the holder has written its name: seconds


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes out of a directory that is there.

    Parameters
    ----------
    directory
        Every process that calls this function for it is kept out, and no other.

    Raises
    ------
    StateError
        If another process is in it; says which, where, and since when.
    NnfwError
        If no file can be made in it.

    Notes
    -----
    On Windows, and on network disks that have no locks, nobody is kept out.
    """
    path = directory / LOCK
    try:
        file = _acquired(path)
        try:
            _sign(file)
            yield
        finally:
            with suppress(OSError):  # the directory may have vanished
                if _is_at(file, path):  # else somebody has removed it, and this may be the lock of another process
                    path.unlink()
            file.close()
    except _HeldError as error:
        raise StateError(
            f"{directory} is in use by {error}. Wait until it ends, or choose another directory."
        ) from error


def lock_file(file: IO[bytes], *, unknown: bool = True) -> bool:
    """Lock an open file for this process; return whether no other has, or `unknown` where there are no locks."""
    if sys.platform == "win32":
        return unknown
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network disks
        return unknown
    return True


class _HeldError(Exception):
    """Somebody else has the lock; the text says who."""


def _acquired(path: Path) -> IO[bytes]:
    """Return the file at a path, open and locked."""
    while True:
        try:
            file = _opened(path)
        except OSError as error:
            raise NnfwError(f"{path} cannot be written: {error.strerror}. Choose another directory.") from error
        if not lock_file(file):
            with file:
                raise _HeldError(_holder(file))
        with suppress(OSError):
            if _is_at(file, path):
                return file
        file.close()  # its holder has removed it before it was locked here


def _opened(path: Path) -> IO[bytes]:
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | _PLAIN, 0o644), "r+b", buffering=0)
    try:
        require_regular(os.fstat(file.fileno()).st_mode)
    except OSError:
        file.close()
        raise
    return file


def _is_at(file: IO[bytes], path: Path) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), path.stat())


def _sign(file: IO[bytes]) -> None:
    """Write who has the lock; for people, so that a full disk does no harm."""
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), json.dumps(holder).encode())


def _holder(file: IO[bytes]) -> str:
    for _ in range(_ATTEMPTS):
        try:
            found = json.loads(os.pread(file.fileno(), 1 << 12, 0))
            return f"process {found['pid']} on {found['host']} since {found['since']}"
        except (ValueError, KeyError, TypeError, RecursionError):
            sleep(_PAUSE)
    return "another process"
