"""Programs: calls of operations encoded as whole numbers, run without returning to Python.

A call is the address of a C function, the count of its numbers, and the numbers: see
:func:`nnfw_numba.machine.decoder`. A program does not check them: shapes and dtypes are checked against the operation's
row when it is encoded, and the caller keeps the arrays alive.

The C function decodes the numbers and calls the body of the operation. It is compiled on first use.
"""

from __future__ import annotations

import struct
import warnings
from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np
from numba import from_dtype, types

from nnfw.arrays import Array
from nnfw.errors import in_words
from nnfw.ops import Call, MisfitError, PerStep, bind
from nnfw.ops.definitions import product
from nnfw.ops.operation import DTYPES, REST, Argument, Operation, Value
from nnfw_numba import products
from nnfw_numba.caching import Native, inner, native
from nnfw_numba.library import body_of
from nnfw_numba.machine import INDICES, decoder, store, width
from nnfw_numba.untyped import Untyped

Type = np.dtype[np.generic]

_MOST = 3
"""Axes up to which loops over arrays in one piece are compiled apart: with more, only the last one matters."""

INDEXED: list[str] = []
"""Arguments that hold indices, as messages name them; programs know them by their places."""


class Move(NamedTuple):
    """A number of a program that changes at each step.

    Parameters
    ----------
    at
        Its position.
    base, stride
        The address at step 0, and the bytes from one step to the next.
    number
        Whether to use the number at the address instead of the address.
    """

    at: int
    base: int
    stride: int
    number: bool


class Code(NamedTuple):
    """An encoded call: a C function, its numbers, and the ones that move."""

    function: int
    numbers: list[int]
    moves: list[Move]


def encoded(call: Call, faults: Array) -> Code | None:
    """Encode a call; None if NumPy must run it.

    Parameters
    ----------
    call
        An operation and its arguments.
    faults
        ``(1,)``, int64: set to a number from 1, a place in `INDEXED`, if an index is out of range.
    """
    try:
        sizes, dtype = bind(call)
    except MisfitError:
        return None
    values = [*map(sample, call.arguments)]
    if call.operation is product:
        return _product(call, values)
    pairs = zip(call.operation.arguments, values, strict=True)
    found = [value if item.role == "number" else _canonical(item, value) for item, value in pairs]
    places = [place for place in found if place is not None]
    arrays = [place for place in places if isinstance(place, np.ndarray)]
    if len(places) < len(found) or not (dtype is None or dtype.isnative):
        return None
    one_piece = all(array.flags.c_contiguous and array.ndim <= _MOST for array in arrays)
    entry = _entry(call.operation, np.dtype(np.float64) if dtype is None else dtype, "C" if one_piece else "A")
    if entry is None:
        return None
    function, options = entry
    numbers, moves = [*map(_bits, options)], []
    for value, place in zip(call.arguments, places, strict=True):
        moves += _moves(value, len(numbers))
        numbers += _numbers(place, "C" if one_piece else "A")
    for item in call.operation.arguments:
        if item.kind == "index":
            numbers += [prod(sizes[item.below]), faults.ctypes.data, _number_of(call.operation, item)]
    return Code(function, numbers, moves)


def _number_of(operation: Operation, argument: Argument) -> int:
    name = f"Operation {operation.name!r}: {argument.name}"
    if name not in INDEXED:
        INDEXED.append(name)
    return INDEXED.index(name) + 1


def sample(value: Value) -> Untyped:
    """Return an argument as it is at the first step."""
    return value.values[0] if isinstance(value, PerStep) else value


def _product(call: Call, values: list[Untyped]) -> Code | None:
    found = products.encoded(*values)
    if found is None:
        return None
    moves = [move for value, at in zip(call.arguments, found.places, strict=True) for move in _moves(value, at)]
    return Code(found.function, found.numbers, moves)


def _canonical(argument: Argument, array: Array) -> Array | None:
    """Return an array with one axis for each letter and one for `...`; None if that needs a copy."""
    axes: tuple[str, ...] = argument.axes
    shape: tuple[int, ...] = array.shape
    if REST in axes:
        start = axes.index(REST)
        end = start + array.ndim - len(axes) + 1
        shape = *shape[:start], prod(shape[start:end]), *shape[end:]
    view = array.reshape(shape)
    lines = view.flags.c_contiguous or view.shape[-1] == 1 or view.strides[-1] == view.itemsize
    usable = lines and view.flags.aligned and (argument.role == "read" or array.flags.writeable)
    return view if usable and view.ctypes.data == array.ctypes.data else None


def _numbers(place: Array | float, layout: str) -> list[int]:
    if not isinstance(place, np.ndarray):
        return [_bits(place)]
    strides = place.strides[:-1] if layout == "A" else ()
    return [place.ctypes.data, *place.shape, *strides]


def _moves(value: Value, at: int) -> list[Move]:
    if not isinstance(value, PerStep):
        return []
    values = value.values
    return [Move(at, values.ctypes.data, values.strides[0], number=values.ndim == 1 and values.dtype == np.float64)]


def _bits(value: float) -> int:
    """Return the bits of a float64 as a whole number."""
    (number,) = struct.unpack("=q", struct.pack("=d", value))
    return int(number)


@cache
def _entry(operation: Operation, dtype: Type, layout: str) -> tuple[int, tuple[float, ...]] | None:
    """Return the address of the C function of an operation, and the options of its body; None without a body.

    Warns
    -----
    RuntimeWarning
        If numba cannot compile a plugin's body.
    """
    try:
        found = body_of(operation)
        if found is None:
            return None
        if sum(argument.kind == "index" for argument in operation.arguments) > 1:
            return None  # one can be checked here; NumPy checks all
        body = found(dtype.char)
        options = (types.float64,) * len(body.options)
        kinds = (*options, *(_kind(argument, dtype, layout) for argument in operation.arguments))
        indices = [len(options) + k for k, argument in enumerate(operation.arguments) if argument.kind == "index"]
        return _native(body.function, body.origin, operation.name, kinds, *indices).address, body.options
    except Exception as error:
        if not operation.bodies:
            raise
        reason = in_words(error).partition("\n")[0].rstrip(".")
        text = f"Operation {operation.name!r}: numba cannot compile its body: {reason}. NumPy runs it."
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        return None


def _kind(argument: Argument, dtype: Type, layout: str) -> Untyped:
    if argument.role == "number":
        return types.float64
    own: Untyped = DTYPES.get(argument.kind, dtype)
    array: Untyped = types.Array
    return array(from_dtype(own), len(argument.axes), layout)


@cache
def _native(
    body: Untyped, origin: bytes, name: str, kinds: tuple[types.Type, ...], position: int | None = None
) -> Native:
    """Compile an entry that calls a body; if it has indices, at a position, only if all are below their limit."""
    arguments, end = decoder(kinds), sum(map(width, kinds))

    def plain(p: Untyped) -> None:
        body(*arguments(p))

    def checked(p: Untyped) -> None:  # arrays may have changed
        values: Untyped = arguments(p)
        if _all_below(values[position], p[end]):
            body(*values)
        else:
            store(p[end + 1], p[end + 2])

    entry = plain if position is None else checked
    entry.__name__ = f"operation_{name}"
    content = origin and origin + repr((kinds, position)).encode()
    return native(entry, (INDICES,), content)


@inner
def _all_below(indices: Array, limit: int) -> bool:
    wrong = 0
    for k in range(indices.size):
        wrong += not 0 <= indices.flat[k] < limit
    return wrong == 0
