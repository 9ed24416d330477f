"""Comparison of results."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnfw.arrays import Array


def equal(one: object, other: object) -> bool:
    """Return whether two results are the same to the last bit; NaN equals NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            return False
        if one.dtype.kind not in "fc":
            return bool((one == other).all())
        return np.array_equal(one, other, equal_nan=True)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other) or (one != one and other != other)  # NaN


_CLOSE = 1e-9  # of the largest value: far above rounding in float64, far below any mistake


def close(found: Array, expected: Array) -> bool:
    """Return whether two float64 arrays agree up to rounding."""
    size = float(np.max(np.abs(expected), initial=0))
    return found.shape == expected.shape and np.allclose(found, expected, rtol=_CLOSE, atol=_CLOSE * size)
