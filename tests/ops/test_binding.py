"""Calls against their rows: sizes of axes, what does not fit, and parts that together do the same."""

import re

import numpy as np
import pytest

from nnfw.ops import Call, MisfitError, PerStep, bind, kernels, parts


def ones(*shape, dtype=np.float64):
    return np.ones(shape, dtype)


def call(name, *arguments):
    return Call(getattr(kernels(), name), arguments)


def test_sizes_of_axes_are_found():
    bound = bind(call("softmax", ones(4, 2, 5, 3), ones(4, 2, 5, 1), ones(4, 2, 5, 3)))
    assert bound.sizes == {"n": (4,), "...": (2, 5), "k": (3,)}
    assert (bound.size("n"), bound.size("..."), bound.dtype) == (4, 10, np.float64)


def test_arguments_of_a_step_are_bound_as_those_of_one_step():
    bound = bind(call("sgd", ones(3), PerStep(ones(7, 3)), PerStep(ones(7))))
    assert bound.sizes == {"n": (3,)}


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("relu", (ones(3),), "takes 2 arguments, got 1"),
        ("relu", (ones(3), ones(4)), "out has shape (4,), but the axis n has size (3,)"),
        ("relu", (ones(3, 2), ones(3)), "out has shape (3,), but the axis ... has size (2,)"),
        ("softmax", (ones(3), ones(1), ones(3)), "z has shape (3,), expected axes n ... k"),
        ("product", (ones(3), ones(3, 3), ones(3, 3)), "a has shape (3,), expected axes n m"),
        ("relu", (ones(3), ones(3, dtype=np.float32)), "out has dtype float32, expected float64"),
        ("relu", (ones(3, dtype=int), ones(3)), "z has dtype int64, expected float32 or float64"),
        ("relu", (3.0, ones(3)), "z is 3.0, expected an array"),
        ("sgd", (ones(3), ones(3), ones(3)), "rate is array([1., 1., 1.]), expected a number"),
        ("sgd", (ones(3), ones(3), PerStep(ones(3, 2))), "rate is PerStep("),
        ("take", (ones(3), ones(2), ones(2)), "rows has dtype float64, expected int64"),
    ],
    ids=["count", "size", "rest", "axes", "rank", "dtype", "whole", "number", "array", "per-step", "index"],
)
def test_arguments_that_do_not_fit_are_told(name, arguments, message):
    with pytest.raises(MisfitError, match=f"^{re.escape(message)}"):
        bind(call(name, *arguments))


def test_parts_of_a_row_together_do_the_same(rng):
    delta, out = rng.normal(size=(6, 4, 5)), np.zeros((4, 5))
    for each in parts(call("sum_examples", delta, out), "...", 3):
        each.operation.definition(*each.arguments)
    np.testing.assert_allclose(out, delta.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize(("together", "lengths"), [(1, [3, 3, 4]), (4, [0, 4, 6]), (16, [10])])
def test_parts_end_at_multiples(together, lengths):
    cut = parts(call("relu", ones(10), ones(10)), "n", 3, together)
    assert [len(each.arguments[0]) for each in cut] == [length for length in lengths if length]


def test_arguments_of_steps_are_cut_at_each_step():
    first, second = parts(call("sgd", ones(4), PerStep(np.arange(8.0).reshape(2, 4)), PerStep(ones(2))), "n", 2)
    assert second.arguments[1].values.tolist() == [[2, 3], [6, 7]]
    assert first.arguments[2].values.shape == (2,)


def test_axis_behind_further_axes_is_cut():
    (z, row, out) = parts(call("softmax", ones(4, 2, 3), ones(4, 2, 1), ones(4, 2, 3)), "n", 2)[1].arguments
    assert (z.shape, row.shape, out.shape) == ((2, 2, 3), (2, 2, 1), (2, 2, 3))
