"""TOML files, read with the place of every value."""

from __future__ import annotations

import os
import sys
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nnfw.errors import FileFormatError, did_you_mean
from nnfw.storage import Directory, open_regular, open_without_waiting
from nnfw.toml.statements import (
    TOO_DEEP,
    TOO_LARGE,
    Keys,
    Statement,
    explain,
    extremes,
    line_of_digits,
    nearest,
    parse_each,
    position,
    split,
)

STDIN = "-"
_LARGEST = 1 << 20  # bytes: a thousand times the size of a usual experiment
_LISTED = 10  # files of a folder that a message lists


@dataclass(frozen=True, eq=False)
class Document:
    r"""A table of values that knows where each of them comes from.

    Parameters
    ----------
    table
        The values, as plain dictionaries and lists.
    name
        What messages call it: the path as the user gave it.
    text
        The text that `table` was parsed from; empty if it came from elsewhere.
    overrides
        What :func:`apply_overrides` changed: the argument, and the place that it set.

    Examples
    --------
    >>> document = parse("seed = 7\n\n[training]\nepochs = 40\n", "digits.toml")
    >>> document.table["training"]
    {'epochs': 40}
    >>> document.line_of(("training", "epochs"))
    4
    >>> document.place_of(("training", "batch_size"))  # not given: the place of its section
    'digits.toml:3'
    >>> from nnfw.toml import apply_overrides
    >>> apply_overrides(document, ["training.epochs=5"]).place_of(("training", "epochs"))
    '--set training.epochs=5'
    """

    table: dict[str, Any]
    name: str = ""
    text: str = ""
    overrides: tuple[tuple[str, Statement], ...] = ()

    def line_of(self, path: Keys) -> int:
        """Return the first line of the statement that introduces `path`, or else its nearest ancestor; 1 at worst."""
        return nearest(self._statements, path)[1]

    def place_of(self, path: Keys) -> str:
        """Return ``"digits.toml:14"``, or ``"--set training.epochs=5"`` for what an override has set."""
        depth, line = nearest(self._statements, path)
        place = f"{self.name}:{line}" if self.text else self.name
        for argument, statement in self.overrides:
            reached = statement.reach(path)
            if reached > depth or statement.keys == path[: len(statement.keys)]:
                depth, place = reached, f"--set {argument}"
        return place

    @cached_property
    def _statements(self) -> tuple[Statement, ...]:
        return tuple(parse_each(split(self.text, self.name)))


def read(path: str | os.PathLike[str], *, inside: Directory | None = None) -> Document:
    """Read a TOML file, UTF-8 with or without a byte order mark, at most 1 MiB; ``"-"`` is the standard input.

    `inside` is a directory that `path` lies in: no link below it is followed. FileFormatError if there is no such file,
    it cannot be read, or it is not TOML; the message names file, line and column.
    """
    name = "<stdin>" if path == STDIN else os.fspath(path)
    content = _read_bytes(path, name, inside)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = position(content.decode("latin-1"), error.start)
        raise FileFormatError(
            f"{name}:{line}: is not UTF-8: byte 0x{content[error.start]:02x} at byte {column} of the line. "
            "Save the file as UTF-8."
        ) from error
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """Parse a TOML text; `name` is what messages call it.

    Raises FileFormatError if it is empty or not TOML, nests more than 64 deep or holds an integer beyond 64 bits.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if "\0" in text:
        line, column = position(text, text.index("\0"))
        raise FileFormatError(f"{name}:{line}: is not text: NUL byte at column {column}. Name a TOML file in UTF-8.")
    if "\r\n" in text:  # tomllib would take this one too for the end of a line
        line, _ = position(text, text.index("\r\n"))
        raise FileFormatError(f"{name}:{line}: ends in two carriage returns. Save it with ordinary ends of lines.")
    pieces = split(text, name)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"{name}:{explain(error, pieces)}") from error
    except RecursionError as error:
        raise FileFormatError(f"{name}: {TOO_DEEP}") from error
    except ValueError as error:  # more digits than Python converts
        raise FileFormatError(f"{name}:{line_of_digits(pieces)}: {TOO_LARGE}") from error
    if not table:
        raise FileFormatError(f"{name}: is empty. `nnfw assemble ... -o FILE` writes a complete experiment.")
    document = Document(table, name, text)
    for path, problem in extremes(table):
        raise FileFormatError(f"{document.place_of(path)}: {problem}")
    return document


def _read_bytes(path: str | os.PathLike[str], name: str, inside: Directory | None) -> bytes:
    known_size = 0
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with open_without_waiting(path) if inside is None else open_regular(path, inside) as file:
                known_size = os.fstat(file.fileno()).st_size  # 0 for a pipe
                content = file.read(_LARGEST + 1) if known_size <= _LARGEST else b""
    except FileNotFoundError as error:
        raise FileFormatError(_missing(Path(path))) from error
    except IsADirectoryError as error:
        raise FileFormatError(f"{name}: is a folder. Name a file in it.{_listing(Path(path))}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise FileFormatError(
            f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}. Check the path."
        ) from error
    if max(known_size, len(content)) > _LARGEST:
        raise FileFormatError(
            f"{name}: has more than {_LARGEST:,} bytes (1 MiB), the most that is read. "
            "Keep data in files of its own and name them here."
        )
    return content


def _missing(path: Path) -> str:
    if not path.parent.is_dir():
        return f"{path}: there is no folder {path.parent}. Check the path."
    hint = did_you_mean(path.name, _toml_files(path.parent))
    return f"{path}: there is no such file.{hint}{_listing(path.parent)}"


def _listing(folder: Path) -> str:
    names = _toml_files(folder)
    if not names:
        return f" The folder {folder} holds no TOML file."
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f" TOML files in {folder}: {', '.join(names[:_LISTED])}{more}."


def _toml_files(folder: Path) -> list[str]:
    with suppress(OSError):
        return sorted(file.name for file in folder.glob("*.toml"))
    return []
