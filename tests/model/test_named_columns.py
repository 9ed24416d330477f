"""Frames: the model knows their columns by name, and refuses what it was not trained on."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.data import Preprocessing
from nnfw_standard import Dense, Standardize

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
    model.fit(Frame(x, names, attribute), x @ [1, 2, 3], cost="mse", optimizer="sgd", **options)
    return model


PASSES = {
    "predict": lambda model, x: model.predict(x),
    "evaluate": lambda model, x: model.evaluate(x, np.zeros(20), cost="mse"),
    "gradient": lambda model, x: model.gradient(x, np.zeros(20), cost="mse"),
    "trace": lambda model, x: model.trace(x, np.zeros(20), cost="mse"),
    "fit": lambda model, x: model.fit(x, np.zeros(20), cost="mse", optimizer="sgd"),
}


def swapped(x):
    return Frame(x[:, [1, 0, 2]], ("height", "age", "weight"))


@pytest.mark.parametrize("use", PASSES.values(), ids=PASSES)
def test_columns_in_another_order_are_refused(x, use):
    with pytest.raises(
        nnfw.DataError,
        match=r"^x has its columns in another order than in training: 'height' in the place of 'age'\. Give "
        r"model\.preprocessing\.apply\(x, model\.dtype\), which picks them by name\.$",
    ):
        use(fitted(x), swapped(x))


@pytest.mark.parametrize("attribute", ["columns", "column_names"], ids=["pandas, polars", "pyarrow"])
def test_columns_in_another_order_are_picked_by_name(x, attribute):
    model = fitted(x, attribute=attribute)
    frame = Frame(x[:, [1, 0, 2]], ("height", "age", "weight"), attribute)

    found = model.predict(model.preprocessing.apply(frame, model.dtype))

    np.testing.assert_array_equal(found, model.predict(Frame(x, attribute=attribute)))


def test_columns_that_are_missing_are_named(x):
    with pytest.raises(
        nnfw.DataError,
        match=r"^x lacks the column 'height'\. Did you mean 'Height'\?\nx lacks the column 'weight'\..* It has: age",
    ):
        fitted(x).predict(Frame(x[:, :2], ("age", "Height")))


def test_columns_beyond_those_of_training_are_named(x):
    with pytest.raises(nnfw.DataError, match=r"^x has columns that the model was not trained on: id\. Give model\.pre"):
        fitted(x).predict(Frame(np.column_stack([x, x[:, 0]]), (*NAMES, "id")))


def test_columns_that_occur_twice_are_named(x):
    with pytest.raises(
        nnfw.DataError, match=r"^x has several columns 'weight'\. Rename them, or give the numbers alone"
    ):
        fitted(x).predict(Frame(np.column_stack([x, x[:, 2]]), (*NAMES, "weight")))


def test_columns_of_validation_data_must_be_those_of_this_very_training(x):
    with pytest.raises(nnfw.DataError, match=r"^x_val has its columns in another order than in training: 'height'"):
        fitted(x, validation_data=(swapped(x), np.zeros(20)))


def test_a_training_that_is_refused_remembers_nothing(x):
    model = network()
    with pytest.raises(nnfw.DataError):
        model.fit(Frame(x), np.zeros(19), cost="mse", optimizer="sgd")

    assert model.preprocessing is None


@pytest.mark.parametrize("names", [(0, 1, 2), ("0", "1", "2")], ids=["numbers", "text"])
def test_columns_that_are_only_numbered_are_taken_by_position(x, names):
    assert fitted(x, names).preprocessing is None
    np.testing.assert_array_equal(fitted(x).predict(Frame(x, names)), fitted(x).predict(x))


def test_columns_named_by_other_numbers_are_columns_with_names(x):
    with pytest.raises(nnfw.DataError, match=r"another order than in training: '2021' in the place of '2020'"):
        fitted(x, (2020, 2021, 2022)).predict(Frame(x, (2021, 2020, 2022)))


def test_arrays_without_names_are_taken_by_position(x):
    model = fitted(x)

    for values in (x, x.tolist(), x[0]):
        np.testing.assert_array_equal(model.predict(values), model.predict(np.array(values)))


def test_row_of_a_frame_is_one_example_with_names(x):
    row = Frame(x[0], NAMES, "index")

    assert fitted(x).predict(row).shape == (1,)
    with pytest.raises(nnfw.DataError, match=r"^x has its columns in another order"):
        fitted(x).predict(Frame(x[0], NAMES[::-1], "index"))


def test_names_survive_saving_and_copying_and_further_training(x, tmp_path):
    model = fitted(x)
    model.fit(x, x @ [1, 2, 3], cost="mse", optimizer="sgd")
    model.save(tmp_path / "model.nnfw")

    for copied in (nnfw.load(tmp_path / "model.nnfw"), pickle.loads(pickle.dumps(model))):
        assert [column.name for column in copied.preprocessing.columns] == list(NAMES)
        with pytest.raises(nnfw.DataError, match="another order"):
            copied.predict(swapped(x))


def test_model_without_names_is_saved_as_ever(x, tmp_path):
    model = network()
    model.fit(x, np.zeros(20), cost="mse", optimizer="sgd")
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


def test_frame_for_a_model_whose_columns_are_transformed_is_refused(x):
    model = network()
    examples = nnfw.Examples(dict(zip(NAMES, x.T, strict=True)), x[:, 0])
    model.preprocessing = Preprocessing.fit(examples, [Standardize()])

    with pytest.raises(
        nnfw.DataError,
        match=r"^x names its columns, but the network takes what transforms made of raw ones\. Give raw columns as "
        r"model\.preprocessing\.apply\(x, model\.dtype\), transformed ones without names: x\.to_numpy\(\)\.$",
    ):
        model.predict(Frame(x))


def test_frame_for_a_model_of_one_block_is_taken_by_position_or_must_be_transformed(x):
    model = network()
    model.preprocessing = Preprocessing.fit(nnfw.Examples({"pixels": x}))
    np.testing.assert_array_equal(model.predict(Frame(x)), model.predict(x))

    model.preprocessing = Preprocessing.fit(nnfw.Examples({"pixels": x}), [Standardize()])
    with pytest.raises(
        nnfw.DataError,
        match=r"Give raw columns as model\.preprocessing\.apply\({'pixels': x\.to_numpy\(\)}, model\.dtype\), ",
    ):
        model.predict(Frame(x))


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
