"""``nnfw summary``: the summary of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from nnfw.cli.arguments import ExperimentPath, Overrides
from nnfw.cli.console import Json, print_json, print_table, print_text
from nnfw.plugins import default_registry

if TYPE_CHECKING:
    from nnfw.experiments import Summary

Item = TypeVar("Item")
Row = tuple[str, ...]

_MOST_ROWS = 400  # of the table of layers, the first and the last; --json has all

Timed = Annotated[
    bool, typer.Option("--time", help="Time a few training steps, for each layer's share of time and memory.")
]
ReadData = Annotated[bool, typer.Option("--read-data", help="Read the data to learn the shape of its examples.")]


def summary(
    file: ExperimentPath,
    overrides: Overrides = None,
    read_data: ReadData = False,
    timed: Timed = False,
    json: Json = False,
) -> None:
    """Show layers, shapes, parameters and memory of an experiment's network. No data is read.

    A network that is no chain is drawn beside its table: edges run downwards, and parts that come 3 times or more in a
    row are shown once. The times of --time are those of plain NumPy on this machine.

    Examples
    --------
    $ nnfw summary examples/digits.toml
    $ nnfw summary examples/digits.toml --time
    """
    from nnfw.experiments import placed_in, prepare, read_experiment, summarise

    registry = default_registry()
    experiment = read_experiment(file, registry, overrides or ())
    shape = prepare(experiment, registry).model.input_shape if read_data else None
    with placed_in(experiment.document):
        found = summarise(experiment.experiment, registry, shape, measured=timed)
    if json:
        print_json(found.to_table())
    else:
        print_summary(found)


def print_summary(found: Summary) -> None:
    """Print a summary as a table and its totals; a network that is no chain is drawn beside its table."""
    from nnfw.experiments import shape_in_words

    heads = ["layer", "activation", "output shape", "parameters"]
    heads += found.layers[0].shares
    empty = ("",) * (len(heads) - 3)
    rows: list[Row] = [(name, "", shape_in_words(shape), *empty) for name, shape in found.input_rows]
    for row in found.layers:
        values = row.activation, shape_in_words(row.output_shape), f"{row.parameters:,}"
        rows.append((f"{row.name} {row.layer}", *values, *(f"{share:.0%}" for share in row.shares.values())))
    lines: list[str] = []
    if not found.is_chain and len(found.picture.shown) <= _MOST_ROWS:
        lines, rows = _drawn(found, rows)
    more = (f"({len(rows) - _MOST_ROWS:,} more)", "", "", *empty)
    print_table(heads, _fewer(rows, more), _fewer(lines, ""))
    print_text(f"{found.size}; training takes about {_bytes(found.training_bytes)}, data aside.")


def _drawn(found: Summary, rows: Sequence[Row]) -> tuple[list[str], list[Row]]:
    """Return the lines of a drawing and the rows beside them; a row above a folded part says how often it comes."""
    from nnfw.experiments.picture import drawn

    picture, first = found.picture, len(found.inputs)
    starts = {start: part for start, _, part in picture.repeated}
    lines: list[str] = []
    shown: list[Row] = []
    for row, ((above, line), position) in enumerate(zip(drawn(picture), picture.shown, strict=True)):
        if row in starts:
            part = starts[row]
            shares = (f"{share:.0%}" for share in found.shares_of(part).values())
            own = sum(each.parameters for each in found.layers[part.first : part.folded.start])
            title = f"{part}, {part.names[0]} to {part.names[1]}"
            lines.append(above)
            shown.append((title, "", "", f"{part.times} × {own:,}", *shares))
        name, *values = rows[position]
        index = position - first
        if index >= 0:
            depth = sum(part.first <= index < part.folded.start for part in found.repeated)
            name = f"{'· ' * depth}{found.name_inside(index)} {found.layers[index].layer}"
        lines.append(line)
        shown.append((name, *values))
    return lines, shown


def _fewer(items: Sequence[Item], instead: Item) -> list[Item]:
    """Return the first and the last of many, with another one in between."""
    half = _MOST_ROWS // 2
    return [*items] if len(items) <= _MOST_ROWS else [*items[:half], instead, *items[-half:]]


def _bytes(count: float) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> _bytes(2048), _bytes(5_000_000)
    ('2.0 KiB', '4.8 MiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"
