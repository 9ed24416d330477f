"""Frames of any library, column by column: by the names of their columns and NumPy's protocol, without that library."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.data.refusals import is_missing
from nnfw.errors import DataError, in_words

_STREAM = "__arrow_c_stream__"
_INTERFACES = (_STREAM, "__arrow_c_array__", "__dataframe__")
"""The Arrow PyCapsule interface and that of the interchange of frames."""
_LIBRARIES = ("pandas", "polars", "pyarrow")
"""Libraries whose frames are made: one that gave a frame is imported."""


def is_frame(values: object) -> bool:
    """Return whether a value is a frame, or a column of one: of pandas, polars, pyarrow, DuckDB, ..."""
    return not isinstance(values, type) and any(hasattr(values, name) for name in _INTERFACES)


def as_frame(values: Any, name: str) -> Any:
    """Return a frame whose columns can be taken by name; anything else as it is.

    pandas, polars and pyarrow have such frames. What has only an interface to hand its columns on, such as a stream of
    Arrow or a result of DuckDB, becomes a table of pyarrow.

    Raises DataError if pyarrow is missing, or cannot take it.
    """
    if not is_frame(values) or hasattr(values, "__array__"):
        return values
    try:
        import pyarrow
        from pyarrow import interchange
    except ImportError as error:
        raise DataError(
            f"{name} is {type(values).__name__}, which only pyarrow can take: pip install 'nnfw[tables]'."
        ) from error
    try:
        return pyarrow.table(values) if hasattr(values, _STREAM) else interchange.from_dataframe(values)
    except Exception as error:  # whatever a stranger's stream does
        raise DataError(f"{name}: {type(values).__name__} cannot be made a table: {in_words(error)}") from error


def labels_of(values: object) -> tuple[Hashable, ...]:
    """Return the labels of the columns of a frame, or of the fields of a row or of a structured array."""
    if isinstance(values, np.ndarray):
        return values.dtype.names or ()
    for attribute in ("column_names", "columns", "index"):  # of a pyarrow table, a frame, a pandas row
        labels = getattr(values, attribute, None)
        if isinstance(labels, Iterable):
            return tuple(labels)
    return ()


def is_row(values: object) -> bool:
    """Return whether a value that has labels is a row of a frame: one example."""
    return not isinstance(values, np.ndarray) and not any(hasattr(values, name) for name in ("column_names", "columns"))


def columns_of(frame: Any) -> dict[str, Any]:
    """Return the columns of a frame by name; text where labels are something else.

    Examples
    --------
    >>> class Frame:
    ...     columns = (2020, 2021)
    ...     def __getitem__(self, label):
    ...         return [label, label]
    >>> columns_of(Frame())
    {'2020': [2020, 2020], '2021': [2021, 2021]}
    """
    return {str(label): frame[label] for label in labels_of(frame)}


def require_frame(frame: Any, name: str) -> None:
    """Refuse what :func:`frame_like` cannot make more of; DataError says what it is."""
    if _library(frame) not in _LIBRARIES or is_row(frame) or not labels_of(frame):
        raise DataError(
            f"{name} must be a frame of pandas, polars or pyarrow, got {type(frame).__name__}. predict takes arrays, "
            "and returns them."
        )


def frame_like(frame: Any, columns: Mapping[str, Any]) -> Any:
    """Return columns as a frame of the library of another frame; of pandas with its index."""
    library = _library(frame)
    module: Any = sys.modules[library]
    if library == "pyarrow":
        return module.table(dict(columns))
    return module.DataFrame(columns, index=frame.index) if library == "pandas" else module.DataFrame(columns)


def _library(frame: object) -> str:
    return type(frame).__module__.partition(".")[0]


def plain_entries(column: Array) -> Array:
    """Return a column of objects or dates as numbers, or as an array of texts with None for what is missing.

    Dates and times become texts in ISO form, durations seconds, decimals float64; a missing number is NaN. A column
    that mixes texts with numbers, or holds something else, is returned as an array of objects.

    Examples
    --------
    >>> plain_entries(np.array([True, None], object)), plain_entries(np.array(["2026-01-31", "NaT"], "M8[s]"))
    (array([ 1., nan]), array(['2026-01-31', None], dtype=object))
    """
    if column.dtype.kind == "m":
        return column / np.timedelta64(1, "s")
    if column.dtype.kind == "M":
        return _in_iso_form(column)
    if column.dtype.kind not in "OT":
        return column
    entries = [_entry(entry) for entry in column.ravel().tolist()]
    if any(isinstance(entry, date) for entry in entries):
        if all(entry is None or _is_naive(entry) for entry in entries):
            return _in_iso_form(np.array(entries, "M8[us]").reshape(column.shape))
        entries = [entry.isoformat() if isinstance(entry, date) else entry for entry in entries]
    there = [entry for entry in entries if entry is not None]
    if there and all(isinstance(entry, float | int | np.number | np.bool) for entry in there):
        filled: Array = np.array([np.nan if entry is None else entry for entry in entries])
        if filled.dtype.kind in "fiub":  # not for integers beyond 64 bits
            return filled.reshape(column.shape)
    found = np.empty(len(entries), object)
    found[:] = entries
    return found.reshape(column.shape)


def _entry(entry: object) -> object:
    if is_missing(entry) or (isinstance(entry, float) and entry != entry):  # pandas marks a missing word with NaN
        return None
    if isinstance(entry, Decimal):
        return float(entry)
    return entry.isoformat() if isinstance(entry, time) else entry


def _is_naive(entry: object) -> bool:
    return isinstance(entry, date) and getattr(entry, "tzinfo", None) is None


def _in_iso_form(column: Array) -> Array:
    missing = np.isnat(column)
    whole: Sequence[str] = ("D", "s", "ms")
    unit = next((unit for unit in whole if (missing | (column.astype(f"M8[{unit}]") == column)).all()), "auto")
    found = np.datetime_as_string(column, unit=unit).astype(object)  # type: ignore[call-overload]
    found[missing] = None
    return np.asarray(found, object)
