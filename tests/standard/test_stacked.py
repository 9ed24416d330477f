"""Stacked recurrent layers: the same as one written after the other."""

import numpy as np
import pytest

import nnfw
from nnfw_standard import GRU, LSTM, Dense, Stacked


@pytest.mark.parametrize("layer", [LSTM(3), GRU(3, states="all", reverse=True)], ids=repr)
def test_a_stack_is_its_layers_one_after_the_other(layer):
    from dataclasses import replace

    stack = nnfw.Sequential([Stacked(layer, times=3)], (5, 3), dtype="float64", seed=1)
    apart = nnfw.Sequential(
        [replace(layer, states="all"), replace(layer, states="all"), layer], (5, 3), dtype="float64"
    )
    for own, other in zip(apart.parameters, stack.parameters, strict=True):
        assert other == f"layers.0.{own}"
        apart.parameters[own] = stack.parameters[other]
    x = np.random.default_rng(0).standard_normal((4, 5, 3))
    np.testing.assert_array_equal(stack.predict(x), apart.predict(x))


def test_dropout_stands_between_the_layers():
    model = nnfw.Sequential([Stacked(LSTM(3), times=2, dropout=0.5)], (5, 3))
    assert [model.registry.name_of("layer", place.layer) for place in model.network.graph.nodes] == [
        "lstm",
        "dropout",
        "lstm",
    ]


def test_a_stack_of_one_is_the_layer():
    assert len(nnfw.Sequential([Stacked(GRU(3), times=1)], (5, 3)).network.graph.nodes) == 1


def test_a_stack_refuses_layers_without_states():
    with pytest.raises(nnfw.ConfigError, match="expected a recurrent layer, which has the option states, got Dense"):
        nnfw.Sequential([Stacked(Dense(3))], (5, 3))


def test_a_stack_reads_from_a_first_layer_with_a_name():
    layers = [nnfw.Node(Stacked(GRU(3)), "tower", ("a",)), nnfw.Node(Dense(2), inputs=("tower",))]
    model = nnfw.Sequential(layers, {"a": (5, 2)})
    assert model.output_shape == (2,)
