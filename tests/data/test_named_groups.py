"""Preprocessing of several inputs and outputs: groups of columns, and what a file may say of them."""

import numpy as np
import pytest

import nnfw
from nnfw.data import Examples, InputColumns, Padded, Preprocessing
from nnfw.plugins import default_registry
from nnfw_standard import Index, OneHot, Standardize

registry = default_registry()

EXAMPLES = Examples(
    {
        "area": np.array([50.0, 80.0, 20.0]),
        "city": np.array(["Rome", "Bern", "Rome"]),
        "street": np.array([7.0, 9.0, 8.0]),
        "tokens": np.array([[1, 2], [3, 0], [4, 4]]),
        "count": np.array([2.0, 1.0, 2.0]),
        "kind": np.array(["flat", "house", "flat"]),
    },
    np.array([1.5, 2.5, 3.5]),
    "price",
)
INPUTS = {
    "numbers": InputColumns(("area", "city")),
    "place": InputColumns(("street",)),
    "tokens": InputColumns(("tokens",), "count"),
}
TARGETS = {"price": "price", "sort": "kind"}


def fitted(**changes):
    given = {"inputs": INPUTS, "indices": ("place", "tokens"), "targets": TARGETS} | changes
    transforms = [OneHot(columns=("city",)), Standardize(columns=("area",))]
    return Preprocessing.fit(EXAMPLES, transforms, [Standardize(columns=("price",))], **given)


def test_each_input_gets_its_columns_in_its_dtype():
    x = fitted().apply(EXAMPLES.features)
    assert fitted().input_shape == {"numbers": (3,), "place": (1,), "tokens": (2,)}
    assert x["numbers"].dtype == np.float32
    assert x["numbers"][:, 1:].tolist() == [[0, 1], [1, 0], [0, 1]]
    assert (x["place"].dtype, x["place"].tolist()) == (np.int64, [[7], [9], [8]])
    assert isinstance(x["tokens"], Padded)
    assert x["tokens"].lengths.tolist() == [2, 1, 2]


def test_each_output_gets_its_target_and_labels_come_back():
    preprocessing = fitted()
    y = preprocessing.target(EXAMPLES, np.float64)
    assert y["sort"].tolist() == [0, 1, 0]
    found = preprocessing.labels({"price": y["price"], "sort": np.array([[0.1, 0.9], [0.8, 0.2], [1, 0]])})
    np.testing.assert_allclose(found["price"].ravel(), [1.5, 2.5, 3.5])
    assert found["sort"].tolist() == ["house", "flat", "flat"]


def test_index_beyond_the_floats_of_the_network_stays_exact():
    examples = Examples({"a": np.array([2.0**24 + 1, 3.0]), "b": np.array([1.0, 2.0])})
    found = Preprocessing.fit(examples, inputs={"both": InputColumns(("a", "b"))}, indices=("both",))
    assert found.apply(examples.features)["both"].tolist() == [[2**24 + 1, 1], [3, 2]]


def test_target_transforms_without_columns_change_the_targets_of_their_kind():
    preprocessing = Preprocessing.fit(EXAMPLES, [Index()], [Standardize()], inputs=INPUTS, targets=TARGETS)
    assert [len(each.column.steps) for each in preprocessing.outputs.values()] == [1, 0]


def test_everything_is_stored_and_read_back_exactly():
    preprocessing = fitted()
    table = preprocessing.to_table(registry)
    assert Preprocessing.from_table(table, registry).to_table(registry) == table
    assert Preprocessing.from_table(table, registry) == preprocessing


def test_one_input_and_target_are_stored_as_before():
    table = Preprocessing.fit(Examples({"x": np.arange(3.0)}, np.arange(3.0))).to_table(registry)
    assert table.keys() == {"columns", "target"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": {"a": {"columns": ["area", "age"]}}}, "inputs name 'age', which is no column"),
        ({"inputs": {"a": {"columns": ["area", "city", "street", "tokens"]}}}, "columns have 'count', which no input"),
        ({"indices": ["word"]}, "indices name 'word', which is no input"),
        ({"classes": ["a"]}, "there are a target and targets"),
        ({"targets": {"sort": {"column": None}}}, "targets have no column for 'sort'"),
        ({"targets": {"sort": {}}}, r"targets\.sort\.column is missing"),
    ],
)
def test_stored_groups_that_do_not_fit_together_are_refused(change, message):
    table = fitted().to_table(registry) | change
    with pytest.raises(nnfw.ConfigError, match=message) as caught:
        Preprocessing.from_table(table, registry)
    assert "missing" in message or "preprocessing does not fit together: " in str(caught.value)


def test_targets_of_other_outputs_are_refused():
    shapes = {"numbers": (3,), "place": (1,), "tokens": (2,)}
    fitted().require_fit(shapes, {"price": (1,), "sort": (2,)})
    with pytest.raises(nnfw.ShapeError, match="it has targets for price, sort, the network has price, kind"):
        fitted().require_fit(shapes, {"price": (1,), "kind": (2,)})


@pytest.mark.parametrize(("column", "what"), [("street", "indices"), ("count", "lengths")])
def test_indices_and_lengths_that_are_no_whole_numbers_are_refused(column, what):
    features = EXAMPLES.features | {column: np.array([1.0, 1.5, 2.0])}
    with pytest.raises(nnfw.DataError, match=f"Column '{column}' must hold {what}, which .* got 1.5 in row 1"):
        fitted().apply(features)


@pytest.mark.parametrize(
    ("name", "place", "raw"),
    [("numbers", [1, 0], 80.0), ("numbers", [1, 2], "Bern"), ("tokens", [2, 1], 4), ("place", [0, 0], 7.0)],
)
def test_raw_value_behind_an_entry_is_found(name, place, raw):
    assert fitted().raw_of(name, place, EXAMPLES) == raw
