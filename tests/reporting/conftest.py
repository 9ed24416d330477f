"""Runs to write pages about."""

import json

import pytest

from nnfw.errors import DivergedError
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train

DIGITS = """
name = "digits <b>&amp;"
[data]
source = "digits"
[[model.layers]]
type = "dense"
units = 16
activation = "relu"
[[model.layers]]
type = "dense"
units = 10
activation = "softmax"
[cost]
type = "cross_entropy"
[optimizer]
type = "adam"
learning_rate = 0.003
[training]
epochs = 4
metrics = ["accuracy", "confusion_matrix"]
"""
CONVOLUTION = """
data.source = "digits"
model.layers = [
    { type = "reshape", shape = [1, 8, 8] },
    { type = "conv2d", filters = 5, kernel = 3, activation = "relu" },
    { type = "conv2d", filters = 4, kernel = 3 },
    { type = "flatten" },
    { type = "dense", units = 10, activation = "softmax" },
]
cost.type = "cross_entropy"
optimizer.type = "adam"
training.epochs = 1
"""
TEXT = """
data.source = { type = "characters", path = "text.txt", length = 6 }
data.transforms = ["index"]
data.split.in_order = true
model.layers = [
    { type = "embedding", count = 12, width = 8 },
    { type = "transformer_decoder", width = 8, heads = 2 },
    { type = "dense", units = 9, activation = "softmax" },
]
cost.type = "token_cross_entropy"
optimizer.type = "adam"
training.epochs = 1
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a function that carries an experiment out, beside the given files, and returns the run's directory."""

    def carry_out(text, files=(), overrides=()):
        folder = tmp_path_factory.mktemp("run")
        (folder / "file.toml").write_text(text.strip() + "\n")
        for name, write in dict(files).items():
            write(folder / name)
        registry = default_registry()
        try:
            train(read_experiment(str(folder / "file.toml"), registry, overrides), registry, folder / "run")
        except DivergedError:
            assert json.loads((folder / "run" / "record.json").read_text())["status"] == "diverged"
        return folder / "run"

    return carry_out


@pytest.fixture(scope="session")
def digits(trained):
    """Return a run on handwritten digits, which tests read and do not change."""
    return trained(DIGITS)


@pytest.fixture(scope="session")
def convolution(trained):
    """Return a run of two convolutions on handwritten digits."""
    return trained(CONVOLUTION)


@pytest.fixture(scope="session")
def text(trained):
    """Return a run of a decoder on a short text."""
    return trained(TEXT, {"text.txt": lambda path: path.write_text("the <b>cat" * 40)})
