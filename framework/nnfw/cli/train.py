"""``nnfw train``: carry an experiment out."""

from __future__ import annotations

from nnfw.cli.console import Json, message, print_json, print_text
from nnfw.cli.options import ExperimentPath, Out, Overrides, Quiet, print_results


def train(
    file: ExperimentPath, overrides: Overrides = None, out: Out = None, quiet: Quiet = False, json: Json = False
) -> None:
    """Train the network of an experiment file.

    The file is checked before any data is read, and all of its mistakes are reported at once. The run's directory gets
    the resolved experiment, metrics.jsonl, the model and a record of versions, plugins, seed and data.

    Examples
    --------
    $ nnfw train examples/digits.toml
    $ nnfw train examples/digits.toml --set training.epochs=5 --set optimizer.learning_rate=0.01 --out runs/short
    """
    from nnfw.experiments import read_experiment, train
    from nnfw.plugins import default_registry
    from nnfw.training import ProgressBar

    registry = default_registry()
    experiment = read_experiment(file, registry, overrides or ())
    run = train(experiment, registry, out, () if quiet else (ProgressBar(),))
    if run.stopped:
        message(f"Stopped after {run.epochs} epochs: {run.stopped}.")
    if json:
        print_json({"run": str(run.directory), "epochs": run.epochs, "stopped": run.stopped, "results": run.results})
        return
    print_results(run.results)
    print_text(f"Run: {run.directory}")
