"""``nnfw summary``: the summary of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.arguments import ExperimentPath, Overrides
from nnfw.cli.console import Json, print_json, print_table, print_text
from nnfw.plugins import default_registry

if TYPE_CHECKING:
    from nnfw.experiments import Summary

_MOST_ROWS = 400  # of the table of layers, the first and the last; --json has all

ReadData = Annotated[bool, typer.Option("--read-data", help="Read the data to learn the shape of its examples.")]


def summary(file: ExperimentPath, overrides: Overrides = None, read_data: ReadData = False, json: Json = False) -> None:
    """Show layers, shapes, parameters and memory of an experiment's network. No data is read.

    Examples
    --------
    $ nnfw summary examples/digits.toml
    """
    from nnfw.experiments import placed_in, prepare, read_experiment, summarise

    registry = default_registry()
    experiment = read_experiment(file, registry, overrides or ())
    shape = prepare(experiment, registry).model.input_shape if read_data else None
    with placed_in(experiment.document):
        found = summarise(experiment.experiment, registry, shape)
    if json:
        print_json(found.to_table())
    else:
        print_summary(found)


def print_summary(found: Summary) -> None:
    """Print a summary as a table and its totals."""
    from nnfw.experiments import shape_in_words

    rows = [[name, "", "", shape_in_words(shape), ""] for name, shape in found.input_rows]
    rows += [
        [
            f"{row.name} {row.layer}",
            ", ".join(row.inputs),
            row.activation,
            shape_in_words(row.output_shape),
            f"{row.parameters:,}",
        ]
        for row in found.layers
    ]
    heads = ["layer", "takes", "activation", "output shape", "parameters"]
    if len(rows) > _MOST_ROWS:
        half = _MOST_ROWS // 2
        rows = [*rows[:half], [f"({len(rows) - 2 * half:,} more)", "", "", "", ""], *rows[-half:]]
    shown = [heads, *rows]
    heads, *rows = [row[:1] + row[2:] for row in shown] if found.is_chain else shown
    print_table(heads, rows)
    print_text(f"{found.size}; training takes about {_bytes(found.training_bytes)}, data aside.")


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
