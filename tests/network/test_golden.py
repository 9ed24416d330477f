"""Networks that are more than chains: values and gradients as PyTorch's, in files, in trainings and in checks."""

import numpy as np
import pytest

import nnfw
from tests.network.golden.networks import cases

CASES = cases()
SOFT = {("residual", 0), ("wide_and_deep", 0), ("two_outputs", 1), ("sequence", 0)}  # files hold what is before σ


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/network/golden/networks.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", CASES)
def test_cost_outputs_and_gradients_equal_those_of_pytorch(name, stored):
    case, own = CASES[name], {key.removeprefix(f"{name}/"): a for key, a in stored.items() if key.startswith(f"{name}/")}
    model = case.model(dtype="float64")
    for key in model.parameters:
        model.parameters[key] = own[f"parameter {key}"]
    cost, flat = model.gradient(case.x, case.y, cost=case.cost)
    assert cost == pytest.approx(float(own["cost"]), rel=1e-12)
    gradients = model.network.views(flat)
    assert len(gradients) == sum(key.startswith("gradient") for key in own)
    for key, gradient in gradients.items():
        right = own[f"gradient {key}"]
        np.testing.assert_allclose(gradient, right, rtol=1e-12, atol=1e-12 * np.abs(right).max(), err_msg=key)
    predicted = model.predict(case.x)
    for k, a in enumerate(predicted.values() if case.outputs else [predicted]):
        z = own[f"output {k}"]
        if (name, k) in SOFT:
            z = 1 / (1 + np.exp(-z)) if z.shape[-1] == 1 else np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(a, z, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_gradcheck_finds_every_gradient_right_and_perturbs_no_indices(name):
    case = CASES[name]
    report = nnfw.gradcheck(case.model(), case.x, case.y, cost=case.cost)
    assert report.ok, str(report)
    names = [row.name for row in report.rows]
    reals = {"residual": "x", "wide_and_deep": "numbers", "shared": "right"}
    assert reals.get(name, names[-1]) in names
    assert "cities" not in names
    assert ("x" in names) == (name in ("residual", "cross_link", "two_outputs"))
