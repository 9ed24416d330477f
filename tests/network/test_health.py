"""Verdicts on the layers of a network: networks that vanish, explode or die are found, and healthy ones are not."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw import Node
from nnfw.network import explanations, time_explanations
from nnfw_standard import (
    Add,
    BatchNorm,
    Constant,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Repeat,
    SimpleRNN,
    TimePool,
)

LARGE = {"type": "normal", "standard_deviation": 1.0}


def verdicts(found):
    return [each.verdict for each in found]


def model_of(*layers, input_shape=16, **options):
    return nnfw.Sequential([*layers, Dense(4, activation="softmax")], input_shape, seed=1, **options)


@pytest.fixture
def look(rng):
    def health(model, count=64):
        x, y = rng.normal(size=(count, *np.atleast_1d(model.input_shape))), rng.integers(0, 4, count)
        return model.health(x, y, cost="cross_entropy")

    return health


def test_health_is_that_of_the_quantities_of_the_pass(rng):
    model = model_of(Dense(8, activation="tanh"), dtype="float64")
    x, y = rng.normal(size=(30, 16)), rng.integers(0, 4, 30)
    trace = model.trace(x, y, cost="cross_entropy")
    for found, layer in zip(model.health(x, y, cost="cross_entropy"), trace.layers, strict=True):
        assert (found.z_mean, found.z_spread) == pytest.approx((layer.z.mean(), layer.z.std()))
        assert (found.a_mean, found.a_spread) == pytest.approx((layer.a.mean(), layer.a.std()))
        assert found.delta == pytest.approx(np.sqrt((layer.delta**2).sum()))
        assert found.dead == 0
        assert found.outputs == pytest.approx(np.sqrt((trace.layers[-1].delta ** 2).sum()))
    assert [(each.name, each.layer, each.shape) for each in (found,)] == [("1", "dense", (4,))]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_health_of_a_network_that_learns_is_good(activation, look):
    found = look(model_of(Dense(32, activation=activation), Dense(32, activation=activation)))
    assert verdicts(found) == ["", "", ""]
    assert list(explanations(found)) == []


def test_health_of_20_sigmoid_layers_is_vanishing(look):
    found = look(model_of(Repeat((Dense(32, activation="sigmoid"),), times=20)))
    assert found[0].delta < 1e-9 * found[-1].delta
    assert found[0].verdict == "vanishing"
    assert verdicts(found)[-3:] == ["", "", ""]
    (text,) = explanations(found)
    count = verdicts(found).count("vanishing")
    assert text == (
        f"Vanishing: {count} layers, 0.0.0 to 0.{count - 1}.0: ‖δ‖ is down to {found[0].delta:.2g}, less than 1/1000 "
        "of that of the outputs. Use an activation whose derivative is near 1, an initializer that fits it, a layer "
        "that normalises, or residual blocks."
    )


def test_health_of_large_first_weights_is_exploding(look):
    found = look(model_of(*[Dense(64, activation="relu", weight_initializer=LARGE) for _ in range(8)]))
    assert found[0].verdict == "exploding"
    assert found[-1].verdict == ""
    (text,) = explanations(found)
    assert text.startswith("Exploding: ")
    assert f"‖δ‖ is up to {found[0].delta:.2g}, more than 1000 times that of the outputs. Begin with smaller" in text


def test_health_of_values_that_overflow_is_exploding(look):
    initializer = {"type": "normal", "standard_deviation": 1e30}
    found = look(model_of(*[Dense(8, activation="relu", weight_initializer=initializer) for _ in range(3)]))
    assert "exploding" in verdicts(found)
    assert any("‖δ‖ is up to inf" in text for text in explanations(found))


def test_health_of_relu_with_a_large_negative_bias_is_dead_and_below_it_vanishing(look):
    dead = Dense(8, activation="relu", bias_initializer={"type": "constant", "value": -50.0})
    found = look(model_of(Dense(8, activation="tanh"), dead))
    assert verdicts(found) == ["vanishing", "dead", ""]
    assert found[1].dead == 1
    dead, vanishing = explanations(found)
    assert dead == (
        "Dead: layer 1: 100% of the units give the same for every example, with δ = 0. Lower the learning rate, begin "
        "with smaller weights and with biases of 0, or use an activation whose derivative is not 0 there."
    )
    assert vanishing == (
        "Vanishing: layer 0: ‖δ‖ is down to 0, less than 1/1000 of that of the outputs. Begin with the dead ones."
    )


def test_health_counts_the_units_that_are_dead(look):
    model = model_of(Dense(8, activation="relu"))
    model.parameters["layers.0.bias"] = [-50.0] * 3 + [0.0] * 5
    assert look(model)[0].dead == 3 / 8
    model.parameters["layers.0.bias"] = [-50.0] * 4 + [0.0] * 4
    assert verdicts(look(model)) == ["dead", ""]


def test_health_of_an_input_that_never_changes_is_not_dead(rng):
    model = model_of(Flatten(), input_shape=(4, 4))
    x = rng.normal(size=(20, 4, 4)) * np.eye(4)
    assert model.health(x, rng.integers(0, 4, 20), cost="cross_entropy")[0].dead == 0


def test_health_of_a_single_example_has_no_dead_units(look):
    assert look(model_of(Dense(8, activation="relu")), count=1)[0].dead == 0


def test_health_of_images_counts_channels(look):
    model = model_of(Conv2D(4, 3, activation="relu"), Flatten(), input_shape=(1, 6, 6))
    model.parameters["layers.0.bias"] = [-50.0, 0.0, 0.0, 0.0]
    found = look(model)
    assert (found[0].shape, found[0].dead) == ((4, 4, 4), 1 / 4)


def test_health_leaves_padding_out(rng):
    layers = [Dense(3, activation="tanh"), TimePool(), Dense(4, activation="softmax")]
    model = nnfw.Sequential(layers, (5, 2), dtype="float64")
    values, lengths = rng.normal(size=(6, 5, 2)), np.array([5, 1, 2, 3, 4, 5])
    found = model.health(nnfw.Padded(values, lengths), rng.integers(0, 4, 6), cost="cross_entropy")
    z = values @ model.parameters["layers.0.weight"].T
    kept = z[np.arange(5) < lengths[:, np.newaxis]]
    assert (found[0].z_mean, found[0].z_spread) == pytest.approx((kept.mean(), kept.std()))


def test_health_acts_as_in_training_and_changes_nothing(look):
    model = model_of(Dense(8), BatchNorm(), Dropout(0.5))
    before = {name: array.copy() for name, array in model.parameters.items()}
    state = model.network.parameters.state.copy()
    found = look(model)
    assert found[1].z_spread == pytest.approx(1, abs=1e-3)
    assert found[2].z_spread == pytest.approx(np.sqrt(2), rel=0.1)
    assert all(np.array_equal(model.parameters[name], array) for name, array in before.items())
    assert np.array_equal(model.network.parameters.state, state)


def test_health_twice_is_the_same(rng):
    model = model_of(Dense(8), Dropout(0.5))
    x, y = rng.normal(size=(10, 16)), rng.integers(0, 4, 10)
    assert model.health(x, y, cost="cross_entropy") == model.health(x, y, cost="cross_entropy")


def test_health_of_a_graph_has_a_row_for_each_node(look):
    model = model_of(Node(Dense(16), name="trunk"), Dense(16), Node(Add(), inputs=("trunk", "previous")))
    assert [(each.name, each.layer) for each in look(model)] == [
        ("trunk", "dense"),
        ("1", "dense"),
        ("2", "add"),
        ("3", "dense"),
    ]


def test_health_compares_with_the_largest_of_the_outputs_that_a_node_leads_to(rng):
    nodes = [
        Node(Dense(8, activation="tanh"), name="trunk"),
        Node(Dense(1), name="small"),
        Node(Dense(1), name="large", inputs=("trunk",)),
    ]
    model = nnfw.Sequential(nodes, 4, outputs=("small", "large"))
    labels = {"small": np.zeros(9), "large": np.full(9, 1e6)}
    found = model.health(rng.normal(size=(9, 4)), labels, cost={"small": "mse", "large": "mse"})
    trunk, small, large = found
    assert small.delta < large.delta / 1000
    assert (trunk.outputs, small.outputs, large.outputs) == (large.delta, small.delta, large.delta)
    assert verdicts(found) == ["", "", ""]


def recurrent(weight, steps=20):
    """Return the only layer's health in a recurrent network whose h_t = tanh(a_t + weight h_(t−1)), for small a."""
    layers = [SimpleRNN(1, recurrent_initializer=Constant(weight), weight_initializer=Constant(1.0)), Dense(1)]
    model = nnfw.Sequential(layers, (steps, 1), seed=0, dtype="float64")
    x = 1e-9 * np.ones((3, steps, 1))
    return model.health(x, np.ones(3), cost="mse")[0]


def test_delta_through_time_shrinks_by_the_recurrent_weight():
    found = recurrent(0.5)
    assert len(found.through_time) == 20
    ratios = np.divide(found.through_time[1:], found.through_time[:-1])
    np.testing.assert_allclose(ratios, 2, rtol=1e-6)
    assert found.time_verdict == "vanishing"
    (text,) = time_explanations([found])
    assert re.fullmatch(
        r"Vanishing through time: layer 0: ‖∂C/∂h_t‖ of the first of 20 steps is \S+, less than 1/1000 of that of the "
        r"last, \S+\. The first steps hardly learn: use a layer with gates, attention, or shorter sequences\.",
        text,
    )


def test_delta_through_time_may_explode_or_be_well():
    found = recurrent(2.0)
    assert found.time_verdict == "exploding"
    (text,) = time_explanations([found])
    assert text.startswith("Exploding through time: layer 0: ‖∂C/∂h_t‖ of the first of 20 steps is ")
    assert "more than 1000 times that of the last" in text
    assert recurrent(1.0).time_verdict == ""
    assert list(time_explanations([recurrent(1.0)])) == []


def test_delta_through_time_leaves_padding_out():
    model = nnfw.Sequential([SimpleRNN(2), Dense(1)], (6, 1), seed=0, dtype="float64")
    x, y = np.random.default_rng(0).normal(size=(2, 6, 1)), np.ones(2)
    found = model.health(nnfw.Padded(x, [4, 3]), y, cost="mse")
    assert len(found[0].through_time) == 4  # no example has more
    assert found[1].through_time == ()


@pytest.mark.parametrize("value", [3, np.ones(3), np.ones((2, 2, 2), int)], ids=["number", "vector", "integers"])
def test_through_time_that_gives_something_else_is_refused(value):
    @dataclass(frozen=True)
    class Wrong(SimpleRNN):
        def through_time(self, params, delta, workspace):
            return value

    model = nnfw.Sequential([Wrong(2)], (3, 1))
    message = r"^Layer 0 .*Wrong': through_time returned .*, expected an array of numbers \(T, N, units\), or None\.$"
    with pytest.raises(nnfw.PluginError, match=message):
        model.health(np.ones((2, 3, 1)), np.ones((2, 2)), cost="mse")
