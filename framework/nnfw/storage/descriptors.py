"""What descriptors need: files that others may have named are opened safely, locked, and written to the end."""

from __future__ import annotations

import errno
import os
import stat
import sys
from io import BufferedReader

if sys.platform != "win32":
    import fcntl

# Without it, opening a pipe waits for its writer. 0 where there is no such pipe.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def open_without_waiting(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file for reading; a pipe without a writer is empty. Raises what :func:`os.open` does."""
    descriptor = os.open(path, os.O_RDONLY | _AT_ONCE | getattr(os, "O_BINARY", 0))
    try:
        if _AT_ONCE:
            os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def require_regular(mode: int) -> None:
    """Refuse anything but a regular file, by its mode; OSError says what it is."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")


def lock_file(descriptor: int, *, unknown: bool = True) -> bool:
    """Lock an open file for this process; return whether that worked, or `unknown` where there are no locks."""
    if sys.platform == "win32":
        return unknown
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network disks
        return unknown
    return True


def write_whole(descriptor: int, content: bytes) -> None:
    """Write all bytes to a file, in as many pieces as the system needs; OSError if that fails."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def close_written(descriptor: int) -> None:
    """Make a network disk report now what it failed to write, as on closing; the file stays open."""
    os.close(os.dup(descriptor))
