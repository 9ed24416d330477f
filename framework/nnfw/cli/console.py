"""What commands print: data on stdout, messages on stderr, never with markup that eats brackets.

On a terminal a table is fitted to its width. Everywhere else it is aligned text, complete and without boxes, for grep
and awk; ``--json`` is for programs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Annotated, Any

import typer

from nnfw.storage.json_values import jsonable

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The option of every command that prints data: ``json: Json = False``."""

_GAP = "  "  # between two columns
_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[1;31m", "\x1b[0m"


def print_text(text: str = "") -> None:
    """Print data as it is."""
    typer.echo(text)


def print_heading(text: str) -> None:
    """Print the heading of a part of the data, bold on a terminal."""
    typer.echo(_styled(text, _BOLD, sys.stdout))


def print_json(value: Any) -> None:
    """Print `value` as JSON; arrays become lists, and what is not finite becomes null, which JSON can hold."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    typer.echo(json.dumps(jsonable(value), indent=2, ensure_ascii="utf" not in encoding.lower()))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table.

    Parameters
    ----------
    columns
        The headings.
    rows
        One text for each column. A column of single words is never wrapped.
    """
    cells = [[visible(" ".join(cell.split())) for cell in row] for row in rows]
    if is_terminal(sys.stdout):
        _print_fitted(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in (columns, *cells):
        typer.echo(_GAP.join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def visible(text: str) -> str:
    r"""Return `text` with what a terminal would obey, rather than show, written as an escape.

    Examples
    --------
    >>> print(visible("caf\u00e9 \x1b[2J"))
    café \x1b[2J
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def message(text: str) -> None:
    """Tell the user something that is not data."""
    typer.echo(text, err=True)


def error(text: str) -> None:
    """Tell the user what is wrong; each line is one mistake."""
    label = _styled("error:", _RED, sys.stderr)
    for line in text.splitlines() or [""]:
        typer.echo(f"{label} {visible(line)}", err=True)


def is_terminal(stream: IO[str] | None) -> bool:
    """Return whether `stream` is shown to a person; None is a closed one."""
    return stream is not None and stream.isatty()


def _styled(text: str, style: str, stream: IO[str] | None) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return f"{style}{text}{_PLAIN}" if is_terminal(stream) and not plain else text


def _print_fitted(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    narrowest = 0
    for index, column in enumerate(columns):
        cells = [column, *(row[index] for row in rows)]
        longest_word = max((len(word) for cell in cells for word in cell.split()), default=0)
        table.add_column(Text(column), min_width=longest_word, no_wrap=not any(" " in cell for cell in cells))
        narrowest += longest_word + len(_GAP)
    for row in rows:
        table.add_row(*map(Text, row))  # a Text has no markup
    console = Console(highlight=False)
    console.width = max(console.width, narrowest)  # no name is cut: rather let the terminal break the line
    console.print(table, crop=False)
