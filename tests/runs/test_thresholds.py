"""The threshold of a run: chosen on its validation data, stored, and used in predictions."""

import json

import numpy as np
import pytest

import nnfw
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import Access, choose_for_run, open_model, predict, stored_threshold, train

registry = default_registry()

TABLE = """
data = { source = { type = "csv", path = "table.csv", target = "sick", features = ["a", "b"] } }
model = { layers = [{ type = "dense", units = 1, activation = "sigmoid" }] }
cost = { type = "binary_cross_entropy" }
optimizer = { type = "adam", learning_rate = 0.1 }
training = { epochs = 8 }
"""
TWO = ["model.layers[0].units=2", "model.layers[0].activation=softmax", "cost.type=cross_entropy"]


@pytest.fixture
def trained(tmp_path, monkeypatch, rng):
    """Return a function that trains on a table with a rare class, in the current directory."""
    monkeypatch.chdir(tmp_path)
    x = rng.standard_normal((300, 2))
    sick = x[:, 0] + rng.standard_normal(300) * 0.7 > 1

    def run(*changes, words=("no", "yes")):
        lines = [f"{i:03},{a},{b},{words[int(y)]}" for i, ((a, b), y) in enumerate(zip(x, sick, strict=True))]
        (tmp_path / "table.csv").write_text("id,a,b,sick\n" + "\n".join(lines) + "\n")
        (tmp_path / "table.toml").write_text(TABLE)
        return train(read_experiment("table.toml", registry, changes), registry, tmp_path / "run").directory

    return run


@pytest.mark.parametrize("changes", [[], TWO], ids=["one output", "two outputs"])
@pytest.mark.parametrize("words", [("no", "yes"), ("0", "1")], ids=["words", "numbers"])
def test_threshold_is_stored_and_changes_the_labels(trained, changes, words):
    run = trained(*changes, words=words)
    chosen, results = choose_for_run(run, Access(registry), "recall >= 0.9")
    assert stored_threshold(run) == chosen.value
    stored = json.loads((run / "threshold.json").read_text())
    assert (stored["aim"], stored["threshold"]) == ("recall >= 0.9", chosen.value)
    assert results["validation"] == pytest.approx(dict(chosen.figures))
    assert results["validation"]["recall"] >= 0.9
    found = predict(open_model(run, Access(registry)), "table.csv", threshold=chosen.value)
    assert found.header == ("label", f"probability_{words[0]}", f"probability_{words[1]}")
    label, _, probability = found.columns
    assert [str(each) for each in label.tolist()] == [words[int(p > chosen.value)] for p in probability]
    plain = predict(open_model(run, Access(registry)), "table.csv").columns[0]
    assert plain.dtype == label.dtype
    assert 0 < (plain != label).sum() < 200


def test_figures_of_the_other_parts_are_those_at_the_threshold(trained):
    run = trained()
    chosen, results = choose_for_run(run, Access(registry), "f1")
    assert results.keys() == {"training", "validation", "test"}
    assert results["test"].keys() == chosen.figures.keys()
    assert results["test"] != results["validation"]


def test_run_without_validation_data_has_no_threshold(trained):
    run = trained("data.split.validation=0")
    with pytest.raises(
        nnfw.DataError, match=r"run has no validation data to choose a threshold on\. Train with data\.split"
    ):
        choose_for_run(run, Access(registry), "f1")


@pytest.mark.parametrize("changes", [["cost.type=mse", "model.layers[0].activation=identity"]], ids=["regression"])
def test_network_without_two_classes_has_no_threshold(trained, changes):
    run = trained(*changes, words=("0", "1"))
    message = (
        r"^A threshold needs a classifier of two classes, with one or two .* network has outputs of shape \(1,\)\.$"
    )
    with pytest.raises(nnfw.ConfigError, match=message):
        choose_for_run(run, Access(registry), "f1")
    message = r"^A threshold needs a classifier of two classes: predictions with a label and two probabilities\.$"
    with pytest.raises(nnfw.ConfigError, match=message):
        predict(open_model(run, Access(registry)), "table.csv", threshold=0.3)


def test_run_without_a_threshold_says_how_to_choose_one(trained):
    run = trained()
    message = r"run holds no threshold\. Choose one: nnfw evaluate .*run --threshold f1; or give a number\.$"
    with pytest.raises(nnfw.FileFormatError, match=message):
        stored_threshold(run)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1", r"threshold\.json holds no threshold that can be read\. Choose it again\.$"),
        ("[]", r"threshold\.json holds no threshold that can be read"),
        ('{"aim": "f1"}', r"threshold\.json holds no threshold that can be read"),
        ('{"threshold": 2.0}', r"threshold\.json: expected a threshold from 0 to 1, got 2\.0\. Choose it again\.$"),
        ('{"threshold": "x"}', r"threshold\.json: expected a threshold from 0 to 1, got 'x'"),
    ],
)
def test_damaged_threshold_is_refused(trained, content, message):
    run = trained()
    (run / "threshold.json").write_text(content)
    with pytest.raises(nnfw.FileFormatError, match=message):
        stored_threshold(run)


# what is repeated, and what a cost says of its outputs


def test_kept_columns_are_repeated_as_they_are_written(trained):
    found = predict(open_model(trained(), Access(registry)), "table.csv", keep=["id", "sick"])
    assert found.header == ("id", "sick", "label", "probability_no", "probability_yes")
    assert found.columns[0][:3].tolist() == ["000", "001", "002"]
    assert set(found.columns[1].tolist()) == {"no", "yes"}


def test_kept_cells_may_be_empty_or_look_like_missing_ones(trained, tmp_path):
    model = open_model(trained(), Access(registry))
    (tmp_path / "new.csv").write_text("a,b,name\n1,2,NA\n1,2,\n1,2,1.50\n")
    assert predict(model, "new.csv", keep=["name"]).columns[0].tolist() == ["NA", "", "1.50"]


def test_kept_columns_of_the_standard_input(trained, tmp_path, monkeypatch):
    model = open_model(trained(), Access(registry))
    with (tmp_path / "table.csv").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        found = predict(model, "-", keep=["id"])
    assert found.columns[0][-1] == "299"
    np.testing.assert_array_equal(found.columns[1], predict(model, "table.csv").columns[0])


def test_kept_columns_of_a_dataset(trained):
    model = open_model(trained(), Access(registry))
    found = predict(model, 'csv:path=table.csv,target=sick,categorical=["id"]', keep=["id", "a"])
    assert found.header[:2] == ("id", "a")
    assert found.columns[0][1] == "001"


@pytest.mark.parametrize(
    ("source", "keep", "error", "message"),
    [
        (
            "table.csv",
            ["ids"],
            nnfw.DataError,
            r"there is no column 'ids'\. Did you mean 'id'\? Columns: id, a, b, sick",
        ),
        (
            "csv:path=table.csv,target=sick",
            ["c"],
            nnfw.DataError,
            r"there is no column 'c' to keep\..* Columns: id, a, b, sick\.$",
        ),
    ],
    ids=["table", "dataset"],
)
def test_kept_column_that_is_not_there_is_refused(trained, source, keep, error, message):
    with pytest.raises(error, match=message):
        predict(open_model(trained(), Access(registry)), source, keep=keep)


def test_kept_column_with_the_name_of_a_prediction_is_refused(trained, tmp_path):
    model = open_model(trained(), Access(registry))
    text = (tmp_path / "table.csv").read_text().replace("id,", "label,", 1)
    (tmp_path / "other.csv").write_text(text)
    with pytest.raises(nnfw.ConfigError, match=r"^The column 'label' cannot be kept: a prediction has the same name\."):
        predict(model, "other.csv", keep=["label"])
