"""``nnfw init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnfw.cli.console import message, print_text
from nnfw.cli.sources import recipe_of
from nnfw.plugins import default_registry

Data = Annotated[str, typer.Argument(metavar="TABLE", help="A table of any format, or a dataset.")]
Target = Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="The column to predict.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write it. By default stdout.")
]


def init(data: Data, target: Target = None, output: Output = None) -> None:
    """Write an experiment file for a table: a good start, with a reason beside each choice.

    nnfw train TABLE --target COLUMN trains the same without writing the file first.

    Examples
    --------
    $ nnfw init penguins.csv --target species -o penguins.toml
    $ nnfw train penguins.toml
    """
    from nnfw.storage import replace_file

    text = recipe_of(data, target, Path() if output is None else output.parent, default_registry())
    if output is None:
        print_text(text.rstrip("\n"))
        return
    if output.exists():
        raise typer.BadParameter(f"{output} is there already. Name another file, or remove it.")
    replace_file(output, text.encode())
    message(f"Wrote {output}. Train it with: nnfw train {output}")
