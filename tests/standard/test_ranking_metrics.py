"""Metrics of order against pairs of examples, and what they are where nothing defines them."""

import math

import numpy as np
import pytest

from nnfw.data import outcomes_by_threshold, weighted_ranks
from nnfw.errors import DataError, ShapeError
from nnfw.testing import run_checks
from nnfw_standard import ROCAUC, AveragePrecision, Spearman

OPTIONS = [ROCAUC(), ROCAUC(average="weighted"), ROCAUC(multilabel=True), AveragePrecision(), Spearman()]


def measure(metric, a, y, weight=None):
    return metric.result(metric.statistics(a, y, weight))


def drawn(rng, n=20):
    """Return scores with ties, positives and weights."""
    return rng.integers(0, 6, n) / 5, rng.integers(0, 2, n), rng.uniform(0.2, 2, n)


def area_of_pairs(scores, positive, weight):
    pairs = won = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(positive == 0):
            pairs += weight[i] * weight[j]
            won += weight[i] * weight[j] * (float(scores[i] > scores[j]) + float(scores[i] == scores[j]) / 2)
    return won / pairs


def precision_over_recall(scores, positive, weight):
    total, before, area = weight @ positive, 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        said = scores >= threshold
        recall = weight[said] @ positive[said] / total
        area += (recall - before) * (weight[said] @ positive[said]) / weight[said].sum()
        before = recall
    return area


FORMULAS = {"area": (ROCAUC, area_of_pairs), "precision": (AveragePrecision, precision_over_recall)}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("seed", range(5))
def test_score_of_two_classes_is_that_of_its_formula(name, seed):
    metric, formula = FORMULAS[name]
    scores, positive, weight = drawn(np.random.default_rng(seed))
    right = formula(scores, positive, weight)
    assert measure(metric(), scores[:, np.newaxis], positive, weight) == pytest.approx(right, rel=1e-12)
    both = np.column_stack([1 - scores, scores])
    assert measure(metric(), both, positive, weight) == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_score_of_more_classes_is_the_mean_of_one_versus_rest(name, average, rng):
    metric, formula = FORMULAS[name]
    a, y, weight = rng.integers(0, 6, (30, 3)) / 5, rng.integers(0, 3, 30), rng.uniform(0.2, 2, 30)
    each = [formula(a[:, k], (y == k) * 1, weight) for k in range(3)]
    sizes = [weight[y == k].sum() for k in range(3)] if average == "weighted" else None
    right = np.average(each, weights=sizes)
    assert measure(metric(average=average), a, y, weight) == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_score_of_labels_is_the_mean_over_outputs(name, rng):
    metric, formula = FORMULAS[name]
    a, y, weight = rng.integers(0, 6, (30, 3)) / 5, rng.integers(0, 2, (30, 3)), rng.uniform(0.2, 2, 30)
    right = np.mean([formula(a[:, k], y[:, k], weight) for k in range(3)])
    assert measure(metric(multilabel=True), a, y, weight) == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_class_without_examples_is_left_out_of_the_mean(name, rng):
    metric, formula = FORMULAS[name]
    a, y = rng.random((20, 3)), rng.integers(0, 2, 20)
    right = np.mean([formula(a[:, k], (y == k) * 1, np.ones(20)) for k in range(2)])
    assert measure(metric(), a, y) == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "label", "right"), [(ROCAUC(), 1, 0.5), (ROCAUC(), 0, 0.5), (AveragePrecision(), 0, 0.0)], ids=repr
)
def test_score_of_a_single_class_is_defined(metric, label, right, rng):
    assert measure(metric, rng.random((5, 1)), np.full(5, label)) == right


def test_constant_scores_are_chance():
    y = np.array([1, 0, 0, 0])
    assert measure(ROCAUC(), np.full((4, 1), 0.3), y) == 0.5
    assert measure(AveragePrecision(), np.full((4, 1), 0.3), y) == 0.25


def test_examples_without_weight_do_not_make_a_class():
    a, y, weight = np.array([[0.2], [0.4], [0.9]]), np.array([0, 0, 1]), np.array([1.0, 1.0, 0.0])
    assert measure(ROCAUC(), a, y, weight) == 0.5


def test_labels_that_do_not_count_are_left_out_of_scores(rng):
    a, y = rng.dirichlet(np.ones(3), (6, 4)), rng.integers(-1, 3, (6, 4))
    rows = y >= 0
    assert measure(ROCAUC(), a, y) == pytest.approx(measure(ROCAUC(), a[rows], y[rows]), rel=1e-12)


@pytest.mark.parametrize("metric", [ROCAUC(), AveragePrecision(), Spearman()], ids=repr)
def test_output_that_is_no_number_gives_none(metric):
    assert math.isnan(measure(metric, np.array([[np.nan], [0.5]]), np.array([0, 1])))


def test_ranks_of_the_labels_correlate(rng):
    a, y = rng.permutation(9).astype(float), rng.permutation(9).astype(float)
    right = 1 - 6 * np.square(a - y).sum() / (9 * (81 - 1))
    assert measure(Spearman(), a[:, np.newaxis], y[:, np.newaxis]) == pytest.approx(right, rel=1e-12)


def test_spearman_is_one_for_any_increasing_relation(rng):
    y = rng.standard_normal((50, 2))
    assert measure(Spearman(), np.exp(y), y) == pytest.approx(1, abs=1e-12)
    assert measure(Spearman(), -(y**3), y) == pytest.approx(-1, abs=1e-12)


@pytest.mark.parametrize("constant", ["outputs", "labels"])
def test_spearman_of_a_constant_is_zero(constant, rng):
    a, y = rng.random((50, 1)), rng.random((50, 1))
    (a if constant == "outputs" else y)[:] = 0.1
    assert measure(Spearman(), a, y, rng.random(50)) == 0


def test_spearman_of_one_differing_label_of_many_is_not_zero():
    y = np.zeros((100_000, 1))
    y[7] = 1
    assert measure(Spearman(), y, y) == pytest.approx(1)


def test_spearman_weights_that_sum_to_zero_give_nan():
    assert math.isnan(measure(Spearman(), np.ones((2, 1)), np.ones((2, 1)), np.zeros(2)))


def test_spearman_refuses_labels_of_another_size():
    with pytest.raises(ShapeError, match=r"^spearman compares each entry of a and y: expected y of shape \(4, 3\)"):
        Spearman().statistics(np.ones((4, 3)), np.ones(4))


@pytest.mark.parametrize("metric", [ROCAUC(), AveragePrecision()], ids=repr)
def test_scores_refuse_the_labels_of_a_regression(metric):
    with pytest.raises(
        DataError, match=r"^expected the classes 0 and 1 for one output, got the label 0\.3\. For labels"
    ):
        metric.statistics(np.ones((3, 1)), np.array([0.3, 1.0, 2.0]))


def test_outcomes_join_equal_scores_and_end_with_everything():
    found = outcomes_by_threshold(
        np.array([1.0, 3.0, 1.0, 2.0]), np.array([True, True, False, False]), np.arange(1.0, 5)
    )
    assert found.thresholds.tolist() == [3, 2, 1]
    assert found.true_positives.tolist() == [2, 2, 3]
    assert found.false_positives.tolist() == [0, 4, 7]


def test_ranks_of_whole_weights_are_those_of_repeated_values(rng):
    values, weight = rng.integers(0, 4, 10).astype(float), rng.integers(1, 4, 10)
    repeated = np.repeat(values, weight)
    plain = weighted_ranks(repeated, np.ones(len(repeated)))
    found = weighted_ranks(values, weight.astype(float))
    np.testing.assert_allclose(np.repeat(found, weight), plain)


@pytest.mark.parametrize("metric", OPTIONS, ids=repr)
def test_metric_passes_every_check(metric):
    assert run_checks(metric).failures == ()
