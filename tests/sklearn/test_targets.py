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


# the unit of numbers


def test_numbers_far_from_1_are_learned_and_come_back_with_their_digits(x):
    y = 1.7e9 + 0.01 * (x[:, 0] - 2 * x[:, 1])
    model = NNRegressor((), **OPTIONS).fit(x, y)
    assert model.predict(x).dtype == np.float64
    np.testing.assert_allclose(model.predict(x), y, rtol=0, atol=1e-4)
    assert model.score(x, y) > 0.99


def test_target_is_standardized_by_its_mean_and_spread(x, rng):
    y, weight = rng.normal(50, 7, 60), rng.uniform(0.5, 2, 60)
    model = NNRegressor((4,), epochs=1).fit(x, y)
    np.testing.assert_allclose([model.target_mean_, model.target_scale_], [y.mean(), y.std()], rtol=1e-12)
    model.fit(x, y, sample_weight=weight)
    mean = np.average(y, weights=weight)
    spread = np.sqrt(np.average((y - mean) ** 2, weights=weight))
    np.testing.assert_allclose([model.target_mean_, model.target_scale_], [mean, spread], rtol=1e-12)
    assert model.history_[0]["cost"] < 2


def test_each_of_several_targets_has_its_own_unit(x):
    y = np.stack([1e39 * x[:, 0], 1e-30 * x[:, 1], np.full(60, 3.0)], axis=1)
    model = NNRegressor((), **OPTIONS).fit(x, y)
    np.testing.assert_allclose(model.target_scale_, [y[:, 0].std(), y[:, 1].std(), 1])
    found = model.predict(x)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found / [1e39, 1e-30, 1], y / [1e39, 1e-30, 1], atol=1e-2)


def test_target_stays_as_it_is_where_asked_to_or_above_0(x):
    for model in (NNRegressor((4,), standardize_target=False), NNRegressor((4,), cost="poisson")):
        model.set_params(epochs=1).fit(x, np.arange(60.0))
        assert (model.target_mean_, model.target_scale_) == (0, 1)
        assert model.predict(x).dtype == np.float64
    with pytest.raises(nnfw.ConfigError, match=r"standardize_target must be true or false, got 'yes'"):
        NNRegressor(standardize_target="yes").fit(x, np.arange(60.0))


def test_training_that_goes_on_keeps_the_unit(x):
    y = 100 + 5 * x[:, 0]
    part = NNRegressor((4,), random_state=0).partial_fit(x[:30], y[:30])
    first = part.target_mean_, part.target_scale_
    part.partial_fit(x[30:], y[30:])
    warm = NNRegressor((4,), epochs=1, warm_start=True, random_state=0).fit(x[:30], y[:30])
    warm.fit(x[30:], y[30:])
    for model in (part, warm):
        assert (model.target_mean_, model.target_scale_) == first
        assert abs(model.predict(x).mean() - 100) < 20


@pytest.mark.parametrize("columns", [1, 2])
def test_file_of_a_model_predicts_in_the_unit(x, columns, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, columns=list("abcd"))
    y = 1e6 + 1e4 * x[:, :columns]
    model = NNRegressor((4,), epochs=2, random_state=0).fit(frame, y if columns > 1 else y[:, 0])
    model.model_.save(tmp_path / "model.nnfw")
    loaded = nnfw.load(tmp_path / "model.nnfw")
    found = loaded.preprocessing.labels(loaded.predict(frame))
    np.testing.assert_array_equal(found, model.predict(frame))
