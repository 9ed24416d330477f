"""``nnfw assemble``: an experiment from components named on the command line."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from nnfw.cli.completion import complete_components
from nnfw.cli.console import message, print_text
from nnfw.cli.options import Out, Overrides, Quiet, print_results
from nnfw.cli.summary import print_summary

COMPONENT = "NAME[:OPTION=VALUE,...]"
Data = Annotated[
    str,
    typer.Option(
        "--data", metavar=COMPONENT, help="Dataset, or a CSV file.", autocompletion=complete_components("dataset")
    ),
]
Target = Annotated[
    str | None, typer.Option("--target", metavar="COLUMN", help="Target column, if --data is a CSV file.")
]
Layers = Annotated[
    list[str],
    typer.Option(
        "--layer", metavar=COMPONENT, help="A layer; repeat it for each.", autocompletion=complete_components("layer")
    ),
]
CostName = Annotated[
    str, typer.Option("--cost", metavar=COMPONENT, help="Cost.", autocompletion=complete_components("cost"))
]
OptimizerName = Annotated[
    str,
    typer.Option("--optimizer", metavar=COMPONENT, help="Optimizer.", autocompletion=complete_components("optimizer")),
]
Transforms = Annotated[
    list[str] | None,
    typer.Option(
        "--transform",
        metavar=COMPONENT,
        help="Transform of feature columns. Repeatable.",
        autocompletion=complete_components("transform"),
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric", metavar=COMPONENT, help="Metric. Repeatable.", autocompletion=complete_components("metric")
    ),
]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the data.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Examples per step.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")]
Name = Annotated[str, typer.Option("--name", help="Name of the experiment.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where the experiment goes. By default stdout.")
]
Train = Annotated[bool, typer.Option("--train", help="Train it at once.")]


def assemble(
    data: Data,
    layer: Layers,
    cost: CostName,
    optimizer: OptimizerName,
    target: Target = None,
    transform: Transforms = None,
    metric: Metrics = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    seed: Seed = None,
    name: Name = "assembled",
    overrides: Overrides = None,
    output: Output = None,
    train: Train = False,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    r"""Make an experiment from components named here: print its summary, write its file, or train it at once.

    Examples
    --------
    $ nnfw assemble --data digits --layer dense:units=64,activation=relu --layer dense:units=10,activation=softmax \
        --cost cross_entropy --optimizer adam:learning_rate=0.001 --metric accuracy --epochs 20 -o exp.toml
    """
    from nnfw.experiments import (
        Document,
        ExperimentFile,
        apply_overrides,
        check_experiment,
        infer_shapes,
        parse_component,
        summarise,
        write,
    )
    from nnfw.experiments import (
        train as carry_out,
    )
    from nnfw.plugins import default_registry
    from nnfw.training import ProgressBar

    registry = default_registry()
    training: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size}
    training["metrics"] = [_short(parse_component(item)) for item in metric or ()]
    table: dict[str, Any] = {
        "name": name,
        "seed": seed,
        "data": {
            "source": _source(data, target),
            "transforms": [_short(parse_component(item)) for item in transform or ()],
        },
        "model": {"layers": [parse_component(item) for item in layer]},
        "cost": parse_component(cost),
        "optimizer": parse_component(optimizer),
        "training": training,
    }
    document = apply_overrides(Document(_without_empty(table), "command line"), overrides or ())
    experiment = check_experiment(document, registry)
    if infer_shapes(experiment) is not None:
        with redirect_stdout(sys.stdout if output or train else sys.stderr):  # the file is the data where it is printed
            print_summary(summarise(experiment, registry))
    text = write(document.table)
    if output is not None:
        _write(output, text)
        message(f"Wrote {output}. Train it with: nnfw train {output}")
    elif not train:
        print_text(text.rstrip("\n"))
    if train:
        directory = output.parent if output is not None else Path()
        run = carry_out(
            ExperimentFile(experiment, document, directory), registry, out, () if quiet else (ProgressBar(),)
        )
        print_results(run.results)
        print_text(f"Run: {run.directory}")


def _source(data: str, target: str | None) -> Any:
    from nnfw.experiments import parse_component

    if data.endswith(".csv") and ":" not in data:
        if target is None:
            raise typer.BadParameter(f"--data {data} is a CSV file: name its target column with --target.")
        return {"type": "csv", "path": data, "target": target}
    table = parse_component(data)
    return _short(table if target is None else table | {"target": target})


def _short(table: dict[str, Any]) -> Any:
    """Return a component without options by its name alone."""
    return table["type"] if len(table) == 1 else table


def _without_empty(value: Any) -> Any:
    """Leave out what was not said, so that the file holds the user's own words and the defaults hold."""
    if not isinstance(value, dict):
        return value
    kept = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item is not None and item not in ([], {})}


def _write(path: Path, text: str) -> None:
    from nnfw.storage import replace_file

    replace_file(path, text.encode())
