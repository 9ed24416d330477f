import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnfw.data import digits


def parse(cells):
    starts = np.cumsum([0, *(len(cell) + 1 for cell in cells)])[:-1]
    stops = starts + [len(cell) for cell in cells]
    points = starts + [cell.find(".") if "." in cell else len(cell) for cell in cells]
    text = ",".join(cells).encode("latin-1", "replace")
    return digits.parse(b"," * digits.BEFORE + text + b"," * digits.AFTER, starts, points, stops)


PLAIN = ["0", "-0", "7", "-12.5", ".5", "5.", "007", "123456789", "0.1234567890123456789"]
MIDPOINTS = ["9007199254740993", "1801439850948198.5", "4503599627370497.5"]  # halfway between two float64


@pytest.mark.parametrize("cells", [PLAIN, MIDPOINTS], ids=["plain", "midpoints"])
def test_parse_plain_numbers_are_those_of_float(cells):
    values, sure = parse(cells)
    expected = np.array([float(cell) for cell in cells])
    np.testing.assert_array_equal(values[sure], expected[sure])
    np.testing.assert_array_equal(np.signbit(values), np.signbit(expected))


def test_parse_is_sure_of_all_plain_numbers():
    assert parse(PLAIN)[1].tolist() == [True] * len(PLAIN)


@pytest.mark.parametrize(
    "cell", ["", "-", ".", "-.", "+5", "1e5", "nan", "1.2.3", "1_0", "--5", "5-", "1 ", "x", "²", "日"]
)
def test_parse_is_not_sure_of_anything_else(cell):
    values, sure = parse(["1", cell, "2"])
    assert (values.tolist(), sure.tolist()) == ([1, 0, 2], [True, False, True])


def test_parse_is_not_sure_of_what_64_bits_cannot_hold():
    assert parse(["12345678901234567890", "1.2345678901234567890"])[1].tolist() == [False, False]


def test_parse_without_long_floats_leaves_long_numbers_to_others(monkeypatch):
    monkeypatch.setattr(digits, "_WIDE", False)
    values, sure = parse(["0.12345678901234567", "0.5"])
    assert (values.tolist(), sure.tolist()) == ([0, 0.5], [False, True])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False).map(repr)
        | st.decimals(-(10**9), 10**9, places=12).map(str)
        | st.integers(-(2**64), 2**64).map(str)
        | st.text("0123456789.-", max_size=24)
        | st.text(max_size=9).filter(lambda text: "," not in text),
        min_size=1,
        max_size=30,
    )
)
def test_parse_is_float_to_the_bit_wherever_it_is_sure(cells):
    values, sure = parse(cells)
    for cell, value, known in zip(cells, values.tolist(), sure.tolist(), strict=True):
        assert not known or repr(value) == repr(float(cell))
