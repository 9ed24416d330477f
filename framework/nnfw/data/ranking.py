"""What a threshold on scores finds: true and false positives from the highest score down."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnfw.arrays import Array


class Outcomes(NamedTuple):
    """The weights of true and false positives where every score of at least a threshold counts as positive.

    Parameters
    ----------
    thresholds
        The T different scores, the highest first.
    true_positives, false_positives
        ``(T,)``; the last ones are all positives and all negatives.
    """

    thresholds: Array
    true_positives: Array
    false_positives: Array


def outcomes_by_threshold(scores: Array, positive: Array, weight: Array | None = None) -> Outcomes:
    """Return what each threshold finds, for `scores` and booleans `positive` of N examples, 1 or more.

    Examples
    --------
    >>> outcomes_by_threshold(np.array([0.9, 0.4, 0.4]), np.array([True, True, False]))
    Outcomes(thresholds=array([0.9, 0.4]), true_positives=array([1., 2.]), false_positives=array([0., 1.]))
    """
    w = np.ones(len(scores)) if weight is None else np.asarray(weight, np.float64)
    thresholds, place = np.unique(scores, return_inverse=True)
    counts = [np.bincount(place, w * rows, minlength=len(thresholds)) for rows in (positive, ~positive)]
    true_positives, false_positives = (np.cumsum(count[::-1]) for count in counts)
    return Outcomes(thresholds[::-1], true_positives, false_positives)


def weighted_ranks(values: Array, weight: Array) -> Array:
    """Return ranks ``(N,)``: the weight of all that is smaller, and half that of what is equal.

    Equal values share a rank. With weights of 1 it is the usual rank from 1, less ½.

    Examples
    --------
    >>> weighted_ranks(np.array([10.0, 30.0, 10.0]), np.ones(3)).tolist()
    [1.0, 2.5, 1.0]
    """
    _, place = np.unique(values, return_inverse=True)
    equal = np.bincount(place, weight)
    ranks: Array = (np.cumsum(equal) - equal / 2)[place]
    return ranks
