"""Examples with weights, groups, times and further targets."""

import numpy as np
import pytest

from nnfw.data import Examples, joined
from nnfw.errors import DataError

ALL = Examples(
    {"x": np.arange(3.0)},
    np.array([1, 2, 3]),
    "a",
    further={"b": np.array([4.5, 5.5, 6.5])},
    weight=[1, 0, 2],
    group=np.array(["p", "q", "p"]),
    time=np.array(["2024-01-01", "2023-01-01", "2022-01-01"], "M8[D]"),
)


def test_taken_examples_keep_all_that_is_said_of_them():
    taken = ALL.take(np.array([2, 0]))
    assert taken.columns.keys() == {"x", "a", "b"}
    assert taken.further["b"].tolist() == [6.5, 4.5]
    assert (taken.weight.tolist(), taken.group.tolist()) == ([2, 1], ["p", "p"])
    assert taken.time[0] < taken.time[1]


def test_joined_parts_are_the_whole():
    whole = joined([ALL.take(np.array([0])), ALL.take(np.array([1, 2]))])
    for name, column in (*ALL.columns.items(), *ALL.roles.items()):
        np.testing.assert_array_equal({**whole.columns, **whole.roles}[name], column)


def test_targets_for_one_output_lie_side_by_side():
    assert ALL.block.tolist() == [[1, 4.5], [2, 5.5], [3, 6.5]]
    assert Examples({"x": np.arange(3.0)}, np.arange(3)).block.tolist() == [0, 1, 2]
    assert Examples({"x": np.arange(3.0)}).block is None


def test_targets_of_two_kinds_are_not_for_one_output():
    examples = Examples({"x": np.arange(2.0)}, np.array(["u", "v"]), "kind", further={"mass": np.arange(2.0)})
    with pytest.raises(DataError, match=r"^The targets are kind, mass, and 'kind' holds words .* as nnfw init writes"):
        _ = examples.block


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": ["a", "b"]}, r"^The weight must hold a number of 0 or more for each example, got words\.$"),
        ({"time": np.zeros((2, 1))}, r"^The time must hold a number for each example, got shape \(2, 1\)\.$"),
        ({"time": [0.5, np.nan]}, r"^The time must hold a number for each example, got nan in row 1 \(from 0\)\.$"),
        (
            {"time": np.array(["2024-01-01", "NaT"], "M8[D]")},
            r"^The time must hold a number .*, got NaT in row 1 \(from 0",
        ),
        ({"group": ["a"]}, r"^x and y must have the same length, one entry per example, got 'x': 2, 'group': 1\.$"),
    ],
)
def test_what_does_not_say_something_of_each_example_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        Examples({"x": np.arange(2.0)}, **options)
