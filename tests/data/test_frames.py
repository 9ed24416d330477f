"""Frames, column by column: by their interfaces, with pandas, polars and pyarrow where they are installed."""

import datetime
import sys
from decimal import Decimal

import numpy as np
import pytest

from nnfw.data import as_frame, is_frame
from nnfw.data.frames import columns_of, plain_entries
from nnfw.errors import DataError


class Stream:
    """Stands for what hands its columns on in one way only, as a result of DuckDB does."""

    def __init__(self, frame=None):
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema=None):
        if self.frame is None:
            raise RuntimeError("connection closed")
        return self.frame.__arrow_c_stream__(requested_schema)


def test_is_frame_by_its_interfaces():
    assert is_frame(Stream())
    assert not is_frame(Stream)
    assert not any(map(is_frame, ([[1.0]], np.zeros(2), {"a": [1]})))


def test_as_frame_stream_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(DataError, match=r"^x is Stream, which only pyarrow can take: pip install 'nnfw\[tables\]'\.$"):
        as_frame(Stream(), "x")


def test_as_frame_stream_becomes_a_table():
    pyarrow = pytest.importorskip("pyarrow")
    table = as_frame(Stream(pyarrow.table({"a": [1, 2]})), "x")

    assert np.asarray(columns_of(table)["a"]).tolist() == [1, 2]
    with pytest.raises(DataError, match=r"^x: Stream cannot be made a table: RuntimeError: connection closed"):
        as_frame(Stream(), "x")


def test_plain_entries_numbers_and_words_with_what_is_missing():
    for column, expected in (
        ([True, None, False], [1, np.nan, 0]),
        ([Decimal("1.5"), 2], [1.5, 2]),
        ([datetime.timedelta(minutes=1)], [60]),
    ):
        dtype = "m8[us]" if isinstance(column[0], datetime.timedelta) else object
        np.testing.assert_array_equal(plain_entries(np.array(column, dtype)), expected)
    assert plain_entries(np.array([2**70, 1], object)).tolist() == [2**70, 1]
    assert plain_entries(np.array(["a", np.nan, None], object)).tolist() == ["a", None, None]
    assert plain_entries(np.array(["a", "b"], np.dtypes.StringDType())).tolist() == ["a", "b"]


def test_plain_entries_dates_are_as_short_as_they_can_be():
    day, time = datetime.datetime(2026, 1, 31), datetime.datetime(2026, 1, 31, 12, 0, 0, 250000)
    utc = day.replace(tzinfo=datetime.UTC)
    for column, expected in (
        ([day, None], ["2026-01-31", None]),
        ([datetime.date(2026, 1, 31), day], ["2026-01-31", "2026-01-31"]),
        ([day, time], ["2026-01-31T00:00:00.000", "2026-01-31T12:00:00.250"]),
        ([utc], ["2026-01-31T00:00:00+00:00"]),
        ([datetime.time(12, 30)], ["12:30:00"]),
    ):
        assert plain_entries(np.array(column, object)).tolist() == expected
    text = "2026-01-31T00:00:00.000000001"
    assert plain_entries(np.array([text], "M8[ns]")).tolist() == [text]
