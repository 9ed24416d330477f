"""Opening files that others may have named: reading a pipe or a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader

# Without it, opening a pipe waits for its writer. 0 where there is no such pipe.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def open_without_waiting(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file or a pipe for reading; a pipe without a writer is empty.

    OSError if it cannot be opened, or is a folder. ValueError if the path holds a NUL.
    """
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
