"""Numbers from the characters of many cells at once, eight digits in a word of 64 bits; correctly rounded."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfw.arrays import Array

BEFORE, AFTER = 24, 8
"""How many characters must lie before the first and after the last cell."""

_MOST = 19  # digits, which 64 bits hold
_ZEROS = np.uint64(0x3030303030303030)
_NO_DIGIT, _HIGH = np.uint64(0x7676767676767676), np.uint64(0x8080808080808080)  # a sum above 0x7f marks no digit
_PAIRS = np.uint64(0x000000FF000000FF)
_HUNDREDS, _ONES = np.uint64(100 + (1_000_000 << 32)), np.uint64(1 + (10_000 << 32))
_TENS = 10 ** np.arange(_MOST + 1, dtype=np.uint64)
_EXACT = np.uint64(1 << 53)  # up to here, float64 holds every whole number
_LONG = np.finfo(np.longdouble)
_WIDE = _LONG.nmant >= 63  # as on x86: then numbers of 64 bits are exact


def parse(characters: bytes, starts: Array, points: Array, stops: Array) -> tuple[Array, Array]:
    """Return the numbers in cells ``(N,)``, and which of them are sure; the others must be parsed one by one.

    Sure is what has the form ``[-]digits[point digits]``, with up to 19 digits.

    Parameters
    ----------
    characters
        The text, one byte for each character, between `BEFORE` and `AFTER` further bytes.
    starts, points, stops
        Where in the text each cell starts and ends, and where its point is, or its end if it has none.

    Examples
    --------
    >>> text = b"0" * BEFORE + b"-1.25,x" + b"0" * AFTER
    >>> parse(text, np.array([0, 6]), np.array([2, 7]), np.array([5, 7]))
    (array([-1.25,  0.  ]), array([ True, False]))
    """
    words = np.ndarray(len(characters) - 7, "<u8", characters, strides=(1,))  # the eight characters from each on
    negative = np.frombuffer(characters, np.uint8)[starts + BEFORE] == ord("-")
    whole, decimals = points - starts - negative, np.maximum(stops - points - 1, 0)
    above, sound = _digits(words, points, whole)
    below, below_sound = _digits(words, stops, decimals)
    sound &= below_sound & (whole + decimals > 0) & (np.where(above, whole, 0) + decimals <= _MOST)
    scale = np.minimum(decimals, _MOST)
    digits = above * _TENS[scale] + below
    values = digits.astype(np.float64) / _TENS[scale].astype(np.float64)  # both are exact, so this rounds once
    long = np.flatnonzero(sound & ((digits > _EXACT) | (scale > 22)))
    if len(long):
        values[long], sound[long] = _quotients(digits[long], scale[long])
    np.negative(values, out=values, where=negative)
    return np.where(sound, values, 0.0), sound


def _digits(words: Array, stops: Array, counts: Array) -> tuple[Array, Array]:
    """Return the whole numbers of so many digits before `stops`, and where there are only digits, at most 19."""
    sound = counts <= _MOST
    number = np.zeros(len(stops), np.uint64)
    for taken in range(0, min(int(counts.max(initial=0)), _MOST), 8):
        shift = (8 * (8 - np.clip(counts - taken, 0, 8))).astype(np.uint64)
        each = words[stops + (BEFORE - 8 - taken)] ^ _ZEROS
        each = (each >> shift) << shift  # without what stands before the digits
        sound &= ((each + _NO_DIGIT) | each) & _HIGH == 0
        each = each * np.uint64(10) + (each >> np.uint64(8))  # pairs of digits, then fours, then all eight
        each = ((each & _PAIRS) * _HUNDREDS + ((each >> np.uint64(16)) & _PAIRS) * _ONES) >> np.uint64(32)
        number += each * _TENS[taken]
    return number, sound


def _quotients(digits: Array, scale: Array) -> tuple[Array, Array]:
    """Return digits / 10^scale, and where rounding to 64 bits first, then to float64, cannot differ from rounding once.

    It cannot if both neighbours of the longer number give the same float64.
    """
    if not _WIDE:
        return np.zeros(len(digits)), np.zeros(len(digits), bool)
    tens: Any = _TENS.astype(np.longdouble)
    quotient = digits.astype(np.longdouble) / tens[scale]
    low, high = ((quotient * (1 + sign * _LONG.eps)).astype(np.float64) for sign in (-1, 1))
    return low, low == high
