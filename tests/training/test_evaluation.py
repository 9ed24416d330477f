"""Sums over batches: the same as over all examples at once, whatever the batches are and whoever overwrites them."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import rankdata

import nnfw
from nnfw.compute import kernels, kernels_only
from nnfw.storage import decoded, encoded
from nnfw.testing import checks_of, run_checks
from nnfw.training.batches import Labelled
from nnfw.training.evaluation import Tally
from nnfw.training.measures import measures_of
from nnfw_standard import Accuracy, Dense

METRICS = {"accuracy": nnfw.metric("accuracy"), "mse": nnfw.metric("mse")}
COUNT, CLASSES = 20_011, 3  # a prime number: the last batch is smaller


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("gathers", [False, True], ids=["each", "gathered"])
@pytest.mark.parametrize("size", [1, 32, 900, 3000, COUNT])
def test_tally_of_batches_is_that_of_all_examples(rng, size, gathers, weighted):
    a, y = rng.random((COUNT, CLASSES)), np.eye(CLASSES)[rng.integers(0, CLASSES, COUNT)]
    weight = rng.random(COUNT) if weighted else None
    tally = Tally(METRICS)
    if gathers:
        order = rng.permutation(COUNT)
        back = np.argsort(order)
        data = Labelled((a[back],), (y[back],), None if weight is None else weight[back])
        tally.follow(data.labels_in(order, nnfw.Workspace("float64")))
    for start in range(0, COUNT, size):
        rows = slice(start, start + size)
        batch = [None if array is None else array[rows].copy() for array in (a, y, weight)]
        tally.add(0.25, *batch)
        for array in batch:
            if array is not None:
                array[...] = np.nan
    expected = {name: metric.result(metric.statistics(a, y, weight)) for name, metric in METRICS.items()}
    assert tally.record("some_") == pytest.approx(
        {"some_cost": 0.25} | {f"some_{name}": value for name, value in expected.items()}, rel=1e-12
    )


def test_tally_without_metrics_has_the_mean_cost():
    tally = Tally({})
    for cost, count in ((1.0, 3), (2.0, 1)):
        tally.add(cost, np.zeros((count, 2)), np.zeros((count, 2)), None)
    assert tally.record() == {"cost": 1.25}


WRONG = {
    "more than was counted": {"count": 3},
    "no whole batches": {"size": 3},
    "no size": {"size": 0},
    "numbers": {"gathered": [1, 2]},
    "empty": {"gathered": np.zeros((0, 2))},
    "a number": {"gathered": np.float64(1)},
    "more than are gathered": {"gathered": np.zeros((20_000, 2)), "count": 20_000},
    "large batches": {"gathered": np.zeros((20_000, 2)), "count": 20_000, "size": 20_000},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_tally_takes_back_only_whole_batches_of_outputs(change):
    content = {"statistics": {}, "cost": 1.0, "count": 8, "gathered": np.zeros((4, 2)), "size": 2}
    Tally(METRICS).put_back(content)
    with pytest.raises(nnfw.FileFormatError, match="holds no sums of the cost and of these metrics"):
        Tally(METRICS).put_back(content | change)


def test_tally_goes_on_with_what_another_has_gathered(rng):
    a, y, order = rng.random((50, CLASSES)), rng.integers(0, CLASSES, 50), np.arange(50)
    records = []
    for stop in (0, 4, 12, 48):
        tally = Tally({"accuracy": METRICS["accuracy"]})
        for start in range(0, 50, 4):
            tally.follow(Labelled((a,), (y,)).labels_in(order, nnfw.Workspace("float64")))
            if start == stop:
                content, tally = tally.content(), Tally({"accuracy": METRICS["accuracy"]})
                tally.put_back(content)
                tally.follow(Labelled((a,), (y,)).labels_in(order, nnfw.Workspace("float64")))
            tally.add(0.5, a[start : start + 4], y[start : start + 4], None)
        records.append(tally.record())
    assert records == [records[0]] * 4


def test_statistics_added_at_once_leave_what_was_gathered_in_its_place(rng):
    a, y = rng.random((40, CLASSES)), rng.integers(0, CLASSES, 40)
    metric = METRICS["accuracy"]
    tally = Tally({"accuracy": metric})
    tally.follow(Labelled((a,), (y,)).labels_in(np.arange(40), nnfw.Workspace("float64")))
    for start in (0, 10):
        tally.add(0.5, a[start : start + 10], y[start : start + 10], None)
    statistics = np.stack([metric.statistics(a[rows], y[rows]) for rows in (slice(20, 30), slice(30, 40))])
    tally.add_many([0.5, 0.5], 10, None, {"accuracy": statistics})
    assert tally.record() == {"cost": 0.5, "accuracy": metric.result(metric.statistics(a, y))}


@pytest.mark.parametrize("parts", [[1, 40, 9], [50], [7, 7, 36], [49, 1]], ids=str)
@pytest.mark.parametrize("metrics", [True, False], ids=["metrics", "none"])
@pytest.mark.parametrize("outputs", [10, 500, 2000])
def test_many_batches_added_at_once_leave_the_tally_of_single_ones(parts, metrics, outputs, rng):
    size, count = 16, sum(parts)
    y = rng.dirichlet(np.ones(outputs), count * size)
    a = rng.random((count, size, outputs))
    costs = rng.random(count).tolist()
    data = Labelled((y,), (y,))
    tallies = []
    for many in (False, True):
        tally = Tally(METRICS if metrics else {})
        tally.follow(data.labels_in(np.arange(len(y)), nnfw.Workspace(np.float64)))
        start = 0
        for part in parts:
            rows = range(start, start + part)
            if many:
                tally.add_many(costs[rows.start : rows.stop], size, a[rows.start : rows.stop], {})
            else:
                for k in rows:
                    tally.add(costs[k], a[k], y[k * size : (k + 1) * size], None)
            start += part
        content = tally.content()
        gathered = content.pop("gathered")
        tallies.append((repr(content), None if gathered is None else gathered.tobytes(), tally.record()))
    assert tallies[0] == tallies[1]


@dataclass(frozen=True)
class AUC(nnfw.Metric):
    """The area under the ROC curve, from the scores of all examples."""

    higher_is_better = True

    def statistics(self, a, y, weight=None):
        if a.shape[1:] != (1,) or not np.isin(y, (0, 1)).all():
            raise nnfw.DataError("AUC: expected one output and labels 0 or 1.")
        weight = np.ones(len(a)) if weight is None else weight
        return np.stack([a.ravel(), y.ravel(), weight], axis=1).astype(np.float64)

    def merge(self, first, second):
        return np.concatenate([first, second])

    def result(self, statistics):
        score, label, weight = statistics.T
        _, place = np.unique(score, return_inverse=True)
        ones, zeros = np.bincount(place, weight * label), np.bincount(place, weight * (1 - label))
        pairs = ones.sum() * zeros.sum()
        return float(ones @ (np.cumsum(zeros) - zeros / 2) / pairs) if pairs else float("nan")


def area(scores, labels):
    """Return the area under the ROC curve by the rank formula of Mann and Whitney; equal scores share their ranks."""
    ones = labels.ravel() == 1
    count = ones.sum()
    ranks = rankdata(scores.ravel())
    return (ranks[ones].sum() - count * (count + 1) / 2) / (count * (len(ones) - count))


@pytest.fixture
def ties(rng):
    """Return few different examples many times over, so that many scores are equal, and labels that they suggest."""
    x = rng.integers(-2, 3, (300, 2)).astype(float)
    return x, (x[:, :1] + rng.normal(size=(300, 1)) > 0).astype(float)


def classifier():
    return nnfw.Sequential([Dense(1, activation="sigmoid")], 2, seed=2)


TRAINING = {"cost": "binary_cross_entropy", "optimizer": "sgd", "metrics": ["accuracy", AUC()], "batch_size": 32}


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_metric_that_keeps_scores_is_exact_in_training_validation_and_evaluation(ties, accelerator):
    x, y = ties
    model, still = classifier(), {"type": "sgd", "learning_rate": 1e-30}  # all scores of the epoch are of one model
    given = TRAINING | {"optimizer": still, "validation_data": (x[:100], y[:100]), "accelerator": accelerator}
    history = model.fit(x, y, **given, epochs=2)
    scores = model.predict(x)
    assert len(np.unique(scores)) < 30
    assert history["AUC"] == pytest.approx([area(scores, y)] * 2, rel=1e-12)
    assert history["validation_AUC"] == pytest.approx([area(scores[:100], y[:100])] * 2, rel=1e-12)
    found = model.evaluate(x, y, cost="binary_cross_entropy", metrics=[AUC()])["AUC"]
    assert found == pytest.approx(area(scores, y), rel=1e-12)
    assert 0.6 < found < 1


def test_metric_that_keeps_scores_counts_weights(ties, rng):
    x, y = ties
    weight = rng.integers(0, 3, len(x))
    model = classifier()
    given = {"cost": "binary_cross_entropy", "metrics": [AUC()]}
    found = model.evaluate(x, y, **given, sample_weight=weight)["AUC"]
    assert found == pytest.approx(area(np.repeat(model.predict(x), weight), np.repeat(y, weight)), rel=1e-12)


def test_metric_that_keeps_scores_resumes_within_an_epoch(ties, tmp_path):
    class Interruption(nnfw.Callback):
        def step_computed(self, fit, state):
            if fit.step == 14:
                raise InterruptedError

    given = TRAINING | {"epochs": 2, "checkpoint_seconds": 0.0}
    expected = classifier().fit(*ties, **given)
    frozen = dataclass(frozen=True)(Interruption)
    with pytest.raises(InterruptedError):
        classifier().fit(*ties, **given, checkpoints=tmp_path, callbacks=[frozen()])
    history = classifier().fit(*ties, **given, checkpoints=tmp_path, resume=True)
    assert json.dumps(history.records) == json.dumps(expected.records)


def test_scores_that_were_kept_go_through_a_checkpoint(ties):
    x, y = ties
    a = classifier().predict(x)
    tally, arrays = Tally({"AUC": AUC()}), {}
    for rows in (slice(0, 100), slice(100, 200)):
        tally.add(0.5, a[rows], y[rows], None)
    content = decoded(json.loads(json.dumps(encoded(tally.content(), arrays))), arrays)
    again = Tally({"AUC": AUC()})
    again.put_back(content)
    again.add(0.5, a[200:], y[200:], None)
    assert again.record()["AUC"] == pytest.approx(area(a, y), rel=1e-12)


def test_metric_that_keeps_scores_passes_every_check():
    ids = [check.id for check in checks_of("metric") if check.id != "component.import_is_fast"]  # of pytest, here
    report = run_checks(AUC(), only=ids)
    assert report.ok, str(report)


@dataclass(frozen=True)
class Once(Accuracy):
    """1, the largest of the 1 of each batch, which could also be written by operations."""

    def statistics(self, a, y, weight=None):
        return np.ones(1)

    @kernels_only
    def write_statistics(self, a, y, weight, out):
        kernels().mean(np.ones(1), 1, out)
        return True

    def merge(self, first, second):
        return np.maximum(first, second)

    def result(self, statistics):
        return float(statistics[0])


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_metric_with_its_own_merge_is_not_added_up_over_many_steps(ties, accelerator):
    history = classifier().fit(*ties, **TRAINING | {"metrics": [Once()], "accelerator": accelerator, "epochs": 2})
    assert history["Once"] == [1.0, 1.0]


@pytest.mark.parametrize("merged", [None, "text", np.array(["a"]), 1j, np.array([None])], ids=repr)
def test_metric_whose_merge_returns_something_else_is_named(ties, merged):
    @dataclass(frozen=True)
    class Odd(AUC):
        def merge(self, first, second):
            return merged

    model = classifier()
    expected = r"Metric '.*Odd': merge returned .*, expected an array of numbers\."
    with pytest.raises(nnfw.PluginError, match=expected):
        model.fit(*ties, **TRAINING | {"metrics": [Odd()]})


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_single_output_with_a_name_is_recorded_under_it(accelerator, rng):
    if accelerator == "numba":
        pytest.importorskip("numba")
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    options = {"optimizer": "sgd", "batch_size": 4, "epochs": 3, "accelerator": accelerator}
    model = nnfw.Sequential([nnfw.Node(Dense(2), "price")], 3, outputs=("price",))
    found = model.fit(x, {"price": y}, cost={"price": "mse"}, metrics={"price": ["mae"]}, **options)
    other = nnfw.Sequential([nnfw.Node(Dense(2), "price")], 3)
    expected = other.fit(x, y, cost="mse", metrics=["mae"], **options)
    assert (found["cost"], found["price_mae"]) == (expected["cost"], expected["mae"])
    np.testing.assert_array_equal(model.predict(x)["price"], other.predict(x))


def test_cost_of_each_output_is_recorded_without_metrics_too(rng):
    model = nnfw.Sequential([nnfw.Node(Dense(3), "p"), nnfw.Node(Dense(2), "q")], 3, outputs=("p", "q"))
    y = {"p": rng.normal(size=(20, 3)), "q": rng.normal(size=(20, 2))}
    history = model.fit(rng.normal(size=(20, 3)), y, cost={"p": "mse", "q": "mse"}, optimizer="sgd", epochs=1)
    assert history["cost"][0] == pytest.approx(history["p_cost"][0] + history["q_cost"][0])


def test_measures_of_an_output_give_statistics_as_any_metric_does(rng):
    a, y = rng.random((5, 2)), rng.random((5, 2))
    measures = measures_of({"p": (METRICS["mse"],)}, ("p", "q"), nnfw.Registry.discover())
    assert list(measures) == ["p_cost", "q_cost", "p_mse"]
    np.testing.assert_array_equal(measures["p_mse"].statistics(a, y), METRICS["mse"].statistics(a, y))
    cost = measures["q_cost"]
    assert cost.result(cost.statistics(np.array(3.5), y)) == 3.5
    assert cost.statistics(np.array(3.5), y).tolist() == [17.5, 5]
