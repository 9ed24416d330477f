"""``nnfw inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnfw.cli.arguments import TableName
from nnfw.cli.console import Json, message, print_json, print_table
from nnfw.cli.sources import Categorical, Targets
from nnfw.errors import short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnfw.data import Examples, Table

File = Annotated[
    str, typer.Argument(metavar="FILE", help="A table of any format, or the URL of a database; - for CSV on stdin.")
]
_MOST = 30  # columns that a training shows
_HEADINGS = ["column", "kind", "missing", "distinct", "range", "examples", "hint"]


def inspect(
    file: File, target: Targets = None, categorical: Categorical = None, table: TableName = "", json: Json = False
) -> None:
    """Show what is found in a table: its columns, what they hold, and what you may want to do about them.

    A column is numbers if at least as many of its values are numbers as words, whatever their order.

    Examples
    --------
    $ nnfw inspect penguins.csv
    $ nnfw inspect houses.csv.gz --target price --categorical postcode
    $ nnfw inspect houses.xlsx --table 2026
    """
    from nnfw.data import opened, read_table

    with opened(file) as (source, name):
        found = read_table(source, table=table, categorical=categorical or (), name=name)
    targets = target or ()
    found.require([*targets, *(categorical or ())])
    records = [_record(found, name, target=name in targets) for name in found.names]
    repeated = found.repeated_rows(found.features) if found.features else 0
    told = f"{repeated:,} row{'s repeat' if repeated > 1 else ' repeats'} an earlier one"
    notes = [*found.notes, *[told] * bool(repeated)]
    if json:
        rows, dialect = len(found), found.dialect.in_words or None
        print_json({"rows": rows, "written": dialect, "notes": notes, "columns": records})
        return
    print_table(_HEADINGS, [_row(record) for record in records])
    for text in (_size(found), *notes):
        message(text)


def print_columns(examples: Examples, roles: Mapping[str, str]) -> None:
    """Print as messages the columns of the table that examples are from; of many, those that are odd and some more.

    `roles` says what columns are that are neither features nor targets.
    """
    table = examples.table
    if table is None:
        return
    targets = (examples.target_name, *examples.further)
    message(f"{table.name}: {_size(table)}")
    names, special = table.names, {*targets, *roles}
    if len(names) > _MOST:
        odd = [name for name in names if name in special or table.hint(name)]
        chosen = {*special, *odd[:_MOST], *[name for name in names if name not in odd][: max(0, _MOST - len(odd))]}
        names = tuple(name for name in names if name in chosen)
    records = [_record(table, name, target=name in targets) for name in names]
    for record in records:
        name = record["column"]
        if name not in examples.columns:
            record["hint"] = f"the {roles[name]}" if name in roles else record["hint"] or "not used"
    print_table(_HEADINGS, [_row(record) for record in records], err=True)
    if len(names) < len(table.names):
        message(f"and {len(table.names) - len(names):,} more columns, which nnfw inspect shows")
    for note in table.notes:
        message(note)


def roles_in(dataset: object) -> dict[str, str]:
    """Return the columns to which the options of a dataset give a role, with the role."""
    from nnfw.data import names_in

    found = {role: names_in(getattr(dataset, role, None)) for role in ("id", "weight", "group", "time")}
    return {name: role for role, names in found.items() for name in names}


def _size(table: Table) -> str:
    """Return how large a table is, and how it is written."""
    rows, columns = len(table), len(table.names)
    written = f"; {table.dialect.in_words}" if table.dialect.in_words else ""
    return f"{rows:,} row{'s' * (rows != 1)} and {columns:,} column{'s' * (columns != 1)}{written}."


def _record(table: Table, name: str, *, target: bool) -> dict[str, Any]:
    seen = table.seen(name)
    return {
        "column": name,
        "kind": table.kind(name),
        "missing": seen.missing,
        "distinct": seen.distinct,
        "range": None if seen.range is None else list(seen.range),
        "examples": list(seen.examples),
        "hint": _of_target(table, name) if target else table.hint(name),
    }


def _of_target(table: Table, name: str) -> str:
    """Return what may be wrong with a target."""
    seen = table.seen(name)
    if seen.missing:
        return f"the target, {seen.missing:,} missing: drop_missing leaves their rows out"
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
