"""Metrics of numbers against loops over the entries, and labels that they refuse."""

import math

import numpy as np
import pytest

from nnfw.errors import DataError, ShapeError
from nnfw.testing import run_checks
from nnfw_standard import ExplainedVariance, MeanAbsolutePercentageError, Pinball, RootMeanSquaredError

METRICS = [RootMeanSquaredError(), MeanAbsolutePercentageError(), Pinball(), Pinball((0.9,)), ExplainedVariance()]


def measure(metric, a, y, weight=None):
    return metric.result(metric.statistics(a, y, weight))


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((15, 2)), rng.standard_normal((15, 2)), rng.uniform(0.2, 2, 15)


def mean(function, a, y, weight):
    total = sum(weight[i] * function(a[i, j], y[i, j]) for i, j in np.ndindex(a.shape))
    return total / (weight.sum() * a.shape[1])


def explained(a, y, weight):
    def variance(values):
        return weight @ np.square(values - weight @ values / weight.sum())

    return np.mean([1 - variance(y[:, j] - a[:, j]) / variance(y[:, j]) for j in range(a.shape[1])])


def pinball(q):
    return lambda a, y: q * (y - a) if y >= a else (1 - q) * (a - y)


FORMULAS = dict(
    zip(
        METRICS,
        [
            lambda *example: math.sqrt(mean(lambda a, y: (a - y) ** 2, *example)),
            lambda *example: mean(lambda a, y: abs(a - y) / abs(y), *example),
            lambda *example: mean(pinball(0.5), *example),
            lambda *example: mean(pinball(0.9), *example),
            explained,
        ],
        strict=True,
    )
)


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_metric_equals_its_formula(metric):
    assert measure(metric, *drawn()) == pytest.approx(FORMULAS[metric](*drawn()), rel=1e-10)


@pytest.mark.parametrize("shape", [(15,), (15, 1)], ids=str)
def test_pinball_of_several_quantiles_is_the_mean_over_them(shape):
    a, y, weight = drawn()
    y = y[:, 0]
    right = np.mean([mean(pinball(q), a[:, [k]], y[:, np.newaxis], weight) for k, q in enumerate((0.2, 0.7))])
    assert measure(Pinball((0.2, 0.7)), a, y.reshape(shape), weight) == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("y", [np.zeros(3), np.zeros((3, 2))], ids=["outputs", "labels"])
def test_pinball_refuses_outputs_and_labels_of_other_numbers(y):
    message = (
        r"^pinball has 3 quantiles: expected one output for each, and labels of shape \(N,\), got outputs of shape "
    )
    with pytest.raises(ShapeError, match=message):
        Pinball((0.1, 0.5, 0.9)).statistics(np.zeros((3, 2 if y.ndim == 1 else 3)), y)


def test_percentage_error_refuses_a_label_of_zero():
    with pytest.raises(DataError, match=r"^mape divides by the labels, and got the label 0\. Use mae or rmse\.$"):
        MeanAbsolutePercentageError().statistics(np.ones((2, 1)), np.array([[1.0], [0.0]]))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, 123456.789])
def test_explained_variance_of_equal_labels_is_defined(value):
    y = np.full((1001, 1), value)
    assert measure(ExplainedVariance(), y, y) == 1
    assert measure(ExplainedVariance(), y + 1, y) == 1
    assert measure(ExplainedVariance(), y + 0.3, y) == 1  # where sums round
    assert measure(ExplainedVariance(), y + np.linspace(0, 1, 1001)[:, np.newaxis], y) == 0


def test_explained_variance_forgives_a_constant_error(rng):
    y = rng.standard_normal((20, 1))
    assert measure(ExplainedVariance(), y + 3, y) == pytest.approx(1)


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_weights_that_sum_to_zero_give_nan(metric):
    assert math.isnan(measure(metric, np.ones((1, 1)), np.ones((1, 1)), np.zeros(1)))


@pytest.mark.parametrize(
    ("metric", "name"), [(MeanAbsolutePercentageError(), "mape"), (Pinball(), "pinball"), (ExplainedVariance(), "expl")]
)
def test_labels_of_another_size_are_refused(metric, name):
    with pytest.raises(ShapeError, match=rf"^{name}\w* compares each entry of a and y: expected y of shape \(4, 3\)"):
        metric.statistics(np.ones((4, 3)), np.ones(4))


def test_errors_go_down_and_explained_variance_goes_up():
    assert [metric.higher_is_better for metric in METRICS] == [False, False, False, False, True]


@pytest.mark.parametrize("metric", [*METRICS, Pinball((0.1, 0.9))], ids=repr)
def test_metric_passes_every_check(metric):
    assert run_checks(metric).failures == ()
