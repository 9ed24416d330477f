"""Transforms of skewed and wild numbers: their formulas, their inverses, and what they refuse."""

import json

import numpy as np
import pytest
from scipy import stats

import nnfw
from nnfw.data import Examples, Preprocessing
from nnfw_standard import Clip, Log, Power, QuantileTransform, Robust, Standardize


def fitted_to(transform, x):
    return json.loads(json.dumps(transform.fit(x), allow_nan=False))


def test_robust_is_its_formula_at_each_position(rng):
    x = rng.normal(size=(31, 2, 2)) ** 3
    transform = Robust()
    ordered = np.sort(x, axis=0)
    expected = (x - ordered[15]) / ((ordered[22] + ordered[23]) / 2 - (ordered[7] + ordered[8]) / 2)
    np.testing.assert_allclose(transform.apply(x, fitted_to(transform, x)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("x", "fitted"),
    [
        ([0.0, 0, 0, 0, 0, 0, 0, 9], {"median": 0.0, "scale": 4.5}),
        ([0.3, 0.30000000000000004, 0.3], {"median": 0.3, "scale": 1.0}),
        (np.float32([16_777_216, 16_777_216, 16_777_218]), {"median": 16_777_216.0, "scale": 1.0}),
        ([-1.7e308, -1.6e308, 1.6e308, 1.7e308], {"median": 0.0, "scale": np.finfo(float).max}),
    ],
    ids=["half equal", "constant but for rounding", "neighbours in float32", "too far apart"],
)
def test_robust_scale_of_columns_without_a_usual_one(x, fitted):
    assert fitted_to(Robust(), np.array(x)) == fitted


@pytest.mark.parametrize("size", [1e-300, 1e300], ids=repr)
def test_robust_numbers_of_every_size(size):
    x = np.array([1.0, 2.0, 4.0, 9.0])
    expected = Robust().apply(x, Robust().fit(x))
    np.testing.assert_allclose(Robust().apply(size * x, Robust().fit(size * x)), expected, rtol=1e-12)


def test_quantile_of_different_training_values_is_their_rank(rng):
    x = rng.permutation(np.exp(rng.normal(size=101)))
    transform = QuantileTransform("uniform")
    np.testing.assert_allclose(transform.apply(x, fitted_to(transform, x)), x.argsort().argsort() / 100, atol=1e-12)
    normal = QuantileTransform().apply(x, QuantileTransform().fit(x))
    inner = (x > x.min()) & (x < x.max())
    np.testing.assert_allclose(normal[inner], stats.norm.ppf(x.argsort().argsort() / 100)[inner], atol=1e-9)


def test_quantile_of_equal_values_is_in_their_middle():
    x = np.array([1.0, 2, 2, 2, 3])
    assert QuantileTransform("uniform").apply(x, QuantileTransform().fit(x)).tolist() == [0, 0.5, 0.5, 0.5, 1]


@pytest.mark.parametrize("to", ["normal", "uniform"])
def test_quantile_beyond_the_training_values_and_constant_is_finite(to):
    transform = QuantileTransform(to)
    fitted = transform.fit(np.array([1.0, 2.0, 4.0]))
    outer = transform.apply(np.array([-1e300, 1e300]), fitted)
    np.testing.assert_allclose(outer, [0, 1] if to == "uniform" else stats.norm.ppf([1e-7, 1 - 1e-7]), rtol=1e-9)
    np.testing.assert_array_equal(transform.invert(outer, fitted), [1, 4])
    constant = np.array([0.3, 0.30000000000000004, 0.3])
    assert transform.apply(constant, transform.fit(constant)).tolist() == [0.5 if to == "uniform" else 0] * 3
    assert transform.apply(np.array([-1.7e308, 1.7e308, 0]), {"quantiles": [-1.7e308, 1.7e308]})[2] == (
        0.5 if to == "uniform" else 0
    )


def test_quantile_stores_no_more_quantiles_than_asked_for(rng):
    assert np.shape(QuantileTransform(quantiles=5).fit(rng.normal(size=(50, 3)))["quantiles"]) == (5, 3)
    assert np.shape(QuantileTransform().fit(np.ones(1))["quantiles"]) == (2,)


@pytest.mark.parametrize("quantiles", [[1.0], 1.0, [2.0, 1.0], [[1.0], [2.0]]], ids=repr)
def test_quantiles_of_another_form_are_refused(quantiles):
    with pytest.raises(
        nnfw.DataError, match=r"^the fitted quantiles must be two or more that do not fall, each in the"
    ):
        QuantileTransform().apply(np.ones(3), {"quantiles": quantiles})


def test_log_is_its_formula():
    x = np.array([0.5, 1.0, 1e30])
    np.testing.assert_allclose(Log().apply(x, {}), [np.log(value) for value in x], rtol=1e-15)
    np.testing.assert_allclose(Log(2.0).apply(x - 2, {}), np.log(x), rtol=1e-12)
    signed = Log(signed=True).apply(np.array([-3.0, 0.0, 3.0]), {})
    np.testing.assert_allclose(signed, [-np.log(4), 0, np.log(4)], rtol=1e-15)


@pytest.mark.parametrize("method", ["fit", "apply"])
def test_log_of_a_number_without_one_names_it_and_its_row(method):
    arguments = [np.array([1.0, 0.0, -2.0])] + [{}] * (method == "apply")
    text = (
        r"^log\(x\) needs numbers greater than -?0, got 0 in row 1 \(from 0\)\. Give a larger shift than 0, or signed ="
    )
    with pytest.raises(nnfw.DataError, match=text):
        getattr(Log(), method)(*arguments)
    with pytest.raises(nnfw.DataError, match=r"^log\(x \+ 1\) needs numbers greater than -1, got -2 in row 2"):
        getattr(Log(1.0), method)(*arguments)


def test_log_with_a_shift_and_a_sign_is_refused():
    with pytest.raises(nnfw.ConfigError, match=r"log: shift must be 0 where signed = true, got 1\.0\."):
        Log(1.0, signed=True).fit(np.ones(2))


def test_power_is_that_of_scipy(rng):
    x, positive = rng.normal(size=200) ** 3, np.exp(rng.normal(size=200))
    expected, power = stats.yeojohnson(x)
    assert Power().fit(x) == {"lambda": power}
    np.testing.assert_allclose(Power().apply(x, {"lambda": power}), expected, rtol=1e-9)
    expected, power = stats.boxcox(positive)
    assert Power("box_cox").fit(positive) == {"lambda": pytest.approx(power, rel=1e-6)}
    np.testing.assert_allclose(Power("box_cox").apply(positive, {"lambda": power}), expected, rtol=1e-9)


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
def test_power_is_its_formula_and_is_undone(power):
    def formula(x):
        if x >= 0:
            return ((x + 1) ** power - 1) / power if power else np.log(x + 1)
        return -((1 - x) ** (2 - power) - 1) / (2 - power) if power != 2 else -np.log(1 - x)

    x = np.array([-5.0, -0.5, 0.0, 0.5, 5.0])
    found = Power().apply(x, {"lambda": power})
    np.testing.assert_allclose(found, [formula(value) for value in x], rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(Power().invert(found, {"lambda": power}), x, rtol=1e-12, atol=1e-15)


def test_power_of_a_constant_position_is_one(rng):
    x = np.column_stack([np.full(20, 3.0), np.exp(rng.normal(size=20))])
    assert Power().fit(x)["lambda"][0] == 1


def test_power_of_numbers_that_are_too_small_or_too_large_is_refused(monkeypatch):
    text = r"^box_cox needs numbers greater than 0, got -1 in row 1 \(from 0\)\. Take family = 'yeo_johnson'\.$"
    for method, arguments in (("fit", ()), ("apply", ({"lambda": 1.0},))):
        with pytest.raises(nnfw.DataError, match=text):
            getattr(Power("box_cox"), method)(np.array([1.0, -1.0]), *arguments)
    monkeypatch.setattr(stats, "yeojohnson_normmax", lambda x: np.nan)
    with pytest.raises(
        nnfw.DataError, match=r"^power found no λ: the numbers are too large or too far apart\. Standard"
    ):
        Power().fit(np.array([1e300, 2e300, 1.0]))


@pytest.mark.parametrize(
    ("transform", "fitted"),
    [
        (Clip(), {"low": 0.1, "high": 9.9}),
        (Clip(share=0.25), {"low": 2.5, "high": 7.5}),
        (Clip(low=-3.0), {"low": -3.0, "high": 9.9}),
        (Clip(low=20.0), {"low": 20.0, "high": 20.0}),
        (Clip(high=-20.0), {"low": -20.0, "high": -20.0}),
        (Clip(1.0, 2.0), {"low": 1.0, "high": 2.0}),
    ],
    ids=repr,
)
def test_clip_bounds_are_given_or_quantiles(transform, fitted):
    found = transform.fit(np.arange(11.0))
    assert found == pytest.approx(fitted)
    x = np.array([-50.0, 1.5, 50.0])
    np.testing.assert_allclose(transform.apply(x, found), [min(max(v, fitted["low"]), fitted["high"]) for v in x])


def test_clip_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(nnfw.ConfigError, match=r"clip: high must be no less than low, 2\.0, got 1\.0\."):
        Clip(2.0, 1.0).fit(np.ones(3))
    with pytest.raises(nnfw.DataError, match=r"^the fitted low must not be greater than high\.$"):
        Clip().apply(np.ones(3), {"low": 2.0, "high": 1.0})


TARGETS = [1.7e9 + np.arange(1, 6) ** 2, np.arange(1.0, 6) * 1e39]


@pytest.mark.parametrize("target", TARGETS, ids=["1.7e9", "1e39"])
@pytest.mark.parametrize(
    "transforms", [[Standardize()], [Robust()], [QuantileTransform("uniform")], [Log(), Standardize()]], ids=repr
)
def test_predictions_have_all_digits_of_a_target_that_is_transformed(target, transforms):
    examples = Examples({"a": np.arange(5.0)}, target)
    preprocessing = Preprocessing.fit(examples, [], transforms)
    y = preprocessing.target(examples, np.float64)
    assert np.isfinite(preprocessing.target(examples, np.float32)).all()
    np.testing.assert_allclose(preprocessing.labels(y), target, rtol=1e-14)
