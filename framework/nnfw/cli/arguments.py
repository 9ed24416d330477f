"""Arguments and options that several commands share, and the tables of results and differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, TypeGuard

import typer

from nnfw.cli.completion import complete_runs
from nnfw.cli.console import print_heading, print_table, print_text

ExperimentPath = Annotated[str, typer.Argument(metavar="FILE", help="The experiment, a TOML file; - is stdin.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.", autocompletion=complete_runs)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the experiment: training.epochs=5. Repeatable."),
]
TableName = Annotated[
    str,
    typer.Option("--table", metavar="TABLE", help="Which table of a file: a sheet, a group, a table's name, a query."),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The run's directory. By default runs/<name>-<time>.")
]
DataDirectory = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Folder where the data's paths start. By default the one used in training."
    ),
]
Trust = Annotated[bool, typer.Option("--trust", help="Trust the maker of the run: read its data from anywhere.")]


Parts = Mapping[str, Mapping[str, object]]


def print_results(results: Parts, baseline: Parts | None = None, unit: str = "") -> None:
    """Print cost and metrics, one row per part of the data and one for its baseline; their unit and matrices below."""
    every = [item for figures in results.values() for item in figures.items()]
    numbers = list(dict.fromkeys(name for name, value in every if not _is_matrix(value)))
    rows = []
    for part, figures in results.items():
        rows.append([part, *(as_text(figures.get(name)) for name in numbers)])
        if own := (baseline or {}).get(part):
            rows.append(["  baseline", *(as_text(own.get(name)) for name in numbers)])
    print_table(["", *numbers], rows)
    if unit:
        print_text(unit)
    for part, figures in results.items():
        for name, value in figures.items():
            if _is_matrix(value):
                print_heading(f"{part}: {name}")
                print_text("\n".join("  ".join(f"{as_text(cell):>6}" for cell in row) for row in value))


def _is_matrix(value: object) -> TypeGuard[Iterable[Iterable[object]]]:
    return hasattr(value, "__len__") and not isinstance(value, str)


def print_differences(differences: Mapping[str, tuple[object, ...]], names: list[str]) -> None:
    """Print one row per difference, one column per run."""
    print_table(["", *names], [[key, *_distinct(values)] for key, values in differences.items()])


def _distinct(values: tuple[object, ...]) -> list[str]:
    """Return values as texts that differ where the values do."""
    texts = ["-" if value is None else as_text(value) for value in values]
    return texts if len(set(texts)) == len(set(map(str, values))) else list(map(str, values))


def as_text(value: object) -> str:
    """Return a number for people.

    Examples
    --------
    >>> as_text(0.973333333), as_text(12), as_text(None)
    ('0.97333', '12', '')
    """
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
