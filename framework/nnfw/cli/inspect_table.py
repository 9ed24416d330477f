"""``nnfw inspect``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnfw.cli.arguments import TableName
from nnfw.cli.console import Json, message, print_json, print_table
from nnfw.errors import short

if TYPE_CHECKING:
    from nnfw.data import Table

File = Annotated[
    str, typer.Argument(metavar="FILE", help="A table of any format, or the URL of a database; - for CSV on stdin.")
]
Target = Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="The column to predict.")]
Categorical = Annotated[
    list[str] | None,
    typer.Option("--categorical", metavar="COLUMN", help="Keep a column as words. Repeatable."),
]

_HEADINGS = ["column", "kind", "missing", "distinct", "range", "examples", "hint"]


def inspect(
    file: File, target: Target = None, categorical: Categorical = None, table: TableName = "", json: Json = False
) -> None:
    """Show what is found in a table: its columns, what they hold, and what you may want to do about them.

    A column is numbers if at least as many of its values are numbers as words, whatever their order.

    Examples
    --------
    $ nnfw inspect penguins.csv
    $ nnfw inspect houses.csv.gz --target price --categorical postcode
    $ nnfw inspect houses.xlsx --table 2026
    """
    from nnfw.data import read_table

    source, name = (sys.stdin, "<stdin>") if file == "-" else (file, "")
    found = read_table(source, table=table, categorical=categorical or (), name=name)
    found.require([*([target] if target else []), *(categorical or ())])
    records = [_record(found, name, target) for name in found.names]
    if json:
        rows, dialect = len(found), found.dialect.in_words or None
        print_json({"rows": rows, "written": dialect, "notes": list(found.notes), "columns": records})
        return
    print_table(_HEADINGS, [_row(record) for record in records])
    written = f"; {found.dialect.in_words}" if found.dialect.in_words else ""
    size = f"{len(found):,} row{'s' * (len(found) != 1)} and {len(found.names):,} column{'s' * (len(found.names) != 1)}"
    for text in (f"{size}{written}.", *found.notes):
        message(text)


def _record(table: Table, name: str, target: str | None) -> dict[str, Any]:
    seen = table.seen(name)
    return {
        "column": name,
        "kind": table.kind(name),
        "missing": seen.missing,
        "distinct": seen.distinct,
        "range": None if seen.range is None else list(seen.range),
        "examples": list(seen.examples),
        "hint": _of_target(table, name) if name == target else table.hint(name),
    }


def _of_target(table: Table, name: str) -> str:
    """Return what may be wrong with a target."""
    seen = table.seen(name)
    if seen.missing:
        return f"the target has missing values: {seen.missing:,}. Remove their rows"
    if seen.distinct < 2:
        return "the target is always the same: there is nothing to learn"
    return f"the target: {seen.distinct} classes" if table.kind(name) == "words" else "the target"


def _row(record: dict[str, Any]) -> list[str]:
    ends = record["range"]
    return [
        record["column"],
        record["kind"],
        f"{record['missing']:,}" if record["missing"] else "",
        f"{record['distinct']:,}",
        "" if ends is None else f"{ends[0]:.6g} to {ends[1]:.6g}",
        ", ".join(map(short, record["examples"])) if record["kind"] == "words" else ", ".join(record["examples"]),
        record["hint"],
    ]
