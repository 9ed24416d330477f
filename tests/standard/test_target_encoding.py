"""Target encoding: categories by the mean target of their examples."""

import numpy as np
import pytest

from nnfw import DataError, Examples
from nnfw.data import Preprocessing
from nnfw.plugins import default_registry
from nnfw_standard import Standardize, TargetEncoding

TOWNS = np.array(["Oslo", "Bern", "Oslo", "Rome", "Oslo", "Bern", ""])
PRICES = np.array([1.0, 4.0, 3.0, 10.0, 5.0, 6.0, 20.0])


def encoded(transform, column, y=PRICES):
    return transform.apply(np.asarray(column), transform.fit_to(TOWNS, np.asarray(y, float).reshape(len(TOWNS), -1)))


def test_mean_of_a_category_is_drawn_to_that_of_all():
    mean = PRICES.mean()
    found = encoded(TargetEncoding(2.0), ["Oslo", "Bern", "Rome", "", "Paris"])
    expected = [(9 + 2 * mean) / 5, (10 + 2 * mean) / 4, (10 + 2 * mean) / 3, (20 + 2 * mean) / 3, mean]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_auto_trusts_a_category_whose_labels_agree():
    y = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 9.0, 2.0])
    found, mean = encoded(TargetEncoding(), ["Oslo", "Bern"], y), y.mean()
    weight = 2 / (2 + 4.5**2 / y.var())
    np.testing.assert_allclose(found, [1.0, mean + weight * (4.5 - mean)], rtol=1e-13)


@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200])
def test_size_of_the_target_changes_nothing_but_the_unit(size):
    expected = size * encoded(TargetEncoding(), TOWNS)
    np.testing.assert_allclose(encoded(TargetEncoding(), TOWNS, size * PRICES), expected, rtol=1e-13)


@pytest.mark.parametrize("smooth", ["auto", 0.0, 3.0])
def test_constant_target_stays_it(smooth):
    assert encoded(TargetEncoding(smooth), ["Oslo", "Paris"], np.full(7, 0.3)).tolist() == [0.3, 0.3]


def test_each_training_row_is_made_of_the_other_folds():
    transform, target = TargetEncoding(0.0, folds=3), PRICES.reshape(-1, 1)
    found = transform.cross_fit(TOWNS, target, np.random.default_rng(1))
    fold_of = np.random.default_rng(1).permutation(7) % 3
    for row in range(7):
        others = fold_of != fold_of[row]
        alike = others & (TOWNS[row] == TOWNS)
        assert found[row] == pytest.approx(PRICES[alike if alike.any() else others].mean())


def test_more_folds_than_examples_leave_each_one_out():
    found = TargetEncoding(0.0, folds=99).cross_fit(TOWNS[:2], PRICES[:2].reshape(-1, 1), np.random.default_rng(1))
    assert found.tolist() == [4.0, 1.0]


def test_single_training_example_is_refused():
    with pytest.raises(DataError, match=r"^target_encoding needs at least 2 training examples: each learns from the"):
        TargetEncoding().cross_fit(TOWNS[:1], np.ones((1, 1)), np.random.default_rng(1))


@pytest.mark.parametrize("method", ["fit_to", "cross_fit"])
def test_block_of_words_is_refused(method):
    more = [np.random.default_rng(1)] * (method == "cross_fit")
    with pytest.raises(
        DataError, match=r"^target_encoding takes one category for each example, shape \(N,\), got \(7,"
    ):
        getattr(TargetEncoding(), method)(TOWNS.reshape(-1, 1), PRICES.reshape(-1, 1), *more)


def test_whole_numbers_are_categories_too():
    transform = TargetEncoding(0.0)
    fitted = transform.fit_to(np.array([10, 20, 10]), np.array([[1.0], [5.0], [2.0]]))
    assert transform.apply(np.array([10.0, 20.0]), fitted).tolist() == [1.5, 5.0]
    assert transform.invert(np.zeros(2), fitted).tolist() == [10, 10]


@pytest.mark.parametrize(
    ("fitted", "message"),
    [
        ({}, r"the fitted values must be categories, means and mean, got \[\]"),
        ({"categories": ["a", "a"], "means": [[1.0]] * 2, "mean": [1.0]}, "categories must be different ones"),
        ({"categories": ["a"], "means": [["b"]], "mean": [1.0]}, "the fitted means must be numbers"),
        (
            {"categories": ["a", "b"], "means": [[1.0]], "mean": [1.0]},
            r"must have a row for each of 2 categories and as many columns as mean, got shapes \(1, 1\) and \(1,\)\.",
        ),
        ({"categories": ["a"], "means": [[]], "mean": []}, r"as many columns as mean, got shapes \(1, 0\) and \(0,\)"),
    ],
    ids=["empty", "twice", "words", "rows", "no-column"],
)
def test_damaged_values_are_refused(fitted, message):
    with pytest.raises(DataError, match=message):
        TargetEncoding().apply(TOWNS, fitted)


def test_preprocessing_of_many_categories_goes_through_a_file():
    examples = Examples({"town": TOWNS, "size": np.arange(7.0)}, PRICES)
    transforms = [TargetEncoding(), Standardize(("town", "size"))]
    preprocessing = Preprocessing.fit(examples, transforms)
    registry = default_registry()
    again = Preprocessing.from_table(preprocessing.to_table(registry), registry)
    assert again == preprocessing
    rows = preprocessing.training_rows(examples, np.arange(7), 0)
    x = preprocessing.apply(examples.features, np.float64, rows)
    np.testing.assert_allclose([x.mean(axis=0), x.std(axis=0)], [[0, 0], [1, 1]], atol=1e-12)
