"""``nnfw runs``, ``nnfw compare`` and ``nnfw report``: the commands that show runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nnfw.cli.arguments import DataDirectory, RunPath, Trust, as_text, print_differences
from nnfw.cli.completion import complete_runs
from nnfw.cli.console import Json, message, print_chosen, print_heading, print_json, print_text
from nnfw.plugins import default_registry
from nnfw.runs.listing import ListedRun, condition_keys, list_runs
from nnfw.runs.reading import shown_figures, time_span

FOLDER = "runs"
"""Where `nnfw train` puts runs."""

_SHOWN = ("run", "status", "started", "seconds", "epochs", "reason")  # always, or if there is anything to show

_STDOUT = Path("-")
_FIRST = 2  # figures that are more important than the time of the start

Folder = Annotated[str, typer.Argument(metavar="DIR", help="A folder of runs, or one run.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="CONDITION", help='Only these: status=finished, "test accuracy>0.97". Repeatable.'),
]
Sort = Annotated[str, typer.Option("--sort", metavar="KEY", help="Sort by this.")]
Reverse = Annotated[bool, typer.Option("--reverse", help="Largest or newest first.")]
Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN", help="Directories of two or more runs.", autocompletion=complete_runs)
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="The page; - is stdout. By default RUN/report.html."),
]


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
    none_yet = folder == FOLDER and not Path(folder).exists()
    found = [] if none_yet else list_runs(Path(folder), where or (), sort, reverse=reverse)
    if json:
        print_json([_table(run) for run in found])
        return
    if not found:
        message("There are no runs yet: `nnfw train FILE` makes one." if none_yet else "There are no such runs.")
        return
    asked = [key for key in dict.fromkeys([*condition_keys(where or ()), sort]) if key not in _SHOWN]
    shown = shown_figures(name for run in found for name in run.figures)
    print_runs(found, [key for key in shown if key not in asked], asked)


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


def report(path: RunPath, output: Output = None, data_dir: DataDirectory = None, trust: Trust = False) -> None:
    """Write an HTML page about a run: curves, right and wrong predictions, worst examples, network and record.

    The page is a single file that opens offline in any browser. If the data is not available, the page says so and
    shows the rest. Data outside the run's folder and the current one is read only with --trust, because a run from
    somebody else could name any of your files.

    Examples
    --------
    $ nnfw report runs/digits-20260101-120000
    $ nnfw report runs/digits-20260101-120000 -o digits.html
    """
    from nnfw.reporting import report
    from nnfw.runs import Access
    from nnfw.runs.layout import PAGE
    from nnfw.storage import Directory, replace_file

    page = report(path, Access(default_registry(), data_directory=data_dir, trust=trust))
    if output == _STDOUT:
        print_text(page)
        return
    target = output or path / PAGE
    replace_file(target, page.encode(), inside=None if output else Directory(path))
    message(f"{len(page.encode()) / 1024:,.0f} KiB")
    print_text(str(target))


def print_runs(found: Sequence[ListedRun], figures: Sequence[str], asked: Sequence[str]) -> None:
    """Print runs as a table with figures and the values of the keys in `asked`; a terminal shows what fits."""
    keys = [*figures, *asked]
    rows = []
    for run in found:
        known, started = run.values, run.values["started"]
        day = f"{started.astimezone():%Y-%m-%d %H:%M}" if started else ""
        time, epochs = time_span(known["seconds"]), as_text(known["epochs"])
        rows.append([known["run"], known["status"], day, time, epochs, *(as_text(run.value(key)) for key in keys)])
    reasons = [run.values["reason"] if run.values["status"] != "finished" else "" for run in found]
    frequent = sorted(figures, key=lambda name: -sum(name in run.figures for run in found))
    wanted = ["run", "status", *asked, *frequent[:_FIRST], "epochs", "started", "time", *frequent[_FIRST:]]
    columns = ["run", "status", "started", "time", "epochs", *keys]
    left_out = print_chosen(columns, rows, wanted, ["reason", *reasons])
    if left_out:
        message(f"Not shown because the terminal is too narrow: {', '.join(left_out)}. --json prints them too.")


def _table(run: ListedRun) -> dict[str, object]:
    started = run.values["started"]
    return {"path": str(run.path), **run.values, "started": started and started.isoformat(), "figures": run.figures}
