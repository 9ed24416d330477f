"""The initializers against the distributions that they declare."""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

import nnfw
from nnfw_standard import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Normal,
    Orthogonal,
    Uniform,
    Zeros,
)

SHAPE, FAN_IN, FAN_OUT = (120, 250), 40, 60  # the fans are not those of the shape: only what is passed may count
SIX = [
    pytest.param(GlorotUniform(), 2 / (FAN_IN + FAN_OUT), "uniform", id="glorot_uniform"),
    pytest.param(GlorotNormal(), 2 / (FAN_IN + FAN_OUT), "normal", id="glorot_normal"),
    pytest.param(HeUniform(), 2 / FAN_IN, "uniform", id="he_uniform"),
    pytest.param(HeNormal(), 2 / FAN_IN, "normal", id="he_normal"),
    pytest.param(LecunUniform(), 1 / FAN_IN, "uniform", id="lecun_uniform"),
    pytest.param(LecunNormal(), 1 / FAN_IN, "normal", id="lecun_normal"),
]
ALL = [pytest.param(item.values[0], id=item.id) for item in SIX] + [
    pytest.param(Normal(), id="normal"),
    pytest.param(Uniform(), id="uniform"),
    pytest.param(Orthogonal(), id="orthogonal"),
    pytest.param(Zeros(), id="zeros"),
    pytest.param(Constant(0.5), id="constant"),
]


def matrix(w):
    return w.reshape(w.shape[0], -1)


@pytest.mark.parametrize(("initializer", "variance", "law"), SIX)
def test_sample_has_declared_variance_and_mean_zero(rng, initializer, variance, law):
    w = initializer.sample(SHAPE, FAN_IN, FAN_OUT, rng)

    excess = {"uniform": 0.8, "normal": 2.0}[law]  # Var[s²] = excess · variance² / n
    assert abs(w.var() - variance) < 5 * variance * sqrt(excess / w.size)
    assert abs(w.mean()) < 5 * sqrt(variance / w.size)


@pytest.mark.parametrize(("initializer", "variance", "law"), SIX)
def test_sample_follows_declared_distribution(rng, initializer, variance, law):
    w = initializer.sample(SHAPE, FAN_IN, FAN_OUT, rng)

    limit = sqrt(3 * variance)
    declared = {"uniform": stats.uniform(-limit, 2 * limit), "normal": stats.norm(0, sqrt(variance))}[law]
    assert stats.kstest(w.ravel(), declared.cdf).pvalue > 1e-3


def test_normal_sample_follows_its_mean_and_standard_deviation(rng):
    w = Normal(mean=-3.0, standard_deviation=2.0).sample(SHAPE, FAN_IN, FAN_OUT, rng)

    assert stats.kstest(w.ravel(), stats.norm(-3, 2).cdf).pvalue > 1e-3


def test_normal_sample_without_deviation_is_the_mean(rng):
    assert Normal(mean=1.5, standard_deviation=0.0).sample((2,), 1, 2, rng).tolist() == [1.5, 1.5]


def test_uniform_sample_follows_its_limits(rng):
    w = Uniform(low=1.0, high=4.0).sample(SHAPE, FAN_IN, FAN_OUT, rng)

    assert stats.kstest(w.ravel(), stats.uniform(1, 3).cdf).pvalue > 1e-3


@pytest.mark.parametrize("initializer", ALL)
@pytest.mark.parametrize("shape", [(5,), (3, 4), (4, 3, 2, 2), (1, 1)], ids=str)
def test_sample_of_any_shape_is_float64_of_that_shape(rng, initializer, shape):
    w = initializer.sample(shape, 4, 3, rng)

    assert w.shape == shape
    assert w.dtype == np.float64
    assert np.isfinite(w).all()


@pytest.mark.parametrize("initializer", ALL)
def test_sample_with_the_same_seed_is_bit_equal(initializer):
    first, second = (initializer.sample((6, 4), 4, 6, np.random.default_rng(3)) for _ in range(2))

    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("shape", [(6,), (3, 7), (5, 5), (3, 2, 4)], ids=str)
def test_orthogonal_sample_with_few_rows_or_columns_has_them_orthonormal(rng, shape):
    w = matrix(Orthogonal(gain=3.0).sample(shape, 1, 1, rng))

    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 9.0 * np.eye(min(w.shape)), atol=1e-13)


def test_orthogonal_sample_with_more_rows_than_columns_has_orthonormal_columns(rng):
    w = matrix(Orthogonal().sample((9, 2, 2), 1, 1, rng))

    np.testing.assert_allclose(w.T @ w, np.eye(4), atol=1e-14)


def test_orthogonal_sample_has_the_signs_that_make_it_uniform():
    drawn = np.random.default_rng(5).standard_normal((6, 4))

    w = Orthogonal().sample((6, 4), 1, 1, np.random.default_rng(5))

    r = w.T @ drawn  # the QR decomposition with a positive diagonal is unique
    np.testing.assert_allclose(r, np.triu(r), atol=1e-14)
    assert (np.diagonal(r) > 0).all()


def test_zeros_and_constant_samples_draw_nothing(rng):
    before = rng.bit_generator.state

    assert Zeros().sample((2, 2), 2, 2, rng).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert Constant(-2).sample((2,), 1, 2, rng).tolist() == [-2.0, -2.0]
    assert rng.bit_generator.state == before


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        pytest.param("orthogonal", {"gain": 0.0}, "gain must be greater than 0, got 0.0", id="gain"),
        pytest.param("normal", {"standard_deviation": -1.0}, "standard_deviation must be greater than", id="deviation"),
        pytest.param("constant", {}, "value is missing: number", id="value-missing"),
        pytest.param("uniform", {"low": float("nan")}, "low must be a finite number, got nan", id="nan"),
        pytest.param("uniform", {"low": 2.0, "high": 1}, "high must be greater than low, 2.0, got 1", id="reversed"),
    ],
)
def test_initializer_option_out_of_range_is_refused(name, options, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.initializer(name, **options)


def test_normal_of_negative_zero_deviation_is_the_mean(rng):
    assert (nnfw.initializer("normal", mean=2.0, standard_deviation=-0.0).sample((3, 2), 2, 3, rng) == 2.0).all()
