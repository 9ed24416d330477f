"""Plain values: what is encoded comes back with its types and bits; nothing else is read."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnfw.errors import DataError, FileFormatError
from nnfw.storage import decoded, encoded

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats() | st.text(st.characters(codec="utf-8"))
)
DTYPES = st.sampled_from(["bool", "int8", "uint64", "float16", "float32", "float64", "complex64"])
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("abc") | st.integers() | st.tuples(st.integers()), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(first, second):
    """Whether two values have the same types and the same bits."""
    if type(first) is not type(second):
        return False
    if isinstance(first, np.ndarray | np.generic):
        return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if type(first) is float and math.isnan(first):
        return math.isnan(second)
    return np.float64(first).tobytes() == np.float64(second).tobytes() if type(first) is float else first == second


LONG = [
    [0.1, math.nan, -0.0, *[math.inf] * 40],
    list(range(50)),
    [[[number, 2], [3, 4]] for number in range(50)],
    [True, *range(50)],
    [1.5, *range(50)],
    [1 << 70, *range(50)],
    [[1, 2]] * 50 + [[1]],
    [[]] * 50,
    [[[[[[number]]]]] for number in range(50)],
    [{"epoch": number, "cost": number / 3, "matrix": [[number, 1], [2, 3]], "odd": None} for number in range(50)],
    [{"a": 1}] * 50 + [{"b": 1}],
    [{"a": 1, "b": 2}] * 50 + [{"b": 1, "a": 2}],
    [{}] * 50,
    [{3: {"inner": np.float32(1)}}] * 50,
]


@pytest.mark.parametrize("value", LONG, ids=range(len(LONG)))
def test_long_list_comes_back_with_types_and_bits(value):
    arrays = {}
    node = encoded(value, arrays)
    assert same(decoded(json.loads(json.dumps(node)), arrays), value)
    assert arrays == {}


def test_json_of_long_lists_of_numbers_does_not_grow_with_them():
    def length(count):
        records = [{"epoch": number, "cost": 0.5, "matrix": [[0.5] * 10] * 10} for number in range(count)]
        return len(json.dumps(encoded({"records": records, "costs": [0.5] * count}, {})))

    assert length(90_000) < length(10_000) + 10


def test_list_that_holds_itself_is_refused():
    value = []
    value.extend([value] * 50)
    with pytest.raises(RecursionError):
        encoded(value, {})


@given(VALUES)
def test_value_comes_back_with_types_and_bits(value):
    arrays = {}
    node = encoded(value, arrays)
    assert same(decoded(node, arrays), value)
    assert arrays == {}


@pytest.mark.parametrize("value", [np.float32(0.1), np.int64(3), np.bool_(True), -0.0, math.nan], ids=repr)
def test_number_comes_back_as_what_it_was(value):
    arrays = {}
    assert same(decoded(encoded([value], arrays), arrays), [value])


@pytest.mark.parametrize(
    "value",
    [Path(), {1, 2}, object(), "\ud800", 1 << 5000, np.array(["a"]), np.zeros(2, ">f4"), [Path()], {"a": Path()}],
    ids=["path", "set", "object", "half-a-character", "long", "words", "foreign-bytes", "in-a-list", "in-a-table"],
)
def test_value_that_is_not_plain_is_refused(value):
    with pytest.raises(DataError, match="is not a plain value, so a file cannot hold it"):
        encoded(value, {})


@pytest.mark.parametrize(
    ("node", "match"),
    [
        ({"set": [1]}, r"no value is written as \{'set': \[1\]\}"),
        ({"tuple": [1], "dict": []}, "no value is written as"),
        ({"float": "1.5"}, "no value is written as"),
        ({"tuple": 3}, "no value is written as"),
        ({"array": ["float64", [2]]}, "no value is written as"),
        ({"scalar": ["float64", [2], "a"]}, "no value is written as"),
        ({"list": ["float64", [], "a"]}, "no value is written as"),
        ({"list": ["float64", [3], "a"]}, r"array 'a' cannot have shape \[3\]"),
        ({"rows": []}, "no value is written as"),
        ({"rows": [["a", [1]], ["b", [1, 2]]]}, "the columns of a table are not lists of one length"),
        ({"rows": [["a", 1]]}, "the columns of a table are not lists of one length"),
        ({"rows": [["a", [1]], ["a", [2]]]}, "a dictionary has a key twice"),
        ({"dict": [[1]]}, "a dictionary has an entry that is not a key with a value"),
        ({"dict": [[[1], 2]]}, "a dictionary has an entry that is not a key with a value"),
        ({"dict": [3]}, "a dictionary has an entry that is not a key with a value"),
        ({"dict": [["a", 1], ["a", 2]]}, "a dictionary has a key twice"),
        ({"array": ["float64", [2], "b"]}, "there is no array 'b' of dtype 'float64', or it is used twice"),
        ({"array": ["object", [2], "a"]}, "there is no array 'a' of dtype 'object'"),
        ([{"array": ["float64", [2], "a"]}] * 2, "there is no array 'a' of dtype 'float64', or it is used twice"),
        ({"array": ["float64", [3], "a"]}, r"array 'a' cannot have shape \[3\]"),
        ({"array": ["float64", [-2, -1], "a"]}, r"array 'a' cannot have shape \[-2, -1\]"),
        ({"array": ["float64", [2, True], "a"]}, r"array 'a' cannot have shape \[2, True\]"),
        ({"array": ["float64", [2] + [1] * 70, "a"]}, r"array 'a' cannot have shape \[2, 1,"),
        ({"array": ["float64", [1 << 62, 1 << 62, 0], "none"]}, r"array 'none' cannot have shape"),
    ],
)
def test_node_that_encodes_nothing_is_refused(node, match):
    arrays = {"a": np.zeros(16, np.uint8), "none": np.zeros(0, np.uint8)}
    with pytest.raises(FileFormatError, match=match):
        decoded(node, arrays)
