"""Operations: each is one row that says all there is to say about a calculation on arrays."""

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
"""What an operation does to an argument: `changed` is read and written; `consumed` is read, and `scratch` is not, and
both hold nothing worth reading later."""

Kind = Literal["", "float32", "float64", "positive", "index", "any"]

DTYPES: Mapping[str, np.dtype[np.generic]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "index": np.dtype(np.int64),
}
"""Kinds of arguments that have a dtype of their own."""

Function = Callable[..., None]

REST = "..."
"""The axes that an argument has beside those with a letter, as many as there are; they count as one."""

ONE = "1"
"""An axis of size 1."""


class Argument(NamedTuple):
    """One argument of an operation.

    Parameters
    ----------
    name
        That of the definition's parameter.
    role
        What happens to it.
    axes
        Letters that stand for sizes, `...` for any further axes, ``1`` for an axis of one; empty for a number.
    kind
        ``""`` for the dtype of the operation, float32 or float64; ``"positive"`` for the same, with numbers of 0 or
        more, and of a number one greater than 0; ``"float32"`` and ``"float64"`` always that; ``"index"`` for whole
        numbers of 64 bits, 0 or more and less than the size of the axis `below`; ``"any"`` for any dtype, one for all
        arguments of this kind.
    below
        The axis that an index counts along.
    """

    name: str
    role: Role
    axes: tuple[str, ...]
    kind: Kind = ""
    below: str = ""


@dataclass(frozen=True, eq=False)
class Operation:
    """A calculation on arrays that engines know by name.

    Calling it writes the results into the arrays that it is given: by the engine in use, or by the definition.

    Parameters
    ----------
    name
        Its name, the same in every engine.
    definition
        The NumPy function that says what it gives.
    arguments
        In the order of the definition's parameters.
    cut
        The axis along which it may be cut into parts that together do the same, or ``""``; several have spaces between.
    tolerance
        Units in the last place by which an engine may differ: of the result, and of each number that it reads.
    bodies
        For an engine by its name, where a faster body lies: ``{"numba": "module:function"}``. It takes what the
        definition takes, each array with one axis for each letter and one for `...`.
    """

    name: str
    definition: Function
    arguments: tuple[Argument, ...]
    cut: str = ""
    tolerance: float = 4.0
    bodies: tuple[tuple[str, str], ...] = ()

    def __call__(self, *arguments: Array | float) -> None:
        """Calculate, or be recorded where a tape records."""
        functions = _FUNCTIONS.get()
        if functions is None:
            self.definition(*arguments)
        else:
            functions[self](*arguments)

    @property
    def arrays(self) -> tuple[int, ...]:
        """Positions of the arguments that are arrays."""
        return tuple(k for k, argument in enumerate(self.arguments) if argument.role != "number")

    @property
    def results(self) -> tuple[int, ...]:
        """Positions of the arrays that hold its results."""
        return tuple(k for k, argument in enumerate(self.arguments) if argument.role in ("written", "changed"))


class PerStep(NamedTuple):
    """An argument that is another one at each step of a chunk: ``values[k]`` at step k, an array or a number."""

    values: Array


Value = Array | float | PerStep


class Call(NamedTuple):
    """An operation with the arguments of a call: arrays whose memory stays where it is, and numbers."""

    operation: Operation
    arguments: tuple[Any, ...]  # of what types, the operation's row says


_FUNCTIONS: ContextVar[Mapping[Operation, Function] | None] = ContextVar("nnfw_functions", default=None)


@contextmanager
def dispatched(functions: Mapping[Operation, Function] | None) -> Iterator[None]:
    """Let operations that are called in the body be carried out by other functions; None for their definitions."""
    token = _FUNCTIONS.set(functions)
    try:
        yield
    finally:
        _FUNCTIONS.reset(token)


def operation(
    *, cut: str = "", tolerance: float = 4.0, bodies: Mapping[str, str] | None = None, **arguments: str
) -> Callable[[Function], Operation]:
    """Make an operation of its definition in NumPy.

    Parameters
    ----------
    cut, tolerance, bodies
        As for :class:`Operation`.
    **arguments
        For each parameter of the definition its role, its kind where it has one, and its axes.

    Raises
    ------
    PluginError
        If what is said of the arguments does not fit the definition, or contradicts itself.

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
            raise PluginError(f"An operation needs a definition, a function in NumPy; got {definition!r}.")
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
    named = all(word in (REST, ONE) or (len(word) == 1 and word.isalpha()) for word in words)
    if role not in get_args(Role) or (role == "number") == bool(words) or not named or words.count(REST) > 1:
        raise PluginError(
            f"Operation {owner!r}: {name} is {text!r}; write a role ({', '.join(get_args(Role))}) and, for an array, "
            "its axes."
        )
    return Argument(name, cast("Role", role), tuple(words), cast("Kind", kind), below)


def _require_consistent(name: str, arguments: tuple[Argument, ...], cut: str) -> None:
    """Refuse rows that contradict themselves."""
    changing = [argument for argument in arguments if argument.role not in ("read", "number")]
    if all(argument.role in ("consumed", "scratch") for argument in changing):
        raise PluginError(f"Operation {name!r}: it has no result; the role of one argument is written or changed.")
    known = {axis for argument in arguments for axis in argument.axes}
    for argument in arguments:
        if argument.kind == "index" and argument.below not in known:
            raise PluginError(
                f"Operation {name!r}: {argument.name} counts along the axis {argument.below!r}, which no argument has."
            )
    for axis in cut.split():
        if axis not in known:
            raise PluginError(f"Operation {name!r}: cut is {axis!r}, which is no axis of an argument.")
        for argument in arguments:
            if (argument in changing and axis not in argument.axes) or argument.below == axis:
                raise PluginError(
                    f"Operation {name!r}: it cannot be cut along {axis!r}, because each part would need all of "
                    f"{argument.name}."
                )
