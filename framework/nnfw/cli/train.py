"""``nnfw train``, ``nnfw resume`` and ``nnfw reproduce``: the commands that train."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.arguments import (
    DataDirectory,
    ExperimentPath,
    Out,
    Overrides,
    RunPath,
    Trust,
    print_differences,
    print_results,
)
from nnfw.cli.console import Json, error, message, print_heading, print_json, print_table, print_text
from nnfw.cli.inspect_table import print_columns, roles_in
from nnfw.cli.sources import Categorical, Excluded, Group, Ids, Targets, Time, Weight, recipe_of, roles_of, told_by
from nnfw.machine.environment import restore_variables
from nnfw.plugins import default_registry
from nnfw.runs.reading import read_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nnfw.experiments import ExperimentFile
    from nnfw.plain import Plain
    from nnfw.plugins import Registry
    from nnfw.protocols import Callback
    from nnfw.runs import Reproduction, ResumeCheck, Run

Verify = Annotated[
    bool, typer.Option("--verify-resume", help="Only train a few steps to check that resuming is exact; write no run.")
]
Force = Annotated[bool, typer.Option("--force", help="Resume even if the experiment or the data have changed.")]
Again = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The new run's directory. By default next to the old one.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def train(
    file: ExperimentPath,
    target: Targets = None,
    exclude: Excluded = None,
    categorical: Categorical = None,
    ids: Ids = None,
    weight: Weight = None,
    group: Group = None,
    time: Time = None,
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

    FILE may also be a table, with its target and what other options say of its columns: then the experiment is the one
    that nnfw init writes.

    Examples
    --------
    $ nnfw train examples/digits.toml
    $ nnfw train penguins.csv --target species
    $ nnfw train examples/digits.toml --verify-resume
    $ nnfw train examples/digits.toml --set training.epochs=5 --set optimizer.learning_rate=0.01 --out runs/short
    """
    from nnfw.runs import train, verify_resume

    registry = default_registry()
    roles = roles_of(
        target=target, exclude=exclude, categorical=categorical, id=ids, weight=weight, group=group, time=time
    )
    experiment = _experiment(file, roles, registry, overrides or ())
    if verify:
        _report_check(verify_resume(experiment, registry), json=json)
        return
    known = roles_in(experiment.experiment.data.source)
    look = None if quiet or json else partial(print_columns, roles=known)
    run = train(experiment, registry, out, progress_bar(quiet), message, look)
    print_run(run, json=json)
    if roles and "test" not in run.results:
        message(f"No rows were kept for a test. To judge: nnfw evaluate {run.directory} --cross-validation 5")


def _experiment(file: str, roles: Mapping[str, Plain], registry: Registry, overrides: Iterable[str]) -> ExperimentFile:
    """Return the experiment of a file, or the one that is recommended for a table."""
    from nnfw.data.input_files import is_pipe
    from nnfw.experiments import ExperimentFile, check_experiment, file_ending, read_experiment
    from nnfw.toml import STDIN, apply_overrides, parse

    piped = file == STDIN or is_pipe(file)
    if (piped and not roles) or file_ending(file) != ".csv":
        if roles:
            raise typer.BadParameter(f"--{next(iter(roles))} goes with a table; an experiment file names its own.")
        return read_experiment(file, registry, overrides)
    text = recipe_of(file, roles, Path(), registry)
    for line in told_by(text):
        message(line)
    document = apply_overrides(parse(text, f"recipe for {file}"), overrides)
    return ExperimentFile(check_experiment(document, registry), document, Path())


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
    for change in restore_variables(read_run(run).environment):  # BLAS reads them when NumPy is imported, which is next
        message(f"{change}, as in the run.")
    from nnfw.runs import Access, resume

    access = Access(default_registry(), message, data_dir, trust)
    done = resume(run, access, overrides or (), progress_bar(quiet), force=force)
    if done is None:
        message(_nothing_to_do(run))
    else:
        print_run(done, json=json)


def reproduce(
    path: RunPath,
    out: Again = None,
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

    access = Access(default_registry(), message, data_dir, trust)
    found = reproduce(path, access, out, progress_bar(quiet))
    if json:
        table = {key: getattr(found, key) for key in ("verdict", "tolerance", "largest", "changed")}
        print_json({**table, "run": found.directory and str(found.directory)})
    else:
        _print_reproduction(found, str(path))
    if found.verdict == "different":
        raise typer.Exit(1)


def progress_bar(quiet: bool) -> tuple[Callback, ...]:
    """Return the callback that shows the progress of a training, or none."""
    from nnfw.training import ProgressBar

    return () if quiet else (ProgressBar(),)


def print_run(run: Run, *, json: bool) -> None:
    """Print the results of a run."""
    if run.stopped:
        message(f"Stopped after {run.epochs} epochs: {run.stopped}.")
    for verdict in run.verdicts:
        message(verdict)
    if json:
        table = {"run": str(run.directory), "epochs": run.epochs, "stopped": run.stopped, "results": run.results}
        print_json({**table, "baseline": run.baseline, "unit": run.unit, "verdicts": run.verdicts})
        return
    print_results(run.results, run.baseline, run.unit)
    print_text(f"Run: {run.directory}")


def _report_check(found: ResumeCheck, *, json: bool) -> None:
    places = " and ".join(map(str, found.resumed_after))
    if json:
        print_json({"steps": found.steps, "resumed_after": found.resumed_after, "different": found.different})
    elif not found.different:
        print_text(f"Resumed after step {places}: after step {found.steps}, everything is equal to the bit.")
    if found.different:
        error(f"Resumed after step {places}: after step {found.steps}, these differ: {', '.join(found.different)}.")
        raise typer.Exit(1)


def _nothing_to_do(path: Path) -> str:
    """Say that a run has finished, and what can be done; more epochs do not help if it was stopped early."""
    run = read_run(path)
    if run.reason:
        done = f"{path} was stopped after {run.epochs} epochs: {run.reason}"
        return f"Nothing to do: {done}. Train it again to go further."
    return f"Nothing to do: {path} has finished. Give it more epochs with --set training.epochs=N."


def _print_reproduction(found: Reproduction, path: str) -> None:
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
