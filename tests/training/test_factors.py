"""Rates of their own for some parameters, and frozen ones."""

import numpy as np
import pytest

import nnfw
from nnfw import Node
from nnfw_standard import Dense

X, Y = np.random.default_rng(0).normal(size=(2, 60, 3))
ADAM = {"type": "adam", "weight_decay": 0.01}
FREE = {"type": "schedule_free", "learning_rate": 0.05, "weight_decay": 0.1}
SGD = [
    pytest.param({"type": "sgd"}, id="sgd"),
    pytest.param({"type": "schedule_free", "base": "sgd"}, id="schedule_free"),
]


def trained(optimizer=ADAM, accelerator="none", epochs=3, **settings):
    """Return a network and its parameters as they were before the training."""
    model = nnfw.Sequential([Node(Dense(4, activation="tanh"), "trunk"), Dense(4, activation="tanh"), Dense(3)], 3)
    before = {name: array.copy() for name, array in model.parameters.items()}
    settings = {"batch_size": 20, "epochs": epochs, "accelerator": accelerator} | settings
    model.fit(X, Y, cost="mse", optimizer=optimizer, **settings)
    return model, before


@pytest.mark.parametrize("optimizer", [ADAM, FREE], ids=["adam", "schedule_free"])
@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_frozen_parameters_keep_their_bits_and_the_others_train(accelerator, optimizer):
    if accelerator == "numba":
        pytest.importorskip("numba")
    model, before = trained(optimizer, accelerator=accelerator, frozen=["trunk.*", "*.bias"])
    same = {name for name, array in model.parameters.items() if np.array_equal(array, before[name])}
    assert same == {"trunk.weight", "trunk.bias", "layers.1.bias", "layers.2.bias"}


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_parameters_frozen_later_keep_their_bits_where_an_average_follows_them(accelerator):
    if accelerator == "numba":
        pytest.importorskip("numba")
    model, _ = trained(FREE)
    settings = {"cost": "mse", "optimizer": FREE, "batch_size": 20, "accelerator": accelerator}
    history = model.fit(X, Y, epochs=3, **settings)
    before = {name: array.copy() for name, array in model.parameters.items()}
    model.fit(X, Y, epochs=3, frozen=["trunk.*"], continue_from=history, **settings)
    same = {name for name, array in model.parameters.items() if np.array_equal(array, before[name])}
    assert same == {"trunk.weight", "trunk.bias"}


@pytest.mark.parametrize("optimizer", SGD)
def test_gradient_of_frozen_parameters_does_not_count_in_the_norm(optimizer):
    clipped = optimizer | {"learning_rate": 1.0, "clip_norm": 1e-3}
    model, before = trained(clipped, epochs=1, batch_size=60, frozen=["trunk.*", "layers.1.*"])
    moved = np.concatenate([(model.parameters[name] - before[name]).ravel() for name in before])
    assert np.linalg.norm(moved) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("optimizer", SGD)
@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_rate_of_a_pattern_multiplies_the_step(accelerator, optimizer):
    if accelerator == "numba":
        pytest.importorskip("numba")
    optimizer = optimizer | {"learning_rate": 0.1}
    whole, before = trained(optimizer, accelerator, epochs=1, shuffle=False)
    one = {"optimizer": optimizer, "accelerator": accelerator, "epochs": 1}
    model = nnfw.Sequential(whole.nodes, 3, values=before)
    model.fit(X[:20], Y[:20], cost="mse", batch_size=20, shuffle=False, rates={"layers.1.*": 0.25}, **one)
    other = nnfw.Sequential(whole.nodes, 3, values=before)
    other.fit(X[:20], Y[:20], cost="mse", batch_size=20, shuffle=False, **one)
    for name, array in model.parameters.items():
        factor = 0.25 if name.startswith("layers.1") else 1
        np.testing.assert_allclose(array - before[name], factor * (other.parameters[name] - before[name]), atol=1e-7)


def test_last_pattern_that_matches_counts():
    model, before = trained(rates={"*": 0.0, "layers.2.*": 1.0})
    same = {name for name, array in model.parameters.items() if np.array_equal(array, before[name])}
    assert same == {"trunk.weight", "trunk.bias", "layers.1.weight", "layers.1.bias"}


def test_numpy_and_numba_take_the_same_steps():
    pytest.importorskip("numba")
    settings = {"rates": {"layers.1.*": 0.1}, "frozen": ["trunk.bias"], "epochs": 20}
    plain, compiled = (trained(accelerator=name, **settings)[0] for name in ("none", "numba"))
    np.testing.assert_allclose(plain.parameters.vector, compiled.parameters.vector, rtol=1e-4, atol=1e-6)


MISTAKES = {
    "near": (
        {"frozen": ["trnk.*"]},
        r"^frozen has the pattern 'trnk\.\*', which is that of no parameter\. Did you mean",
    ),
    "rates": (
        {"rates": {"q": 1.0}},
        r"^rates has the pattern 'q', which is that of no parameter\. Parameters: trunk\.",
    ),
    "optimizer's": (
        {"optimizer": {"type": "muon", "adam": ["trunk.*", "lyers.2.*"]}},
        r"^optimizer\.adam has the pattern 'lyers\.2\.\*', which is that of no parameter\. Did you mean",
    ),
    "negative": ({"rates": {"*": -1.0}}, r"rates\.'\*' must be greater than or equal to 0, got -1\.0"),
    "text": ({"frozen": "trunk.*"}, r"frozen must be a list of text, got 'trunk\.\*'"),
    "all": (
        {"frozen": ["trunk.*", "layers.*"]},
        r"^frozen holds back every parameter, so nothing would be trained\. Leave some of them out\.",
    ),
    "solver": (
        {"optimizer": "lbfgs", "frozen": ["trunk.*"]},
        r"frozen cannot hold parameters back: 'lbfgs' \(built-in\)",
    ),
    "solver's rates": ({"optimizer": "cg", "rates": {"*": 0.1}}, r"rates has nothing to multiply: 'cg' \(built-in\)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_named_and_nothing_trains(name):
    settings, message = MISTAKES[name]
    with pytest.raises(nnfw.ConfigError, match=message):
        trained(**settings)


class Signed(nnfw.Optimizer):
    """A step of the same norm for each parameter, by the mean of its gradient's size."""

    learning_rate = 0.1

    def update(self, vector, gradient, state, step, learning_rate, decays):
        raise AssertionError("update_parts takes its place")

    def update_parts(self, vector, gradient, state, step, learning_rate, decays, parts):
        for place in parts.values():
            vector[place] -= learning_rate * gradient[place] / (np.linalg.norm(gradient[place]) + 1e-12)


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_optimizer_of_single_parameters_gets_their_places(accelerator):
    if accelerator == "numba":
        pytest.importorskip("numba")
    model, before = trained(Signed(), accelerator, epochs=1, shuffle=False, frozen=["trunk.*"])
    once, _ = trained(Signed(), accelerator, epochs=1, frozen=["trunk.*", "layers.1.*"])
    norms = {name: np.linalg.norm(model.parameters[name] - before[name]) for name in before}
    assert norms["trunk.weight"] == 0
    assert all(0 < norms[name] <= 0.3 + 1e-5 for name in ("layers.1.weight", "layers.2.bias"))
    assert np.array_equal(once.parameters["layers.1.weight"], before["layers.1.weight"])


def test_frozen_parameter_stays_as_it_is_whatever_its_rate():
    model, before = trained(rates={"trunk.*": 0.5, "*": 2.0}, frozen=["trunk.*"])
    same = {name for name, array in model.parameters.items() if np.array_equal(array, before[name])}
    assert same == {"trunk.weight", "trunk.bias"}
