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


def test_dates_are_read_as_they_are_written():
    days = np.array([f"{1 + k % 28}.{1 + k % 12}.2024" for k in range(30)])
    hours = np.array([f"2024-03-{1 + k % 28:02d}T{k % 24:02d}:00" for k in range(30)])
    assert picked({"day": days, "hour": hours, "kind": WORDS})[1:] == [
        {"type": "fill", "by": "most_frequent", "columns": ["day", "hour"]},
        {"type": "date", "parts": ["elapsed", "month", "weekday"], "formats": ["%d.%m.%Y"], "columns": ["day"]},
        {"type": "date", "parts": ["elapsed", "month", "weekday", "hour"], "columns": ["hour"]},
        {"type": "one_hot", "columns": ["kind"]},
        {"type": "standardize", "columns": ["day", "hour"]},
    ]
    assert picked({"day": days[:12].repeat(3)}, "day")[-1] == {"type": "index"}
    own = nnfw.dataset("csv", path="t.csv", target="y", categorical=["day"])
    assert {"type": "one_hot"} in own.suitable_transforms({"day": days[:12].repeat(3)})


def test_each_choice_has_a_reason_and_makes_numbers_of_a_column():
    columns = {"a": GAPS, "b": NUMBERS, "c": WORDS, "d": IDS, "e": np.array(["2024-03-01", ""] * 15)}
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
