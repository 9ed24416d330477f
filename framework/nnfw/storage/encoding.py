"""Plain values as JSON and arrays of bytes, and back: every type stays, and every bit of a number.

Plain values are None, texts, numbers and arrays (NumPy's too), and lists, tuples and dictionaries of plain values. A
value that JSON lacks is written as a table with one entry, named after its type. So are long lists of numbers, and of
dictionaries with the same keys: otherwise the JSON would grow with every epoch of a training.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from itertools import chain
from typing import Any, TypeGuard

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import DataError, FileFormatError, class_name, short
from nnfw.plain import Plain

_DTYPES = {name: np.dtype(name) for name in (np.dtype(code).name for code in "?bBhHiIqQefdFD")}
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_MOST_BITS = 1024  # of a whole number: Python refuses to read very long ones
_FEW = 32  # entries of the longest list that stays JSON: an array costs some 300 bytes more
_MOST_DEEP = 4  # axes of numbers in lists that become an array

_Items = list[Any]  # of any type, plain or not


def encoded(value: object, arrays: MutableMapping[str, Array], prefix: str = "value") -> Plain:
    """Return a plain value as JSON; the bytes of its arrays go into `arrays`, under names that begin with `prefix`.

    Raises DataError if it is not plain.

    Examples
    --------
    >>> arrays = {}
    >>> encoded({"best": (0.5, float("inf")), "theta": np.zeros(2)}, arrays)
    {'dict': [['best', {'tuple': [0.5, {'float': 'inf'}]}], ['theta', {'array': ['float64', [2], 'value.0']}]]}
    >>> decoded({"tuple": [1, {"array": ["float64", [2], "value.0"]}]}, arrays)
    (1, array([0., 0.]))
    """
    if _is_json(value):
        return value
    if type(value) is list:
        return _list(value, arrays, prefix)
    if type(value) is tuple:
        return {"tuple": [encoded(item, arrays, prefix) for item in value]}
    if type(value) is dict:
        pairs = [[encoded(key, arrays, prefix), encoded(item, arrays, prefix)] for key, item in value.items()]
        return {"dict": pairs}
    if type(value) is float:
        return {"float": str(value)}
    if isinstance(value, np.generic) or type(value) is np.ndarray:
        return {"array" if type(value) is np.ndarray else "scalar": _array(np.asarray(value), arrays, prefix)}
    raise _not_plain(value)


def _list(items: _Items, arrays: MutableMapping[str, Array], prefix: str) -> Plain:
    if len(items) > _FEW:
        numbers = _numbers(items)
        if numbers is not None:
            return {"list": _array(numbers, arrays, prefix)}
        if _is_table(items):
            columns = [(key, [row[key] for row in items]) for key in items[0]]
            return {
                "rows": [[encoded(key, arrays, prefix), encoded(column, arrays, prefix)] for key, column in columns]
            }
    return [encoded(item, arrays, prefix) for item in items]


def _numbers(items: _Items) -> Array | None:
    """Return floats only, or whole numbers only, perhaps in lists of one length, as an array; None for all else."""
    first, depth = items[0], 1
    while type(first) is list and first and depth < _MOST_DEEP:
        first, depth = first[0], depth + 1
    if type(first) not in (float, int):
        return None
    leaves = items
    for _ in range(depth - 1):
        if set(map(type, leaves)) != {list} or len(set(map(len, leaves))) > 1:
            return None
        leaves = list(chain.from_iterable(leaves))
    if set(map(type, leaves)) != {type(first)}:
        return None
    try:
        return np.array(items, np.float64 if type(first) is float else np.int64)
    except OverflowError:  # a whole number of more than 64 bits
        return None


def _is_table(items: _Items) -> bool:
    """Return whether all are dictionaries with the same keys in the same order."""
    return bool(type(items[0]) is dict and items[0]) and all(
        type(item) is dict and tuple(item) == tuple(items[0]) for item in items
    )


def _is_json(value: object) -> TypeGuard[str | int | float | bool | None]:
    if type(value) is str:
        return value.encode("utf-8", "replace").decode() == value
    if type(value) is int:
        return value.bit_length() <= _MOST_BITS
    return value is None or type(value) is bool or (type(value) is float and math.isfinite(value))


def _array(array: Array, arrays: MutableMapping[str, Array], prefix: str) -> list[Plain]:
    if _DTYPES.get(array.dtype.name) != array.dtype:
        raise _not_plain(array)
    name = f"{prefix}.{len(arrays)}"
    stored = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    arrays[name] = stored.reshape(-1).view(np.uint8)
    return [array.dtype.name, list(array.shape), name]


def _not_plain(value: object) -> DataError:
    return DataError(f"{short(value)} of type {class_name(value)} is not a plain value, so a file cannot hold it.")


def decoded(node: Plain, arrays: MutableMapping[str, Array]) -> Any:
    """Return the value given to :func:`encoded`; its arrays are taken out of `arrays`.

    Raises FileFormatError if `node` encodes no value.
    """
    match node:
        case None | bool() | int() | float() | str():
            return node
        case [*items]:
            return [decoded(item, arrays) for item in items]
        case {"tuple": [*items], **more} if not more:
            return tuple(decoded(item, arrays) for item in items)
        case {"dict": [*pairs], **more} if not more:
            return _dictionary([decoded(pair, arrays) for pair in pairs])
        case {"rows": [*pairs], **more} if pairs and not more:
            return _rows(_dictionary([decoded(pair, arrays) for pair in pairs]))
        case {"float": str(text), **more} if text in _NOT_FINITE and not more:
            return _NOT_FINITE[text]
        case {"array": [str(dtype), [*shape], str(name)], **more} if not more:
            return _taken(dtype, shape, name, arrays)
        case {"list": [str(dtype), [_, *_] as shape, str(name)], **more} if not more:
            return _taken(dtype, shape, name, arrays).tolist()
        case {"scalar": [str(dtype), [], str(name)], **more} if not more:
            return _taken(dtype, [], name, arrays)[()]
    raise FileFormatError(f"no value is written as {short(node)}")


def _dictionary(pairs: _Items) -> dict[object, object]:
    try:
        found = {key: value for key, value in pairs}  # noqa: C416 - dict() takes texts of two letters for pairs
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"a dictionary has an entry that is not a key with a value: {error}") from error
    if len(found) < len(pairs):
        raise FileFormatError("a dictionary has a key twice")
    return found


def _rows(columns: dict[object, object]) -> list[dict[object, object]]:
    lists = [column for column in columns.values() if type(column) is list]
    if len(lists) < len(columns) or len(set(map(len, lists))) > 1:
        raise FileFormatError("the columns of a table are not lists of one length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _taken(dtype: str, shape: Sequence[Plain], name: str, arrays: MutableMapping[str, Array]) -> Array:
    content = arrays.pop(name, None)
    if content is None or dtype not in _DTYPES:
        raise FileFormatError(f"there is no array {short(name)} of dtype {short(dtype)}, or it is used twice")
    sizes = tuple(size for size in shape if type(size) is int and size >= 0)
    stored = _DTYPES[dtype].newbyteorder("<")
    if len(sizes) < len(shape) or content.dtype != np.uint8 or content.size != math.prod(sizes) * stored.itemsize:
        raise FileFormatError(f"array {short(name)} cannot have shape {short(shape)}")
    try:
        return content.view(stored).reshape(sizes).astype(_DTYPES[dtype], copy=False)
    except ValueError as error:  # more axes than NumPy has, or more than it can index, times zero
        raise FileFormatError(f"array {short(name)} cannot have shape {short(shape)}") from error
