"""The body of an operation: one made for it, one from its plugin, or the standard one of its name."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

from nnfw.ops.operation import Function, Operation
from nnfw_numba import bodies
from nnfw_numba.caching import inner, sources
from nnfw_numba.untyped import Untyped


class Body(NamedTuple):
    """The function that compiled programs call for an operation.

    Parameters
    ----------
    function
        Takes the options, then the definition's arguments.
    origin
        Identifies the source of the function for the cache on disk; empty to keep it off the disk.
    options
        Numbers before the arguments; none by default.
    """

    function: Untyped
    origin: bytes
    options: tuple[float, ...] = ()


_MADE: WeakKeyDictionary[Operation, Callable[[str], Body]] = WeakKeyDictionary()


def give(operation: Operation, body: Callable[[str], Body]) -> None:
    """Set the body of an operation made at run time; `body` takes a dtype's character."""
    _MADE[operation] = body


def has_body(operation: Operation) -> bool:
    """Return whether an operation has a body; it may still fail to compile."""
    return operation in _MADE or _target(operation) is not None or _standard(operation) is not None


def find(operation: Operation, char: str) -> Body | None:
    """Return the body of an operation for a dtype's character; None if there is none.

    Raises
    ------
    Exception
        Whatever the module of a plugin's body raises on import.
    """
    if operation in _MADE:
        return _MADE[operation](char)
    target = _target(operation)
    if target is not None:
        return _imported(target)
    function = _standard(operation)
    return None if function is None else Body(function, operation.name.encode())


def _target(operation: Operation) -> str | None:
    return dict(operation.bodies).get("numba")


def _standard(operation: Operation) -> Untyped:
    function = getattr(bodies, operation.name, None)
    return function if _takes(function, operation) else None


def _takes(function: Untyped, operation: Operation) -> bool:
    """Return whether a body takes an operation's arguments; a plugin may reuse the name of a standard operation."""
    return getattr(function, "parameters", None) == tuple(item.name for item in operation.arguments)


def _imported(target: str) -> Body:
    name, _, attribute = target.partition(":")
    module = import_module(name)
    function: Function = getattr(module, attribute)
    return Body(inner(function), _origin(name, target, getattr(module, "__file__", None)))


def _origin(name: str, target: str, file: str | None) -> bytes:
    """Return the target with a hash of its module or its package's folder."""
    if file is None or name == "__main__":
        return b""
    path = Path(file)
    for _ in range(name.count(".") + (path.name == "__init__.py")):
        path = path.parent
    content = sources(path) if path.is_dir() else sha256(path.read_bytes()).digest()
    return target.encode() + content
