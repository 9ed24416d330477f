"""Metrics of counts against loops over the examples, and what they are where a class is absent."""

import math

import numpy as np
import pytest

from nnfw.errors import DataError, ShapeError
from nnfw.testing import run_checks
from nnfw_standard import (
    Accuracy,
    BalancedAccuracy,
    ClassReport,
    ExactMatch,
    HammingLoss,
    MatthewsCorrelation,
    Recall,
    Specificity,
)

SINGLE_LABEL = [BalancedAccuracy(), MatthewsCorrelation(), Specificity(), ClassReport()]
MULTILABEL = [ExactMatch(), HammingLoss(), Specificity(multilabel=True), ClassReport(multilabel=True)]


def measure(metric, a, y, weight=None):
    return metric.result(metric.statistics(a, y, weight))


def drawn(count, seed):
    rng = np.random.default_rng(seed)
    return rng.random((30, count)), rng.integers(0, count, 30), rng.uniform(0.2, 2, 30)


def counts(a, y, weight, k):
    """Return TP, FP, FN and TN of class k."""
    found = [0.0] * 4
    for row, actual, w in zip(a, y, weight, strict=True):
        said = row.argmax() == k
        found[{(True, True): 0, (True, False): 1, (False, True): 2, (False, False): 3}[said, actual == k]] += w
    return found


@pytest.mark.parametrize("count", [2, 3, 5])
def test_balanced_accuracy_is_the_mean_of_the_recalls(count):
    example = drawn(count, count)
    tables = [counts(*example, k) for k in range(count)]
    assert measure(BalancedAccuracy(), *example) == pytest.approx(np.mean([t[0] / (t[0] + t[2]) for t in tables]))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_matthews_correlation_is_that_of_one_hot_vectors(count):
    a, y, w = drawn(count, count)
    said, true = np.eye(count)[a.argmax(axis=1)], np.eye(count)[y]

    def covariance(p, q):
        p, q = (each - w @ each / w.sum() for each in (p, q))
        return (w[:, np.newaxis] * p * q).sum()

    right = covariance(said, true) / math.sqrt(covariance(said, said) * covariance(true, true))
    assert measure(MatthewsCorrelation(), a, y, w) == pytest.approx(right, rel=1e-10)


def test_matthews_correlation_of_two_classes_is_that_of_the_four_counts():
    example = drawn(2, 7)
    tp, fp, fn, tn = counts(*example, 1)
    right = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert measure(MatthewsCorrelation(), *example) == pytest.approx(right, rel=1e-10)


def test_specificity_is_the_share_of_negatives_that_are_right():
    example = drawn(3, 1)
    tables = np.array([counts(*example, k) for k in range(3)])
    _, fp, _, tn = tables.T
    assert measure(Specificity(), *example) == pytest.approx(np.mean(tn / (tn + fp)))
    assert measure(Specificity(average="micro"), *example) == pytest.approx(tn.sum() / (tn + fp).sum())


def test_specificity_of_two_classes_is_the_recall_of_class_zero():
    a, y, weight = drawn(2, 2)
    assert measure(Specificity(), a, y, weight) == pytest.approx(measure(Recall(), a[:, ::-1], 1 - y, weight))


def test_specificity_leaves_an_absent_class_out_of_the_mean():
    a, y = np.eye(3)[[0, 1, 1, 0]], np.array([0, 1, 0, 1])
    assert measure(Specificity(), a, y) == 0.5


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_specificity_of_labels_counts_every_output_by_itself(average, rng):
    a, y, w = rng.random((20, 3)), rng.integers(0, 2, (20, 3)), rng.random(20)
    fp, tn = (w @ ((a > 0.5) == said) * 0 + w @ (((a > 0.5) == said) & (y == 0)) for said in (True, False))
    right = np.mean(tn / (tn + fp)) if average == "macro" else tn.sum() / (tn + fp).sum()
    assert measure(Specificity(average=average, multilabel=True), a, y, w) == pytest.approx(right)


def test_class_report_has_a_row_for_each_class():
    example = drawn(3, 4)
    for k, (precision, recall, f1, support) in enumerate(measure(ClassReport(), *example)):
        tp, fp, fn, _ = counts(*example, k)
        expected = (tp / (tp + fp), tp / (tp + fn), 2 * tp / (2 * tp + fp + fn), tp + fn)
        assert (precision, recall, f1, support) == pytest.approx(expected)


def test_absent_class_has_a_row_of_zeros_and_does_not_lower_the_balanced_accuracy():
    a, y = np.eye(3)[[0, 1, 1]], np.array([0, 1, 0])
    assert measure(ClassReport(), a, y)[2].tolist() == [0, 0, 0, 0]
    assert measure(BalancedAccuracy(), a, y) == 0.75
    only_said = np.eye(3)[[0, 1, 2]]
    assert measure(BalancedAccuracy(), only_said, y) == 0.75
    assert measure(Recall(), only_said, y) == 0.5


@pytest.mark.parametrize(
    ("a", "y"), [(np.eye(2)[[1, 1, 1]], [0, 1, 1]), (np.eye(2)[[0, 1, 1]], [1, 1, 1])], ids=["said", "true"]
)
def test_matthews_correlation_of_a_single_class_is_zero(a, y):
    assert measure(MatthewsCorrelation(), a, np.array(y)) == 0


def test_specificity_without_negatives_is_zero():
    assert measure(Specificity(average="binary"), np.array([[0.9], [0.2]]), np.array([1, 1])) == 0


@pytest.mark.parametrize("metric", [BalancedAccuracy(), ExactMatch(), HammingLoss()], ids=repr)
def test_weights_that_sum_to_zero_give_nan(metric):
    assert math.isnan(measure(metric, np.ones((1, 2)), np.array([[1, 0]]), np.zeros(1)))


def test_exact_match_and_hamming_loss_count_rows_and_labels(rng):
    a, y, w = rng.random((20, 3)), rng.integers(0, 2, (20, 3)), rng.random(20)
    rows = [all((p > 0.5) == (label == 1) for p, label in zip(*pair, strict=True)) for pair in zip(a, y, strict=True)]
    labels = [sum((p > 0.5) != (label == 1) for p, label in zip(*pair, strict=True)) for pair in zip(a, y, strict=True)]
    assert measure(ExactMatch(), a, y, w) == pytest.approx(w @ np.array(rows) / w.sum())
    assert measure(HammingLoss(), a, y, w) == pytest.approx(w @ np.array(labels) / (3 * w.sum()))


def test_exact_match_takes_a_single_output():
    assert measure(ExactMatch(), np.array([0.9, 0.2, 0.1]), np.array([1, 1, 0])) == pytest.approx(2 / 3)
    assert measure(HammingLoss(), np.array([0.9, 0.2, 0.1]), np.array([1, 1, 0])) == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric", MULTILABEL, ids=repr)
def test_labels_beside_zero_and_one_are_refused(metric):
    with pytest.raises(DataError, match=r"^multilabel expects 0 or 1 for each output, got the label 2\. Correct it"):
        metric.statistics(np.ones((2, 2)), np.array([[0, 1], [2, 0]]))


@pytest.mark.parametrize("metric", MULTILABEL, ids=repr)
def test_labels_of_another_size_are_refused(metric):
    with pytest.raises(ShapeError, match=r"^multilabel compares each entry of a and y: expected y of shape \(2, 2\)"):
        metric.statistics(np.ones((2, 2)), np.array([0, 1]))


@pytest.mark.parametrize("y", [[[0.3, 2.5], [1.5, 0.2]], [[0.1, 7.0, 2.0], [3.0, 0.5, 0.4]]], ids=["two", "three"])
@pytest.mark.parametrize("metric", [*SINGLE_LABEL, Accuracy()], ids=repr)
def test_rows_of_numbers_are_refused(metric, y):
    row = ", ".join(f"{value:g}" for value in y[0])
    message = (
        rf"^expected labels that name one class each, got the row \({row}\), which is neither one-hot nor sums to 1"
    )
    with pytest.raises(DataError, match=message):
        metric.statistics(np.ones((2, len(y[0]))), np.array(y))


def test_long_row_of_numbers_is_shown_in_part():
    with pytest.raises(
        DataError, match=r"got the row \(0, 1, 2, 3, \.\.\.\), which is .* use a metric such as r2, mae"
    ):
        Accuracy().statistics(np.ones((1, 9)), np.arange(9.0)[np.newaxis])


@pytest.mark.parametrize(
    "y",
    [
        [[0.9, 0.1, 0.1], [0.1, 0.9, 0.1]],
        [[-1, 1, -1], [1, -1, -1]],
        [[0.2, 0.3, 0.5], [1, 0, 0]],
        [[0, 0, 1], [0.5, 0.5, 0]],
    ],
    ids=["soft", "signs", "distributions", "tied"],
)
def test_rows_that_name_a_class_are_taken(y):
    y = np.array(y, np.float32)
    assert measure(Accuracy(), y, y) == 1


@pytest.mark.parametrize("metric", [*SINGLE_LABEL, *MULTILABEL], ids=repr)
def test_metric_passes_every_check(metric):
    assert run_checks(metric).failures == ()
