"""``nnfw evaluate``: cost and metrics of a trained model."""

from __future__ import annotations

from typing import Annotated

import typer

from nnfw.cli.console import Json, message, print_json
from nnfw.cli.options import DataDirectory, Delimiter, RunOrModel, Trust, print_results

Data = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="DATA", help="A CSV file with the target, -, or a dataset. By default the run's data."
    ),
]
CostName = Annotated[
    str | None, typer.Option("--cost", metavar="NAME[:OPTIONS]", help="Cost, for a model file without its run.")
]
Metrics = Annotated[
    list[str] | None, typer.Option("--metric", metavar="NAME[:OPTIONS]", help="Metrics; with --data. Repeatable.")
]


def evaluate(
    path: RunOrModel,
    data: Data = None,
    cost: CostName = None,
    metric: Metrics = None,
    delimiter: Delimiter = None,
    data_dir: DataDirectory = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Compute cost and metrics of a trained model, on each part of its run's data or on other data.

    If the run was interrupted or killed, or failed, its newest checkpoint is used.

    Examples
    --------
    $ nnfw evaluate runs/digits-20260101-120000
    $ nnfw evaluate runs/penguins-20260101-120000 --data new-penguins.csv
    """
    from nnfw.plugins import default_registry
    from nnfw.runs import evaluate_on, evaluate_run

    registry = default_registry()
    if data is not None:
        found = evaluate_on(
            path,
            data,
            registry,
            cost=cost,
            metrics=metric or (),
            delimiter=delimiter,
            tell=message,
            data_directory=data_dir,
            trust=trust,
        )
        results = {"data": found}
    elif cost is not None or metric:
        raise typer.BadParameter("--cost and --metric go with --data; a run is evaluated as it was trained.")
    else:
        results, same = evaluate_run(path, registry, message, data_directory=data_dir, trust=trust)
        if not same:
            message("warning: the data has changed since the run, so its parts differ from those of the training.")
    print_json(results) if json else print_results(results)
