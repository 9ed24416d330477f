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
    found, results = choose_for_run(run, Access(registry), "recall >= 0.9")
    chosen = found[""]
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
    found, results = choose_for_run(run, Access(registry), "f1")
    chosen = found[""]
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
    message = (
        r"^A threshold needs a classifier of two classes: predictions with a label and two probabilities; or labels"
    )
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
        (
            '{"threshold": {"red": 0.5, "blue": 7}}',
            r"threshold\.json: expected a threshold from 0 to 1, got 7\. Choose",
        ),
        ('{"threshold": "x"}', r"threshold\.json: expected a threshold from 0 to 1, got 'x'"),
    ],
)
def test_damaged_threshold_is_refused(trained, content, message):
    run = trained()
    (run / "threshold.json").write_text(content)
    with pytest.raises(nnfw.FileFormatError, match=message):
        stored_threshold(run)


# labels of which an example has any number

LABELS = """
data = { source = { type = "csv", path = "labels.csv", target = ["red", "blue"] } }
model = { layers = [{ type = "dense", units = 2, activation = "sigmoid" }] }
cost = { type = "binary_cross_entropy" }
optimizer = { type = "adam", learning_rate = 0.1 }
training = { epochs = 8, metrics = ["exact_match", "hamming_loss", { type = "f1", multilabel = true }] }
"""


@pytest.fixture
def labelled(tmp_path, monkeypatch, rng):
    """Return a function that trains on a table with two labels, in the current directory."""
    monkeypatch.chdir(tmp_path)
    x = rng.standard_normal((200, 2))
    labels = (x + rng.standard_normal((200, 2)) > [1, 0]).astype(int)

    def run(*changes, labels=labels):
        rows = [f"{a},{b},{red},{blue}" for (a, b), (red, blue) in zip(x, labels, strict=True)]
        (tmp_path / "labels.csv").write_text("a,b,red,blue\n" + "\n".join(rows) + "\n")
        (tmp_path / "labels.toml").write_text(LABELS)
        return train(read_experiment("labels.toml", registry, changes), registry, tmp_path / "run").directory

    return run


def test_each_label_has_its_threshold(labelled):
    run = labelled()
    chosen, results = choose_for_run(run, Access(registry), "recall >= 0.9")
    values = {name: each.value for name, each in chosen.items()}
    assert stored_threshold(run) == values
    assert values.keys() == {"red", "blue"}
    assert min(each.figures["recall"] for each in chosen.values()) >= 0.9
    expected = {name: np.mean([each.figures[name] for each in chosen.values()]) for name in ("recall", "f1")}
    assert {name: results["validation"][name] for name in expected} == pytest.approx(expected)
    model = open_model(run, Access(registry))
    found, plain = predict(model, "labels.csv", threshold=values), predict(model, "labels.csv")
    assert found.header == plain.header == ("red", "blue", "probability_red", "probability_blue")
    for k, name in enumerate(("red", "blue")):
        probability = plain.columns[2 + k]
        assert plain.columns[k].tolist() == (probability > 0.5).astype(int).tolist()
        assert found.columns[k].tolist() == (probability > values[name]).astype(int).tolist()
    assert (plain.columns[0] != found.columns[0]).any()


def test_one_threshold_is_that_of_all_labels_and_a_label_without_one_keeps_a_half(labelled):
    model = open_model(labelled(), Access(registry))
    plain = predict(model, "labels.csv").columns
    one = predict(model, "labels.csv", threshold=0.2).columns
    assert [each.tolist() for each in one[:2]] == [(p > 0.2).astype(int).tolist() for p in plain[2:]]
    named = predict(model, "labels.csv", threshold={"blue": 0.2}).columns
    assert (named[0].tolist(), named[1].tolist()) == (plain[0].tolist(), one[1].tolist())


def test_threshold_of_an_unknown_label_is_refused(labelled):
    with pytest.raises(
        nnfw.ConfigError, match=r"^There is no label 'rd' for a threshold\. Did you mean 'red'\? Labels: red,"
    ):
        predict(open_model(labelled(), Access(registry)), "labels.csv", threshold={"rd": 0.2})


def test_thresholds_by_name_are_not_those_of_two_classes(trained):
    with pytest.raises(nnfw.ConfigError, match="^A threshold needs a classifier of two classes"):
        predict(open_model(trained(), Access(registry)), "table.csv", threshold={"yes": 0.2})


def test_label_that_no_example_has_is_named(labelled):
    run = labelled(labels=np.stack([np.arange(200) % 2, np.zeros(200, int)], axis=1))
    with pytest.raises(nnfw.DataError, match="^Label 'blue': A threshold needs examples of both classes"):
        choose_for_run(run, Access(registry), "f1")


def test_metric_of_single_classes_is_refused_for_labels(labelled):
    with pytest.raises(
        nnfw.ConfigError, match=r"Where an example has any number of labels, use exact_match, or f1, preci"
    ):
        labelled('training.metrics=["accuracy"]')


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
