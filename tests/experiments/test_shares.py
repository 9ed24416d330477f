"""The shares of layers in a training step."""

import numpy as np
import pytest

import nnfw
from nnfw import Node
from nnfw.experiments.shares import shares_of
from nnfw_standard import BatchNorm, Dense, Dropout, Residual

LAYERS = [Dense(4), Residual((Dense(600, activation="tanh"), Dropout(0.1), Dense(4))), BatchNorm(), Dense(1)]


def test_shares_add_up_to_one_and_the_largest_layer_has_the_most():
    model = nnfw.Sequential(LAYERS, 4)
    shares = shares_of(model.network, model.objective("mse"), batch_size=200)
    assert len(shares) == len(model.network.graph.nodes)
    assert sum(share.time for share in shares) == pytest.approx(1)
    assert sum(share.memory for share in shares) == pytest.approx(1)
    assert all(share.time > 0 for share in shares)
    assert shares[1].memory > 10 * max(shares[0].memory, shares[4].memory, shares[5].memory)


def test_share_of_memory_is_that_of_buffers_and_parameters():
    model = nnfw.Sequential([Dense(50), Dense(1)], 10, dtype="float64")
    first, _ = shares_of(model.network, model.objective("mse"), batch_size=1)
    assert first.memory > 0.85
    wide, _ = shares_of(model.network, model.objective("mse"), batch_size=10_000)
    assert wide.memory < first.memory  # of two buffers each, one is as wide as the layer before


def test_shared_parameters_count_once():
    nodes = [Node(Dense(50), name="one"), Node(Dense(50), share="one"), Dense(1)]
    model = nnfw.Sequential(nodes, 50)
    one, two, _ = shares_of(model.network, model.objective("mse"), batch_size=1)
    assert one.memory > 3 * two.memory


def test_measuring_changes_nothing():
    model = nnfw.Sequential(LAYERS, 4, seed=3)
    before = model.parameters.vector.copy(), model.network.parameters.state.copy()
    shares_of(model.network, model.objective("mse"), batch_size=20)
    assert np.array_equal(model.parameters.vector, before[0])
    assert np.array_equal(model.network.parameters.state, before[1])
