"""Layers that normalise: what they do with constant values, few values, padded sequences and wrong shapes."""

import re

import numpy as np
import pytest

import nnfw
from nnfw.ops.accelerators import choose
from nnfw.ops.checked import difference
from nnfw.plugins import default_registry
from nnfw.workspace import Workspace
from nnfw_standard import BatchNorm, Dense, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from nnfw_standard import normalization_operations as operations

SLOW = nnfw.optimizer("sgd", learning_rate=1e-9)


@pytest.mark.parametrize("layer", [BatchNorm(axis=0), LayerNorm(2), GroupNorm(2), InstanceNorm()], ids=repr)
def test_values_that_are_all_the_same_become_0(layer):
    model = nnfw.Sequential([layer], (2, 3), dtype="float64")
    model.parameters["layers.0.shift"] = np.full(model.parameters["layers.0.shift"].shape, 0.25)
    node = model.network.graph.nodes[0].layer
    params = {name.removeprefix("layers.0."): array for name, array in model.parameters.items()}
    z = node.forward(params, np.full((4, 2, 3), 7.0), Workspace(np.float64, training=True))
    np.testing.assert_array_equal(z, np.full((4, 2, 3), 0.25))


def test_batch_of_one_is_the_shift_and_leaves_the_running_statistics():
    model = nnfw.Sequential([Dense(3), BatchNorm()], 2, dtype="float64")
    before = model.parameters.state.copy()
    history = model.fit(np.ones((1, 2)), np.ones((1, 3)), cost="mse", optimizer=SLOW, epochs=2)
    assert np.isfinite(history[-1]["cost"])
    np.testing.assert_array_equal(model.parameters.state, before)


def test_running_statistics_are_those_of_the_formula(rng):
    x = rng.normal(3, 2, (10, 2))
    model = nnfw.Sequential([BatchNorm(momentum=0.75)], 2, dtype="float64")
    model.fit(x, x + 5, cost="mse", optimizer=SLOW, epochs=1, batch_size=10)
    state = {name.rpartition(".")[2]: array for name, array in model.parameters.items()}
    np.testing.assert_allclose(state["running_mean"], 0.25 * x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(state["running_variance"], 0.75 + 0.25 * x.var(axis=0, ddof=1), rtol=1e-12)
    z = (x - state["running_mean"]) / np.sqrt(state["running_variance"] + 1e-5) * state["scale"] + state["shift"]
    np.testing.assert_allclose(model.predict(x), z, rtol=1e-12)


def test_training_with_batch_norm_resumes_to_the_bit(rng, tmp_path):
    x, y = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)

    def network():
        return nnfw.Sequential([Dense(8, bias=False), BatchNorm(activation="relu"), Dense(3, activation="softmax")], 4)

    options = {"cost": "cross_entropy", "optimizer": "adam", "batch_size": 16}
    whole, part = network(), network()
    whole.fit(x, y, epochs=4, **options)
    part.fit(x, y, epochs=2, checkpoints=tmp_path, **options)
    part = network()
    part.fit(x, y, epochs=4, checkpoints=tmp_path, resume=True, **options)
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(part.parameters[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("layer", "advice"),
    [
        (BatchNorm(), "."),
        (LayerNorm(axes=2), " over the features."),
        (RMSNorm(axes=2), " over the features."),
        (GroupNorm(3), " over the features."),
        (InstanceNorm(), " over the features."),
    ],
    ids=repr,
)
def test_padded_sequences_whose_time_steps_share_a_mean_are_refused(layer, advice):
    model = nnfw.Sequential([layer], (3, 2))
    text = "takes no padded sequences, as what lies beyond their lengths would count. Use layer_norm"
    with pytest.raises(nnfw.DataError, match=f": {re.escape(text + advice)}$"):
        model.predict(nnfw.Padded(np.ones((2, 3, 2)), lengths=[1, 2]))


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (BatchNorm(axis=2), (4, 5), "expected input with the axis 2, got (4, 5)."),
        (BatchNorm(axis=-3), (4, 5), "expected input with the axis -3, got (4, 5)."),
        (BatchNorm(), (), "expected input with the axis 0, got ()."),
        (LayerNorm(2), (4,), "expected input with 2 axes or more, got (4,)."),
        (RMSNorm(), (), "expected input with 1 axes or more, got ()."),
        (GroupNorm(3), (4, 5, 5), "expected channels on the first axis, as many as 3 groups can share, got (4, 5, 5)."),
        (InstanceNorm(), (4,), "expected input of shape (channels, ...) with 2 places or more, got (4,)."),
        (InstanceNorm(), (4, 1, 1), "expected input of shape (channels, ...) with 2 places or more, got (4, 1, 1)."),
    ],
)
def test_shape_that_cannot_be_normalised_is_refused(layer, shape, text):
    with pytest.raises(nnfw.ShapeError, match=f"^{re.escape(text)}$"):
        layer.output_shape(shape)


@pytest.mark.parametrize("shape", [(5, 3, 1), (4, 3, 7), (3, 2, 64), (2, 3, 150)], ids=str)
@pytest.mark.parametrize("mean", [0, 1000])
def test_sums_of_numba_give_what_the_definitions_give(shape, mean, rng):
    pytest.importorskip("numba")
    engine = choose("numba", default_registry())[0]

    def normal(*shape):
        return rng.standard_normal(shape, np.float32)

    x, grad, channels = normal(*shape) + np.float32(mean), normal(*shape), shape[1]
    rows, rate, out = x.reshape(shape[0], -1), np.empty(shape[0], np.float32), np.empty_like(x)
    scale, positive, *written = (np.abs(normal(channels)) for _ in range(5))
    for operation, arguments in (
        (operations.batch_normalize, (x, 1e-5, *written, out)),
        (operations.batch_normalize_delta, (grad, normal(*shape), scale, positive, *written[:2], out)),
        (operations.affine_gradients, (grad, x, *written[:2])),
        (operations.normalize, (rows, 1.0, 1e-5, rate, out.reshape(rows.shape))),
        (operations.normalize_delta, (grad.reshape(rows.shape), normal(*rows.shape), rate, 1.0, np.empty_like(rows))),
    ):
        assert not difference(operation, engine.function(operation), arguments), operation.name
