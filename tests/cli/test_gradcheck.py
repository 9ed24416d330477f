"""``nnfw gradcheck``."""

import json
from pathlib import Path

import numpy as np
import pytest

from nnfw.cli.main import main
from nnfw_standard.activations import Tanh

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def wrong_tanh(monkeypatch):
    monkeypatch.setattr(Tanh, "delta", lambda self, grad_a, z, a, workspace: np.negative(grad_a * (1 - a * a)))


@pytest.mark.parametrize("name", ["xor", "penguins", "penguins-mass", "digits"])
def test_gradcheck_of_an_example_is_ok(name, capsys):
    assert main(["gradcheck", str(EXAMPLES / f"{name}.toml"), "--batch", "3"]) == 0
    out, err = capsys.readouterr()
    assert "1: δ = ∇_a C ⊙ σ'(z)" in out
    assert "4: ∇_w C = δ a_prev^T" in out
    assert out.splitlines()[-1] == "All gradients are right, for 3 examples."
    assert err == ""


def test_gradcheck_of_a_wrong_network_exits_1_and_says_where(wrong_tanh, capsys):
    override = "model.layers[0].activation=tanh"
    assert main(["gradcheck", str(EXAMPLES / "xor.toml"), "--set", override]) == 1
    out, _ = capsys.readouterr()
    assert "layers.0.delta at [" in out
    assert "the sign is wrong" in out


def test_gradcheck_in_json_holds_the_report(wrong_tanh, capsys):
    override = "model.layers[0].activation=tanh"
    assert main(["gradcheck", str(EXAMPLES / "xor.toml"), "--set", override, "--json", "--precise", "--seed", "2"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert {row["name"]: row["ok"] for row in found["rows"]}["layers.0.weight"] is False


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["missing.toml"], "missing.toml"),
        ([str(EXAMPLES / "xor.toml"), "--set", "cost.type=msee"], "Did you mean 'mse'"),
        ([str(EXAMPLES / "xor.toml"), "--batch", "0"], "--batch"),
        ([str(EXAMPLES / "xor.toml"), "--seed", "-1"], "--seed"),
    ],
    ids=["missing-file", "unknown-cost", "batch-0", "negative-seed"],
)
def test_gradcheck_of_wrong_usage_exits_2(arguments, text, capsys):
    assert main(["gradcheck", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
