import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnfw
from nnfw import metric
from nnfw.errors import DataError, ShapeError
from nnfw.testing import run_checks
from nnfw_standard import (
    F1,
    R2,
    Accuracy,
    ConfusionMatrix,
    Dense,
    MeanAbsoluteError,
    MeanSquaredError,
    Precision,
    Recall,
    TopKAccuracy,
)

QUICK = settings(max_examples=25, deadline=None, derandomize=True)
CLASSES = st.integers(2, 5)
AVERAGES = ["binary", "macro", "micro", None]
SCORES = {"precision": Precision, "recall": Recall, "f1": F1}
CLASS_METRICS = [
    Accuracy(),
    TopKAccuracy(2),
    ConfusionMatrix(),
    *(score(average=average) for score in SCORES.values() for average in ("macro", "micro")),
]
NUMBER_METRICS = [MeanSquaredError(), MeanAbsoluteError(), R2()]


def measure(metric, a, y, weight=None):
    return metric.result(metric.statistics(a, y, weight))


@st.composite
def classified(draw, classes=CLASSES):
    count, n = draw(classes), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    a = rng.integers(0, 4, (n, count)) / 4  # ties happen
    weight = rng.integers(1, 4, n).astype(np.float64) if draw(st.booleans()) else None
    return a.astype(draw(st.sampled_from([np.float32, np.float64]))), rng.integers(0, count, n), weight


@st.composite
def measured(draw):
    n, outputs = draw(st.integers(2, 12)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    weight = rng.uniform(0.5, 2, n) if draw(st.booleans()) else None
    return rng.standard_normal((n, outputs)), rng.standard_normal((n, outputs)), weight


def weights(weight, n):
    return [1.0] * n if weight is None else weight.tolist()


def first_largest(row):
    return max(range(len(row)), key=lambda k: (row[k], -k))


def outcomes(a, y, weight):
    """Return (TP, FP, FN) of each class, counted one example at a time."""
    counts = [[0.0, 0.0, 0.0] for _ in range(a.shape[1])]
    for row, actual, w in zip(a.tolist(), y.tolist(), weights(weight, len(a)), strict=True):
        predicted = first_largest(row)
        if predicted == actual:
            counts[actual][0] += w
        else:
            counts[predicted][1] += w
            counts[actual][2] += w
    return counts


def score_of(name, tp, fp, fn):
    top, bottom = {"precision": (tp, tp + fp), "recall": (tp, tp + fn), "f1": (2 * tp, 2 * tp + fp + fn)}[name]
    return top / bottom if bottom else 0.0


@given(classified())
@QUICK
def test_accuracy_equals_the_count_of_right_examples(example):
    a, y, weight = example
    w = weights(weight, len(a))
    right = sum(w[i] for i in range(len(a)) if first_largest(a[i].tolist()) == y[i])
    assert measure(Accuracy(), a, y, weight) == pytest.approx(right / sum(w))


@given(classified(), st.integers(1, 6))
@QUICK
def test_top_k_accuracy_equals_the_count_by_sorting(example, k):
    a, y, weight = example
    w = weights(weight, len(a))
    ranked = [sorted(range(a.shape[1]), key=lambda j, i=i: (-a[i, j], j)) for i in range(len(a))]
    right = sum(w[i] for i in range(len(a)) if y[i] in ranked[i][:k])
    assert measure(TopKAccuracy(k), a, y, weight) == pytest.approx(right / sum(w))


@given(classified())
@QUICK
def test_top_1_accuracy_is_the_accuracy(example):
    np.testing.assert_array_equal(TopKAccuracy(1).statistics(*example), Accuracy().statistics(*example))


@given(classified())
@QUICK
def test_confusion_matrix_counts_actual_by_predicted(example):
    a, y, weight = example
    expected = np.zeros((a.shape[1], a.shape[1]))
    for row, actual, w in zip(a.tolist(), y.tolist(), weights(weight, len(a)), strict=True):
        expected[actual, first_largest(row)] += w
    np.testing.assert_allclose(measure(ConfusionMatrix(), a, y, weight), expected)


@pytest.mark.parametrize("name", SCORES)
@given(example=classified())
@QUICK
def test_score_macro_is_the_mean_over_classes_that_occur(name, example):
    counts = [count for count in outcomes(*example) if sum(count)]
    expected = sum(score_of(name, *count) for count in counts) / len(counts)
    assert measure(SCORES[name](average="macro"), *example) == pytest.approx(expected)


@pytest.mark.parametrize("name", SCORES)
@given(example=classified())
@QUICK
def test_score_micro_comes_from_the_sums_over_classes(name, example):
    sums = [sum(column) for column in zip(*outcomes(*example), strict=True)]
    assert measure(SCORES[name](average="micro"), *example) == pytest.approx(score_of(name, *sums))


@pytest.mark.parametrize("average", ["binary", None], ids=str)
@pytest.mark.parametrize("name", SCORES)
@given(example=classified(classes=st.just(2)))
@QUICK
def test_score_of_two_classes_is_that_of_class_one(name, average, example):
    assert measure(SCORES[name](average=average), *example) == pytest.approx(score_of(name, *outcomes(*example)[1]))


@pytest.mark.parametrize("name", SCORES)
@given(example=classified(classes=st.integers(3, 5)))
@QUICK
def test_score_of_more_classes_is_macro_by_default(name, example):
    assert measure(SCORES[name](), *example) == measure(SCORES[name](average="macro"), *example)


@given(measured())
@QUICK
def test_mse_and_mae_equal_means_over_entries(example):
    a, y, weight = example
    w = weights(weight, len(a))
    squares = sum(w[i] * (a[i, j] - y[i, j]) ** 2 for i, j in np.ndindex(a.shape))
    sizes = sum(w[i] * abs(a[i, j] - y[i, j]) for i, j in np.ndindex(a.shape))
    assert measure(MeanSquaredError(), *example) == pytest.approx(squares / (sum(w) * a.shape[1]))
    assert measure(MeanAbsoluteError(), *example) == pytest.approx(sizes / (sum(w) * a.shape[1]))


@given(measured())
@QUICK
def test_r2_equals_the_mean_over_outputs_of_its_formula(example):
    a, y, weight = example
    w = weights(weight, len(a))
    values = []
    for j in range(a.shape[1]):
        mean = sum(w[i] * y[i, j] for i in range(len(y))) / sum(w)
        residual = sum(w[i] * (a[i, j] - y[i, j]) ** 2 for i in range(len(y)))
        total = sum(w[i] * (y[i, j] - mean) ** 2 for i in range(len(y)))
        values.append(1 - residual / total)
    assert measure(R2(), *example) == pytest.approx(sum(values) / len(values), rel=1e-8, abs=1e-8)


def in_parts(metric, a, y, weight, cut):
    parts = [slice(0, cut), slice(cut, None)]
    sums = [metric.statistics(a[part], y[part], None if weight is None else weight[part]) for part in parts]
    return sums[0] + sums[1]


@pytest.mark.parametrize("metric", CLASS_METRICS, ids=repr)
@given(example=classified(), cut=st.integers(0, 12))
@QUICK
def test_class_metric_statistics_add_up_over_batches(metric, example, cut):
    np.testing.assert_array_equal(in_parts(metric, *example, cut), metric.statistics(*example))


@pytest.mark.parametrize("metric", NUMBER_METRICS, ids=repr)
@given(example=measured(), cut=st.integers(0, 12))
@QUICK
def test_number_metric_statistics_add_up_over_batches(metric, example, cut):
    np.testing.assert_allclose(in_parts(metric, *example, cut), metric.statistics(*example), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("metric", CLASS_METRICS, ids=repr)
@given(example=classified())
@QUICK
def test_class_metric_one_hot_labels_count_like_numbers(metric, example):
    a, y, weight = example
    np.testing.assert_array_equal(metric.statistics(a, np.eye(a.shape[1])[y], weight), metric.statistics(a, y, weight))


@pytest.mark.parametrize("metric", [*CLASS_METRICS, *NUMBER_METRICS], ids=repr)
def test_metric_statistics_are_float64_and_small(metric, rng):
    a = rng.random((1000, 3)).astype(np.float32)
    y = rng.integers(0, 3, 1000) if metric in CLASS_METRICS else rng.random((1000, 3)).astype(np.float32)
    statistics = metric.statistics(a, y, np.ones(1000, np.float32))
    assert statistics.dtype == np.float64
    assert statistics.size <= 12


@pytest.mark.parametrize("metric", [*CLASS_METRICS, *NUMBER_METRICS], ids=repr)
def test_metric_sample_weight_two_counts_like_a_repeated_example(metric, rng):
    a = rng.random((6, 3))
    y = rng.integers(0, 3, 6) if metric in CLASS_METRICS else rng.random((6, 3))
    weight = np.array([1.0, 2, 1, 0, 1, 2])
    rows = np.repeat(np.arange(6), weight.astype(int))
    np.testing.assert_allclose(metric.statistics(a, y, weight), metric.statistics(a[rows], y[rows]), rtol=1e-12)


@pytest.mark.parametrize("metric", [*CLASS_METRICS, *NUMBER_METRICS], ids=repr)
def test_metric_leaves_its_inputs_as_they_are(metric, rng):
    a, weight = rng.random((6, 3)), rng.random(6)
    y = rng.integers(0, 3, 6) if metric in CLASS_METRICS else rng.random((6, 3))
    copies = [array.copy() for array in (a, y, weight)]
    measure(metric, a, y, weight)
    for array, copy in zip((a, y, weight), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


SINGLE = np.array([[0.9], [0.5], [0.2], [0.51]])


@pytest.mark.parametrize(
    "y",
    [np.array([1, 0, 1, 0]), np.array([[1.0], [0], [1], [0]]), np.array([[1], [0], [1], [0]])],
    ids=["whole numbers", "column", "column of whole numbers"],
)
@pytest.mark.parametrize("a", [SINGLE, SINGLE[:, 0]], ids=["column", "flat"])
def test_accuracy_single_output_has_its_threshold_at_one_half(a, y):
    assert measure(Accuracy(), a, y.reshape(-1) if a.ndim == 1 else y) == 0.5


def test_confusion_matrix_single_output_has_two_classes():
    matrix = measure(ConfusionMatrix(), SINGLE, np.array([1, 0, 1, 0]))
    assert matrix.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("metric", [Accuracy(), TopKAccuracy(1), ConfusionMatrix(), F1(average="micro")], ids=repr)
def test_class_metric_further_axes_count_as_examples(metric, rng):
    a, y, weight = rng.random((4, 5, 3)), rng.integers(0, 3, (4, 5)), rng.random(4)
    flat = metric.statistics(a.reshape(20, 3), y.reshape(20), np.repeat(weight, 5))
    np.testing.assert_allclose(metric.statistics(a, y, weight), flat, rtol=1e-12)


@pytest.mark.parametrize("metric", NUMBER_METRICS, ids=repr)
def test_number_metric_flat_labels_fit_a_single_output(metric, rng):
    a, y = rng.random((5, 1)), rng.random(5)
    np.testing.assert_array_equal(metric.statistics(a, y), metric.statistics(a, y[:, np.newaxis]))


@pytest.mark.parametrize("metric", [MeanSquaredError(), MeanAbsoluteError()], ids=repr)
def test_number_metric_sums_float32_in_float64(metric):
    a = np.full((100_001, 1), 0.1, np.float32)
    a[0] = 1e4
    entries = np.abs(a) if isinstance(metric, MeanAbsoluteError) else np.square(a)
    exact = entries.astype(np.float64).mean()
    for weight in (None, np.ones(len(a), np.float32)):
        assert measure(metric, a, np.zeros_like(a), weight) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("average", AVERAGES, ids=str)
@pytest.mark.parametrize("name", SCORES)
def test_score_without_any_positive_is_zero(name, average):
    a, y = np.array([[0.9, 0.1]]), np.array([1])
    assert measure(SCORES[name](average=average), a, y) == 0


@pytest.mark.parametrize("average", AVERAGES, ids=str)
@pytest.mark.parametrize("name", SCORES)
def test_score_of_nothing_is_zero(name, average):
    assert measure(SCORES[name](average=average), np.ones((1, 2)), np.array([1]), np.zeros(1)) == 0


@pytest.mark.parametrize("metric", [Accuracy(), TopKAccuracy(), *NUMBER_METRICS], ids=repr)
def test_metric_weights_that_sum_to_zero_give_nan(metric):
    y = np.zeros((1, 2)) if metric in NUMBER_METRICS else np.array([1])
    assert math.isnan(measure(metric, np.ones((1, 2)), y, np.zeros(1)))


@pytest.mark.parametrize("value", [0.0, 0.1, 0.7, 1e6, 123456.789], ids=repr)
def test_r2_equal_labels_give_one_if_met_and_zero_otherwise(value):
    y = np.full((1001, 1), value)
    assert measure(R2(), y, y) == 1
    assert measure(R2(), y + 1, y) == 0


def test_r2_mean_as_prediction_is_zero():
    y = np.array([[1.0], [2.0], [6.0]])
    assert measure(R2(), np.full_like(y, 3.0), y) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("label", [-2, 3], ids=["negative", "too large"])
@pytest.mark.parametrize("metric", CLASS_METRICS, ids=repr)
def test_class_metric_label_outside_the_classes_is_refused(metric, label):
    with pytest.raises(
        DataError, match=rf"^expected classes from 0 to 2, one for each output, got {label}\. Correct it, or give"
    ):
        metric.statistics(np.ones((2, 3)), np.array([0, label]))


@pytest.mark.parametrize("metric", CLASS_METRICS, ids=repr)
def test_class_metric_labels_of_another_shape_are_refused(metric):
    message = r"expected labels of shape \(4,\) or \(4, 3\) for a of shape \(4, 3\), got \(4, 2\)\. Give .*mse"
    with pytest.raises(ShapeError, match=message):
        metric.statistics(np.ones((4, 3)), np.ones((4, 2)))


@pytest.mark.parametrize(("metric", "name"), [*zip(NUMBER_METRICS, ["mse", "mae", "r2"], strict=True)], ids=repr)
def test_number_metric_labels_of_another_size_are_refused(metric, name):
    message = rf"^{name} compares each entry of a and y: expected y of shape \(4, 3\), got \(4,\)\. .*accuracy.*one-hot"
    with pytest.raises(ShapeError, match=message):
        metric.statistics(np.ones((4, 3)), np.ones(4))


@pytest.mark.parametrize("a", [np.ones((4, 1)), np.ones(4)], ids=["column", "flat"])
def test_top_k_accuracy_single_output_is_refused(a):
    with pytest.raises(
        ShapeError,
        match=r"top_k_accuracy needs one output for each of 2 classes or more, got a of shape .* Use accuracy",
    ):
        TopKAccuracy().statistics(a, np.ones(4))


@pytest.mark.parametrize("name", SCORES)
def test_score_binary_of_three_classes_is_refused(name):
    with pytest.raises(ShapeError, match="average 'binary' needs two classes, got 3 outputs; use 'macro' or 'micro'"):
        SCORES[name](average="binary").statistics(np.ones((4, 3)), np.zeros(4, int))


def test_metric_direction_is_down_for_errors_and_up_for_scores():
    assert not MeanSquaredError.higher_is_better
    assert not MeanAbsoluteError.higher_is_better
    assert all(metric.higher_is_better for metric in (*CLASS_METRICS, R2()))


@pytest.mark.parametrize("name", ["accuracy", "precision", "recall", "f1", "confusion_matrix"])
def test_metrics_of_classes_refuse_the_labels_of_a_regression(name):
    a, y = np.array([[0.2], [0.9]]), np.array([[0.0], [0.7]])
    with pytest.raises(DataError, match=r"expected the classes 0 and 1 for one output, got the label 0\.7.*r2, mae"):
        metric(name).statistics(a, y)


SEVERAL = np.array([[0.9, 0.8, 0.1], [0.2, 0.7, 0.6], [0.1, 0.2, 0.3], [0.6, 0.1, 0.9]])
MULTILABEL = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 1]])
# Label by label: TP 2, 1, 2; FP 0, 1, 0; FN 0, 0, 0.


@pytest.mark.parametrize(
    ("name", "average", "expected"),
    [
        ("precision", "macro", (1 + 1 / 2 + 1) / 3),
        ("precision", "micro", 5 / 6),
        ("recall", None, 1.0),
        ("f1", None, (1 + 2 / 3 + 1) / 3),
        ("f1", "micro", 10 / 11),
    ],
)
@pytest.mark.parametrize("dtype", [np.int64, np.float32], ids=["int64", "float32"])
def test_score_multilabel_counts_every_output_by_itself(name, average, expected, dtype):
    metric = SCORES[name](average=average, multilabel=True)
    assert measure(metric, SEVERAL, MULTILABEL.astype(dtype)) == pytest.approx(expected)


@pytest.mark.parametrize("name", SCORES)
def test_score_multilabel_of_two_outputs_is_macro_by_default(name):
    a, y = SEVERAL[:, :2], MULTILABEL[:, :2]
    assert measure(SCORES[name](multilabel=True), a, y) == measure(SCORES[name](average="macro", multilabel=True), a, y)


def test_score_multilabel_weighs_examples_and_adds_up():
    metric, weight = F1(multilabel=True), np.array([2.0, 1, 0, 1])
    rows = np.repeat(np.arange(4), weight.astype(int))
    np.testing.assert_array_equal(
        in_parts(metric, SEVERAL, MULTILABEL, weight, 1), metric.statistics(SEVERAL[rows], MULTILABEL[rows])
    )


def test_score_multilabel_of_one_output_counts_class_one():
    a, y = np.array([0.9, 0.2, 0.8]), np.array([1, 1, 0])
    assert measure(F1(multilabel=True), a, y) == measure(F1(average="binary"), a, y)


def test_score_multilabel_binary_average_is_refused():
    with pytest.raises(ShapeError, match=r"'binary' has one positive class, multilabel has one for each output; use"):
        F1(average="binary", multilabel=True).statistics(SEVERAL, MULTILABEL)


def test_score_multilabel_labels_beside_zero_and_one_are_refused():
    with pytest.raises(DataError, match=r"multilabel expects 0 or 1 for each output, got the label 0\.5\. Correct it"):
        F1(multilabel=True).statistics(SEVERAL, MULTILABEL * 0.5)


@pytest.mark.parametrize("metric", CLASS_METRICS, ids=repr)
@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ([0, 0, 0], "0, occurs 3 times"),
        ([1, 1, 0], "1, occurs 2 times"),
        ([-1, 1, 1], "1, occurs 2 times"),
    ],
    ids=["none", "two", "signs"],
)
def test_class_metric_rows_that_name_no_single_class_are_refused(metric, row, shown):
    y = np.array([[0, 1, 0], row, [1, 0, 0], [0, 0, 1]])
    with pytest.raises(DataError, match=rf"name one class each, got a row whose largest entry, {shown}.*multilabel"):
        metric.statistics(SEVERAL, y)


@pytest.mark.parametrize("row", [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [-1, 1, -1]], ids=str)
def test_class_metric_distributions_and_single_signs_name_their_first_largest(row):
    assert measure(Accuracy(), np.array([row]), np.array([row], np.float32)) == 1


def test_scores_of_many_classes_keep_three_numbers_for_each(rng):
    classes = 20_000
    a, y = rng.random((4, classes), np.float32), rng.integers(0, classes, 4)
    for score in SCORES.values():
        assert score().statistics(a, y).shape == (3, classes)


@pytest.mark.parametrize("name", SCORES)
def test_scores_of_many_classes_take_memory_for_each_class_only(name, rng):
    a, y = rng.random((4, 3000), np.float32), rng.integers(0, 3000, 4)
    tracemalloc.start()
    try:
        measure(SCORES[name](), a, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20  # a matrix has 69 MiB


def test_confusion_matrix_of_too_many_classes_is_refused_with_its_size():
    a = np.broadcast_to(np.float32(0), (1, 100_000))
    message = r"matrix of 100,000 classes has 10,000,000,000 entries, 76,293 MiB; 4,096 classes are the most\. Use f1"
    with pytest.raises(ShapeError, match=message):
        ConfusionMatrix().statistics(a, np.array([0]))


@pytest.mark.parametrize("metric", CLASS_METRICS, ids=repr)
def test_class_metric_labels_from_one_are_told_to_count_from_zero(metric):
    with pytest.raises(
        DataError, match=r"got 3\. The labels count from 1 to 3: subtract 1\. In an experiment.*categor"
    ):
        metric.statistics(SEVERAL, np.array([1, 2, 3, 1]))


def test_class_metric_single_output_labels_one_and_two_are_told_to_count_from_zero():
    with pytest.raises(DataError, match=r"for one output, got the label 2\. The labels count from 1 to 2: subtract 1"):
        Accuracy().statistics(SINGLE, np.array([1, 2, 1, 2]))


# --- labels that do not count -----------------------------------------------------------------------------------------


def tokens(rng):
    """Return outputs and classes of six sequences of four tokens, of which the label of some is −1."""
    a, y = rng.dirichlet(np.ones(3), (6, 4)), rng.integers(0, 3, (6, 4))
    y[0], y[1, 1:], y[2, 0] = -1, -1, -1
    return a, y


@pytest.mark.parametrize("metric", CLASS_METRICS, ids=repr)
@pytest.mark.parametrize("weight", [None, np.array([2.0, 1, 3, 0, 1, 2])], ids=["plain", "weighted"])
def test_class_of_minus_one_does_not_count(metric, weight, rng):
    a, y = tokens(rng)
    rows = y >= 0
    own = None if weight is None else np.broadcast_to(weight[:, np.newaxis], y.shape)[rows]
    np.testing.assert_allclose(measure(metric, a, y, weight), measure(metric, a[rows], y[rows], own), rtol=1e-12)


@pytest.mark.parametrize("metric", CLASS_METRICS, ids=repr)
def test_right_and_wrong_outputs_at_a_class_of_minus_one_are_alike(metric, rng):
    a, y = tokens(rng)
    other = np.where((y < 0)[..., np.newaxis], a[..., ::-1], a)
    np.testing.assert_array_equal(metric.statistics(a, y), metric.statistics(other, y))


@pytest.mark.parametrize("metric", [Accuracy(), TopKAccuracy(2)], ids=repr)
def test_share_is_nan_where_no_label_counts(metric):
    assert math.isnan(measure(metric, np.ones((2, 3)) / 3, np.array([-1, -1])))


@pytest.mark.parametrize("y", [np.array([-1.0, 1.0]), np.array([-2, 1])], ids=["a number", "another class"])
def test_only_whole_minus_one_is_left_out(y):
    with pytest.raises(DataError, match=r"^expected classes from 0 to 2, one for each output, got -[12]\. "):
        measure(Accuracy(), np.ones((2, 3)) / 3, y)


@pytest.mark.parametrize("accelerator", ["none", "numba"])
@pytest.mark.parametrize("shape", [(4,), (5, 4)], ids=["one label", "sequences"])
def test_accuracy_leaves_out_what_token_cross_entropy_ignores(shape, accelerator, rng):
    if accelerator == "numba":
        pytest.importorskip("numba")
    x = rng.normal(size=(40, *shape))
    y = (x[..., 0] > 0) * 1 + (x[..., 1] > 0)
    y[rng.random(y.shape) < 0.3] = -100
    options = {"cost": "token_cross_entropy", "metrics": ["accuracy"]}
    model = nnfw.Sequential([Dense(3, activation="softmax")], shape, seed=1)
    history = model.fit(x, y, optimizer="sgd", batch_size=8, epochs=3, accelerator=accelerator, **options)
    other = nnfw.Sequential([Dense(3, activation="softmax")], shape, seed=1)
    assert history["accuracy"] == other.fit(x, y, optimizer="sgd", batch_size=8, epochs=3, **options)["accuracy"]
    counted = y != -100
    right = (model.predict(x).argmax(axis=-1) == y)[counted].mean()
    assert model.evaluate(x, y, **options)["accuracy"] == pytest.approx(right, rel=1e-12)


def test_accuracy_of_padded_sequences_leaves_out_ignored_tokens_too(rng):
    x, lengths, y = rng.normal(size=(6, 5, 4)), np.array([5, 1, 3, 5, 2, 4]), rng.integers(0, 3, (6, 5))
    y[:, 1] = -100
    model = nnfw.Sequential([Dense(3, activation="softmax")], (5, 4), seed=1)
    counted = (np.arange(5) < lengths[:, np.newaxis]) & (y != -100)
    right = (model.predict(x).argmax(axis=-1) == y)[counted].mean()
    found = model.evaluate(nnfw.Padded(x, lengths), y, cost="token_cross_entropy", metrics=["accuracy"])
    assert found["accuracy"] == pytest.approx(right, rel=1e-12)


class TokenAccuracy(Accuracy):
    def samples(self, rng):
        yield tokens(rng)


def test_accuracy_of_tokens_passes_everything():
    report = run_checks(TokenAccuracy())
    assert [item for item in report.failures if not item.check.startswith("component.")] == [], report
