"""Frames: the model knows their columns by name, and takes them in any order."""

import datetime
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.data import InputColumns, Preprocessing, as_numeric
from nnfw_standard import Concatenate, Dense, Fill, OneHot, Standardize

NAMES = ("age", "height", "weight")


@dataclass(frozen=True)
class Frame:
    """A table with named columns, as far as pandas, polars and pyarrow agree; `attribute` tells the names."""

    values: np.ndarray
    names: tuple = NAMES
    attribute: str = "columns"

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)

    def __getattr__(self, name):
        if name == self.__dict__.get("attribute"):
            return list(self.names)
        raise AttributeError(name)

    def __getitem__(self, name):
        return self.values[..., self.names.index(name)]


@pytest.fixture
def x(rng):
    return rng.normal([1, 2, 3], 1, (20, 3))


def network():
    return nnfw.Sequential([Dense(1)], 3, dtype="float64")


def fitted(x, names=NAMES, attribute="columns", **options):
    model = network()
    model.fit(Frame(x, names, attribute), x @ [1, 2, 3], cost="mse", optimizer="sgd", **{"epochs": 1} | options)
    return model


PASSES = {
    "predict": lambda model, x: model.predict(x),
    "evaluate": lambda model, x: model.evaluate(x, np.zeros(20), cost="mse"),
    "gradient": lambda model, x: model.gradient(x, np.zeros(20), cost="mse"),
    "trace": lambda model, x: model.trace(x, np.zeros(20), cost="mse"),
    "fit": lambda model, x: model.fit(x, np.zeros(20), cost="mse", optimizer="sgd", epochs=1),
}


def swapped(x):
    return Frame(x[:, [1, 0, 2]], ("height", "age", "weight"))


@pytest.mark.parametrize("attribute", ["columns", "column_names"], ids=["pandas, polars", "pyarrow"])
@pytest.mark.parametrize("use", PASSES.values(), ids=PASSES)
def test_columns_in_another_order_and_further_ones_make_no_difference(x, use, attribute):
    frame = Frame(np.column_stack([x[:, [1, 0]], x[:, 0] ** 2, x[:, 2]]), ("height", "age", "id", "weight"), attribute)

    assert repr(use(fitted(x, attribute=attribute), frame)) == repr(use(fitted(x), Frame(x)))


def test_columns_picked_by_name_are_those_of_preprocessing(x):
    model = fitted(x)

    found = model.predict(model.preprocessing.apply(swapped(x), model.dtype))

    np.testing.assert_array_equal(found, model.predict(swapped(x)))


def test_columns_that_are_missing_are_named(x):
    with pytest.raises(
        nnfw.DataError,
        match=r"^x lacks the column 'height'\. Did you mean 'Height'\?\nx lacks the column 'weight'\..* It has: age",
    ):
        fitted(x).predict(Frame(x[:, :2], ("age", "Height")))


def test_columns_that_occur_twice_are_named(x):
    with pytest.raises(
        nnfw.DataError, match=r"^x has several columns 'weight'\. Rename them, or give the numbers alone"
    ):
        fitted(x).predict(Frame(np.column_stack([x, x[:, 2]]), (*NAMES, "weight")))


def test_columns_of_validation_data_are_those_of_this_very_training(x):
    y = x @ [1, 2, 3]
    histories = [
        network().fit(Frame(x), y, cost="mse", optimizer="sgd", validation_data=(frame, y), epochs=1).records
        for frame in (Frame(x), swapped(x))
    ]
    assert [record["validation_cost"] for record in histories[0]] == [
        record["validation_cost"] for record in histories[1]
    ]
    with pytest.raises(
        nnfw.DataError, match=r"^x_val lacks the column 'height'\. Did you mean 'heights'\? It has: age"
    ):
        fitted(x, validation_data=(Frame(x, ("age", "heights", "weight")), y))


def test_a_training_that_is_refused_remembers_nothing(x):
    model = network()
    with pytest.raises(nnfw.DataError):
        model.fit(Frame(x), np.zeros(19), cost="mse", optimizer="sgd", epochs=1)

    assert model.preprocessing is None


@pytest.mark.parametrize("names", [(0, 1, 2), ("0", "1", "2")], ids=["numbers", "text"])
def test_columns_that_are_only_numbered_are_taken_by_position(x, names):
    assert fitted(x, names).preprocessing is None
    np.testing.assert_array_equal(fitted(x).predict(Frame(x, names)), fitted(x).predict(x))


def test_columns_named_by_other_numbers_are_columns_with_names(x):
    model = fitted(x, (2020, 2021, 2022))
    found = model.predict(Frame(x[:, [1, 0, 2]], (2021, 2020, 2022)))
    np.testing.assert_array_equal(found, model.predict(x))


def test_arrays_without_names_are_taken_by_position(x):
    model = fitted(x)

    for values in (x, x.tolist(), x[0]):
        np.testing.assert_array_equal(model.predict(values), model.predict(np.array(values)))


def test_row_of_a_frame_is_one_example_with_names(x):
    row = Frame(x[0], NAMES, "index")

    assert fitted(x).predict(row).shape == (1,)
    reversed_row = Frame(x[0, ::-1], NAMES[::-1], "index")
    np.testing.assert_array_equal(fitted(x).predict(reversed_row), fitted(x).predict(row))


def test_names_survive_saving_and_copying_and_further_training(x, tmp_path):
    model = fitted(x)
    model.fit(x, x @ [1, 2, 3], cost="mse", optimizer="sgd", epochs=1)
    model.save(tmp_path / "model.nnfw")

    for copied in (nnfw.load(tmp_path / "model.nnfw"), pickle.loads(pickle.dumps(model))):
        assert [column.name for column in copied.preprocessing.columns] == list(NAMES)
        np.testing.assert_array_equal(copied.predict(swapped(x)), model.predict(x))


def test_model_without_names_is_saved_as_ever(x, tmp_path):
    model = network()
    model.fit(x, np.zeros(20), cost="mse", optimizer="sgd", epochs=1)
    model.save(tmp_path / "model.nnfw")

    assert b"preprocessing" not in (tmp_path / "model.nnfw").read_bytes()


def test_names_that_occur_twice_are_refused_before_training(x):
    with pytest.raises(
        nnfw.DataError, match=r"^x has several columns 'age'\. Rename them, or give the numbers alone: x\.to_nu"
    ):
        fitted(x, ("age", "age", "weight"))


def test_columns_of_very_wide_frames_are_taken_by_position(monkeypatch, x):
    monkeypatch.setattr("nnfw.model.sequential._MOST_NAMES", 2)

    assert fitted(x).preprocessing is None


def test_frame_for_a_model_whose_columns_are_transformed_has_raw_columns(x):
    model = network()
    examples = nnfw.Examples(dict(zip(NAMES, x.T, strict=True)), x[:, 0])
    model.preprocessing = Preprocessing.fit(examples, [Standardize()])

    expected = model.predict(model.preprocessing.apply(examples.features, model.dtype))

    np.testing.assert_array_equal(model.predict(swapped(x)), expected)
    np.testing.assert_array_equal(model.predict(Frame(x[0], NAMES, "index")), expected[0])
    assert not np.allclose(model.predict(x), expected)  # an array is taken as it is


def test_frame_for_a_model_of_one_block_is_taken_by_position(x):
    model = network()
    model.preprocessing = Preprocessing.fit(nnfw.Examples({"pixels": x}))
    np.testing.assert_array_equal(model.predict(Frame(x)), model.predict(x))

    model.preprocessing = Preprocessing.fit(nnfw.Examples({"pixels": x}), [Standardize()])
    expected = model.predict(model.preprocessing.apply({"pixels": x}, model.dtype))
    np.testing.assert_array_equal(model.predict(Frame(x)), expected)
    with pytest.raises(nnfw.DataError, match=r"Column 'pixels' must have shape \(N, 3\), got \(20, 2\)\."):
        model.predict(Frame(x[:, :2], NAMES[:2]))


def test_frame_for_inputs_with_names_gives_each_its_columns(x):
    columns = dict(zip(NAMES, x.T, strict=True))
    inputs = {"body": InputColumns(("weight", "height")), "rest": InputColumns(("age",))}
    model = nnfw.Sequential(
        [nnfw.Node(Concatenate(), inputs=("body", "rest")), Dense(1)], {"body": 2, "rest": 1}, dtype="float64"
    )
    model.preprocessing = Preprocessing.fit(nnfw.Examples(columns), inputs=inputs)
    expected = model.predict({"body": x[:, [2, 1]], "rest": x[:, :1]})

    np.testing.assert_array_equal(model.predict(swapped(x)), expected)
    np.testing.assert_allclose(model.predict(Frame(x[0], NAMES, "index")), expected[0])


# frames of libraries


def pandas_frame(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


def polars_frame(columns):
    return pytest.importorskip("polars").DataFrame(columns)


def arrow_table(columns):
    return pytest.importorskip("pyarrow").table(columns)


def arrow_stream(columns):
    return arrow_table(columns).to_reader()


LIBRARIES = {"pandas": pandas_frame, "polars": polars_frame, "pyarrow": arrow_table, "stream": arrow_stream}


@pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
def test_frame_of_a_library_trains_and_predicts_as_an_array(x, make):
    y = x @ [1, 2, 3]
    expected = fitted(x)
    model = network()

    def frame(order=NAMES):
        return make({name: x[:, NAMES.index(name)] for name in order})

    model.fit(frame(), y, cost="mse", optimizer="sgd", validation_data=(frame(NAMES[::-1]), y), epochs=1)

    np.testing.assert_array_equal(model.parameters.vector, expected.parameters.vector)
    np.testing.assert_array_equal(model.predict(frame(NAMES[::-1])), expected.predict(x))
    assert model.evaluate(frame(), y, cost="mse") == expected.evaluate(x, y, cost="mse")


@pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
def test_frame_of_a_library_with_words_dates_and_nulls_is_raw_columns(make):
    columns = {
        "age": [31, None, 55, 47],
        "city": ["Oslo", "Bern", "Oslo", "Bern"],
        "day": [datetime.date(2026, 1, day) for day in (1, 2, 1, 2)],
        "code": [7, 8, 7, 8],
        "member": [True, False, True, False],
    }
    numbers = np.array([31.0, np.nan, 55.0, 47.0])
    words = {
        "city": columns["city"],
        "day": [str(day) for day in columns["day"]],
        "code": list(map(str, columns["code"])),
    }
    examples = nnfw.Examples(
        {"age": numbers, **{name: np.array(each) for name, each in words.items()}, "member": np.array([1, 0, 1, 0])}
    )
    model = nnfw.Sequential([Dense(1)], 8)
    model.preprocessing = Preprocessing.fit(examples, [Fill(), OneHot()])

    expected = model.predict(model.preprocessing.apply(examples.features))

    np.testing.assert_array_equal(model.predict(make(columns)), expected)
    if make is not arrow_stream:
        np.testing.assert_array_equal(
            model.preprocessing.apply(make(columns)), model.preprocessing.apply(examples.features)
        )


@pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
def test_missing_number_of_a_frame_is_named(make):
    columns = {"a": [1, None, 3], "b": [True, False, True]}
    model = nnfw.Sequential([Dense(1)], 2)

    with pytest.raises(nnfw.DataError, match=r"^x holds 1 value that is not finite, the first at \[1, 0\], column 'a'"):
        model.fit(make(columns), np.zeros(3), cost="mse", optimizer="sgd", epochs=1)


@pytest.mark.parametrize("make", [pandas_frame, polars_frame, arrow_table], ids=["pandas", "polars", "pyarrow"])
def test_labels_and_weights_may_be_columns_of_a_frame(x, make):
    frame = make({"y": [k % 2 == 0 for k in range(20)], "weight": np.arange(1.0, 21.0)})
    models = [network() for _ in range(2)]
    models[0].fit(x, frame["y"], cost="mse", optimizer="sgd", sample_weight=frame["weight"], epochs=1)
    y = np.array([[float(k % 2 == 0)] for k in range(20)])
    models[1].fit(x, y, cost="mse", optimizer="sgd", sample_weight=np.arange(1, 21), epochs=1)

    np.testing.assert_array_equal(models[0].parameters.vector, models[1].parameters.vector)


def test_nullable_columns_of_pandas_are_numbers(x):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.array([1, 2], "Int64"), "b": pandas.array([True, False], "boolean")})

    np.testing.assert_array_equal(as_numeric(frame, "x"), [[1, 1], [2, 0]])
    np.testing.assert_array_equal(as_numeric(frame["b"], "y"), [1, 0])


def test_structured_array_has_columns_with_names(x):
    records = np.empty(20, [(name, float) for name in ("height", "age", "weight")])
    for name in NAMES:
        records[name] = x[:, NAMES.index(name)]

    np.testing.assert_array_equal(fitted(x).predict(records), fitted(x).predict(x))


# values that are not finite


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("use", PASSES.values(), ids=PASSES)
def test_values_that_are_not_finite_are_refused_with_row_and_column(x, use, value, dtype):
    x = x.astype(dtype)
    model = fitted(x)
    x[7, 1] = x[9, 0] = value

    with pytest.raises(
        nnfw.DataError,
        match=r"^x holds 2 values that are not finite, the first at \[7, 1\], column 'height'\. Remove or fill them\.$",
    ):
        use(model, Frame(x))


def test_values_that_are_not_finite_are_found_in_whatever_part_they_are(rng, monkeypatch, tmp_path):
    monkeypatch.setattr("nnfw.model.sequential.EVALUATION_ROWS", 4)
    x = rng.normal(size=(11, 3)).astype("float32")
    x[9, 2] = np.nan
    np.save(tmp_path / "x.npy", x)

    for values in (x, np.load(tmp_path / "x.npy", mmap_mode="r")):
        with pytest.raises(
            nnfw.DataError, match=r"^x holds 1 value that is not finite, the first at \[9, 2\]\. Remove"
        ):
            network().predict(values)


def test_values_too_large_for_the_network_are_refused_and_large_ones_taken():
    model = nnfw.Sequential([Dense(1)], 3)

    assert np.isfinite(model.predict(np.full((2, 3), 1e30))).all()
    with pytest.raises(
        nnfw.DataError, match=r"^x holds 3 values too large for float32, the first, 1e\+39, at \[1, 0\]"
    ):
        model.predict(np.array([[1.0] * 3, [1e39] * 3]))
