"""``nnfw init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnfw.cli.console import message, print_text
from nnfw.cli.sources import Categorical, Excluded, Group, Ids, Targets, Time, Weight, recipe_of, roles_of, told_by
from nnfw.plugins import default_registry

Data = Annotated[str, typer.Argument(metavar="TABLE", help="A table of any format, or a dataset.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write it. By default stdout.")
]


def init(
    data: Data,
    target: Targets = None,
    exclude: Excluded = None,
    categorical: Categorical = None,
    ids: Ids = None,
    weight: Weight = None,
    group: Group = None,
    time: Time = None,
    output: Output = None,
) -> None:
    """Write an experiment file for a table: a good start, with a reason beside each choice.

    Several targets get an output each or, if all are numbers, one together. nnfw train TABLE with the same options
    trains the same without writing the file first.

    Examples
    --------
    $ nnfw init penguins.csv --target species -o penguins.toml
    $ nnfw train penguins.toml
    $ nnfw init visits.csv --target cost --target outcome --id visit --group patient --time day -o visits.toml
    """
    from nnfw.storage import replace_file

    roles = roles_of(
        target=target, exclude=exclude, categorical=categorical, id=ids, weight=weight, group=group, time=time
    )
    text = recipe_of(data, roles, Path() if output is None else output.parent, default_registry())
    if output is None:
        print_text(text.rstrip("\n"))
        return
    if output.exists():
        raise typer.BadParameter(f"{output} is there already. Name another file, or remove it.")
    replace_file(output, text.encode())
    for line in told_by(text):
        message(line)
    message(f"Wrote {output}. Train it with: nnfw train {output}")
