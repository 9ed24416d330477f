"""Metrics of probabilities against loops over the examples, and outputs that are no probabilities."""

import math

import numpy as np
import pytest

import nnfw
from nnfw.errors import DataError
from nnfw.testing import run_checks
from nnfw_standard import Brier, Dense, ExpectedCalibrationError, LogLoss

METRICS = [LogLoss(), Brier(), ExpectedCalibrationError(), ExpectedCalibrationError(bins=4)]


def measure(metric, a, y, weight=None):
    return metric.result(metric.statistics(a, y, weight))


def drawn(count, rng):
    a = rng.dirichlet(np.ones(count), 25)
    return a, rng.integers(0, count, 25), rng.uniform(0.2, 2, 25)


def log_loss(a, y, weight):
    return sum(-w * math.log(row[k]) for row, k, w in zip(a, y, weight, strict=True)) / weight.sum()


def brier(a, y, weight):
    total = 0.0
    for row, k, w in zip(a, y, weight, strict=True):
        terms = [(p - (j == k)) ** 2 for j, p in enumerate(row)]
        total += w * (terms[1] if len(row) == 2 else sum(terms))
    return total / weight.sum()


def calibration(bins):
    def error(a, y, weight):
        total = 0.0
        for b in range(bins):
            inside = [i for i in range(len(a)) if b / bins < a[i].max() <= (b + 1) / bins]
            total += abs(sum(weight[i] * (a[i].max() - (a[i].argmax() == y[i])) for i in inside))
        return total / weight.sum()

    return error


FORMULAS = dict(zip(METRICS, [log_loss, brier, calibration(15), calibration(4)], strict=True))


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_metric_equals_its_formula(metric, count, rng):
    example = drawn(count, rng)
    assert measure(metric, *example) == pytest.approx(FORMULAS[metric](*example), rel=1e-12)


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_single_output_is_the_probability_of_class_one(metric, rng):
    a, y, weight = drawn(2, rng)
    assert measure(metric, a[:, 1:], y, weight) == pytest.approx(measure(metric, a, y, weight), rel=1e-12)
    assert measure(metric, a[:, 1], y, weight) == pytest.approx(measure(metric, a, y, weight), rel=1e-12)


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_labels_that_do_not_count_are_left_out(metric, rng):
    a, y, weight = rng.dirichlet(np.ones(3), (6, 4)), rng.integers(-1, 3, (6, 4)), rng.random(6)
    rows = y >= 0
    own = np.broadcast_to(weight[:, np.newaxis], y.shape)[rows]
    assert measure(metric, a, y, weight) == pytest.approx(measure(metric, a[rows], y[rows], own), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_of_a_certain_mistake_is_finite(dtype):
    right = -math.log(np.finfo(dtype).eps)
    assert measure(LogLoss(), np.array([[1, 0]], dtype), np.array([1])) == pytest.approx(right)
    assert measure(LogLoss(), np.array([[1]], dtype), np.array([0])) == pytest.approx(right)
    assert measure(LogLoss(), np.array([[0, 1]], dtype), np.array([1])) == 0


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_weights_that_sum_to_zero_give_nan(metric):
    assert math.isnan(measure(metric, np.array([[0.5, 0.5]]), np.array([1]), np.zeros(1)))


def test_confidence_on_an_edge_belongs_to_the_bin_below():
    statistics = ExpectedCalibrationError(bins=4).statistics(np.array([[0.75], [0.76], [1.0]]), np.array([1, 1, 1]))
    assert statistics[0].tolist() == [0, 0, 1, 2]


def test_network_that_is_always_sure_and_right_is_calibrated():
    assert measure(ExpectedCalibrationError(), np.eye(3), np.arange(3)) == 0


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_regression_is_refused(metric):
    with pytest.raises(DataError, match=r"^expected the classes 0 and 1 for one output, got the label 2\.5\."):
        metric.statistics(np.array([[0.5]]), np.array([[2.5]]))


REFUSAL = (
    r"^Metric 'brier' \(built-in\) does not fit network and labels: it takes outputs from 0 to 1, but the last layer "
    r"ends in 'tanh' \(built-in\), whose values go from -1 to 1\. Use another metric, or another activation there\.$"
)


def test_outputs_that_are_no_probabilities_are_refused_before_the_training(rng):
    model = nnfw.Sequential([Dense(1, activation="tanh")], (3,), seed=0)
    x, y = rng.random((8, 3)), np.arange(8) % 2
    with pytest.raises(DataError, match=REFUSAL):
        model.fit(x, y, cost="mse", optimizer="sgd", metrics=["brier"], epochs=1)
    with pytest.raises(DataError, match=REFUSAL):
        model.evaluate(x, y, cost="mse", metrics=["brier"])


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_metric_passes_every_check(metric):
    assert run_checks(metric).failures == ()
