"""The output of commands: data on stdout, messages on stderr, never with markup that swallows brackets.

On a terminal, a table is fitted to its width. Elsewhere it is aligned text, complete and without boxes, for grep and
awk; ``--json`` is for programs. Names may come from files of strangers: characters that could control a terminal are
printed as escapes.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from math import inf
from time import monotonic
from typing import IO, Annotated

import typer

from nnfw.data.watching import WATCHER
from nnfw.errors import readable
from nnfw.plain import jsonable

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The option of commands that print data: ``json: Json = False``."""

_ERROR = "error:"
_GAP = "  "  # between two columns
_LEAST_REMARK = 12  # characters; a shorter one says nothing
_ALWAYS = 2  # columns that are shown even on a narrow terminal
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters other than tab and newline, and those that change the direction of text."""
_TOGETHER = re.compile(r"`[^`\n]*`|'[^'\n]*'|\bnnfw [a-z][\w-]*(?: (?:'[^']*'|--?[\w-]+|\S*/\S*[^\s.,;]))*")
"""Commands and quoted texts: a line is not broken inside them, so that they can be copied."""
_NARROWEST = 20  # characters; on a narrower terminal lines are not broken at words
_ELLIPSIS = "…"
CLEAR = "\r\x1b[K"
"""To the beginning of the line, which is then empty."""
_SHORT, _REDRAW = 2.0, 0.2  # seconds of a reading that is not shown; between two drawings
_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[1;31m", "\x1b[0m"


def visible(text: str) -> str:
    r"""Return `text` with every character that could control a terminal escaped as in JSON and TOML.

    Examples
    --------
    >>> print(visible("a\x1b[2Jb"))
    a\u001b[2Jb
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_text(text: str = "") -> None:
    """Print text as it is."""
    typer.echo(visible(text))


def print_pieces(pieces: Iterable[str]) -> None:
    """Print the pieces of one text, each as soon as it is there, and end the line."""
    for piece in pieces:
        typer.echo(visible(piece), nl=False)
    typer.echo()


def print_heading(text: str) -> None:
    """Print a heading within the data, bold on a terminal."""
    typer.echo(_styled(visible(text), _BOLD, sys.stdout))


def print_json(value: object) -> None:
    """Print `value` as JSON; arrays become lists, and numbers that are not finite become null."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    typer.echo(visible(json.dumps(jsonable(value), indent=2, ensure_ascii="utf" not in encoding.lower())))


def print_csv(rows: Iterable[Sequence[str]]) -> None:
    """Print rows as CSV: escaped on a terminal, else unchanged, for programs."""
    shown = StringIO() if sys.stdout is None or is_terminal(sys.stdout) else None
    csv.writer(shown or sys.stdout, lineterminator="\n").writerows(rows)
    if shown is not None:
        typer.echo(visible(shown.getvalue()), nl=False)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], drawing: Sequence[str] = (), *, err: bool = False
) -> None:
    """Print a table, perhaps with a line of a `drawing` before each row; a column of single words is never wrapped.

    It is data, or with `err` a message.
    """
    headings, *cells = [[" ".join(visible(cell).split()) for cell in row] for row in (columns, *rows)]
    if drawing:
        headings, *cells = [[line, *row] for line, row in zip(["", *drawing], (headings, *cells), strict=True)]
    if is_terminal(sys.stderr if err else sys.stdout):
        _print_fitted(headings, cells, drawn=bool(drawing), err=err)
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in (headings, *cells):
        typer.echo(_GAP.join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip(), err=err)


def print_chosen(
    columns: Sequence[str], rows: Sequence[Sequence[str]], wanted: Sequence[str], remarks: Sequence[str]
) -> list[str]:
    """Print a table with a remark at the end of some rows.

    On a terminal each row is one line. Only the columns that fit are shown, the `wanted` in this order, and always the
    first two of them; a remark begins where the cells of its row end, and is cut at the edge. Elsewhere everything is
    printed, with the heading of the remarks, which comes first. The headings of columns left out are returned.
    """
    if not is_terminal(sys.stdout):
        whole = [[*row, remark] for row, remark in zip((columns, *rows), remarks, strict=True)]
        print_table(*((whole[0], whole[1:]) if any(remarks[1:]) else (columns, rows)))
        return []
    from rich.cells import cell_len, set_cell_size

    cells = [[" ".join(visible(cell).split()) for cell in row] for row in (columns, *rows)]
    widths = {heading: max(map(cell_len, (heading, *column))) for heading, *column in zip(*cells, strict=True)}
    shown = _fitting(widths, wanted)
    for row, text in zip(cells, ["", *remarks[1:]], strict=True):
        kept = [(cell, widths[name]) for name, cell in zip(cells[0], row, strict=True) if name in shown]
        said = max((index for index, (cell, _) in enumerate(kept) if cell), default=0)
        line = "".join(f"{set_cell_size(cell, width)}{_GAP}" for cell, width in kept[: said + 1])
        room = _width(sys.stdout) - cell_len(line)
        remark = _shortened(" ".join(visible(text).split()), room) if room >= _LEAST_REMARK else ""
        typer.echo(f"{line}{remark}".rstrip())
    return [name for name in cells[0] if name not in shown]


def _fitting(widths: dict[str, int], wanted: Sequence[str]) -> set[str]:
    """Return the wanted columns that fit, the most important first."""
    shown: set[str] = set()
    left = _width(sys.stdout)
    for name in wanted:
        if len(shown) < _ALWAYS or widths[name] <= left:
            shown.add(name)
            left -= widths[name] + len(_GAP)
    return shown


def _shortened(text: str, room: int) -> str:
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= room else f"{set_cell_size(text, room - 1).rstrip()}{_ELLIPSIS}"


class ReadingShown:
    """Shows on a terminal how many rows of a table are read, once that takes longer than some seconds.

    Parameters
    ----------
    stream
        The terminal.
    clock
        The time in seconds.
    """

    def __init__(self, stream: IO[str], clock: Callable[[], float] = monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._started: float | None = None
        self._drawn = -inf

    def __call__(self, name: str, rows: int | None) -> None:
        """Draw the number of rows of a table, or remove it where that is None."""
        now = self._clock()
        if rows is None:
            if self._drawn > -inf:
                self._stream.write(CLEAR)
                self._stream.flush()
            self._started, self._drawn = None, -inf
            return
        self._started = now if self._started is None else self._started
        if now - self._started >= _SHORT and now - self._drawn >= _REDRAW:
            self._stream.write(f"{CLEAR}reading {visible(name)}: {rows:,} rows")
            self._stream.flush()
            self._drawn = now


@contextmanager
def reading_shown() -> Iterator[None]:
    """Show on stderr, if that is a terminal, how far the reading of long tables is."""
    token = WATCHER.set(ReadingShown(sys.stderr) if is_terminal(sys.stderr) else None)
    try:
        yield
    finally:
        WATCHER.reset(token)


def message(text: str) -> None:
    """Print a message, which is not data, for the user."""
    typer.echo(fitted(text), err=True)


def error(text: str) -> None:
    """Print what is wrong; each line is one mistake."""
    label = _styled(_ERROR, _RED, sys.stderr)
    for mistake in visible(readable(text)).splitlines() or [""]:
        typer.echo(f"{label}{fitted(f'{_ERROR} {mistake}').removeprefix(_ERROR)}", err=True)


def fitted(text: str) -> str:
    """Return a text for stderr; on a terminal, broken at words but not inside what people may copy."""
    lines = visible(readable(text)).split("\n")
    if not is_terminal(sys.stderr) or _width(sys.stderr) < _NARROWEST:
        return "\n".join(lines)
    return "\n".join(piece for line in lines for piece in (_broken(line) if line[:1].strip() else [line]))


def _broken(line: str) -> list[str]:
    joined = _TOGETHER.sub(lambda found: found[0].replace(" ", "\0"), line)
    pieces = textwrap.wrap(joined, _width(sys.stderr), break_long_words=False, break_on_hyphens=False)
    return [piece.replace("\0", " ") for piece in pieces]


def _width(stream: IO[str]) -> int:
    """Return the width of the terminal that `stream` writes to."""
    known = 0
    if not os.environ.get("COLUMNS"):
        with suppress(OSError, ValueError):
            known = os.get_terminal_size(stream.fileno()).columns
    return known or shutil.get_terminal_size().columns


def is_terminal(stream: IO[str] | None) -> bool:
    """Return whether `stream` is a terminal; None is a closed stream."""
    return stream is not None and stream.isatty()


def _styled(text: str, style: str, stream: IO[str] | None) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return f"{style}{text}{_PLAIN}" if is_terminal(stream) and not plain else text


def _print_fitted(columns: Sequence[str], rows: Sequence[Sequence[str]], *, drawn: bool, err: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    narrowest = 0
    for index, column in enumerate(columns):
        cells = [column, *(row[index] for row in rows)]
        whole = drawn and index == 0
        longest_word = max((len(word) for cell in cells for word in ([cell] if whole else cell.split())), default=0)
        no_wrap = whole or not any(" " in cell for cell in cells)
        table.add_column(Text(column), min_width=longest_word, no_wrap=no_wrap)
        narrowest += longest_word + len(_GAP)
    for row in rows:
        table.add_row(*map(Text, row))  # a Text has no markup
    console = Console(highlight=False, stderr=err)
    console.width = max(console.width, narrowest)  # no name is cut; the terminal may wrap the line
    console.print(table, crop=False)
