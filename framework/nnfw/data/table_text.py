"""Text of tables: how it is encoded, compressed and laid out, and its rows of cells."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader, RawIOBase, StringIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Literal, Self, TextIO
from zipfile import BadZipFile, ZipFile

from nnfw.data.input_files import CHUNK, reading
from nnfw.data.table_blocks import Block, block_of
from nnfw.errors import DataError
from nnfw.storage import open_regular

AUTO = "auto"

NA_VALUES = ("", "NA", "N/A", "NaN", "null", "None", "?", "-")
"""What marks a missing value by default, in upper or lower case."""

COMPRESSED = (".gz", ".zip", ".zst")
"""Endings of the compressed files that are read."""

_PART, _LARGEST_PART = 1 << 18, 1 << 21  # characters of a text that are split together
_ZST_CHUNK = 1 << 10  # bytes, which expand to 32 MiB at most
_LONGEST_ROW = 1 << 22  # characters; no table has such a row, but a binary file may
_MOST_COLUMNS = 1 << 16
_DELIMITERS = (",", ";", "\t", "|")
_HEAD, _HEAD_ROWS, _MOST_TITLES = 1 << 16, 200, 20  # characters and rows that are looked at; lines above a header
_IN_MEMORY = 1 << 25  # bytes of a stream
_UNCLOSED = "unexpected end of data"  # Python's csv on a quotation mark that is not closed
_NEVER_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]")
"""Bytes that no text in Windows-1252 holds."""

_COMPRESSED_STARTS = (b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd")  # of COMPRESSED
_UNMARKED = (("utf-16-le", re.compile(rb"([^\0]\0){2}")), ("utf-16-be", re.compile(rb"(\0[^\0]){2}")))
"""What text in UTF-16 without a mark begins with, if its first letters are Latin."""

_NAMES = {
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}
_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}


@dataclass(frozen=True)
class Dialect:
    """How a text holds a table. What is ``"auto"`` is found out from the text itself.

    Parameters
    ----------
    delimiter
        The character between cells.
    decimal, thousands
        The character before decimals, and the one between groups of three digits; empty for none.
    encoding
        The name of an encoding.
    comment
        Lines that begin with it are skipped; empty for none.
    header
        Whether the first row names the columns; otherwise they are ``column_1``, ``column_2``, ...
    na_values
        Cells that mark a missing value, in upper or lower case.
    """

    delimiter: str = AUTO
    decimal: str = AUTO
    thousands: str = AUTO
    encoding: str = AUTO
    comment: str = ""
    header: bool = True
    na_values: tuple[str, ...] = NA_VALUES

    @property
    def in_words(self) -> str:
        """A description for users, of what is unusual alone; empty for a table that is not text."""
        if self.delimiter == AUTO:
            return ""
        marks = {".": "dots", ",": "commas", " ": "spaces", "'": "apostrophes"}
        parts = [f"cells between {_DELIMITER_NAMES.get(self.delimiter, repr(self.delimiter))}"]
        parts += ["decimal commas"] * (self.decimal == ",")
        parts += [f"{marks.get(self.thousands)} between thousands"] * (self.thousands in marks)
        parts += [_NAMES.get(self.encoding, self.encoding)] * (self.encoding not in ("utf-8-sig", "utf-8", AUTO))
        return ", ".join(parts)


UNKNOWN = Dialect()
"""A dialect that is all found out."""


@dataclass(frozen=True)
class Layout:
    """The dialect of a text, the lines above its header, and whether its rows begin with a name."""

    dialect: Dialect
    titles: int = 0
    named_rows: bool = False


class Text:
    """A text that can be read several times: a file, or a stream that is kept.

    Parameters
    ----------
    source
        The path of a file, or an open stream of text.
    name
        What messages call it.
    """

    def __init__(self, source: Path | TextIO, name: str) -> None:
        self.name = name
        self._path = source if isinstance(source, Path) else None
        self._kept = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed on leaving
        if not isinstance(source, Path):
            stream = getattr(source, "buffer", source)  # bytes, whose encoding can be found out
            while chunk := stream.read(CHUNK):
                self._kept.write(chunk.encode("utf-8", "surrogateescape") if isinstance(chunk, str) else chunk)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget what was kept of a stream."""
        self._kept.close()

    def encoding(self, wanted: str) -> str:
        """Return the encoding: the wanted one; else what its first bytes say, UTF-8, or Windows-1252 if it fits."""
        if wanted != AUTO:
            return wanted
        with self._bytes() as stream:
            decoder, failed, head = getincrementaldecoder("utf-8")(), False, stream.read(CHUNK)
            if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
                return "utf-16"
            if head.startswith(_COMPRESSED_STARTS):
                raise DataError(
                    f"{self.name} holds a compressed file. Expand it until it is text, or end its name with what it "
                    f"is: {', '.join(COMPRESSED)}."
                )
            if found := next((name for name, start in _UNMARKED if start.match(head)), ""):
                return found
            marked, chunk = head.startswith(BOM_UTF8), head
            while chunk and b"\0" not in chunk:  # no text; reading it will name the place
                if not failed:
                    try:
                        decoder.decode(chunk)
                    except UnicodeDecodeError:
                        failed = True
                if failed and (marked or _NEVER_TEXT.search(chunk)):
                    return "utf-8-sig"  # reading it will name the place
                chunk = stream.read(CHUNK)
            try:
                decoder.decode(b"", final=not failed)
            except UnicodeDecodeError:
                return "utf-8-sig"
        return "cp1252" if failed else "utf-8-sig"

    @contextmanager
    def open(self, encoding: str) -> Iterator[TextIO]:
        """Open the text at its start; DataError if the file cannot be read or is not in this encoding."""
        try:
            with self._bytes() as stream:
                text = TextIOWrapper(stream, encoding, newline="")
                try:
                    yield text
                finally:
                    text.detach()
        except LookupError as error:
            raise DataError(
                f"{self.name}: there is no encoding {encoding!r}; 'utf-8' or 'latin-1', for instance."
            ) from error
        except UnicodeDecodeError as error:  # its position is relative to a block of the stream, not to the file
            raise self._undecodable(error, f":{self._first_undecodable(encoding)}") from error

    @contextmanager
    def _bytes(self) -> Iterator[IO[bytes]]:
        """Open the file, expanded, or what was kept of a stream."""
        if self._path is None:
            self._kept.seek(0)
            yield self._kept
            return
        ending = self._path.suffix.lower()
        with reading(self._path, "a CSV table"), open_regular(self._path) as file:
            if ending not in COMPRESSED:
                yield file
                return
            try:
                with _expanded(file, ending, self.name) as stream:
                    yield stream
            except (EOFError, zlib.error, gzip.BadGzipFile, BadZipFile) as error:
                raise DataError(
                    f"{self.name}: the {ending} file is damaged: {error}. Fetch or write it again."
                ) from error

    def _undecodable(self, error: UnicodeDecodeError, place: str) -> DataError:
        return DataError(
            f"{self.name}{place}: this is not text in {error.encoding.upper()} ({error.reason}). Save it as UTF-8, or "
            "name its encoding."
        )

    def _first_undecodable(self, encoding: str) -> int:
        """Return the line of the first byte that is not text in this encoding."""
        decoder, line = getincrementaldecoder(encoding)(), 1
        with self._bytes() as stream:
            try:
                while chunk := stream.read(CHUNK):
                    line += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError as error:
                line += error.object.count(b"\n", 0, error.start)
        return line


@contextmanager
def _expanded(file: IO[bytes], ending: str, name: str) -> Iterator[IO[bytes]]:
    if ending == ".gz":
        with gzip.open(file) as stream:
            yield stream  # type: ignore[misc]
    elif ending == ".zip":
        with ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise DataError(f"{name}: expected one file in the archive, found {len(members)}. Unpack the table.")
            with archive.open(members[0]) as stream:
                yield stream
    else:
        try:
            import zstandard
        except ImportError as error:
            raise DataError(f"{name}: reading .zst needs zstandard: pip install 'nnfw[tables]'.") from error
        yield BufferedReader(_Zst(file, zstandard.ZstdDecompressor(), zstandard.ZstdError))


class _Zst(RawIOBase):
    """The bytes in a .zst file, whose frames may be several; EOFError if it is damaged or ends within one."""

    def __init__(self, file: IO[bytes], decompressor: Any, damaged: type[Exception]) -> None:
        self._file, self._decompressor, self._damaged = file, decompressor, damaged
        self._frame: Any = None
        self._expanded = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Expand some bytes into a buffer, and return how many; 0 at the end."""
        while not self._expanded and (chunk := self._file.read(_ZST_CHUNK)):
            self._expand(chunk)
        if not self._expanded and self._frame is not None:
            raise EOFError("it ends within a frame")
        count = min(len(buffer), len(self._expanded))
        buffer[:count], self._expanded = self._expanded[:count], self._expanded[count:]
        return count

    def _expand(self, chunk: bytes) -> None:
        try:
            while chunk:
                self._frame = self._frame or self._decompressor.decompressobj()
                self._expanded += self._frame.decompress(chunk)
                chunk = self._frame.unused_data if self._frame.eof else b""
                self._frame = None if self._frame.eof else self._frame
        except self._damaged as error:
            raise EOFError(str(error)) from error


def layout_of(text: Text, dialect: Dialect) -> Layout:
    """Return how a text is laid out, from its first rows."""
    dialect = replace(dialect, encoding=text.encoding(dialect.encoding))
    with text.open(dialect.encoding) as stream:
        head = stream.read(_HEAD)
        whole = len(head) < _HEAD
    lines = head.removeprefix("\ufeff").splitlines(keepends=True)
    lines = lines if whole or len(lines) < 2 else lines[:-1]
    if dialect.delimiter != AUTO:
        return _laid_out(lines, dialect)
    layouts = [_laid_out(lines, replace(dialect, delimiter=mark)) for mark in _DELIMITERS]
    return max(layouts, key=lambda found: _regularity(lines, found))  # the first of equal ones


def _widths(lines: Sequence[str], dialect: Dialect) -> list[int]:
    """Return the number of cells in each of the first rows; none where they cannot be read."""
    wanted = (
        line for line in lines if not line.isspace() and not (dialect.comment and line.startswith(dialect.comment))
    )
    reader = csv.reader(wanted, delimiter=dialect.delimiter, skipinitialspace=dialect.delimiter != " ")
    try:
        return [len(row) for row in islice(reader, _HEAD_ROWS) if row]
    except csv.Error:
        return []


def _laid_out(lines: Sequence[str], dialect: Dialect) -> Layout:
    widths = _widths(lines, dialect)
    usual, count = Counter(widths[1:]).most_common(1)[0] if len(widths) > 1 else (0, 0)
    if not dialect.header or usual < 2 or count < 2 or widths[0] == usual:
        return Layout(dialect)
    if widths[0] == usual - 1 and usual > 2 and all(width == usual for width in widths[1:]):
        return Layout(dialect, named_rows=True)
    titles = next((k for k, width in enumerate(widths) if width == usual), 0)
    above = all(width < usual for width in widths[:titles])
    return Layout(dialect, titles) if above and titles <= _MOST_TITLES and titles + 2 < len(widths) else Layout(dialect)


def _regularity(lines: Sequence[str], layout: Layout) -> tuple[float, int, int]:
    """Return the share of rows as wide as the header, 0 if that has a single cell, and how wide it is.

    Of equal shares, lines above the header count against a layout: between decimal commas all rows may be as wide.
    """
    widths = _widths(lines, layout.dialect)[layout.titles :]
    if not widths:
        return 0.0, 0, 0
    wide = widths[0] + layout.named_rows
    share = sum(width == wide for width in widths) / len(widths)
    return (0.0, 0, 1) if wide < 2 else (share, -layout.titles, wide)


class Rows:
    """The rows of a text that are not empty, each with the number of the line where it starts.

    Parameters
    ----------
    stream, layout
        The text, at its start, and how it is laid out.
    name
        What messages call it.

    Attributes
    ----------
    line
        The number of the line where the next row starts, if that is not empty.
    """

    def __init__(self, stream: TextIO, layout: Layout, name: str) -> None:
        self._name, self._titles, self._dialect = name, layout.titles, layout.dialect
        delimiter = layout.dialect.delimiter
        self._lines = _Lines(stream, name, delimiter, layout.dialect.comment)
        self._reader = csv.reader(self._lines, delimiter=delimiter, skipinitialspace=delimiter != " ", strict=True)
        self.line = 1

    def next(self) -> tuple[int, list[str]] | None:
        """Return the next row; None at the end."""
        try:
            for row in self._reader:
                start, self.line = self.line, self._lines.next_row()
                if row and not self._titles:
                    return start, [cell.strip() for cell in row]
                self._titles -= bool(row)
        except csv.Error as error:
            what = "a quotation mark is opened and not closed" if str(error) == _UNCLOSED else error
            raise DataError(
                f"{self._name}:{self.line}: the row that starts here cannot be read as CSV: {what}."
            ) from error
        return None

    def peek(self, least: int) -> bool:
        """Look at the next lines, of so many characters or more; False at the end."""
        return bool(self._lines.peek(least))

    def peeked_block(self, columns: int, point: str) -> Block | None:
        """Return the lines at which :meth:`peek` looked, if they are a block of so many columns, and skip them."""
        text, dialect = self._lines.kept.getvalue(), self._dialect
        if len(text) >= _LONGEST_ROW:
            return None
        found = block_of(text, dialect.delimiter, columns, point, dialect.comment)
        if found is not None:
            self.line = self._lines.skip(len(found))
        return found

    def peeked_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows in these lines one by one, the last one whole."""
        while self._lines.kept_more and (row := self.next()):
            yield row


class _Lines:
    """The lines of a table; a row that is too long is refused before it is split into cells."""

    def __init__(self, stream: TextIO, name: str, delimiter: str, comment: str) -> None:
        self.stream, self.name, self.delimiter, self.comment = stream, name, delimiter, comment
        self.number = 0
        self.start, self.length, self.marks = 1, 0, 0  # of the row
        self.kept, self.kept_more = StringIO(), False

    def peek(self, least: int) -> str:
        """Return the next lines, of so many characters or more, and keep them; nothing at the end."""
        text = self.stream.read(min(max(_PART, least), _LARGEST_PART))
        text += self.stream.readline(_LONGEST_ROW)
        self.kept, self.kept_more = StringIO(text, newline=""), bool(text)
        return text

    def skip(self, count: int) -> int:
        """Skip the lines that were kept, which are so many, and return the number of the next one."""
        self.number += count
        self.kept, self.kept_more = StringIO(), False
        return self.next_row()

    def next_row(self) -> int:
        """Return the number of the line where the next row starts."""
        self.start, self.length, self.marks = self.number + 1, 0, 0
        return self.start

    def __iter__(self) -> Iterator[str]:
        return iter(self._next, "")

    def _next(self) -> str:
        line = self._read()
        if not self.length and self._skips(line):
            line = "\n"  # not a row of one empty cell
        self.number += 1
        self.length += len(line)
        self.marks += line.count(self.delimiter)
        if "\0" in line:
            raise DataError(f"{self.name}:{self.number}: holds a NUL character; expected a CSV table in UTF-8.")
        if self.marks >= _MOST_COLUMNS:
            raise DataError(
                f"{self.name}:{self.start}: the row has more than {_MOST_COLUMNS:,} cells, the most that are read. "
                "Store so many columns as an array: numpy.save."
            )
        if self.length >= _LONGEST_ROW:
            raise DataError(
                f"{self.name}:{self.start}: the row is longer than {_LONGEST_ROW:,} characters; expected a CSV table."
            )
        return line.removeprefix("\ufeff") if self.number == 1 else line

    def _read(self) -> str:
        line = self.kept.readline(_LONGEST_ROW) if self.kept_more else ""
        self.kept_more = bool(line)
        return line or self.stream.readline(_LONGEST_ROW)

    def _skips(self, line: str) -> bool:
        if self.comment and line.startswith(self.comment):
            return True
        return line.isspace() and not (self.delimiter == "\t" and "\t" in line)


class Numbers:
    """How numbers are written: what stands before decimals and between thousands."""

    def __init__(self, decimal: str, thousands: str) -> None:
        self.decimal, self.thousands = decimal, thousands
        point, comma = (
            re.escape(decimal),
            f"[{re.escape(thousands)}\u00a0\u202f]" if thousands == " " else re.escape(thousands),
        )
        whole = rf"(\d{{1,3}}({comma}\d{{3}})+|\d*)" if thousands else r"\d*"
        self._form = re.compile(rf"[-+]?{whole}({point}\d*)?([eE][-+]?\d+)?")
        self._between = re.compile(comma) if thousands else None

    @property
    def point(self) -> str:
        """What stands before decimals and nowhere else; a NUL, which no number holds, if there is no such character."""
        return "\0" if self.decimal == self.thousands else self.decimal

    @property
    def plain(self) -> bool:
        """Whether numbers are written as Python does."""
        return self.decimal == "." and not self.thousands

    def parse(self, cell: str) -> float | None:
        """Return the number in a cell, or None for a word; Python's 1_000 is a word here."""
        try:
            if self.plain:
                return None if "_" in cell else float(cell)
            if self._form.fullmatch(cell):
                cell = self._between.sub("", cell) if self._between else cell
                return float(cell.replace(self.decimal, "."))
            return None if cell[-1:].isdigit() or cell[-1:] == "." or "_" in cell else float(cell)  # inf, nan
        except ValueError:
            return None

    def parse_all(self, cells: Sequence[str]) -> list[float] | None:
        """Return all cells as numbers, or None if one is a word."""
        if not self.plain:
            found = [self.parse(cell) for cell in cells]
            return None if None in found else found  # type: ignore[return-value]
        try:
            numbers = list(map(float, cells))
        except ValueError:
            return None
        return None if any("_" in cell for cell in cells) else numbers


Spelling = Literal["", "decimal", "either", "comma", "dot", "space", "apostrophe"]

_SPELLINGS: tuple[tuple[Spelling, re.Pattern[str]], ...] = (
    ("either", re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")),
    ("decimal", re.compile(r"[-+]?\d+,\d+")),
    ("comma", re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")),
    ("dot", re.compile(r"[-+]?\d{1,3}((\.\d{3})+,\d+|(\.\d{3}){2,})")),
    ("space", re.compile(r"[-+]?\d{1,3}([ \u00a0\u202f]\d{3})+([.,]\d+)?")),
    ("apostrophe", re.compile(r"[-+]?\d{1,3}(['’]\d{3})+([.,]\d+)?")),
)


def spelling(cell: str) -> Spelling:
    """Return in which way a word is a number with separators; empty if it is none.

    Examples
    --------
    >>> [spelling(cell) for cell in ("1,5", "1,234", "1,234.5", "1.234,5", "1 234", "1'234", "x")]
    ['decimal', 'either', 'comma', 'dot', 'space', 'apostrophe', '']
    """
    return next((name for name, form in _SPELLINGS if form.fullmatch(cell)), "")
