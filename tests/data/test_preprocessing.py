import json
import re
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from nnfw.data import (
    Examples,
    FittedTransform,
    Preprocessing,
    read_csv,
    split,
)
from nnfw.errors import ConfigError, DataError, PluginError, ShapeError
from nnfw.plugins import default_registry
from nnfw.protocols import Transform
from nnfw_standard import CSV, XOR, Digits, Index, MinMax, OneHot, Standardize

PEOPLE = Examples(
    {
        "age": np.array([20.0, 30.0, 40.0]),
        "city": np.array(["Oslo", "Bern", "Oslo"]),
        "height": np.array([1.5, 1.6, 1.7]),
    },
    np.array(["no", "yes", "no"]),
    "member",
)
NUMBERS = Examples(
    {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([[1, 2], [3, 4], [5, 6]])}, np.array([2.0, 4.0, 6.0]), "y"
)
TRANSFORMS = [Standardize(), OneHot()]


def people(**columns):
    return Examples({**PEOPLE.features, **columns}, PEOPLE.target, "member")


def table(text):
    return read_csv(StringIO(text), name="new.csv")


@dataclass(frozen=True)
class Faulty(Transform):
    """A transform with the fault that a test gives it."""

    fault: str
    columns: tuple[str, ...] | None = None
    accepts: ClassVar = "numeric"

    def fit(self, column):
        return {"value": np.float32(1)} if self.fault == "fitted array" else {"value": len(column)}

    def apply(self, column, fitted):
        if "error" in fitted:
            raise fitted["error"]
        if self.fault == "loses rows":
            return column[:-1]
        return column[:, np.newaxis] if self.fault == "grows" and len(column) > 1 else column

    def invert(self, column, fitted):
        if "error" in fitted:
            raise fitted["error"]
        return column


@dataclass(frozen=True)
class Impute(Transform):
    """The median in place of what is missing, and beside it 1 where it was missing, else 0."""

    columns: tuple[str, ...] | None = None
    accepts: ClassVar = "numeric"
    takes_missing: ClassVar = True

    def fit(self, column):
        return {"median": np.nanmedian(column, axis=0).tolist()}

    def apply(self, column, fitted):
        missing = np.isnan(column)
        return np.stack([np.where(missing, np.asarray(fitted["median"]), column), missing], axis=-1)

    def invert(self, column, fitted):
        return column[..., 0]


@dataclass(frozen=True)
class Pass(Impute):
    """Takes missing numbers, and leaves them."""

    def fit(self, column):
        return {}

    def apply(self, column, fitted):
        return column

    def invert(self, column, fitted):
        return column


GAPS = Examples({"age": np.array([20.0, np.nan, 40.0, 60.0]), "height": np.array([1.5, 1.6, 1.7, np.nan])})


# integers


@dataclass(frozen=True)
class Beyond(Transform):
    """x' = 2^24 + x, as integers of a dtype: the first odd ones that float32 cannot hold."""

    columns: tuple[str, ...] | None = None
    dtype: str = "int32"
    accepts: ClassVar = "numeric"

    def fit(self, column):
        return {"start": 2**24}

    def apply(self, column, fitted):
        return (column + fitted["start"]).astype(self.dtype)

    def invert(self, column, fitted):
        return column - fitted["start"]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_integers_that_a_column_ends_in_stay_exact(dtype):
    examples = Examples({"a": np.array([1.0, 3.0])})
    preprocessing = Preprocessing.fit(examples, [Beyond(dtype=dtype)])
    (column,) = preprocessing.columns
    assert column.output_kind == "integer"
    for found in (column.apply(examples.features["a"]), preprocessing.apply(examples.features)[:, 0]):
        assert found.dtype == np.int64
        assert found.tolist() == [2**24 + 1, 2**24 + 3]


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint64", "bool"])
def test_other_numbers_that_a_column_ends_in_become_the_dtype_of_x(dtype):
    examples = Examples({"a": np.array([1.0, 3.0])})
    preprocessing = Preprocessing.fit(examples, [Beyond(dtype=dtype)])
    assert preprocessing.columns[0].output_kind is None
    assert preprocessing.apply(examples.features).dtype == np.float32


def test_columns_without_transforms_have_no_kind_of_output():
    assert Preprocessing.fit(Examples({"a": np.arange(3)})).columns[0].output_kind is None


def test_integers_that_were_fitted_and_are_floats_now_are_blamed():
    examples = Examples({"a": np.array([1.0, 3.0])})
    (column,) = Preprocessing.fit(examples, [Beyond()]).columns
    steps = (FittedTransform(Beyond(dtype="float32"), {"start": 0}),)
    message = r"^Column 'a': its transforms returned float32, but integers when they were fitted\.$"
    with pytest.raises(PluginError, match=message):
        replace(column, steps=steps).apply(examples.features["a"])


# missing numbers


def test_missing_numbers_reach_a_transform_that_takes_them():
    preprocessing = Preprocessing.fit(GAPS, [Impute()])
    np.testing.assert_allclose(
        preprocessing.apply(GAPS.features), [[20, 0, 1.5, 0], [40, 1, 1.6, 0], [40, 0, 1.7, 0], [60, 0, 1.6, 1]]
    )
    assert preprocessing.takes_missing == ("age", "height")
    new = {"age": np.array([np.nan]), "height": np.array([np.nan])}
    np.testing.assert_allclose(preprocessing.apply(new), [[40, 1, 1.6, 1]])


def test_missing_numbers_that_are_filled_can_be_transformed_further():
    preprocessing = Preprocessing.fit(GAPS, [Impute(), Standardize()])
    x = preprocessing.apply(GAPS.features, np.float64)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(x.std(axis=0), 1)


@pytest.mark.parametrize(
    ("transforms", "column", "row", "advice"),
    [
        ([Impute(("age",))], "'height'", 3, "a first transform that takes missing numbers"),
        ([Standardize(), Impute()], "'age'", 1, "a first transform that takes missing numbers"),
        (
            [Pass(), Standardize()],
            "'age', before Standardize(columns=None),",
            1,
            "a transform that fills what is missing",
        ),
        ([Pass()], "'age', after its transforms,", 1, "a transform that fills what is missing"),
    ],
    ids=["another column", "behind", "left before", "left"],
)
def test_missing_numbers_that_no_transform_fills_are_refused(transforms, column, row, advice):
    message = (
        f"Column {column} holds 1 value that is not finite, the first at [{row}]. Remove or fill it, or give the "
        f"column {advice}."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        Preprocessing.fit(GAPS, transforms).apply(GAPS.features)


def test_missing_numbers_that_are_left_in_new_rows_alone_are_refused():
    preprocessing = Preprocessing.fit(Examples({"age": np.arange(3.0)}), [Pass(), Standardize()])
    with pytest.raises(
        DataError, match=r"^Column 'age', before Standardize\(.*\), holds 1 .* at \[1\]\. Remove or fill it"
    ):
        preprocessing.apply({"age": np.array([1, np.nan])})


def test_infinite_numbers_are_not_missing_ones():
    message = r"^Column 'age' holds 1 value that is not finite, the first at \[2\]\. Remove or fill it\.$"
    infinite = {"age": np.array([1.0, np.nan, -np.inf]), "height": np.ones(3)}
    with pytest.raises(DataError, match=message):
        Preprocessing.fit(Examples(infinite), [Impute()])
    with pytest.raises(DataError, match=message):
        Preprocessing.fit(GAPS, [Impute()]).apply(infinite)


def test_missing_numbers_of_the_target_are_refused():
    with pytest.raises(DataError, match=r"^Column 'y' holds 1 value that is not finite, the first at \[1\]\. Remove"):
        Preprocessing.fit(with_target([1.0, np.nan]), target_transforms=[Pass()])


def test_missing_numbers_of_a_dataset_are_told_in_its_words_all_at_once():
    told = {"height": "people.csv:9: height?", "age": "people.csv:7: age?"}
    examples = Examples(GAPS.features, missing=told)
    for part in (examples, examples.take(np.array([0, 2]))):
        with pytest.raises(DataError, match=r"^people\.csv:9: height\?\npeople\.csv:7: age\?$"):
            Preprocessing.fit(part)
    with pytest.raises(DataError, match=r"^people\.csv:9: height\?$"):
        Preprocessing.fit(examples, [Impute(("age",))])
    assert len(Preprocessing.fit(examples, [Impute()]).columns) == 2


def test_select_keeps_missing_numbers_where_a_transform_takes_them():
    filled = Examples(GAPS.features | {"height": np.ones(4)})
    preprocessing = Preprocessing.fit(filled, [Impute(("age",)), Standardize(("height",))])
    examples = preprocessing.select(table("height,age\n1.5,NA\n1.6,30\n"))
    np.testing.assert_array_equal(examples.features["age"], [np.nan, 30])
    with pytest.raises(
        DataError, match=r"^new\.csv:2: column 'height': cells without a finite number: 1, the first is"
    ):
        preprocessing.select(table("height,age\n,NA\n1.6,30\n"))


# apply


def test_apply_joins_columns_in_order():
    x = Preprocessing.fit(NUMBERS).apply(NUMBERS.features)
    np.testing.assert_array_equal(x, [[1, 1, 2], [2, 3, 4], [3, 5, 6]])
    assert x.dtype == np.float32


def test_apply_dtype_is_the_one_asked_for():
    assert Preprocessing.fit(NUMBERS).apply(NUMBERS.features, np.float64).dtype == np.float64


def test_apply_transforms_the_columns_of_their_kind():
    x = Preprocessing.fit(PEOPLE, TRANSFORMS).apply(PEOPLE.features, np.float64)
    z = (1.5) ** 0.5
    np.testing.assert_allclose(x, [[-z, 0, 1, -z], [0, 1, 0, 0], [z, 0, 1, z]], rtol=1e-12, atol=1e-12)


def test_apply_named_transform_leaves_other_columns():
    preprocessing = Preprocessing.fit(PEOPLE, [MinMax(columns=("height",)), OneHot()])
    x = preprocessing.apply(PEOPLE.features, np.float64)
    np.testing.assert_allclose(x[:, 0], [20, 30, 40])
    np.testing.assert_allclose(x[:, 3], [0, 0.5, 1])


def test_apply_several_transforms_of_one_column_act_in_order():
    preprocessing = Preprocessing.fit(NUMBERS, [MinMax(0.0, 4.0, columns=("a",)), Standardize(columns=("a",))])
    first, second = preprocessing.columns[0].steps
    assert (first.fitted, second.fitted["mean"]) == ({"minimum": 1.0, "maximum": 3.0}, 2.0)
    np.testing.assert_allclose(preprocessing.apply(NUMBERS.features)[:, 0], [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-6)


def test_apply_transform_for_numbers_does_not_touch_what_was_words():
    preprocessing = Preprocessing.fit(PEOPLE, [OneHot(), Standardize()])
    assert [len(column.steps) for column in preprocessing.columns] == [1, 1, 1]


def test_apply_uses_the_values_of_the_training_split():
    preprocessing = Preprocessing.fit(NUMBERS, [MinMax()])
    x = preprocessing.apply({"a": np.array([5.0]), "b": np.array([[9, 10]])})
    np.testing.assert_allclose(x, [[2, 2, 2]])


@dataclass(frozen=True)
class Series:
    """A column of a frame, as far as pandas, polars and pyarrow agree: words are objects."""

    values: list

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, object if isinstance(self.values[0], str) else dtype)

    def __len__(self):
        return len(self.values)


def test_words_and_numbers_of_frames_are_those_of_arrays():
    framed = Examples(
        {name: Series(column.tolist()) for name, column in PEOPLE.features.items()}, Series(["a", "b", "a"])
    )
    plain = Examples(PEOPLE.features, np.array(["a", "b", "a"]))

    assert Preprocessing.fit(framed, TRANSFORMS) == Preprocessing.fit(plain, TRANSFORMS)
    preprocessing = Preprocessing.fit(plain, TRANSFORMS)
    columns = {name: Series(column.tolist()) for name, column in PEOPLE.features.items()}
    np.testing.assert_array_equal(preprocessing.apply(columns), preprocessing.apply(PEOPLE.features))
    assert preprocessing.target(framed).tolist() == [0, 1, 0]


def test_apply_structured_array_is_picked_by_name():
    rows = np.array([(1.7, 40.0, "Oslo")], [("height", float), ("age", float), ("city", "U4")])

    np.testing.assert_array_equal(
        Preprocessing.fit(PEOPLE, [OneHot()]).apply(rows), np.float32([[40.0, 0.0, 1.0, 1.7]])
    )


def test_columns_of_neither_numbers_nor_words_are_refused_by_name():
    with pytest.raises(DataError, match=r"^Column 'city' must hold words alone, got 3 at \[1\]\. Make words of all"):
        people(city=Series(["Oslo", 3, "Bern"]))
    with pytest.raises(DataError, match=r"^Column 'z' must hold real numbers, got an array of dtype complex128"):
        Examples({"a": np.zeros(1)}, np.array([1j]), "z")


def test_apply_single_column_keeps_its_shape(rng):
    examples = Examples({"image": rng.random((5, 4, 3))})
    preprocessing = Preprocessing.fit(examples, [Standardize()])
    assert preprocessing.apply(examples.features).shape == (5, 4, 3)
    assert preprocessing.input_shape == (4, 3)


def test_apply_single_flat_column_becomes_a_column_vector():
    examples = Examples({"x": np.arange(3.0)})
    preprocessing = Preprocessing.fit(examples)
    assert preprocessing.apply(examples.features).shape == (3, 1)
    assert preprocessing.input_shape == (1,)


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_apply_single_mapped_column_passes_through_uncopied(tmp_path, dtype):
    np.save(tmp_path / "x.npy", np.arange(12, dtype=dtype).reshape(4, 3))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    examples = Examples({"x": mapped})
    assert Preprocessing.fit(examples).apply(examples.features) is mapped


def test_apply_mapped_flat_column_stays_mapped(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(4.0))
    examples = Examples({"x": np.load(tmp_path / "x.npy", mmap_mode="r")})
    x = Preprocessing.fit(examples).apply(examples.features)
    assert isinstance(x, np.memmap)
    assert x.shape == (4, 1)


@pytest.mark.parametrize(
    ("examples", "transforms", "shape"),
    [
        (PEOPLE, TRANSFORMS, (4,)),
        (NUMBERS, [], (3,)),
        (Digits().load(Path()), [], (64,)),
        (XOR().load(Path()), [], (2,)),
    ],
    ids=["people", "numbers", "digits", "xor"],
)
def test_input_shape_is_that_of_apply(examples, transforms, shape):
    preprocessing = Preprocessing.fit(examples, transforms)
    assert preprocessing.input_shape == shape
    assert preprocessing.apply(examples.features).shape == (len(examples), *shape)


def test_apply_leaves_raw_columns_as_they_are():
    before = {name: column.copy() for name, column in PEOPLE.features.items()}
    Preprocessing.fit(PEOPLE, TRANSFORMS).apply(PEOPLE.features)
    for name, column in PEOPLE.features.items():
        np.testing.assert_array_equal(column, before[name])


def test_apply_examples_that_do_not_fit_into_memory_are_refused():
    column = np.broadcast_to(np.int8(1), (1 << 50,))  # takes one byte itself
    preprocessing = Preprocessing.fit(Examples({"a": np.ones(2), "b": np.ones(2)}))
    with pytest.raises(
        DataError,
        match=r"^1,125,899,906,842,624 examples of shape \(2,\) need more memory than there is: .*\. Take fewer",
    ):
        preprocessing.apply({"a": column, "b": column})


def test_apply_ignores_further_columns():
    preprocessing = Preprocessing.fit(NUMBERS)
    x = preprocessing.apply({"c": np.array(["x"] * 3), **NUMBERS.features})
    assert x.shape == (3, 3)


def test_apply_missing_columns_are_named_with_the_nearest():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS)
    with pytest.raises(DataError, match="The data lacks the column 'city'") as caught:
        preprocessing.apply({"ages": np.arange(3.0), "height": np.arange(3.0)})
    assert str(caught.value) == (
        "The data lacks the column 'age'. Did you mean 'ages'?\nThe data lacks the column 'city'. It has: ages, height."
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"age": np.array(["a", "b", "c"])}, "^Column 'age' holds words; the model needs numbers"),
        ({"city": np.arange(3.0)}, "^Column 'city' holds numbers; the model needs words"),
        ({"age": np.ones((3, 2))}, r"^Column 'age' must have shape \(N,\), got \(3, 2\)"),
        ({"age": np.array([1, np.nan, 3])}, r"^Column 'age' holds 1 value that is not finite, the first at \[1\]"),
        ({"city": np.array(["Oslo", "Rome", "Bern"])}, r"^Column 'city': unknown category 'Rome' in row 1 \(from 0\)"),
        ({"age": np.ones(2), "city": np.array(["Oslo"] * 2)}, "same length"),
    ],
    ids=["words for numbers", "numbers for words", "shape", "nan", "unknown category", "lengths"],
)
def test_apply_unfit_column_is_refused(columns, message):
    preprocessing = Preprocessing.fit(PEOPLE, [OneHot(unknown="error"), Standardize()])
    with pytest.raises(DataError, match=message):
        preprocessing.apply({**PEOPLE.features, **columns})


def test_apply_block_of_another_shape_is_refused():
    preprocessing = Preprocessing.fit(NUMBERS)
    with pytest.raises(DataError, match=r"^Column 'b' must have shape \(N, 2\), got \(3, 5\)"):
        preprocessing.apply({"a": np.ones(3), "b": np.ones((3, 5))})


@pytest.mark.parametrize("sign", [1, -1], ids=["positive", "negative"])
def test_apply_value_too_large_for_the_dtype_is_refused(sign):
    examples = Examples({"a": np.array([1.0, sign * 1e300]), "b": np.ones(2)})
    preprocessing = Preprocessing.fit(examples)
    with pytest.raises(
        DataError, match=r"^Column 'a' holds 1 .* too large for float32, the first, -?1e\+300, .* use float64"
    ):
        preprocessing.apply(examples.features)
    assert preprocessing.apply(examples.features, np.float64)[1, 0] == sign * 1e300


# fit


def test_fit_words_without_one_hot_are_refused_by_name():
    examples = people(sex=np.array(["f", "m", "f"]))
    message = (
        r"^A network cannot take words, which are in: 'city', 'sex'\. Add the transform 'one_hot', or leave them out"
    )
    with pytest.raises(DataError, match=message):
        Preprocessing.fit(examples, [Standardize()])


def test_fit_unknown_column_in_a_transform_suggests_the_nearest():
    message = (
        r"^Standardize\(columns=\('agee', 'height'\)\): there is no column 'agee'\. Did you mean 'age'\? "
        r"The columns: age, city, height\.$"
    )
    with pytest.raises(DataError, match=message):
        Preprocessing.fit(PEOPLE, [Standardize(columns=("agee", "height")), OneHot()])


def test_fit_transform_for_numbers_on_words_is_refused():
    message = r"^Column 'city' holds words, but Standardize\(columns=\('city',\)\) takes numbers\. Use one_hot for it"
    with pytest.raises(DataError, match=message):
        Preprocessing.fit(PEOPLE, [Standardize(columns=("city",)), OneHot()])


def test_fit_one_hot_named_for_whole_numbers_is_allowed():
    examples = Examples({"month": np.array([12, 1, 12]), "a": np.ones(3)})
    preprocessing = Preprocessing.fit(examples, [OneHot(columns=("month",))])
    np.testing.assert_array_equal(preprocessing.apply(examples.features), [[0, 1, 1], [1, 0, 1], [0, 1, 1]])


def test_fit_one_hot_of_a_block_names_the_column():
    with pytest.raises(DataError, match=r"^Column 'b': one_hot takes one category for each example"):
        Preprocessing.fit(NUMBERS, [OneHot(columns=("b",))])


def test_fit_value_that_is_not_finite_is_refused_before_it_spoils_the_fit():
    with pytest.raises(DataError, match=r"^Column 'age' holds 2 values that are not finite, the first at \[0\]"):
        Preprocessing.fit(people(age=np.array([np.inf, 1.0, np.nan])), TRANSFORMS)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("fitted array", r"^Column 'a': what Faulty\(.*\) fitted cannot be stored as JSON: Object of type float32"),
        (
            "loses rows",
            r"^Transform 'Faulty': apply returned a float64 array of shape \(0,\), expected an array of length 1 for ",
        ),
    ],
    ids=["fitted array", "loses rows"],
)
def test_fit_faulty_transform_is_blamed(fault, message):
    with pytest.raises(PluginError, match=message):
        Preprocessing.fit(NUMBERS, [Faulty(fault, columns=("a",))])


def test_apply_transform_with_changing_shape_is_blamed():
    preprocessing = Preprocessing.fit(NUMBERS, [Faulty("grows", columns=("a",))])
    message = r"^Column 'a': its transforms returned entries of shape \(1,\), but had made \(\) when they were fitted"
    with pytest.raises(PluginError, match=message):
        preprocessing.apply(NUMBERS.features)


# target


def with_target(target, classes=None):
    target = np.asarray(target)
    return Examples({"x": np.arange(float(len(target)))}, target, "y", classes)


def test_target_names_become_numbers_of_sorted_classes():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS)
    y = preprocessing.target(PEOPLE)
    assert y.tolist() == [0, 1, 0]
    assert y.dtype == np.int64
    assert preprocessing.classes == ("no", "yes")


def test_target_classes_of_the_whole_data_include_those_absent_from_training():
    preprocessing = Preprocessing.fit(with_target(["b", "c"], ("a", "b", "c")))
    assert preprocessing.classes == ("a", "b", "c")
    assert preprocessing.target(with_target(["a", "c"])).tolist() == [0, 2]


def test_target_unknown_name_gives_value_and_row():
    preprocessing = Preprocessing.fit(with_target(["a", "b"]))
    with pytest.raises(DataError, match=r"^Column 'y': unknown class 'c' in row 1 \(from 0\); expected a, b\.$"):
        preprocessing.target(with_target(["a", "c"]))


@pytest.mark.parametrize("label", [-1, 2], ids=["negative", "too large"])
def test_target_number_outside_the_classes_gives_value_and_row(label):
    preprocessing = Preprocessing.fit(with_target([0, 1], ("no", "yes")))
    with pytest.raises(DataError, match=rf"^Column 'y': unknown class {label} in row 2 \(from 0\); expected 0 to 1\.$"):
        preprocessing.target(with_target([0, 1, label]))


def test_target_fractions_for_classes_are_refused():
    preprocessing = Preprocessing.fit(with_target([0, 1], ("no", "yes")))
    with pytest.raises(DataError, match=r"^Column 'y': expected classes as words or whole numbers, got float64\.$"):
        preprocessing.target(with_target([0.5, 1.0]))


def test_target_names_for_numbered_classes_are_understood():
    preprocessing = Preprocessing.fit(with_target([0, 1], ("no", "yes")))
    assert preprocessing.target(with_target(["yes", "no"])).tolist() == [1, 0]


def test_target_whole_numbers_without_names_stay_whole():
    y = Preprocessing.fit(with_target([3, 7])).target(with_target(np.array([3, 7], np.uint8)))
    assert y.dtype == np.int64
    assert y.tolist() == [3, 7]


def test_target_numbers_become_a_column_vector_of_the_dtype():
    preprocessing = Preprocessing.fit(NUMBERS)
    y = preprocessing.target(NUMBERS)
    assert (y.dtype, y.tolist()) == (np.float32, [[2], [4], [6]])
    assert preprocessing.target(NUMBERS, np.float64).dtype == np.float64


def test_target_of_several_numbers_keeps_its_shape():
    examples = with_target(np.ones((3, 2)))
    assert Preprocessing.fit(examples).target(examples).shape == (3, 2)


def test_target_standardized_is_undone_by_labels():
    preprocessing = Preprocessing.fit(NUMBERS, [], [Standardize()])
    y = preprocessing.target(NUMBERS, np.float64)
    np.testing.assert_allclose(y, [[-(1.5**0.5)], [0], [1.5**0.5]], rtol=1e-12)
    np.testing.assert_allclose(preprocessing.labels(y), NUMBERS.target, rtol=1e-12)


def test_target_whole_numbers_can_be_standardized():
    examples = with_target([1, 2, 3])
    preprocessing = Preprocessing.fit(examples, [], [Standardize()])
    np.testing.assert_allclose(preprocessing.labels(preprocessing.target(examples)), [1, 2, 3], rtol=1e-6)


def test_target_one_hot_names_are_vectors_and_back():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS, [OneHot()])
    y = preprocessing.target(PEOPLE)
    np.testing.assert_array_equal(y, [[1, 0], [0, 1], [1, 0]])
    assert y.dtype == np.float32
    assert preprocessing.labels(y).tolist() == ["no", "yes", "no"]
    assert preprocessing.classes == ("no", "yes")


def test_target_one_hot_classes_are_those_that_have_an_output():
    preprocessing = Preprocessing.fit(with_target(["a", "c"], ("a", "b", "c")), [], [OneHot()])
    assert preprocessing.classes == ("a", "c")


@pytest.mark.parametrize(
    "target", [1.7e9 + np.arange(5.0), np.arange(1.0, 6) * 1e39], ids=["steps of one", "beyond float32"]
)
@pytest.mark.parametrize("transform", [Standardize(), MinMax()], ids=repr)
def test_labels_undo_target_transforms_in_float64(transform, target):
    preprocessing = Preprocessing.fit(with_target(target), target_transforms=[transform])
    y = preprocessing.target(with_target(target), np.float32)
    found = preprocessing.labels(y)
    assert (y.dtype, found.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(found, target, rtol=0, atol=1e-6 * np.ptp(target))


@pytest.mark.parametrize(
    ("a", "text"),
    [
        pytest.param([[1.0], [np.nan], [2.0]], r"example 1 \(from 0\) is nan\. Check its features", id="nan"),
        pytest.param(
            [[1.0], [np.inf], [-np.inf]], r"example 1 \(from 0\) is inf, and so are those for 1 more\.", id="two"
        ),
    ],
)
def test_labels_of_outputs_that_are_not_finite_are_refused(a, text):
    for target in ([1.0, 2.0, 3.0], [0, 1, 0]):
        with pytest.raises(DataError, match=text):
            Preprocessing.fit(with_target(target)).labels(np.array(a))


def test_labels_that_leave_float64_are_refused():
    preprocessing = Preprocessing.fit(with_target([-1e308, 1e308]), target_transforms=[Standardize()])
    assert preprocessing.labels(np.array([[1.5]])).tolist() == [1.5e308]
    with pytest.raises(DataError, match=r"example 1 \(from 0\) is -inf when the transforms of 'y' are undone\. Check"):
        preprocessing.labels(np.array([[1.5], [-2.0]]))


def test_target_one_hot_numbered_classes_are_named_by_labels():
    examples = with_target([1, 0, 2], ("zero", "one", "two"))
    preprocessing = Preprocessing.fit(examples, [], [OneHot()])
    y = preprocessing.target(examples, np.float64)
    np.testing.assert_array_equal(y, np.eye(3)[[1, 0, 2]])
    assert preprocessing.labels(y).tolist() == ["one", "zero", "two"]


@pytest.mark.parametrize(
    ("transform", "labels", "message"),
    [
        (OneHot(), "abc", r"unknown class 'c' in row 0 \(from 0\); expected a, b\."),
        (OneHot(unknown="error"), "abc", r"unknown category 'c' in row 0 \(from 0\); the training data had 'a', 'b'\."),
        (Index(), "abc", r"unknown class 'c' in row 0 \(from 0\); expected a, b\."),
        (OneHot(), [3, 5, 7], r"unknown class 7 in row 0 \(from 0\)\.$"),
        (Index(), [3, 5, 7], r"the index 2 in row 0 \(from 0\) stands for no category"),
    ],
    ids=["one_hot", "error", "index", "one_hot of numbers", "index of numbers"],
)
def test_target_class_that_was_not_in_training_is_refused(transform, labels, message):
    preprocessing = Preprocessing.fit(with_target([*labels[:2]]), [], [transform])
    with pytest.raises(DataError, match=f"^Column 'y': {message}"):
        preprocessing.target(with_target([*labels[2:]]))


def test_target_transform_for_numbers_on_names_is_refused():
    with pytest.raises(DataError, match=r"^Column 'member' holds words, but Standardize\(.*\) takes numbers"):
        Preprocessing.fit(PEOPLE, TRANSFORMS, [Standardize()])


def test_target_transform_without_target_is_refused():
    with pytest.raises(DataError, match=r"^There is no target for the target transform Standardize\(columns=None\)"):
        Preprocessing.fit(Examples({"a": np.ones(3)}), [], [Standardize()])


def test_target_transform_of_unknown_column_is_refused():
    message = r"there is no column 'z'\. Did you mean 'y'\? The target columns: y\.|there is no column 'z'\. The target"
    with pytest.raises(DataError, match=message):
        Preprocessing.fit(NUMBERS, [], [Standardize(columns=("z",))])


@pytest.mark.parametrize(
    ("fitted_on", "target", "message"),
    [
        ([1.0, 2.0], ["a"], "^Column 'y' holds words; the model needs numbers"),
        ([1.0, 2.0], [[1.0]], r"^Column 'y' must have shape \(N,\), got \(1, 1\)"),
        ([1.0, 2.0], [np.nan], "^Column 'y' holds 1 value that is not finite"),
    ],
    ids=["words", "shape", "nan"],
)
def test_target_unfit_is_refused(fitted_on, target, message):
    with pytest.raises(DataError, match=message):
        Preprocessing.fit(with_target(fitted_on)).target(with_target(target))


def test_names_and_classes_in_another_unicode_form_say_so():
    examples = Examples({"caf\u00e9": np.zeros(2)}, np.array(["Z\u00fcrich", "Bern"]), "y")
    preprocessing = Preprocessing.fit(examples)
    with pytest.raises(
        DataError, match=r"lacks the column 'café'\. Did you mean 'cafe\\u0301'\? It is 'caf\\xe9' in ano"
    ):
        preprocessing.select(table("cafe\u0301\n1\n"))
    with pytest.raises(
        DataError, match=r"expected Bern, Zürich\. Did you mean 'Z\\xfcrich'\? It is 'Zu\\u0308rich' in "
    ):
        preprocessing.target(with_target(["Zu\u0308rich", "Bern"]))


def test_target_numbers_for_one_hot_names_are_refused():
    preprocessing = Preprocessing.fit(with_target(["a", "b"]), [], [OneHot()])
    with pytest.raises(DataError, match=r"^Column 'y' holds numbers; the model needs words"):
        preprocessing.target(with_target([1.0]))


def test_target_that_is_not_there_is_refused():
    nothing = Examples({"x": np.ones(2)})
    with pytest.raises(DataError, match=r"^There is no target: the preprocessing was fitted without a target"):
        Preprocessing.fit(nothing).target(nothing)
    with pytest.raises(DataError, match=r"^There is no target: the data has none"):
        Preprocessing.fit(with_target([1.0, 2.0])).target(nothing)


# labels


def test_labels_largest_output_names_the_class():
    preprocessing = Preprocessing.fit(with_target(["c", "a", "b"]))
    assert preprocessing.labels(np.array([[0.1, 0.2, 0.7], [0.5, 0.4, 0.1]])).tolist() == ["c", "a"]


def test_labels_single_output_above_one_half_is_class_one():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS)
    assert preprocessing.labels(np.array([[0.51], [0.5]])).tolist() == ["yes", "no"]


def test_labels_without_names_are_the_number_of_the_largest_output():
    assert Preprocessing.fit(with_target([0, 1, 2])).labels(np.array([[0.1, 0.2, 0.7]])).tolist() == [2]


def test_labels_of_whole_numbers_and_one_output_are_values():
    assert Preprocessing.fit(with_target([3750, 4200])).labels(np.array([[3800.5]])).tolist() == [3800.5]


def test_labels_of_numbers_have_the_shape_of_the_raw_target():
    assert Preprocessing.fit(with_target([1.0, 2.0])).labels(np.ones((4, 1))).shape == (4,)
    assert Preprocessing.fit(with_target(np.ones((2, 3)))).labels(np.ones((4, 3))).shape == (4, 3)


def test_labels_without_target_are_the_outputs():
    a = np.ones((4, 3))
    assert Preprocessing.fit(Examples({"x": np.ones(2)})).labels(a) is a


# select


NEW = "height,member,age,city,id\n1.55,yes,25,Bern,7\n1.65,no,35,Oslo,8\n"


def test_select_picks_the_columns_by_name():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS)
    examples = preprocessing.select(table(NEW))
    assert list(examples.features) == ["age", "city", "height"]
    assert examples.target is None
    assert preprocessing.apply(examples.features).shape == (2, 4)


def test_select_with_target_gives_it_too():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS)
    examples = preprocessing.select(table(NEW), with_target=True)
    assert preprocessing.target(examples).tolist() == [1, 0]


def test_select_missing_columns_are_all_named():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS)
    with pytest.raises(DataError, match="lacks the column 'age'") as caught:
        preprocessing.select(table("ages,height\n1,2\n"), with_target=True)
    assert str(caught.value).splitlines() == [
        "new.csv: lacks the column 'age'. Did you mean 'ages'? It has 2: ages, height.",
        "new.csv: lacks the column 'city'. It has 2: ages, height.",
        "new.csv: lacks the column 'member'. It has 2: ages, height.",
    ]


def test_select_word_where_a_number_is_needed_names_line_and_column():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS)
    with pytest.raises(DataError, match=r"new.csv:2: column 'age': expected a number, got 'old'"):
        preprocessing.select(table("age,city,height\nold,Oslo,2\n"))


def test_select_missing_cell_names_line_and_column():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS)
    with pytest.raises(DataError, match=r"new.csv:3: column 'age': cells without a finite number: 1"):
        preprocessing.select(table("age,city,height\n1,Oslo,2\n,Oslo,2\n"))


def test_select_damage_in_other_columns_does_no_harm():
    preprocessing = Preprocessing.fit(PEOPLE, TRANSFORMS)
    assert len(preprocessing.select(table(NEW.replace(",8", ",")))) == 2


def test_categorical_names_what_a_reader_must_not_parse():
    examples = Examples({"code": np.array(["01", "2"]), "a": np.ones(2)}, np.array(["1", "0"]), "y")
    preprocessing = Preprocessing.fit(examples, [OneHot()])
    assert preprocessing.categorical == ("code", "y")
    text = "a,code,y\n5,01,1\n"
    read = read_csv(StringIO(text), categorical=preprocessing.categorical)
    selected = preprocessing.select(read, with_target=True)
    np.testing.assert_array_equal(preprocessing.apply(selected.features), [[1, 0, 5]])
    assert preprocessing.target(selected).tolist() == [1]


BLOCK = Examples({"pixels": np.arange(12.0).reshape(2, 3, 2)}, np.array([0, 1]), "digit", ("zero", "one"))


@pytest.mark.parametrize(
    "header",
    [
        "pixels_0,pixels_1,pixels_2,pixels_3,pixels_4,pixels_5",
        "id,pixels_0,pixels_1,pixels_2,pixels_3,pixels_4,pixels_5",
        "a,b,c,d,e,f",
    ],
    ids=["by name", "by name among others", "by position"],
)
def test_select_block_takes_its_columns(header):
    count = header.count(",") + 1
    values = [9] * (count - 6) + list(range(6))
    examples = Preprocessing.fit(BLOCK).select(table(f"{header}\n{','.join(map(str, values))}\n"))
    np.testing.assert_array_equal(examples.features["pixels"], np.arange(6).reshape(1, 3, 2))


def test_select_block_by_name_may_be_in_any_order():
    text = "pixels_5,pixels_1,pixels_2,pixels_3,pixels_4,pixels_0\n5,1,2,3,4,0\n"
    examples = Preprocessing.fit(BLOCK).select(table(text))
    np.testing.assert_array_equal(examples.features["pixels"].ravel(), np.arange(6))


def test_select_block_by_position_leaves_out_the_target():
    preprocessing = Preprocessing.fit(BLOCK)
    examples = preprocessing.select(table("a,b,digit,c,d,e,f\n0,1,1,2,3,4,5\n"), with_target=True)
    np.testing.assert_array_equal(examples.features["pixels"].ravel(), np.arange(6))
    assert preprocessing.target(examples).tolist() == [1]


def test_select_block_of_another_width_is_refused():
    message = (
        r"^new.csv: lacks the 6 columns of 'pixels'\. Name them 'pixels_0' to 'pixels_5', or give exactly 6 columns of "
        r"numbers, or name the dataset that reads .*: NAME:path=new\.csv,\.\.\.\. It has 2: a, b\.$"
    )
    with pytest.raises(DataError, match=message):
        Preprocessing.fit(BLOCK).select(table("a,b\n1,2\n"))


def test_select_block_with_a_word_names_line_and_column():
    with pytest.raises(DataError, match=r"new.csv:2: column 'f': expected a number, got 'x'"):
        Preprocessing.fit(BLOCK).select(table("a,b,c,d,e,f\n0,1,2,3,4,x\n"))


def test_select_target_of_fractions_for_whole_numbers_stays_fractions():
    preprocessing = Preprocessing.fit(with_target([3750, 4200]))
    examples = preprocessing.select(table("x,y\n1,3750.5\n"), with_target=True)
    np.testing.assert_array_equal(preprocessing.target(examples), [[3750.5]])


# storing


@pytest.mark.parametrize(
    ("examples", "transforms", "target_transforms"),
    [
        (PEOPLE, TRANSFORMS, []),
        (PEOPLE, [MinMax(-1.0, 1.0, columns=("age",)), *TRANSFORMS], [OneHot()]),
        (NUMBERS, [Standardize()], [Standardize()]),
        (PEOPLE, [Index(unknown=True)], []),
        (Examples({"city": PEOPLE.features["city"]}), [Index()], []),
        (BLOCK, [Standardize()], []),
        (Examples({"x": np.ones(2)}), [], []),
    ],
    ids=["classes", "several transforms", "numbers", "index", "index alone", "block", "no target"],
)
def test_from_table_after_json_is_the_same(examples, transforms, target_transforms):
    registry = default_registry()
    preprocessing = Preprocessing.fit(examples, transforms, target_transforms)
    text = json.dumps(preprocessing.to_table(registry), allow_nan=False)
    again = Preprocessing.from_table(json.loads(text), registry)
    assert again == preprocessing
    np.testing.assert_array_equal(again.apply(examples.features), preprocessing.apply(examples.features))


def test_to_table_names_transforms_by_distribution():
    stored = Preprocessing.fit(NUMBERS, [Standardize()]).to_table(default_registry())
    assert stored["columns"][0]["steps"][0]["transform"]["type"] == "nnfw:standardize"


def test_to_table_transform_of_no_plugin_is_refused():
    preprocessing = Preprocessing.fit(NUMBERS, [Faulty("none", columns=("a",))])
    with pytest.raises(PluginError, match=r"Faulty.*belongs to no installed plugin"):
        preprocessing.to_table(default_registry())


def test_from_table_missing_plugin_says_what_to_install():
    stored = Preprocessing.fit(NUMBERS, [Standardize()]).to_table(default_registry())
    stored["columns"][0]["steps"][0]["transform"]["type"] = "nnfw-other:robust"
    with pytest.raises(ConfigError, match="nnfw-other"):
        Preprocessing.from_table(stored, default_registry())


STORED = {"name": "a", "kind": "numeric", "shape": [], "output_shape": [], "steps": []}


def column(**changes):
    return {"columns": [STORED | changes]}


def standardize(**fitted):
    return {"transform": "standardize", "fitted": {"mean": 0.0, "scale": 1.0} | fitted}


def one_hot(categories, **more):
    step = {"transform": "one_hot", "fitted": {"categories": categories, **more}}
    return column(kind="categorical", output_shape=[2], steps=[step])


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        pytest.param(7, r"preprocessing must be a table, got 7", id="no-table"),
        pytest.param({}, r"preprocessing\.columns is missing", id="no-columns"),
        pytest.param({"columns": []}, r"preprocessing\.columns must be a list of tables of length ≥ 1", id="no-column"),
        pytest.param({"columns": ["a"]}, r"preprocessing\.columns\[0\] must be a table such as .*, got 'a'", id="text"),
        pytest.param(column(kind="odd"), r"columns\[0\]\.kind must be 'numeric', 'integer' or", id="kind"),
        pytest.param(column(shape=["x"]), r"columns\[0\]\.shape\[0\] must be a whole number", id="shape"),
        pytest.param(column(shape=[0]), r"columns\[0\]\.shape\[0\] must be greater than or equal to 1", id="nothing"),
        pytest.param(
            column(output_kind="odd"), r"columns\[0\]\.output_kind must be 'integer', got 'odd'", id="output-kind"
        ),
        pytest.param(column(more=1), r"columns\[0\]\.more is not an option", id="more"),
        pytest.param({"columns": [STORED, STORED]}, r"columns must be different names, got 'a' twice", id="repeated"),
        pytest.param(column(steps=[{"fitted": {}}]), r"steps\[0\]\.transform is missing", id="no-transform"),
        pytest.param(
            column(steps=[standardize() | {"fitted": 3}]),
            r"steps\[0\]\.fitted must be a table, got 3",
            id="fitted-number",
        ),
        pytest.param(
            column() | {"classes": ["a", "a"]}, r"classes must be different names, got 'a' twice", id="classes"
        ),
        pytest.param(
            column() | {"classes": ["a" * 1001]}, r"classes\[0\] must be text of length ≤ 1000, got", id="long-class"
        ),
    ],
)
def test_from_table_damaged_is_refused(stored, message):
    with pytest.raises(ConfigError, match=message):
        Preprocessing.from_table(stored, default_registry())


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        pytest.param(
            column(output_shape=[2]), r"^Column 'a' has no steps, yet they make \(2,\) of \(\)\.$", id="steps"
        ),
        pytest.param(
            column(output_kind="integer"), r"^Column 'a' has no steps, yet they end in integers\.$", id="integers"
        ),
        pytest.param(
            column(shape=[1 << 40], output_shape=[1 << 40], steps=[standardize()]),
            r"^Transforms may make 4,194,304 numbers of one example, these make [\d,]+\.$",
            id="huge",
        ),
        pytest.param(
            column(steps=[standardize(mean=None)]), r"'a': the fitted mean must be numbers, got None", id="none"
        ),
        pytest.param(column(steps=[standardize(mean="1")]), r"the fitted mean must be numbers, got '1'", id="words"),
        pytest.param(column(steps=[standardize(mean=[[1], [1, 2]])]), r"the fitted mean must be numbers", id="ragged"),
        pytest.param(
            column(steps=[standardize(mean=10**400)]), r"the fitted mean must be numbers, got 1000", id="vast"
        ),
        pytest.param(column(steps=[standardize(scale=0)]), r"scale must be greater than 0, got 0\.0", id="scale"),
        pytest.param(
            column(steps=[standardize(more=0)]), r"must be mean and scale, got \['mean', 'scale', 'more'\]", id="more"
        ),
        pytest.param(
            column(steps=[{"transform": "min_max", "fitted": {"minimum": 2, "maximum": 1}}]),
            r"^Column 'a': the fitted minimum must not be greater than the maximum\.$",
            id="min-max",
        ),
        pytest.param(
            one_hot([["a"], "b"]), r"must be a list of words, or of numbers, got \[\['a'\], 'b'\]", id="nested"
        ),
        pytest.param(one_hot(["a", 1]), r"must be a list of words, or of numbers", id="mixed"),
        pytest.param(one_hot("ab"), r"must be a list of words, or of numbers, got 'ab'", id="no-list"),
        pytest.param(one_hot([]), r"must be different ones, one at least, got \[\]", id="no-category"),
        pytest.param(one_hot(["a", "a"]), r"must be different ones, one at least", id="same"),
        pytest.param(
            one_hot(["a", "b"], more=1), r"must be categories and others, got \['categories', 'more'\]", id="further"
        ),
        pytest.param(
            {"columns": [STORED], "target": {**STORED, "name": "y", "steps": [standardize(mean=None)]}},
            r"^Column 'y': the fitted mean must be numbers, got None\.$",
            id="target",
        ),
        pytest.param(one_hot([1, 2]), r"^Column 'a' holds numbers; the model needs words\.$", id="numbers"),
    ],
)
def test_from_table_with_impossible_steps_is_refused(stored, message):
    with pytest.raises(DataError, match=message):
        Preprocessing.from_table(stored, default_registry())


def test_from_table_whose_steps_make_no_integers_as_declared_is_refused():
    stored = column(output_kind="integer", steps=[standardize()])
    with pytest.raises(PluginError, match=r"^Column 'a': its transforms returned float64, but integers when they were"):
        Preprocessing.from_table(stored, default_registry())


def test_to_table_says_nothing_of_an_output_that_is_no_integer():
    stored = Preprocessing.fit(PEOPLE, TRANSFORMS, [OneHot()]).to_table(default_registry())
    assert [set(each) for each in (*stored["columns"], stored["target"])] == [set(STORED)] * 4


def test_from_table_of_many_columns_that_make_much_work_is_refused():
    columns = [{**STORED, "name": str(k), "shape": [1 << 17], "output_shape": [1 << 17]} for k in range(33)]
    for stored in columns:
        stored["steps"] = [standardize()]
    with pytest.raises(DataError, match=r"^Transforms may make 4,194,304 numbers of one example, these make 4,325,376"):
        Preprocessing.from_table({"columns": columns}, default_registry())


def test_from_table_of_classes_that_would_fill_the_memory_is_refused():
    classes = ["x" * 1000, *map(str, range(20_000))]
    with pytest.raises(
        DataError, match=r"^20,001 classes with the room of the longest have 20,001,000 characters; 16,"
    ):
        Preprocessing.from_table({"columns": [STORED], "classes": classes}, default_registry())


def test_from_table_whose_steps_make_another_shape_is_refused():
    stored = one_hot(["a", "b", "c"])
    with pytest.raises(
        PluginError, match=r"^Column 'a': its transforms returned entries of shape \(3,\), but had made"
    ):
        Preprocessing.from_table(stored, default_registry())


FAULTS = [
    (
        ZeroDivisionError("division by zero"),
        PluginError,
        r"^Column 'a': Transform 'Faulty': (apply|invert) failed: ZeroDivisionError: division",
    ),
    (MemoryError("no 3 GiB"), DataError, r"^Column 'a': Faulty\(.*\) needs more memory than there is: no 3 GiB\. Take"),
    (PluginError("its own"), PluginError, "^its own$"),
]


@pytest.mark.parametrize(("fault", "error", "message"), FAULTS, ids=["bug", "memory", "own"])
def test_transform_that_raises_is_named_with_its_column(fault, error, message):
    preprocessing = Preprocessing.fit(NUMBERS, [Faulty("raises", columns=("a",))])
    preprocessing.columns[0].steps[0].fitted["error"] = fault
    with pytest.raises(error, match=message):
        preprocessing.apply(NUMBERS.features)
    with pytest.raises(error, match=message):
        preprocessing.columns[0].invert(np.zeros(3))


def test_apply_transform_that_overflows_is_refused():
    preprocessing = Preprocessing.fit(NUMBERS, [Standardize()])
    preprocessing.columns[0].steps[0].fitted["scale"] = 1e-300
    with pytest.raises(DataError, match=r"^Column 'a', after its transforms, holds 3 values that are not finite"):
        preprocessing.apply({"a": np.array([1e300, 2e300, -1e300]), "b": np.zeros((3, 2))})


def test_labels_beyond_the_classes_are_refused():
    preprocessing = Preprocessing.fit(Examples(NUMBERS.features, np.array(["no", "yes", "no"])))
    with pytest.raises(DataError, match=r"^The outputs stand for classes 0 to 5, of 2\.$"):
        preprocessing.labels(np.eye(6))


# together


def test_real_table_from_file_to_arrays_and_back(rng):
    folder = Path(__file__).parents[2] / "examples"
    examples = CSV("penguins.csv", target="species").load(folder)
    rows = split(examples, 0.15, 0.15, stratify=True, rng=rng)
    training = examples.take(rows.training)
    preprocessing = Preprocessing.fit(training, [Standardize(), OneHot()])
    x, y = preprocessing.apply(training.features), preprocessing.target(training)
    assert x.shape == (len(training), 3 + 4 + 2)
    np.testing.assert_allclose(x[:, 3:7].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(x[:, 3:7].std(axis=0), 1, rtol=1e-5)
    assert preprocessing.labels(np.eye(3)[y]).tolist() == training.target.tolist()
    raw = read_csv(folder / "penguins.csv", categorical=preprocessing.categorical)
    selected = preprocessing.select(raw, with_target=True)
    np.testing.assert_array_equal(preprocessing.apply(selected.features), preprocessing.apply(examples.features))
    np.testing.assert_array_equal(preprocessing.target(selected), preprocessing.target(examples))


@pytest.mark.parametrize(
    ("classes", "transforms", "fitting"),
    [(["no", "yes"], [], {1, 2}), (["no", "yes"], [OneHot()], {2}), (["a", "b", "c"], [], {3}), (["a"], [], {1})],
    ids=["two", "two-one-hot", "three", "one"],
)
def test_outputs_that_can_stand_for_the_classes(classes, transforms, fitting):
    examples = Examples({"x": np.arange(6.0)}, np.resize(classes, 6))
    preprocessing = Preprocessing.fit(examples, [], transforms)
    assert {outputs for outputs in range(6) if preprocessing.outputs[""].tells_apart(outputs)} == fitting
    for outputs in range(1, 6):
        if outputs in fitting:
            preprocessing.require_fit((1,), (outputs,))
        else:
            with pytest.raises(ShapeError):
                preprocessing.require_fit((1,), (outputs,))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("b",), r"^x lacks the column 'a'\. It has: b\.$"),
        (
            ("a", "b", "c"),
            r"^x has columns that the model was not trained on: c\. Give model\.preprocessing\.apply\(x, mo",
        ),
        (
            ("b", "a"),
            r"^x has its columns in another order than in training: 'b' in the place of 'a'\. Give model\.prep",
        ),
    ],
    ids=["missing", "further", "order"],
)
def test_columns_of_a_source_must_be_those_of_training(names, message):
    preprocessing = Preprocessing.of_names(["a", "b"], "x")

    preprocessing.require_names(("a", "b"), "x")
    with pytest.raises(DataError, match=message):
        preprocessing.require_names(names, "x")


def test_columns_of_a_source_cannot_be_raw():
    preprocessing = Preprocessing.fit(Examples({"a": np.arange(3.0)}), [Standardize()])

    with pytest.raises(
        DataError, match=r"^x names its columns, but the network takes what transforms made of raw ones"
    ):
        preprocessing.require_names(("a",), "x")
