"""Experiments whose networks have several inputs and outputs: whole commands, and what is refused."""

import json
import re
import shutil

import numpy as np
import pytest

from nnfw import load

TABLE = """
name = "houses"
[data]
source = { type = "csv", path = "houses.csv", target = "price" }
transforms = [{ type = "index", columns = ["city"] }, "standardize"]
target_transforms = ["standardize"]
[data.inputs]
numbers = ["area", "rooms"]
city = ["city"]
[data.targets]
price = "price"
kind = "kind"
[model]
outputs = ["price", "kind"]
[[model.layers]]
type = "embedding"
name = "emb"
inputs = ["city"]
count = 3
width = 2
[[model.layers]]
type = "flatten"
[[model.layers]]
type = "concatenate"
name = "both"
inputs = ["previous", "numbers"]
[[model.layers]]
type = "dense"
name = "price"
units = 1
[[model.layers]]
type = "dense"
name = "kind"
inputs = ["both"]
units = 2
activation = "softmax"
[cost.price]
type = "mse"
[cost.kind]
type = "cross_entropy"
weight = 0.5
[optimizer]
type = "adam"
[training]
epochs = 3
batch_size = 8
checkpoint_seconds = 0
[training.metrics]
kind = ["accuracy"]
"""

SEQUENCES = """
name = "sequences"
[data]
source = { type = "npz", path = "words.npz", x = ["tokens", "count", "kind"], y = "kind2" }
[data.inputs]
tokens = { columns = ["tokens"], lengths = "count" }
[data.targets]
sort = "kind2"
[model]
outputs = ["sort"]
[[model.layers]]
type = "embedding"
inputs = ["tokens"]
count = 5
width = 3
[[model.layers]]
type = "time_pool"
[[model.layers]]
type = "dense"
name = "sort"
units = 2
activation = "softmax"
[cost.sort]
type = "cross_entropy"
[optimizer]
type = "adam"
[training]
epochs = 2
[training.metrics]
sort = ["accuracy"]
"""


COSTS = TABLE[TABLE.index("[cost.price]") : TABLE.index("[optimizer]")]


@pytest.fixture
def houses(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    cities, kinds = ["Bern", "Oslo", "Rome"], ["flat", "house"]
    rows = [
        f"{rng.uniform(40, 200):.1f},{index % 6 + 1},{cities[index % 3]},{kinds[index % 2]},{100 + 7 * index}"
        for index in range(48)
    ]
    (tmp_path / "houses.csv").write_text("area,rooms,city,kind,price\n" + "\n".join(rows) + "\n")
    (tmp_path / "houses.toml").write_text(TABLE)
    return tmp_path / "houses.toml"


@pytest.fixture
def sequences(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    write_sequences(rng.integers(0, 5, (20, 4)), rng.integers(1, 5, 20))
    (tmp_path / "sequences.toml").write_text(SEQUENCES)
    return tmp_path / "sequences.toml"


def write_sequences(tokens, count):
    kind = np.arange(len(tokens)) % 2
    np.savez("words.npz", tokens=tokens, count=count, kind=kind, kind2=kind)


def parameters(run):
    return load(f"{run}/model.nnfw").parameters.vector.tobytes()


def test_run_of_several_inputs_and_outputs_is_trained_and_recorded_by_output(nnfw, houses):
    result = nnfw("train", houses.name, "--out", "run", "-q", "--json")
    assert result.status == 0, result.err
    found = json.loads(result.out)["results"]["test"]
    assert list(found) == ["cost", "price_cost", "kind_cost", "kind_accuracy", "price_cost_in_unit"]
    assert found["cost"] == pytest.approx(found["price_cost"] + 0.5 * found["kind_cost"], rel=1e-6)
    again = json.loads(nnfw("evaluate", "run", "--json").out)
    assert again["test"] == found
    everything = json.loads(nnfw("evaluate", "run", "--data", "houses.csv", "--json").out)["data"]
    assert list(everything) == list(found)


def test_run_of_several_inputs_is_resumed_and_reproduced_to_the_bit(nnfw, houses):
    assert nnfw("train", houses.name, "--out", "whole", "-q").status == 0
    assert nnfw("train", houses.name, "--out", "run", "-q", "--set", "training.epochs=1").status == 0
    assert nnfw("resume", "run", "-q", "--set", "training.epochs=3").status == 0
    assert parameters("run") == parameters("whole")
    assert "equal to the bit" in nnfw("train", houses.name, "--verify-resume").out
    assert "Bit-equal" in nnfw("reproduce", "whole", "-q").out


def test_predictions_of_every_output_are_columns_in_raw_terms(nnfw, houses):
    nnfw("train", houses.name, "--out", "run", "-q")
    rows = json.loads(nnfw("predict", "run", "houses.csv", "--json").out)
    assert list(rows[0]) == ["price", "kind", "kind_probability_flat", "kind_probability_house"]
    assert {row["kind"] for row in rows} <= {"flat", "house"}
    assert 50 < np.mean([row["price"] for row in rows]) < 500
    assert rows[0]["kind_probability_flat"] + rows[0]["kind_probability_house"] == pytest.approx(1, rel=1e-5)


def test_arrays_without_labels_are_predicted(nnfw, sequences):
    nnfw("train", sequences.name, "--out", "run", "-q")
    np.savez("new.npz", tokens=np.zeros((2, 4), int), count=[1, 4])
    names = 'npz:path=new.npz,x=["tokens","count"]'
    assert "there is no array 'y'. Arrays: tokens, count. Set y = \"\" if" in nnfw("predict", "run", names).err
    result = nnfw("predict", "run", f"{names},y=", "--json")
    assert result.status == 0, result.err
    assert len(json.loads(result.out)) == 2


def test_stored_preprocessing_is_read_back_exactly(nnfw, houses):
    nnfw("train", houses.name, "--out", "run", "-q")
    model = load("run/model.nnfw")
    assert model.preprocessing.indices == ("city",)
    assert set(model.preprocessing.targets) == {"price", "kind"}
    model.save("again.nnfw")
    assert (houses.parent / "again.nnfw").read_bytes() == (houses.parent / "run/model.nnfw").read_bytes()
    x = model.preprocessing.apply({"area": [50.0], "rooms": [2.0], "city": ["Rome"]}, np.float32)
    assert x["city"].dtype == np.int64
    assert x["city"].tolist() == [[2]]


def test_summary_names_inputs_and_outputs(nnfw, houses):
    text = nnfw("summary", houses.name, "--read-data").out
    assert re.search(r"input numbers +2", text)
    assert re.search(r"input city +1", text)
    assert "Outputs: price, kind." in text
    shapes = "model.input_shape={ numbers = [2], city = [1] }"
    found = json.loads(nnfw("summary", houses.name, "--set", shapes, "--json").out)
    assert found["input_shape"] == {"numbers": [2], "city": [1]}
    assert found["outputs"] == ["price", "kind"]


def test_report_shows_figures_of_every_output_and_says_why_there_are_no_examples(nnfw, houses):
    nnfw("train", houses.name, "--out", "run", "-q")
    assert nnfw("report", "run", "--output", "page.html").status == 0
    page = (houses.parent / "page.html").read_text()
    assert "kind_accuracy" in page
    assert "Not shown: the network has several outputs. The figures of each are among the results." in page
    assert "input numbers" in page


def test_gradcheck_names_nodes_and_leaves_indices_alone(nnfw, houses):
    result = nnfw("gradcheck", houses.name)
    assert result.status == 0, result.err
    assert "emb.weight" in result.out
    assert "city" not in result.out


def test_padded_sequences_run_from_an_archive(nnfw, sequences):
    result = nnfw("train", sequences.name, "--out", "run", "-q")
    assert result.status == 0, result.err
    assert nnfw("evaluate", "run").status == 0
    assert nnfw("report", "run", "--output", "page.html").status == 0
    assert "Confusion matrix" in (sequences.parent / "page.html").read_text()
    columns = [f"tokens_{index}" for index in range(4)]
    (sequences.parent / "new.csv").write_text(",".join([*columns, "count"]) + "\n1,2,0,0,2\n4,4,4,4,4\n")
    rows = json.loads(nnfw("predict", "run", "new.csv", "--json").out)
    assert [list(row) for row in rows] == [["sort", "sort_probability_0", "sort_probability_1"]] * 2


@pytest.mark.parametrize(
    ("tokens", "count", "message"),
    [
        (4, 5, r"lengths of .*tokens.* between 0 and 4, .* got 5 in row 0"),
        (4, -1, r"lengths of .*tokens.* between 0 and 4, .* got -1 in row 0"),
        (4, 1.5, r"Column 'count' must hold lengths, which are whole numbers, got 1\.5 in row 0"),
        (5, 2, r"The input 'tokens' holds the index 5 in row 0 .*; expected 0 to 4\. The layer needs a count of .* 6"),
        (0.5, 2, r"Column 'tokens' must hold indices, which are whole numbers, got 0\.5 in row 0"),
    ],
    ids=["above", "negative", "fraction", "index", "no-index"],
)
def test_lengths_and_indices_that_do_not_fit_are_refused_with_row_and_value(nnfw, sequences, tokens, count, message):
    write_sequences(np.full((20, 4), tokens), np.full(20, count))
    refused(nnfw, sequences, message)


def refused(nnfw, file, *messages):
    result = nnfw("train", file.name, "--out", "run", "-q")
    assert result.status == 2
    for message in messages:
        assert re.search(message, result.err), result.err
    assert not (file.parent / "run").exists()


def test_index_out_of_range_names_input_row_index_and_category(nnfw, houses):
    houses.write_text(TABLE.replace("count = 3", "count = 2"))
    refused(
        nnfw, houses, r"The input 'city' holds the index 2 in row 2 .* made of 'Rome'; expected 0 to 1\. .* least 3"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"area", "rooms"', '"area", "room"', r"data\.inputs\.numbers: .* 'room'\. Did you mean 'rooms'"),
        ('kind = "kind"', 'kind = "sort"', r"houses\.toml:12: data\.targets\.kind: there is no column 'sort'"),
        ('city = ["city"]', 'city = ["city"]\nspare = ["area"]', r"toml:10: data\.inputs: No layer takes .* spare"),
        ('inputs = ["city"]', 'inputs = ["town"]', r"houses\.toml:18: model\.layers\[0\]\.inputs\[0\] is 'town'"),
        ('[cost.kind]\ntype = "cross_entropy"\nweight = 0.5\n', "", r"houses\.toml:\d+: cost lacks the output kind"),
        ("[cost.kind]", "[cost.sort]", r"cost\.sort: there is no output 'sort'\. Outputs: price, kind"),
        ('kind = ["accuracy"]', 'sort = ["accuracy"]', r"toml:\d+: training\.metrics\.sort: there is no output"),
        ('kind = "kind"', 'kind = "kind"\nrent = "area"', r"houses\.toml:\d+: data\.targets\.rent: there is no output"),
        ('outputs = ["price", "kind"]', 'outputs = ["price", "sort"]', r"model\.outputs names 'sort'"),
        ('outputs = ["price", "kind"]', "", r"cost is by the names of outputs, but model\.outputs names none"),
        ('city = ["city"]', 'city = ["city", "price"]', r"data\.inputs\.city names the column 'price', .* target"),
        ('"area", "rooms"', '"area", "area"', r"data\.inputs\.numbers names the column 'area' twice"),
        ('"area", "rooms"', '"area", "city2"', "there is no column 'city2'"),
        ('columns = ["city"] }', 'columns = ["rooms"] }', r"cannot take words, which are in: 'city'"),
        ('name = "both"', 'name = "emb"', r"houses\.toml:\d+: model\.layers\[2\]\.name must differ"),
        ('name = "both"', 'name = "3"', r"houses\.toml:\d+: model\.layers\[2\]\.name must begin with a letter"),
        ('inputs = ["both"]', 'inputs = ["kind"]', r"toml:\d+: model\.layers\[4\]\.inputs\[0\] is 'kind'.*later"),
        ('outputs = ["price", "kind"]', 'outputs = ["price", "price"]', r"model\.outputs names one node twice"),
        ("numbers = [", '"layers.1" = [', r"houses\.toml:8: data\.inputs: .*'layers\.1'"),
        ("numbers = [", 'numbers = { columns = ["area"], lengths = "rooms" }\nrest = [', "'rooms', which holds"),
        (COSTS, '[cost]\ntype = "mse"\n', "cost must be a table by the names of the outputs: price, kind"),
        ('activation = "softmax"', "", r"toml:\d+: Cost 'cross_entropy' .* takes outputs from 0 to 1"),
        ("numbers = [", '"previous" = [', r"houses\.toml:8: data\.inputs: .*'previous'"),
        ('{ type = "index", columns = ["city"] }', '{ type = "index", columns = ["town"] }', "no column 'town'"),
        ('us", "numbers"', 'us", "numbers", "city"', r"toml:9: data\.inputs: The input 'city' is taken as indices by"),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit_are_refused_with_their_line(nnfw, houses, old, new, message):
    assert old in TABLE
    houses.write_text(TABLE.replace(old, new, 1))
    refused(nnfw, houses, message)


def test_input_that_names_the_only_target_is_refused_with_its_line(nnfw, sequences):
    text = SEQUENCES.replace('[data.targets]\nsort = "kind2"\n', "").replace('[model]\noutputs = ["sort"]\n', "")
    text = text.replace("[cost.sort]", "[cost]").replace('[training.metrics]\nsort = ["accuracy"]\n', "")
    sequences.write_text(text.replace('lengths = "count"', 'lengths = "kind2"'))
    refused(nnfw, sequences, r"toml:6: data\.inputs\.tokens names the column 'kind2', which is the target\. Remove it")


def test_declared_shapes_must_be_those_of_the_inputs(nnfw, houses):
    result = nnfw("summary", houses.name, "--set", "model.input_shape={ numbers = [2] }")
    assert result.status == 2
    assert "model.input_shape lacks the input city" in result.err
    result = nnfw("summary", houses.name, "--set", "model.input_shape=[2]")
    assert "model.input_shape must give one for each input by name: numbers, city" in result.err
    assert "Set model.input_shape = { NAME = [n], ... }" in nnfw("summary", houses.name).err


def test_inputs_without_columns_are_refused(nnfw, houses):
    text = TABLE.replace('[data.inputs]\nnumbers = ["area", "rooms"]\ncity = ["city"]', "[data.inputs]")
    houses.write_text(text)
    refused(nnfw, houses, "data.inputs is empty. Name an input and its columns, or remove it")


def test_report_of_an_output_that_is_a_sequence_shows_no_examples(nnfw, sequences, rng):
    np.savez("words.npz", tokens=np.ones((20, 4), int), count=np.full(20, 2), kind2=rng.random((20, 4, 3)))
    head = SEQUENCES[: SEQUENCES.index('[[model.layers]]\ntype = "time_pool"')]
    rest = '[cost.sort]\ntype = "mse"\n[optimizer]\ntype = "adam"\n'
    sequences.write_text(head.replace(', "kind"]', "]") + 'name = "sort"\n' + rest)
    result = nnfw("train", sequences.name, "--out", "run", "-q")
    assert result.status == 0, result.err
    nnfw("report", "run", "--output", "page.html")
    assert "the output is a sequence, whose time steps have a cost each" in (sequences.parent / "page.html").read_text()


def test_mistakes_in_several_tables_are_reported_together(nnfw, houses):
    text = TABLE.replace("[cost.kind]", "[cost.sort]").replace('kind = ["accuracy"]', 'sort = ["accuracy"]')
    houses.write_text(text.replace('kind = "kind"', 'rent = "kind"'))
    refused(nnfw, houses, r"cost\.sort:", r"training\.metrics\.sort:", r"data\.targets\.rent:")


def test_evaluation_on_data_takes_metrics_and_costs_by_output(nnfw, houses):
    assert nnfw("train", "houses.toml", "--out", "run", "-q").status == 0
    data = ("--data", "houses.csv", "--json")
    found = json.loads(nnfw("evaluate", "run", *data, "--metric", "price.mae", "--metric", "kind.accuracy").out)["data"]
    usual = json.loads(nnfw("evaluate", "run", *data).out)["data"]
    assert {"price_mae", "kind_accuracy"} < found.keys()
    assert "price_mae" not in usual
    assert (found["cost"], found["kind_accuracy"]) == (usual["cost"], usual["kind_accuracy"])
    shutil.copy("run/model.nnfw", "alone.nnfw")
    costs = ("--cost", "price.mse", "--cost", "kind.cross_entropy:weight=0.5")
    alone = json.loads(nnfw("evaluate", "alone.nnfw", *data, *costs).out)["data"]
    assert alone["cost"] == usual["cost"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--metric", "mae"),
            (
                "error: --metric 'mae' must begin with the name of an output and a dot: price.mae, for instance. "
                "Outputs: price, kind.\n"
            ),
        ),
        (("--cost", "price.mse"), "error: --cost must name one cost of the output 'kind', got 0.\n"),
        (
            ("--cost", "price.mse", "--cost", "price.mae", "--cost", "kind.mse"),
            "error: --cost must name one cost of the output 'price', got 2.\n",
        ),
    ],
    ids=["no output", "a cost missing", "two costs"],
)
def test_evaluation_on_data_refuses_what_names_no_output(nnfw, houses, arguments, message):
    assert nnfw("train", "houses.toml", "--out", "run", "-q").status == 0
    result = nnfw("evaluate", "run", "--data", "houses.csv", *arguments)
    assert (result.status, result.err) == (2, message)
    shutil.copy("run/model.nnfw", "alone.nnfw")
    result = nnfw("evaluate", "alone.nnfw", "--data", "houses.csv")
    assert "so name the cost: --cost price.mse --cost kind.mse, for instance." in result.err
