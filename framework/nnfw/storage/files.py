"""Files that are replaced in one step, so that readers never see a part, and files that grow while a training runs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from nnfw.errors import NnfwError
from nnfw.storage.directory import Directory, close_written, write_whole

_HINTS = {
    "Free some space or choose another place.": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    "Choose a folder that you may write to.": (errno.EACCES, errno.EPERM, errno.EROFS),
    "Make the folder or choose another one.": (errno.ENOENT, errno.ENOTDIR),
    "Remove the link, or choose another place.": (errno.ELOOP,),
}

MODEL_FILE = "model.nnfw"
"""Name of the model in the directory of a run."""


def replace_file(path: str | os.PathLike[str], content: bytes, *, inside: Directory | None = None) -> None:
    """Write `content` to the file `path`, replacing one that is there in one step, as :meth:`Directory.replace` does.

    Raises NnfwError if it cannot be written: then what was there before is untouched; or if the disk did not confirm
    that the file has its new name. `inside` is a directory that `path` lies in: no link below it is followed. Without
    it, a link at `path` stays and leads to the new content.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     replace_file(f"{folder}/a.txt", b"whole")
    ...     os.listdir(folder), Path(folder, "a.txt").read_text()
    (['a.txt'], 'whole')
    """
    try:
        directory, name = place_of(path, inside)
        directory.replace(name, content)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unwritten(path, f"its {len(content):,} bytes", error, " Nothing was changed.") from error
    try:
        directory.sync()
    except OSError as error:
        raise NnfwError(
            f"{os.fspath(path)}: was written, but the disk did not confirm its name: {error.strerror}. "
            f"{_hint_of(error)} After a power cut the file may be the one before."
        ) from error


class LineFile:
    r"""A new text file. Each text goes to the system at once, so a killed process loses none.

    An existing file is replaced in one step. No link below the directory `inside`, which `path` lies in, is followed.
    NnfwError if it cannot be made, or written; if another file has taken its place.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     lines = LineFile(Path(folder, "a.txt"))
    ...     lines.write("one\n")
    ...     lines.close()
    ...     Path(folder, "a.txt").read_text()
    'one\n'
    """

    def __init__(self, path: Path, beginning: str = "", *, inside: Directory | None = None) -> None:
        self._path = path
        replace_file(path, beginning.encode(), inside=inside)
        try:
            self._directory, self._name = place_of(path, inside)
            self._descriptor = self._directory.append_to(self._name)
        except OSError as error:
            raise NnfwError(f"{path} cannot be written: {error.strerror}. {_hint_of(error)}") from error

    def write(self, text: str) -> None:
        """Add a text at the end."""
        content = text.encode()
        try:
            write_whole(self._descriptor, content)
        except OSError as error:
            raise _unwritten(self._path, f"its next {len(content):,} bytes", error) from error
        if not self._directory.is_at(self._descriptor, self._name):
            raise NnfwError(
                f"{self._path} was removed or replaced while it was being written. Keep other programs from changing "
                "it; a resumed training writes it again, whole."
            )

    def close(self) -> None:
        """Close the file after its bytes have reached the disk."""
        try:
            try:
                os.fsync(self._descriptor)
                close_written(self._descriptor)
            finally:
                os.close(self._descriptor)
        except OSError as error:
            raise _unwritten(self._path, "its last bytes", error) from error


def place_of(path: str | os.PathLike[str], inside: Directory | None = None) -> tuple[Directory, str]:
    """Return the directory of a file and its name there; without `inside`, of the file that a link leads to."""
    if inside is not None:
        return inside.holding(Path(path))
    target = Path(os.path.realpath(path))
    return Directory(target.parent), target.name


def _unwritten(path: str | os.PathLike[str], what: str, error: Exception, end: str = "") -> NnfwError:
    """Return the error for a file that cannot be written, which names path, bytes, reason and remedy."""
    reason = getattr(error, "strerror", None) or error
    return NnfwError(f"{os.fspath(path)}: {what} cannot be written: {reason}. {_hint_of(error)}{end}")


def _hint_of(error: BaseException) -> str:
    """Return advice for a file that cannot be written."""
    number = getattr(error, "errno", None)
    return next((hint for hint, numbers in _HINTS.items() if number in numbers), "Choose another place.")
