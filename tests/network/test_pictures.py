"""What layers show of a forward pass, and what is refused."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.errors import PluginError
from nnfw.network import shown_in
from nnfw_standard import CausalConv1D, Conv1D, Conv2D, Dense, Flatten, MultiHeadAttention, Residual


def shown(model, rng):
    workspace = model.network.workspace()
    model.network.forward([rng.normal(size=(2, *model.input_shape)).astype(model.dtype)], workspace)
    return list(shown_in(model.network, workspace)), workspace


def showing(found):
    @dataclass(frozen=True)
    class Shows(Dense):
        def pictures(self, params, workspace):
            return found

    return nnfw.Sequential([Shows(3)], 4)


def test_dense_layers_show_nothing(rng):
    assert shown(nnfw.Sequential([Dense(3), Residual((Dense(3),))], 4), rng)[0] == []


def test_convolution_shows_the_windows_of_each_filter(rng):
    model = nnfw.Sequential([Conv2D(6, (3, 2), groups=2), Flatten(), Dense(2)], (4, 5, 5))
    ((found,), _) = shown(model, rng)
    assert (found.place.name, found.title, found.values.shape) == ("layers.0", "filters", (12, 3, 2))
    weight = model.parameters["layers.0.weight"]
    assert np.array_equal(found.values[3], weight[1, 1])


@pytest.mark.parametrize("layer", [Conv1D(5, 3), CausalConv1D(5, 3)], ids=["conv1d", "causal"])
def test_convolution_of_a_sequence_shows_features_by_time_steps(layer, rng):
    model = nnfw.Sequential([layer, Flatten(), Dense(2)], (7, 4))
    ((found,), _) = shown(model, rng)
    assert (found.title, found.values.shape) == ("filters", (5, 4, 3))
    assert np.array_equal(found.values, np.reshape(model.parameters["layers.0.weight"], (5, 4, 3)))


@pytest.mark.parametrize("causal", [False, True])
def test_attention_shows_a_row_of_weights_for_each_query(causal, rng):
    layers = [MultiHeadAttention(2, causal=causal, bias=False), Flatten(), Dense(2)]
    model = nnfw.Sequential(layers, (5, 6), dtype="float64")
    x = rng.normal(size=(2, 5, 6))
    workspace = model.network.workspace()
    model.network.forward([x], workspace)
    (found,) = shown_in(model.network, workspace)
    assert found.title.startswith("attention")
    q, k = np.split(x[0] @ model.parameters["layers.0.weight"].T, 3, axis=1)[:2]
    for head, values in enumerate(found.values):
        own = slice(3 * head, 3 * head + 3)
        scores = q[:, own] @ k[:, own].T / np.sqrt(3)
        expected = np.exp(scores) * (np.tri(5) if causal else 1)
        np.testing.assert_allclose(values, expected / expected.sum(axis=1, keepdims=True), rtol=1e-10)


def test_layer_that_is_older_than_the_method_shows_nothing(rng):
    class Old:
        rows_independent = True

        def output_shape(self, input_shape):
            return input_shape

        def parameters(self, input_shape):
            return {}

        def forward(self, params, a_prev, workspace):
            return a_prev + 0

        def backward(self, params, delta, grads, workspace):
            return delta + 0

    assert shown(nnfw.Sequential([Old()], 4), rng)[0] == []


@pytest.mark.parametrize("wrong", [[], {1: np.zeros((1, 2, 2))}], ids=["list", "title"])
def test_pictures_that_are_no_arrays_by_title_are_refused(wrong, rng):
    with pytest.raises(
        PluginError, match=r"^Layer 0 '.*Shows': pictures returned .*, expected a dictionary of arrays by title\.$"
    ):
        shown(showing(wrong), rng)


@pytest.mark.parametrize(
    "wrong",
    [1, np.zeros((2, 2)), np.zeros((0, 2, 2)), np.full((1, 2, 2), np.nan), np.zeros((1, 2, 2), complex)],
    ids=["number", "matrix", "empty", "nan", "complex"],
)
def test_pictures_of_another_form_are_refused(wrong, rng):
    message = (
        r"^Layer 0 '.*Shows': pictures\['a'\] returned .*, expected an array \(K, rows, columns\) of finite numbers\.$"
    )
    with pytest.raises(PluginError, match=message):
        shown(showing({"a": wrong}), rng)
