import subprocess
import sys
import tracemalloc
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from nnfw.data import (
    as_batch,
    as_column,
    as_numeric,
    as_weights,
    as_whole,
    cast,
    conversion,
    in_dtype,
    release,
    require_finite,
    row_blocks,
)
from nnfw.errors import DataError

FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")


@pytest.fixture
def small_blocks(monkeypatch):
    """Make the checks go through an array of (N, 3) row by row."""
    monkeypatch.setattr(conversion, "_BLOCK", 3)


@pytest.fixture
def mapped(tmp_path):
    """Return a function that writes an array to a file and maps it."""

    def map_array(array):
        np.save(tmp_path / "x.npy", array)
        return np.load(tmp_path / "x.npy", mmap_mode="r")

    return map_array


# as_numeric


def test_as_numeric_array_of_numbers_is_the_array_itself(rng):
    x = rng.normal(size=(3, 2))

    assert as_numeric(x, "x") is x


def test_as_numeric_memory_mapped_array_stays_mapped(mapped):
    x = mapped(np.eye(3))

    assert as_numeric(x, "x") is x


def test_as_numeric_masked_values_are_refused():
    x = np.ma.masked_invalid([[1.0, np.nan], [np.nan, 2.0]])

    with pytest.raises(
        DataError, match=r"^x holds 2 masked values, which a network cannot leave out\. Fill them: x\.filled\(0\), for"
    ):
        as_numeric(x, "x")


def test_as_numeric_masked_array_without_masked_values_is_a_plain_array():
    x = as_numeric(np.ma.array([1.0, 2.0]), "x")

    assert type(x) is np.ndarray
    np.testing.assert_array_equal(x, [1, 2])


def test_as_numeric_matrix_is_a_plain_array():
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0, 2.0]])

    assert type(as_numeric(matrix, "x")) is np.ndarray


class Tensor:
    """Stands for what cannot be made an array."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on a tensor.")


class NAType:
    """Stands for what pandas calls missing."""

    def __repr__(self):
        return "<NA>"


class LazyFrame:
    def collect(self):
        return np.zeros((2, 2))


class Frame:
    """Stands for a frame whose columns differ in kind."""

    columns = ("age", "Origin")

    def __array__(self, dtype=None, copy=None):
        return np.array([[31, "USA"], [55, "Japan"]], object)


WORDS = r"Number classes from 0 and encode categories as numbers, or train from an experiment, which takes words\.$"
FILL = r"Fill what is missing, or remove the examples\.$"
FLOATS = r"Convert them: np\.array\(y, float\)\.$"
DATES = r"Convert dates and times to numbers, such as days since a fixed day\.$"
NO_NUMBERS = {
    "text": (["cat", "dog"], rf"got 'cat' at \[0\]\. {WORDS}"),
    "text among numbers": ([["1", "dog"]], rf"got 'dog' at \[0, 1\]\. {WORDS}"),
    "bytes": (np.array([b"cat"]), rf"got b'cat' at \[0\]\. {WORDS}"),
    "StringDType": (np.array(["cat"], np.dtypes.StringDType()), rf"got 'cat' at \[0\]\. {WORDS}"),
    "words as objects": (np.array([1, "cat"], object), rf"got 'cat' at \[1\]\. {WORDS}"),
    "frame": (Frame(), rf"got 'USA' at \[0, 1\], column 'Origin'\. {WORDS}"),
    "None": ([1, None], rf"got None at \[1\]\. {FILL}"),
    "NA": ([[1, NAType()]], rf"got <NA> at \[0, 1\]\. {FILL}"),
    "numbers as text": ([["1", "2.5"]], f"got numbers as text. {FLOATS}"),
    "numbers as text of a frame": (np.array(["1", "2.5"], object), f"got numbers as text. {FLOATS}"),
    "some numbers as text": (np.array(["1", 2.5], object), f"got numbers, some of them as text. {FLOATS}"),
    "Decimal": ([Decimal(1), Fraction(1, 2)], f"got numbers as objects. {FLOATS}"),
    "booleans": (np.array([[1.5, True], [2, np.True_]], object), f"got numbers and booleans as objects. {FLOATS}"),
    "huge": ([2**64, 1], f"got numbers as objects. {FLOATS}"),
    "dates": ([date(2020, 1, 1)], rf"got datetime\.date\(2020, 1, 1\) at \[0\]\. {DATES}"),
    "records": (
        [{"a": 1}],
        r"got {'a': 1} at \[0\]\. Take its values in the same .*: \[\[row\[name\] for name in names\]",
    ),
    "nested": (np.array([[1], None], object), r"got \[1\] at \[0\]\. Give every example the same shape, with one numb"),
    "datetime64": (
        np.array(["2020-01-01"], "M8[D]"),
        r"dtype datetime64\[D\]\. Count from a fixed day, for instance: \(y - np\.datetime64\('2000-01-01'\)\) / np\.",
    ),
    "timedelta64": (
        np.ones(2, "m8[s]"),
        r"dtype timedelta64\[s\]\. Count in a unit, for instance: y / np\.timedelta64",
    ),
    "structured": (
        np.zeros(2, [("a", float), ("b", float)]),
        r"dtype \[\('a', '<f8'\), \('b', '<f8'\)\]\. Join its fields: numpy\.lib\.recfunctions\.structured_to_unstruct",
    ),
}
NO_ARRAYS = {
    "None": (None, r"got None\. Give a NumPy array, nested lists or a frame of numbers\.$"),
    "array of None": (np.array(None), r"got None\. Give a NumPy array"),
    "function": (len, r"got a builtin_function_or_method\. Give a NumPy array"),
    "generator": ((row for row in [1]), r"got a generator\. Collect it first: np\.array\(list\(y\)\)\.$"),
    "values": ({"a": 1}.values(), r"got a dict_values\. Collect it first: np\.array\(list\(y\)\)\.$"),
    "dict": (
        {"a": [1]},
        r"got a dict\. Join its columns, always in the same order: np\.column_stack\(\[y\[name\] for name in names",
    ),
    "set": ({1, 2}, r"got a set\. It has no order: give a list\.$"),
    "sparse": (sparse.csr_array(np.eye(2)), r"got a csr_array\. Make it dense: y\.toarray\(\)\.$"),
    "lazy": (LazyFrame(), r"got a LazyFrame\. Collect it first: y\.collect\(\)\.$"),
    "text": (
        "data.csv",
        r"got 'data\.csv'\. Give the array itself; a file is read first, with numpy\.load or pandas\.rea",
    ),
    "path": (Path("data.csv"), r"got PosixPath\('data\.csv'\)\. Give the array itself"),
    "tensor": (Tensor(), r"but Tensor cannot be made one: RuntimeError: Can't call numpy\(\) on a tensor\.$"),
}


@pytest.mark.parametrize(("values", "message"), NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_as_numeric_what_holds_no_numbers_is_refused_with_what_to_do(values, message):
    with pytest.raises(DataError, match=f"^Cost: y must hold real numbers, got .*{message.removeprefix('got ')}"):
        as_numeric(values, "Cost: y")


@pytest.mark.parametrize(("values", "message"), NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_as_numeric_what_is_no_array_is_refused_with_what_to_do(values, message):
    with pytest.raises(DataError, match=f"^Cost: y must be an array of real numbers, {message}"):
        as_numeric(values, "Cost: y")


def test_as_numeric_advice_for_values_of_no_variable_has_one():
    with pytest.raises(DataError, match=r"Convert them: np\.array\(values, float\)\.$"):
        as_numeric(["1"], "Column 'a'")


def test_as_numeric_complex_numbers_are_refused_with_what_to_do():
    with pytest.raises(DataError, match=r"got an array of dtype complex128\. Convert it to real features first\.$"):
        as_numeric([1j], "x")


def test_as_numeric_ragged_lists_are_refused_with_what_to_do():
    with pytest.raises(
        DataError, match=r"^x must be a regular array of numbers.*Give every example .* as nnfw\.Padded"
    ):
        as_numeric([[1.0], [1.0, 2.0]], "x")


# as_column


@pytest.mark.parametrize(
    "values",
    [np.array(["b", "a"], object), np.array(["b", "a"], np.dtypes.StringDType()), ["b", "a"]],
    ids=["objects", "StringDType", "list"],
)
def test_as_column_words_of_any_kind_are_words(values):
    column = as_column(values, "Column 'a'")

    assert column.dtype.kind == "U"
    assert column.tolist() == ["b", "a"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, None, 2.5], [1, np.nan, 2.5]),
        ([True, NAType(), np.False_], [1, np.nan, 0]),
        ([2**53 + 1, np.int8(3)], [2**53 + 1, 3]),
        ([True, False], [True, False]),
    ],
    ids=["None", "NA", "integers", "booleans"],
)
def test_as_column_numbers_as_objects_are_numbers(values, expected):
    found = as_column(np.array(values, object), "Column 'a'")
    assert found.dtype == np.array(expected).dtype
    np.testing.assert_array_equal(found, expected)


def test_as_column_single_entry_is_refused():
    with pytest.raises(
        DataError, match=r"^Column 'a' must have an entry for each example, got 3\.0\. Give a list of one\.$"
    ):
        as_column(np.float64(3), "Column 'a'")


def test_as_column_array_of_words_or_numbers_is_the_array_itself(mapped):
    for values in (np.array(["b"]), np.ones(2, np.int8), mapped(np.eye(2))):
        assert as_column(values, "Column 'a'") is values


def test_as_column_decimals_are_numbers_and_dates_words():
    assert as_column([Decimal("1.5"), 2], "a").tolist() == [1.5, 2]
    assert as_column(np.array([60, 90], "m8[s]"), "a").tolist() == [60, 90]
    assert as_column(np.array(["2026-01-31"], "M8[s]"), "a").tolist() == ["2026-01-31"]
    assert as_column([date(2026, 1, 31)], "a").tolist() == ["2026-01-31"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["b", None], rf"must hold words alone, got None at \[1\]\. {FILL}"),
        (["b", np.nan], rf"must hold words alone, got nan at \[1\]\. {FILL}"),
        (
            ["b", 3],
            r"must hold words alone, got 3 at \[1\]\. Make words of all: \[str\(value\) for value in values\]\.$",
        ),
        ([None, None], rf"must hold real numbers, got None at \[0\]\. {FILL}"),
        ([None, 2**64], rf"must hold real numbers, got None at \[0\]\. {FILL}"),
        (
            [[1], [2, 3]],
            r"must hold real numbers, got \[1\] at \[0\]\. Give every example the same shape, with one numb",
        ),
        (np.array(["2020", "NaT"], "M8[D]"), rf"must hold words alone, got None at \[1\]\. {FILL}"),
    ],
    ids=["None", "NaN", "mixed", "nothing", "huge", "nested", "dates"],
)
def test_as_column_what_is_neither_is_refused_with_what_to_do(values, message):
    with pytest.raises(DataError, match=f"^Column 'a' {message}"):
        as_column(np.array(values, None if isinstance(values, np.ndarray) else object), "Column 'a'")


# as_weights


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, 1.0], r"must have one entry per example, shape \(3,\), got \(2,\)"),
        ([1.0, -1.0, 1.0], r"must be finite and 0 or more, got -1\.0 for example 1"),
        (
            {0: 1.0, 1: 2.0},
            r"must be an array with one entry per example, got {0: 1\.0, 1: 2\.0}\. For weights of classes: \[",
        ),
        ("balanced", "must be an array with one entry per example, got 'balanced'"),
        ([1.0, 1.0, np.nan], r"must be finite and 0 or more, got nan for example 2"),
    ],
    ids=["count", "negative", "mapping", "text", "NaN"],
)
def test_as_weights_refuses_what_is_no_weight(weight, message):
    with pytest.raises(DataError, match=f"^sample_weight {message}"):
        as_weights(weight, 3)


# cast


def test_cast_array_of_the_dtype_is_the_array_itself():
    x = np.ones(3, np.float32)

    assert cast(x, FLOAT32, "x") is x


@pytest.mark.parametrize("array", [np.array(2.5), np.array([1, 2]), np.ones((0, 3)), np.array([[1.5], [2.0]])], ids=str)
def test_cast_values_in_range_are_kept(array):
    result = cast(array, FLOAT32, "x")

    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, array)


@pytest.mark.usefixtures("small_blocks")
def test_cast_values_too_large_are_refused_with_count_and_place():
    x = np.ones((4, 3))
    x[2, 1], x[3, 0] = -1e300, 2e300

    with pytest.raises(
        DataError,
        match=r"^x holds 2 values too large for float32, the first, -1e\+300, at \[2, 1\]\. "
        r"Rescale it or use float64\.$",
    ):
        cast(x, FLOAT32, "x")


def test_cast_value_too_large_among_nan_is_refused():
    with pytest.raises(DataError, match=r"^x holds 1 value too large for float32, the first, 1e\+300, at \[1\]"):
        cast(np.array([np.nan, 1e300]), FLOAT32, "x")


def test_cast_single_value_too_large_is_refused():
    with pytest.raises(DataError, match=r"^x is 1e\+300, too large for float32\. Rescale it or use float64\.$"):
        cast(np.array(1e300), FLOAT32, "x")


def test_cast_values_that_are_not_finite_stay():
    np.testing.assert_array_equal(cast(np.array([np.inf, np.nan]), FLOAT32, "x"), [np.inf, np.nan])


# in_dtype


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda x: x[::-1],
        lambda x: x[:, ::2],
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
    ],
    ids=["Fortran", "negative stride", "columns", "unaligned"],
)
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
def test_in_dtype_array_in_memory_becomes_one_that_is_gathered_without_copies(rng, change, dtype):
    x = change(rng.normal(size=(6, 4)))

    result = in_dtype(x, dtype, "x")

    assert result.flags.c_contiguous
    assert result.flags.aligned
    np.testing.assert_array_equal(result, x.astype(dtype))


def test_in_dtype_fitting_array_is_not_copied():
    x = np.ones((3, 2))

    assert in_dtype(x, FLOAT64, "x") is x


def test_in_dtype_memory_mapped_array_stays_on_disk(mapped):
    x = mapped(np.ones((3, 2)))

    assert in_dtype(x, FLOAT32, "x") is x


@pytest.mark.usefixtures("small_blocks")
def test_in_dtype_memory_mapped_values_too_large_are_refused(mapped):
    x = np.ones((4, 3))
    x[2, 1] = 1e300

    with pytest.raises(DataError, match=r"^x holds 1 value too large for float32, the first, 1e\+300, at \[2, 1\]"):
        in_dtype(mapped(x), FLOAT32, "x")


# require_finite, row_blocks, as_whole


@pytest.mark.usefixtures("small_blocks")
def test_require_finite_says_how_many_and_where():
    x = np.ones((4, 3))
    x[1, 2], x[3, 0] = np.nan, np.inf

    with pytest.raises(
        DataError, match=r"^x holds 2 values that are not finite, the first at \[1, 2\]\. Remove or fill them\.$"
    ):
        require_finite(x, "x")


@pytest.mark.parametrize("check", [lambda x: require_finite(x, "x"), lambda x: in_dtype(x, FLOAT32, "x")])
def test_checks_of_a_memory_mapped_array_hold_a_small_part_of_it(tmp_path, check):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float64, shape=(2_000_000, 4))
    tracemalloc.start()
    try:
        check(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < x.nbytes / 10


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((5,), 2, [2, 2, 1]),
        ((5, 4), 8, [2, 2, 1]),
        ((3, 4), 1, [1, 1, 1]),
        ((3, 0), 8, [3]),
        ((0, 4), 8, [0]),
        ((2, 4), 8, [2]),
    ],
    ids=str,
)
def test_row_blocks_cover_the_rows_in_order(shape, size, expected):
    array = np.arange(np.prod(shape)).reshape(shape)

    blocks = [array[rows] for rows in row_blocks(array, size)]

    assert [len(block) for block in blocks] == expected
    np.testing.assert_array_equal(np.concatenate(blocks), array)


def test_as_whole_looks_at_every_block(monkeypatch):
    monkeypatch.setattr(conversion, "_BLOCK", 4)
    values = np.arange(10.0)
    assert as_whole(values).dtype == np.int64
    values[-1] += 0.5
    assert as_whole(values) is values


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1.0, -2.0], "int64"), ([1.0, 2.5], "float64"), ([1.0, 2.0**53 + 2], "float64"), (["1", "2"], "<U1")],
    ids=["whole", "fractions", "too large to be told apart", "words"],
)
def test_as_whole_changes_whole_numbers_only(values, dtype):
    array = np.array(values)

    whole = as_whole(array)

    assert whole.dtype == dtype
    np.testing.assert_array_equal(whole, array)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(12.0).reshape(4, 3))
    return path


@pytest.mark.parametrize(
    "view", [lambda x: x, lambda x: x[1:], lambda x: x.reshape(-1)], ids=["whole", "part", "shape"]
)
def test_released_map_is_read_again(file, view):
    mapped = view(np.load(file, mmap_mode="r"))
    before = mapped.copy()
    release(mapped)
    np.testing.assert_array_equal(mapped, before)


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_changes_in_a_map_are_not_released(file, mode):
    mapped = np.load(file, mmap_mode=mode)
    mapped[0, 0] = 77.0
    release(mapped)
    assert mapped[0, 0] == 77.0


def test_release_of_a_plain_array_does_nothing():
    array = np.ones(3)
    release(array)
    np.testing.assert_array_equal(array, np.ones(3))


TRAINING = """
import resource, sys
import numpy as np, nnfw
x = np.load(sys.argv[1], mmap_mode="r")
layers = [nnfw.layer("dense", units=4), nnfw.layer("dense", units=1)]
model = nnfw.Sequential(layers, x.shape[1])
small = x[:2000]
model.fit(small, np.ones((2000, 1)), cost="mse", optimizer="sgd", batch_size=1000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model.fit(x, np.ones((len(x), 1)), cost="mse", optimizer="sgd", batch_size=250)
model.evaluate(x, np.ones((len(x), 1)), cost="mse")
model.predict(x)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units elsewhere")
def test_memory_of_a_training_does_not_grow_with_a_mapped_file(tmp_path):
    path = tmp_path / "large.npy"
    np.save(path, np.zeros((400_000, 256), np.float32))  # 391 MiB
    result = subprocess.run([sys.executable, "-c", TRAINING, path], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 250  # MiB


@pytest.mark.parametrize(
    ("x", "shape", "batch", "single"),
    [
        (np.ones(3), (3,), (1, 3), True),
        (np.ones((1, 3)), (3,), (1, 3), False),
        (np.ones((3, 3)), (3,), (3, 3), False),
        (np.ones((2, 3)), (2, 3), (1, 2, 3), True),
        (np.ones((0, 3)), (3,), (0, 3), False),
        (5.0, (), (1,), True),
        ([5.0, 6.0], (), (2,), False),
    ],
)
def test_as_batch_tells_a_batch_from_a_single_example(x, shape, batch, single):
    found, was_single = as_batch(x, shape)
    assert (found.shape, was_single) == (batch, single)
    np.testing.assert_array_equal(found.reshape(-1), np.reshape(x, -1))


@pytest.mark.parametrize(
    ("x", "shape", "wanted"),
    [
        (np.ones(4), (3,), r"must have shape \(N, 3\), or \(3,\) for one example, got \(4,\)"),
        (np.ones((2, 4)), (3,), r"got \(2, 4\)"),
        (np.ones((2, 1, 3)), (3,), r"got \(2, 1, 3\)"),
        (5.0, (3,), r"got \(\)"),
    ],
)
def test_as_batch_of_another_shape_is_refused(x, shape, wanted):
    with pytest.raises(DataError, match=f"^x .*{wanted}"):
        as_batch(x, shape)
