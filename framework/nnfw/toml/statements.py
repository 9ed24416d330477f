"""The statements of a TOML text: the line of every key, and what is wrong with a text that is not TOML.

:mod:`tomllib` parses, but reports no positions. So a text is split into its statements, and tomllib parses each of them
again on its own: that gives the line of every key in linear time.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nnfw.errors import FileFormatError, Mistake
from nnfw.plain import Plain

Keys = tuple[str | int, ...]
Piece = tuple[int, str]
"""A statement as text, after the line where it begins."""

DEEPEST = 64  # levels: recursion over a table stays far from Python's limit
TOO_DEEP = f"keys, lists or tables are nested more than {DEEPEST} deep. Nest less."
TOO_LARGE = "a whole number outside the range of TOML, -2^63 to 2^63 - 1. Write a smaller one."

# Single-line strings and numbers look like parts of keys here, which does no harm. All repeats are possessive, so that
# no text makes them slow.
_PART = r"""(?:[\w-]++|"(?:[^"\\\n]++|\\[^\n])*+"?|'[^'\n]*+'?)"""
_TOKEN = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"{0,5}'
    r"|'''(?:[^']++|'(?!''))*+'{0,5}"
    rf"|(?P<key>{_PART}(?:[ \t]*+\.[ \t]*+{_PART})*+)"
    r"|#[^\n]*+|[\[\]{}\n]",
    re.DOTALL,
)
_LOCATED = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_QUOTES = ' Text stands in quotes: key = "text".'
_HINTS = {
    "Invalid value": _QUOTES,
    "Expected newline or end of document after a statement": _QUOTES,
    "Invalid statement": " A line is `key = value`, `[section]`, `[[section]]` or `# comment`.",
}


@dataclass(frozen=True)
class Statement:
    """One statement, which sets `value` at `keys`."""

    line: int
    keys: Keys
    value: Plain

    def reach(self, path: Keys) -> int:
        """Return how many keys of `path`, from the first, this statement mentions."""
        shared = 0
        for mine, wanted in zip(self.keys, path, strict=False):
            if mine != wanted:
                return shared
            shared += 1
        node = self.value
        for key in path[len(self.keys) :]:
            inner = node if isinstance(node, dict) else dict(enumerate(node)) if isinstance(node, list) else {}
            if key not in inner:
                break
            node = inner[key]
            shared += 1
        return shared


def nearest(statements: Iterable[Statement], path: Keys) -> tuple[int, int]:
    """Return how many keys of `path` the statements mention, and the line of the first that mentions so many, or 1."""
    depth, line = 0, 1
    for statement in statements:
        reached = statement.reach(path)
        if reached > depth:
            depth, line = reached, statement.line
        if depth == len(path):  # no other can mention more
            break
    return depth, line


def position(text: str, index: int) -> tuple[int, int]:
    """Return line and column of an index, both from 1."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def split(text: str, name: str) -> list[Piece]:
    """Return the statements of a text; of a text that is not TOML, those up to the error.

    FileFormatError if it nests too deep: a long dotted key would cost tomllib quadratic time, and brackets would
    exhaust Python's stack.
    """
    pieces = []
    start, line, brackets = 0, 1, 0
    for token in _TOKEN.finditer(text + "\n"):
        found = token.group()
        if found in "[{":
            brackets += 1
        elif found in "]}":
            brackets = max(0, brackets - 1)
        elif found == "\n" and not brackets:
            pieces.append((line, text[start : token.start()].strip(" \t")))
            line += text.count("\n", start, token.end())
            start = token.end()
        if brackets > DEEPEST or (token["key"] and found.count(".") >= DEEPEST < len(re.findall(_PART, found))):
            raise FileFormatError(f"{name}:{position(text, token.start())[0]}: {TOO_DEEP}")
    pieces.append((line, text[start:].strip(" \t")))  # empty, unless the last statement never ends
    return [(line, piece) for line, piece in pieces if piece and not piece.startswith("#")]


def parse_each(pieces: Iterable[Piece]) -> Iterator[Statement]:
    """Yield the statements, each with the path of the section that it stands in or opens."""
    lengths: dict[Keys, int] = {}  # of the arrays of tables so far
    section: Keys = ()
    for line, piece in pieces:
        table = tomllib.loads(piece)
        if not piece.startswith("["):
            yield Statement(line, section, table)
            continue
        header = _leading_keys(table)
        if piece.startswith("[["):
            array = (*_current(header[:-1], lengths), header[-1])
            lengths[array] = lengths.get(array, 0) + 1
        section = _current(header, lengths)
        yield Statement(line, section, {})


def _leading_keys(table: Plain) -> Keys:
    """Return the first key at each level; a header has no others."""
    keys: Keys = ()
    while isinstance(table, dict) and table:
        key, table = next(iter(table.items()))
        keys = (*keys, key)
    return keys


def _current(header: Keys, lengths: Mapping[Keys, int]) -> Keys:
    """Return the path that a header means: after the key of an array of tables, the position of its last entry."""
    path: Keys = ()
    for key in header:
        path = (*path, key)
        if path in lengths:
            path = (*path, lengths[path] - 1)
    return path


def explain(error: tomllib.TOMLDecodeError, pieces: list[Piece]) -> str:
    """Return ``"14: what is wrong."`` from tomllib's message and the statements up to the error."""
    located = _LOCATED.fullmatch(str(error))
    reason, at, column = located.groups() if located else (str(error), None, None)
    begun = [piece for piece in pieces if at is None or piece[0] <= int(at)]
    begins = begun[-1][0] if begun else 1
    if reason.startswith("Cannot ") and (clash := _clash(begun)):
        return clash
    sentence = reason[:1].lower() + reason[1:]
    if at is None:
        return f"{begins}: {sentence}, but the file ends.{_HINTS.get(reason, '')}"
    inside = f", in the statement that begins in line {begins}" if begins < int(at) else ""
    return f"{at}: {sentence}, at column {column}{inside}.{_HINTS.get(reason, '')}"


def _clash(pieces: list[Piece]) -> str:
    """Return the message if the last statement sets what an earlier one has set; else nothing."""
    try:
        *before, last = parse_each(pieces)
    except tomllib.TOMLDecodeError:  # the last one has more than one mistake
        return ""
    path = last.keys + _leading_keys(last.value)
    depth, line = nearest(before, path)
    return f"{last.line}: {Mistake(path[:depth], 'is given twice')}, first in line {line}. Keep one of the two."


def line_of_digits(pieces: Iterable[Piece]) -> int:
    """Return the line of the first statement with an integer that has more digits than Python converts."""
    for line, piece in pieces:
        try:
            tomllib.loads(piece)
        except ValueError:
            return line
    return 1


def extremes(table: Plain) -> Iterator[tuple[Keys, str]]:
    """Yield the path of each value nested too deep and of each integer too large, with the reason."""
    pending: list[tuple[Keys, Plain]] = [((), table)]
    while pending:  # by iteration, since it may be deep
        path, value = pending.pop()
        if isinstance(value, dict | list):
            if len(path) >= DEEPEST:
                yield path, TOO_DEEP
                continue
            items = value.items() if isinstance(value, dict) else enumerate(value)
            pending += [((*path, key), item) for key, item in items]
        elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            yield path, TOO_LARGE
