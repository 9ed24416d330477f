"""Which transforms suit the columns of a table."""

import numpy as np

import nnfw
from nnfw.plugins import default_registry
from nnfw_standard.suitable_transforms import kinds_of, transforms_for

WORDS = np.array(["a", "b"] * 15)
NUMBERS = np.arange(30.0)
GAPS = np.where(NUMBERS < 3, np.nan, NUMBERS)
IDS = np.array([f"row {k}" for k in range(30)])


def picked(columns, *indices):
    return [table for table, _ in transforms_for(kinds_of(columns, indices))]


def test_complete_numbers_are_filled_in_new_data_and_standardized():
    assert picked({"a": NUMBERS, "b": NUMBERS}) == [{"type": "fill", "by": "median"}, {"type": "standardize"}]


def test_incomplete_numbers_have_an_indicator():
    assert picked({"a": GAPS, "b": NUMBERS, "c": WORDS}) == [
        {"type": "fill", "by": "median", "indicator": True, "columns": ["a"]},
        {"type": "fill", "by": "median", "columns": ["b", "c"]},
        {"type": "one_hot"},
        {"type": "standardize"},
    ]


def test_words_become_indices_where_these_are_needed():
    assert picked({"a": WORDS, "b": WORDS, "c": np.arange(30)}, "a", "c") == [
        {"type": "fill", "by": "median", "columns": ["b", "a"]},
        {"type": "index", "columns": ["a"]},
        {"type": "one_hot", "columns": ["b"]},
    ]


def test_words_that_nearly_all_differ_are_texts():
    assert picked({"a": IDS, "b": WORDS})[1:] == [
        {"type": "one_hot", "columns": ["b"]},
        {"type": "tokens", "slots": 32, "columns": ["a"]},
    ]
    assert picked({"a": IDS[:5]})[1:] == [{"type": "one_hot"}]


def test_each_choice_has_a_reason_and_makes_numbers_of_a_column():
    columns = {"a": GAPS, "b": NUMBERS, "c": WORDS, "d": IDS}
    found = list(transforms_for(kinds_of(columns, [])))
    assert all(reason for _, reason in found)
    transforms = [default_registry().resolve("transform", table) for table, _ in found]
    x = nnfw.data.Preprocessing.fit(nnfw.Examples(columns), transforms).apply(columns)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()


def test_tables_standardize_a_target():
    for dataset in ("csv", "table"):
        own = nnfw.dataset(dataset, path="t.csv", target="y")
        assert own.suitable_transforms({"y": NUMBERS}, target=True) == [{"type": "standardize"}]
