"""Metrics of nnfw_standard with outputs and labels, whose results are compared with those of scikit-learn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import nnfw
from nnfw.arrays import Array
from nnfw.protocols import Metric


class Case(NamedTuple):
    """A metric, and the name of the function of scikit-learn with what it is called with.

    Parameters
    ----------
    metric
        With options.
    data
        The name of the outputs and labels in :func:`data`.
    function
        Of ``sklearn.metrics``.
    scores
        Whether the function takes the outputs; else it takes predicted classes or labels.
    options
        Of the function.
    """

    metric: Metric
    data: str
    function: str
    scores: bool
    options: dict[str, object]


CLASSES = ("binary", "tied", "single", "three", "absent", "imbalanced")
"""Data with classes."""

NUMBERS = ("numbers", "far")
RANKED = ("binary", "tied", "single", "imbalanced")


def data(rng: np.random.Generator) -> dict[str, tuple[Array, Array, Array]]:
    """Return outputs, labels and weights by name, drawn in the order of the table."""
    n = 40

    def probabilities(count: int, y: Array) -> Array:
        return rng.dirichlet(np.ones(count), len(y)) / 2 + np.eye(count)[y] / 4 + 1 / (4 * count)

    two, three, rare = rng.integers(0, 2, n), rng.integers(0, 3, n), (np.arange(n) < 3).astype(int)
    labels = rng.integers(0, 2, (n, 3))
    x = rng.standard_normal((n, 2))
    found = {
        "binary": (probabilities(2, two), two),
        "tied": (np.round(probabilities(2, two), 1), two),
        "single": (probabilities(2, two)[:, 1:], two),
        "three": (probabilities(3, three), three),
        "absent": (probabilities(4, three), three),  # no example of class 3
        "imbalanced": (probabilities(2, rare), rare),
        "multilabel": (np.clip(labels + rng.normal(0, 0.5, labels.shape), 0, 1), labels),
        "numbers": (x + rng.normal(0, 0.5, x.shape), x),
        "far": (x + 100 + rng.normal(0, 3, x.shape), x + 100),
        "one": (np.round(x[:, :1] + rng.normal(0, 0.5, (n, 1)), 1), np.round(x[:, :1], 1)),
    }
    return {name: (a, y, rng.uniform(0.2, 3, n)) for name, (a, y) in found.items()}


def cases() -> dict[str, Case]:
    """Return the cases by name."""
    metric = nnfw.metric
    found: dict[str, Case] = {}
    for name in CLASSES:
        found[f"balanced_accuracy {name}"] = Case(
            metric("balanced_accuracy"), name, "balanced_accuracy_score", False, {}
        )
        found[f"matthews {name}"] = Case(metric("matthews_correlation"), name, "matthews_corrcoef", False, {})
        found[f"log_loss {name}"] = Case(metric("log_loss"), name, "log_loss", True, {})
        found[f"brier {name}"] = Case(metric("brier"), name, "brier_score_loss", True, {})
        found[f"class_report {name}"] = Case(
            metric("class_report"), name, "precision_recall_fscore_support", False, {"zero_division": 0}
        )
    for name in RANKED:
        found[f"roc_auc {name}"] = Case(metric("roc_auc"), name, "roc_auc_score", True, {})
        found[f"average_precision {name}"] = Case(
            metric("average_precision"), name, "average_precision_score", True, {}
        )
    for average in ("macro", "weighted"):
        options = {"average": average}
        over = {**options, "multi_class": "ovr"}
        found[f"roc_auc three {average}"] = Case(metric("roc_auc", **options), "three", "roc_auc_score", True, over)
        for function in ("roc_auc", "average_precision"):
            found[f"{function} multilabel {average}"] = Case(
                metric(function, multilabel=True, **options), "multilabel", f"{function}_score", True, options
            )
        found[f"average_precision three {average}"] = Case(
            metric("average_precision", **options), "three", "average_precision_score", True, options
        )
    found["exact_match"] = Case(metric("exact_match"), "multilabel", "accuracy_score", False, {})
    found["hamming_loss"] = Case(metric("hamming_loss"), "multilabel", "hamming_loss", False, {})
    for average in ("macro", "micro"):
        found[f"f1 multilabel {average}"] = Case(
            metric("f1", multilabel=True, average=average), "multilabel", "f1_score", False, {"average": average}
        )
    for name in NUMBERS:
        found[f"explained_variance {name}"] = Case(
            metric("explained_variance"), name, "explained_variance_score", True, {}
        )
        found[f"pinball {name}"] = Case(
            metric("pinball", quantiles=[0.2]), name, "mean_pinball_loss", True, {"alpha": 0.2}
        )
        found[f"mape {name}"] = Case(metric("mape"), name, "mean_absolute_percentage_error", True, {})
    found["rmse one"] = Case(metric("rmse"), "one", "root_mean_squared_error", True, {})
    return found
