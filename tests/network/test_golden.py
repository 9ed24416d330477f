"""Networks that are more than chains: values and gradients as PyTorch's, in files, in trainings and in checks."""

import numpy as np
import pytest
from tests.network.golden.networks import cases

import nnfw

CASES = cases()
SOFT = {
    ("residual", 0),
    ("wide_and_deep", 0),
    ("two_outputs", 1),
    ("sequence", 0),
    ("images", 0),
}  # files hold what is before σ


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/network/golden/networks.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", CASES)
def test_cost_outputs_and_gradients_equal_those_of_pytorch(name, stored):
    case, own = (
        CASES[name],
        {key.removeprefix(f"{name}/"): a for key, a in stored.items() if key.startswith(f"{name}/")},
    )
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
    assert ("x" in names) == (name in ("residual", "cross_link", "two_outputs", "images"))


@pytest.mark.parametrize("name", CASES)
def test_saved_model_predicts_the_same_bits(name, tmp_path):
    case = CASES[name]
    model = case.model(seed=3)
    model.save(tmp_path / "model.nnfw")
    again = nnfw.load(tmp_path / "model.nnfw")
    assert (again.nodes, again.input_shape, again.output_shape) == (model.nodes, model.input_shape, model.output_shape)
    np.testing.assert_equal(again.predict(case.x), model.predict(case.x))


MANY = cases(count=70, seed=1)
METRICS = {"two_outputs": {"kind": ["accuracy"], "price": ["mae"]}, "sequence": {"tags": ["accuracy"]}}


def fitted(name, accelerator="none", **settings):
    """Return a trained network and its history."""
    case = MANY[name]
    model = case.model(seed=3)
    given = {"optimizer": "adam", "cost": case.cost, "metrics": METRICS.get(name, ()), "batch_size": 16}
    return model, model.fit(case.x, case.y, **given, accelerator=accelerator, **settings)


@pytest.mark.parametrize("accelerator", ["none", "numba"])
@pytest.mark.parametrize("name", MANY)
def test_resumed_training_has_the_bits_of_one_that_never_stopped(name, accelerator, tmp_path):
    if accelerator == "numba":
        pytest.importorskip("numba")
    whole, history = fitted(name, accelerator, epochs=4)
    fitted(name, accelerator, epochs=2, checkpoints=tmp_path)
    again, resumed = fitted(name, accelerator, epochs=4, checkpoints=tmp_path, resume=True)
    np.testing.assert_array_equal(again.parameters.vector, whole.parameters.vector)
    assert resumed.records == history.records


@pytest.mark.parametrize("name", MANY)
def test_training_lowers_the_cost_alike_with_numpy_and_numba(name):
    pytest.importorskip("numba")
    plain, compiled = (fitted(name, accelerator, epochs=12)[1] for accelerator in ("none", "numba"))
    assert plain["cost"][-1] < plain["cost"][0]
    np.testing.assert_allclose(plain["cost"], compiled["cost"], rtol=1e-4)


@pytest.mark.parametrize("name", MANY)
def test_cost_of_an_epoch_is_that_of_evaluate_when_nothing_changes(name):
    case = MANY[name]
    model = case.model(seed=3)
    rest = {"type": "sgd", "learning_rate": 1e-30}
    history = model.fit(
        case.x, case.y, cost=case.cost, optimizer=rest, metrics=METRICS.get(name, ()), batch_size=70, epochs=1
    )
    found = model.evaluate(case.x, case.y, cost=case.cost, metrics=METRICS.get(name, ()))
    assert {key: history[-1][key] for key in found} == pytest.approx(found, rel=1e-5)


def test_trace_names_the_nodes():
    case = CASES["shared"]
    trace = case.model().trace(case.x, case.y, cost=case.cost)
    names = [layer.name for layer in trace.layers]
    assert names == ["left_1", "left_2", "right_1", "layers.3", "layers.4", "layers.5"]
    assert set(trace.x) == {"left", "right"}
    assert trace.layers[0].gradients.keys() == {"weight", "bias"}
