"""Transforms that are fitted on examples in parts: one pass for each of a chain, and what they must return."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.data import Examples, Preprocessing
from nnfw_standard import Index, MinMax, OneHot, Standardize


@dataclass
class Counted:
    """Parts of examples, which notes how often all of them are read."""

    parts: list
    passes: int = 0

    def __len__(self):
        return len(self.parts)

    def __iter__(self):
        yield from self.parts
        self.passes += 1


@dataclass(frozen=True)
class Median(nnfw.Transform):
    """x' = x − median: a transform whose author wrote `fit` alone."""

    columns: tuple[str, ...] | None = None

    accepts = "numeric"

    def fit(self, column):
        return {"median": float(np.median(column))}

    def apply(self, column, fitted):
        return column - fitted["median"]

    def invert(self, column, fitted):
        return column + fitted["median"]


@pytest.fixture
def whole(rng):
    words = np.array(["red", "green", "blue"])[rng.integers(0, 3, 60)]
    return Examples(
        {"width": rng.normal(50, 3, 60), "colour": words, "block": rng.random((60, 2))}, rng.normal(4, 2, 60), "y"
    )


def in_parts(examples, ends):
    rows = np.split(np.arange(len(examples)), ends)
    return Counted([examples.take(own) for own in rows])


CHAINS = {
    "one": (OneHot(("colour",)),),
    "two": (OneHot(("colour",)), Standardize(("width",)), MinMax(columns=("width",))),
    "fit alone": (Index(("colour",)), Median(("width", "block")), Standardize(("width", "block"))),
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("ends", [[1], [7, 30, 31], list(range(1, 60))])
def test_parts_give_the_values_of_the_whole_column(whole, chain, ends):
    parts = in_parts(whole, ends)
    fitted, expected = (Preprocessing.fit(each, CHAINS[chain], (Standardize(),)) for each in (parts, whole))
    assert fitted.input_shape == expected.input_shape
    x = fitted.apply(whole.features, "float64")
    np.testing.assert_allclose(x, expected.apply(whole.features, "float64"), rtol=0, atol=1e-12)
    np.testing.assert_allclose(fitted.target(whole, "float64"), expected.target(whole, "float64"), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("chain", "passes"), [("one", 1), ("two", 2), ("fit alone", 2)])
def test_parts_are_read_once_for_each_transform_of_the_longest_chain(whole, chain, passes):
    parts = in_parts(whole, [20, 40])
    Preprocessing.fit(parts, CHAINS[chain], (Standardize(),))
    assert parts.passes == passes


def test_words_of_a_target_are_those_of_all_parts():
    parts = [Examples({"x": np.ones(2)}, np.array(words)) for words in (["b", "c"], ["a", "c"], ["b", "d"])]
    assert Preprocessing.fit(parts).classes == ("a", "b", "c", "d")


def test_numbers_without_a_fraction_are_whole_only_if_all_examples_are_there():
    examples = [Examples({"x": np.ones(2), "y": np.array(y)}) for y in ([1.0, 2.0], [1.5, 2.0])]
    whole, parts = (Preprocessing.fit(each, targets={"out": "y"}) for each in (examples[0], examples))
    assert [each.targets["out"].column.kind for each in (whole, parts)] == ["integer", "numeric"]
    assert parts.target(examples[0])["out"].dtype == np.float32


def faulty(**methods):
    return dataclass(frozen=True)(type("Faulty", (Median,), {"__module__": __name__, **methods}))(("width",))


def fails(*_):
    raise RuntimeError("no more room")


@pytest.mark.parametrize(
    ("methods", "text"),
    [
        ({"start": fails}, "Column 'width': Transform 'Faulty': start failed: RuntimeError: no more room."),
        ({"add": fails}, "Column 'width': Transform 'Faulty': add failed: RuntimeError: no more room."),
        ({"finish": fails}, "Column 'width': Transform 'Faulty': finish failed: RuntimeError: no more room."),
        ({"finish": lambda *_: 3}, "Transform 'Faulty': finish returned int, expected a dictionary of plain values"),
        ({"finish": lambda *_: {"a": np.ones(1)}}, "Column 'width': what Faulty(columns=('width',)) fitted cannot be"),
    ],
)
def test_part_that_a_transform_cannot_take_is_named(whole, methods, text):
    with pytest.raises(nnfw.PluginError, match=re.escape(text)):
        Preprocessing.fit(in_parts(whole, [30]), (OneHot(("colour",)), faulty(**methods)))


def test_later_part_with_a_number_that_is_not_finite_is_refused(whole):
    parts = in_parts(whole, [30])
    parts.parts[1].features["width"][4] = np.inf
    with pytest.raises(nnfw.DataError, match="Column 'width' holds 1 value that is not finite, the first at .4."):
        Preprocessing.fit(parts, (OneHot(("colour",)), Standardize(("width",))))
