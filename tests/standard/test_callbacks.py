"""Callbacks that write files: where, when, and what they refuse. How they act on a training: tests/training."""

import csv
import json
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw_standard import CheckpointBest, CSVLog, Dense, EarlyStopping

FILES = [CSVLog("file"), CheckpointBest("file", monitor="cost")]


def fit(directory, *callbacks, metrics=()):
    given = {"cost": "mse", "optimizer": "sgd", "epochs": 2, "metrics": metrics}
    nnfw.Sequential([Dense(1)], 2).fit(np.eye(2), [0.0, 1.0], **given, callbacks=callbacks, directory=directory)


@dataclass(frozen=True)
class Late(nnfw.Callback):
    """Puts a folder where another callback wants its file, once the training runs."""

    def step_computed(self, fit, state):
        (fit.directory / "file").mkdir(exist_ok=True)


@pytest.mark.parametrize("callback", FILES, ids=["csv_log", "checkpoint_best"])
def test_file_that_is_a_folder_is_refused_before_the_first_step(callback, tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(
        nnfw.DataError, match=r"file cannot be written: it is a folder, not a file\. Choose another path for the c"
    ):
        fit(tmp_path, callback)


@pytest.mark.parametrize("callback", FILES, ids=["csv_log", "checkpoint_best"])
def test_file_in_a_folder_that_does_not_exist_is_refused_before_the_first_step(callback, tmp_path):
    with pytest.raises(nnfw.DataError, match=r"none/file cannot be written: No such file or directory\."):
        fit(tmp_path / "none", callback)


def test_file_in_a_folder_that_may_not_be_written_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode, **directory: False)  # root may write everywhere
    with pytest.raises(nnfw.DataError, match=r"file cannot be written: Permission denied\."):
        fit(tmp_path, CSVLog("file"))


def test_file_that_cannot_be_opened_any_more_is_told(tmp_path):
    with pytest.raises(nnfw.NnfwError, match=r"file: its 0 bytes cannot be written: it is a folder, not a file\."):
        fit(tmp_path, CSVLog("file"), Late())


def test_older_log_is_kept_where_another_callback_refuses_the_training(tmp_path):
    (tmp_path / "file").write_text("older")
    with pytest.raises(nnfw.ConfigError, match="monitor must be a number that each epoch records"):
        fit(tmp_path, CSVLog("file"), EarlyStopping())
    assert (tmp_path / "file").read_text() == "older"
    fit(tmp_path, CSVLog("file"))
    assert (tmp_path / "file").read_text().startswith("epoch,learning_rate,cost")


@dataclass(frozen=True)
class Several(nnfw.Metric):
    """A figure for each of three classes, of which one has none."""

    higher_is_better = True

    def statistics(self, a, y, weight=None):
        return np.zeros(3)

    def result(self, statistics):
        return np.array([0.5, np.nan, 1.0])


def test_log_holds_lists_as_json_and_numbers_as_they_are(tmp_path):
    fit(tmp_path, CSVLog("log.csv"), metrics=[Several()])
    with (tmp_path / "log.csv").open(newline="") as file:
        header, first, second = csv.reader(file)
    assert header == ["epoch", "learning_rate", "cost", "Several"]
    assert first[:2] == ["1", "0.01"]
    assert json.loads(first[3]) == [0.5, pytest.approx(np.nan, nan_ok=True), 1.0]
    assert first[3] == second[3] == "[0.5, NaN, 1.0]"


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_log_of_a_training_that_continues_with_another_metric_has_the_columns_of_both(tmp_path):
    x, y = np.eye(2), np.array([0.0, 1.0])
    model = nnfw.Sequential([Dense(1)], 2)
    given = {"cost": "mse", "optimizer": "sgd", "epochs": 1, "directory": tmp_path}
    first = model.fit(x, y, **given, metrics=["mae"], callbacks=["csv_log"])
    both = model.fit(x, y, **given, metrics=["r2"], callbacks=["csv_log"], continue_from=first).records
    header, *rows = rows_of(tmp_path / "log.csv")
    assert header == ["epoch", "learning_rate", "cost", "mae", "r2"]
    assert [row[3:] for row in rows] == [[str(both[0]["mae"]), ""], ["", str(both[1]["r2"])]]


class Adds(nnfw.Callback):
    """Adds an entry to the record of the second epoch and later ones."""

    def epoch_ended(self, fit, record, state):
        if record["epoch"] > 1:
            record["extra"] = 7


def test_log_has_a_column_for_an_entry_that_comes_later(tmp_path):
    given = {"cost": "mse", "optimizer": "sgd", "epochs": 3, "directory": tmp_path}
    nnfw.Sequential([Dense(1)], 2).fit(np.eye(2), [0.0, 1.0], **given, callbacks=[Adds(), CSVLog()])
    header, *rows = rows_of(tmp_path / "log.csv")
    assert header[-1] == "extra"
    assert [row[-1] for row in rows] == ["", "7", "7"]


def test_files_in_a_folder_of_the_directory_are_written_there(tmp_path):
    (tmp_path / "logs").mkdir()
    fit(tmp_path, CSVLog("logs/log.csv"), CheckpointBest("logs/best.nnfw", monitor="cost"))
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["best.nnfw", "log.csv"]
