"""``nnfw reproduce``: train a run again and compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.arguments import DataDirectory, Quiet, RunPath, Trust, progress_bar
from nnfw.cli.compare import print_differences
from nnfw.cli.console import Json, print_heading, print_json, print_table, print_text
from nnfw.plugins import default_registry

if TYPE_CHECKING:
    from nnfw.runs import Reproduction

Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The new run's directory. By default next to the old one.")
]


def reproduce(
    path: RunPath,
    out: Out = None,
    data_dir: DataDirectory = None,
    trust: Trust = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a run again, and report whether the results are the same and which inputs have changed.

    Bit-equal: every number of every epoch and every parameter is the same. Within rounding: costs and parameters agree
    in half of the digits of their dtype; adding the same numbers in another order explains the rest. Otherwise the runs
    are different, and the exit status is 1. The new run is written next to the old one, or to --out; without --out, a
    bit-equal one is removed again.

    Examples
    --------
    $ nnfw reproduce runs/digits-20260101-120000
    $ nnfw reproduce runs/penguins-20260101-120000 --data-dir ~/tables --out runs/again
    """
    from nnfw.runs import Access, reproduce

    access = Access(default_registry(), data_directory=data_dir, trust=trust)
    found = reproduce(path, access, out, progress_bar(quiet))
    if json:
        table = {key: getattr(found, key) for key in ("verdict", "tolerance", "largest", "changed")}
        print_json({**table, "run": found.directory and str(found.directory)})
    else:
        _print(found, str(path))
    if found.verdict == "different":
        raise typer.Exit(1)


def _print(found: Reproduction, path: str) -> None:
    print_heading(found.verdict.capitalize())
    differing = {name: value for name, value in found.largest.items() if value}
    if differing:
        limit = f"{found.tolerance:.2g}"
        print_text(f"Largest relative differences; up to {limit}, costs and parameters are within rounding:")
        print_table(["", "difference"], [[name, f"{value:.2g}"] for name, value in differing.items()])
    if found.outcome:
        print_text(found.outcome)
    for section, differences in found.changed.items():
        print_heading(f"\nchanged: {section}")
        print_differences(differences, [path, "now"])
    if found.verdict != "bit-equal" and not found.changed:
        print_text("No recorded input has changed.")
    if found.directory:
        print_text(f"Run: {found.directory}")
