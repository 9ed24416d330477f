"""Runs on sequences from the rows of a table, and predictions for a file of the same kind."""

import json
import shutil

import pytest

EXPERIMENT = """
name = "walks"
[data]
split = { validation = 0.0, test = 0.0 }
[data.source]
type = "sequences_csv"
path = "walks.csv"
group = "walk"
order = "time"
target = "kind"
delimiter = ";"
[data.inputs]
series = { columns = ["steps"], lengths = "length" }
[[model.layers]]
type = "conv1d"
inputs = ["series"]
filters = 3
kernel = 2
[[model.layers]]
type = "gru"
units = 4
[[model.layers]]
type = "dense"
units = 2
activation = "softmax"
[cost]
type = "cross_entropy"
[optimizer]
type = "adam"
[training]
epochs = 1
"""
ROWS = [("a", 1, 0.5, "up"), ("b", 2, 1.5, "down"), ("a", 2, 2.0, "up"), ("b", 1, 0.0, "down"), ("b", 3, 1.0, "down")]


def written(path, rows, header="walk;time;height;kind"):
    lines = [";".join(map(str, row[: header.count(";") + 1])) for row in rows]
    path.write_text("\n".join([header, *lines]) + "\n")


@pytest.fixture
def run(nnfw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "walks.csv", ROWS)
    (tmp_path / "walks.toml").write_text(EXPERIMENT)
    assert nnfw("train", "walks.toml", "--out", "run", "-q").status == 0
    return tmp_path


def test_predict_takes_a_file_like_that_of_the_training(nnfw, run):
    whole = json.loads(nnfw("predict", "run", "walks.csv", "--json").out)
    assert [row["label"] in ("up", "down") for row in whole] == [True, True]
    by_hand = "sequences_csv:path=walks.csv,group=walk,order=time,length=3,target=kind,delimiter=;"
    assert json.loads(nnfw("predict", "run", by_hand, "--json").out) == whole
    written(run / "new.csv", ROWS[:1] + ROWS[2:3], "walk;time;height")  # shorter, and without the target
    assert json.loads(nnfw("predict", "run", "new.csv", "--json").out) == whole[:1]
    (run / "new.csv").write_text((run / "new.csv").read_text().replace(";", ","))
    assert json.loads(nnfw("predict", "run/model.nnfw", "new.csv", "--delimiter", ",", "--json").out) == whole[:1]


def test_evaluate_takes_a_file_like_that_of_the_training(nnfw, run):
    found = nnfw("evaluate", "run", "--data", "walks.csv", "--json")
    assert found.status == 0, found.err
    assert json.loads(found.out)["data"]["cost"] > 0
    written(run / "new.csv", ROWS, "walk;time;height")
    refused = nnfw("evaluate", "run", "--data", "new.csv")
    assert refused.status == 2
    assert "new.csv: there is no column 'kind'" in refused.err


def test_predict_says_what_file_it_needs(nnfw, run):
    written(run / "flat.csv", ROWS, "steps_0;steps_1;steps_2;length")
    refused = nnfw("predict", "run", "flat.csv")
    assert refused.status == 2
    assert "flat.csv" in refused.err
    assert "'walk'" in refused.err
    refused = nnfw("predict", "run", "-")
    assert refused.err == (
        "error: Dataset 'sequences_csv' (built-in) of the training reads no standard input and no pipe. Name a "
        "file like that of the training.\n"
    )
    shutil.copy("run/model.nnfw", "alone.nnfw")
    refused = nnfw("predict", "alone.nnfw", "walks.csv", "--delimiter", ";")
    assert (
        "walks.csv: lacks the 3 columns of 'steps'. Name them 'steps_0' to 'steps_2', or give exactly 3 columns of "
        "numbers, or name the dataset that reads the table as in the training: NAME:path=walks.csv,...."
    ) in refused.err


def test_predict_without_the_plugin_of_the_data_reads_columns_by_name(nnfw, run):
    text = (run / "run" / "experiment.toml").read_text()
    (run / "run" / "experiment.toml").write_text(text.replace("sequences_csv", "walks_of_a_stranger"))
    assert "Name them 'steps_0' to 'steps_2'" in nnfw("predict", "run", "walks.csv", "--delimiter", ";").err


def test_predictions_of_each_time_step_end_with_the_sequence(nnfw, run):
    text = EXPERIMENT.replace('target = "kind"', 'target = "kind"\nper = "step"').replace(
        'type = "gru"\nunits = 4', 'type = "gru"\nunits = 4\nstates = "all"'
    )
    (run / "steps.toml").write_text(text.replace("kernel = 2", 'kernel = 2\npadding = "same"'))
    assert nnfw("train", "steps.toml", "--out", "steps", "-q").status == 0
    first, second = json.loads(nnfw("predict", "steps", "walks.csv", "--json").out)
    assert [first[f"label_{k}"] in ("up", "down") for k in range(3)] == [True, True, False]
    assert first["label_2"] is first["label_2_probability_up"] is None
    assert None not in second.values()
    header, *rows = (line.split(",") for line in nnfw("predict", "steps", "walks.csv").out.splitlines())
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    assert [name for name, cell in cells[0].items() if not cell] == [name for name in header if "label_2" in name]
    assert all(cells[1].values())
    assert all(len(cell) <= 12 for cell in cells[1].values())  # as many digits as float32 has
