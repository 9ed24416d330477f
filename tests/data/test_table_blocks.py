import warnings
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnfw.data import Dialect, read_csv
from nnfw.data import table_text as text_module
from nnfw.data.table_blocks import block_of
from nnfw.errors import DataError


def test_block_of_plain_rows_has_their_cells_and_numbers():
    block = block_of('1.5,red\r\n"-2",\u00e4\r\n03, x \n,"b\u4e00"', ",", 2)
    assert len(block) == 4
    assert list(block.cells(0)) == ["1.5", "-2", "03", ""]
    assert (block.cells(1)[2], list(block.cells(1)[2:])) == ("x", ["x", "b\u4e00"])
    (known,) = block.numbers([0])
    np.testing.assert_array_equal(known.values, [1.5, -2, 3, 0])
    assert (known.sure.tolist(), known.leading.tolist()) == ([True, True, True, False], [False, False, True, False])
    assert not known.plain


def test_block_of_decimal_commas_takes_them_for_points():
    (known,) = block_of("1,5;x\n-2,25;1.5\n", ";", 2, ",").numbers([0])
    assert (known.values.tolist(), known.plain) == ([1.5, -2.25], True)


UNUSUAL = {
    "long row": "1,2\n1,2,3\n",
    "short row": "1,2\n1\n",
    "long and short row": "1,2,3\n1\n",
    "empty line": "1,2\n\n3,4\n",
    "carriage return": "1,2\r3,4\n",
    "quoted delimiter": '"1,2",3\n',
    "quoted delimiter in a row of three": '"1,2"\n',
    "quoted line break": '"1\n2",3\n',
    "quoted quote": '"1""2",3\n',
    "open quote": '"1,2\n',
    "quote within": 'a"b,2\n',
    "single quote": '1,"\n',
    "characters after a quote": '"1"x,2\n',
    "NUL": "1,\0\n",
    "comment": "1,2\n#1,2\n",
}


@pytest.mark.parametrize("text", UNUSUAL.values(), ids=UNUSUAL)
def test_block_of_lines_that_are_not_all_plain_rows_is_none(text):
    assert block_of(text, ",", 2, comment="#") is None


@pytest.mark.parametrize("text", ["1\n\n", "1\n  \n", "\u00a0\n1\n"], ids=["empty", "spaces", "no-break space"])
def test_block_of_one_column_with_an_empty_line_is_none(text):
    assert block_of("1\n2\n", ",", 1) is not None
    assert block_of(text, ",", 1) is None


def test_block_of_cells_between_spaces_is_none():
    assert block_of("1 2\n", " ", 2) is None


PLAIN = st.sampled_from(["0", "-3", "2.5", "7", "1,5", "007", "red", "Z\u00fcrich", "\u4e00", "", "NA", "-", "nan"])
ODD = st.sampled_from(
    [
        "1e3",
        "+5",
        "inf",
        "1_0",
        "9007199254740993",
        "12345678901234567891",
        "1.2.3",
        " 7 ",
        "\u0663",
        '"q"',
        '" s"',
        '""',
    ]
)
HARD = st.sampled_from(['"a,b"', '"x\ny"', '"a""b"', 'x"y', '"open', '"a"b', "#c", "a\0b", "1,2;3\t4", "\x1c"])
CELL = st.one_of(*[PLAIN] * 12, *[ODD] * 3, HARD)


@st.composite
def messy_texts(draw):
    delimiter, columns = draw(st.sampled_from([",", ";", "\t", " "])), draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(CELL, min_size=columns, max_size=columns).map(delimiter.join), max_size=25))
    for row in draw(st.lists(st.sampled_from(["", " ", "# note", delimiter, "1"]), max_size=1)):
        rows.insert(draw(st.integers(0, len(rows))), row)
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]]))
    header = delimiter.join(f"c{k}" for k in range(columns))
    return "".join(line + ends[k % len(ends)] for k, line in enumerate([header, *rows]))


def all_there_is(text, dialect, categorical):
    """Return everything that a table says about a text, or why it is none."""
    try:
        found = read_csv(StringIO(text, newline=""), name="t", dialect=dialect, categorical=categorical)
    except DataError as error:
        return str(error)
    said = [found.names, found.features, len(found), found.notes, found.dialect]
    for name in found.names:
        said += [found.kind(name), found.hint(name), repr(found.seen(name)), found.missing([name])]
        for missing in ((), (name,)):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    values = found.columns([name], missing=missing)[name]
                    said += [values.dtype, values.tobytes(), *(str(each.message) for each in caught)]
                except DataError as error:
                    said.append(str(error))
    return said


@settings(max_examples=200, deadline=None)
@given(
    text=messy_texts(),
    part=st.sampled_from([1, 30, 1 << 18]),
    dialect=st.builds(
        Dialect,
        decimal=st.sampled_from(["auto", "."]),
        thousands=st.sampled_from(["auto", "."]),
        comment=st.sampled_from(["", "#"]),
        header=st.booleans(),
        na_values=st.sampled_from([("", "NA", "-"), ("", "7", "-3")]),
    ),
    categorical=st.sampled_from([(), ("c0",)]),
)
def test_tables_read_in_blocks_are_those_read_row_by_row(text, part, dialect, categorical):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_PART", part)
        patch.setattr(text_module, "_LARGEST_PART", part)
        in_blocks = all_there_is(text, dialect, categorical)
        patch.setattr(text_module, "block_of", lambda *_: None)
        assert in_blocks == all_there_is(text, dialect, categorical)
