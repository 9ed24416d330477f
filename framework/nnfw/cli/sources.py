"""Data named on the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from nnfw.errors import ConfigError
from nnfw.plain import Plain
from nnfw.plugins import Registry, scheme_of
from nnfw.toml import STDIN

Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="COLUMN", help="The column to predict, of a table. Repeatable."),
]
Excluded = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="COLUMN", help="A column that is no feature. Repeatable.")
]
Categorical = Annotated[
    list[str] | None,
    typer.Option("--categorical", metavar="COLUMN", help="Keep a column as words. Repeatable."),
]
Ids = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="COLUMN", help="What identifies a row, repeated by nnfw predict. Repeatable."),
]
Weight = Annotated[
    str | None, typer.Option("--weight", metavar="COLUMN", help="How much each row counts in cost and metrics.")
]
Group = Annotated[
    str | None, typer.Option("--group", metavar="COLUMN", help="Rows of one value stay in one part of the split.")
]
Time = Annotated[
    str | None, typer.Option("--time", metavar="COLUMN", help="When each row was: the newest are held out.")
]


_LISTS = ("exclude", "categorical")  # roles that are lists, even of one column


def roles_of(**columns: str | list[str] | None) -> dict[str, Plain]:
    """Return the roles of columns that are given on the command line, as options of a dataset."""
    found: dict[str, Plain] = {}
    for role, given in columns.items():
        names: list[Plain] = [given] if isinstance(given, str) else [*(given or ())]
        if names:
            found[role] = names[0] if len(names) == 1 and role not in _LISTS else names
    return found


def source_of(data: str, roles: Mapping[str, Plain], directory: Path) -> Plain:
    """Return the table of the dataset; the path of a file is relative to `directory`, the experiment's."""
    from nnfw.data import is_pipe
    from nnfw.data.table_reading import is_text
    from nnfw.experiments import file_ending, parse_component, parse_reference

    if data == STDIN or is_pipe(data):
        raise typer.BadParameter(
            f"{'the standard input' if data == STDIN else data} can be read once, but a training reads its table again "
            "to resume, evaluate or reproduce it. Save the table as a file."
        )
    if file_ending(data) == ".csv":
        if "target" not in roles:
            raise typer.BadParameter(f"{data} is a table: name its target column with --target.")
        path = data if Path(data).is_absolute() or scheme_of(data) else os.path.relpath(data, directory)
        return {"type": "csv" if is_text(data) else "table", "path": path, **roles}
    return {**parse_component(data), **roles} if roles else parse_reference(data)


def told_by(recipe: str) -> list[str]:
    """Return what a recipe says of columns: which are left out, and what others are taken for."""
    lines = recipe.partition("source = ")[0].splitlines()[1:]
    return [line.removeprefix("# ") for line in lines if line.startswith("# ")]


def recipe_of(data: str, roles: Mapping[str, Plain], directory: Path, registry: Registry) -> str:
    """Return the text of the experiment that a dataset recommends; ConfigError if it recommends none."""
    dataset = registry.resolve("dataset", source_of(data, roles, directory))
    text: str | None = dataset.recipe(directory) if hasattr(dataset, "recipe") else None
    if text is None:
        raise ConfigError(
            f"{registry.title(dataset)} recommends no experiment. Make one with nnfw assemble, or begin with a file of "
            "the examples."
        )
    return text
