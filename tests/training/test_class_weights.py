"""Weights of classes: as weights of examples, balanced, and what is refused."""

import numpy as np
import pytest

import nnfw
from nnfw.experiments import prepare, read_experiment
from nnfw_standard import Dense

Y = np.array([0] * 6 + [1] * 3 + [2])


def network(outputs=3):
    activation = "softmax" if outputs > 1 else "sigmoid"
    return nnfw.Sequential([Dense(4, activation="tanh"), Dense(outputs, activation=activation)], input_shape=2)


def fitted(x, y, **options):
    model = network(1 if y.max() == 1 else 3)
    cost = "cross_entropy" if y.max() > 1 else "binary_cross_entropy"
    history = model.fit(x, y, cost=cost, optimizer="adam", epochs=2, batch_size=4, **options)
    return model.parameters.vector, history["cost"]


@pytest.mark.parametrize(
    ("class_weight", "weights"),
    [({"2": 5.0}, [1, 1, 5]), ({"0": 0.0, "1": 2}, [0, 2, 1]), ("balanced", [10 / 18, 10 / 9, 10 / 3])],
    ids=["one class", "a class without weight", "balanced"],
)
def test_weights_of_classes_are_weights_of_their_examples(rng, class_weight, weights):
    x = rng.normal(size=(10, 2))
    found, expected = fitted(x, Y, class_weight=class_weight), fitted(x, Y, sample_weight=np.array(weights)[Y])
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1]


def test_weights_of_classes_multiply_those_of_examples(rng):
    x, own = rng.normal(size=(10, 2)), rng.random(10).astype(np.float32)
    found = fitted(x, Y, class_weight={"1": 4.0}, sample_weight=own)
    np.testing.assert_array_equal(found[0], fitted(x, Y, sample_weight=own * np.array([1, 4, 1])[Y])[0])


def test_weights_of_two_classes_with_one_output(rng):
    x, y = rng.normal(size=(10, 2)), np.minimum(Y, 1)
    found = fitted(x, y, class_weight="balanced")
    np.testing.assert_array_equal(found[0], fitted(x, y, sample_weight=np.array([10 / 12, 10 / 8])[y])[0])


@pytest.mark.parametrize(
    ("class_weight", "text"),
    [
        ({"3": 2.0}, r"class_weight names no class '3'\..* Classes: 0, 1, 2\."),
        (
            {"0": 0, "1": 0, "2": 0},
            r"class_weight is 0 for every class of the training data, so no example counts\. Give",
        ),
        ({"0": -1.0}, r"class_weight\.0 must be greater than or equal to 0, got -1\.0\."),
        ("even", r"class_weight must be"),
    ],
    ids=["unknown", "zeros", "negative", "word"],
)
def test_weights_of_classes_that_do_not_fit_are_refused(rng, class_weight, text):
    with pytest.raises(nnfw.ConfigError, match=text):
        fitted(rng.normal(size=(10, 2)), Y, class_weight=class_weight)


@pytest.mark.parametrize("y", [np.eye(3)[Y], Y + 0.5, Y - 1.0], ids=["rows", "fractions", "negative"])
def test_weights_of_classes_of_a_target_without_any_are_refused(rng, y):
    model = nnfw.Sequential([Dense(3 if y.ndim > 1 else 1)], input_shape=2)
    with pytest.raises(
        nnfw.ConfigError, match=r"class_weight needs a class for each example, a whole number of 0 or more"
    ):
        model.fit(rng.normal(size=(10, 2)), y, cost="mse", optimizer="sgd", class_weight="balanced", epochs=1)


def test_weights_of_classes_of_several_outputs_are_refused(rng):
    nodes = [nnfw.Node(Dense(2, activation="softmax"), name=name, inputs=("x",)) for name in "ab"]
    model = nnfw.Sequential(nodes, input_shape=2, outputs=("a", "b"))
    y = rng.integers(0, 2, 10)
    with pytest.raises(nnfw.ConfigError, match=r"class_weight needs a network with one output\. Give weights of exam"):
        model.fit(
            rng.normal(size=(10, 2)),
            {"a": y, "b": y},
            cost={"a": "cross_entropy", "b": "cross_entropy"},
            optimizer="sgd",
            class_weight="balanced",
            epochs=1,
        )


def test_weights_of_classes_of_examples_read_in_chunks_are_refused(rng):
    class Chunks(nnfw.Source):
        schema = np.dtype([("x", "f4", (2,)), ("y", "i8")])
        chunks = (5, 5)
        target = "y"

        def read(self, chunk):
            return {"x": np.ones((5, 2), np.float32), "y": Y[:5]}

    with pytest.raises(
        nnfw.ConfigError, match=r"class_weight needs all examples in memory, but the data is read chunk by"
    ):
        network().fit(Chunks(), "y", cost="cross_entropy", optimizer="sgd", class_weight="balanced", epochs=1)


EXPERIMENT = """
data = { source = { type = "csv", path = "t.csv", target = "kind" }, split = { validation = 0.2 } }
model = { layers = [{ type = "dense", units = 2, activation = "softmax" }] }
cost = { type = "cross_entropy" }
optimizer = { type = "adam" }
training = { class_weight = WEIGHT }
"""


def prepared(folder, weight):
    rows = "".join(f"{k},{'spam' if k % 5 == 0 else 'ham'}\n" for k in range(50))
    (folder / "t.csv").write_text(f"a,kind\n{rows}")
    (folder / "t.toml").write_text(EXPERIMENT.replace("WEIGHT", weight))
    registry = nnfw.Registry.discover()
    return prepare(read_experiment(folder / "t.toml", registry), registry)


@pytest.mark.parametrize("weight", ["{ spam = 4.0 }", '"balanced"'], ids=["table", "balanced"])
def test_experiment_weighs_classes_by_name_in_training_alone(tmp_path, weight):
    parts = prepared(tmp_path, weight).parts
    data = parts["training"]
    y, found = data.targets[0][data.rows], data.weight[data.rows]
    counts = np.bincount(y)
    expected = np.array([1, 4]) if "spam" in weight else len(y) / (2 * counts)
    np.testing.assert_allclose(found, expected[y], rtol=1e-6)
    assert parts["validation"].weight is None


def test_experiment_multiplies_weights_of_the_table_with_those_of_classes(tmp_path):
    rows = "".join(f"{k},{'spam' if k % 5 == 0 else 'ham'},{k % 3}\n" for k in range(50))
    (tmp_path / "w.csv").write_text(f"a,kind,w\n{rows}")
    text = EXPERIMENT.replace("WEIGHT", "{ spam = 4.0 }").replace('path = "t.csv"', 'path = "w.csv", weight = "w"')
    (tmp_path / "w.toml").write_text(text)
    registry = nnfw.Registry.discover()
    parts = prepare(read_experiment(tmp_path / "w.toml", registry), registry).parts
    for name, part in parts.items():
        rows = part.rows
        of_class = np.where((rows % 5 == 0) & (name == "training"), 4, 1)
        np.testing.assert_array_equal(part.weight[rows], rows % 3 * of_class)


def test_experiment_with_the_weight_of_an_unknown_class_names_the_line(tmp_path):
    text = r"t\.toml:6: training\.class_weight names no class 'spma'\. Did you mean 'spam'\? Classes: ham, spam\."
    with pytest.raises(nnfw.ConfigError, match=text):
        prepared(tmp_path, "{ spma = 4.0 }")
