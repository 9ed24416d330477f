"""Missing values that are filled: which value, where, and what is refused."""

import json

import numpy as np
import pytest

import nnfw
from nnfw.data import Examples, Preprocessing
from nnfw_standard import Fill, Index, OneHot, Standardize

NAN = np.nan
GAPS = np.array([[1.0, NAN], [NAN, 8.0], [2.0, 4.0], [2.0, NAN], [7.0, 6.0]])


def in_parts(transform, parts):
    gathered = transform.start()
    for part in parts:
        gathered = transform.add(gathered, part)
    return json.loads(json.dumps(transform.finish(gathered)))


@pytest.mark.parametrize(
    ("transform", "value"),
    [(Fill(), [3, 6]), (Fill("median"), [2, 6]), (Fill("most_frequent"), [2, 4]), (Fill(value=-1), [-1, -1])],
    ids=["mean", "median", "most_frequent", "value"],
)
@pytest.mark.parametrize("cuts", [[], [1], [1, 2, 4]], ids=repr)
def test_fill_value_is_that_of_each_position_however_the_column_is_cut(transform, value, cuts):
    fitted = in_parts(transform, np.split(GAPS, cuts))
    np.testing.assert_allclose(fitted["value"], value, rtol=1e-15)
    np.testing.assert_array_equal(transform.apply(GAPS, fitted), np.where(np.isnan(GAPS), fitted["value"], GAPS))


def test_fill_mean_of_parts_keeps_no_part(rng):
    transform = Fill()
    gathered = transform.add(transform.add(transform.start(), rng.normal(size=1000)), rng.normal(size=1000))
    assert sum(np.size(array) for array in gathered[0]) == 2


@pytest.mark.parametrize("by", ["mean", "median"])
def test_fill_of_the_largest_numbers_is_finite(by):
    x = np.array([1.7e308, 1.7e308, NAN])
    np.testing.assert_allclose(Fill(by).fit(x)["value"], 1.7e308, rtol=1e-15)


def test_fill_indicator_marks_what_was_missing():
    transform = Fill("median", indicator=True)
    found = transform.apply(GAPS.astype(np.float32), transform.fit(GAPS))
    assert (found.shape, found.dtype) == ((5, 2, 2), np.float32)
    np.testing.assert_array_equal(found[..., 1], np.isnan(GAPS))


def test_fill_whole_numbers_are_float64_like_the_ones_with_gaps():
    transform = Fill()
    fitted = transform.fit(np.array([1, 2, 3]))
    assert fitted == {"value": 2.0}
    assert transform.apply(np.array([1, 2]), fitted).dtype == np.float64


WORDS = np.array(["Oslo", "", "Bern", "Oslo", ""])


@pytest.mark.parametrize(
    ("transform", "value"),
    [(Fill(), ""), (Fill(value=0.5), ""), (Fill("most_frequent"), "Oslo"), (Fill(value="none"), "none")],
    ids=repr,
)
@pytest.mark.parametrize("cuts", [[], [1], [2, 3]], ids=repr)
def test_fill_words_keep_a_value_of_their_own_unless_told_otherwise(transform, value, cuts):
    fitted = in_parts(transform, np.split(WORDS, cuts))
    assert fitted == {"value": value}
    assert transform.apply(WORDS, fitted).tolist() == ["Oslo", value, "Bern", "Oslo", value]


def test_fill_most_frequent_of_equally_many_is_the_first_in_order():
    assert Fill("most_frequent").fit(np.array([3.0, 1.0, NAN]))["value"] == 1.0
    assert Fill("most_frequent").fit(np.array(["b", "a", "b", "a"]))["value"] == "a"


@pytest.mark.parametrize("cuts", [[], [2]], ids=["whole", "parts"])
@pytest.mark.parametrize("by", ["mean", "median", "most_frequent"])
def test_fill_column_without_any_value_is_refused(by, cuts):
    text = r"^fill: every value is missing in the training data\. Leave the column out of the features, or give a value"
    with pytest.raises(nnfw.DataError, match=text):
        in_parts(Fill(by), np.split(np.full(4, NAN), cuts))
    with pytest.raises(nnfw.DataError, match=r"^fill: every value at \[1\] of each example is missing"):
        in_parts(Fill(by), np.split(np.array([[1.0, NAN]] * 4), cuts))
    assert Fill(value=3.0).fit(np.full(4, NAN)) == {"value": 3.0}


def test_fill_numbers_with_a_text_and_indicators_of_words_are_refused():
    with pytest.raises(nnfw.DataError, match=r"^fill: value = 'none' is a text, but the column holds numbers\.$"):
        Fill(value="none").fit(GAPS)
    with pytest.raises(
        nnfw.DataError, match=r"^fill: words have no indicator\. What is missing among them has a value"
    ):
        Fill("most_frequent", indicator=True).fit(WORDS)


@pytest.mark.parametrize(
    ("column", "fitted", "text"),
    [
        (GAPS, {"mean": 1.0}, r"^the fitted values must be a value, got \['mean'\]\.$"),
        (GAPS, {"value": "a"}, r"^the fitted value must be numbers, got 'a'\.$"),
        (WORDS, {"value": 1.0}, r"^the fitted value must be words, got 1\.0\.$"),
        (WORDS, {"value": [["a"], []]}, r"^the fitted value must be words, got \[\['a'\], \[\]\]\.$"),
    ],
    ids=["name", "word", "number", "ragged"],
)
def test_fill_fitted_values_of_another_form_are_refused(column, fitted, text):
    with pytest.raises(nnfw.DataError, match=text):
        Fill().apply(column, fitted)


TABLE = {
    "age": np.array([20.0, NAN, 40.0, 60.0]),
    "city": np.array(["Oslo", None, "Bern", np.nan], object),
    "rank": np.array([3, None, 1, 2], object),
}


def test_table_with_gaps_goes_through_fill_one_hot_and_standardize():
    preprocessing = Preprocessing.fit(Examples(TABLE), [Fill(), OneHot(), Standardize()])
    x = preprocessing.apply(TABLE, np.float64)
    assert preprocessing.takes_missing == ("age", "city", "rank")
    np.testing.assert_array_equal(x[:, 1:4], [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]])
    np.testing.assert_allclose(x[:, 0], [-np.sqrt(2), 0, 0, np.sqrt(2)])


@pytest.mark.parametrize("transform", [OneHot(), Index()], ids=repr)
def test_missing_words_are_a_category_of_their_own(transform):
    preprocessing = Preprocessing.fit(Examples({"city": TABLE["city"]}), [transform])
    assert preprocessing.columns[0].steps[0].fitted["categories"] == ["", "Bern", "Oslo"]
    found = preprocessing.apply({"city": np.array([None, "Oslo"], object)})
    expected = [[1, 0, 0], [0, 0, 1]] if isinstance(transform, OneHot) else [[0], [2]]
    np.testing.assert_array_equal(found, expected)


def test_missing_words_that_no_transform_takes_are_refused_in_training_and_prediction():
    full, gaps = {"city": np.array(["Oslo", "Bern"])}, {"city": TABLE["city"]}
    text = (
        r"^Column 'city' must hold words alone, got None at \[1\]\. Fill what is missing, or remove the examples, or "
        r"give the column a first transform that takes missing words\.$"
    )
    with pytest.raises(nnfw.DataError, match=text):
        Preprocessing.fit(Examples(gaps))
    codes = Preprocessing.fit(Examples(full), [Length()])
    with pytest.raises(nnfw.DataError, match=text):
        codes.apply(gaps)


@pytest.mark.parametrize("transform", [OneHot(("age",)), Index(("age",))], ids=repr)
def test_missing_numbers_are_no_category(transform):
    with pytest.raises(
        nnfw.DataError, match=r"^Column 'age' holds 1 value that is not finite, .*takes missing numbers"
    ):
        Preprocessing.fit(Examples({"age": TABLE["age"]}), [transform])


def test_target_with_a_transform_that_cannot_be_undone_is_refused():
    examples = Examples({"a": np.arange(2)}, np.array(["x", "yy"]))
    text = r"^Length\(.*\) cannot be undone, so it cannot change a target: predictions would not have its unit\. Take"
    with pytest.raises(nnfw.DataError, match=text):
        Preprocessing.fit(examples, (), [Length()])


class Length(nnfw.Transform):
    """x' = the number of characters."""

    columns = None
    accepts = "categorical"
    invertible = False

    def __repr__(self):
        return "Length()"

    def fit(self, column):
        return {}

    def apply(self, column, fitted):
        return np.strings.str_len(column).astype(np.float64)

    def invert(self, column, fitted):
        return np.array(["a"] * len(column))
