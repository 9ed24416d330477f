"""``nnfw compare``: what differs between runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nnfw.cli.completion import complete_runs
from nnfw.cli.console import Json, print_heading, print_json, print_table, print_text
from nnfw.cli.options import as_text

Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN", help="Two directories or more.", autocompletion=complete_runs)
]


def compare(paths: Runs, json: Json = False) -> None:
    """Show what differs between runs: in experiment, data, versions and machine, and in what came out.

    What is equal is not shown. The best epoch is that with the lowest cost on the validation data, or on the training
    data where there is no other.

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
        print_text("Nothing differs.")


def print_differences(differences: dict[str, tuple[Any, ...]], names: list[str]) -> None:
    """Print one row for each difference, a column for each run."""
    print_table(["", *names], [[key, *_told_apart(values)] for key, values in differences.items()])


def _told_apart(values: tuple[Any, ...]) -> list[str]:
    """Return values as texts that differ where the values do."""
    texts = ["-" if value is None else as_text(value) for value in values]
    return texts if len(set(texts)) == len(set(map(str, values))) else list(map(str, values))
