"""``nnfw trace``, and the verdicts at the end of ``nnfw train``."""

import json
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
XOR, DIGITS = str(EXAMPLES / "xor.toml"), str(EXAMPLES / "digits.toml")
DEEP = (
    'model.layers=[{ type = "repeat", times = 20, layers = [{ type = "dense", units = 16, activation = "sigmoid" }] }, '
    '{ type = "dense", units = 10, activation = "softmax" }]'
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from nnfw.cli.main import main

    path = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", DIGITS, "--set", "training.epochs=2", "--out", str(path), "--quiet"]) == 0
    return path


def test_trace_of_a_network_that_learns_says_so(nnfw):
    found = nnfw("trace", DIGITS)
    assert (found.status, found.err) == (0, "")
    heads, *rows = found.out.splitlines()
    assert heads.split() == ["layer", "shape", "z", "a", "‖δ‖", "dead", "verdict"]
    assert [row.split()[:3] for row in rows[:2]] == [["0", "dense", "64"], ["1", "dense", "10"]]
    assert rows[-1] == "No layer is vanishing, exploding or dead."


def test_trace_of_20_sigmoid_layers_says_where_learning_stops_and_what_to_do(nnfw):
    found = nnfw("trace", DIGITS, "--set", DEEP)
    assert found.status == 0
    assert "vanishing" in found.out.splitlines()[1]
    assert "vanishing" not in found.out.splitlines()[21]
    assert found.out.splitlines()[-1].startswith("Vanishing: 1")
    assert "Use an activation whose derivative is near 1" in found.out


RNN = (
    'model.layers=[{ type = "reshape", shape = [16, 4] }, { type = "simple_rnn", units = 6, states = "all", '
    'recurrent_initializer = { type = "constant", value = 0.01 } }, { type = "gru", units = 5 }, '
    '{ type = "dense", units = 10, activation = "softmax" }]'
)


def test_trace_shows_how_delta_goes_back_through_time(nnfw):
    found = nnfw("trace", DIGITS, "--set", RNN)
    assert found.status == 0, found.err
    lines = found.out.splitlines()
    start = lines.index("‖∂C/∂h_t‖, so many time steps before the last")
    heads, first, second = (line.split() for line in lines[start + 1 : start + 4])
    assert heads == ["layer", "0", "1", "2", "4", "8", "first", "verdict"]
    assert first[:2] == ["1", "simple_rnn"]
    assert (second[:2], len(second)) == (["2", "gru"], 8)
    rows = json.loads(nnfw("trace", DIGITS, "--set", RNN, "--json").out)
    assert [len(row["through_time"]) for row in rows] == [0, 16, 16, 0]
    assert [f"{rows[2]['through_time'][-1 - k]:.2g}" for k in (0, 1, 2, 4, 8, 15)] == second[2:]
    only = RNN.replace('states = "all", ', "").replace('{ type = "gru", units = 5 }, ', "")
    found = nnfw("trace", DIGITS, "--set", only)
    assert found.out.splitlines()[-1].startswith("Vanishing through time: layer 1: ‖∂C/∂h_t‖ of the first of 16 steps")


def test_trace_in_json_has_every_number(nnfw):
    rows = json.loads(nnfw("trace", DIGITS, "--json", "--batch", "50").out)
    assert [row["name"] for row in rows] == ["0", "1"]
    keys = ["name", "layer", "shape", "z_mean", "z_spread", "a_mean", "a_spread", "delta", "outputs", "dead", "verdict"]
    assert list(rows[0]) == [*keys, "through_time", "time_verdict"]
    assert rows[0]["through_time"] == []
    assert rows[0]["delta"] > 0


def test_trace_of_a_run_is_that_of_its_model(nnfw, run):
    trained, untrained = nnfw("trace", str(run), "--json"), nnfw("trace", DIGITS, "--json")
    assert trained.status == 0, trained.err
    assert json.loads(trained.out)[1]["delta"] < json.loads(untrained.out)[1]["delta"]


def test_trace_takes_no_more_examples_than_there_are(nnfw):
    assert nnfw("trace", XOR, "--batch", "1000").out == nnfw("trace", XOR, "--batch", "4").out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["missing.toml"], "missing.toml"),
        ([XOR, "--set", "cost.type=msee"], "Did you mean 'mse'"),
        ([XOR, "--batch", "0"], "--batch"),
        ([str(EXAMPLES)], "holds no run that can be read"),
    ],
    ids=["missing-file", "unknown-cost", "batch-0", "no-run"],
)
def test_trace_of_wrong_usage_exits_2(nnfw, arguments, text):
    found = nnfw("trace", *arguments)
    assert (found.status, found.out) == (2, "")
    assert text in found.err


def test_trace_of_a_run_takes_no_changes(nnfw, run):
    found = nnfw("trace", str(run), "--set", "seed=2")
    assert found.status == 2
    assert "--set changes an experiment; a run is looked at as it was trained." in found.err


def test_trace_of_a_run_without_a_model_says_how_to_go_on(nnfw, run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "model.nnfw").unlink()
    shutil.rmtree(copy / "checkpoints")
    found = nnfw("trace", str(copy))
    assert found.status == 2
    assert "holds neither a model nor a checkpoint" in found.err


def test_train_ends_with_the_verdicts(nnfw, tmp_path):
    options = ("--set", DEEP, "--set", "training.epochs=1", "--quiet")
    found = nnfw("train", DIGITS, *options, "--out", str(tmp_path / "run"))
    assert found.status == 0
    assert found.err.startswith("Vanishing: 1")
    assert "Vanishing" not in found.out
    found = nnfw("train", DIGITS, *options, "--out", str(tmp_path / "again"), "--json")
    (verdict,) = json.loads(found.out)["verdicts"]
    assert verdict.startswith("Vanishing: 1")


def test_train_of_a_network_that_learns_says_nothing_of_its_layers(nnfw, tmp_path):
    assert nnfw("train", XOR, "--out", str(tmp_path / "run"), "--quiet").err == ""
