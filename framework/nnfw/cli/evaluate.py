"""``nnfw evaluate``: cost and metrics of a trained model."""

from __future__ import annotations

from typing import Annotated

import typer

from nnfw.cli.arguments import DataDirectory, Delimiter, RunOrModel, Trust, print_results
from nnfw.cli.console import Json, message, print_json
from nnfw.plugins import default_registry

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
    from nnfw.runs import Access, evaluate_on, evaluate_run

    access = Access(default_registry(), message, data_dir, trust)
    if data is not None:
        results = {"data": evaluate_on(path, data, access, cost=cost, metrics=metric or (), delimiter=delimiter)}
    elif cost is not None or metric:
        raise typer.BadParameter("--cost and --metric go with --data; a run is evaluated as it was trained.")
    else:
        results, same = evaluate_run(path, access)
        if not same:
            message("warning: the data has changed since the run, so its parts differ from those of the training.")
    print_json(results) if json else print_results(results)
