import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nnfw
from nnfw.errors import ConfigError, DataError
from nnfw_standard import Index, MinMax, OneHot, Standardize
from nnfw_standard import transforms as transforms_module

QUICK = settings(max_examples=25, deadline=None, derandomize=True)
NUMBERS = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
COLUMNS = hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=NUMBERS)
NUMERIC = [Standardize(), MinMax(), MinMax(-1.0, 3.0)]
EPS = np.finfo(np.float64).eps


def stored(fitted):
    return json.loads(json.dumps(fitted, allow_nan=False))


@given(COLUMNS)
@QUICK
def test_standardize_apply_equals_its_formula(x):
    transform = Standardize()
    result = transform.apply(x, transform.fit(x))
    for position in np.ndindex(x.shape[1:]):
        values = [float(row[position]) for row in x]
        mean = sum(values) / len(values)
        scale = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
        constant = min(values) == max(values)
        expected = [0.0 if constant else (value - mean) / scale for value in values]
        np.testing.assert_allclose([row[position] for row in result], expected, rtol=1e-6, atol=1e-9)


@given(COLUMNS)
@QUICK
def test_min_max_apply_maps_extremes_onto_low_and_high(x):
    transform = MinMax(-1.0, 3.0)
    result = transform.apply(x, transform.fit(x))
    spread = x.max(axis=0) > x.min(axis=0)
    np.testing.assert_array_equal(result.min(axis=0), -1)
    np.testing.assert_allclose(result.max(axis=0)[spread], 3, rtol=1e-15)
    np.testing.assert_array_equal(result.max(axis=0)[~spread], -1)


@pytest.mark.parametrize("transform", NUMERIC, ids=repr)
@given(x=COLUMNS)
@QUICK
def test_numeric_invert_after_apply_returns_the_column(transform, x):
    fitted = transform.fit(x)
    result = transform.invert(transform.apply(x, fitted), fitted)
    largest = np.abs(x).max(axis=0)
    assert (np.abs(result - x) <= 16 * EPS * largest + 1e-300).all()


@pytest.mark.parametrize("transform", NUMERIC, ids=repr)
@given(x=COLUMNS)
@QUICK
def test_numeric_fitted_values_survive_json_exactly(transform, x):
    fitted = transform.fit(x)
    np.testing.assert_array_equal(transform.apply(x, stored(fitted)), transform.apply(x, fitted))


@pytest.mark.parametrize("transform", NUMERIC, ids=repr)
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float32", "float32"), ("float64", "float64"), ("int64", "float64"), ("uint8", "float64"), ("bool", "float64")],
)
def test_numeric_apply_and_invert_keep_the_dtype_of_floats(transform, dtype, expected):
    x = np.array([[0, 1], [1, 1], [1, 0]], dtype)
    fitted = transform.fit(x)
    assert transform.apply(x, fitted).dtype == expected
    assert transform.invert(x, fitted).dtype == expected


@pytest.mark.parametrize("transform", NUMERIC, ids=repr)
def test_numeric_apply_leaves_its_input_as_it_is(transform, rng):
    x = rng.standard_normal((7, 2))
    before = x.copy()
    fitted = transform.fit(x)
    transform.invert(transform.apply(x, fitted), fitted)
    np.testing.assert_array_equal(x, before)


PARTS = [[1], [7, 8], [1, 2, 3, 20], list(range(1, 40))]
"""Rows before which a column of 40 is cut."""


def fitted_in_parts(transform, parts):
    gathered = transform.start()
    for part in parts:
        gathered = transform.add(gathered, part)
    return transform.finish(gathered)


@pytest.mark.parametrize("cuts", PARTS, ids=repr)
@pytest.mark.parametrize("size", [1.0, 1e300, 1e-300], ids=repr)
def test_standardize_of_parts_is_that_of_the_whole_up_to_rounding(cuts, size, rng):
    x = size * (1000 + rng.standard_normal((40, 3)) * [1e-3, 1, 100])
    found, expected = fitted_in_parts(Standardize(), np.split(x, cuts)), Standardize().fit(x)
    np.testing.assert_allclose(found["mean"], expected["mean"], rtol=4 * EPS)
    np.testing.assert_allclose(found["scale"], expected["scale"], rtol=1e-9)


def test_standardize_of_many_parts_far_from_zero_loses_no_digits(rng):
    x = 1e8 + rng.standard_normal(100_000)
    found = fitted_in_parts(Standardize(), np.split(x, 1000))
    assert found["mean"] == pytest.approx(x.mean(), rel=1e-15)
    assert found["scale"] == pytest.approx(x.std(), rel=1e-9)


def test_standardize_of_parts_of_different_sizes_scales_each(rng):
    parts = [size * rng.standard_normal(5) for size in (1e-300, 1e-160, 1.0, 1e160, 1e300)]
    found, expected = fitted_in_parts(Standardize(), parts), Standardize().fit(np.concatenate(parts))
    np.testing.assert_allclose([found["mean"], found["scale"]], list(expected.values()), rtol=1e-12)


@pytest.mark.parametrize("cuts", PARTS, ids=repr)
@pytest.mark.parametrize(
    "x",
    [np.linspace(-3, 5, 40), 20 - np.arange(40), np.full(40, 0.1), np.arange(80.0).reshape(40, 2)],
    ids=["floats", "falling whole numbers", "constant", "block"],
)
def test_min_max_of_parts_is_that_of_the_whole(cuts, x):
    assert fitted_in_parts(MinMax(), np.split(x, cuts)) == MinMax().fit(x)


@pytest.mark.parametrize("transform", NUMERIC, ids=repr)
def test_numeric_parts_constant_but_for_rounding_count_as_constant(transform):
    x = np.array([0.3, 0.30000000000000004] * 50)
    assert fitted_in_parts(transform, np.split(x, [1, 2])) == transform.fit(x)


def test_one_hot_of_parts_has_the_categories_of_all():
    parts = [np.array(["Oslo"]), np.array(["Bern", "Amsterdam"]), np.array(["Oslo"])]
    assert fitted_in_parts(OneHot(), parts) == {"categories": ["Amsterdam", "Bern", "Oslo"], "others": 0}


def test_one_hot_of_parts_with_too_many_categories_stops_at_once():
    parts = iter(np.arange(10).astype(str).reshape(10, 1))
    with pytest.raises(DataError, match=r"^one_hot found 3 categories, more than 2\."):
        fitted_in_parts(OneHot(most=2), parts)
    assert len(list(parts)) == 7


def test_standardize_apply_float32_far_from_zero_is_computed_in_float64():
    x = np.float32(1e8) + np.arange(8, dtype=np.float32) * 8
    transform = Standardize()
    result = transform.apply(x, transform.fit(x))
    exact = (x.astype(np.float64) - x.astype(np.float64).mean()) / x.astype(np.float64).std()
    np.testing.assert_allclose(result, exact, rtol=1e-6)


@pytest.mark.parametrize("value", [0.1, 0.0, -1e8, 1e-30], ids=repr)
def test_standardize_constant_column_becomes_exactly_zero_with_scale_one(value):
    x = np.full(1001, value)
    transform = Standardize()
    fitted = transform.fit(x)
    assert fitted == {"mean": value, "scale": 1.0}
    assert (transform.apply(x, fitted) == 0).all()
    assert transform.apply(np.array([value + 2]), fitted) == (value + 2) - value


def test_standardize_difference_too_small_to_square_has_its_scale():
    fitted = Standardize().fit(np.array([0.0, 1e-200]))
    assert fitted == {"mean": 5e-201, "scale": 5e-201}


ROUNDED = [
    pytest.param(np.array([0.3, 0.30000000000000004] * 50), 0.3, id="in turn"),
    pytest.param(np.array([-0.3, -0.30000000000000004] * 50), -0.30000000000000004, id="negative"),
    pytest.param(np.array([sum([0.1] * 10), 1.0, 0.7 + 0.2 + 0.1]), sum([0.1] * 10), id="sums"),
    pytest.param(np.array([1e300, np.nextafter(1e300, 2e300)]), 1e300, id="large"),
    pytest.param(
        np.array([0.1, np.nextafter(np.float32(0.1), np.float32(1))], np.float32), np.float32(0.1), id="float32"
    ),
]


@pytest.mark.parametrize(("x", "first"), ROUNDED)
def test_standardize_column_constant_but_for_rounding_has_scale_one(x, first):
    transform = Standardize()
    fitted = transform.fit(x)
    assert fitted == {"mean": first, "scale": 1.0}
    np.testing.assert_allclose(transform.apply(x + 0, fitted), 0, atol=8 * np.spacing(np.abs(x).max()))
    assert transform.invert(np.zeros(1), fitted)[0] == first


@pytest.mark.parametrize(("x", "first"), ROUNDED)
def test_min_max_column_constant_but_for_rounding_becomes_low(x, first):
    transform = MinMax(-1, 2)
    fitted = transform.fit(x)
    assert fitted == {"minimum": first, "maximum": first}
    np.testing.assert_allclose(transform.apply(x, fitted), -1, atol=24 * np.spacing(np.abs(x).max()))


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(1.7e9 + np.array([0.0, 1e-3, 2e-3]), id="milliseconds"),
        pytest.param(np.array([2**53 - 1, 2**53 - 2]), id="whole numbers"),
        pytest.param(np.array([16_777_216, 16_777_220], np.float32), id="two steps of float32"),
    ],
)
def test_standardize_small_spread_above_rounding_is_kept(x):
    assert Standardize().fit(x)["scale"] == pytest.approx(np.std(x.astype(np.float64) - x[0]), rel=1e-6)


SIZES = [1.7e308, 1e300, 1e160, 1e-160, 1e-300, 1e-307]
"""The sizes at which squares, sums or differences leave float64."""


@pytest.mark.parametrize("size", SIZES, ids=repr)
@pytest.mark.parametrize("transform", NUMERIC, ids=repr)
def test_numeric_transforms_numbers_of_every_size_as_those_near_one(transform, size):
    x = np.array([-1.0, -0.5, 0.25, 1.0, 1.0])
    expected = transform.apply(x, transform.fit(x))
    with np.errstate(all="raise", under="ignore"):
        fitted = stored(transform.fit(x * size))
        result = transform.apply(x * size, fitted)
        np.testing.assert_allclose(result, expected, rtol=1e-13)
        np.testing.assert_allclose(transform.invert(result, fitted), x * size, rtol=1e-13)


def test_standardize_fits_mean_and_scale_of_every_size():
    for size in SIZES:
        fitted = Standardize().fit(np.array([0.25, 0.5, 0.75, 0.5]) * size)
        assert fitted["mean"] == pytest.approx(0.5 * size, rel=1e-14)
        assert fitted["scale"] == pytest.approx(size * np.sqrt(1 / 32), rel=1e-14)


@pytest.mark.parametrize("transform", NUMERIC, ids=repr)
def test_numeric_transforms_numbers_too_small_for_full_precision(transform):
    x = np.array([0.0, 1e-310, 2e-310])
    expected = transform.apply(np.arange(3.0), transform.fit(np.arange(3.0)))
    fitted = stored(transform.fit(x))
    np.testing.assert_allclose(transform.apply(x, fitted), expected, rtol=1e-12)
    np.testing.assert_allclose(transform.invert(expected, fitted), x, rtol=1e-12, atol=5e-323)


def test_numeric_transforms_each_position_in_its_own_size():
    x = np.array([[0.0, 0.0, 3.0], [1e300, 1e-300, 5.0]])
    for transform in NUMERIC:
        result = transform.apply(x, transform.fit(x))
        np.testing.assert_array_equal(result, np.repeat(result[:, 2:], 3, axis=1))


def test_standardize_block_is_fitted_at_each_position(rng):
    x = rng.standard_normal((50, 2, 3))
    fitted = Standardize().fit(x)
    np.testing.assert_allclose(fitted["mean"], x.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(fitted["scale"], x.std(axis=0), rtol=1e-12)


def test_standardize_fit_of_many_rows_goes_block_by_block(rng, monkeypatch):
    monkeypatch.setattr(transforms_module, "_CHUNK", 7)
    x = 100 + rng.standard_normal((50, 2))
    fitted = Standardize().fit(x)
    np.testing.assert_allclose(fitted["mean"], x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(fitted["scale"], x.std(axis=0), rtol=1e-12)


def test_standardize_fit_of_large_float32_values_is_finite():
    x = np.array([-1e30, 1e30, 3e30], np.float32)
    fitted = Standardize().fit(x)
    assert fitted["scale"] == pytest.approx(x.astype(np.float64).std())


def test_min_max_apply_does_not_clip():
    transform = MinMax()
    fitted = transform.fit(np.array([0.0, 10.0]))
    assert transform.apply(np.array([-5.0, 20.0]), fitted).tolist() == [-0.5, 2.0]


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0)], ids=["equal", "reversed"])
@pytest.mark.parametrize(
    "use",
    [lambda low, high: nnfw.transform("min_max", low=low, high=high), lambda *ends: MinMax(*ends).fit(np.arange(3.0))],
    ids=["by name", "fit"],
)
def test_min_max_low_not_below_high_is_refused(low, high, use):
    with pytest.raises(ConfigError, match=rf"min_max.*: high must be greater than low, {low}, got {high}\."):
        use(low, high)


WORDS = st.text("abé '\"\n", max_size=3)


@given(hnp.arrays(object, st.integers(1, 20), elements=WORDS).map(lambda column: column.astype(str)))
@QUICK
def test_one_hot_invert_after_apply_returns_the_words(column):
    transform = OneHot()
    fitted = stored(transform.fit(column))
    vectors = transform.apply(column, fitted)
    assert vectors.shape == (len(column), len(set(column.tolist())))
    np.testing.assert_array_equal(vectors.sum(axis=1), 1)
    assert transform.invert(vectors, fitted).tolist() == column.tolist()


@given(hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(-3, 3)))
@QUICK
def test_one_hot_whole_numbers_are_categories_too(column):
    transform = OneHot()
    fitted = stored(transform.fit(column))
    np.testing.assert_array_equal(transform.invert(transform.apply(column, fitted), fitted), column)


def test_one_hot_apply_puts_the_one_at_the_sorted_position():
    transform = OneHot()
    fitted = transform.fit(np.array(["c", "a", "b"]))
    np.testing.assert_array_equal(transform.apply(np.array(["b", "a"]), fitted), [[0, 1, 0], [1, 0, 0]])


def test_one_hot_apply_is_float32():
    transform = OneHot()
    assert transform.apply(np.array(["a"]), {"categories": ["a", "b"]}).dtype == np.float32


def test_one_hot_apply_unknown_category_names_value_row_and_known_ones():
    transform = OneHot(unknown="error")
    fitted = transform.fit(np.array(["Oslo", "Bern"]))
    message = (
        r"^unknown category 'Rome' in row 1 \(from 0\); the training data had 'Bern', 'Oslo'\. Correct it, or train"
    )
    with pytest.raises(DataError, match=message):
        transform.apply(np.array(["Bern", "Rome", "Paris"]), fitted)


def test_one_hot_apply_category_in_another_unicode_form_says_so():
    transform = OneHot(unknown="error")
    fitted = transform.fit(np.array(["Bern", "Z\u00fcrich"]))
    with pytest.raises(
        DataError,
        match=r"had 'Bern', 'Zürich'\. Did you mean 'Z\\xfcrich'\? It is 'Zu\\u0308rich' in another Unicode form",
    ):
        transform.apply(np.array(["Zu\u0308rich"]), fitted)


def test_one_hot_apply_unknown_category_of_many_lists_a_few():
    transform = OneHot(unknown="error")
    fitted = transform.fit(np.arange(100))
    with pytest.raises(DataError, match=r"unknown category 100 in row 0 .* 10, 11 and 88 more\. Correct"):
        transform.apply(np.array([100]), fitted)


@given(hnp.arrays(object, st.integers(1, 20), elements=WORDS).map(lambda column: column.astype(str)))
@QUICK
def test_index_invert_after_apply_returns_the_words(column):
    transform = Index()
    fitted = stored(transform.fit(column))
    indices = transform.apply(column, fitted)
    assert (indices.shape, indices.dtype) == (column.shape, np.int64)
    assert [fitted["categories"][k] for k in indices] == column.tolist()
    assert transform.invert(indices, fitted).tolist() == column.tolist()


def test_index_whole_numbers_beyond_float_precision_have_their_own_indices():
    column = np.array([2**53 + 1, 2**53, 2**53 + 2])
    fitted = stored(Index().fit(column))
    assert Index().apply(column, fitted).tolist() == [1, 0, 2]
    np.testing.assert_array_equal(Index().invert(np.array([1, 0, 2]), fitted), column)


@pytest.mark.parametrize("unknown", ["error", False], ids=str)
def test_index_unknown_category_that_is_an_error_is_named(unknown):
    transform = Index(unknown=unknown)
    fitted = transform.fit(np.array(["Oslo", "Bern"]))
    assert fitted == {"categories": ["Bern", "Oslo"]}
    message = (
        r"^unknown category 'Rome' in row 1 \(from 0\); the training data had 'Bern', 'Oslo'\. Correct it, or train "
        r"without the column, or with unknown = 'own'\.$"
    )
    with pytest.raises(DataError, match=message):
        transform.apply(np.array(["Bern", "Rome"]), fitted)


@pytest.mark.parametrize("unknown", ["own", True], ids=str)
def test_index_unknown_category_has_the_index_after_the_last(unknown):
    transform = Index(unknown=unknown)
    fitted = stored(transform.fit(np.array(["Oslo", "Bern"])))
    assert transform.apply(np.array(["Bern", "Rome", "Oslo", "Paris"]), fitted).tolist() == [0, 2, 1, 2]


@pytest.mark.parametrize(
    ("transform", "expected"),
    [(OneHot(), None), (Index(unknown=False), None), (Index(unknown=True), [0, 1])],
    ids=repr,
)
def test_categories_stored_before_there_were_others_have_a_slot_only_if_the_option_said_so(transform, expected):
    fitted = {"categories": ["a"]}
    if expected is None:
        with pytest.raises(DataError, match=r"^unknown category 'z' in row 1 \(from 0\); the training data had 'a'\."):
            transform.apply(np.array(["a", "z"]), fitted)
    else:
        assert transform.apply(np.array(["a", "z"]), fitted).tolist() == expected


RARE = np.array(list("abacabadba"))
"""5 of a, 3 of b, 1 of c and d."""


@pytest.mark.parametrize("parts", [[RARE], np.split(RARE, [1, 4])], ids=["whole", "parts"])
def test_rare_categories_join_the_unknown_ones(parts):
    for transform in (OneHot(min_count=2), Index(min_count=2)):
        assert stored(fitted_in_parts(transform, parts)) == {"categories": ["a", "b"], "others": 2}
    fitted = {"categories": ["a", "b"], "others": 2}
    found = OneHot(min_count=2).apply(np.array(list("dbza")), fitted)
    np.testing.assert_array_equal(found, [[0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert Index(min_count=2).apply(np.array(list("dbza")), fitted).tolist() == [2, 1, 2, 0]


def test_one_hot_unknown_category_is_zero_if_no_training_example_was_rare():
    fitted = OneHot(min_count=2).fit(np.array(["a", "a"]))
    np.testing.assert_array_equal(OneHot(min_count=2).apply(np.array(["z", "a"]), fitted), [[0], [1]])


@pytest.mark.parametrize("transform", [OneHot, Index])
def test_rare_categories_count_only_once_they_join(transform):
    assert transform(min_count=4, most=1).fit(RARE)["categories"] == ["a"]
    with pytest.raises(DataError, match=r"^(one_hot|index) found 2 categories, more than 1\."):
        transform(min_count=2, most=1).fit(RARE)
    with pytest.raises(DataError, match=r"^(one_hot|index): no category is there 6 times in the training data\. Lower"):
        transform(min_count=6).fit(RARE)


@pytest.mark.parametrize("transform", [OneHot, Index])
def test_rare_categories_cannot_join_unknown_ones_that_are_errors(transform):
    text = r": min_count joins rare categories with unknown ones, which need unknown = 'own', got 'error'\.$"
    with pytest.raises(ConfigError, match=text):
        transform(min_count=2, unknown="error").fit(RARE)


@pytest.mark.parametrize("others", [-1, True, 0.5, "a"], ids=repr)
def test_fitted_others_that_are_no_count_are_refused(others):
    text = rf"^the fitted others must be a whole number of 0 or more, got {others!r}\.$"
    with pytest.raises(DataError, match=text):
        OneHot().apply(np.array(["a"]), {"categories": ["a"], "others": others})


def test_one_hot_invert_of_the_entry_of_others_is_refused():
    fitted = {"categories": ["a", "b"], "others": 2}
    with pytest.raises(DataError, match=r"^the index 2 in row 1 \(from 0\) stands for no category; expected 0 to 1\.$"):
        OneHot(min_count=2).invert(np.array([[1.0, 0, 0], [0, 0, 1]]), fitted)


def test_index_invert_takes_the_nearest_index():
    assert Index().invert(np.array([0.4, 0.6]), {"categories": ["a", "b"]}).tolist() == ["a", "b"]


@pytest.mark.parametrize("index", [-1, 2, 1.6, np.nan, 1e300], ids=repr)
def test_index_invert_of_an_index_without_category_is_refused(index):
    message = rf"^the index {index!r} in row 1 \(from 0\) stands for no category; expected 0 to 1\.$".replace(
        "+", r"\+"
    )
    with pytest.raises(DataError, match=message):
        Index(unknown=True).invert(np.array([0, index]), {"categories": ["a", "b"]})


def test_index_of_more_categories_than_allowed_is_refused():
    with pytest.raises(
        DataError, match=r"^index found 3 categories, more than 2\. Leave the column out, or allow more"
    ):
        Index(most=2).fit(np.array(["a", "b", "c"]))
    assert len(Index().fit(np.arange(50_000))["categories"]) == 50_000


def test_index_of_sequences_gives_sequences_of_indices_and_back():
    words = np.array([["b", "a"], ["c", "a"]])
    fitted = Index().fit(words)
    assert fitted == {"categories": ["a", "b", "c"], "others": 0}
    assert Index().apply(words, fitted).tolist() == [[1, 0], [2, 0]]
    assert Index().invert(np.array([[1, 0], [2, 0]]), fitted).tolist() == words.tolist()
    assert Index(unknown=True).apply(np.array([["a", "z"]]), fitted).tolist() == [[0, 3]]


def test_index_of_sequences_with_an_unknown_category_names_it_and_its_row():
    with pytest.raises(DataError, match=r"^unknown category 'z' in row 1 \(from 0\); the training data had 'a'\."):
        Index(unknown="error").apply(np.array([["a", "a"], ["a", "z"]]), {"categories": ["a"]})
    with pytest.raises(DataError, match=r"^the index 7 in row 1 \(from 0\) stands for no category; expected 0 to 0\.$"):
        Index().invert(np.array([[0, 0], [0, 7]]), {"categories": ["a"]})


@pytest.mark.parametrize("method", ["fit", "apply"])
def test_one_hot_block_is_refused(method):
    arguments = [np.zeros((4, 2))] + ([{"categories": [0.0]}] if method == "apply" else [])
    with pytest.raises(
        DataError, match=r"^one_hot takes one category for each example, shape \(N,\), got \(4, 2\)\. Use index"
    ):
        getattr(OneHot(), method)(*arguments)


@pytest.mark.parametrize(
    ("transform", "accepts"),
    [(Standardize(), "numeric"), (MinMax(), "numeric"), (OneHot(), "categorical"), (Index(), "categorical")],
    ids=repr,
)
def test_transform_accepts_raw_columns_of_its_kind(transform, accepts):
    assert transform.accepts == accepts
    assert transform.columns is None


def test_one_hot_of_more_categories_than_allowed_is_refused():
    message = r"^one_hot found 3 categories, more than 2\. Leave the column out, or allow more of them: most = 3\.$"
    with pytest.raises(DataError, match=message):
        OneHot(most=2).fit(np.array(["a", "b", "c"]))
    with pytest.raises(DataError, match=message):
        OneHot(most=2).apply(np.array(["a"]), {"categories": ["a", "b", "c"]})


@pytest.mark.parametrize(
    ("transform", "names"), [(Standardize(), "mean and scale"), (MinMax(), "minimum and maximum")], ids=repr
)
def test_fitted_values_of_other_names_are_refused(transform, names):
    with pytest.raises(DataError, match=rf"^the fitted values must be {names}, got \['other'\]\.$"):
        transform.apply(np.ones(3), {"other": 1.0})


def test_one_hot_categories_that_would_fill_the_memory_are_refused():
    fitted = {"categories": ["x" * 17_000, *map(str, range(999))]}
    message = (
        r"^the fitted categories with the room of the longest have 17,000,000 characters; 16,777,216 are the most\.$"
    )
    with pytest.raises(DataError, match=message):
        OneHot().invert(np.eye(1000), fitted)
