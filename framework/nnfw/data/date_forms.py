"""How dates are written: found out from the words of a column."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from nnfw.errors import short

_CLOCK = r"(?:(?P<t>[T ])\d{1,2}:\d{2}(?P<second>:\d{2}(?P<fraction>\.\d{1,6})?)?(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
_NAME = r"(?P<name>[A-Za-z]{3,9})"
_FORMS = [
    re.compile(form + _CLOCK)
    for form in (
        r"(?P<iso>\d{4}(?P<mark>[-/.])\d{1,2}(?P=mark)\d{1,2})",
        r"(?P<a>\d{1,2})(?P<mark>[-/.])(?P<b>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})",
        rf"{_NAME}(?P<mark>) \d{{1,2}}(?P<comma>,?) (?P<year>\d{{4}})",
        rf"\d{{1,2}}(?P<mark>[- ]){_NAME}(?P=mark)(?P<year>\d{{4}}|\d{{2}})",
        r"(?P<month>\d{4}(?P<mark>-)\d{2})",
    )
]
_MONTHS = 12
_MOST_FORMS = 4  # ways to write dates in one column


@dataclass(frozen=True)
class Dates:
    """What the dates of a column are like.

    Parameters
    ----------
    formats
        How they are written, in the codes of Python's ``strptime``; none for ISO 8601.
    clock
        Whether they have a time of day.
    doubt
        Why they cannot be read; empty if they can.
    """

    formats: tuple[str, ...] = ()
    clock: bool = False
    doubt: str = ""


def dates_in(words: Iterable[str]) -> Dates | None:
    """Return how dates are written; None if a word looks like none, most are none, or there is no word.

    Examples
    --------
    >>> dates_in(["2024-02-29"]), dates_in(["29.2.2024 13:30"]).formats, dates_in(["May 1 2024"]).formats
    (Dates(formats=(), clock=False, doubt=''), ('%d.%m.%Y %H:%M',), ('%b %d %Y',))
    >>> dates_in(["1/2/2024", "2/3/2024"]).doubt
    'day and month cannot be told apart'
    """
    forms: dict[str, list[str]] = {}
    orders: dict[str, list[int]] = {}  # by the mark between the numbers: the largest of the first and of the second
    for word in words:
        found = next(filter(None, (form.fullmatch(word) for form in _FORMS)), None)
        if found is None:
            return None
        parts = found.groupdict()
        forms.setdefault(_form(parts), []).append(word)
        if parts.get("a"):
            largest = orders.setdefault(parts["mark"], [0, 0])
            largest[:] = max(largest[0], int(parts["a"])), max(largest[1], int(parts["b"]))
        if len(forms) > _MOST_FORMS:
            return None
    return _read(forms, orders) if forms else None


def _form(parts: dict[str, str | None]) -> str:
    """Return the form of a date, where ``%1`` and ``%2`` are day and month in an order that is not known yet."""
    mark, year = parts["mark"], "%Y" if len(parts.get("year") or "four") == len("four") else "%y"
    if parts.get("iso"):
        form = f"%Y{mark}%m{mark}%d"
    elif parts.get("month"):
        form = f"%Y{mark}%m"
    elif name := parts.get("name"):
        month = "%b" if len(name) == len("May") else "%B"
        form = f"{month} %d{parts['comma']} {year}" if not mark else f"%d{mark}{month}{mark}{year}"
    else:
        form = f"%1{mark}%2{mark}{year}"
    if parts["t"]:
        form += f"{parts['t']}%H:%M{':%S' if parts['second'] else ''}{'.%f' if parts['fraction'] else ''}"
    return form + ("%z" if parts["zone"] else "")


def _read(forms: dict[str, list[str]], orders: dict[str, list[int]]) -> Dates | None:
    """Return what dates of these forms are like; None if most of them are none."""
    clock = any("%H" in form for form in forms)
    if all(form.startswith("%Y-%m-%d") for form in forms) and not _none(chain(*forms.values()), ""):
        return Dates(clock=clock)
    formats: list[str] = []
    wrong: list[str] = []
    for form, words in forms.items():
        if form.startswith("%1"):
            mark = form[2]
            first, second = orders[mark]
            if min(first, second) > _MONTHS:
                return Dates(
                    clock=clock, doubt=f"some have the day first and some the month, such as {short(words[0])}"
                )
            if max(first, second) <= _MONTHS and mark != ".":
                return Dates(clock=clock, doubt="day and month cannot be told apart")
            day_first = first > _MONTHS or (second <= _MONTHS)
            form = form.replace("%1", "%d" if day_first else "%m").replace("%2", "%m" if day_first else "%d")
        wrong += _none(words, form)
        formats.append(form)
    if 2 * len(wrong) > sum(map(len, forms.values())):
        return None
    return Dates(clock=clock, doubt=f"{short(wrong[0])} is none") if wrong else Dates(tuple(formats), clock)


def _none(words: Iterable[str], form: str) -> list[str]:
    """Return the words that are no dates of a form, by default of ISO 8601."""
    found: list[str] = []
    for word in words:
        try:
            datetime.strptime(word, form) if form else datetime.fromisoformat(word)
        except ValueError:
            found.append(word)
    return found
