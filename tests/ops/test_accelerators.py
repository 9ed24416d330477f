"""Which kernels a training takes, and that its results do not depend on it."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import nnfw
from nnfw.ops import DEFINITIONS, choose, engine_in_use, kernels
from nnfw.ops.accelerators import gain
from nnfw.plugins import AcceleratorSpec, Plugin
from nnfw.plugins.specs import Declared
from nnfw_standard import Dense

REGISTRY = nnfw.Registry.discover()
MUCH = 5.0


def fake(target, name="fake"):
    """Return a registry in which there is one accelerator more."""
    registry = nnfw.Registry.discover()
    plugin = Plugin("nnfw-fake", "1.0", "fake", "fake")
    registry.accelerators = (Declared(AcceleratorSpec(name, target, "get it at the fair"), plugin),)
    return registry


def load_one():
    return {"sgd": kernels().sgd.definition}


def load_wrong():
    return {"sdg": kernels().sgd.definition}


def load_broken():
    raise OSError("planted")


def load_incomplete():
    raise ModuleNotFoundError("No module named 'planted'")


@pytest.fixture(autouse=True)
def targets(monkeypatch):
    """Let the functions above be found as targets."""
    monkeypatch.setitem(sys.modules, "fake_accelerator", sys.modules[__name__])
    monkeypatch.delenv("NNFW_CHECK_KERNELS", raising=False)


@pytest.mark.parametrize(("name", "seconds"), [("none", MUCH), ("auto", MUCH - 0.1)], ids=["none", "short"])
def test_plain_numpy_is_taken_where_it_is_asked_for_or_better(name, seconds):
    assert choose(name, REGISTRY, seconds) == (DEFINITIONS, "none")


def test_accelerator_that_begins_at_once_is_taken_for_a_short_training():
    registry = fake("fake_accelerator:load_one")
    (item,) = registry.accelerators
    registry.accelerators = (replace(item, spec=replace(item.spec, start=0.0)),)
    assert choose("auto", registry)[1] == "fake"


def test_gain_grows_with_parameters_and_with_steps():
    assert gain(10, 100) < gain(1000, 100) < gain(1000, 1000) < gain(1000, 1000, 100)


@pytest.mark.parametrize("name", ["auto", "fake"])
def test_accelerator_is_taken_where_it_is_asked_for_or_worth_it(name):
    chosen, whose = choose(name, fake("fake_accelerator:load_one"), MUCH)
    assert whose == "fake"
    assert chosen.function(kernels().sgd) is kernels().sgd.definition


def test_unknown_accelerator_is_refused():
    with pytest.raises(
        nnfw.ConfigError, match=r"Unknown accelerator 'nunba'\. Did you mean 'numba'\? Available: auto, none"
    ):
        choose("nunba", REGISTRY, 0)


def test_unknown_accelerator_in_fit_is_refused_before_anything_happens():
    model = nnfw.Sequential([Dense(1)], 2)
    before = model.parameters.vector.copy()
    with pytest.raises(nnfw.ConfigError, match="Unknown accelerator 'gpu'"):
        model.fit(np.ones((4, 2)), np.ones((4, 1)), cost="mse", optimizer="sgd", accelerator="gpu", epochs=1)
    np.testing.assert_array_equal(model.parameters.vector, before)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("fake_accelerator:load_broken", "OSError: planted"),
        ("fake_accelerator:load_incomplete", "No module named 'planted'"),
        ("fake_accelerator:load_nothing", "has no attribute 'load_nothing'"),
    ],
    ids=["broken", "missing", "no target"],
)
def test_accelerator_that_cannot_be_loaded_is_told_and_the_training_goes_on(target, reason):
    with pytest.warns(RuntimeWarning, match=reason) as warned:
        assert choose("fake", fake(target), 0) == (DEFINITIONS, "none")
    assert "get it at the fair. The training goes on without it." in str(warned[0].message)


def test_automatic_choice_says_nothing_where_something_is_not_installed():
    assert choose("auto", fake("fake_accelerator:load_incomplete"), MUCH) == (DEFINITIONS, "none")


def test_automatic_choice_tells_of_what_is_broken():
    with pytest.warns(RuntimeWarning, match="planted"):
        assert choose("auto", fake("fake_accelerator:load_broken"), MUCH) == (DEFINITIONS, "none")


def test_accelerator_with_an_unknown_kernel_is_refused():
    with pytest.raises(nnfw.PluginError, match=r"Accelerator 'fake' \(nnfw-fake 1\.0\): unknown kernel 'sdg'"):
        choose("fake", fake("fake_accelerator:load_wrong"), 0)


def test_kernels_are_compared_with_their_definitions_where_the_variable_says_so(monkeypatch):
    monkeypatch.setenv("NNFW_CHECK_KERNELS", "1")
    chosen, _ = choose("fake", fake("fake_accelerator:load_one"), 0)
    vector = np.ones(2)
    chosen.function(kernels().sgd)(vector, np.ones(2), 0.5)
    assert vector.tolist() == [0.5, 0.5]


def test_labels_that_are_whole_numbers_are_compared_too(monkeypatch, rng):
    pytest.importorskip("numba")
    monkeypatch.setenv("NNFW_CHECK_KERNELS", "1")
    model = nnfw.Sequential([Dense(3, activation="softmax")], 4)
    x, y = rng.normal(size=(20, 4)), rng.integers(0, 3, 20)
    history = model.fit(x, y, cost="cross_entropy", optimizer="sgd", accelerator="numba", epochs=1)
    assert history.accelerator == "numba"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "optimizer",
    [
        {"type": "sgd", "learning_rate": 0.1},
        {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9},
        {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
        "adam",
        {"type": "adamw", "clip_norm": 0.1},
        "rmsprop",
        "adagrad",
    ],
    ids=str,
)
def test_training_with_numba_gives_what_numpy_gives(optimizer, dtype, rng, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("NNFW_CHECK_KERNELS", "1")
    x, y = rng.normal(size=(40, 6)), rng.normal(size=(40, 2))
    vectors = []
    for accelerator in ("none", "numba"):
        layers = [Dense(8, activation="tanh"), Dense(8, activation="relu"), Dense(2, activation="sigmoid")]
        model = nnfw.Sequential(layers, 6, dtype=dtype, seed=1)
        history = model.fit(x, y, cost="mse", optimizer=optimizer, epochs=5, accelerator=accelerator)
        assert history.accelerator == accelerator
        vectors.append(model.parameters.vector)
    np.testing.assert_allclose(*vectors, rtol=1e-4 if dtype == "float32" else 1e-10, atol=1e-6)


@pytest.mark.parametrize("dtype", [">f8", ">f4", "f2", "g", "f8"])
@pytest.mark.parametrize("mode", ["r", "c"])
def test_numbers_that_lie_in_a_file_in_another_form_are_trained_on(tmp_path, monkeypatch, rng, dtype, mode):
    pytest.importorskip("numba")
    monkeypatch.setattr("nnfw.training.batches._HELD_IN_MEMORY", 0)
    x, y = rng.normal(size=(20, 3)).astype(dtype), rng.normal(size=(20, 2)).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    vectors = []
    for arrays in ((x, y), [np.load(tmp_path / name, mmap_mode=mode) for name in ("x.npy", "y.npy")]):
        model = nnfw.Sequential([Dense(2)], 3)
        model.fit(*arrays, cost="mse", optimizer="sgd", epochs=2, batch_size=8, accelerator="numba")
        model.evaluate(*arrays, cost="mse")
        vectors.append(model.parameters.vector)
    np.testing.assert_array_equal(*vectors)


def test_kernels_of_a_training_are_gone_after_it():
    pytest.importorskip("numba")
    model = nnfw.Sequential([Dense(1)], 2)
    model.fit(np.ones((4, 2)), np.ones((4, 1)), cost="mse", optimizer="sgd", accelerator="numba", epochs=1)
    assert engine_in_use() is DEFINITIONS


def test_numba_is_imported_only_where_it_is_used():
    code = """
import sys, numpy as np, nnfw
model = nnfw.Sequential([nnfw.layer("dense", units=1)], 2)
model.fit(np.ones((4, 2)), np.ones((4, 1)), cost="mse", optimizer="sgd")
print("numba" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_experiment_names_an_accelerator_and_its_record_tells_it(tmp_path):
    pytest.importorskip("numba")
    from nnfw.cli.main import main

    (tmp_path / "xor.toml").write_text(
        'data = { source = "xor", split = { validation = 0.0, test = 0.0 } }\n'
        'model = { layers = [{ type = "dense", units = 1 }] }\ncost = { type = "mse" }\noptimizer = { type = "sgd" }\n'
        '[training]\naccelerator = "numba"\n'
    )
    assert main(["train", str(tmp_path / "xor.toml"), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    assert '"accelerator": "numba"' in (tmp_path / "run" / "record.json").read_text()


def test_unknown_accelerator_in_an_experiment_is_told_with_its_line(tmp_path, capsys):
    from nnfw.cli.main import main

    (tmp_path / "xor.toml").write_text(
        'data = { source = "xor", split = { validation = 0.0, test = 0.0 } }\n'
        'model = { layers = [{ type = "dense", units = 1 }] }\ncost = { type = "mse" }\noptimizer = { type = "sgd" }\n'
        '[training]\naccelerator = "gpu"\n'
    )
    assert main(["train", str(tmp_path / "xor.toml"), "--out", str(tmp_path / "run")]) == 2
    assert "xor.toml:6: training.accelerator: Unknown accelerator 'gpu'. Available: auto, none, numba." in (
        capsys.readouterr().err
    )


def test_numba_that_fails_to_compile_is_done_without_from_the_beginning(monkeypatch):
    pytest.importorskip("numba")

    def fail(*arguments):
        raise SystemError("LLVM is broken.")

    monkeypatch.setattr("nnfw_numba.sequence.encoded", fail)
    expected = r"'numba' \(built-in\) cannot be loaded: SystemError: LLVM is broken\. pip install"
    with pytest.warns(RuntimeWarning, match=expected):
        assert choose("numba", REGISTRY) == (DEFINITIONS, "none")
