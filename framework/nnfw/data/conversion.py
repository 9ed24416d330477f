"""Conversion of users' arrays: whatever is not numbers of the right shape is refused before any computation."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnfw.arrays import Array, Shape
from nnfw.data.frames import as_frame, columns_of, is_frame, labels_of, plain_entries
from nnfw.data.refusals import is_missing_word, not_an_array, not_numbers, not_words, place, variable
from nnfw.errors import DataError, in_words, short
from nnfw.machine import sum_of_squares

NUMERIC_KINDS = "fiub"
"""Kinds of dtypes that hold real numbers."""

_BLOCK = 1 << 20  # numbers checked at a time, so that a memory-mapped array is never read whole
_LARGEST_WHOLE = 2.0**53  # up to here float64 represents every whole number


def row_blocks(array: Array, size: int) -> Iterator[slice]:
    """Yield slices of the first axis, in order, that hold about `size` numbers each, and at least one row.

    Examples
    --------
    >>> list(row_blocks(np.zeros((5, 10)), 20))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    if array.size <= size:
        return iter((slice(None),))
    rows = max(1, size // prod(array.shape[1:]))
    return (slice(start, start + rows) for start in range(0, len(array), rows))


def release(array: object) -> None:
    """Release the pages that were read from a memory-mapped file; they stay in the system's cache.

    Otherwise every page that was read counts as memory of this process. Does nothing for other arrays, or for a
    writable map, whose pages may hold changes.
    """
    if isinstance(array, np.memmap) and array.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
        base: object = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap):
            base.madvise(mmap.MADV_DONTNEED)


def as_numeric(values: ArrayLike, name: str) -> Array:
    """Return `values` as a plain array of numbers; the array itself if it is one, a memory-mapped one included.

    In frames, nullable numbers, booleans and decimals are numbers too, and a missing one is NaN.

    Raises DataError if it is ragged, or holds masked values, text, objects or complex numbers.
    """
    values = as_frame(values, name)
    array = _as_plain(values, name)
    if array.dtype.kind not in NUMERIC_KINDS and is_frame(values):
        array = _numbers_in(values, array)
    if array.dtype.kind not in NUMERIC_KINDS:
        raise DataError(not_numbers(array, name, column_names(values)))
    return array


def _numbers_in(frame: Any, array: Array) -> Array:
    """Return the numbers of a frame, or of a column of one, whose array has objects; the array if it holds others."""
    columns = [plain_entries(np.asarray(column)) for column in columns_of(frame).values()] if array.ndim > 1 else []
    columns = columns or [plain_entries(array)]
    if any(column.dtype.kind not in NUMERIC_KINDS for column in columns):
        return array
    return np.column_stack(columns) if array.ndim > 1 else columns[0]


def as_column(values: ArrayLike, name: str, *, missing: bool = False) -> Array:
    """Return one column as a plain array of numbers or words; both may be objects, as in frames.

    Dates and times become words in ISO form, durations seconds. A number that is None, or pandas' NA, becomes NaN,
    unless all are. Where words may be `missing`, such a one becomes the empty word.

    Raises DataError as :func:`as_numeric`, and if it is a single number, or mixes words with other values.

    Examples
    --------
    >>> as_column(np.array(["Oslo", "Bern"], object), "city")
    array(['Oslo', 'Bern'], dtype='<U4')
    >>> as_column(np.array([31, None], object), "age")
    array([31., nan])
    """
    array = _as_plain(values, name)
    if not array.ndim:
        raise DataError(f"{name} must have an entry for each example, got {short(array.item())}. Give a list of one.")
    if array.dtype.kind in f"{NUMERIC_KINDS}US":
        return array
    plain = plain_entries(array)
    if plain.dtype.kind in NUMERIC_KINDS:
        return plain
    entries = plain.ravel().tolist()
    if all(isinstance(entry, str) for entry in entries):
        return np.array(entries, str).reshape(plain.shape)
    if any(isinstance(entry, str) for entry in entries):
        if not missing or not _words_or_missing(entries):
            given = array if array.dtype.kind in "OT" else plain
            raise DataError(not_words(given, name))
        words = ["" if is_missing_word(entry) else entry for entry in entries]
        return np.array(words).reshape(plain.shape)
    raise DataError(not_numbers(array, name))


def about_missing_words(values: ArrayLike, name: str) -> str:
    """Return what is wrong with a column of words in which some are missing; nothing if none is.

    Examples
    --------
    >>> about_missing_words(np.array(["Oslo", None], object), "Column 'city'")
    "Column 'city' must hold words alone, got None at [1]. Fill what is missing, or remove the examples, or give ..."
    """
    array = _as_plain(values, name)
    if array.dtype.kind not in "OT":
        return ""
    entries = array.ravel().tolist()
    if all(isinstance(entry, str) for entry in entries) or not _words_or_missing(entries):
        return ""
    return f"{not_words(array, name)[:-1]}, or give the column a first transform that takes missing words."


def _words_or_missing(entries: Sequence[object]) -> bool:
    """Return whether some entries are words, and the others are missing."""
    words = [isinstance(entry, str) for entry in entries]
    return any(words) and all(word or is_missing_word(entry) for word, entry in zip(words, entries, strict=True))


def column_names(values: object) -> tuple[str, ...]:
    """Return the names of the columns of a frame, or of the fields of a row; none if they are only numbered.

    Examples
    --------
    >>> column_names(np.zeros(2, [("age", float), ("height", float)])), column_names([[31.0, 1.8]])
    (('age', 'height'), ())
    """
    names = tuple(map(str, labels_of(values)))
    return names if names != tuple(map(str, range(len(names)))) else ()


def _as_plain(values: ArrayLike, name: str) -> Array:
    if type(values) is np.ndarray or type(values) is np.memmap:
        return values
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        count = int(np.ma.getmaskarray(values).sum())
        raise DataError(
            f"{name} holds {count} masked value{'s' if count > 1 else ''}, which a network cannot leave out. Fill "
            f"{'them' if count > 1 else 'it'}: {variable(name)}.filled(0), for instance, or remove the examples."
        )
    try:
        array = np.asarray(values)
    except Exception as error:  # a foreign __array__ may raise anything
        if isinstance(error, ValueError) and isinstance(values, Sequence):
            raise DataError(
                f"{name} must be a regular array of numbers: {error} Give every example the same shape; sequences of "
                "different lengths are padded to one, as nnfw.Padded(values, lengths)."
            ) from error
        raise DataError(
            f"{name} must be an array of real numbers, but {type(values).__name__} cannot be made one: "
            f"{in_words(error)}"
        ) from error
    if not array.ndim and array.dtype.kind not in "fiubcMmV":
        raise DataError(not_an_array(values, name))
    return array


def as_batch(x: ArrayLike, shape: Shape, name: str = "x") -> tuple[Array, bool]:
    """Return `x` as a batch ``(N, *shape)``, and whether it was a single example of `shape`.

    Raises DataError as :func:`as_numeric`, and if it has neither shape.
    """
    array = as_numeric(x, name)
    if array.shape == shape:
        return array[np.newaxis], True
    if array.shape[1:] == shape and array.ndim:
        return array, False
    wanted = ", ".join(map(str, shape))
    raise DataError(f"{name} must have shape (N, {wanted}), or {shape} for one example, got {array.shape}.")


def as_weights(weight: ArrayLike | None, count: int, *, zeros: bool = False) -> Array | None:
    """Return sample weights as an array ``(count,)``, or None.

    Raises DataError if there is not one finite number of 0 or more for each example, or all of them are 0, unless
    `zeros` allows that.
    """
    if weight is None:
        return None
    if isinstance(weight, Mapping | str):
        raise DataError(
            f"sample_weight must be an array with one entry per example, got {short(weight)}. For weights of classes: "
            "[weights[label] for label in y]."
        )
    array = as_numeric(weight, "sample_weight")
    if array.shape != (count,):
        raise DataError(f"sample_weight must have one entry per example, shape ({count},), got {array.shape}.")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(f"sample_weight must be finite and 0 or more, got {array[first]} for example {first}.")
    if count and not zeros and not array.any():
        raise DataError("sample_weight is zero for every example, so none of them counts. Give one of them more.")
    return array


def as_whole(values: Array) -> Array:
    """Return whole numbers as int64, so that they can be class numbers; return anything else unchanged.

    Examples
    --------
    >>> as_whole(np.array([1.0, 2.0])), as_whole(np.array([1.0, 2.5]))
    (array([1, 2]), array([1. , 2.5]))
    """
    if values.dtype.kind != "f" or not all(_are_whole(values[rows]) for rows in row_blocks(values, _BLOCK)):
        return values
    return values.astype(np.int64)


def _are_whole(values: Array) -> bool:
    return not (np.abs(values) > _LARGEST_WHOLE).any() and bool((values == np.rint(values)).all())


def require_finite(
    array: Array, name: str, columns: Sequence[str] = (), *, missing: bool = False, advice: str = ""
) -> None:
    """Refuse numbers that are NaN or infinite; DataError says how many and where the first is, rows counted from 0.

    Parameters
    ----------
    array
        Numbers; anything but floats is finite.
    name, columns
        What the message calls the array, and the names of its columns, if known.
    missing
        Whether NaN is allowed: a missing number that a transform takes.
    advice
        What else can be done about NaN, at the end of the message.
    """
    if array.dtype.kind != "f":
        return
    count, first = _count(array, _infinite if missing else _not_finite)
    if count:
        advice = advice if np.isnan(array[first]) else ""
        raise DataError(
            f"{name} holds {count} value{'s' if count > 1 else ''} that {'are' if count > 1 else 'is'} not finite, the "
            f"first at {place(first, columns)}. Remove or fill {'them' if count > 1 else 'it'}{advice}."
        )


def require_finite_predictions(values: Array, what: str = "") -> None:
    """Refuse predictions that are NaN or infinite; `what` ends the first sentence of the message.

    DataError says for how many examples, and which is the first.
    """
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    wrong = ~np.isfinite(values.reshape(len(values), -1))
    row = int(np.argmax(wrong.any(axis=1)))
    value = values.reshape(len(values), -1)[row][wrong[row]][0]
    others = int(wrong.any(axis=1).sum()) - 1
    more = f", and so are those for {others} more" if others else ""
    raise DataError(
        f"The prediction for example {row} (from 0) is {value}{more}{what}. Check its features: they may lie far "
        "outside those of the training. If they are right, train with dtype float64."
    )


def _not_finite(block: Array) -> Array | None:
    # a sum of squares takes one pass and no memory; if it is not finite, the numbers may just be large
    return None if isfinite(sum_of_squares(block)) else ~np.isfinite(block)


def _infinite(block: Array) -> Array | None:
    return None if _not_finite(block) is None else np.isinf(block)


def cast(array: Array, dtype: np.dtype[np.generic], name: str) -> Array:
    """Return `array` in `dtype`; itself where it has it already.

    Raises DataError if finite values are too large for `dtype`: says how many, and where the first is.
    """
    _require_fitting(array, dtype, name)
    return np.asarray(array, dtype)


def cast_finite(
    part: Array, dtype: np.dtype[np.generic], name: str, whole: Array, columns: Sequence[str] = ()
) -> Array:
    """Return some rows of `whole` in `dtype`, checked in one pass.

    Raises DataError as :func:`require_finite` and :func:`cast`, for the whole array.
    """
    if part.dtype == dtype:
        array = np.asarray(part)
    else:
        with np.errstate(over="ignore"):  # values that are too large are found below
            array = np.asarray(part, dtype)
    if not isfinite(sum_of_squares(array)) and not np.isfinite(array).all():  # the numbers may just be large
        require_finite(whole, name, columns)
        _require_fitting(whole, dtype, name)
    return array


def in_dtype(array: Array, dtype: np.dtype[np.generic], name: str) -> Array:
    """Return `array` in `dtype` as one contiguous block, so that taking rows copies nothing else.

    A memory-mapped array stays on disk as it is, to be converted batch by batch.

    Raises DataError as :func:`cast` does.
    """
    if isinstance(array, np.memmap):
        _require_fitting(array, dtype, name)
        return array
    return np.require(cast(array, dtype, name), requirements=("C_CONTIGUOUS", "ALIGNED"))


def _require_fitting(array: Array, dtype: np.dtype[np.generic], name: str) -> None:
    if array.dtype.kind != "f" or array.dtype.itemsize <= dtype.itemsize:
        return  # every integer of NumPy fits into float32 and wider floats
    largest = float(np.finfo(dtype.name).max)

    def wrong(block: Array) -> Array | None:
        low, high = float(block.min(initial=0)), float(block.max(initial=0))  # two passes without a copy
        if -largest <= low and high <= largest:  # NaN fails them
            return None
        return np.isfinite(block) & (np.abs(block) > largest)

    count, first = _count(array, wrong)
    if count and not first:
        raise DataError(f"{name} is {float(array):g}, too large for {dtype}. Rescale it or use float64.")
    if count:
        raise DataError(
            f"{name} holds {count} value{'s' if count > 1 else ''} too large for {dtype}, the first, "
            f"{array[first]:g}, at {list(first)}. Rescale it or use float64."
        )


def _count(array: Array, wrong: Callable[[Array], Array | None]) -> tuple[int, tuple[int, ...]]:
    """Return how many entries `wrong` marks, and where the first is; None from `wrong` marks nothing."""
    if not array.ndim:
        marked = wrong(array)
        return int(marked is not None and marked.any()), ()
    count, first = 0, ()
    for rows in row_blocks(array, _BLOCK):
        marked = wrong(array[rows])
        if marked is not None and marked.any():
            index = np.argwhere(marked)[0].tolist()
            first = first or ((rows.start or 0) + index[0], *index[1:])
            count += int(marked.sum())
        release(array)
    return count, first
