"""Costs and activations: values and slopes as PyTorch's, and as Keras's where PyTorch has none."""

import numpy as np
import pytest
from tests.standard.golden.functions import cases

import nnfw
from nnfw.workspace import Workspace

CASES = cases()


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/standard/golden/functions.npz") as file:
        return dict(file)


def close(found, right):
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12 * np.abs(right).max())


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.labels])
def test_cost_and_slope_equal_those_of_the_other_library(name, stored):
    cost, z, workspace = CASES[name].component, stored[f"{name}/z"], Workspace(np.float64)
    y = cost.targets(stored[f"{name}/y"], z.shape[1:])

    if cost.canonical is None:
        close(cost.value(z, y), stored[f"{name}/value"])
        close(cost.gradient(z, y, workspace), stored[f"{name}/slope"])
        return
    a = nnfw.activation(cost.canonical).forward(z, Workspace(np.float64))
    for value in (cost.value(a, y), cost.value_from_z(z, y)):
        close(value, stored[f"{name}/value"])
    close(cost.canonical_delta(a, y, workspace), stored[f"{name}/slope"])


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.labels])
def test_activation_and_delta_equal_those_of_the_other_library(name, stored):
    activation, z, workspace = CASES[name].component, stored[f"{name}/z"], Workspace(np.float64)

    a = activation.forward(z, workspace)

    close(a, stored[f"{name}/value"])
    close(activation.delta(stored[f"{name}/grad_a"], z, a, workspace), stored[f"{name}/slope"])
