"""A text file that grows while a training runs."""

from __future__ import annotations

import os
from pathlib import Path

from nnfw.errors import NnfwError
from nnfw.storage.atomic import hint_of, replace_file


class LineFile:
    r"""A new text file, whose every piece goes to the system at once: a process that is killed loses none.

    Parameters
    ----------
    path
        The file; one that is there is replaced in one step.
    beginning
        What it holds at first.

    Raises
    ------
    NnfwError
        If it cannot be made, or written.

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

    def __init__(self, path: Path, beginning: str = "") -> None:
        self._path = path
        replace_file(path, beginning.encode())
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise NnfwError(f"{path} cannot be written: {error.strerror}. {hint_of(error)}") from error

    def write(self, text: str) -> None:
        """Add a text at the end."""
        content = text.encode()
        done = 0
        try:
            while done < len(content):
                done += os.write(self._descriptor, content[done:])
        except OSError as error:
            raise NnfwError(
                f"{self._path}: its next {len(content):,} bytes cannot be written: {error.strerror}. {hint_of(error)}"
            ) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
