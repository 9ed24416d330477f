"""Dates as numbers: the parts by the calendar, the forms that are read, and cells that are no date."""

import calendar
import re
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

import nnfw
from nnfw.data import Examples, Preprocessing
from nnfw_standard import Date, Standardize
from nnfw_standard.dates import seconds_of

DATES = np.array(["2024-02-29", "2023-12-31T18:45:36", "2024-03-01 06:00"])


def test_date_parts_are_those_of_the_calendar():
    transform = Date(("year", "month", "day", "weekday", "hour", "elapsed"), cyclic=False)
    found = transform.apply(DATES, transform.fit(DATES))
    first = datetime(2023, 12, 31, 18, 45, 36)
    days = [(day - first).total_seconds() / 86400 for day in (datetime(2024, 2, 29), first, datetime(2024, 3, 1, 6))]
    np.testing.assert_allclose(
        found,
        [[2024, 2, 29, 3, 0, days[0]], [2023, 12, 31, 6, 18.76, 0], [2024, 3, 1, 4, 6, days[2]]],
        rtol=1e-14,
    )
    assert [calendar.weekday(2024, 2, 29), calendar.weekday(2023, 12, 31)] == [3, 6]


@pytest.mark.parametrize(
    ("part", "values", "period"),
    [("month", [1, 11, 2], 12), ("day", [28, 30, 0], 31), ("weekday", [3, 6, 4], 7), ("hour", [0, 18.76, 6], 24)],
)
def test_cyclic_parts_are_sine_and_cosine(part, values, period):
    transform = Date((part,))
    angle = 2 * np.pi * np.array(values) / period
    found = transform.apply(DATES, transform.fit(DATES))
    np.testing.assert_allclose(found, np.column_stack([np.sin(angle), np.cos(angle)]), rtol=1e-12, atol=1e-15)


def test_december_is_as_near_to_january_as_january_to_february():
    months = np.array([date(2024, month, 1).isoformat() for month in (12, 1, 2)])
    x = Date(("month",)).apply(months, {"first": "2024-01-01"})
    assert np.linalg.norm(x[0] - x[1]) == pytest.approx(np.linalg.norm(x[1] - x[2]))


def test_formats_are_tried_in_their_order():
    transform = Date(("month", "day"), ("%d/%m/%Y", "%m/%d/%Y", "%d %b %Y"), cyclic=False)
    found = transform.apply(np.array(["03/04/2024", "03/14/2024", "5 Feb 2024"]), {"first": "01/01/2024"})
    assert found.tolist() == [[4, 3], [3, 14], [2, 5]]


def test_elapsed_time_heeds_zones_and_parts_do_not():
    dates = np.array(["2024-01-01T00:00+00:00", "2024-01-01T12:00+12:00", "2024-01-01T12:00"])
    found = Date(("elapsed", "hour"), cyclic=False).apply(dates, {"first": "2024-01-01"})
    assert found.tolist() == [[0, 0], [0, 12], [0.5, 12]]


@pytest.mark.parametrize("cuts", [[], [1], [1, 2]], ids=repr)
def test_first_date_is_the_earliest_of_all_parts_and_not_the_first_text(cuts):
    transform = Date(formats=("%d.%m.%Y",))
    gathered = transform.start()
    for part in np.split(np.array(["02.01.2024", "31.12.2023", "01.02.2024"]), cuts):
        gathered = transform.add(gathered, part)
    assert transform.finish(gathered) == {"first": "31.12.2023"}


def test_later_dates_count_from_the_first_of_the_training():
    days = np.array([(date(2024, 1, 1) + timedelta(days=k)).isoformat() for k in range(10)])
    preprocessing = Preprocessing.fit(Examples({"day": days[:5]}), [Date(("elapsed",)), Standardize(("day",))])
    found = preprocessing.apply({"day": days}, np.float64)[:, 0]
    np.testing.assert_allclose(found, (np.arange(10) - 2) / np.sqrt(2), rtol=1e-12)


@pytest.mark.parametrize(
    ("transform", "cell", "text"),
    [
        (Date(), "2023-02-29", "'2023-02-29' in row 2 (from 0) is no date in ISO 8601, such as 2024-02-29. Correct it"),
        (Date(), "", "'' in row 2 (from 0) is no date in ISO 8601"),
        (Date(formats=("%Y-%m-%d", "%d.%m.%Y")), "2/3/2024", "'2/3/2024' in row 2 (from 0) is no date of the form %Y-"),
    ],
    ids=["no such day", "empty", "format"],
)
@pytest.mark.parametrize("method", ["fit", "apply"])
def test_cell_that_is_no_date_is_named_with_its_row(transform, cell, text, method):
    arguments = [np.array(["2024-01-01", "2024-01-02", cell, cell])] + [{"first": "2024-01-01"}] * (method == "apply")
    end = " say in formats how dates are written, such as '%d.%m.%Y'."
    with pytest.raises(nnfw.DataError, match=rf"^{re.escape(text)}.*{re.escape(end)}$"):
        getattr(transform, method)(*arguments)


@pytest.mark.parametrize("column", [np.arange(3), np.array([["2024-01-01"]])], ids=["numbers", "block"])
def test_date_of_another_column_is_refused(column):
    with pytest.raises(
        nnfw.DataError, match=r"^date takes one date in words for each example, got (numbers; |shape \(1,)"
    ):
        Date().fit(column)


@pytest.mark.parametrize("first", ["soon", None, 3], ids=repr)
def test_fitted_first_that_is_no_date_is_refused(first):
    with pytest.raises(nnfw.DataError, match=rf"^the fitted first must be a date, got {first!r}\.$"):
        Date().apply(DATES, {"first": first})


@pytest.mark.parametrize(
    ("texts", "formats"),
    [
        (["2024-02-29", "2024-03-01T06:00", "2024-03-01 13:30:05+01:00"], ()),
        (["29.02.2024", "01.03.2024", "2024/03/02"], ("%d.%m.%Y", "%Y/%m/%d")),
    ],
    ids=["ISO 8601", "formats"],
)
def test_seconds_of_dates_follow_their_order(texts, formats):
    found = seconds_of(np.array(texts)[[2, 0, 1]], formats)
    assert found.argsort().tolist() == [1, 2, 0]
    assert found[1] == datetime(2024, 2, 29, tzinfo=UTC).timestamp()
