"""Messages about values that are not an array of real numbers, with what to do about each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from numbers import Real
from os import PathLike

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import article, short

_MOST_SEARCHED = 1 << 20  # entries searched for the first that is not a number
_MISSING = ("NAType", "NaTType")  # types of pandas, which need not be installed
_FILL = "Fill what is missing, or remove the examples."
_WORDS = "Number classes from 0 and encode categories as numbers, or train from an experiment, which takes words."
_AS_FLOATS = "Convert them: np.array({x}, float)."
_DATES = "Convert dates and times to numbers, such as days since a fixed day."
_ADVICE = {
    "M": "Count from a fixed day, for instance: ({x} - np.datetime64('2000-01-01')) / np.timedelta64(1, 'D').",
    "m": "Count in a unit, for instance: {x} / np.timedelta64(1, 'D').",
    "V": "Join its fields: numpy.lib.recfunctions.structured_to_unstructured({x}).",
    "c": "Convert it to real features first.",
}
"""What to do about an array of another kind of dtype than numbers, objects or text."""


def not_numbers(array: Array, name: str, columns: Sequence[str] = ()) -> str:
    """Return what is wrong with an array, called `name` and with named `columns`, that does not hold real numbers.

    Examples
    --------
    >>> not_numbers(np.array([[1, None]], object), "x", ["age", "height"])
    "x must hold real numbers, got None at [0, 1], column 'height'. Fill what is missing, or remove the examples."
    """
    if not array.ndim:
        return not_an_array(array.item(), name)
    advice = _ADVICE.get(array.dtype.kind)
    if advice is not None:
        return f"{name} must hold real numbers, got an array of dtype {array.dtype}. {advice.format(x=variable(name))}"
    found = next(filter(_is_odd, islice(np.ndenumerate(array), _MOST_SEARCHED)), None)
    if found is None:
        return f"{name} must hold real numbers, got {_held(array)}. {_AS_FLOATS.format(x=variable(name))}"
    index, value = found
    entry = value.item() if isinstance(value, np.generic) else value
    where = place(index, columns)
    return f"{name} must hold real numbers, got {short(entry)} at {where}. {_about_entry(entry, name)}"


def not_an_array(values: object, name: str) -> str:
    """Return what is wrong with a value that NumPy takes for a single object.

    Examples
    --------
    >>> not_an_array(iter([1, 2]), "y")
    'y must be an array of real numbers, got a list_iterator. Collect it first: np.array(list(y)).'
    """
    text = isinstance(values, str | bytes | PathLike)
    got = short(values) if text or values is None else article(type(values).__name__)
    return f"{name} must be an array of real numbers, got {got}. {_about_object(values).format(x=variable(name))}"


def not_words(array: Array, name: str) -> str:
    """Return what is wrong with an array that holds words and something else.

    Examples
    --------
    >>> not_words(np.array(["Oslo", None], object), "Column 'city'")
    "Column 'city' must hold words alone, got None at [1]. Fill what is missing, or remove the examples."
    """
    index, entry = next(found for found in np.ndenumerate(array) if not isinstance(found[1], str))
    advice = _FILL if is_missing_word(entry) else f"Make words of all: [str(value) for value in {variable(name)}]."
    return f"{name} must hold words alone, got {short(entry)} at {list(index)}. {advice}"


def _about_object(values: object) -> str:
    if isinstance(values, str | bytes | PathLike):
        return "Give the array itself; a file is read first, with numpy.load or pandas.read_csv."
    if hasattr(values, "toarray"):
        return "Make it dense: {x}.toarray()."
    if hasattr(values, "collect"):
        return "Collect it first: {x}.collect()."
    if isinstance(values, Mapping):
        return "Join its columns, always in the same order: np.column_stack([{x}[name] for name in names])."
    if isinstance(values, set | frozenset):
        return "It has no order: give a list."
    if isinstance(values, Iterable):
        return "Collect it first: np.array(list({x}))."
    return "Give a NumPy array, nested lists or a frame of numbers."


def _about_entry(entry: object, name: str) -> str:
    if isinstance(entry, str | bytes):
        return _WORDS
    if is_missing(entry):
        return _FILL
    if isinstance(entry, date | timedelta):
        return _DATES
    if isinstance(entry, Mapping):
        return (
            f"Take its values in the same order each time: [[row[name] for name in names] for row in {variable(name)}]."
        )
    return "Give every example the same shape, with one number for each entry."


def _held(array: Array) -> str:
    """Return what an array holds whose entries are all numbers, though not of a dtype of numbers."""
    entries = array.ravel().tolist()
    if all(isinstance(entry, str | bytes) for entry in entries):
        return "numbers as text"
    if any(isinstance(entry, str | bytes) for entry in entries):
        return "numbers, some of them as text"
    if any(isinstance(entry, bool | np.bool) for entry in entries):
        return "numbers and booleans as objects"
    return "numbers as objects"


def _is_odd(found: tuple[tuple[int, ...], object]) -> bool:
    """Return whether an entry is not a real number, not even as text."""
    _, entry = found
    if isinstance(entry, str | bytes):
        with suppress(ValueError):
            float(entry)
            return False
    return not isinstance(entry, Real | Decimal | np.bool)


def is_missing(entry: object) -> bool:
    """Return whether an object stands for a missing value: None, or pandas' NA and NaT."""
    return entry is None or type(entry).__name__ in _MISSING


def is_missing_word(entry: object) -> bool:
    """Return whether an object among words stands for a missing one; pandas marks it with NaN."""
    return is_missing(entry) or entry != entry


def variable(name: str) -> str:
    """Return what code calls the values that a message calls `name`: ``CrossEntropy: y`` is y."""
    last = name.rpartition(" ")[2]
    return last if last.isidentifier() else "values"


def place(index: Sequence[int], columns: Sequence[str] = ()) -> str:
    """Return where an entry is, with the name of its column if known.

    Examples
    --------
    >>> place((3, 1), ["age", "height"]), place((3,))
    ("[3, 1], column 'height'", '[3]')
    """
    known = len(index) == 2 and index[1] < len(columns)  # row and column
    return f"{list(index)}, column {columns[index[1]]!r}" if known else f"{list(index)}"
