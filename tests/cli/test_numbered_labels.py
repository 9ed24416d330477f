"""Labels that are whole numbers, but not 0 to K − 1: numbered in training, given back in predictions."""

import json

import numpy as np
import pytest

import nnfw as library
from nnfw.data import Examples, Preprocessing
from nnfw.experiments import prepare, read_experiment

EXPERIMENT = """
data = { source = { type = "csv", path = "t.csv", target = "y" } }
model = { layers = [LAYER] }
cost = { type = "COST" }
optimizer = { type = "adam", learning_rate = 0.1 }
training = { epochs = 30EXTRA }
"""
SOFTMAX = '{ type = "dense", units = 3, activation = "softmax" }'
SIGMOID = '{ type = "dense", units = 1, activation = "sigmoid" }'


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return a function that writes a table with these labels, and an experiment."""
    monkeypatch.chdir(tmp_path)

    def write(labels, layer=SOFTMAX, cost="cross_entropy", training=""):
        rows = "".join(f"{labels.index(labels[k % len(labels)])},{labels[k % len(labels)]}\n" for k in range(60))
        (tmp_path / "t.csv").write_text(f"a,y\n{rows}")
        text = EXPERIMENT.replace("LAYER", layer).replace("COST", cost).replace("EXTRA", training)
        (tmp_path / "t.toml").write_text(text)
        return tmp_path / "t.toml"

    return write


@pytest.mark.parametrize("labels", [[1, 2, 3], [-1, 0, 1], [7, 10, 300], ["1.0", "2.0", "5.0"]], ids=str)
def test_labels_are_numbered_told_and_given_back(written, nnfw, labels):
    path, whole = written(labels), [int(float(label)) for label in labels]
    done = nnfw("train", str(path), "--out", "run")
    assert done.status == 0
    assert f"The labels of 'y' are classes, in this order: {', '.join(map(str, whole))}." in done.err
    rows = json.loads(nnfw("predict", "run", "t.csv", "--json").out)
    assert {row["label"] for row in rows} <= set(whole)
    assert {key for key in rows[0] if key != "label"} == {f"probability_{label}" for label in whole}
    assert nnfw("evaluate", "run", "--data", "t.csv").status == 0


def prepared(path):
    registry = library.Registry.discover()
    return prepare(read_experiment(path, registry), registry)


def test_labels_of_two_classes_with_one_output(written):
    found = prepared(written([1, 2], SIGMOID, "binary_cross_entropy", ', class_weight = { "2" = 3.0 }'))
    preprocessing = found.model.preprocessing
    assert preprocessing.numbers == (1, 2)
    assert preprocessing.labels(np.array([[0.2], [0.9]])).tolist() == [1, 2]
    data = found.parts["training"]
    np.testing.assert_array_equal(data.weight, np.where(data.targets[0].ravel() == 1, 3, 1))


@pytest.mark.parametrize(
    ("labels", "layer", "cost"),
    [
        ([0, 1, 2], SOFTMAX, "cross_entropy"),
        ([1, 2], SIGMOID, "mse"),
        ([10, 20, 30], '{ type = "dense", units = 3 }', "quantile"),
    ],
    ids=["from 0", "regression", "quantiles"],
)
def test_other_whole_numbers_are_what_they_are(written, labels, layer, cost):
    found = prepared(written(labels, layer, cost))
    assert found.model.preprocessing.numbers is None
    assert [*found.remarks()] == []


def test_label_that_is_no_class_of_the_model_is_named(written):
    found = prepared(written([1, 2, 5]))
    examples = Examples({"a": np.zeros(3)}, np.array([1, 5, 4]), "y")
    text = r"^Column 'y': unknown class 4 in row 2 \(from 0\); expected 1, 2, 5\.$"
    with pytest.raises(library.DataError, match=text):
        found.model.preprocessing.target(examples)
    np.testing.assert_array_equal(found.model.preprocessing.target(examples.take(np.array([0, 1]))), [0, 2])


def test_file_with_numbers_of_classes_that_do_not_fit_is_refused(written):
    model = prepared(written([1, 2, 5])).model
    table = model.preprocessing.to_table(model.registry)
    assert Preprocessing.from_table(table, model.registry) == model.preprocessing
    for numbers in ([1, 1, 5], [2, 1, 5]):
        text = r"preprocessing\.numbers must be different labels in order, got \["
        with pytest.raises(library.ConfigError, match=text):
            Preprocessing.from_table(table | {"numbers": numbers}, model.registry)
    text = r"^it has 2 numbered classes, the network gives \(3,\)\.$"
    with pytest.raises(library.ShapeError, match=text):
        model.preprocessing.numbered("", (1, 2)).require_fit((1,), (3,))
