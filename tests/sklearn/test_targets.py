"""Targets of all kinds: classes of any type, labels, several targets, counts; costs and what the output ends in."""

import numpy as np
import pytest
from scipy import sparse

import nnfw
from nnfw.sklearn import NNClassifier, NNRegressor

OPTIONS = {"optimizer": "lbfgs", "epochs": 40, "random_state": 0}


@pytest.fixture
def signs(x):
    return (x > 0).astype(int)


CLASSES = {
    "words": np.array(["no", "yes"]),
    "objects": np.array(["no", "yes"], object),
    "numbers": np.array([3, 7]),
    "floats": np.array([-1.0, 1.0]),
    "booleans": np.array([False, True]),
}


@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_classes_of_any_type_come_back(x, signs, classes):
    y = classes[signs[:, 0]]
    model = NNClassifier((8,), **OPTIONS).fit(x, y)
    np.testing.assert_array_equal(model.classes_, classes)
    assert model.classes_.dtype == classes.dtype
    np.testing.assert_array_equal(model.predict(x), y)
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(np.exp(model.predict_log_proba(x)) > 0.5, model.predict_proba(x) > 0.5)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("cost", ["auto", "focal", "mse"])
def test_several_labels_apply(x, signs, form, cost):
    model = NNClassifier((8,), cost=cost, **OPTIONS).fit(x, form(signs))
    assert model.multilabel_
    assert (model.predict(x) == signs).mean() > 0.95
    assert model.model_.layers[-1].activation == nnfw.activation("sigmoid")
    p = model.predict_proba(x)
    assert p.shape == (60, 4)
    assert p.min() > 0
    assert p.max() < 1
    assert np.isfinite(model.predict_log_proba(x)).all()


def test_several_targets_have_an_output_each(x, signs):
    y = np.stack([np.array(["a", "b"])[signs[:, 0]], np.array(["a", "b", "c"])[signs[:, 1] + signs[:, 2]]], axis=1)
    model = NNClassifier((12,), **OPTIONS).fit(x, y)
    assert [own.tolist() for own in model.classes_] == [["a", "b"], ["a", "b", "c"]]
    assert [p.shape for p in model.predict_proba(x)] == [(60, 2), (60, 3)]
    assert (model.predict(x) == y).mean() > 0.95
    np.testing.assert_allclose(np.exp(model.predict_log_proba(x)[1]), model.predict_proba(x)[1], rtol=1e-5)


def test_output_of_several_targets_leaves_names_to_the_layers(x, signs):
    model = NNClassifier(({"type": "dense", "units": 3, "name": "shared"},), epochs=1).fit(x, signs[:, :2] + [[0, 2]])
    assert [node.name for node in model.model_.nodes] == ["shared", "before_outputs", "target_0", "target_1"]


def test_several_targets_train_what_each_would_alone_without_hidden_layers(x, signs):
    y = np.stack([signs[:, 0] + 5, signs[:, 1] + 2 * signs[:, 2]], axis=1)
    both = NNClassifier((), dtype="float64", regularizer="l2", **OPTIONS).fit(x, y)
    for k in range(2):
        alone = NNClassifier((), dtype="float64", regularizer="l2", **OPTIONS).fit(x, y[:, k])
        np.testing.assert_allclose(both.predict_proba(x)[k], alone.predict_proba(x), atol=2e-2)


@pytest.mark.parametrize("cost", ["binary_cross_entropy", "focal", "kl_divergence", "mse", "huber"])
def test_classes_with_another_cost(x, signs, cost):
    y = signs[:, 0] + signs[:, 1]
    model = NNClassifier((8,), cost=cost, **OPTIONS).fit(x, y)
    assert model.score(x, y) > 0.9
    assert model.model_.layers[-1].activation == nnfw.activation(nnfw.cost(cost).canonical or "softmax")


def test_several_targets_with_a_cost_of_rows(x, signs):
    model = NNClassifier((8,), cost="mse", **OPTIONS).fit(x, signs[:, :2] + np.array([[0, 3]]))
    assert (model.predict(x) == signs[:, :2] + np.array([[0, 3]])).mean() > 0.9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_several_numbers_are_predicted(x, dtype):
    y = np.stack([x[:, 0], np.sin(x[:, 1]), x[:, 2] ** 2], axis=1)
    model = NNRegressor((20,), activation="tanh", dtype=dtype, **OPTIONS).fit(x, y)
    assert (model.outputs_, model.predict(x).shape) == (3, (60, 3))
    assert model.score(x, y) > 0.9


def test_counts_end_in_numbers_above_0(x, rng):
    y = rng.poisson(np.exp(x[:, 0]))
    model = NNRegressor((), cost="poisson", **OPTIONS).fit(x, y)
    assert model.model_.layers[-1].activation == nnfw.activation("softplus")
    assert model.predict(x).min() > 0


def test_quantile_lies_above_its_share_of_the_numbers(rng):
    x, y = rng.random((500, 1)), rng.normal(size=500)
    cost = {"type": "quantile", "quantiles": [0.9]}
    model = NNRegressor((), cost=cost, epochs=300, batch_size=50, random_state=0)
    model.set_params(optimizer__learning_rate=0.02).fit(x, y)
    assert (y < model.predict(x)).mean() == pytest.approx(0.9, abs=0.02)


def test_shares_end_in_a_sigmoid(x):
    y = 1 / (1 + np.exp(-x[:, 0]))
    model = NNRegressor((), cost="binary_cross_entropy", **OPTIONS).fit(x, y)
    assert model.score(x, y) > 0.99
