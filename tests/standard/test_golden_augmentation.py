"""Augmentations: values and gradients as PyTorch's, for the same draws."""

import numpy as np
import pytest
from tests.standard.golden.augmentation_cases import cases, drawn, noise

from nnfw.ops import DEFINITIONS, using
from nnfw.ops.accelerators import choose
from nnfw.plugins import default_registry
from nnfw.workspace import Workspace

CASES = cases()


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/standard/golden/augmentation.npz") as file:
        return dict(file)


@pytest.fixture(params=["numpy", "numba"])
def engine(request):
    if request.param == "numpy":
        return DEFINITIONS
    pytest.importorskip("numba")
    return choose("numba", default_registry())[0]


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_equal_those_of_pytorch(name, stored, engine):
    layer, seed = CASES[name].layer, list(CASES).index(name)
    own = {key.removeprefix(f"{name}/"): array for key, array in stored.items() if key.startswith(f"{name}/")}
    given = drawn(CASES[name], seed)
    np.testing.assert_array_equal(given["x"], own["x"])  # another stream of NumPy would have other draws
    workspace = Workspace(np.float64, noise(seed), training=True)
    with using(engine):
        z = layer.forward({}, given["x"], workspace).copy()
        gradient = layer.backward({}, given["delta"], {}, workspace)
    if name.startswith("gaussian_noise"):  # the noise is float32
        np.testing.assert_allclose(z, own["z"], rtol=0, atol=2e-6 * layer.deviation)
    else:
        np.testing.assert_array_equal(z, own["z"])
    np.testing.assert_array_equal(gradient, own["gradient"])
