"""Fixtures that all tests share."""

import csv
import gc
import signal

import numpy as np
import pytest
from hypothesis import settings

from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train

# a busy machine may need any time for an example
settings.register_profile("nnfw", deadline=None)
settings.load_profile("nnfw")

TABLE = """
name = "small"
seed = 5

[data]
source = { type = "csv", path = "table.csv", target = "kind" }
split = { validation = 0.2, test = 0.2, stratify = true }
transforms = ["one_hot", "standardize"]

[[model.layers]]
type = "dense"
units = 6
activation = "tanh"

[[model.layers]]
type = "dense"
units = 2
activation = "softmax"

[cost]
type = "cross_entropy"

[optimizer]
type = "adam"
learning_rate = 0.05

[training]
epochs = 12
batch_size = 8
metrics = ["accuracy"]
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Leave out what is marked long, unless ``-m`` names it."""
    if "long" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_collection():
    """Collect no garbage while tests are collected, which live to the end; it is looked for again and again."""
    gc.disable()


def pytest_collection_finish():
    """Take the collected tests from what the garbage collector looks at."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def rng():
    """Return a generator with a fixed seed, fresh for each test."""
    return np.random.default_rng(20201101)


@pytest.fixture
def interruptible():
    """Let SIGINT interrupt this process and those that it starts, though a shell may have started it to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def experiment(tmp_path):
    """Return the path of an experiment file beside its table: numbers and words, 60 rows, two classes of words."""
    rng = np.random.default_rng(1)
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["width", "colour", "kind", "height"])
        for _ in range(60):
            width, colour = rng.normal(), rng.choice(["red", "green", "blue"])
            kind = "big" if width + (colour == "red") > 0.3 else "small"
            writer.writerow([f"{width:.4f}", colour, kind, f"{rng.normal() * 100:.2f}"])
    path = tmp_path / "small.toml"
    path.write_text(TABLE.strip() + "\n")
    return path


@pytest.fixture
def run(experiment, tmp_path):
    """Return a finished run of it."""
    registry = default_registry()
    return train(read_experiment(str(experiment), registry), registry, tmp_path / "run")
