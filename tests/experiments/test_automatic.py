"""Transforms that are picked by what the columns of a table hold."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.errors import ConfigError, DataError, PluginError
from nnfw.experiments import prepare, read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train

registry = default_registry()

EXPERIMENT = """
[data]
source = { type = "csv", path = "t.csv", target = "price" }

[[model.layers]]
type = "dense"
units = 1

[cost]
type = "mse"

[optimizer]
type = "adam"

[training]
epochs = 2
"""

SUM = """
[data.inputs]
kinds = ["city"]
rest = ["size", "age"]

[[model.layers]]
name = "vectors"
type = "category_embedding"
inputs = ["kinds"]
counts = [4]
widths = [2]

[[model.layers]]
type = "concatenate"
inputs = ["vectors", "rest"]

[[model.layers]]
"""

PICKED = (
    'transforms = [{ type = "fill", by = "median", indicator = true, columns = ["age"] }, '
    '{ type = "fill", by = "median", columns = ["size", "city"] }, "one_hot", "standardize"]; '
    'target_transforms = ["standardize"].'
)


@pytest.fixture
def table(rng):
    count = 60
    size, city = rng.uniform(20, 200, count), rng.choice(["Oslo", "Bern", "Rome"], count)
    age = [str(value) if index % 7 else "" for index, value in enumerate(rng.integers(1, 90, count))]
    return {"size": size, "city": city, "age": age, "price": 2e5 + 3e3 * size + 1e5 * (city == "Oslo") + 0.5}


@pytest.fixture
def file(table, tmp_path, monkeypatch):
    """Return a function that reads the experiment, in the current directory, with changes, on some of the columns."""
    monkeypatch.chdir(tmp_path)

    def read(*overrides, columns=("size", "city", "age", "price"), text=EXPERIMENT):
        rows = zip(*(table[name] for name in columns), strict=True)
        Path("t.csv").write_text("\n".join(",".join(map(str, row)) for row in (columns, *rows)) + "\n")
        Path("t.toml").write_text(text)
        return read_experiment("t.toml", registry, overrides)

    return read


def names(transforms):
    return [type(transform).__name__ for transform in transforms]


def test_table_that_needs_transforms_has_them_picked(file, tmp_path):
    prepared = prepare(file(), registry)
    assert next(prepared.remarks()) == f"Picked by what the columns hold: {PICKED}"
    assert [*map(names, prepared.experiment.data.steps)] == [["Fill", "Fill", "OneHot", "Standardize"], ["Standardize"]]
    told = []
    picked = train(file(), registry, tmp_path / "picked", tell=told.append)
    assert told == [f"Picked by what the columns hold: {PICKED}"]
    written = PICKED.removesuffix(".").split("; ")
    given = train(file(*(f"data.{each.replace(' = ', '=', 1)}" for each in written)), registry, tmp_path / "given")
    for name in ("experiment.toml", "metrics.jsonl", "model.nnfw"):
        assert (picked.directory / name).read_bytes() == (given.directory / name).read_bytes()


def test_only_some_of_many_columns_are_told(file, table):
    columns = [f"c{k}" for k in range(20)]
    table.update(dict.fromkeys(columns, table["age"]))
    told = prepare(file(columns=(*columns, "price")), registry).picked
    assert 'indicator = true, columns = ["c0", "c1", ' in told
    assert '"c11", "and 8 more"] }, "standardize"]' in told


def test_table_of_complete_numbers_stays_as_it_is(file):
    columns = ("size", "price")
    prepared = prepare(file(columns=columns), registry)
    assert prepared.experiment.data.steps == ((), ())
    assert prepared.picked == ""
    explicit = prepare(file("data.transforms=[]", "data.target_transforms=[]", columns=columns), registry)
    assert prepared.origin == explicit.origin


def test_auto_standardizes_complete_numbers_and_their_target(file):
    prepared = prepare(file("data.transforms=auto", columns=("size", "price")), registry)
    assert [*map(names, prepared.experiment.data.steps)] == [["Fill", "Standardize"], ["Standardize"]]
    y = prepared.parts["training"].targets[0][prepared.parts["training"].rows]
    assert abs(y.mean()) < 1e-6


def test_no_transforms_are_none(file):
    with pytest.raises(DataError, match="lack|cells without a finite number"):
        prepare(file("data.transforms=[]"), registry)
    with pytest.raises(DataError, match=r"A network cannot take words, which are in: 'city'\."):
        prepare(file("data.transforms=[]", columns=("size", "city", "price")), registry)
    prepared = prepare(file("data.target_transforms=[]"), registry)
    assert prepared.experiment.data.steps[1] == ()


@pytest.mark.parametrize(
    ("cost", "activation", "picked"),
    [
        ("mse", "identity", True),
        ("mae", "identity", True),
        ("huber", "identity", True),
        ("gaussian_nll", "identity", True),
        ("quantile", "identity", True),
        ("poisson", "softplus", False),
    ],
)
def test_target_is_standardized_where_the_cost_takes_any_numbers(file, cost, activation, picked):
    units = {"gaussian_nll": 2, "quantile": 3}.get(cost, 1)
    last = [f"model.layers[0].activation={activation}", f"model.layers[0].units={units}"]
    options = ["cost.quantiles=[0.1,0.5,0.9]"] if cost == "quantile" else []
    prepared = prepare(file(f"cost.type={cost}", *last, *options), registry)
    assert names(prepared.experiment.data.steps[1]) == ["Standardize"] * picked


def test_classes_are_not_transformed(file, table):
    last = ["model.layers[0].activation=softmax", "model.layers[0].units=3", "cost.type=cross_entropy"]
    words = prepare(file("data.source.target=city", *last), registry)
    assert [*map(names, words.experiment.data.steps)] == [["Fill", "Fill", "Standardize"], []]
    table["price"] = np.arange(60) % 3
    numbers = prepare(file("data.target_transforms=auto", *last), registry)
    assert numbers.experiment.data.steps[1] == ()


def test_words_of_an_input_of_indices_become_indices(file):
    text = EXPERIMENT.replace("\n[[model.layers]]\n", SUM, 1)
    prepared = prepare(file(text=text), registry)
    assert names(prepared.experiment.data.steps[0]) == ["Fill", "Fill", "Index", "Standardize"]


def test_numbers_of_an_input_of_indices_stay_as_they_are(file, table):
    table["city"] = np.arange(60) % 4
    text = EXPERIMENT.replace("\n[[model.layers]]\n", SUM, 1)
    prepared = prepare(file("data.transforms=auto", text=text), registry)
    transforms, _ = prepared.experiment.data.steps
    assert [set(each.columns) for each in transforms] == [{"age"}, {"size"}, {"size", "age"}]


def test_columns_that_no_input_takes_need_nothing(file):
    text = EXPERIMENT.replace("\n[[model.layers]]\n", '\n[data.inputs]\nx = ["size"]\n\n[[model.layers]]\n', 1)
    assert prepare(file(text=text, columns=("size", "city", "price")), registry).picked == ""
    group = "data.split.group=city"
    assert prepare(file(group, columns=("size", "city", "price")), registry).picked == ""


def test_only_targets_of_numbers_among_several_are_standardized(file):
    text = EXPERIMENT.replace('target = "price"', 'target = ["city", "price"]')
    text = text.replace(
        "\n[[model.layers]]\n",
        '\n[data.targets]\nplace = "city"\nprice = "price"\n\n[model]\noutputs = ["place", "price"]\n\n'
        '[[model.layers]]\nname = "place"\ntype = "dense"\nunits = 3\nactivation = "softmax"\n\n'
        '[[model.layers]]\nname = "price"\ninputs = ["x"]\n',
        1,
    ).replace('[cost]\ntype = "mse"', '[cost.place]\ntype = "cross_entropy"\n\n[cost.price]\ntype = "mse"')
    prepared = prepare(file(text=text), registry)
    (only,) = prepared.experiment.data.steps[1]
    assert only.columns == ("price",)


@pytest.mark.parametrize("option", ["transforms", "target_transforms"])
def test_dataset_that_picks_none_is_refused(file, option):
    text = EXPERIMENT.replace('type = "csv", path = "t.csv", target = "price"', 'type = "xor"')
    text = text.replace("[data]\n", f'[data]\n{option} = "auto"\n')
    expected = rf"t\.toml:3: data\.{option} is \"auto\", but the dataset 'xor' \(built-in\) picks none\. List them, or"
    with pytest.raises(ConfigError, match=expected):
        prepare(file(text=text), registry)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (["standardize"], r"suitable_transforms returned list, expected tables of transforms, or None"),
        ([{"type": "standardise"}], r"expected transforms: .*Did you mean 'standardize'\?"),
    ],
)
def test_dataset_that_picks_what_is_no_transform_is_refused(file, found, message):
    @dataclass(frozen=True)
    class Odd(nnfw.Dataset):
        def load(self, directory):
            return nnfw.Examples({"a": np.array(["x", "y", "x", "y", "x", "y", "y"])}, np.arange(7.0))

        def suitable_transforms(self, columns, indices=(), *, target=False):
            return found

    read = file()
    experiment = replace(read.experiment, data=replace(read.experiment.data, source=Odd()))
    with pytest.raises(PluginError, match=message):
        prepare(replace(read, experiment=experiment), registry)
