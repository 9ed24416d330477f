"""Layers: values and gradients as PyTorch's, over shapes, options and lengths."""

import numpy as np
import pytest
from tests.standard.golden.cases import cases

from nnfw.workspace import Workspace

CASES = cases()


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/standard/golden/layers.npz") as file:
        return dict(file)


def close(found, right, name):
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12 * np.abs(right).max(), err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_equal_those_of_pytorch(name, stored):
    layer, shape, lengths, training = CASES[name]
    own = {key.removeprefix(f"{name}/"): array for key, array in stored.items() if key.startswith(f"{name}/")}
    declared = layer.parameters(shape[1:])
    params = {key: own[f"given {key}"].copy() for key in declared}
    workspace = Workspace(np.float64, training=training)
    workspace.lengths = None if lengths is None else np.array(lengths)
    z = layer.forward(params, own["given x"], workspace)
    inside = np.ones(z.shape, bool)
    if lengths is not None and layer.keeps_time:
        inside[np.arange(shape[1]) >= np.array(lengths)[:, np.newaxis]] = False
    close(z[inside], own["z"][inside], "z")
    grads = {key: np.full_like(array, np.nan) for key, array in params.items() if declared[key].trainable}
    grad_x = layer.backward(params, own["given delta"], grads, workspace)
    close(grad_x, own["gradient x"], "x")
    assert len(grads) == sum(key.startswith("gradient") for key in own) - 1
    for key, gradient in grads.items():
        close(gradient, own[f"gradient {key}"], key)
    for key in params.keys() - grads.keys():
        close(params[key], own[f"after {key}"], key)
