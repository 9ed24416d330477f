"""Attention and transformers: values and gradients as PyTorch's, over shapes, options and lengths."""

from functools import cache

import numpy as np
import pytest
from tests.standard.golden.attention_cases import beyond, cases

from nnfw.network import Workspace

CASES = cases()


@cache
def stored():
    with np.load("tests/standard/golden/attention.npz") as file:
        return dict(file)


def close(found, right, name):
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12 * np.abs(right).max(), err_msg=name)


def compare(name):
    """Compare a case with what is stored."""
    case = CASES[name]
    own = {key.removeprefix(f"{name}/"): array for key, array in stored().items() if key.startswith(f"{name}/")}
    model = case.model()
    for key in model.parameters:
        model.parameters[key] = own[f"given {key}"]
    network = model.network
    graph, params, delta = network.graph, network.parameters, own["given delta"]
    workspace = Workspace(np.float64)
    inputs = [own[f"given {key}"] for key in "xm"[: len(case.shapes)]]
    lengths = [each if each is None else np.array(each) for each in case.lengths] or None
    graph.forward(params, inputs, workspace, lengths)
    z = graph.workspace_of(graph.nodes[-1], workspace)["a"]
    inside = np.ones(z.shape, bool)
    if case.lengths and case.lengths[0] is not None:
        inside[beyond(case.lengths[0], z.shape[1])] = False
    close(z[inside], own["z"][inside], "z")
    grads = network.views(np.full(network.parameters.vector.shape, np.nan))
    found = graph.backward(params, lambda *_: delta, grads, workspace)
    for key, gradient in zip("xm", found, strict=False):
        close(gradient, own[f"gradient {key}"], key)
    for key, gradient in grads.items():
        close(gradient, own[f"gradient {key}"], key)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_equal_those_of_pytorch(name):
    compare(name)
