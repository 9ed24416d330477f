"""``nnfw evaluate`` and ``nnfw predict``: the commands that use a trained model."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.arguments import DataDirectory, TableName, Trust, print_results
from nnfw.cli.console import Json, message, print_csv, print_json, print_text
from nnfw.cli.train import progress_bar
from nnfw.errors import short
from nnfw.plugins import default_registry
from nnfw.runs.reading import read_run

if TYPE_CHECKING:
    from nnfw.runs import Access


def _one_character(value: str | None) -> str | None:
    value = "\t" if value == r"\t" else value  # a tab is hard to type
    if value is not None and (len(value) != 1 or value in '"\r\n'):
        raise typer.BadParameter(f"a delimiter is one character, such as ';', or \\t for a tab, got {short(value)}.")
    return value


_CHOSEN = "chosen"

RunOrModel = Annotated[Path, typer.Argument(metavar="RUN_OR_MODEL", help="A run's directory, or a model file.")]
Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHARACTER",
        help=r"Delimiter of a CSV file; \t is a tab. By default that of the run's file, or what fits.",
        callback=_one_character,
    ),
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="DATA", help="A table with the target, -, or a dataset. By default the run's data."),
]
Costs = Annotated[
    list[str] | None,
    typer.Option(
        "--cost",
        metavar="[OUTPUT.]NAME[:OPTIONS]",
        help="Cost, for a model file without its run; of several outputs one for each.",
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="[OUTPUT.]NAME[:OPTIONS]", help="Metrics; with --data. Repeatable."),
]
NewData = Annotated[
    str,
    typer.Argument(metavar="DATA", help="A table of raw columns, - for CSV on stdin, a .npy file, or a dataset."),
]


CrossValidate = Annotated[
    int | None,
    typer.Option(
        "--cross-validation",
        metavar="K",
        min=2,
        help="Train K networks, each judged on a fold that it has not seen; of a run or an experiment file.",
    ),
]


Aim = Annotated[
    str | None,
    typer.Option(
        "--threshold",
        metavar="AIM",
        help="Choose the threshold of two classes, or of each label, on the validation data and store it: f1, "
        "'recall >= 0.9', ...",
    ),
]


def evaluate(
    path: RunOrModel,
    data: Data = None,
    cost: Costs = None,
    metric: Metrics = None,
    cross_validation: CrossValidate = None,
    threshold: Aim = None,
    delimiter: Delimiter = None,
    table: TableName = "",
    data_dir: DataDirectory = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Compute cost and metrics of a trained model, on each part of its run's data or on other data.

    If the run was interrupted or killed, or failed, its newest checkpoint is used.

    With --cross-validation K the experiment is trained K times, and each metric printed with its mean and spread over
    the folds: stratified for classes, by the group or in the order of [data] split. The results are written to
    cross-validation.json in the run's directory, or beside the experiment file.

    With --threshold AIM the probability above which an example is of the second of two classes is chosen on the
    validation data, for nnfw predict --threshold chosen: f1, accuracy, balanced_accuracy or matthews_correlation as
    large as possible; or 'recall >= 0.9', 'precision >= 0.9', 'specificity >= 0.9'. Labels that are columns of 0 and 1
    have one each.

    Examples
    --------
    $ nnfw evaluate runs/digits-20260101-120000
    $ nnfw evaluate examples/penguins.toml --cross-validation 5
    $ nnfw evaluate runs/penguins-20260101-120000 --data new-penguins.csv
    """
    from nnfw.runs import Access, baseline_of_run, evaluate_run, judge_on

    access = Access(default_registry(), message, data_dir, trust)
    if cross_validation is not None:
        if data is not None or cost or metric:
            raise typer.BadParameter("--cross-validation trains on the experiment's own data; leave the others out.")
        _cross_validate(path, cross_validation, access, json=json)
        return
    if threshold is not None:
        if data is not None or cost or metric:
            raise typer.BadParameter("--threshold is chosen on the run's own data; leave the others out.")
        _choose(path, threshold, access, json=json)
        return
    if path.suffix == ".toml" and path.is_file():
        raise typer.BadParameter(f"{path} is an experiment file: train it first, or add --cross-validation K.")
    if data is not None:
        options = {"cost": cost or (), "metrics": metric or ()}
        figures, constant, unit = judge_on(path, data, access, **options, delimiter=delimiter, table=table)
        results, baseline = {"data": figures}, {"data": constant} if constant else {}
    elif cost or metric:
        raise typer.BadParameter("--cost and --metric go with --data; a run is evaluated as it was trained.")
    else:
        results, same = evaluate_run(path, access)
        baseline, unit = baseline_of_run(path) if same else {}, read_run(path).unit
        if not same:
            message("warning: the data has changed since the run, so its parts differ from those of the training.")
    further = {key: value for key, value in (("baseline", baseline), ("unit", unit)) if value}
    print_json(results | further) if json else print_results(results, baseline, unit)


def _choose(path: Path, aim: str, access: Access, *, json: bool) -> None:
    from nnfw.runs import choose_for_run

    chosen, results = choose_for_run(path, access, aim)
    values = {name: each.value for name, each in chosen.items()}
    if json:
        print_json({"aim": aim, "threshold": values.get("", values), "results": results})
    else:
        print_results({part: figures for part, figures in results.items() if figures})
        for name, value in values.items():
            of = f" of {name!r}" if name else ""
            print_text(f"Threshold{of}: {value:.5g}, chosen for {aim} on the validation data")


def _cross_validate(path: Path, count: int, access: Access, *, json: bool) -> None:
    from nnfw.experiments import read_experiment
    from nnfw.runs import cross_validate, open_run, write_cross_validation

    file = open_run(path, access) if path.is_dir() else read_experiment(str(path), access.registry)
    found = cross_validate(file, access.registry, count, progress_bar(quiet=False), message)
    place = write_cross_validation(found, path)
    if json:
        print_json(found.table())
    else:
        each = {f"fold {number}": fold.results["test"] for number, fold in enumerate(found.folds, 1)}
        numbers = found.mean.keys()
        each = {name: {key: value for key, value in own.items() if key in numbers} for name, own in each.items()}
        print_results({**each, "mean": found.mean, "spread": found.spread}, {"mean": found.baseline}, found.unit)
        print_text(f"{found.kind} folds: {place}")


Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="NAME,...",
        help="Columns of the data to repeat before the predictions. By default those that identify rows. Repeatable.",
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a .csv or .parquet file instead.")
]
At = Annotated[
    str | None,
    typer.Option(
        "--threshold",
        metavar="NUMBER",
        help="Probability above which the second of two classes is predicted, or a label: 0.3, or red=0.3,blue=0.4; "
        "chosen: that of nnfw evaluate.",
    ),
]


def predict(
    path: RunOrModel,
    data: NewData,
    keep: Keep = None,
    output: Output = None,
    threshold: At = None,
    delimiter: Delimiter = None,
    table: TableName = "",
    data_dir: DataDirectory = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Apply a trained model to data, and print one row per example as CSV.

    A classifier prints the label and the probability of every class, any other model the target in its own unit, with
    quantiles or an interval where the cost of the run gives them. Raw columns are enough: the transforms that were
    fitted in training are stored with the model. If the run was interrupted or killed, or failed, its newest checkpoint
    is used, and its data is read to fit the transforms again.

    Examples
    --------
    $ nnfw predict runs/penguins-20260101-120000 new-penguins.csv > predictions.csv
    $ nnfw predict runs/penguins-20260101-120000 new-penguins.csv --keep id,island -o predictions.parquet
    $ head -3 new-penguins.csv | nnfw predict runs/penguins-20260101-120000 - --json
    $ nnfw predict runs/words-20260101-120000 'npz:path=new.npz,x=["tokens","count"],y='
    """
    from nnfw.runs import Access, costs_of_run, dataset_of, open_model, predict, table_delimiter
    from nnfw.runs.export import write_predictions, writer_of

    if output is not None:
        writer_of(output)  # a wrong ending is refused before any work is done
    at = _threshold(path, threshold)
    access = Access(default_registry(), message, data_dir, trust)
    model = open_model(path, access)
    names = None if keep is None else [name for each in keep for part in each.split(",") if (name := part.strip())]
    costs = costs_of_run(path, model.registry)
    like, separator = dataset_of(path, access), delimiter or table_delimiter(path)
    predictions = predict(model, data, separator, like, costs=costs, threshold=at, keep=names, table=table)
    if output is not None:
        write_predictions(predictions, output)
        message(f"{len(predictions.columns[0]):,} predictions: {output}")
    else:
        print_json(predictions.tables()) if json else print_csv(chain([predictions.header], predictions.rows()))


def _threshold(path: Path, given: str | None) -> float | dict[str, float] | None:
    """Return the threshold that is meant: a number, one for each label, or what is stored in a run."""
    from nnfw.runs import stored_threshold

    if given is None:
        return None
    if given == _CHOSEN:
        return stored_threshold(path if path.is_dir() else path.parent)
    named = [part.rpartition("=") for part in given.split(",")] if "=" in given else [("", "", given)]
    found = {name.strip(): _from_0_to_1(text) for name, _, text in named}
    return found if "=" in given else found[""]


def _from_0_to_1(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"a threshold is a number from 0 to 1, or {_CHOSEN!r}, got {short(text)}.")
    return value
