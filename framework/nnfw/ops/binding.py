"""The sizes of the axes in a call, and calls cut into parts along an axis."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np

from nnfw.arrays import Array
from nnfw.ops.operation import DTYPES, REST, Argument, Call, PerStep, Value

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class MisfitError(ValueError):
    """Arguments that do not fit the row of their operation: NumPy may accept them, compiled loops must not."""


class Bound(NamedTuple):
    """The sizes of the axes in a call, and its dtype.

    Parameters
    ----------
    sizes
        The size of each axis by its letter, as a tuple of one number; for `...`, the sizes of all further axes.
    dtype
        The dtype of arguments of a kind without a dtype of its own; None if there are none.
    """

    sizes: dict[str, tuple[int, ...]]
    dtype: np.dtype[np.generic] | None

    def size(self, axis: str) -> int:
        """Return the size of an axis; for `...`, the product of its sizes."""
        return prod(self.sizes[axis])


def bind(call: Call) -> Bound:
    """Return the sizes of the axes in a call.

    Raises
    ------
    MisfitError
        If the number, type, shape or dtype of the arguments does not fit the row.

    Examples
    --------
    >>> from nnfw.ops.definitions import add_bias
    >>> bind(Call(add_bias, (np.ones((4, 3, 2)), np.ones((3, 2))))).sizes
    {'n': (4,), '...': (3, 2)}
    """
    operation, arguments = call
    if len(arguments) != len(operation.arguments):
        raise MisfitError(f"takes {len(operation.arguments)} arguments, got {len(arguments)}")
    bound = Bound({axis: (int(axis),) for item in operation.arguments for axis in item.axes if axis.isdecimal()}, None)
    for argument, value in zip(operation.arguments, arguments, strict=True):
        if argument.role == "number":
            _require_number(argument, value)
        else:
            bound = _bind_array(argument, value, bound)
    return bound._replace(sizes={axis: size for axis, size in bound.sizes.items() if not axis.isdecimal()})


def _require_number(argument: Argument, value: Value) -> None:
    if isinstance(value, PerStep):
        right = value.values.dtype == np.float64 and value.values.ndim == 1
    else:
        right = isinstance(value, int | float | np.bool_ | np.floating | np.integer)
    if not right:
        raise MisfitError(f"{argument.name} is {value!r}, expected a number")


def _bind_array(argument: Argument, value: Value, bound: Bound) -> Bound:
    array = value.values if isinstance(value, PerStep) else value
    if not isinstance(array, np.ndarray):
        raise MisfitError(f"{argument.name} is {value!r}, expected an array")
    shape = array.shape[1:] if isinstance(value, PerStep) else array.shape
    rest = len(shape) - len(argument.axes) + 1
    if rest < 0 or (REST not in argument.axes and rest != 1):
        raise MisfitError(f"{argument.name} has shape {shape}, expected axes {' '.join(argument.axes)}")
    start = 0
    for axis in argument.axes:
        end = start + (rest if axis == REST else 1)
        if bound.sizes.setdefault(axis, shape[start:end]) != shape[start:end]:
            raise MisfitError(f"{argument.name} has shape {shape}, but the axis {axis} has size {bound.sizes[axis]}")
        start = end
    return bound._replace(dtype=_bind_dtype(argument, array.dtype, bound.dtype))


def _bind_dtype(
    argument: Argument, dtype: np.dtype[np.generic], known: np.dtype[np.generic] | None
) -> np.dtype[np.generic] | None:
    if argument.kind in DTYPES:
        expected: tuple[np.dtype[np.generic], ...] = (DTYPES[argument.kind],)
    elif known is not None:
        expected = (known,)
    else:
        expected = (dtype,) if argument.kind == "any" else _FLOATS
    if dtype not in expected:
        raise MisfitError(f"{argument.name} has dtype {dtype}, expected {' or '.join(map(str, expected))}")
    return known if argument.kind in DTYPES else dtype


def part(call: Call, axis: str, limits: slice) -> Call:
    """Return the call for a part of an axis: arguments with this axis are sliced, the others stay whole.

    If the axis is `...`, arrays that have it must be contiguous; its axes become one.

    Examples
    --------
    >>> from nnfw.ops.definitions import add_bias
    >>> _, arguments = part(Call(add_bias, (np.ones((4, 3)), np.ones(3))), "n", slice(0, 2))
    >>> [array.shape for array in arguments]
    [(2, 3), (3,)]
    """
    operation, arguments = call
    pairs = zip(operation.arguments, arguments, strict=True)
    return Call(operation, tuple(_part(argument, value, axis, limits) for argument, value in pairs))


def _part(argument: Argument, value: Value, axis: str, limits: slice) -> Value:
    if axis not in argument.axes:
        return value
    if isinstance(value, PerStep):
        return PerStep(_cut(argument._replace(axes=("step", *argument.axes)), value.values, axis, limits))
    assert isinstance(value, np.ndarray)
    return _cut(argument, value, axis, limits)


def _cut(argument: Argument, array: Array, axis: str, limits: slice) -> Array:
    before = argument.axes.index(axis)
    after = len(argument.axes) - before - 1
    if axis == REST:
        shape = array.shape
        array = array.reshape(*shape[:before], prod(shape[before : len(shape) - after]), *shape[len(shape) - after :])
    elif REST in argument.axes[:before]:
        before = array.ndim - 1 - after
    return array[(slice(None),) * before + (limits,)]


def parts(call: Call, axis: str, count: int, together: int = 1) -> list[Call]:
    """Cut a call along an axis into parts that together do the same.

    Parameters
    ----------
    call
        A call that fits its row: see :func:`bind`.
    axis
        One of the axes in the row's `cut`.
    count
        Number of parts, 1 or more; empty parts are left out.
    together
        Every part but the last ends at a multiple of this; 1 by default.

    Examples
    --------
    >>> from nnfw.ops.definitions import sum_examples
    >>> cut = parts(Call(sum_examples, (np.ones((4, 5)), np.ones(5))), "...", 2)
    >>> [(delta.shape, out.shape) for _, (delta, out) in cut]
    [((4, 2), (2,)), ((4, 3), (3,))]
    """
    length = bind(call).size(axis)
    ends = [length * k // count // together * together for k in range(count)] + [length]
    return [part(call, axis, slice(*limits)) for limits in pairwise(ends) if limits[0] < limits[1]] or [call]
