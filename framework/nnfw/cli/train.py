"""``nnfw train``: run an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.arguments import ExperimentPath, Out, Overrides, Quiet, print_run, progress_bar
from nnfw.cli.console import Json, error, message, print_json, print_text
from nnfw.plugins import default_registry

if TYPE_CHECKING:
    from nnfw.runs import ResumeCheck

Verify = Annotated[
    bool,
    typer.Option("--verify-resume", help="Only train a few steps to check that resuming is exact; write no run."),
]


def train(
    file: ExperimentPath,
    overrides: Overrides = None,
    out: Out = None,
    verify: Verify = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train the network of an experiment file.

    The file is checked before any data is read, and all of its mistakes are reported at once. The run's directory gets
    the resolved experiment, metrics.jsonl, checkpoints, the model and a record of versions, plugins, seed and data.
    nnfw resume continues a run that was interrupted.

    Examples
    --------
    $ nnfw train examples/digits.toml
    $ nnfw train examples/digits.toml --verify-resume
    $ nnfw train examples/digits.toml --set training.epochs=5 --set optimizer.learning_rate=0.01 --out runs/short
    """
    from nnfw.experiments import read_experiment
    from nnfw.runs import train, verify_resume

    registry = default_registry()
    experiment = read_experiment(file, registry, overrides or ())
    if verify:
        _report_check(verify_resume(experiment, registry), json=json)
        return
    print_run(train(experiment, registry, out, progress_bar(quiet), message), json=json)


def _report_check(found: ResumeCheck, *, json: bool) -> None:
    places = " and ".join(map(str, found.resumed_after))
    if json:
        print_json({"steps": found.steps, "resumed_after": found.resumed_after, "different": found.different})
    elif not found.different:
        print_text(f"Resumed after step {places}: after step {found.steps}, everything is equal to the bit.")
    if found.different:
        error(f"Resumed after step {places}: after step {found.steps}, these differ: {', '.join(found.different)}.")
        raise typer.Exit(1)
