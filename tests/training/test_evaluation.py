"""Sums over batches: the same as over all examples at once, whatever the batches are and whoever overwrites them."""

import numpy as np
import pytest

import nnfw
from nnfw.training.batches import Labelled
from nnfw.training.evaluation import Tally

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
        tally.follow(data, order, nnfw.Workspace("float64"))
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
            tally.follow(Labelled((a,), (y,)), order, nnfw.Workspace("float64"))
            if start == stop:
                content, tally = tally.content(), Tally({"accuracy": METRICS["accuracy"]})
                tally.put_back(content)
                tally.follow(Labelled((a,), (y,)), order, nnfw.Workspace("float64"))
            tally.add(0.5, a[start : start + 4], y[start : start + 4], None)
        records.append(tally.record())
    assert records == [records[0]] * 4


def test_statistics_added_at_once_leave_what_was_gathered_in_its_place(rng):
    a, y = rng.random((40, CLASSES)), rng.integers(0, CLASSES, 40)
    metric = METRICS["accuracy"]
    tally = Tally({"accuracy": metric})
    tally.follow(Labelled((a,), (y,)), np.arange(40), nnfw.Workspace("float64"))
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
    y = rng.random((count * size, outputs))
    a = rng.random((count, size, outputs))
    costs = rng.random(count).tolist()
    data = Labelled((y,), (y,))
    tallies = []
    for many in (False, True):
        tally = Tally(METRICS if metrics else {})
        tally.follow(data, np.arange(len(y)), nnfw.Workspace(np.float64))
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
