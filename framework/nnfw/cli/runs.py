"""``nnfw runs``: lists runs with their results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.console import Json, message, print_chosen, print_json
from nnfw.cli.options import as_text

if TYPE_CHECKING:
    from nnfw.runs.listing import ListedRun

FOLDER = "runs"
"""Where `nnfw train` puts runs."""

_SHOWN = ("run", "status", "started", "seconds", "epochs", "reason")  # always, or if there is anything to show

_FIRST = 2  # figures that are more important than the time of the start

Folder = Annotated[str, typer.Argument(metavar="DIR", help="A folder of runs, or one run.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="CONDITION", help='Only these: status=finished, "test accuracy>0.97". Repeatable.'),
]
Sort = Annotated[str, typer.Option("--sort", metavar="KEY", help="Sort by this.")]
Reverse = Annotated[bool, typer.Option("--reverse", help="Largest or newest first.")]


def runs(
    folder: Folder = FOLDER, where: Where = None, sort: Sort = "started", reverse: Reverse = False, json: Json = False
) -> None:
    """List runs with their final metrics.

    A CONDITION compares a KEY with a value by one of = != < <= > >=. A KEY is run, name, status, started, seconds,
    epochs or reason; a figure, such as "test accuracy"; or an entry of the experiment, such as optimizer.learning_rate.
    Shown are the figures of the test data, if there is any, and those that you name; on a terminal, as many as fit. The
    status is running, finished, failed, diverged, interrupted, killed, or broken if the files cannot be read.

    Examples
    --------
    $ nnfw runs
    $ nnfw runs --where status=finished --where "test accuracy>0.97" --sort "test cost"
    """
    from nnfw.runs.listing import condition_keys, list_runs, shown_figures

    none_yet = folder == FOLDER and not Path(folder).exists()
    found = [] if none_yet else list_runs(Path(folder), where or (), sort, reverse=reverse)
    if json:
        print_json([_table(run) for run in found])
        return
    if not found:
        message("There are no runs yet: `nnfw train FILE` makes one." if none_yet else "There are no such runs.")
        return
    asked = [key for key in dict.fromkeys([*condition_keys(where or ()), sort]) if key not in _SHOWN]
    print_runs(found, [key for key in shown_figures(found) if key not in asked], asked)


def print_runs(found: Sequence[ListedRun], figures: Sequence[str], asked: Sequence[str]) -> None:
    """Print runs as a table with figures and the values of the keys in `asked`; a terminal shows what fits."""
    from nnfw.runs.reading import time_span

    keys = [*figures, *asked]
    rows = [
        [
            run.run,
            run.status,
            f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else "",
            time_span(run.seconds),
            as_text(run.epochs),
            *(as_text(run.value(key)) for key in keys),
        ]
        for run in found
    ]
    reasons = [run.reason if run.status != "finished" else "" for run in found]
    frequent = sorted(figures, key=lambda name: -sum(name in run.figures for run in found))
    wanted = ["run", "status", *asked, *frequent[:_FIRST], "epochs", "started", "time", *frequent[_FIRST:]]
    columns = ["run", "status", "started", "time", "epochs", *keys]
    left_out = print_chosen(columns, rows, wanted, ["reason", *reasons])
    if left_out:
        message(f"Not shown because the terminal is too narrow: {', '.join(left_out)}. --json prints them too.")


def _table(run: ListedRun) -> dict[str, object]:
    started = run.started and run.started.isoformat()
    return {"path": str(run.path), **run.values, "started": started, "figures": run.figures}
