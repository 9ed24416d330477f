"""The transform of dates and times."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import MinLen

from nnfw.arrays import Array
from nnfw.data import categorical, listed
from nnfw.errors import DataError, short
from nnfw.plain import PlainTable
from nnfw.protocols import FitsInParts

_Part = Literal["year", "month", "day", "weekday", "hour", "elapsed"]

_PERIODS = {"month": (1, 12), "day": (1, 31), "weekday": (0, 7), "hour": (0, 24)}
"""The first value of each part that comes again, and after how many it does."""

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Date(FitsInParts):
    """A date as numbers: some of its parts, and the days since the first date of the training split.

    | elapsed: x' = the days since the first date, with fractions; year: x' = the year
    | month, day, weekday, hour: x' = (sin 2πp, cos 2πp), with p = (value − first value) / period

    Parameters
    ----------
    parts : tuple of str
        Which, in this order: ``"year"``, ``"month"`` (from 1, of 12), ``"day"`` of the month (from 1, of 31),
        ``"weekday"`` (Monday is 0, of 7), ``"hour"`` with minutes and seconds as a fraction (from 0, of 24),
        ``"elapsed"``. By default elapsed, month and weekday.
    formats : tuple of str
        How dates are written, in the codes of Python's ``strptime``: ``"%d.%m.%Y"``. The first that fits counts. By
        default as in ISO 8601: 2024-02-29, 2024-02-29T13:30, 2024-02-29 13:30:05+01:00.
    cyclic : bool
        Whether parts that come again are a sine and a cosine, so that December is beside January (default); otherwise
        they are their values.
    columns : tuple of str or None
        Names of the columns to change; None (default) for every column of words.

    Raises
    ------
    DataError
        For a cell that is no date; names it and its row.

    Notes
    -----
    Parts are those of the time as it is written. Elapsed time takes a time without a zone for one in UTC. It cannot be
    undone.

    Examples
    --------
    >>> transform = Date(("elapsed", "year", "hour"), cyclic=False)
    >>> dates = np.array(["2024-03-01T06:00", "2024-02-28"])
    >>> fitted = transform.fit(dates)
    >>> fitted
    {'first': '2024-02-28'}
    >>> transform.apply(dates, fitted)
    array([[   2.25, 2024.  ,    6.  ],
           [   0.  , 2024.  ,    0.  ]])
    """

    parts: Annotated[tuple[_Part, ...], MinLen(1)] = ("elapsed", "month", "weekday")
    formats: tuple[str, ...] = ()
    cyclic: bool = True
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]] = "categorical"
    invertible: ClassVar[bool] = False

    def start(self) -> None:
        """Return None, for no rows."""

    def add(self, gathered: str | None, part: Array) -> str:
        """Return the first date so far, as it is written."""
        texts, dates = self._read(part)
        first = texts[dates.index(min(dates))]
        return first if gathered is None else min(gathered, first, key=self._date)

    def finish(self, gathered: str) -> PlainTable:
        """Return ``first``, as it is written."""
        return {"first": gathered}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return the numbers of each date ``(N, P)``, in float64."""
        text = fitted.get("first")
        try:
            first = self._date(text if isinstance(text, str) else "")
        except ValueError as error:
            raise DataError(f"the fitted first must be a date, got {short(text)}.") from error
        texts, dates = self._read(column)
        numbers = {text: self._numbers(date, first) for text, date in zip(texts, dates, strict=True)}
        return np.array([numbers[text] for text in column.tolist()], np.float64)

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return the first date for each example."""
        return np.full(len(column), fitted.get("first"))

    def samples(self, rng: np.random.Generator) -> Iterable[object]:
        """Yield a column of dates."""
        days = [datetime(2020, 1, 1) + timedelta(hours=int(hours)) for hours in rng.integers(0, 50_000, 9)]
        yield np.array([day.strftime(self.formats[0]) if self.formats else day.isoformat() for day in days])

    def _numbers(self, date: datetime, first: datetime) -> list[float]:
        clock = date.hour + date.minute / 60 + date.second / 3600
        values = {"year": date.year, "month": date.month, "day": date.day, "weekday": date.weekday(), "hour": clock}
        numbers: list[float] = []
        for part in self.parts:
            if part == "elapsed":
                numbers.append((date - first) / _DAY)
            elif self.cyclic and part in _PERIODS:
                start, period = _PERIODS[part]
                angle = 2 * np.pi * (values[part] - start) / period
                numbers += [np.sin(angle), np.cos(angle)]
            else:
                numbers.append(values[part])
        return numbers

    def _read(self, column: Array) -> tuple[list[str], list[datetime]]:
        """Return the different dates of a column as they are written, and what they are."""
        if not categorical(column) or column.ndim != 1:
            held = f"shape {column.shape}" if categorical(column) else "numbers; name the column in categorical"
            raise DataError(f"date takes one date in words for each example, got {held}.")
        texts = np.unique(column).tolist()
        dates: list[datetime] = []
        for text in texts:
            try:
                dates.append(self._date(text))
            except ValueError as error:
                iso = "in ISO 8601, such as 2024-02-29"
                wanted = f"of the form {listed(self.formats)}" if self.formats else iso
                row = int(np.argmax(column == text))
                raise DataError(
                    f"{short(text)} in row {row} (from 0) is no date {wanted}. Correct it, or say in formats"
                    " how dates are written, such as '%d.%m.%Y'."
                ) from error
        return texts, dates

    def _date(self, text: str) -> datetime:
        """Return a date with its zone; ValueError if a text is none."""
        date = self._parsed(text) if self.formats else datetime.fromisoformat(text)
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    def _parsed(self, text: str) -> datetime:
        for form in self.formats:
            with suppress(ValueError):
                return datetime.strptime(text, form)
        raise ValueError(text)


def seconds_of(column: Array, formats: tuple[str, ...]) -> Array:
    """Return when dates were, in seconds since 1970, as float64; ValueError if one is not written as `formats` say.

    Examples
    --------
    >>> seconds_of(np.array(["2.1.1970", "1.1.1970"]), ("%d.%m.%Y",))
    array([86400.,     0.])
    """
    texts, numbers = np.unique(column, return_inverse=True)
    read = Date(formats=formats)._date
    seconds: Array = np.array([read(text).timestamp() for text in texts.tolist()])[numbers]
    return seconds
