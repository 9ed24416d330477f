"""A directory held open: what is written goes into it and nowhere else, whatever happens to its path."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
import weakref
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

if sys.platform != "win32":
    import fcntl

TEMPORARY = re.compile(r"\.nnfw-[0-9a-f]{16}\.tmp")
"""Names of files that are being written, or that a killed process has left."""

_HAS_DESCRIPTORS = os.open in os.supports_dir_fd  # not on Windows, where each use checks for links first
_BINARY = getattr(os, "O_BINARY", 0)
_AT_ONCE = getattr(
    os, "O_NONBLOCK", 0
)  # without it, opening a pipe waits for its writer; 0 where there is no such pipe
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | _AT_ONCE | _BINARY
"""Follow no link, and do not wait for a pipe."""

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_NOT_SYNCED = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EPERM}


class Directory:
    """A directory, opened when it is first used and held open from then on.

    Every `name` is that of an entry in it. Links are never followed: the sender of a run may have placed one.

    Parameters
    ----------
    path
        The directory; links on the way to it are followed.
    parent
        The directory that `path` is an entry of: then `path` itself must not be a link.
    """

    def __init__(self, path: str | os.PathLike[str], parent: Directory | None = None) -> None:
        self.path = Path(path)
        self._parent = parent
        self._opened: int | None = None

    def below(self, name: str) -> Directory:
        """Return a directory in this one, which need not exist yet."""
        return Directory(self.path / name, self)

    def holding(self, path: Path) -> tuple[Directory, str]:
        """Return the directory that holds a path below this one, and the path's last name."""
        *folders, name = path.relative_to(self.path).parts
        directory = self
        for folder in folders:
            directory = directory.below(folder)
        return directory, name

    def make(self) -> None:
        """Make the directory unless it exists; without a `parent`, make all above it too.

        Raises OSError if it cannot be made, or something else has its name.
        """
        if self._parent is None:
            self.path.mkdir(parents=True, exist_ok=True)
        else:
            with suppress(FileExistsError):
                os.mkdir(self._parent._place(self.path.name), dir_fd=self._parent._descriptor)
        self._descriptor  # noqa: B018 - opens it now, so that what is not a directory is refused

    def names(self) -> list[str]:
        """Return the names of its entries, in no particular order."""
        descriptor = self._descriptor
        return os.listdir(self.path if descriptor is None else descriptor)  # noqa: PTH208 - a Path knows no descriptor

    def open(self, name: str) -> BufferedReader:
        """Open a file for reading; OSError if it cannot be opened, or is a link, a folder, a pipe or a device."""
        return os.fdopen(self._open_file(name, os.O_RDONLY), "rb")

    def append_to(self, name: str) -> int:
        """Open a file for appending and return its descriptor; OSError if that fails."""
        return self._open_file(name, os.O_WRONLY | os.O_APPEND)

    def is_at(self, descriptor: int, name: str) -> bool:
        """Return whether an open file is the one of this name."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._stat(name))
        except OSError:
            return False

    def create(self, name: str, *, new: bool) -> int:
        """Open a file for reading and writing, made if it is missing, and return its descriptor.

        Raises OSError if it is a link, has a second name (a hard link), or cannot be opened; with `new`, also if it
        exists.
        """
        descriptor = self._open_file(name, os.O_RDWR | os.O_CREAT | (os.O_EXCL if new else 0))
        if os.fstat(descriptor).st_nlink > 1:  # writing here would change a file elsewhere
            os.close(descriptor)
            raise _link()
        return descriptor

    def remove(self, name: str) -> None:
        """Remove a file, or a link itself; OSError if that fails."""
        os.unlink(self._place(name), dir_fd=self._descriptor)

    def require_writable(self, name: str) -> None:
        """Refuse a file that is visibly not writable; OSError says why."""
        self._permissions(name)
        if not os.access(self._place("."), os.W_OK | os.X_OK, dir_fd=self._descriptor):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def replace(self, name: str, content: bytes) -> None:
        """Write a file, replacing one of this name in one step.

        The bytes go to a temporary file, reach the disk, and then take the name. An existing file's permissions stay.
        If anything fails, the temporary file is removed; files left by a killed process are removed by the next one
        that writes here.

        Raises OSError if the file cannot be written, is a link or is read-only: what was there before is untouched.
        """
        self._require_place()
        permissions = self._permissions(name)
        self.remove_left_overs()
        temporary, descriptor = self._temporary()
        try:
            _fill(descriptor, content, permissions)
            if sys.platform == "win32":
                os.close(descriptor)  # Windows renames no open file
            where = self._descriptor
            os.replace(self._place(temporary), self._place(name), src_dir_fd=where, dst_dir_fd=where)  # still locked
        finally:
            with suppress(OSError):
                os.close(descriptor)
            with suppress(OSError):  # after the renaming there is none
                self.remove(temporary)

    def remove_left_overs(self) -> None:
        """Remove temporary files whose processes have ended, as far as locks show it."""
        with suppress(OSError):
            for name in filter(TEMPORARY.fullmatch, self.names()):
                with suppress(OSError), self.open(name) as file:
                    if lock_file(file.fileno(), unknown=False):
                        self.remove(name)

    def sync(self) -> None:
        """Flush the names of its files to the disk, if the system can; OSError if that fails."""
        if self._descriptor is not None:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                if error.errno not in _NOT_SYNCED:
                    raise

    @property
    def _descriptor(self) -> int | None:
        if not _HAS_DESCRIPTORS:
            if self._parent is not None and self._parent._is_link(self.path.name):
                raise _link()
            return None
        if self._opened is None:
            self._opened = self._open()
            weakref.finalize(self, os.close, self._opened)
        return self._opened

    def _open(self) -> int:
        where = None if self._parent is None else self._parent._descriptor
        name = self.path if self._parent is None else self.path.name
        flags = os.O_DIRECTORY | (0 if self._parent is None else os.O_NOFOLLOW)
        try:
            return os.open(name, os.O_RDONLY | flags, dir_fd=where)
        except PermissionError:  # it may be writable without being readable
            return os.open(name, getattr(os, "O_PATH", os.O_RDONLY) | flags, dir_fd=where)
        except OSError as error:
            if self._parent is not None and self._parent._is_link(self.path.name):
                raise _link() from error
            raise

    def _require_place(self) -> None:
        """Refuse to write if the path now leads elsewhere: nobody would find the file."""
        if self._descriptor is not None and not os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
            raise FileNotFoundError(errno.ENOENT, "another directory has taken the place of its own")

    def _place(self, name: str) -> str:
        """Return the path that system calls take together with the descriptor."""
        return name if self._descriptor is not None else str(self.path / name)

    def _stat(self, name: str) -> os.stat_result:
        return os.stat(self._place(name), dir_fd=self._descriptor, follow_symlinks=False)

    def _open_file(self, name: str, flags: int) -> int:
        try:
            if not _HAS_DESCRIPTORS and self._is_link(name):
                raise _link()
            descriptor = os.open(self._place(name), flags | _PLAIN, 0o666, dir_fd=self._descriptor)
        except OSError as error:
            if self._is_link(name):
                raise _link() from error
            raise
        try:
            _require_regular(os.fstat(descriptor).st_mode)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _is_link(self, name: str) -> bool:
        try:
            return stat.S_ISLNK(self._stat(name).st_mode)
        except OSError:
            return False

    def _permissions(self, name: str) -> int | None:
        """Return the permissions of a file; refuse what must stay: a link, a read-only file, anything but a file."""
        try:
            mode = self._stat(name).st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(mode):
            raise _link()
        _require_regular(mode)
        if not mode & _WRITABLE:  # replacing it would ignore that
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return mode & 0o777  # without the bits that run a program as its owner

    def _temporary(self) -> tuple[str, int]:
        """Make a temporary file, open and locked: the lock ends with its process, and so shows if it is alive."""
        while True:
            name = f".nnfw-{secrets.token_hex(8)}.tmp"
            descriptor = self.create(name, new=True)
            if lock_file(descriptor) and self.is_at(descriptor, name):
                return name, descriptor
            os.close(descriptor)  # another process took it for a left-over before it was locked


def as_directory(path: Path | Directory) -> Directory:
    """Return the directory of a path; a `Directory` is returned unchanged."""
    return path if isinstance(path, Directory) else Directory(path)


def open_regular(path: str | os.PathLike[str], inside: Directory | None = None) -> BufferedReader:
    """Open a file for reading; OSError if it is no regular file, ValueError if the path holds a NUL.

    `inside` is a directory that `path` lies in: no link below it is followed. Without it, links are followed.

    Examples
    --------
    >>> open_regular(os.devnull)
    Traceback (most recent call last):
    OSError: [Errno 22] it is a device or a pipe, not a file
    """
    if inside is not None:
        directory, name = inside.holding(Path(path))
        return directory.open(name)
    file = open_without_waiting(path)
    try:
        _require_regular(os.fstat(file.fileno()).st_mode)
    except OSError:
        file.close()
        raise
    return file


def open_without_waiting(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file for reading; a pipe without a writer is empty. Raises what :func:`os.open` does."""
    descriptor = os.open(path, os.O_RDONLY | _AT_ONCE | _BINARY)
    try:
        if _AT_ONCE:
            os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


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


def _require_regular(mode: int) -> None:
    """Refuse anything but a regular file, by its mode; OSError says what it is."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")


def _fill(descriptor: int, content: bytes, permissions: int | None) -> None:
    if permissions is not None and sys.platform != "win32":
        os.fchmod(descriptor, permissions)
    write_whole(descriptor, content)
    os.fsync(descriptor)
    close_written(descriptor)
    size = os.fstat(descriptor).st_size
    if size != len(content):  # some network disks drop bytes without an error
        raise OSError(errno.EIO, f"only {size:,} of them arrived")


def _link() -> OSError:
    return OSError(errno.ELOOP, "it is a link, and links in here are not followed")
