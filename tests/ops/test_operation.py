"""Operations: what a row says, what is refused, and who carries a call out."""

import re

import numpy as np
import pytest

import nnfw
from nnfw.ops import DEFINITIONS, Tape, using
from nnfw.ops.engines import Engine
from nnfw.ops.operation import Argument, operation


@operation(values="changed n", by="number")
def shift(values, by):
    values += by


def test_row_is_read_from_words():
    @operation(a="read positive n ... k", y="read index<k n", out="written float64 1", count="number positive")
    def loss(a, y, out, count):
        pass

    assert loss.arguments == (
        Argument("a", "read", ("n", "...", "k"), "positive"),
        Argument("y", "read", ("n",), "index", "k"),
        Argument("out", "written", ("1",), "float64"),
        Argument("count", "number", (), "positive"),
    )
    assert (loss.arrays, loss.results) == ((0, 1, 2), (2,))


def test_call_is_carried_out_by_the_engine_in_use():
    values = np.zeros(1)
    shift(values, 1.0)
    assert values.tolist() == [1]
    with using(Engine("own", {shift: lambda values, by: values.fill(7)})):
        shift(values, 1.0)
        assert values.tolist() == [7]
        with using(DEFINITIONS):
            shift(values, 1.0)
    assert values.tolist() == [8]


def test_call_is_recorded_while_a_tape_records():
    @nnfw.compute.kernels_only
    def method(values):
        shift(values, 1.0)

    tape, values = Tape(DEFINITIONS), np.zeros(1)
    tape.perform(method, values)
    assert values.tolist() == [0]
    tape.finish()
    tape.repeat()
    assert values.tolist() == [2]


def define(**row):
    @operation(**row)
    def own(a, out):
        pass


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"a": "read n"}, "its definition takes a, out, but roles are given for a."),
        ({}, "its definition takes a, out, but roles are given for nothing."),
        ({"out": "written n", "a": "read n"}, "its definition takes a, out, but roles are given for out, a."),
        (
            {"a": "reads n", "out": "written n"},
            (
                "a is 'reads n'; write a role (read, written, changed, consumed, scratch, number) "
                "and, for an array, its axes."
            ),
        ),
        ({"a": "read", "out": "written n"}, "a is 'read'; write a role"),
        ({"a": "", "out": "written n"}, "a is ''; write a role"),
        ({"a": "number n", "out": "written n"}, "a is 'number n'; write a role"),
        ({"a": "read rows", "out": "written n"}, "a is 'read rows'; write a role"),
        ({"a": "read ... n ...", "out": "written n"}, "a is 'read ... n ...'; write a role"),
        ({"a": "read n", "out": "scratch n"}, "it has no result; give an argument the role written or changed."),
        ({"a": "read index<k n", "out": "written n"}, "a counts along the axis 'k', which no argument has."),
        ({"a": "read n", "out": "written n", "cut": "m"}, "cut is 'm', which is not an axis of any argument."),
        (
            {"a": "read n k", "out": "written k", "cut": "n"},
            "it cannot be cut along 'n', because each part would need all of out.",
        ),
        (
            {"a": "read index<k n", "out": "written k", "cut": "k"},
            "it cannot be cut along 'k', because each part would need all of a.",
        ),
    ],
    ids=[
        *("missing", "none", "order", "role", "no axes", "empty", "number", "word", "two rests", "no result", "below"),
        *("cut", "cut result", "cut index"),
    ],
)
def test_row_that_does_not_fit_its_definition_is_refused(row, message):
    with pytest.raises(nnfw.PluginError, match=f"^Operation 'own': {re.escape(message)}"):
        define(**row)


def test_operation_without_a_definition_is_refused():
    with pytest.raises(nnfw.PluginError, match="^An operation needs a NumPy function as its definition, got None"):
        operation(a="changed n")(None)
