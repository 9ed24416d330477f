"""A file is replaced in one step: whoever looks sees the old one or the new one, whole."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from nnfw.errors import NnfwError

_NO_SPACE = "Free some space or choose another place."
_NOT_ALLOWED = "Choose a folder that you may write to."
_NO_FOLDER = "Make the folder or choose another one."
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
    new content; an existing file's permissions stay too. If anything fails, the temporary file is removed.

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
        temporary = target.with_name(f".nnfw-{secrets.token_hex(8)}.tmp")
        try:
            _write(temporary, content, permissions)
            temporary.replace(target)
        finally:
            with suppress(OSError):  # after the replacement there is none
                temporary.unlink()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        hint = _HINTS.get(getattr(error, "errno", None) or 0, "Choose another place.")
        reason = getattr(error, "strerror", None) or error
        raise NnfwError(
            f"{os.fspath(path)}: its {len(content):,} bytes cannot be written: {reason}. {hint} Nothing was changed."
        ) from error
    _sync(target.parent)


def _permissions(target: Path) -> int | None:
    """Return the permissions of an existing file; refuse what is no file, which a replacement would destroy."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise OSError(errno.EINVAL, f"it is {kind}, not a file")
    return stat.S_IMODE(mode)


def _write(path: Path, content: bytes, permissions: int | None) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
        if size != len(content):  # some network disks drop bytes without an error
            raise OSError(errno.EIO, f"only {size:,} of them arrived")
    if permissions is not None:
        path.chmod(permissions)


def _sync(folder: Path) -> None:
    """Bring the new name to the disk, where the system can; the file itself is there by now, whole."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
