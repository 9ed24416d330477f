"""Saving and loading models."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.data import Preprocessing
from nnfw.storage import container
from nnfw_standard import Dense, Dropout

COLUMN = {"name": "x", "kind": "numeric", "shape": [3], "output_shape": [3], "steps": []}
MEANS = {"transform": "standardize", "fitted": {"mean": [0, 0, 0], "scale": [1, 1, 1]}}
DISTRIBUTIONS = Path(__file__).parents[1] / "data" / "distributions"


@pytest.fixture
def model():
    layers = [
        Dense(5, activation=nnfw.activation("leaky_relu", slope=0.2), weight_initializer="he_normal"),
        Dropout(0.5),
        nnfw.Chain((Dense(4, activation="tanh", bias=False), Dense(2))),
        {"type": "activation", "activation": "softmax"},
    ]
    return nnfw.Sequential(layers, 3, seed=11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loaded_model_is_the_saved_one_bit_for_bit(model, dtype, tmp_path, rng):
    model = nnfw.Sequential(model.layers, 3, seed=11, dtype=dtype)
    model.save(tmp_path / "model.nnfw")
    loaded = nnfw.load(tmp_path / "model.nnfw")
    assert loaded.layers == model.layers
    assert loaded.parameters.vector.tobytes() == model.parameters.vector.tobytes()
    assert (loaded.input_shape, loaded.output_shape, loaded.seed, loaded.dtype) == ((3,), (2,), 11, np.dtype(dtype))
    x = rng.normal(size=(7, 3))
    assert np.array_equal(loaded.predict(x), model.predict(x))


def test_file_names_components_by_distribution_and_version(model, tmp_path):
    model.save(tmp_path / "model.nnfw")
    header, arrays = container.read(tmp_path / "model.nnfw")
    assert header["layers"][0]["type"] == "nnfw:dense"
    assert header["layers"][0]["activation"] == {"type": "nnfw:leaky_relu", "slope": 0.2}
    assert list(header["distributions"]) == ["nnfw"]
    assert "layers.2.layers.0.weight" in arrays


def test_saving_a_component_of_no_plugin_is_refused_and_writes_nothing(tmp_path):
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Mine(nnfw.Elementwise):
        def value(self, z):
            return z

        def derivative(self, z, a):
            return np.ones_like(z)

    model = nnfw.Sequential([Dense(2, activation=Mine())], 3)
    with pytest.raises(nnfw.PluginError, match="belongs to no installed plugin, so a file cannot name it"):
        model.save(tmp_path / "model.nnfw")
    assert list(tmp_path.iterdir()) == []


def test_saving_parameters_that_are_not_finite_is_refused_and_keeps_the_old_file(model, tmp_path):
    model.save(tmp_path / "model.nnfw")
    before = (tmp_path / "model.nnfw").read_bytes()
    model.parameters["layers.0.weight"][0, 0] = np.nan
    with pytest.raises(nnfw.DataError, match="layers.0.weight"):
        model.save(tmp_path / "model.nnfw")
    assert (tmp_path / "model.nnfw").read_bytes() == before


DISTRIBUTIONS_WRONG = r"'distributions' must be a table of names and versions, got {'[xy][^\n]*The file is damaged\.$"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"distributions": {"nnfw-swish": "0.2"}},
            r"needs nnfw-swish 0.2, which is not installed.* pip install nnfw-swish",
        ),
        ({"distributions": 3}, "'distributions' must be a table of names and versions, got 3"),
        ({"distributions": {"x; rm -r ~": "1"}}, r"'distributions' must be a table of names and versions, got {'x; rm"),
        ({"distributions": {"x": "1", "y; rm -rf ~": "1"}}, DISTRIBUTIONS_WRONG),
        ({"distributions": {"y; rm -rf ~": "1", "x": "1"}}, DISTRIBUTIONS_WRONG),
        ({"distributions": {"x": "1", "y": "1; rm -rf ~"}}, DISTRIBUTIONS_WRONG),
        ({"distributions": {"x": "1", "y": None}}, DISTRIBUTIONS_WRONG),
        ({"distributions": {"x": "1\nrun this"}}, r"'distributions' must be a table of names and versions, got {'x': "),
        ({"distributions": {"x": 1}}, r"'distributions' must be a table of names and versions, got {'x': 1}"),
        ({"distributions": {"x" * 101: "1"}}, r"'distributions' must be a table of names and versions, got {'xxx"),
        ({"distributions": {"x": "1" * 101}}, r"'distributions' must be a table of names and versions, got {'x': '11"),
        (
            {"distributions": {f"x{index}": "1" for index in range(101)}},
            r"'distributions' must be a table of names and versions, got {'x0': '1', ",
        ),
        ({"layers": []}, "layers must be a list of layers,? of length ≥ 1"),
        (
            {"layers": [{"type": "nnfw:dense", "units": 6}]},
            r"array 'layers.0.bias' is float32 \(5,\), the layers need float32 \(\d+,\)",
        ),
        (
            {"layers": [{"type": "nnfw:dense", "units": 10**15}]},
            r"array 'layers.0.bias' is float32 \(5,\), the layers need float32 \(\d+,\)",
        ),
        ({"layers": [{"type": "nnfw:dens", "units": 6}]}, "Unknown layer 'nnfw:dens'. Did you mean 'nnfw:dense'"),
        (
            {"layers": [{"type": "nnfw_standard.layers.dense:Dense", "units": 5}]},
            "The distribution 'nnfw-standard-layers-dense' is not installed",
        ),
        ({"layers": 3}, "layers must be a list"),
        ({"input_shape": [2]}, r"'layers.0.weight' is float32 \(5, 3\), the layers need float32 \(5, 2\)"),
        ({"input_shape": "3"}, "input_shape must be a list"),
        ({"input_shape": [1] * 65}, "input_shape must be a list of whole numbers ≥ 1 of length ≤ 64"),
        ({"dtype": "float16"}, "dtype must be 'float32' or 'float64'"),
        ({"dtype": "float64"}, r"'layers.0.bias' is float32 \(5,\), the layers need float64 \(5,\)"),
        ({"seed": -1}, "seed must be greater than or equal to 0"),
        ({"extra": 1}, "extra is not an option"),
        ({"preprocessing": {"columns": 3}}, "preprocessing.columns must be a list of tables"),
        (
            {"preprocessing": {"columns": [dict(COLUMN, shape=[2], output_shape=[2])]}},
            r"makes examples of shape \(2,\), the network",
        ),
        (
            {"preprocessing": {"columns": [COLUMN], "classes": ["a", "b", "c"]}},
            r"it has 3 classes, the network gives \(2,\)",
        ),
        (
            {"preprocessing": {"columns": [COLUMN], "target": dict(COLUMN, steps=[MEANS])}},
            r"its transforms make targets of shape \(3,\), the network gives \(2,\)\. Classes need no target",
        ),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_files_that_no_model_can_be_built_from_are_refused(model, tmp_path, change, message):
    path = tmp_path / "model.nnfw"
    model.save(path)
    header, arrays = container.read(path)
    container.write(path, header | change, arrays)
    with pytest.raises(nnfw.FileFormatError, match=message) as caught:
        nnfw.load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_parameters_beyond_the_memory_of_the_machine_are_refused_before_they_are_read(model, tmp_path, monkeypatch):
    model.save(tmp_path / "model.nnfw")
    monkeypatch.setattr(os, "sysconf", lambda name: 9)  # pages of as many bytes
    monkeypatch.setattr(container.Container, "arrays", lambda self: pytest.fail("arrays are read"))
    with pytest.raises(nnfw.FileFormatError, match=r"50 parameters, which take .* more than this machine's 0 GiB"):
        nnfw.load(tmp_path / "model.nnfw")


@pytest.mark.parametrize(
    ("classes", "message"),
    [(("a", "a"), "must be different names, got 'a' twice"), (("a", "b" * 1001), "must be text of length ≤ 1000")],
    ids=["twice", "long"],
)
def test_saving_classes_that_would_not_be_read_is_refused_and_writes_nothing(model, tmp_path, classes, message):
    examples = nnfw.Examples({"x": np.zeros((4, 3))}, np.array([0, 1, 0, 1]), classes=classes)
    model.preprocessing = Preprocessing.fit(examples)
    with pytest.raises(nnfw.ConfigError, match=message):
        model.save(tmp_path / "model.nnfw")
    assert list(tmp_path.iterdir()) == []


def test_file_of_another_version_that_cannot_be_built_says_which_it_was_written_with(model, tmp_path):
    path = tmp_path / "model.nnfw"
    model.save(path)
    header, arrays = container.read(path)
    container.write(path, header | {"distributions": {"nnfw": "77.1"}, "extra": 1}, arrays)
    with pytest.raises(nnfw.FileFormatError, match=r"extra is not an option.* It was written with nnfw 77\.1 \(here "):
        nnfw.load(path)


def test_saving_a_preprocessing_that_does_not_fit_is_refused_and_writes_nothing(model, tmp_path):
    model.preprocessing = Preprocessing.fit(nnfw.Examples({"x": np.zeros((4, 2))}))
    with pytest.raises(nnfw.ShapeError, match=r"makes examples of shape \(2,\), the network takes \(3,\)"):
        model.save(tmp_path / "model.nnfw")
    assert list(tmp_path.iterdir()) == []


def test_model_of_a_plugin_loads_where_the_plugin_is_and_says_what_to_install_elsewhere(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(DISTRIBUTIONS / "healthy")
    registry = nnfw.Registry.discover()
    model = nnfw.Sequential([{"type": "dense", "units": 2, "activation": "swish"}], 3, registry=registry)
    model.save(tmp_path / "model.nnfw")
    assert nnfw.load(tmp_path / "model.nnfw", registry=registry).layers == model.layers
    (distribution,) = {item.plugin.distribution for item in registry.components("activation")} - {"nnfw"}
    monkeypatch.undo()
    for name in [name for name in sys.modules if name.startswith("fake_")]:
        del sys.modules[name]
    sys.path_importer_cache.clear()
    with pytest.raises(nnfw.FileFormatError, match=f"needs {distribution}.*pip install {distribution}"):
        nnfw.load(tmp_path / "model.nnfw", registry=nnfw.Registry.discover())
