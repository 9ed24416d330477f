"""Layers: values and gradients as PyTorch's, over shapes, options and lengths."""

import numpy as np
import pytest
from tests.standard.golden.cases import cases

from nnfw.ops import DEFINITIONS, using
from nnfw.ops.accelerators import choose
from nnfw.plugins import default_registry
from nnfw.protocols import Merge
from nnfw.workspace import Workspace

CASES = cases()
ALWAYS = "dense of a sequence", "layer_norm 2 axes", "conv1d plain"
"""Cases that numba computes in every run: to compile all layers in float64 takes long; see test_kernel_checks.py."""
PAIRS = [
    pytest.param(name, engine, marks=pytest.mark.long if engine == "numba" and name not in ALWAYS else ())
    for name in CASES
    for engine in ("numpy", "numba")
]


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/standard/golden/layers.npz") as file:
        return dict(file)


def close(found, right, name):
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12 * np.abs(right).max(), err_msg=name)


def engine_named(name):
    if name == "numpy":
        return DEFINITIONS
    pytest.importorskip("numba")
    return choose("numba", default_registry())[0]


@pytest.mark.parametrize(("name", "engine"), PAIRS)
def test_values_and_gradients_equal_those_of_pytorch(name, engine, stored):
    case, computing = CASES[name], engine_named(engine)
    layer, shape, lengths, training, _ = case
    own = {key.removeprefix(f"{name}/"): array for key, array in stored.items() if key.startswith(f"{name}/")}
    declared = layer.parameters(case.takes)
    params = {key: own[f"given {key}"].copy() for key in declared}
    workspace = Workspace(np.float64, training=training)
    workspace.lengths = None if lengths is None else np.array(lengths)
    inputs = [key for key in ("x", "state") if f"given {key}" in own]
    given = tuple(own[f"given {key}"] for key in inputs)
    merges = Merge in type(layer).__mro__
    with using(computing):
        z = layer.forward(params, given if merges else given[0], workspace)
    inside = np.ones(z.shape, bool)
    if lengths is not None and layer.keeps_time:
        inside[np.arange(shape[1]) >= np.array(lengths)[:, np.newaxis]] = False
    close(z[inside], own["z"][inside], "z")
    grads = {key: np.full_like(array, np.nan) for key, array in params.items() if declared[key].trainable}
    with using(computing):
        terms = layer.backward(params, own["given delta"], grads, workspace)
    for key, term in zip(inputs, terms if merges else [terms], strict=True):
        close(term, own[f"gradient {key}"], key)
    assert len(grads) == sum(key.startswith("gradient") for key in own) - len(inputs)
    for key, gradient in grads.items():
        close(gradient, own[f"gradient {key}"], key)
    for key in params.keys() - grads.keys():
        close(params[key], own[f"after {key}"], key)
