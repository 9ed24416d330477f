"""``nnfw explain``: which columns matter to a model, and how its predictions depend on them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.arguments import DataDirectory, RunPath, Trust, as_text
from nnfw.cli.console import Json, message, print_heading, print_json, print_table, print_text
from nnfw.plugins import default_registry

if TYPE_CHECKING:
    from nnfw.runs import Dependence

Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME", help="Show how predictions depend on this column. Repeatable."),
]
Repeats = Annotated[int, typer.Option("--repeats", metavar="N", min=1, help="How often each column is shuffled.")]


def explain(
    run: RunPath,
    column: Columns = None,
    repeats: Repeats = 5,
    data_dir: DataDirectory = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Show which columns of a table matter to a model, on its test data.

    The values of a column are exchanged at random between the examples: the more the cost rises, the more the model
    relies on it. The columns are those of the data, before their transforms; of a block of up to 100 numbers, each
    number has a row too, pixels_3 for instance. With --column, the table shows the mean prediction where that column
    has one value in all examples.

    Examples
    --------
    $ nnfw explain runs/penguins-20260101-120000
    $ nnfw explain runs/penguins-20260101-120000 --column bill_length_mm
    """
    from nnfw.reporting import evidence_of
    from nnfw.runs import Access, dependence, importances

    evidence = evidence_of(run, Access(default_registry(), message, data_dir, trust))
    if column:
        found = [dependence(evidence.prepared, evidence.examples, name) for name in column]
        if json:
            print_json([asdict(each) for each in found])
        else:
            for each in found:
                _print_dependence(each)
        return
    ranked = importances(evidence.prepared, evidence.examples, repeats)
    if json:
        print_json({"part": evidence.part, "columns": [asdict(each) for each in ranked]})
        return
    names = list(ranked[0].change)
    rows = [
        [each.column, *(f"{each.change[name]:+.4g}" for name in names), as_text(each.spread["cost"])] for each in ranked
    ]
    print_table([f"{evidence.part} data", *names, "spread of cost"], rows)
    if evidence.prepared.unit:
        print_text(evidence.prepared.unit)


def _print_dependence(found: Dependence) -> None:
    print_heading(f"mean prediction by {found.column}")
    means = found.means.values()
    rows = [[as_text(value), *map(as_text, row)] for value, *row in zip(found.values, *means, strict=True)]
    print_table([found.column, *found.means], rows)
