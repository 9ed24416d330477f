"""``nnfw reproduce``: train again from a run's record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.compare import print_differences
from nnfw.cli.console import Json, print_heading, print_json, print_table, print_text
from nnfw.cli.options import DataDirectory, Quiet, RunPath, Trust

if TYPE_CHECKING:
    from nnfw.runs import Reproduction

Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The new run's directory. By default beside the old one.")
]


def reproduce(
    path: RunPath,
    out: Out = None,
    data_dir: DataDirectory = None,
    trust: Trust = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train again from a run's record, and tell whether the same comes out, and which input has changed.

    Bit-equal: every number of every epoch and every parameter. Within rounding: costs and parameters agree in half of
    the digits that their dtype has, so that another order of the same sums explains the rest. Else different, and the
    exit status is 1. The new run is written beside the old one, or where --out says; one that is bit-equal is removed
    again unless --out asked for it.

    Examples
    --------
    $ nnfw reproduce runs/digits-20260101-120000
    $ nnfw reproduce runs/penguins-20260101-120000 --data-dir ~/tables --out runs/again
    """
    from nnfw.plugins import default_registry
    from nnfw.runs import reproduce
    from nnfw.training import ProgressBar

    callbacks = () if quiet else (ProgressBar(),)
    found = reproduce(path, default_registry(), out, data_dir, callbacks, trust=trust)
    if json:
        print_json(
            {
                "verdict": found.verdict,
                "tolerance": found.tolerance,
                "largest": found.largest,
                "changed": found.changed,
                "run": found.directory and str(found.directory),
            }
        )
    else:
        _print(found, str(path))
    if found.verdict == "different":
        raise typer.Exit(1)


def _print(found: Reproduction, path: str) -> None:
    print_heading(found.verdict.capitalize())
    differing = {name: value for name, value in found.largest.items() if value}
    if differing:
        print_text(
            f"Largest relative differences; within rounding are costs and parameters up to {found.tolerance:.2g}:"
        )
        print_table(["", "difference"], [[name, f"{value:.2g}"] for name, value in differing.items()])
    if found.outcome:
        print_text(found.outcome)
    for section, differences in found.changed.items():
        print_heading(f"\nchanged: {section}")
        print_differences(differences, [path, "now"])
    if found.verdict != "bit-equal" and not found.changed:
        print_text("No input has changed that is recorded.")
    if found.directory:
        print_text(f"Run: {found.directory}")
