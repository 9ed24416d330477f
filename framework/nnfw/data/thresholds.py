"""Choosing a threshold: above which probability an example counts as positive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnfw.arrays import Array
from nnfw.data.ranking import Outcomes, outcomes_by_threshold
from nnfw.data.tables import listed
from nnfw.errors import ConfigError, DataError, did_you_mean, short

_PARTNERS = {"recall": "precision", "precision": "recall", "specificity": "recall"}
"""What is made as large as possible while a figure reaches the value that is asked for."""

FIGURES = ("accuracy", "balanced_accuracy", "f1", "matthews_correlation", *_PARTNERS)
"""What a threshold may be chosen for."""

_AIM = re.compile(r"(?P<figure>\w+)(\s*>=\s*(?P<least>\d*\.?\d+))?")


@dataclass(frozen=True)
class Threshold:
    """A threshold, and what it reaches on the examples that it was chosen on.

    Parameters
    ----------
    aim
        What it was chosen for.
    value
        An example counts as positive if its probability is above.
    figures
        Accuracy, precision, recall and so on, by name.
    """

    aim: str
    value: float
    figures: Mapping[str, float]


def choose_threshold(scores: Array, positive: Array, aim: str, weight: Array | None = None) -> Threshold:
    """Return the threshold that serves an aim best.

    Parameters
    ----------
    scores
        Probabilities of the positive class ``(N,)``.
    positive
        Which examples are positive, booleans ``(N,)``; there must be both kinds.
    aim
        A figure to make as large as possible: ``"f1"``, ``"accuracy"``, ``"balanced_accuracy"`` or
        ``"matthews_correlation"``; or ``"recall >= 0.9"`` for the highest precision with such a recall,
        ``"precision >= 0.9"`` or ``"specificity >= 0.9"`` for the highest recall.
    weight
        Weights of the examples ``(N,)``; 1 each by default.

    Notes
    -----
    It lies halfway between two neighbouring scores. Of several that are as good, the highest one is returned.

    Raises
    ------
    ConfigError
        If the aim is none of these.
    DataError
        If all examples are of one class, or no threshold reaches the aim.

    Examples
    --------
    >>> choose_threshold(np.array([0.9, 0.6, 0.4, 0.2]), np.array([True, True, False, True]), "precision >= 1").value
    0.5
    """
    figure, least = _parsed(aim)
    if positive.all() or not positive.any():
        raise DataError("A threshold needs examples of both classes, and there are only those of one.")
    found = outcomes_by_threshold(scores.astype(np.float64), positive, weight)
    figures = figures_of(found)
    if least is None:
        best = int(np.argmax(figures[figure]))
    else:
        reached = figures[figure] >= least
        if not reached.any():
            raise DataError(
                f"No threshold reaches {figure} >= {least:g}: the highest {figure} is {figures[figure].max():.4g}. "
                "Ask for less."
            )
        partner = np.where(reached, figures[_PARTNERS[figure]], -np.inf)
        best = int(np.argmax(partner))
    next_lower = found.thresholds[best + 1] if best + 1 < len(found.thresholds) else 0.0
    value = float(found.thresholds[best] + next_lower) / 2
    return Threshold(aim, value, {name: float(values[best]) for name, values in figures.items()})


def figures_of(found: Outcomes) -> dict[str, Array]:
    """Return accuracy, precision, recall and so on at each threshold, for examples of both classes; 0/0 is 0."""
    tp, fp = found.true_positives, found.false_positives
    fn, tn = tp[-1] - tp, fp[-1] - fp
    recall, specificity = tp / tp[-1], tn / fp[-1]
    spread = np.sqrt((tp + fp) * tp[-1] * (tn + fn) * fp[-1])
    return {
        "accuracy": (tp + tn) / (tp[-1] + fp[-1]),
        "balanced_accuracy": (recall + specificity) / 2,
        "f1": 2 * tp / (2 * tp + fp + fn),
        "matthews_correlation": np.divide(tp * tn - fp * fn, spread, out=np.zeros_like(tp), where=spread > 0),
        "precision": np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0),
        "recall": recall,
        "specificity": specificity,
    }


def _parsed(aim: str) -> tuple[str, float | None]:
    """Return the figure of an aim, and the value that it must reach, if it has one."""
    match = _AIM.fullmatch(aim.strip())
    figure, least = (match["figure"], match["least"]) if match else ("", None)
    if figure not in FIGURES:
        near = did_you_mean(figure, FIGURES)
        raise ConfigError(f"A threshold cannot be chosen for {short(aim)}.{near} Figures: {listed(FIGURES)}.")
    if (least is None) == (figure in _PARTNERS):
        example = f"{figure} >= 0.9" if figure in _PARTNERS else figure
        raise ConfigError(f"A threshold cannot be chosen for {short(aim)}. Write {example!r}, for instance.")
    return figure, None if least is None else float(least)
