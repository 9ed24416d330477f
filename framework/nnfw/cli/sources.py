"""Data named on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from nnfw.errors import ConfigError
from nnfw.plain import Plain
from nnfw.plugins import Registry, scheme_of


def source_of(data: str, target: str | None, directory: Path) -> Plain:
    """Return the table of the dataset; the path of a file is relative to `directory`, the experiment's."""
    from nnfw.data.table_reading import is_text
    from nnfw.experiments import file_ending, parse_component, parse_reference

    if file_ending(data) == ".csv" and data != "-":
        if target is None:
            raise typer.BadParameter(f"--data {data} is a table: name its target column with --target.")
        path = data if Path(data).is_absolute() or scheme_of(data) else os.path.relpath(data, directory)
        return {"type": "csv" if is_text(data) else "table", "path": path, "target": target}
    return parse_reference(data) if target is None else parse_component(data) | {"target": target}


def recipe_of(data: str, target: str | None, directory: Path, registry: Registry) -> str:
    """Return the text of the experiment that a dataset recommends; ConfigError if it recommends none."""
    dataset = registry.resolve("dataset", source_of(data, target, directory))
    text: str | None = dataset.recipe(directory) if hasattr(dataset, "recipe") else None
    if text is None:
        raise ConfigError(
            f"{registry.title(dataset)} recommends no experiment. Make one with nnfw assemble, or begin with a file of "
            "the examples."
        )
    return text
