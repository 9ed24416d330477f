"""Derivatives beside numerical ones: what counts as the same, and what does not."""

import numpy as np
import pytest

from nnfw.checking.differences import compare, compare_values

SIZES = np.zeros(2)
"""Of quantities that are all 0, so that steps are as short as they get."""


def line(*slopes):
    """Return C = Σ slope_k t_k."""
    return lambda number, t: slopes[number] * t


def bend(left, right):
    """Return C with these slopes on both sides of 0, for each quantity."""
    return lambda number, t: (right if t > 0 else left)[number] * t


def judge(analytic, numeric):
    """Return the verdicts on derivatives, by values and by differences, which must be the same."""
    analytic, numeric = np.array(analytic), np.array(numeric)
    by_values = compare_values(analytic, numeric)
    by_differences = compare(line(*numeric), analytic, np.zeros(len(analytic)), 0.0)
    assert by_values.ok.tolist() == by_differences.ok.tolist()
    np.testing.assert_allclose(by_values.error, by_differences.error, rtol=1e-5, atol=1e-9)
    assert not by_differences.kinks.any()
    return by_values


@pytest.mark.parametrize(
    ("analytic", "numeric"),
    [
        ([1e3, 1e-13], [1e3, 0.0]),
        ([1e3, 0.0], [1e3, 1e-13]),
        ([1e3, 1e-13], [1e3, -1e-13]),
        ([1e3, 1e-13], [1e3, 3e-13]),
        ([-1e3, 1e-13], [-1e3, 3e-13]),
        ([0.0, 0.0], [0.0, 0.0]),
    ],
    ids=["not-zero", "zero", "sign", "factor", "beside-a-negative", "nothing"],
)
def test_tiny_value_beside_a_large_one_is_no_false_alarm(analytic, numeric):
    assert judge(analytic, numeric).ok.all()
    precise = compare(line(*numeric), np.array(analytic), SIZES, 0.0, precise=True)
    assert precise.ok.all()
    bent = compare(bend(numeric, analytic), np.array(analytic), SIZES, 0.0)
    assert bent.ok.all()
    assert not bent.kinks.any()


@pytest.mark.parametrize("numeric", [0.0, -1e-13, 3e-13], ids=["zero", "sign", "factor"])
def test_tiny_value_beside_tiny_ones_is_compared_with_them(numeric):
    assert judge([1e-13, 1e-13], [1e-13, numeric]).ok.tolist() == [True, False]


@pytest.mark.parametrize(
    ("off", "ok"), [(0.9e-5, True), (1.1e-5, False), (-0.9e-5, True), (-1.1e-5, False)], ids=lambda value: f"{value}"
)
def test_values_may_differ_by_1e_5_of_the_larger_or_of_a_thousandth_of_the_largest(off, ok):
    assert judge([2.0, 1.0], [2.0, 1.0 + off]).ok.tolist() == [True, ok]
    assert judge([2e3, 0.5], [2e3, 0.5 + 2 * off]).ok.tolist() == [True, ok]  # as if it were 2


def test_rounding_of_large_terms_is_no_error_and_more_than_rounding_is():
    terms, h = 1e6, 6e-6  # of which a sum cannot be better known than to 20 units in the last place
    rounding = 20 * np.finfo(np.float64).eps * terms / h
    for factor, ok in ((0.9, True), (1.1, False)):
        analytic = np.array([factor * rounding])
        assert compare(lambda number, t: 0.0, analytic, np.zeros(1), terms).ok.tolist() == [ok]


@pytest.mark.parametrize("precise", [False, True], ids=["3-points", "precise"])
def test_error_is_the_difference_relative_to_the_larger(precise):
    analytic = np.array([4.0, 5.0])
    found = compare(line(5.0, 5.0), analytic, SIZES, 0.0, precise=precise)
    assert found.error == pytest.approx([0.2, 0.0], abs=1e-9)
    assert found.numeric == pytest.approx([5.0, 5.0])
    assert found.ok.tolist() == [False, True]
    assert found.confirmed.tolist() == [precise, precise]


@pytest.mark.parametrize(("analytic", "ok"), [(-1.0, True), (0.0, True), (2.0, True), (2.1, False), (-1.1, False)])
def test_value_at_a_kink_may_be_any_between_the_slopes(analytic, ok):
    found = compare(bend([-1.0, 7.0], [2.0, 7.0]), np.array([analytic, 7.0]), SIZES, 0.0)
    assert found.ok.tolist() == [ok, True]
    assert found.kinks[0] == (analytic != 0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
@np.errstate(invalid="ignore")
def test_value_that_is_not_finite_is_wrong_and_spoils_no_other(value):
    one = np.ones(2)
    assert compare(line(1.0, 1.0), np.array([value, 1.0]), SIZES, 0.0).ok.tolist() == [False, True]
    assert compare(lambda number, t: value if t and not number else t, one, SIZES, 0.0).ok.tolist() == [False, True]
