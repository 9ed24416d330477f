"""The baseline: the constant outputs that each cost chooses, and what they cost."""

import numpy as np
import pytest
from scipy.optimize import minimize

import nnfw
from nnfw.network import Batch, Output
from nnfw.training import constant_outputs, evaluate_constant
from nnfw_standard import Dense

rng = np.random.default_rng(5)
X = rng.standard_normal((41, 3))
NUMBERS, CLASSES = rng.gamma(2.0, 1.0, 41), rng.choice(3, 41, p=[0.6, 0.3, 0.1])
WEIGHT = rng.uniform(0.2, 2, 41)


def trained_on(y, cost, units=1, activation="identity", weight=None, **options):
    """Return a network with its data and objective."""
    model = nnfw.Sequential([Dense(units, activation=activation)], (3,), seed=0, dtype="float64")
    objective = model.objective(nnfw.cost(cost, **options))
    return model, model.data(X, y, objective, weight), objective


def weighted_quantile(q, weight):
    order = np.argsort(NUMBERS)
    reached = np.cumsum(weight[order]) >= q * weight.sum() - 1e-12
    return NUMBERS[order][np.argmax(reached)]


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    ("cost", "units", "expected"),
    [
        ("mse", 1, lambda w: [np.average(NUMBERS, weights=w)]),
        ("mae", 1, lambda w: [weighted_quantile(0.5, w)]),
        ("quantile", 3, lambda w: [weighted_quantile(q, w) for q in (0.1, 0.5, 0.9)]),
        (
            "gaussian_nll",
            2,
            lambda w: [mean := np.average(NUMBERS, weights=w), np.log(np.average((NUMBERS - mean) ** 2, weights=w))],
        ),
    ],
    ids=["mse", "mae", "quantile", "gaussian_nll"],
)
def test_baseline_of_a_regression_is_what_its_cost_estimates(cost, units, expected, weight):
    model, data, objective = trained_on(NUMBERS, cost, units, weight=weight)
    (found,) = constant_outputs(model.network, data, objective)
    np.testing.assert_allclose(found, expected(np.ones(41) if weight is None else weight), rtol=1e-9)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_baseline_of_a_classifier_is_the_shares_of_its_classes(weight):
    model, data, objective = trained_on(CLASSES, "cross_entropy", 3, "softmax", weight)
    w = np.ones(41) if weight is None else weight
    (found,) = constant_outputs(model.network, data, objective)
    np.testing.assert_allclose(found, [w[k == CLASSES].sum() / w.sum() for k in range(3)])
    figures = evaluate_constant([found], model.network, data, objective, {"accuracy": nnfw.metric("accuracy")})
    assert figures["accuracy"] == pytest.approx(found.max())
    entropy = -sum(p * np.log(p) for p in found)
    assert figures["cost"] == pytest.approx(entropy * (w.sum() / 41))


def test_baseline_of_a_single_output_is_the_share_of_class_one():
    model, data, objective = trained_on(CLASSES > 0, "binary_cross_entropy", 1, "sigmoid")
    (found,) = constant_outputs(model.network, data, objective)
    assert found == pytest.approx((CLASSES > 0).mean())


@pytest.mark.parametrize(
    ("cost", "units", "y"),
    [
        ("mse", 1, NUMBERS),
        ("mae", 1, NUMBERS),
        ("quantile", 3, NUMBERS),
        ("gaussian_nll", 2, NUMBERS),
        ("poisson", 1, NUMBERS),
    ],
)
def test_no_other_constant_costs_less(cost, units, y):
    model, data, objective = trained_on(y, cost, units, "softplus" if cost == "poisson" else "identity")
    (best,) = constant_outputs(model.network, data, objective)

    def value(outputs):
        a = np.tile(outputs, (41, 1))
        return objective.of_outputs().value([Output(a, a)], Batch((), data.targets, None))

    least = minimize(value, best + 0.01, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000})
    assert value(best) <= least.fun + 1e-9


def test_baseline_of_an_ensemble_is_that_of_each_member():
    model = nnfw.Sequential([{"type": "batch_ensemble", "units": 1, "members": 2}], (3,), seed=0)
    objective = model.objective(nnfw.cost("each_member", cost="mae"))
    (found,) = constant_outputs(model.network, model.data(X, NUMBERS, objective), objective)
    assert found.shape == (2, 1)
    assert found == pytest.approx(np.float32(np.median(NUMBERS)))


def test_baseline_of_one_class_costs_a_finite_amount():
    model, data, objective = trained_on(np.zeros(41, int), "cross_entropy", 2, "softmax")
    constant = constant_outputs(model.network, data, objective)
    assert constant[0].tolist() == [1, 0]
    other = model.data(X, np.ones(41, int), objective)
    assert 10 < evaluate_constant(constant, model.network, other, objective, {})["cost"] < 1000


def test_padded_sequences_have_no_baseline():
    model = nnfw.Sequential(["time_pool", Dense(1)], (4, 3), seed=0)
    objective = model.objective("mse")
    padded = nnfw.Padded(rng.standard_normal((5, 4, 3)), np.array([1, 2, 3, 4, 4]))
    assert constant_outputs(model.network, model.data(padded, np.ones(5), objective), objective) is None


def test_labels_larger_than_memory_have_no_baseline(monkeypatch):
    model, data, objective = trained_on(NUMBERS, "mse")
    monkeypatch.setattr("nnfw.training.baseline.MOST_LABELS", 40)
    assert constant_outputs(model.network, data, objective) is None
    assert constant_outputs(model.network, data.subset(np.arange(40)), objective) is not None


def test_cost_that_chooses_no_baseline_has_none():
    model = nnfw.Sequential([Dense(4, activation="softmax")], (5, 3), seed=0)
    objective = model.objective("ctc")
    data = model.data(rng.standard_normal((6, 5, 3)), np.tile([1, 2, 3, 1, 2], (6, 1)), objective)
    assert constant_outputs(model.network, data, objective) is None


def test_baseline_of_another_shape_is_refused(monkeypatch):
    model, data, objective = trained_on(NUMBERS, "mse")
    monkeypatch.setattr(type(objective.terms[0].cost), "constant", lambda *_: np.zeros(2))
    with pytest.raises(nnfw.PluginError, match=r"constant returned .*, expected outputs of shape \(1,\), or None"):
        constant_outputs(model.network, data, objective)
