"""Permutation importance and partial dependence, for models whose answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.data import Examples
from nnfw.experiments import read_experiment
from nnfw.experiments.preparation import prepare
from nnfw.plugins import default_registry
from nnfw.runs import dependence, importances

registry = default_registry()

TABLE = """
data = { source = { type = "csv", path = "table.csv", target = "y" }, split = { validation = 0, test = 0 } }
model = { layers = [{ type = "dense", units = 1 }] }
cost = { type = "mse" }
optimizer = { type = "sgd", learning_rate = 0.1 }
training = { epochs = 1, metrics = ["mae"] }
dtype = "float64"
"""


@pytest.fixture
def linear(tmp_path, monkeypatch, rng):
    """Return a model y = 3a − b whose third column does nothing, and its examples; words become three outputs."""
    monkeypatch.chdir(tmp_path)
    a, b, idle, word = *rng.standard_normal((3, 400)), np.array(["x", "y", "z", "x"] * 100)
    y = 3 * a - b + (word == "z")
    lines = [
        f"{p!r},{q!r},{r!r},{w},{t!r}"
        for p, q, r, w, t in zip(*(v.tolist() for v in (a, b, idle, word, y)), strict=True)
    ]
    (tmp_path / "table.csv").write_text("a,b,idle,word,y\n" + "\n".join(lines) + "\n")
    (tmp_path / "table.toml").write_text(TABLE)
    changes = ['data.transforms=[{type="standardize"},{type="one_hot"}]', 'data.target_transforms=["standardize"]']
    prepared = prepare(read_experiment("table.toml", registry, changes), registry)
    parameters = prepared.model.parameters
    scale, middle = y.std(), y.mean()
    parameters["layers.0.weight"] = np.array([[3 * a.std(), -b.std(), 0, 0, 0, 1]]) / scale
    parameters["layers.0.bias"] = [(3 * a.mean() - b.mean() - middle) / scale]
    return prepared, Examples({"a": a, "b": b, "idle": idle, "word": word}, y, "y")


def test_importance_of_a_linear_model_is_twice_its_part_of_the_variance(linear):
    prepared, examples = linear
    found = {each.column: each for each in importances(prepared, examples, repeats=20)}
    assert list(found) == ["a", "b", "word", "idle"]
    scale = examples.target.std()
    for name, weight in (("a", 3), ("b", 1)):
        variance = np.var(weight * examples.features[name]) / scale**2
        assert found[name].change["cost"] == pytest.approx(variance, rel=0.1)  # ½ · 2 var
        assert found[name].change["mae"] > 0
        assert 0 < found[name].spread["cost"] < variance / 5
    assert found["idle"].change == {"cost": pytest.approx(0, abs=1e-12), "mae": pytest.approx(0, abs=1e-12)}


def test_importance_is_the_same_again_and_leaves_the_data_alone(linear):
    prepared, examples = linear
    before = {name: column.copy() for name, column in examples.features.items()}
    first, second = (importances(prepared, examples, repeats=2) for _ in range(2))
    assert [each.change for each in first] == [each.change for each in second]
    for name, column in before.items():
        np.testing.assert_array_equal(examples.features[name], column)


def test_dependence_on_a_number_is_a_line_in_the_unit_of_the_target(linear):
    prepared, examples = linear
    found = dependence(prepared, examples, "a")
    assert len(found.values) == 20
    low, high = np.quantile(examples.features["a"], [0.05, 0.95])
    assert (found.values[0], found.values[-1]) == (pytest.approx(low), pytest.approx(high))
    others = (examples.target - 3 * examples.features["a"]).mean()
    np.testing.assert_allclose(found.means["y"], 3 * np.array(found.values) + others, atol=1e-9)


def test_dependence_on_a_word_has_a_row_for_each(linear):
    prepared, examples = linear
    found = dependence(prepared, examples, "word")
    assert found.values == ["x", "y", "z"]
    x, y, z = found.means["y"]
    assert (x, z - x) == (pytest.approx(y), pytest.approx(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"column": "c"}, r"^The model takes no column 'c'\. Columns: a, b, idle, word\.$"),
        ({"column": "wird"}, r"^The model takes no column 'wird'\. Did you mean 'word'\? Columns: "),
    ],
)
def test_dependence_on_a_column_that_is_not_there_is_refused(linear, change, message):
    with pytest.raises(nnfw.DataError, match=message):
        dependence(*linear, **change)


def test_dependence_on_a_column_without_numbers_is_refused(linear):
    prepared, examples = linear
    empty = replace(examples, features={**examples.features, "idle": np.full(400, np.nan)})
    with pytest.raises(
        nnfw.DataError, match=r"^Column 'idle' holds no number in these examples; a dependence needs some"
    ):
        dependence(prepared, empty, "idle")


@pytest.fixture
def penguins():
    """Return the untrained classifier of an example, with its examples."""
    prepared = prepare(read_experiment("examples/penguins.toml", registry), registry)
    data = nnfw.dataset("csv", path="penguins.csv", target="species").load(Path("examples"))
    return prepared, data


def test_dependence_of_a_classifier_is_the_probability_of_each_class(penguins):
    found = dependence(*penguins, "sex")
    assert found.values == ["female", "male"]
    assert list(found.means) == ["Adelie", "Chinstrap", "Gentoo"]
    np.testing.assert_allclose(np.sum(list(found.means.values()), axis=0), 1, rtol=1e-5)


def test_dependence_on_a_block_of_numbers_is_refused():
    prepared = prepare(read_experiment("examples/digits.toml", registry), registry)
    examples = nnfw.dataset("digits").load(None)
    (name,) = examples.features
    with pytest.raises(nnfw.DataError, match=rf"^Column '{name}' holds \(64,\) values for each example; a dependence"):
        dependence(prepared, examples, name)


def test_dependence_of_several_outputs_is_refused():
    prepared = prepare(read_experiment("examples/penguins-wide.toml", registry), registry)
    data = nnfw.dataset("csv", path="penguins.csv", target="species").load(Path("examples"))
    with pytest.raises(nnfw.DataError, match=r"^The network has several outputs; a dependence needs one\.$"):
        dependence(prepared, data, "sex")


BLOCK = """
data = { source = { type = "npz", path = "b.npz", x = "block", y = "y" }, split = { validation = 0, test = 0 } }
model = { layers = [{ type = "flatten" }, { type = "dense", units = 1 }] }
cost = { type = "mse" }
optimizer = { type = "sgd", learning_rate = 0.1 }
training = { epochs = 1 }
dtype = "float64"
"""


@pytest.fixture
def block(tmp_path, monkeypatch, rng):
    """Return a model y = 2 b_01 + b_12 of a block of 2 x 3 numbers, and its examples."""
    monkeypatch.chdir(tmp_path)
    values = rng.standard_normal((300, 2, 3))
    y = 2 * values[:, 0, 1] + values[:, 1, 2]
    np.savez("b.npz", block=values, y=y)
    Path("b.toml").write_text(BLOCK)
    prepared = prepare(read_experiment("b.toml", registry, ['data.transforms=["standardize"]']), registry)
    scale = values.std(axis=0)
    prepared.model.parameters["layers.1.weight"] = [[0, 2 * scale[0, 1], 0, 0, 0, scale[1, 2]]]
    return prepared, Examples({"block": values}, y, "y")


def test_numbers_of_a_block_have_an_importance_each_beside_the_whole(block):
    found = importances(*block, repeats=20)
    names = [each.column for each in found]
    assert names[:3] == ["block", "block_1", "block_5"]
    assert sorted(names[3:]) == ["block_0", "block_2", "block_3", "block_4"]
    changes = {each.column: each.change["cost"] for each in found}
    variance = np.var(block[1].features["block"], axis=0)
    assert changes["block_1"] == pytest.approx(4 * variance[0, 1], rel=0.1)
    assert changes["block_5"] == pytest.approx(variance[1, 2], rel=0.1)
    assert changes["block_0"] == pytest.approx(0, abs=1e-12)


def test_large_block_has_an_importance_as_a_whole(block, monkeypatch):
    monkeypatch.setattr("nnfw.runs.explanation.MOST_ENTRIES", 5)
    assert [each.column for each in importances(*block, repeats=1)] == ["block"]


def test_dependence_on_a_number_of_a_block_is_its_line(block):
    prepared, examples = block
    before = examples.features["block"].copy()
    found = dependence(prepared, examples, "block_5")
    ((means),) = found.means.values()
    np.testing.assert_allclose(np.diff(means), np.diff(found.values), atol=1e-9)
    np.testing.assert_array_equal(examples.features["block"], before)


def test_dependence_on_a_whole_block_names_one_of_its_numbers(block):
    with pytest.raises(
        nnfw.DataError, match=r"holds \(2, 3\) values for each .* a dependence needs one, such as 'block_0'"
    ):
        dependence(*block, "block")


INPUTS = """
[data]
source = { type = "csv", path = "table.csv", target = "y" }
split = { validation = 0, test = 0 }
transforms = ["index", "standardize"]
[data.inputs]
categories = ["word"]
numbers = ["a", "b", "idle"]
[[model.layers]]
name = "vectors"
type = "category_embedding"
inputs = ["categories"]
counts = [4]
widths = [2]
[[model.layers]]
type = "concatenate"
inputs = ["vectors", "numbers"]
[[model.layers]]
type = "dense"
units = 1
[cost]
type = "mse"
[optimizer]
type = "sgd"
learning_rate = 0.1
[training]
epochs = 1
"""


def test_columns_of_inputs_with_names_are_explained(linear):
    _, examples = linear
    Path("inputs.toml").write_text(INPUTS)
    prepared = prepare(read_experiment("inputs.toml", registry), registry)
    prepared.model.parameters["layers.2.weight"] = [[1, 1, 0, 0, 2]]
    changes = {each.column: each.change["cost"] for each in importances(prepared, examples, repeats=3)}
    assert changes.keys() == {"word", "a", "b", "idle"}
    assert changes["a"] == pytest.approx(0, abs=1e-9)
    assert changes["idle"] > 0.1
    assert dependence(prepared, examples, "word").values == ["x", "y", "z"]
    (means,) = dependence(prepared, examples, "idle").means.values()
    assert (np.diff(means) > 0).all()
