"""Layers for tables: values and gradients as PyTorch's."""

import numpy as np
import pytest
from tests.standard.golden.table_cases import cases

from nnfw.workspace import Workspace

CASES = cases()


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/standard/golden/tables.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_equal_those_of_pytorch(name, stored):
    layer, shape = CASES[name]
    own = {key.removeprefix(f"{name}/"): array for key, array in stored.items() if key.startswith(f"{name}/")}
    params = {key: own[f"given {key}"] for key in layer.parameters(shape[1:])}
    workspace = Workspace(np.float64, needs_input_gradient=layer.index_limit() is None)
    found = {"z": layer.forward(params, own["given x"], workspace)}
    grads = {key: np.full_like(array, np.nan) for key, array in params.items()}
    gradient = layer.backward(params, own["given delta"], grads, workspace)
    found |= {f"gradient {key}": array for key, array in grads.items()}
    if gradient is not None:
        found["gradient x"] = gradient
    assert found.keys() == {key for key in own if not key.startswith("given")}
    for key, array in found.items():
        np.testing.assert_allclose(array, own[key], rtol=1e-12, atol=1e-12 * np.abs(own[key]).max(), err_msg=key)
