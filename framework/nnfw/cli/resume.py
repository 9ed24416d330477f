"""``nnfw resume``: continue a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnfw.cli.arguments import DataDirectory, Overrides, Quiet, RunPath, Trust, print_run, progress_bar
from nnfw.cli.console import Json, message
from nnfw.machine.environment import restore_variables
from nnfw.plugins import default_registry
from nnfw.runs.reading import read_run

Force = Annotated[bool, typer.Option("--force", help="Resume even if the experiment or the data have changed.")]


def resume(
    run: RunPath,
    overrides: Overrides = None,
    data_dir: DataDirectory = None,
    trust: Trust = False,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Resume a run that was interrupted or killed, from its newest checkpoint.

    The result is bit for bit that of a run that was never stopped. Anything that can change the last digits, such as
    another version of NumPy, is reported. A finished run continues if it is given more epochs.

    Examples
    --------
    $ nnfw resume runs/digits-20260101-120000
    $ nnfw resume runs/digits-20260101-120000 --set training.epochs=80
    $ nnfw resume runs/penguins-20260101-120000 --data-dir ~/tables
    """
    _restore_variables(run)
    from nnfw.runs import Access, resume

    access = Access(default_registry(), message, data_dir, trust)
    done = resume(run, access, overrides or (), progress_bar(quiet), force=force)
    if done is None:
        message(_nothing_to_do(run))
    else:
        print_run(done, json=json)


def _nothing_to_do(path: Path) -> str:
    """Say that a run has finished, and what can be done; more epochs do not help if it was stopped early."""
    run = read_run(path)
    if run.reason:
        done = f"{path} was stopped after {run.epochs} epochs: {run.reason}"
        return f"Nothing to do: {done}. Train it again to go further."
    return f"Nothing to do: {path} has finished. Give it more epochs with --set training.epochs=N."


def _restore_variables(run: Path) -> None:
    """Let BLAS use the kernels and threads of the run: it reads the variables when NumPy is imported."""
    for change in restore_variables(read_run(run).environment):
        message(f"{change}, as in the run.")
