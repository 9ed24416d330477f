"""Arguments and options that several commands share, and the table of results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnfw.cli.completion import complete_runs
from nnfw.cli.console import message, print_heading, print_json, print_table, print_text
from nnfw.errors import short

if TYPE_CHECKING:
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
        help=r"Between the cells of a CSV file; \t is a tab. By default as in the run's own table.",
        callback=_one_character,
    ),
]
DataDirectory = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Where the data's paths start. By default where they did."),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Read the run's data wherever it lies: whoever made the run is trusted."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def print_results(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Print cost and metrics, one row for each part of the data; matrices below."""
    numbers = list(
        dict.fromkeys(name for record in results.values() for name in record if not _is_matrix(record[name]))
    )
    rows = [[part, *(as_text(record.get(name)) for name in numbers)] for part, record in results.items()]
    print_table(["", *numbers], rows)
    for part, record in results.items():
        for name, value in record.items():
            if _is_matrix(value):
                print_heading(f"{part}: {name}")
                print_text("\n".join("  ".join(f"{as_text(cell):>6}" for cell in row) for row in value))


def print_run(run: Run, *, json: bool) -> None:
    """Print what came of a run."""
    if run.stopped:
        message(f"Stopped after {run.epochs} epochs: {run.stopped}.")
    if json:
        print_json({"run": str(run.directory), "epochs": run.epochs, "stopped": run.stopped, "results": run.results})
        return
    print_results(run.results)
    print_text(f"Run: {run.directory}")


def _is_matrix(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str)


def as_text(value: Any) -> str:
    """Return a number for people.

    Examples
    --------
    >>> as_text(0.973333333), as_text(12), as_text(None)
    ('0.97333', '12', '')
    """
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
