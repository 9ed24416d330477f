"""Metrics: results as scikit-learn's, with ties, weights, a class that is absent, and rare classes."""

import numpy as np
import pytest
from tests.standard.golden.metric_cases import cases

import nnfw

CASES = cases()


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/standard/golden/metrics.npz") as file:
        return dict(file)


def arrays(stored, name):
    return [stored[f"data/{name}/{key}"] for key in ("a", "y", "weight")]


def in_batches(metric, a, y, weight):
    """Return the result of batches of 7 examples, merged."""
    rows = [slice(start, start + 7) for start in range(0, len(a), 7)]
    parts = [metric.statistics(a[own], y[own], None if weight is None else weight[own]) for own in rows]
    whole = parts[0]
    for part in parts[1:]:
        whole = metric.merge(whole, part)
    return metric.result(whole)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_metric_equals_that_of_scikit_learn(name, weighted, stored):
    case = CASES[name]
    a, y, weight = arrays(stored, case.data)
    found = in_batches(case.metric, a, y, weight if weighted else None)
    right = stored[f"{name}/{'weighted' if weighted else 'plain'}"]
    np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)


def test_spearman_equals_that_of_scipy(stored):
    a, y, _ = arrays(stored, "one")
    np.testing.assert_allclose(
        in_batches(nnfw.metric("spearman"), a, y, None), stored["spearman one/plain"], rtol=1e-12
    )
