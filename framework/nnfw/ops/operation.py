"""An operation: one row that says all there is to say about it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from nnfw.arrays import Array
from nnfw.errors import PluginError

Role = Literal["read", "written", "changed", "scratch", "number"]
"""What an operation does to an argument: `changed` is read and written, `scratch` holds nothing worth reading later."""

Function = Callable[..., None]

REST = "..."
"""The axes that an argument has beside those with a letter, as many as there are; they count as one."""

_ROLES = ("read", "written", "changed", "scratch", "number")
_KINDS = ("index", "float64", "positive")


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
        ``""`` for the dtype of the operation, float32 or float64; ``"float64"`` always that; ``"index"`` for whole
        numbers of 64 bits below the size of the axis `below`; ``"positive"`` for numbers of 0 or more.
    below
        The axis that an index counts along.
    """

    name: str
    role: Role
    axes: tuple[str, ...]
    kind: str = ""
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
        The axis along which it may be cut into parts that together do the same, or ``""``.
    tolerance
        Units in the last place by which an engine may differ.
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

    @property
    def arrays(self) -> tuple[int, ...]:
        """Positions of the arguments that are arrays."""
        return tuple(k for k, argument in enumerate(self.arguments) if argument.role != "number")

    @property
    def results(self) -> tuple[int, ...]:
        """Positions of the arrays that hold its results."""
        return tuple(k for k, argument in enumerate(self.arguments) if argument.role in ("written", "changed"))


class Call(NamedTuple):
    """An operation with the arguments of a call: arrays whose memory stays where it is, and numbers."""

    operation: Operation
    arguments: tuple[Array | float | PerStep, ...]


class PerStep(NamedTuple):
    """An argument that is another one at each step of a chunk: ``values[k]`` at step k, an array or a number."""

    values: Array


def operation(
    *, cut: str = "", tolerance: float = 4.0, bodies: dict[str, str] | None = None, **arguments: str
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
        If what is said of the arguments does not fit the definition.

    Examples
    --------
    >>> @operation(z="changed n ...", bias="read ...", cut="n")
    ... def add_bias(z, bias):
    ...     z += bias
    >>> add_bias.name, add_bias.results, add_bias.arguments[1].axes
    ('add_bias', (0,), ('...',))
    """

    def made(definition: Function) -> Operation:
        name = definition.__name__
        parameters = list(inspect.signature(definition).parameters)
        if parameters != list(arguments):
            raise PluginError(
                f"Operation {name!r}: its definition takes {', '.join(parameters) or 'nothing'}, but what is said of "
                f"the arguments is about {', '.join(arguments) or 'none'}."
            )
        parsed = tuple(_argument(name, key, text) for key, text in arguments.items())
        known = {axis for argument in parsed for axis in argument.axes}
        if cut and cut not in known:
            raise PluginError(f"Operation {name!r}: cut is {cut!r}, which is no axis of an argument.")
        return Operation(name, definition, parsed, cut, tolerance, tuple((bodies or {}).items()))

    return made


def _argument(owner: str, name: str, text: str) -> Argument:
    role, *words = text.split()
    kind, below = "", ""
    if words and words[0].partition("<")[0] in _KINDS:
        kind, _, below = words.pop(0).partition("<")
    if role not in _ROLES or (role == "number") == bool(words):
        raise PluginError(
            f"Operation {owner!r}: {name} is {text!r}; write a role ({', '.join(_ROLES)}) and, for an array, its axes."
        )
    return Argument(name, role, tuple(words), kind, below)  # type: ignore[arg-type]
