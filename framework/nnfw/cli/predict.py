"""``nnfw predict``: apply a trained model."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from nnfw.cli.arguments import DataDirectory, Delimiter, RunOrModel, Trust
from nnfw.cli.console import Json, message, print_csv, print_json
from nnfw.plugins import default_registry

Data = Annotated[
    str,
    typer.Argument(metavar="DATA", help="A CSV file of raw columns, - for one on stdin, a .npy file, or a dataset."),
]


def predict(
    path: RunOrModel,
    data: Data,
    delimiter: Delimiter = None,
    data_dir: DataDirectory = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Apply a trained model to data, and print one row per example as CSV.

    A classifier prints the label and the probability of every class, any other model the target in its own unit. Raw
    columns are enough: the transforms that were fitted in training are stored with the model. If the run was
    interrupted or killed, or failed, its newest checkpoint is used, and its data is read to fit the transforms again.

    Examples
    --------
    $ nnfw predict runs/penguins-20260101-120000 new-penguins.csv > predictions.csv
    $ head -3 new-penguins.csv | nnfw predict runs/penguins-20260101-120000 - --json
    """
    from nnfw.runs import Access, open_model, predict, table_delimiter

    model = open_model(path, Access(default_registry(), message, data_dir, trust))
    predictions = predict(model, data, delimiter or table_delimiter(path))
    print_json(predictions.tables()) if json else print_csv(chain([predictions.header], predictions.rows()))
