"""A file is replaced in one step: whoever looks sees the old one or the new one, whole."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from nnfw.errors import NnfwError
from nnfw.storage.lock import lock_file
from nnfw.storage.opening import open_regular, require_regular

_NO_SPACE = "Free some space or choose another place."
_NOT_ALLOWED = "Choose a folder that you may write to."
_NO_FOLDER = "Make the folder or choose another one."
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_TEMPORARY = f".nnfw-{'[0-9a-f]' * 16}.tmp"
_HINTS = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EFBIG: _NO_SPACE,
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.EROFS: _NOT_ALLOWED,
    errno.ENOENT: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
}


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to the file `path`, replacing one that is there in one step.

    The bytes go to a temporary file beside it, reach the disk, and then take the name. A link stays and leads to the
    new content; an existing file's permissions stay too, and one that is read-only is not replaced. If anything fails,
    the temporary file is removed; what a process that was killed has left in the folder is removed by the next one that
    writes there.

    Parameters
    ----------
    path
        The file; its folder must exist.
    content
        All that it shall hold.

    Raises
    ------
    NnfwError
        If the file cannot be written; what was there before is untouched.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     replace_file(f"{folder}/a.txt", b"whole")
    ...     os.listdir(folder), Path(folder, "a.txt").read_text()
    (['a.txt'], 'whole')
    """
    try:
        target = Path(os.path.realpath(path))
        permissions = _permissions(target)
        remove_left_overs(target.parent)
        temporary, file = _temporary(target.parent)
        try:
            with file:
                _write(file, content, permissions)
                if sys.platform == "win32":
                    file.close()  # what is open has to keep its name there
                temporary.replace(target)  # while it is locked
        finally:
            with suppress(OSError):  # after the replacement there is none
                temporary.unlink()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise NnfwError(
            f"{os.fspath(path)}: its {len(content):,} bytes cannot be written: {reason}. {hint_of(error)} "
            "Nothing was changed."
        ) from error
    _sync(target.parent)


def hint_of(error: BaseException) -> str:
    """Return what a user can do against a file that cannot be written."""
    return _HINTS.get(getattr(error, "errno", None) or 0, "Choose another place.")


def _permissions(target: Path) -> int | None:
    """Return the permissions of an existing file; refuse what must stay: what is no file, or is read-only."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    require_regular(mode)
    if not mode & _WRITABLE:  # which a replacement would not ask
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return stat.S_IMODE(mode)


def _temporary(folder: Path) -> tuple[Path, IO[bytes]]:
    """Make a temporary file, open and locked: the lock ends with the process, and so tells whether it lives."""
    while True:
        path = folder / f".nnfw-{secrets.token_hex(8)}.tmp"
        file = path.open("xb")
        if lock_file(file) and path.exists():
            return path, file
        file.close()  # another process took it for a left-over before it was locked


def remove_left_overs(folder: Path) -> None:
    """Remove the temporary files of processes that are no more from a folder, where locks tell that."""
    with suppress(OSError):
        for path in folder.glob(_TEMPORARY):
            with suppress(OSError), open_regular(path) as file:
                if lock_file(file, unknown=False):
                    path.unlink()


def _write(file: IO[bytes], content: bytes, permissions: int | None) -> None:
    if permissions is not None:
        Path(file.name).chmod(permissions)
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
    size = os.fstat(file.fileno()).st_size
    if size != len(content):  # some network disks drop bytes without an error
        raise OSError(errno.EIO, f"only {size:,} of them arrived")


def _sync(folder: Path) -> None:
    """Bring the new name to the disk, where the system can; the file itself is there by now, whole."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
