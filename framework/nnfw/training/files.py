"""The files that callbacks write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from unicodedata import normalize

from nnfw.errors import ConfigError, DataError, Mistake, short
from nnfw.storage import TEMPORARY, Directory, LineFile, place_of

CHECKPOINT = re.compile(r"step-[0-9]{12,}\.checkpoint")
"""Names of checkpoints."""


class CallbackFiles:
    """The files of a training's callbacks: all are in the training's directory, and each has one writer.

    Inside an open directory, that of a run, no link is followed. The names in `taken`, and everything in folders of
    these names, belong to the run.
    """

    def __init__(self, directory: Path | Directory, taken: Iterable[str] = ()) -> None:
        self._inside = directory if isinstance(directory, Directory) else None
        self.directory = directory.path if isinstance(directory, Directory) else directory
        self._taken = {_folded(Path(name)): "the run" for name in taken}

    def claim(self, path: str, owner: str) -> Path:
        """Return where a callback's file goes, and reserve the name; `owner` is the callback's name.

        ConfigError if the file would be outside the directory, or the name is taken. DataError if it is already clear
        that the file cannot be written, because it is a link for instance.
        """
        relative = Path(path)
        if relative.is_absolute() or ".." in relative.parts or "\0" in path:
            raise _refused(
                f"must lie in the directory of the training, got {short(path)}. Write a relative path without '..' and "
                "NUL.",
                owner,
            )
        name = _folded(relative)
        parents = (name[: count + 1] for count in range(len(name)))
        writer = next((self._taken[part] for part in parents if part in self._taken), None)
        if writer is None and any(names.fullmatch(relative.name) for names in (TEMPORARY, CHECKPOINT)):
            writer = "nnfw"
        if writer is not None:
            raise _refused(
                f"must be a file of its own, got {short(path)}, which {writer} writes. Choose another name.", owner
            )
        self._taken[name] = f"callback {owner}"
        file = self.directory / relative
        try:
            folder, last = place_of(file, self._inside)
            folder.require_writable(last)
        except OSError as error:
            text = f"{file} cannot be written: {error.strerror}. Choose another path for the callback."
            raise DataError(text) from error
        return file

    def lines(self, path: Path) -> LineFile:
        """Return a new text file at a claimed path."""
        return LineFile(path, inside=self.inside(path))

    def inside(self, path: Path) -> Directory | None:
        """Return the directory inside which no link to the file is followed; None if links may be followed."""
        return self._inside if path.is_relative_to(self.directory) else None


def _folded(path: Path) -> tuple[str, ...]:
    """Return a path's parts as the least strict file system compares them, ignoring case and Unicode forms."""
    return tuple(normalize("NFC", part).casefold() for part in path.parts)


def _refused(text: str, owner: str) -> ConfigError:
    return ConfigError([Mistake(("path",), text)], f"Callback {owner}")
