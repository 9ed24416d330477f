"""The rectifier with trained slopes: PyTorch's values, and its place in a network."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

import nnfw
from nnfw import Node
from nnfw.testing import run_checks
from nnfw.workspace import Workspace
from nnfw_standard import SGD, ActivationLayer, Conv2D, Dense, Flatten, PReLU, Residual
from nnfw_standard.layers.prelu import ParametricReLU

X = np.random.default_rng(4).normal(size=(40, 3))


@pytest.mark.parametrize("slopes", [1, 4])
@pytest.mark.parametrize("shape", ["vector", "image"])
def test_values_and_gradients_equal_those_of_pytorch(shape, slopes):
    with np.load("tests/standard/golden/prelu.npz") as stored:
        given = {name: stored[f"{shape} {slopes} {name}"] for name in ("a", "slope", "delta", "z")}
        expected = {name: stored[f"{shape} {slopes} grad_{name}"] for name in ("a", "slope")}
    layer, workspace = ParametricReLU(shared=slopes == 1), Workspace(np.float64, training=True)
    params, grads = {"slope": given["slope"]}, {"slope": np.empty(slopes)}

    z = layer.forward(params, given["a"], workspace).copy()
    gradient = layer.backward(params, given["delta"], grads, workspace)

    np.testing.assert_allclose(z, given["z"], rtol=1e-12)
    np.testing.assert_allclose(gradient, expected["a"], rtol=1e-12)
    np.testing.assert_allclose(grads["slope"], expected["slope"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "layer", [ParametricReLU(), ParametricReLU(0.1, shared=True), ParametricReLU(axis=0)], ids=["", "shared", "first"]
)
def test_layer_passes_every_check(layer):
    report = run_checks(layer)
    assert report.ok, report.failures


@pytest.mark.parametrize(
    ("shape", "options", "slopes"),
    [
        ((5,), {}, 5),
        ((7, 5), {}, 5),
        ((3, 8, 8), {}, 3),
        ((7, 5), {"axis": 0}, 7),
        ((3, 8, 8), {"axis": -1}, 8),
        ((3, 8, 8), {"shared": True}, 1),
    ],
)
def test_slopes_are_those_of_the_channels(shape, options, slopes):
    model = nnfw.Sequential([ActivationLayer(PReLU(0.5, **options))], input_shape=shape)

    np.testing.assert_array_equal(model.parameters["layers.0.activation.slope"], np.full(slopes, 0.5))


def test_node_is_called_as_the_activation_is():
    model = nnfw.Sequential([Dense(2, activation="prelu")], input_shape=3)
    graph = model.network.graph
    assert model.registry.name_of("layer", graph.nodes[1].layer) == "prelu"
    assert graph.label(graph.nodes[1]) == "Layer 0.activation 'prelu' (built-in)"
    assert model.registry.title(None) == "Component 'NoneType'"


def test_axis_that_is_not_there_is_refused():
    with pytest.raises(nnfw.ShapeError, match=r"expected input with the axis 1, got \(4,\)"):
        nnfw.Sequential([Dense(4, activation=PReLU(axis=1))], input_shape=3)


def test_activation_becomes_a_node_after_its_layer_and_trains():
    model = nnfw.Sequential([Dense(4, activation="prelu"), Dense(2, activation="softmax")], input_shape=3, seed=1)
    assert [place.name for place in model.network.graph.nodes] == ["layers.0", "layers.0.activation", "layers.1"]
    assert list(model.parameters)[2:3] == ["layers.0.activation.slope"]
    assert model.parameters.layout.places["layers.0.activation.slope"].start >= model.parameters.layout.decays.stop

    w, b = model.parameters["layers.0.weight"], model.parameters["layers.0.bias"]
    z = X.astype("float32") @ w.T + b
    hidden = nnfw.Sequential([Dense(4, activation="prelu")], 3, values={"layers.0.weight": w, "layers.0.bias": b})
    np.testing.assert_allclose(hidden.predict(X), np.where(z > 0, z, 0.25 * z), rtol=1e-5, atol=1e-6)

    history = model.fit(X, X[:, 0] > 0, cost="cross_entropy", optimizer=SGD(0.5), epochs=10, accelerator="none")
    assert history["cost"][-1] < 0.5 * history["cost"][0]
    assert len(set(model.parameters["layers.0.activation.slope"].tolist())) == 4


def test_node_with_a_name_shares_and_freezes_its_slopes():
    nodes = [
        Node(Dense(3, activation="prelu"), "first"),
        Node(Dense(3, activation="prelu"), "second", share="first"),
        Node(Dense(1), "last"),
    ]
    model = nnfw.Sequential(nodes, input_shape=3)
    assert list(model.parameters) == [
        "first.weight",
        "first.bias",
        "first.activation.slope",
        "last.weight",
        "last.bias",
    ]
    before = model.parameters["first.activation.slope"].copy()

    model.fit(X, X[:, :1], cost="mse", optimizer="adam", frozen=["*.slope"], accelerator="none", epochs=1)

    np.testing.assert_array_equal(model.parameters["first.activation.slope"], before)


def test_network_with_slopes_in_blocks_and_at_an_output_is_saved_and_read(tmp_path):
    layers = [
        Conv2D(2, 3, activation=PReLU(shared=True)),
        Flatten(),
        Residual([Dense(18, activation="prelu")], activation="prelu"),
        Node(Dense(2, activation="prelu"), "out"),
    ]
    model = nnfw.Sequential(layers, input_shape=(1, 5, 5), outputs=["out"], seed=1)
    names = [name for name in model.parameters if name.endswith("slope")]
    assert names == [
        "layers.0.activation.slope",
        "layers.2.layers.0.activation.slope",
        "layers.2.layers.1.activation.slope",
        "out.activation.slope",
    ]
    for name in names:
        model.parameters[name] = np.linspace(-0.5, 0.5, model.parameters[name].size)
    x = np.random.default_rng(1).normal(size=(3, 1, 5, 5))

    model.save(tmp_path / "model.nnfw")

    found, expected = nnfw.load(tmp_path / "model.nnfw").predict(x)["out"], model.predict(x)["out"]
    np.testing.assert_array_equal(found, expected)
    assert (expected < 0).any()


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_numba_trains_slopes_as_numpy_does(accelerator):
    if accelerator == "numba":
        pytest.importorskip("numba")
    models = [nnfw.Sequential([Dense(8, activation="prelu"), Dense(3)], 3, seed=1) for _ in range(2)]
    for model, chosen in zip(models, ("none", accelerator), strict=True):
        model.fit(X, X, cost="mse", optimizer="adam", epochs=5, batch_size=8, accelerator=chosen)

    np.testing.assert_allclose(models[0].parameters.vector, models[1].parameters.vector, rtol=1e-4, atol=1e-5)


def test_activation_of_a_layer_class_may_have_slopes():
    @dataclass(frozen=True)
    class Fixed(ActivationLayer):
        activation: ClassVar = "prelu"

    model = nnfw.Sequential([Fixed()], input_shape=2)

    assert list(model.parameters) == ["layers.0.activation.slope"]


@pytest.mark.parametrize("found", ["dense", Residual([Dense(2)]), PReLU()], ids=["name", "block", "activation"])
def test_as_layer_that_gives_no_layer_is_the_fault_of_its_activation(found):
    @dataclass(frozen=True)
    class Wrong(PReLU):
        def as_layer(self):
            return found

    text = r"Layer 0 'dense' \(built-in\): as_layer returned .*, expected a layer, or None"
    with pytest.raises(nnfw.PluginError, match=text):
        nnfw.Sequential([Dense(2, activation=Wrong())], input_shape=2)


def spoilt(**methods):
    return dataclass(frozen=True)(type("Spoilt", (ParametricReLU,), {**methods, "__annotations__": {}}))()


def changed_slopes(change):
    def backward(self, params, delta, grads, workspace):
        gradient = ParametricReLU.backward(self, params, delta, grads, workspace)
        change(grads["slope"], delta, workspace["a_prev"])
        return gradient

    return spoilt(backward=backward)


def changed_input(change):
    def backward(self, params, delta, grads, workspace):
        ParametricReLU.backward(self, params, delta, grads, workspace)
        return change(params["slope"], delta, workspace["a_prev"])

    return spoilt(backward=backward)


INPUT, SLOPES = "layer.gradient_of_input", "layer.gradients_of_parameters"
PLANTED = {
    "slopes-of-the-positive": (
        changed_slopes(lambda s, delta, a: np.copyto(s, (delta * np.maximum(a, 0)).reshape(-1, len(s)).sum(axis=0))),
        SLOPES,
    ),
    "slopes-as-means": (changed_slopes(lambda s, delta, a: np.divide(s, len(a), out=s)), SLOPES),
    "slopes-forgotten": (changed_slopes(lambda s, delta, a: s.fill(0)), SLOPES),
    "slopes-reversed": (changed_slopes(lambda s, delta, a: np.copyto(s, s[::-1].copy())), SLOPES),
    "input-of-a-plain-rectifier": (changed_input(lambda s, delta, a: delta * (a > 0)), INPUT),
    "input-with-the-slope-everywhere": (changed_input(lambda s, delta, a: delta * s), INPUT),
    "input-with-the-slope-on-the-wrong-side": (
        changed_input(lambda s, delta, a: np.where(a < 0, delta, s * delta)),
        INPUT,
    ),
}


@pytest.mark.parametrize(("layer", "check"), PLANTED.values(), ids=PLANTED)
def test_wrong_gradient_is_found(layer, check):
    report = run_checks(layer, only=[check])
    assert [item.check for item in report.failures] == [check], report


def test_right_layer_passes_the_same_checks():
    assert run_checks(replace(ParametricReLU(), shared=False), only=[INPUT, SLOPES]).ok
