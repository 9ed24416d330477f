"""Versions that differ from those in training are reported on stderr."""

import functools
import importlib
import json

import numpy as np
import pytest
import scipy

from nnfw.plugins import Registry
from nnfw.storage import container
from nnfw.training.checkpoint_file import FORMAT
from nnfw.training.checkpoints import checkpoint_files

LAYER = """
from dataclasses import dataclass
from nnfw_standard import Dense

@dataclass(frozen=True)
class Own(Dense):
    pass
"""
METRIC = """
from dataclasses import dataclass
from nnfw_standard.metrics import Accuracy

@dataclass(frozen=True)
class Own(Accuracy):
    pass
"""
CALLBACK = """
from dataclasses import dataclass
import nnfw

@dataclass(frozen=True)
class Own(nnfw.Callback):
    pass
"""
EXPERIMENT = """
data = { source = "xor", split = { validation = 0.0, test = 0.0 } }
model = { layers = [{ type = "own_layer", units = 1, activation = "sigmoid" }] }
cost = { type = "binary_cross_entropy" }
optimizer = { type = "sgd" }
training = { epochs = 2, metrics = ["own_metric"], callbacks = ["own_callback"] }
"""
KINDS = {"layer": LAYER, "metric": METRIC, "callback": CALLBACK}


@pytest.fixture
def run(make, nnfw, tmp_path):
    """Return the directory of a run with components of three plugins, all 0.1."""
    for kind, source in KINDS.items():
        spec = f'ComponentSpec("{kind}", "own_{kind}", "own_{kind}:Own", "own")'
        make(f"fake-{kind}", components=spec, **{f"own_{kind}": source})
    make("fake-unused", components='ComponentSpec("cost", "unused", "unused:Own", "own")')
    (tmp_path / "own.toml").write_text(EXPERIMENT)
    result = nnfw("train", str(tmp_path / "own.toml"), "--out", str(tmp_path / "run"), "--quiet")
    assert (result.status, result.err) == (0, "")
    return tmp_path / "run"


@pytest.fixture
def upgrade(tmp_path, monkeypatch):
    """Return a function that installs version 0.2 of plugins."""

    def install(*names):
        for name in names:
            (metadata,) = tmp_path.glob(f"{name}/*/METADATA")
            metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.2\n")
        importlib.invalidate_caches()
        monkeypatch.setattr("nnfw.plugins.registry._discovered", functools.cache(Registry.discover))

    return install


def warned(nnfw, *arguments):
    """Return what a command that is done warned of, which a program prints on stderr."""
    with pytest.warns(RuntimeWarning) as caught:
        result = nnfw(*arguments)
    assert (result.status, result.err) == (0, "")
    return [str(warning.message) for warning in caught]


def commands(run):
    return {
        "resume": ("resume", str(run), "--quiet", "--set", "training.epochs=3"),
        "evaluate": ("evaluate", str(run)),
        "evaluate-data": ("evaluate", str(run), "--data", "xor"),
        "predict": ("predict", str(run), "xor"),
        "predict-file": ("predict", str(run / "model.nnfw"), "xor"),
    }


@pytest.mark.parametrize("command", ["resume", "evaluate", "evaluate-data", "predict"])
def test_command_with_the_versions_of_the_training_tells_nothing(run, nnfw, upgrade, command):
    upgrade("fake-unused")
    result = nnfw(*commands(run)[command])
    assert (result.status, result.err) == (0, "")


def test_resume_with_other_versions_of_plugins_tells_each(run, nnfw, upgrade):
    upgrade("fake-layer", "fake-metric", "fake-callback")
    result = nnfw(*commands(run)["resume"])
    changes = [f"plugins.fake-{kind} is '0.2', was '0.1'" for kind in sorted(KINDS)]
    assert (result.status, result.err) == (0, f"Not bit-exact: {'; '.join(changes)}.\n")


def test_resume_from_a_checkpoint_that_knows_no_plugins_tells_nothing_of_them(run, nnfw):
    for path in checkpoint_files(run / "checkpoints"):
        table, arrays = container.read(path, FORMAT)
        del table["environment"]["plugins"]
        container.write(path, table, arrays, FORMAT)
    result = nnfw(*commands(run)["resume"])
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("command", ["evaluate", "evaluate-data"])
def test_evaluate_with_other_versions_of_plugins_tells_each(run, nnfw, upgrade, command):
    upgrade("fake-layer", "fake-metric")
    assert sorted(warned(nnfw, *commands(run)[command])) == [
        f"{run} was trained with fake-metric 0.1 (here 0.2). Results may differ.",
        f"{run / 'model.nnfw'}: It was written with fake-layer 0.1 (here 0.2). Results may differ.",
    ]


@pytest.mark.parametrize("command", ["predict", "predict-file"])
def test_predict_with_another_version_of_a_plugin_of_the_model_tells_it(run, nnfw, upgrade, command):
    upgrade("fake-layer", "fake-metric")
    written = f"{run / 'model.nnfw'}: It was written with fake-layer 0.1 (here 0.2). Results may differ."
    assert warned(nnfw, *commands(run)[command]) == [written]


@pytest.mark.parametrize("command", ["evaluate", "evaluate-data", "predict", "predict-file"])
def test_command_on_a_run_of_other_numpy_and_scipy_tells_both(run, nnfw, command):
    record = json.loads((run / "record.json").read_text())
    record["environment"]["packages"] |= {"numpy": "1.0", "scipy": "1.1", "rich": "1.2"}
    (run / "record.json").write_text(json.dumps(record))
    here = f"numpy 1.0 (here {np.__version__}), scipy 1.1 (here {scipy.__version__})"
    assert warned(nnfw, *commands(run)[command]) == [f"{run} was trained with {here}. Results may differ."]


def test_command_on_a_run_that_recorded_no_versions_tells_nothing(run, nnfw):
    record = json.loads((run / "record.json").read_text())
    del record["environment"], record["plugins"]
    (run / "record.json").write_text(json.dumps(record))
    assert nnfw(*commands(run)["evaluate"]).err == ""


def test_predict_with_another_nnfw_tells_it(run, program):
    table, arrays = container.read(run / "model.nnfw")
    here, table["distributions"]["nnfw"] = table["distributions"]["nnfw"], "0.0.1"
    container.write(run / "model.nnfw", table, arrays)
    result = program(*commands(run)["predict"])
    written = f"{run / 'model.nnfw'}: It was written with nnfw 0.0.1 (here {here}). Results may differ."
    assert (result.status, result.err) == (0, f"warning: {written}\n")
