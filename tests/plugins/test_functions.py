"""Plain functions as metrics, callbacks, costs and activations."""

import copy
import pickle
import re
from functools import partial

import numpy as np
import pytest

import nnfw
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train
from nnfw_standard import CheckpointBest, Dense, EarlyStopping


@pytest.fixture
def data(rng):
    x = rng.normal(size=(70, 3))
    return x, (x[:, :1] - x[:, 1:2] * x[:, 2:] > 0).astype(float)


def network(activation="tanh"):
    return nnfw.Sequential([Dense(4, activation=activation), Dense(1)], 3)


def fit(data, model=None, **options):
    given = {"cost": "mse", "optimizer": "adam", "epochs": 3, "batch_size": 16} | options
    return (model or network()).fit(*data, **given)


def distance(a, y):
    return np.mean(np.abs(a - y))


def weighted_distance(a, y, weight):
    return np.average(np.abs(a - y).ravel(), weights=weight)


def right(a, y, threshold):
    return float(np.mean((a > threshold) == y))


def half_squares(a, y):
    return np.mean((a - y) ** 2) / 2


def slope(a, y):
    return (a - y) / len(a)


# --- metrics


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_function_is_a_metric_in_training_validation_and_evaluation(data, accelerator):
    model = network()
    metrics = [distance, "mae", partial(right, threshold=0.5)]
    history = fit(data, model, metrics=metrics, validation_data=data, accelerator=accelerator)
    assert history["distance"] == pytest.approx(history["mae"], rel=1e-6)
    assert history["validation_distance"] == pytest.approx(history["validation_mae"], rel=1e-6)
    found = model.evaluate(*data, cost="mse", metrics=metrics)
    assert found["distance"] == pytest.approx(np.abs(model.predict(data[0]) - data[1]).mean(), rel=1e-6)
    assert found["right"] == np.mean((model.predict(data[0]) > 0.5) == data[1])


def test_function_with_a_parameter_for_weights_gets_them(data, rng):
    weight = rng.integers(0, 3, len(data[0]))
    model = network()
    found = model.evaluate(*data, cost="mse", metrics=[weighted_distance, "mae"], sample_weight=weight)
    assert found["weighted_distance"] == pytest.approx(found["mae"], rel=1e-6)
    found = model.evaluate(*data, cost="mse", metrics=[weighted_distance, "mae"])
    assert found["weighted_distance"] == pytest.approx(found["mae"], rel=1e-6)


def test_function_without_a_parameter_for_weights_is_refused_where_there_are_some(data):
    text = (
        r"Metric 'distance': its function takes no weights\. Give it a parameter 'weight', or leave sample_weight out\."
    )
    with pytest.raises(nnfw.DataError, match=text):
        fit(data, metrics=[distance], sample_weight=np.ones(len(data[0])))


def test_examples_of_weight_zero_alone_have_no_mean():
    metric = default_registry().resolve("metric", weighted_distance)
    zero, ones = np.zeros((4, 1)), np.ones((4, 1))
    none = metric.statistics(ones, zero, np.zeros(4))
    assert np.isnan(metric.result(none))
    assert metric.result(none + metric.statistics(ones, zero, np.array([0.0, 0.0, 0.0, 2.0]))) == 1.0


@pytest.mark.parametrize(
    "function",
    [
        lambda a, y: np.median(a),
        lambda a, y: np.sum(np.abs(a - y)),
        lambda a, y: np.sqrt(np.mean((a - y) ** 2)),
        lambda a, y: np.corrcoef(a.ravel(), y.ravel())[0, 1],
    ],
    ids=["median", "sum", "root-of-a-mean", "correlation"],
)
def test_function_that_is_no_mean_is_refused(data, function):
    text = (
        r"Metric '<lambda>': the function is no mean over examples: it returned \S+ for (16|70), and \S+ and \S+ for "
        r"their halves\. Divide a sum by the number of examples\. For a figure of another kind write a class with "
    )
    with pytest.raises(nnfw.PluginError, match=text):
        fit(data, metrics=[function])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_mean_of_values_that_cancel_out_is_one(rng, scale):
    d = scale * rng.normal(size=(2, 1023))  # NumPy sums an even half apart, with the same rounding
    halves = [rng.permutation([*each, *-each]) for each in d]  # the mean of each is 0 but for rounding
    metric = default_registry().resolve("metric", lambda a, y: np.mean(a - y))
    for dtype in (np.float32, np.float64):
        a = np.concatenate(halves).astype(dtype)[:, np.newaxis]
        assert metric.result(metric.statistics(a, np.zeros_like(a))) == pytest.approx(0, abs=1e-14 * scale)


def test_outputs_and_labels_of_a_function_cannot_be_written_to(data):
    def in_place(a, y):
        a -= y
        return np.mean(a)

    with pytest.raises(ValueError, match="read-only"):
        fit(data, metrics=[in_place])


def test_lower_is_better_for_a_function(data):
    history = fit(
        data, metrics=[lambda a, y: float(np.mean(a * 0) + 1)], callbacks=[EarlyStopping("<lambda>", patience=1)]
    )
    assert history.stopped
    assert not default_registry().resolve("metric", distance).higher_is_better


@pytest.mark.parametrize(
    "found", [None, "0.5", 1j, np.zeros(3), [1.0], np.array(None), np.array("x")], ids=lambda value: repr(value)
)
def test_function_that_returns_something_else_is_named(data, found):
    def odd(a, y):
        return found

    text = r"Metric 'odd': the function returned .*, expected a number, the mean over the examples\."
    with pytest.raises(nnfw.PluginError, match=text):
        fit(data, metrics=[odd])
    text = r"Cost 'odd': value returned .*, expected a number, the mean over the examples\."
    with pytest.raises(nnfw.PluginError, match=text):
        fit(data, cost=(odd, slope))
    text = r"Cost 'half_squares': gradient returned .*, expected an array of numbers of shape \(16, 1\)\."
    with pytest.raises(nnfw.PluginError, match=text):
        fit(data, cost=(half_squares, odd))


# --- costs and activations


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_two_functions_are_a_cost(data, accelerator):
    model, same = network(), network()
    history = fit(data, model, cost=(half_squares, slope), accelerator=accelerator)
    assert history["cost"] == pytest.approx(fit(data, same, accelerator=accelerator)["cost"], rel=1e-6)
    assert model.predict(data[0]) == pytest.approx(same.predict(data[0]), rel=1e-4, abs=1e-6)
    assert nnfw.gradcheck(model, *data, cost=(half_squares, slope)).ok
    flat = (data[0], data[1].ravel())
    assert model.evaluate(*flat, cost=(half_squares, slope)) == model.evaluate(*data, cost=(half_squares, slope))


def test_cost_of_functions_takes_classes_as_they_are(rng):
    def value(a, y):
        return -np.mean(np.log(a[np.arange(len(a)), y]))

    def gradient(a, y):
        found = np.zeros(a.shape)
        found[np.arange(len(a)), y] = -1 / (len(a) * a[np.arange(len(a)), y])
        return found

    x, y = rng.normal(size=(40, 3)), rng.integers(0, 4, 40)
    model = nnfw.Sequential([Dense(4, activation="softmax")], 3)
    found, gradient_of_pair = model.gradient(x, y, cost=(value, gradient))
    expected, gradient_of_component = model.gradient(x, y, cost="cross_entropy")
    assert found == pytest.approx(expected, rel=1e-6)
    assert gradient_of_pair == pytest.approx(gradient_of_component, rel=1e-5, abs=1e-7)


def test_cost_of_functions_with_weights(data, rng):
    weight = rng.uniform(0.5, 2, len(data[0]))

    def value(a, y, weight=None):
        return np.mean(np.ravel((a - y) ** 2) * (1 if weight is None else weight)) / 2

    def gradient(a, y, weight=None):
        return (a - y) / len(a) * (1 if weight is None else weight[:, np.newaxis])

    model, same = network(), network()
    fit(data, model, cost=(value, gradient), sample_weight=weight)
    fit(data, same, sample_weight=weight)
    assert model.parameters.vector == pytest.approx(same.parameters.vector, rel=1e-4, abs=1e-6)
    with pytest.raises(
        nnfw.DataError, match=r"Cost 'half_squares': its function takes no weights\. Give it a parameter"
    ):
        fit(data, cost=(half_squares, slope), sample_weight=weight)


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_two_functions_are_an_activation(data, accelerator):
    model, same = network((np.tanh, lambda z: 1 - np.tanh(z) ** 2)), network()
    fit(data, model, accelerator=accelerator)
    fit(data, same, accelerator=accelerator)
    assert model.predict(data[0]) == pytest.approx(same.predict(data[0]), rel=1e-4, abs=1e-6)
    assert nnfw.gradcheck(model, *data, cost="mse").ok
    assert repr(model.layers[0]).startswith("Dense(units=4, activation=tanh, ")


def test_model_with_functions_can_be_copied_and_pickled_and_not_saved(data, tmp_path):
    model = network((np.sin, np.cos))
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        fit(data, again)
        assert (again.predict(data[0]) != model.predict(data[0])).all()
    text = (
        r"Activation 'sin' belongs to no installed plugin, so a file cannot name it\. Declare it in a plugin: yield a "
    )
    with pytest.raises(nnfw.PluginError, match=text):
        fit(data, model, callbacks=[CheckpointBest(monitor="cost")], directory=tmp_path)
    assert not list(tmp_path.iterdir())


def doubles(z):
    return 2.0 * z.astype(np.float64)


def test_results_of_functions_are_cast_to_the_dtype_of_the_network(data):
    model = network((doubles, lambda z: np.full(z.shape, 2.0)))
    fit(data, model, cost=(half_squares, lambda a, y: slope(a.astype(np.float64), y)))
    assert model.predict(data[0]).dtype == np.float32


@pytest.mark.parametrize(
    ("pair", "method"),
    [((np.sin, lambda z: None), "derivative"), ((lambda z: z[:, :1], np.cos), "value"), ((str, np.cos), "value")],
    ids=["none", "shape", "text"],
)
def test_activation_that_returns_something_else_is_named(data, pair, method):
    text = rf"Activation '(sin|<lambda>|str)': {method} returned .*, expected an array of numbers of shape \(\d+, 4\)\."
    with pytest.raises(nnfw.PluginError, match=text):
        fit(data, network(pair))


# --- callbacks


def test_function_is_a_callback_that_runs_after_each_epoch(data):
    seen = []
    history = fit(data, callbacks=[lambda fit, record: seen.append((fit.epoch, record["cost"]))])
    assert seen == [*enumerate(history["cost"], 1)]


def test_function_may_end_a_training(data):
    def enough(fit, record):
        if record["epoch"] == 2:
            fit.stop("two are enough")

    history = fit(data, callbacks=[enough])
    assert (len(history), history.stopped) == (2, "two are enough")


def test_function_is_a_callback_of_a_run(experiment, tmp_path):
    seen, registry = [], default_registry()
    file = read_experiment(str(experiment), registry, ["training.epochs=2"])
    train(file, registry, tmp_path / "run", [lambda fit, record: seen.append(fit.experiment["name"])])
    assert seen == ["small", "small"]
    with pytest.raises(nnfw.ConfigError, match=r"Callback: must be a function of \(fit, record\), got <lambda>\(x\)\."):
        train(file, registry, tmp_path / "other", [lambda x: None])
    assert not (tmp_path / "other").exists()


# --- what is refused


ALONE = "must be a cost, but <function half_squares at "
NO_GRADIENT = (
    "alone gives no gradient, which training needs. Write a pair (value, gradient): gradient(a, y) returns ∂C/∂a, "
    "shaped like a, with the 1/N of the mean inside."
)
NO_DERIVATIVE = (
    "must be an activation, but <ufunc 'sin'> alone gives no derivative, which training needs. Write a pair "
    "(value, derivative): derivative(z) returns σ'(z)."
)


@pytest.mark.parametrize(
    ("kind", "given", "text"),
    [
        ("cost", half_squares, rf"Cost: {re.escape(ALONE)}\S+> {re.escape(NO_GRADIENT)}"),
        ("cost", (half_squares,), rf"Cost: {re.escape(ALONE)}\S+> {re.escape(NO_GRADIENT)}"),
        ("activation", np.sin, re.escape(f"Activation: {NO_DERIVATIVE}")),
        ("cost", (half_squares, lambda a: a), r"Cost: must be a function of \(a, y\), got <lambda>\(a\)\."),
        ("activation", (np.sin, lambda z, a: z), r"Activation: must be a function of \(z\), got <lambda>\(z, a\)\."),
        ("metric", right, r"Metric: must be a function of \(a, y\), got right\(a, y, threshold\)\."),
        (
            "metric",
            (distance, distance),
            r"Metric: must be a metric: a name, .* Members of a metric: domain, higher_is_better,.*",
        ),
        (
            "schedule",
            distance,
            r"Schedule: must be a schedule: a name, .* Members of a schedule: factor\(t, epochs, .*",
        ),
        ("cost", (half_squares, "mse"), r"Cost: must be a cost: a name, a table with 'type', or an object, got \(.*"),
        ("metric", [], r"Metric: must be a metric: a name, a table with 'type', or an object, got \[\].*"),
    ],
    ids=["alone", "one", "no-derivative", "arguments", "two-arguments", "third", "pair", "kind", "half", "none"],
)
def test_functions_that_make_no_component_are_refused(kind, given, text):
    with pytest.raises(nnfw.ConfigError) as caught:
        default_registry().resolve(kind, given)
    assert re.fullmatch(text, str(caught.value))
