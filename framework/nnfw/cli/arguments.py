"""Arguments and options that several commands share, and the table of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeGuard

import typer

from nnfw.cli.completion import complete_runs
from nnfw.cli.console import message, print_heading, print_json, print_table, print_text
from nnfw.errors import short

if TYPE_CHECKING:
    from nnfw.protocols import Callback
    from nnfw.runs import Run

ExperimentPath = Annotated[str, typer.Argument(metavar="FILE", help="The experiment, a TOML file; - is stdin.")]
RunOrModel = Annotated[Path, typer.Argument(metavar="RUN_OR_MODEL", help="A run's directory, or a model file.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.", autocompletion=complete_runs)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the experiment: training.epochs=5. Repeatable."),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The run's directory. By default runs/<name>-<time>.")
]


def _one_character(value: str | None) -> str | None:
    value = "\t" if value == r"\t" else value  # a tab is hard to type
    if value is not None and (len(value) != 1 or value in '"\r\n'):
        raise typer.BadParameter(f"a delimiter is one character, such as ';', or \\t for a tab, got {short(value)}.")
    return value


Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHARACTER",
        help=r"Delimiter of a CSV file; \t is a tab. By default that of the run's table.",
        callback=_one_character,
    ),
]
DataDirectory = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Folder where the data's paths start. By default the one used in training."
    ),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Trust the maker of the run: read its data from anywhere."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def progress_bar(quiet: bool) -> tuple[Callback, ...]:
    """Return the callback that shows the progress of a training, or none."""
    from nnfw.training import ProgressBar

    return () if quiet else (ProgressBar(),)


def print_results(results: Mapping[str, Mapping[str, object]]) -> None:
    """Print cost and metrics, one row per part of the data; matrices below."""
    every = [item for figures in results.values() for item in figures.items()]
    numbers = list(dict.fromkeys(name for name, value in every if not _is_matrix(value)))
    rows = [[part, *(as_text(figures.get(name)) for name in numbers)] for part, figures in results.items()]
    print_table(["", *numbers], rows)
    for part, figures in results.items():
        for name, value in figures.items():
            if _is_matrix(value):
                print_heading(f"{part}: {name}")
                print_text("\n".join("  ".join(f"{as_text(cell):>6}" for cell in row) for row in value))


def print_run(run: Run, *, json: bool) -> None:
    """Print the results of a run."""
    if run.stopped:
        message(f"Stopped after {run.epochs} epochs: {run.stopped}.")
    if json:
        print_json({"run": str(run.directory), "epochs": run.epochs, "stopped": run.stopped, "results": run.results})
        return
    print_results(run.results)
    print_text(f"Run: {run.directory}")


def _is_matrix(value: object) -> TypeGuard[Iterable[Iterable[object]]]:
    return hasattr(value, "__len__") and not isinstance(value, str)


def as_text(value: object) -> str:
    """Return a number for people.

    Examples
    --------
    >>> as_text(0.973333333), as_text(12), as_text(None)
    ('0.97333', '12', '')
    """
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
