"""Transforms that learn from the target: what they get, and what becomes of the training rows."""

from dataclasses import dataclass

import numpy as np
import pytest

from nnfw import DataError, Examples, PluginError
from nnfw.data import Preprocessing
from nnfw.data.cross_fitting import TrainingRows
from nnfw_standard import OneHot, Standardize, TargetEncoding

WORDS = np.array(["a", "b", "c", "a"])


def target_of(*labels, changed=False):
    return TrainingRows.of([(np.array(each), changed) for each in labels], slice(None), 0).target.tolist()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([1.5, 2.0], [[1.5], [2.0]]),
        ([3.0, 5.0, 3.0], [[3], [5], [3]]),
        ([3, 5, 3], [[0], [1], [0]]),
        (["x", "z", "y"], [[1, 0, 0], [0, 0, 1], [0, 1, 0]]),
        (["yes", "no"], [[1], [0]]),
        ([True, False], [[1], [0]]),
        ([[1, 0], [0, 1]], [[1, 0], [0, 1]]),
        ([[[1.5], [2.5]]], [[1.5, 2.5]]),
    ],
    ids=["numbers", "whole", "integers", "words", "two-words", "booleans", "block", "block-of-blocks"],
)
def test_target_is_numbers_or_a_column_for_each_class(labels, expected):
    assert target_of(labels) == expected


def test_whole_numbers_of_more_than_20_kinds_are_numbers():
    assert np.shape(target_of(np.arange(20))) == (20, 20)
    assert target_of(np.arange(21)) == [[k] for k in range(21)]


def test_whole_numbers_that_transforms_change_are_numbers():
    assert target_of([3, 5, 3], changed=True) == [[3], [5], [3]]
    examples = Examples({"word": WORDS}, np.array([1, 2, 3, 4]))
    fitted = [
        Preprocessing.fit(examples, [TargetEncoding(0.0)], own).columns[0].steps[0].fitted["mean"]
        for own in ([], [Standardize()])
    ]
    assert fitted == [[0.25] * 4, [2.5]]


def test_several_targets_lie_side_by_side():
    assert target_of([1.5, 2.5], ["b", "a"]) == [[1.5, 1], [2.5, 0]]


def test_blocks_of_words_are_refused():
    with pytest.raises(DataError, match=r"^A transform that learns from the target needs one word for each .* \(2,\)"):
        target_of([["a", "b"]])


def test_only_training_rows_are_cross_fitted(rng):
    examples = Examples({"word": np.resize(WORDS, 20)}, rng.normal(size=20))
    rows = np.arange(0, 20, 2)
    preprocessing = Preprocessing.fit(examples.take(rows), [TargetEncoding()], seed=4)
    plain = preprocessing.apply(examples.features)[:, 0]
    found = preprocessing.apply(examples.features, training=preprocessing.training_rows(examples, rows, 4))[:, 0]
    own = preprocessing.training_rows(examples.take(rows), np.arange(10), 4)
    alone = preprocessing.apply(examples.take(rows).features, training=own)[:, 0]
    others = np.setdiff1d(np.arange(20), rows)
    assert found[others].tolist() == plain[others].tolist()
    assert found[rows].tolist() == alone.tolist()
    assert (found[rows] != plain[rows]).all()
    other = preprocessing.apply(examples.features, training=preprocessing.training_rows(examples, rows, 5))
    assert (other[rows, 0] != found[rows]).any()


def test_category_that_occurs_once_carries_nothing_of_its_label(rng):
    words, y = np.array([f"word {k}" for k in range(200)]), rng.normal(size=200)
    examples = Examples({"word": words}, y)
    preprocessing = Preprocessing.fit(examples, [TargetEncoding(0.0)])
    training = preprocessing.apply(examples.features, training=preprocessing.training_rows(examples, np.arange(200), 0))
    assert np.ptp(training) < 0.2
    np.testing.assert_allclose(preprocessing.apply(examples.features)[:, 0], y, rtol=1e-6)


def test_rows_are_not_asked_for_where_no_transform_learns_from_the_target():
    examples = Examples({"word": WORDS}, np.arange(4.0))
    assert Preprocessing.fit(examples, [OneHot()]).training_rows(examples, np.arange(4), 0) is None


def test_without_a_target_it_is_refused():
    with pytest.raises(DataError, match=r"^There is no target for the transform TargetEncoding\(.*learns from it\.$"):
        Preprocessing.fit(Examples({"word": WORDS}), [TargetEncoding()])


def test_parts_are_refused():
    part = Examples({"word": WORDS}, np.arange(4.0))
    with pytest.raises(
        DataError, match=r"TargetEncoding learns from the target, so it needs all training examples with"
    ):
        Preprocessing.fit([part, part], [TargetEncoding()])


def test_it_cannot_change_a_target():
    with pytest.raises(DataError, match="cannot be undone, so it cannot change a target"):
        Preprocessing.fit(Examples({"x": np.arange(4.0)}, WORDS), target_transforms=[TargetEncoding()])


@dataclass(frozen=True)
class Short(TargetEncoding):
    def cross_fit(self, column, target, rng):
        return super().cross_fit(column, target, rng)[1:]


def test_rows_of_another_shape_are_refused():
    examples = Examples({"word": WORDS}, np.arange(4.0))
    preprocessing = Preprocessing.fit(examples, [Short()])
    rows = preprocessing.training_rows(examples, np.arange(4), 0)
    with pytest.raises(PluginError, match=r"cross_fit returned .* expected an array of shape \(4,\) for column 'word'"):
        preprocessing.apply(examples.features, training=rows)
