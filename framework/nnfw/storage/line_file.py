"""A text file that grows while a training runs."""

from __future__ import annotations

import os
from pathlib import Path

from nnfw.errors import NnfwError
from nnfw.storage.atomic import hint_of, place_of, replace_file, unwritten
from nnfw.storage.directory import Directory, close_written, write_whole


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
            raise NnfwError(f"{path} cannot be written: {error.strerror}. {hint_of(error)}") from error

    def write(self, text: str) -> None:
        """Add a text at the end."""
        content = text.encode()
        try:
            write_whole(self._descriptor, content)
        except OSError as error:
            raise unwritten(self._path, f"its next {len(content):,} bytes", error) from error
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
            raise unwritten(self._path, "its last bytes", error) from error
