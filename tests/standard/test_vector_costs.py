"""The costs of quantiles, distributions and directions against their formulas, and the labels that they refuse."""

import math

import numpy as np
import pytest
from scipy import spatial, stats

import nnfw
from nnfw_standard import CosineDistance, GaussianNLL, Quantile

COSTS = {"quantile": Quantile((0.2, 0.7)), "gaussian_nll": GaussianNLL(), "cosine": CosineDistance()}
EQUATIONS = {
    "quantile": "C = 1/N Σ_i w_i Σ_k max(q_k (y_i − a_ik), (q_k − 1)(y_i − a_ik))",
    "gaussian_nll": "C = 1/(2N) Σ_i w_i Σ_j (s_ij + (y_ij − μ_ij)² e^−s_ij), where s = log σ²",
    "cosine": "C = 1/N Σ_i w_i (1 − a_i · y_i / (‖a_i‖ ‖y_i‖))",
}
each = pytest.mark.parametrize("name", COSTS)


def drawn(rng, name, outer=(5,)):
    """Return a and y."""
    width = {"quantile": 2, "gaussian_nll": 6, "cosine": 4}[name]
    labels = {"quantile": (), "gaussian_nll": (3,), "cosine": (4,)}[name]
    return rng.normal(size=(*outer, width)), rng.normal(size=(*outer, *labels))


def literal(name, a, y):
    """c of each row of outputs, by SciPy or a loop."""
    if name == "quantile":
        return sum(np.maximum(q * (y - a_k), (q - 1) * (y - a_k)) for q, a_k in zip((0.2, 0.7), a.T, strict=True))
    if name == "cosine":
        return [spatial.distance.cosine(*row) for row in zip(a, y, strict=True)]
    return -sum(
        stats.norm.logpdf(y_j, mean, np.exp(s / 2)) + math.log(2 * math.pi) / 2
        for mean, s, y_j in zip(a.T[:3], a.T[3:], y.T, strict=True)
    )


def gradient(cost, a, y, weight=None):
    return cost.gradient(a, y, nnfw.Workspace(a.dtype), weight)


@each
@pytest.mark.parametrize("outer", [(5,), (3, 2), (20_000,)], ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_value_equals_the_formula(rng, name, outer, weighted):
    cost, (a, y) = COSTS[name], drawn(rng, name, outer)
    weight = rng.uniform(0, 3, outer[0]) if weighted else None

    rows = a.reshape(-1, a.shape[-1]), y.reshape(math.prod(outer), *y.shape[len(outer) :])
    terms = np.reshape(literal(name, *rows), (outer[0], -1)).sum(axis=1)
    assert cost.value(a, y, weight) == pytest.approx(np.mean(terms if weight is None else weight * terms), rel=1e-12)
    assert EQUATIONS[name] in type(cost).__doc__


@each
@pytest.mark.parametrize("outer", [(5,), (3, 2), (5000,)], ids=str)
def test_gradient_equals_central_differences(rng, name, outer):
    cost, (a, y) = COSTS[name], drawn(rng, name, outer)
    weight, found = rng.uniform(0, 3, outer[0]), None
    found = gradient(cost, a, y, weight)

    for index in [(0,) * a.ndim, tuple(size - 1 for size in a.shape), (outer[0] // 2,) + (0,) * (a.ndim - 1)]:
        h, step = 1e-6, np.zeros_like(a)
        step[index] = h
        slope = (cost.value(a + step, y, weight) - cost.value(a - step, y, weight)) / (2 * h)
        assert found[index] == pytest.approx(slope, rel=1e-5, abs=1e-8)


@each
def test_labels_of_another_precision_give_the_same(rng, name):
    cost, (a, y) = COSTS[name], drawn(rng, name)
    a, y = a.astype(np.float32), y.astype(np.float32)

    assert cost.value(a, y.astype(float)) == cost.value(a, y)
    np.testing.assert_array_equal(gradient(cost, a, y.astype(float)), gradient(cost, a, y))
    assert gradient(cost, a, y.astype(float)).dtype == np.float32


def test_quantile_of_many_labels_is_least_at_their_quantile(rng):
    y, cost = rng.gamma(2, size=2001), Quantile((0.1, 0.9))
    best = np.tile(np.quantile(y, [0.1, 0.9]), (2001, 1))

    assert cost.value(best, y) < min(cost.value(best + 0.01, y), cost.value(best - 0.01, y))


def test_quantile_has_no_slope_at_the_label():
    np.testing.assert_array_equal(gradient(Quantile(), np.full((1, 3), 0.25), np.array([0.25])), 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("s", [-1e4, 1e4])
def test_gaussian_of_extreme_variances_is_finite_and_silent(dtype, s):
    a, y = np.array([[0.5, s]], dtype), np.array([[2.0]], dtype)

    assert math.isfinite(GaussianNLL().value(a, y))
    assert np.isfinite(gradient(GaussianNLL(), a, y)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cosine_does_not_depend_on_lengths_of_any_size(dtype):
    largest, tiny = np.finfo(dtype).max / 2, np.finfo(dtype).smallest_normal * 4
    y = np.array([[1.0, 1.0]], dtype)

    for size in (largest, 1.0, tiny):
        assert CosineDistance().value(np.array([[size, 0]], dtype), y) == pytest.approx(1 - 2**-0.5, rel=1e-6)
        assert CosineDistance().value(np.array([[size, size]], dtype), y) == pytest.approx(0, abs=1e-6)


def test_cosine_of_no_direction_is_zero_without_a_slope():
    a, y = np.zeros((1, 2)), np.array([[3.0, 4.0]])

    assert CosineDistance().value(a, y) == 1
    np.testing.assert_array_equal(gradient(CosineDistance(), a, y), 0)


@pytest.mark.parametrize(
    ("cost", "y", "shape", "message"),
    [
        pytest.param(
            Quantile(),
            np.ones(4),
            (2,),
            r"^Quantile: the output has 2 values, but there are 3 quantiles\. Give the output layer 3 units, one for",
            id="quantiles",
        ),
        pytest.param(
            Quantile(),
            np.ones((4, 3)),
            (3,),
            r"^Quantile: y must have shape \(N,\), one value for all quantiles together, got \(4, 3\)\. Give it",
            id="label for each quantile",
        ),
        pytest.param(
            GaussianNLL(),
            np.ones((4, 3)),
            (3,),
            r"^GaussianNLL: the output has 3 values, expected a mean and a log variance .* even number of units, means",
            id="odd",
        ),
        pytest.param(
            GaussianNLL(),
            np.ones((4, 2)),
            (2,),
            r"^GaussianNLL: y must have shape \(N, 1\), one value for each mean, got \(4, 2\)",
            id="label for each output",
        ),
        pytest.param(
            CosineDistance(),
            np.array([[1.0, 0.0], [0.0, 0.0]]),
            (2,),
            r"^CosineDistance: y is 0 for example 1, which has no direction\. Leave the example out, or choose",
            id="no direction",
        ),
        pytest.param(
            CosineDistance(),
            np.ones((2, 1)),
            (1,),
            r"^CosineDistance: a single value has no direction but its sign\. Give the output layer more units, or",
            id="single",
        ),
        pytest.param(CosineDistance(), np.full((2, 2), np.nan), (2,), "CosineDistance: y holds 4 values", id="NaN"),
    ],
)
def test_labels_that_do_not_fit_are_refused(cost, y, shape, message):
    with pytest.raises(nnfw.DataError, match=message):
        cost.targets(y, shape)


@pytest.mark.parametrize(
    ("cost", "y", "shape", "expected"),
    [
        pytest.param(Quantile(), np.ones((4, 1), int), (3,), (4,), id="column of quantiles"),
        pytest.param(Quantile(), np.ones((4, 2)), (2, 3), (4, 2), id="several labels"),
        pytest.param(GaussianNLL(), np.ones(4), (2,), (4, 1), id="one mean"),
    ],
)
def test_labels_get_the_shape_that_the_cost_takes(cost, y, shape, expected):
    found = cost.targets(y, shape)

    assert (found.shape, found.dtype.kind) == (expected, "f")


@pytest.mark.parametrize(
    ("quantiles", "message"),
    [
        pytest.param([0.9, 0.1], r"quantiles must increase, got 0\.1 after 0\.9\. Sort them\.", id="falling"),
        pytest.param([0.5, 0.5], r"quantiles must increase, got 0\.5 after 0\.5", id="equal"),
        pytest.param([0.5, 1.0], r"quantiles\[1\] must be less than 1, got 1\.0", id="one"),
        pytest.param([], "quantiles must", id="none"),
    ],
)
def test_quantiles_that_are_none_are_refused(quantiles, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.cost("quantile", quantiles=quantiles)


# what the outputs say of the labels


def test_predictions_of_quantiles_are_named_after_them():
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = Quantile((0.25, 0.9)).predictions(a)
    assert list(found) == ["quantile_0.25", "quantile_0.9"]
    assert found["quantile_0.9"].tolist() == [2, 4]


def test_predictions_of_a_normal_distribution_hold_95_percent_of_it():
    mean, s = np.array([[1.0, -2.0]]), np.log(np.array([[4.0, 0.25]]))
    found = GaussianNLL().predictions(np.concatenate([mean, s], axis=1))
    assert list(found) == ["", "low_95", "high_95"]
    np.testing.assert_array_equal(found[""], mean)
    for name, share in (("low_95", 0.025), ("high_95", 0.975)):
        np.testing.assert_allclose(found[name], stats.norm.ppf(share, mean, np.exp(s / 2)), rtol=1e-12)
