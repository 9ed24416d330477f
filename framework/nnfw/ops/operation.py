"""Operations: calculations on arrays, each described by one row."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import PluginError

Role = Literal["read", "written", "changed", "consumed", "scratch", "number"]
"""How an operation uses an argument: `changed` is read and written; `consumed` is read, `scratch` is not, and both are
left with undefined content."""

Kind = Literal["", "float32", "float64", "int64", "positive", "finite", "ordinary", "index", "any", "whole", "count"]

DTYPES: Mapping[str, np.dtype[np.generic]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "int64": np.dtype(np.int64),
    "index": np.dtype(np.int64),
}
"""Kinds of arguments with a dtype of their own."""

Function = Callable[..., None]

REST = "..."
"""All axes of an argument that have no letter; they count as one."""


class Argument(NamedTuple):
    """One argument of an operation.

    Parameters
    ----------
    name
        The name of the definition's parameter.
    role
        How it is used.
    axes
        Letters that stand for sizes, `...` for any further axes, digits for an axis of that size; empty for a number.
    kind
        ``""``: the dtype of the operation, float32 or float64; ``"positive"``: the same, with values of 0 or more (a
        number: greater than 0); ``"finite"``: the same; for other values an engine may give NaN where the definition
        does not; ``"ordinary"``: the same; for values that are not finite, or far from 1, it may give others;
        ``"float32"``, ``"float64"``, ``"int64"``: always that dtype; ``"index"``: int64, from 0 to below the size of
        the axis `below`; ``"any"``: any dtype, the same for all arguments of this kind. For a number, ``"whole"``: a
        whole number of 0 or more, ``"count"``: of 1 or more.
    below
        The axis that an index refers to.
    """

    name: str
    role: Role
    axes: tuple[str, ...]
    kind: Kind = ""
    below: str = ""


@dataclass(frozen=True, eq=False)
class Operation:
    """A calculation on arrays that engines know by name.

    Calling it writes the results into its arguments, by the engine in use or by the definition.

    Parameters
    ----------
    name
        The same in every engine.
    definition
        The NumPy function that defines the results.
    arguments
        In the order of the definition's parameters.
    cut
        Axes along which it may be cut into independent parts, separated by spaces; ``""`` for none.
    tolerance
        How far an engine may differ, in units in the last place of the result and of each number read.
    bodies
        Where to find a faster body, by engine: ``{"numba": "module:function"}``. It takes the definition's arguments,
        each array with one axis per letter and one for `...`.
    """

    name: str
    definition: Function
    arguments: tuple[Argument, ...]
    cut: str = ""
    tolerance: float = 4.0
    bodies: tuple[tuple[str, str], ...] = ()

    def __call__(self, *arguments: Array | float) -> None:
        """Run the operation, or record it on the tape in use."""
        functions = _FUNCTIONS.get()
        if functions is None:
            self.definition(*arguments)
        else:
            functions[self](*arguments)

    @property
    def arrays(self) -> tuple[int, ...]:
        """Positions of the array arguments."""
        return tuple(k for k, argument in enumerate(self.arguments) if argument.role != "number")

    @property
    def results(self) -> tuple[int, ...]:
        """Positions of the arguments that receive results."""
        return tuple(k for k, argument in enumerate(self.arguments) if argument.role in ("written", "changed"))


class PerStep(NamedTuple):
    """An argument that changes at each step of a chunk: ``values[k]`` at step k, an array or a number."""

    values: Array


Value = Array | float | PerStep


class Call(NamedTuple):
    """An operation with its arguments: numbers, and arrays that stay in place."""

    operation: Operation
    arguments: tuple[Any, ...]  # the operation's row gives their types


_FUNCTIONS: ContextVar[Mapping[Operation, Function] | None] = ContextVar("nnfw_functions", default=None)


@contextmanager
def dispatched(functions: Mapping[Operation, Function] | None) -> Iterator[None]:
    """Run operations called in the body by other functions; None for their definitions."""
    token = _FUNCTIONS.set(functions)
    try:
        yield
    finally:
        _FUNCTIONS.reset(token)


def operation(
    *, cut: str = "", tolerance: float = 4.0, bodies: Mapping[str, str] | None = None, **arguments: str
) -> Callable[[Function], Operation]:
    """Make an operation of a NumPy definition.

    Parameters
    ----------
    cut, tolerance, bodies
        As for :class:`Operation`.
    **arguments
        The role, optional kind and axes of each parameter of the definition.

    Raises
    ------
    PluginError
        If the row does not fit the definition or contradicts itself.

    Examples
    --------
    >>> @operation(z="changed n ...", bias="read ...", cut="n")
    ... def add_bias(z, bias):
    ...     z += bias
    >>> add_bias.name, add_bias.results, add_bias.arguments[1].axes
    ('add_bias', (0,), ('...',))
    """

    def made(definition: Function) -> Operation:
        if not callable(definition):
            raise PluginError(f"An operation needs a NumPy function as its definition, got {definition!r}.")
        name = definition.__name__
        parameters = list(inspect.signature(definition).parameters)
        if parameters != list(arguments):
            raise PluginError(
                f"Operation {name!r}: its definition takes {', '.join(parameters) or 'nothing'}, but roles are given "
                f"for {', '.join(arguments) or 'nothing'}."
            )
        parsed = tuple(_argument(name, key, text) for key, text in arguments.items())
        _require_consistent(name, parsed, cut)
        return Operation(name, definition, parsed, cut, tolerance, tuple((bodies or {}).items()))

    return made


def _argument(owner: str, name: str, text: str) -> Argument:
    role, *words = text.split() or [""]
    kind, below = "", ""
    if words and words[0].partition("<")[0] in get_args(Kind):
        kind, _, below = words.pop(0).partition("<")
    named = all(word == REST or word.isdecimal() or (len(word) == 1 and word.isalpha()) for word in words)
    if role not in get_args(Role) or (role == "number") == bool(words) or not named or words.count(REST) > 1:
        raise PluginError(
            f"Operation {owner!r}: {name} is {text!r}; write a role ({', '.join(get_args(Role))}) and, for an array, "
            "its axes."
        )
    return Argument(name, cast("Role", role), tuple(words), cast("Kind", kind), below)


def _require_consistent(name: str, arguments: tuple[Argument, ...], cut: str) -> None:
    """Raise PluginError if a row contradicts itself."""
    changing = [argument for argument in arguments if argument.role not in ("read", "number")]
    if all(argument.role in ("consumed", "scratch") for argument in changing):
        raise PluginError(f"Operation {name!r}: it has no result; give an argument the role written or changed.")
    known = {axis for argument in arguments for axis in argument.axes}
    for argument in arguments:
        if argument.kind == "index" and argument.below not in known:
            raise PluginError(
                f"Operation {name!r}: {argument.name} counts along the axis {argument.below!r}, which no argument has."
            )
    for axis in cut.split():
        if axis not in known:
            raise PluginError(f"Operation {name!r}: cut is {axis!r}, which is not an axis of any argument.")
        for argument in arguments:
            if (argument in changing and axis not in argument.axes) or argument.below == axis:
                raise PluginError(
                    f"Operation {name!r}: it cannot be cut along {axis!r}, because each part would need all of "
                    f"{argument.name}."
                )
