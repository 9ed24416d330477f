"""What an estimator trains: the network that one would write by hand, weights, and trainings that go on."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

import nnfw
from nnfw.plugins import default_registry
from nnfw.protocols import is_solver
from nnfw.sklearn import NNClassifier, NNRegressor

EXACT = {
    "all in a batch": {"batch_size": "auto", "epochs": 20, "optimizer__learning_rate": 0.05},
    "solver": {"optimizer": "lbfgs", "epochs": 10},
}


def vector(estimator):
    return estimator.model_.parameters.vector


def test_classifier_trains_the_network_that_it_describes(classifier, x, y):
    classifier.set_params(optimizer__learning_rate=0.05, batch_size=20, regularizer="l2", schedule="cosine").fit(x, y)
    layers = [
        {"type": "dense", "units": 6, "activation": "tanh"},
        {"type": "dense", "units": 2, "activation": "softmax"},
    ]
    model = nnfw.Sequential(layers, 4, seed=classifier.model_.seed)
    history = model.fit(
        x,
        (y == "low").astype(int),
        cost="cross_entropy",
        optimizer={"type": "adam", "learning_rate": 0.05},
        epochs=5,
        batch_size=20,
        regularizer="l2",
        schedule="cosine",
    )
    np.testing.assert_array_equal(vector(classifier), model.parameters.vector)
    assert classifier.history_ == history
    assert classifier.n_iter_ == 5
    np.testing.assert_array_equal(classifier.predict_proba(x), model.predict(x))
    assert set(classifier.predict(x)) <= {"high", "low"}


def test_batch_of_automatic_size_holds_200_examples_at_most(classifier, rng):
    x, y = rng.normal(size=(450, 4)), np.arange(450) % 2
    sizes = {}
    for size in ("auto", 200, 450):
        sizes[size] = vector(classifier.set_params(batch_size=size).fit(x, y)).copy()
    np.testing.assert_array_equal(sizes["auto"], sizes[200])
    assert not np.array_equal(sizes["auto"], sizes[450])


def test_layers_of_all_kinds_are_trained(classifier, x, y):
    layers = [8, "layer_norm", {"type": "dropout", "rate": 0.1}, nnfw.layer("dense", units=3), np.int64(5)]
    classifier.set_params(layers=layers).fit(x, y)
    names = [type(layer).__name__ for layer in classifier.model_.layers]
    assert names == ["Dense", "LayerNorm", "Dropout", "Dense", "Dense", "Dense"]
    assert [layer.activation for layer in classifier.model_.layers[:1]] == [nnfw.activation("tanh")]


def test_no_layers_are_a_linear_model(x):
    y = x @ [1.0, -2.0, 0.5, 3.0] + 1
    model = NNRegressor((), optimizer="lbfgs", dtype="float64", standardize_target=False).fit(x, y)
    np.testing.assert_allclose(model.model_.parameters["layers.0.weight"], [[1, -2, 0.5, 3]], rtol=1e-3)
    assert model.score(x, y) > 0.9999


@pytest.mark.parametrize("options", EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("kind", [NNClassifier, NNRegressor])
def test_weights_are_repeated_rows(kind, options, x, rng):
    weight, y = rng.integers(0, 4, 60), np.arange(60) % 3
    estimator = kind((6,), activation="tanh", dtype="float64", random_state=1).set_params(**options)
    one = vector(estimator.fit(x, y, sample_weight=weight)).copy()
    many = vector(estimator.fit(np.repeat(x, weight, axis=0), np.repeat(y, weight))).copy()
    np.testing.assert_allclose(one, many, rtol=1e-6)
    np.testing.assert_allclose(vector(estimator.fit(x, y, sample_weight=7.5 * weight)), one, rtol=1e-6)
    assert not np.allclose(vector(estimator.fit(x, y)), one, rtol=1e-2)


def test_examples_of_weight_0_are_left_out_of_batches(classifier, x, y):
    weight = np.arange(60) % 2.0
    classifier.set_params(batch_size=7)
    one = vector(classifier.fit(x, y, sample_weight=weight)).copy()
    np.testing.assert_array_equal(vector(classifier.fit(x[1::2], y[1::2], sample_weight=np.ones(30))), one)


@pytest.mark.parametrize("given", ["balanced", {"high": 3.0}], ids=["balanced", "table"])
def test_class_weights_multiply_sample_weights(classifier, x, y, rng, given):
    weight, count = rng.random(60), (y == "high").sum()
    own = {"high": 60 / (2 * count), "low": 60 / (2 * (60 - count))} if given == "balanced" else {"high": 3, "low": 1}
    product = weight * [own[each] for each in y]
    expected = vector(classifier.fit(x, y, sample_weight=product)).copy()
    np.testing.assert_allclose(
        vector(classifier.set_params(class_weight=given).fit(x, y, sample_weight=weight)), expected, rtol=1e-5
    )


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix], ids=lambda form: form.__name__)
def test_sparse_examples_give_the_bits_of_dense_ones(classifier, x, y, form):
    x = np.where(x > 0.5, x, 0)
    expected = vector(classifier.set_params(batch_size=8).fit(x, y)).copy()
    np.testing.assert_array_equal(vector(classifier.fit(form(x), y)), expected)
    np.testing.assert_array_equal(classifier.predict_proba(form(x)), classifier.predict_proba(x))


OPTIMIZERS = [
    found.name
    for found in default_registry().components("optimizer")
    if not is_solver(default_registry().resolve("optimizer", found.name))
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_partial_fit_gives_the_bits_of_fit(classifier, x, y, optimizer):
    schedule = None if optimizer == "schedule_free" else "cosine"
    classifier.set_params(batch_size=8, schedule=schedule, optimizer=optimizer)
    expected = vector(classifier.fit(x, y)).copy()
    parts = NNClassifier(**classifier.get_params(deep=False))
    for _ in range(5):
        parts.partial_fit(x, y, classes=["low", "high"])
    np.testing.assert_array_equal(vector(parts), expected)
    assert (parts.n_iter_, len(parts.history_)) == (5, 5)
    assert parts.partial_fit(x[:7], y[:7]).n_iter_ == 6


def test_partial_fit_knows_classes_that_come_later(classifier, x):
    classifier.partial_fit(x, np.zeros(60, int), classes=[2, 0, 1])
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.partial_fit(x, np.full(60, 2)).predict_proba(x).shape == (60, 3)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_warm_start_goes_on(regressor, x, optimizer):
    y = np.sin(x[:, 0])
    whole = vector(regressor.set_params(epochs=10, optimizer=optimizer).fit(x, y)).copy()
    regressor.set_params(epochs=5, warm_start=True)
    halfway = regressor.set_params(warm_start=False).fit(x, y).history_[-1]["cost"]
    regressor.set_params(warm_start=True).fit(x, y)
    if optimizer == "adam":
        np.testing.assert_array_equal(vector(regressor), whole)
        assert regressor.n_iter_ == 10
    assert regressor.history_[-1]["cost"] < halfway


CHANGED = {
    "another optimizer": ("adam", "sgd"),
    "other arrays": ("sgd", {"type": "sgd", "momentum": 0.9}),
    "a solver": ("adam", "lbfgs"),
    "no solver": ("lbfgs", "adam"),
}


@pytest.mark.parametrize(("first", "second"), CHANGED.values(), ids=CHANGED)
def test_warm_start_with_another_optimizer_starts_from_the_parameters(regressor, x, first, second):
    y = np.sin(x[:, 0])
    regressor.set_params(warm_start=True, optimizer=first).fit(x, y)
    before = vector(regressor).copy()
    assert regressor.set_params(optimizer=second).fit(x, y).n_iter_ == 5
    assert not np.array_equal(vector(regressor), before)


def test_warm_start_goes_on_with_another_rate(regressor, x):
    y = np.sin(x[:, 0])
    regressor.set_params(warm_start=True).fit(x, y).set_params(optimizer__learning_rate=1e-12)
    before = vector(regressor).copy()
    assert regressor.fit(x, y).n_iter_ == 10
    np.testing.assert_allclose(vector(regressor), before, rtol=1e-6)


def test_early_stopping_keeps_the_best_epoch(rng):
    x = rng.normal(size=(200, 5))
    y = rng.integers(0, 2, 200)  # noise: what is learned is wrong
    model = NNClassifier((50,), early_stopping=True, patience=3, epochs=300, random_state=0, batch_size=20)
    model.set_params(optimizer__learning_rate=0.02).fit(x, y, sample_weight=1 + x[:, 0] ** 2)
    costs = model.history_["validation_cost"]
    assert model.n_iter_ == len(costs) == int(np.argmin(costs)) + 1 + 3
    assert "has not improved" in model.history_.stopped


def test_early_stopping_counts_from_the_start_when_a_training_goes_on(x, rng):
    model = NNRegressor((30,), early_stopping=True, patience=5, epochs=300, random_state=0, warm_start=True)
    before = model.set_params(optimizer__learning_rate=0.05).fit(x, rng.normal(size=60)).n_iter_
    assert before < 300
    assert model.fit(x, rng.normal(size=60)).n_iter_ > before + 5


@pytest.mark.parametrize("kind", [NNClassifier, NNRegressor])
def test_early_stopping_of_few_examples_and_of_weights(kind, x):
    model = kind((4,), early_stopping=True, epochs=3, random_state=0)
    weight = np.r_[np.zeros(10), np.ones(50)]
    assert len(model.fit(x, np.arange(60) % 20, sample_weight=weight).history_["validation_cost"]) == 3


def test_training_that_fails_leaves_the_estimator_unfitted(classifier, x, y):
    classifier.fit(x, y)
    with pytest.raises(nnfw.ConfigError, match=r"^layers\[0\]\.activation: Unknown activation 'rel'\. Did"):
        classifier.set_params(activation="rel").fit(x, y)
    with pytest.raises(NotFittedError):
        classifier.predict(x)


def test_verbose_shows_a_progress_bar(classifier, x, y, monkeypatch):
    shown = []
    monkeypatch.setattr("nnfw.sklearn.estimator.ProgressBar", lambda: lambda fit, record: shown.append(record["epoch"]))
    classifier.fit(x, y)
    assert shown == []
    classifier.set_params(verbose=1).fit(x, y)
    assert shown == [1, 2, 3, 4, 5]


def test_random_state_draws_seeds(classifier, x, y):
    vectors = [vector(classifier.set_params(random_state=state).fit(x, y)).copy() for state in (1, 1, 2)]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[1], vectors[2])
    state = np.random.RandomState(1)
    classifier.set_params(random_state=state)
    one, other = (vector(classifier.fit(x, y)).copy() for _ in range(2))
    np.testing.assert_array_equal(one, vectors[0])
    assert not np.array_equal(one, other)


def test_training_that_diverges_leaves_the_estimator_unfitted(regressor, x):
    regressor.set_params(optimizer="sgd", optimizer__learning_rate=1e4, activation="identity", epochs=60)
    with pytest.raises(nnfw.DivergedError, match="Training diverged in epoch"):
        regressor.fit(x, 100 * x[:, 0])
    assert not hasattr(regressor, "model_")
    assert regressor.set_params(optimizer="adam").partial_fit(x, x[:, 0]).n_iter_ == 1


def test_training_that_is_interrupted_can_predict_and_goes_on(classifier, x, y):
    def interrupt(fit, record):
        if fit.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classifier.set_params(callbacks=[interrupt]).fit(x, y)
    before = vector(classifier).copy()
    assert set(classifier.predict(x)) <= {"high", "low"}
    assert classifier.set_params(callbacks=()).partial_fit(x, y).n_iter_ == 1
    assert not np.array_equal(vector(classifier), before)
