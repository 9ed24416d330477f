"""The regularizers against their formulas and finite differences."""

import tracemalloc

import numpy as np
import pytest

import nnfw
from nnfw_standard import L1, L2, SGD, regularizers

REGULARIZERS = [pytest.param(L1(0.3), id="l1"), pytest.param(L2(0.3), id="l2")]


def gradient_of(regularizer, w):
    gradient = np.zeros_like(w)
    regularizer.add_gradient(w, gradient)
    return gradient


def test_l1_value_is_the_rate_times_the_sum_of_absolute_values():
    assert L1(0.5).value(np.array([1.0, -2.0, 0.0])) == 1.5


def test_l2_value_is_half_the_rate_times_the_sum_of_squares():
    assert L2(0.5).value(np.array([1.0, -2.0, 0.0])) == 1.25


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_add_gradient_equals_central_differences_of_the_value(rng, regularizer):
    w, step = rng.normal(size=8), 1e-5
    differences = [
        (regularizer.value(w + step * unit) - regularizer.value(w - step * unit)) / (2 * step) for unit in np.eye(8)
    ]

    np.testing.assert_allclose(gradient_of(regularizer, w), differences, rtol=0, atol=1e-9)


def test_l1_add_gradient_at_zero_adds_zero():
    assert gradient_of(L1(), np.zeros(2)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_add_gradient_adds_to_what_is_there_and_leaves_the_weights(rng, regularizer):
    w, there = rng.normal(size=(2, 5))
    before, gradient = w.copy(), there.copy()

    regularizer.add_gradient(w, gradient)

    np.testing.assert_array_equal(gradient, there + gradient_of(regularizer, w))
    np.testing.assert_array_equal(w, before)


def test_l2_add_gradient_is_coupled_weight_decay(rng):
    w, gradient = rng.normal(size=(2, 5))
    decayed = w.copy()
    decaying = SGD(weight_decay=0.3)
    decaying.update(decayed, gradient.copy(), decaying.state(w), 1, 0.1, slice(0, 5))

    L2(0.3).add_gradient(w, gradient)

    np.testing.assert_allclose(w - 0.1 * gradient, decayed, rtol=1e-15)


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_value_and_gradient_block_by_block_equal_those_of_one_block(rng, monkeypatch, regularizer):
    w = rng.normal(size=10)
    value, gradient = regularizer.value(w), gradient_of(regularizer, w)

    monkeypatch.setattr(regularizers, "BLOCK", 3)

    assert regularizer.value(w) == pytest.approx(value, rel=1e-15)
    np.testing.assert_array_equal(gradient_of(regularizer, w), gradient)


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_value_and_gradient_of_no_weights_are_nothing(regularizer):
    assert regularizer.value(np.zeros(0)) == 0.0
    assert gradient_of(regularizer, np.zeros(0)).size == 0


@pytest.mark.parametrize("regularizer", REGULARIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_add_gradient_at_extreme_weights_is_finite_in_the_dtype(regularizer, dtype):
    gradient = gradient_of(regularizer, np.array([1e4, -1e4, 0.0], dtype))

    assert gradient.dtype == dtype
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_value_and_gradient_of_many_weights_allocate_no_array_of_their_size(rng, regularizer):
    w, gradient = rng.normal(size=(2, 500_000))

    tracemalloc.start()
    try:
        regularizer.value(w)
        regularizer.add_gradient(w, gradient)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < w.nbytes / 10


@pytest.mark.parametrize(("regularizer", "power"), [(L1(1.0), 1), (L2(2.0), 2)], ids=["l1", "l2"])
def test_value_of_many_float32_weights_is_precise(regularizer, power):
    w = np.full(1 << 22, 1e-3, np.float32)

    assert regularizer.value(w) == pytest.approx(len(w) * float(w[0]) ** power, rel=1e-12)


def test_l2_value_of_float32_weights_whose_squares_overflow_is_finite():
    assert L2(2.0).value(np.full(3, 1e20, np.float32)) == pytest.approx(3e40, rel=1e-6)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_regularizer_with_negative_rate_is_refused(name):
    with pytest.raises(nnfw.ConfigError, match=r"rate must be greater than or equal to 0, got -1\.0"):
        nnfw.regularizer(name, rate=-1.0)
