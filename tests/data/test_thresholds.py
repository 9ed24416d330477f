"""Thresholds against a search over all of them, and aims that cannot be served."""

import numpy as np
import pytest

from nnfw.data import choose_threshold
from nnfw.errors import ConfigError, DataError

FIGURES = {
    "accuracy": lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn),
    "balanced_accuracy": lambda tp, fp, fn, tn: (tp / (tp + fn) + tn / (tn + fp)) / 2,
    "f1": lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn),
    "matthews_correlation": lambda tp, fp, fn, tn: (
        (tp * tn - fp * fn) / (np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) or 1)
    ),
    "precision": lambda tp, fp, fn, tn: tp / (tp + fp) if tp + fp else 0.0,
    "recall": lambda tp, fp, fn, tn: tp / (tp + fn),
    "specificity": lambda tp, fp, fn, tn: tn / (tn + fp),
}


@pytest.fixture(params=range(4))
def example(request):
    """Return scores with ties, which examples are positive, and weights."""
    rng = np.random.default_rng(request.param)
    positive = rng.random(60) < 0.3
    return np.round(np.clip(rng.normal(0.4 + 0.2 * positive, 0.15), 0, 1), 2), positive, rng.uniform(0.5, 2, 60)


def figure(name, threshold, scores, positive, weight):
    said = scores > threshold
    counts = (
        weight[a & b].sum() for a, b in ((said, positive), (said, ~positive), (~said, positive), (~said, ~positive))
    )
    return FIGURES[name](*counts)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "f1", "matthews_correlation"])
def test_threshold_makes_its_figure_as_large_as_possible(name, example):
    scores, positive, weight = example
    chosen = choose_threshold(scores, positive, name, weight)
    best = max(figure(name, t, *example) for t in np.arange(0, 1, 0.005))
    assert figure(name, chosen.value, *example) == pytest.approx(best)
    assert chosen.aim == name


@pytest.mark.parametrize(
    ("aim", "partner"),
    [("recall >= 0.8", "precision"), ("precision>=.5", "recall"), ("specificity >= 0.9", "recall")],
)
def test_threshold_reaches_its_aim_with_the_most_of_the_other_figure(aim, partner, example):
    name, least = aim.split(">=")
    chosen = choose_threshold(example[0], example[1], aim, example[2])
    reaching = [t for t in np.arange(0, 1, 0.005) if figure(name.strip(), t, *example) >= float(least)]
    assert figure(name.strip(), chosen.value, *example) >= float(least)
    assert figure(partner, chosen.value, *example) == pytest.approx(max(figure(partner, t, *example) for t in reaching))


@pytest.mark.parametrize("aim", ["f1", "recall >= 0.8", "recall >= 1"])
def test_figures_are_those_of_the_examples_above_the_threshold(aim, example):
    chosen = choose_threshold(example[0], example[1], aim, example[2])
    assert chosen.figures.keys() == FIGURES.keys()
    for name, value in chosen.figures.items():
        assert value == pytest.approx(figure(name, chosen.value, *example))


def test_threshold_lies_between_scores_or_below_the_lowest():
    scores, positive = np.array([0.8, 0.4], np.float32), np.array([True, False])
    assert choose_threshold(scores, positive, "f1").value == pytest.approx(0.6)
    assert choose_threshold(scores, ~positive, "recall >= 1").value == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        (
            "accurracy",
            r"^A threshold cannot be chosen for 'accurracy'\. Did you mean 'accuracy'\? Figures: accuracy, b",
        ),
        ("recall > 0.9", r"^A threshold cannot be chosen for 'recall > 0\.9'\. Figures: "),
        ("recall", r"^A threshold cannot be chosen for 'recall'\. Write 'recall >= 0\.9', for instance\.$"),
        ("f1 >= 0.5", r"^A threshold cannot be chosen for 'f1 >= 0\.5'\. Write 'f1', for instance\.$"),
    ],
)
def test_aim_that_is_none_is_refused(aim, message):
    with pytest.raises(ConfigError, match=message):
        choose_threshold(np.array([0.1, 0.9]), np.array([False, True]), aim)


def test_aim_that_nothing_reaches_is_refused_with_what_can_be_reached():
    message = r"^No threshold reaches precision >= 0\.9: the highest precision is 0\.6667\. Ask for less\.$"
    with pytest.raises(DataError, match=message):
        choose_threshold(np.array([0.9, 0.8, 0.7]), np.array([False, True, True]), "precision >= 0.9")


@pytest.mark.parametrize("label", [True, False])
def test_examples_of_one_class_are_refused(label):
    with pytest.raises(
        DataError, match=r"^A threshold needs examples of both classes, and there are only those of one"
    ):
        choose_threshold(np.array([0.1, 0.9]), np.array([label, label]), "f1")
