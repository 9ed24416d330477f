"""``nnfw compare``: the differences between runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from nnfw.cli.arguments import as_text
from nnfw.cli.completion import complete_runs
from nnfw.cli.console import Json, print_heading, print_json, print_table, print_text

Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN", help="Directories of two or more runs.", autocompletion=complete_runs)
]


def compare(paths: Runs, json: Json = False) -> None:
    """Show the differences between runs: experiment, data, versions, machine and results.

    Equal entries are not shown. The best epoch is the one with the lowest cost on the validation data, or on the
    training data if there is no validation data.

    Examples
    --------
    $ nnfw compare runs/digits-20260101-120000 runs/digits-20260101-130000
    """
    from nnfw.runs import compare_runs, read_run

    sections = compare_runs([read_run(path) for path in paths])
    if json:
        print_json({"runs": list(map(str, paths)), "differences": sections})
        return
    names = [str(path) for path in paths]
    for number, (section, differences) in enumerate(sections.items()):
        print_heading(f"{'' if number == 0 else chr(10)}{section}")
        print_differences(differences, names)
    if not sections:
        print_text("There are no differences.")


def print_differences(differences: Mapping[str, tuple[object, ...]], names: list[str]) -> None:
    """Print one row per difference, one column per run."""
    print_table(["", *names], [[key, *_distinct(values)] for key, values in differences.items()])


def _distinct(values: tuple[object, ...]) -> list[str]:
    """Return values as texts that differ where the values do."""
    texts = ["-" if value is None else as_text(value) for value in values]
    return texts if len(set(texts)) == len(set(map(str, values))) else list(map(str, values))
