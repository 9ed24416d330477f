"""What checks require of arrays, and arrays with the same numbers in another memory layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from nnfw.arrays import Array
from nnfw.checking import Report
from nnfw.conformance.outcomes import CheckFailed, require
from nnfw.data import NUMERIC_KINDS
from nnfw.errors import class_name

_CLOSE = 1e-9  # of the largest value: far above rounding in float64, far below any mistake


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


def close(found: Array | float, expected: Array | float, *, equal_nan: bool = False) -> bool:
    """Return whether two numbers or arrays in float64 agree up to rounding; NaN agrees with NaN only if asked to."""
    size = float(np.max(np.abs(expected), initial=0, where=np.isfinite(expected)))
    same_shape = np.shape(found) == np.shape(expected)
    return same_shape and np.allclose(found, expected, rtol=_CLOSE, atol=_CLOSE * size, equal_nan=equal_nan)


@contextmanager
def unchanged(message: str, *arrays: Array) -> Iterator[None]:
    """Raise CheckFailed with `message` if the body changes one of the arrays."""
    before = [array.copy() for array in arrays]
    yield
    require(all(map(equal, arrays, before)), message)


def require_array(found: object, method: str, *, words: bool = False) -> Array:
    """Return what a method gave, or raise CheckFailed if it is not an array of numbers, or of words where it may be."""
    if not isinstance(found, np.ndarray):
        raise CheckFailed(f"{method} returned {class_name(found)}, expected an array.")
    if found.dtype.kind not in NUMERIC_KINDS and not (words and found.dtype.kind == "U"):
        raise CheckFailed(f"{method} returned {found.dtype}, expected an array of numbers.")
    return found


def require_pair(sample: object) -> tuple[Array, Array]:
    """Return a sample of outputs and labels, or raise CheckFailed if it is something else."""
    if isinstance(sample, tuple) and len(sample) == 2 and all(isinstance(item, np.ndarray) for item in sample):
        if len(sample[0]) == len(sample[1]) > 0:
            return sample
        raise CheckFailed(f"samples yielded {len(sample[0])} outputs and {len(sample[1])} labels, expected as many.")
    raise CheckFailed(f"samples yielded {type(sample).__name__}, expected a pair of arrays: outputs and labels.")


def rows_of(array: Array, count: int) -> Array:
    """Return the first rows, and again from the first where there are too few."""
    return array[np.arange(count) % len(array)]


def require_first_row(report: Report, what: str) -> None:
    """Raise CheckFailed, with what was compared, if the first tensor of a gradient check is wrong."""
    require(not report.problem, report.problem)
    require(report.rows[0].ok, f"{what}: {report.rows[0].explanation()}")


def strided(array: Array) -> Array:
    """Return the array as every second element of a larger one."""
    return np.repeat(array, 2, axis=-1)[..., ::2]


def read_only(array: Array) -> Array:
    """Return a copy that cannot be written."""
    array = array.copy()
    array.flags.writeable = False
    return array
