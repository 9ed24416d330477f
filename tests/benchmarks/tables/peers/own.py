"""nnfw as a user has it: a CSV file, `nnfw train` and `nnfw predict`."""

import csv
import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from ..data import Array, Columns, Predict, Prediction, Task

NNFW = shutil.which("nnfw", path=str(Path(sys.executable).parent)) or "nnfw"
PROBABILITY = "probability_"


def fit(task: Task) -> Predict:
    """Train on the columns and the target."""
    return fit_nnfw(task.train, task.target, task.seed, task.settings)


def fit_nnfw(train: Columns, target: str, seed: int = 0, settings: tuple[str, ...] = ()) -> Predict:
    """Write a table, train on it with nothing but the target named; return what predicts from other rows."""
    folder = Path(mkdtemp())

    def predict(columns: Columns) -> Prediction:
        write(folder / "new.csv", {name: values for name, values in columns.items() if name != target})
        return read(run("predict", "run", "new.csv", folder=folder), train[target])

    weakref.finalize(predict, shutil.rmtree, folder)
    write(folder / "table.csv", train)
    changes = [part for setting in (f"seed={seed}", *settings) for part in ("--set", setting)]
    run("train", "table.csv", "--target", target, *changes, "--out", "run", "--quiet", folder=folder)
    return predict


def run(*arguments: str, folder: Path) -> str:
    """Return what the command prints; RuntimeError with the end of its messages if it fails."""
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    result = subprocess.run(
        [NNFW, *arguments], cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    if result.returncode:
        raise RuntimeError(f"nnfw {arguments[0]}: {' '.join(result.stderr.split())[-500:]}")
    return result.stdout


def write(path: Path, columns: Columns) -> None:
    """Write columns as CSV; what is missing is empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*([cell(value) for value in values] for values in columns.values()), strict=True))


def cell(value: object) -> str:
    """Return a value as a file has it: whole numbers without a point."""
    if value is None or value != value:
        return ""
    return f"{value:.0f}" if isinstance(value, float) and value == round(value) and abs(value) < 1e15 else str(value)


def read(text: str, y: Array) -> Prediction:
    """Return the predictions in CSV; the classes are those of `y` that the names of columns stand for."""
    names, *rows = csv.reader(text.splitlines())
    labels = {cell(label): label for label in np.unique(y)} if PROBABILITY in names[-1] else {}
    places = [place for place, name in enumerate(names) if name.startswith(PROBABILITY)] or [0]
    values = np.array([[float(row[place]) for place in places] for row in rows])
    if not labels:
        return Prediction(values[:, 0])
    return Prediction(values, tuple(labels[names[place].removeprefix(PROBABILITY)] for place in places))
