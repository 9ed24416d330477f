"""The embedding: an index that stands for nothing, and its weight shared with the output."""

import numpy as np
import pytest

import nnfw
from nnfw.workspace import Workspace
from nnfw_standard import GRU, Dense, Embedding


def test_the_padding_index_gives_zero_and_gets_no_gradient():
    layer, rng = Embedding(4, 3, padding_index=2), np.random.default_rng(0)
    params, workspace = {"weight": rng.standard_normal((4, 3))}, Workspace(np.float64)
    indices = np.array([[0, 2, 1], [2, 2, 3]])
    z = layer.forward(params, indices, workspace)
    assert (z[indices == 2] == 0).all()
    assert (z[0, 0] == params["weight"][0]).all()
    grads = {"weight": np.full((4, 3), np.nan)}
    layer.backward(params, np.ones((2, 3, 3)), grads, workspace)
    assert grads["weight"].tolist() == [[1] * 3, [1] * 3, [0] * 3, [1] * 3]


def test_a_padding_index_beyond_the_indices_is_refused():
    with pytest.raises(nnfw.ShapeError, match="Layer 0 'embedding' .*: expected a padding_index from 0 to 3, got 4"):
        nnfw.Sequential([Embedding(4, 3, padding_index=4)], (2,))


@pytest.mark.parametrize("padding_index", [None, 0])
def test_the_output_shares_the_weight(padding_index):
    layers = [
        nnfw.Node(Embedding(7, 4, padding_index=padding_index), "tokens"),
        GRU(4, states="all"),
        nnfw.Node(Dense(7, bias=False, activation="softmax"), share="tokens"),
    ]
    model = nnfw.Sequential(layers, (5,), dtype="float64")
    assert [name for name in model.parameters if "weight" in name] == [
        "tokens.weight",
        "layers.1.weight",
        "layers.1.recurrent_weight",
    ]
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 7, (3, 5)), rng.integers(0, 7, (3, 5))
    assert nnfw.gradcheck(model, x, y, cost="token_cross_entropy").ok
    first = model.fit(x, y, cost="token_cross_entropy", optimizer="adam", epochs=40).records[0]["cost"]
    assert model.evaluate(x, y, cost="token_cross_entropy")["cost"] < first
