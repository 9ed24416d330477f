"""``nnfw assemble``: an experiment from components named on the command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from nnfw.cli.arguments import Out, Overrides
from nnfw.cli.completion import complete_components
from nnfw.cli.console import message, print_text
from nnfw.cli.sources import roles_of, source_of
from nnfw.cli.summary import print_summary
from nnfw.cli.train import Quiet, print_run, progress_bar
from nnfw.plugins import default_registry

COMPONENT = "NAME[:OPTION=VALUE,...]"


def _component(flag: str, kind: str, text: str) -> object:
    return typer.Option(flag, metavar=COMPONENT, help=text, autocompletion=complete_components(kind))


Data = Annotated[str, _component("--data", "dataset", "Dataset, or a CSV file.")]
Target = Annotated[
    str | None, typer.Option("--target", metavar="COLUMN", help="Target column, if --data is a CSV file.")
]
Layers = Annotated[list[str], _component("--layer", "layer", "A layer; repeat it for each.")]
CostName = Annotated[str, _component("--cost", "cost", "Cost.")]
OptimizerName = Annotated[str, _component("--optimizer", "optimizer", "Optimizer.")]
Transforms = Annotated[
    list[str] | None, _component("--transform", "transform", "Transform of feature columns. Repeatable.")
]
Metrics = Annotated[list[str] | None, _component("--metric", "metric", "Metric. Repeatable.")]
Epochs = Annotated[
    int | None, typer.Option("--epochs", help="Passes over the data. By default enough for 10,000 steps, 10 to 200.")
]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Examples per step.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")]
Name = Annotated[str, typer.Option("--name", help="Name of the experiment.")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where to write the experiment. By default stdout."),
]
Train = Annotated[bool, typer.Option("--train", help="Train it right away.")]


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
    r"""Make an experiment from components named here: print its summary, write its file, or train it.

    The path of a CSV file starts at the current directory. Paths in the options of a dataset are written unchanged:
    they start at the folder of the experiment's file.

    Examples
    --------
    $ nnfw assemble --data digits --layer dense:units=64,activation=relu --layer dense:units=10,activation=softmax \
        --cost cross_entropy --optimizer adam:learning_rate=0.001 --metric accuracy --epochs 20 -o exp.toml
    """
    from nnfw.experiments import (
        ExperimentFile,
        check_experiment,
        infer_shapes,
        parse_component,
        parse_reference,
        placed_in,
        summarise,
    )
    from nnfw.storage import replace_file
    from nnfw.toml import Document, apply_overrides, write

    registry = default_registry()
    directory = output.parent if output is not None else Path()
    table = {
        "name": name,
        "seed": seed,
        "data": {
            "source": source_of(data, roles_of(target=target), directory),
            "transforms": list(map(parse_reference, transform or ())),
        },
        "model": {"layers": list(map(parse_component, layer))},
        "cost": parse_component(cost),
        "optimizer": parse_component(optimizer),
        "training": {"epochs": epochs, "batch_size": batch_size, "metrics": list(map(parse_reference, metric or ()))},
    }
    document = apply_overrides(Document(_without_empty(table), "command line"), overrides or ())
    experiment = ExperimentFile(check_experiment(document, registry), document, directory)
    with placed_in(document):
        shapes = infer_shapes(experiment.experiment, registry)
    if shapes is not None:
        with redirect_stdout(sys.stdout if output or train else sys.stderr):  # if the file is printed, it is the data
            print_summary(summarise(experiment.experiment, registry))
    text = write(document.table)
    if output is not None:
        replace_file(output, text.encode())
        message(f"Wrote {output}. Train it with: nnfw train {output}")
    elif not train:
        print_text(text.rstrip("\n"))
    if train:
        from nnfw.runs import train as train_run

        print_run(train_run(experiment, registry, out, progress_bar(quiet), message), json=False)


def _without_empty(table: Mapping[str, object]) -> dict[str, object]:
    """Leave out what the user did not say, so that the defaults apply."""
    kept = {key: _without_empty(item) if isinstance(item, dict) else item for key, item in table.items()}
    return {key: item for key, item in kept.items() if item is not None and item not in ([], {})}
