"""Arrays that users hand over, checked before any of them is computed with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnfw.errors import DataError
from nnfw.protocols import Shape


def as_numeric(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return `values` as an array of numbers; the array itself if it is one, a memory-mapped one included.

    Raises
    ------
    DataError
        If it is ragged, or holds text, objects or complex numbers.
    """
    try:
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name} must be a regular array of numbers: {error}") from error
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} must hold real numbers, got an array of dtype {array.dtype}.")
    return array


def as_batch(x: ArrayLike, shape: Shape, name: str = "x") -> tuple[NDArray[Any], bool]:
    """Return `x` as a batch ``(N, *shape)``, and whether it was a single example of `shape`.

    Raises
    ------
    DataError
        As :func:`as_numeric`, and if the shape is neither.
    """
    array = as_numeric(x, name)
    if array.shape == shape:
        return array[np.newaxis], True
    if array.shape[1:] == shape and array.ndim:
        return array, False
    wanted = ", ".join(map(str, shape))
    raise DataError(f"{name} must have shape (N, {wanted}), or ({wanted}) for one example, got {array.shape}.")


def as_weights(weight: ArrayLike | None, count: int) -> NDArray[Any] | None:
    """Return sample weights as an array ``(count,)``, or None.

    Raises
    ------
    DataError
        If there is not one finite number of 0 or more for each example.
    """
    if weight is None:
        return None
    array = as_numeric(weight, "sample_weight")
    if array.shape != (count,):
        raise DataError(f"sample_weight must have one entry per example, shape ({count},), got {array.shape}.")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(f"sample_weight must be finite and 0 or more, got {array[first]} for example {first}.")
    return array


def cast(array: NDArray[Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Return `array` in `dtype`; itself where it has it already.

    Raises
    ------
    DataError
        If finite values are too large for `dtype`: says how many, and where the first is.
    """
    if array.dtype.kind != "f" or array.dtype.itemsize <= dtype.itemsize or not array.size:
        return np.asarray(array, dtype)
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
    wrong = np.isinf(narrow) & np.isfinite(array)
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0].tolist())
        raise DataError(
            f"{name} holds {int(wrong.sum())} values too large for {dtype}, the first, {array[first]:g}, at "
            f"{list(first)}. Rescale it or use float64."
        )
    return narrow


def in_dtype(array: NDArray[Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Return `array` in `dtype` and in C order; a memory-mapped one stays on disk, to be converted batch by batch.

    Raises
    ------
    DataError
        As :func:`cast`.
    """
    return array if isinstance(array, np.memmap) else np.ascontiguousarray(cast(array, dtype, name))
