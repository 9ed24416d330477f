"""Axes: from values to places on a page, and the ticks of an axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

_LOGARITHMIC = 20
"""From this ratio of largest to smallest value on, a logarithmic axis is easier to read."""

_LARGEST = 1e300
"""Larger values, as in a diverging run, are drawn beyond the axis."""

_STEPS = (1, 2, 5, 10)
_MOST_DECADES = 6


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, drawn from `start` to `end`.

    Examples
    --------
    >>> scale = Scale(0.0, 10.0, 200.0, 0.0)
    >>> scale(5.0), scale.ticks(4)
    (100.0, [0.0, 5.0, 10.0])
    >>> Scale(0.001, 1.0, 0.0, 300.0, logarithmic=True)(0.01)
    100.0
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high, value = (
            (log10(x) for x in (self.low, self.high, value)) if self.logarithmic else (self.low, self.high, value)
        )
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self, most: int) -> list[float]:
        """Return round values within the axis, about `most` of them."""
        if self.logarithmic:
            first, last = ceil(log10(self.low) - 1e-9), floor(log10(self.high) + 1e-9)
            return [10.0**power for power in range(first, last + 1, max(1, (last - first) // _MOST_DECADES))]
        step = round_step((self.high - self.low) / most)
        return [index * step for index in range(ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9) + 1)]


def round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5, 10 times a power of ten that is at least `least`.

    Examples
    --------
    >>> round_step(0.03), round_step(7)
    (0.05, 10.0)
    """
    power = 10.0 ** floor(log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def fitted(values: Iterable[float], start: float, end: float, *, logarithmic: bool = False) -> Scale:
    """Return a scale for values, perhaps none, with some room around them; those that are not finite are ignored.

    It may be `logarithmic`: it is if all values are positive and the largest is 20 times the smallest.
    """
    known = [max(-_LARGEST, min(value, _LARGEST)) for value in values if isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if logarithmic and low > 0 and high >= _LOGARITHMIC * low:
        low = max(low, 1 / _LARGEST)
        return Scale(low / 1.2, high * 1.2, start, end, logarithmic=True)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return Scale(max(low - room, 0.0) if low >= 0 else low - room, high + room, start, end)


def labels(ticks: Sequence[float]) -> list[str]:
    """Return the labels of ticks.

    Examples
    --------
    >>> labels([0.0, 0.05, 0.1]), labels([0.001, 0.1, 10.0]), labels([0.0, 20000.0])
    (['0', '0.05', '0.1'], ['0.001', '0.1', '10'], ['0', '20k'])
    """
    return [f"{tick / 1000:g}k" if 10_000 <= abs(tick) < 10_000_000 else f"{tick:.6g}" for tick in ticks]
