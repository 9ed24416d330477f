"""Numerical derivatives by SciPy, and whether a value agrees with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from nnfw.arrays import Array

Probe = Callable[[int, float], float]
"""C with the quantity of the given number shifted by t."""

STEP = 6e-6  # near the cube root of float64's precision, where truncation and rounding of 3 points are alike
TOLERANCE = 1e-5  # of the larger value
SMALL = 1e-3  # of the largest derivative of a tensor: smaller ones are compared with that
_ROUNDINGS = 20  # units in the last place that a sum may be wrong by
_LADDER = (STEP, 1e-6, 1e-7, 1e-8)  # below, rounding hides the kink
_PRECISE_STEP, _PRECISE_TOLERANCE, _PRECISE_MARGIN = 1e-2, 1e-8, 10
_EPS, _TINY = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Analytic derivatives beside numerical ones, each array ``(K,)``."""

    analytic: Array
    numeric: Array
    error: Array  # |a − n| relative to the larger and to what rounding makes of it
    kinks: Array  # where the slopes on both sides differ
    confirmed: Array  # where the precise method has judged
    ok: Array  # where the values agree; at a kink, with any value between the slopes

    def part(self, rows: slice) -> Comparison:
        """Return some of the derivatives."""
        return Comparison(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})


def compare(
    probe: Probe, analytic: Array, sizes: Array, terms: float, *, tensors: Array | None = None, precise: bool = False
) -> Comparison:
    """Compare derivatives with 3-point differences; where they differ, with slopes on both sides in smaller steps.

    |a − n| ≤ 1e-5 · max(|a|, |n|, 1e-3 max |n|) + 20 eps · terms / h

    Steps h are proportional to max(1, `sizes`), and C is a sum of terms of the size `terms`. max |n| is that of the
    derivative's tensor; `tensors` has their numbers, all are of one by default. `precise` also asks a method that
    refines its steps until they converge.

    ``scipy.differentiate.derivative`` makes all differences. With order 2 and one iteration it is the 3-point formula,
    central or on one side; ``scipy.optimize.approx_fprime`` offers 2 points only.
    """
    scales = np.maximum(1, sizes)
    numeric = slopes(probe, np.arange(len(analytic)), STEP * scales)
    tensors = np.zeros(len(analytic), int) if tensors is None else tensors
    largest = np.zeros(np.max(tensors, initial=0) + 1)
    np.maximum.at(largest, tensors, np.where(np.isfinite(numeric), np.abs(numeric), 0))
    smallest = SMALL * largest[tensors]

    def scale(rows: Array | slice, *values: Array) -> Array:
        larger: Array = np.max([*map(np.abs, values), smallest[rows]], axis=0)
        return larger

    rounding = _ROUNDINGS * _EPS * terms / (STEP * scales)
    error = np.abs(analytic - numeric) / (scale(slice(None), analytic, numeric) + rounding / TOLERANCE + _TINY)
    ok = error <= TOLERANCE
    kinks, inside_once = np.zeros(len(analytic), bool), np.zeros(len(analytic), bool)
    unsettled = np.flatnonzero(~ok & np.isfinite(analytic) & np.isfinite(numeric))
    for h in _LADDER if len(unsettled) else ():
        a, steps = analytic[unsettled], h * scales[unsettled]
        central, left, right = found = [slopes(probe, unsettled, steps, direction) for direction in (0, -1, 1)]
        low, high = np.min(found, axis=0), np.max(found, axis=0)
        larger, rounding = scale(unsettled, a, left, right), _ROUNDINGS * _EPS * terms / steps
        agree = high - low <= TOLERANCE * larger + rounding
        beyond = np.maximum(0, np.maximum(low - a, a - high)) / (larger + rounding / TOLERANCE + _TINY)
        numeric[unsettled] = np.where(agree, central, np.clip(a, low, high))
        error[unsettled] = beyond
        inside_once[unsettled] |= beyond <= TOLERANCE
        ok[unsettled[agree]] = inside_once[unsettled[agree]] & (beyond <= TOLERANCE)[agree]
        unsettled = unsettled[~agree]
    kinks[unsettled], ok[unsettled] = True, inside_once[unsettled]
    result = Comparison(analytic, numeric, error, kinks, np.zeros(len(analytic), bool), ok)
    return _more_precisely(result, probe, scales, scale(slice(None), analytic, numeric)) if precise else result


def compare_values(analytic: Array, expected: Array) -> Comparison:
    """Compare derivatives ``(K,)`` with values that are known to be right, by the same tolerance."""
    larger = np.maximum(np.maximum(np.abs(analytic), np.abs(expected)), SMALL * np.max(np.abs(expected), initial=0))
    error = np.abs(analytic - expected) / (larger + _TINY)
    nowhere = np.zeros(len(expected), bool)
    return Comparison(analytic, expected, error, nowhere, nowhere, error <= TOLERANCE)


def _more_precisely(found: Comparison, probe: Probe, scales: Array, larger: Array) -> Comparison:
    """Judge again wherever a method that refines its steps converges."""
    from scipy.differentiate import derivative

    start, numbers = np.zeros(len(scales)), np.arange(len(scales))
    result = derivative(_function(probe), start, args=(numbers,), initial_step=_PRECISE_STEP * scales)
    confirmed = result.success & ~found.kinks & np.isfinite(found.analytic)
    difference = np.abs(found.analytic - result.df)
    return Comparison(
        found.analytic,
        np.where(confirmed, result.df, found.numeric),
        np.where(confirmed, difference / (larger + _TINY), found.error),
        found.kinks,
        confirmed,
        np.where(confirmed, difference <= _PRECISE_TOLERANCE * larger + _PRECISE_MARGIN * result.error, found.ok),
    )


def slopes(probe: Probe, numbers: Array, steps: Array, direction: int = 0) -> Array:
    """Return ∂C/∂t at 0 of the quantities `numbers` from three points in reach of `steps`.

    They are central for direction 0, else on the side of its sign.
    """
    if not len(numbers):
        return np.zeros(0)
    from scipy.differentiate import derivative

    start = np.zeros(len(numbers))
    result = derivative(
        _function(probe), start, args=(numbers,), initial_step=steps, order=2, maxiter=1, step_direction=direction
    )
    slopes: Array = np.asarray(result.df)
    return slopes


def _function(probe: Probe) -> Callable[[Array, Array], Array]:
    """Return `probe` as SciPy calls it: with arrays of shifts and of the numbers that they belong to."""
    base = cache(lambda: probe(0, 0.0))  # nothing is shifted: the same for every quantity

    def at(t: float, number: int) -> float:
        return probe(int(number), float(t)) if t else base()

    return np.vectorize(at, otypes=[np.float64])
