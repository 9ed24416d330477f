"""Which body an operation has: one made for it, one that its plugin brings, or a standard one of its name."""

from __future__ import annotations

import inspect
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
    """What compiled programs call for an operation.

    Parameters
    ----------
    function
        Takes the options, and then what the definition takes.
    origin
        Identifies the source of the function, for code that is kept on disk; empty if it is not.
    options
        Numbers that come before the arguments.
    """

    function: Untyped
    origin: bytes
    options: tuple[float, ...] = ()


_MADE: WeakKeyDictionary[Operation, Callable[[str], Body]] = WeakKeyDictionary()


def give(operation: Operation, body: Callable[[str], Body]) -> None:
    """Give an operation that was made on the spot its body, for each dtype by its character."""
    _MADE[operation] = body


def has_body(operation: Operation) -> bool:
    """Return whether there is a body for an operation, which may yet turn out not to compile."""
    return operation in _MADE or _target(operation) is not None or _standard(operation) is not None


def find(operation: Operation, char: str) -> Body | None:
    """Return the body of an operation for arrays of a dtype; None if there is none.

    Raises
    ------
    Exception
        Whatever goes wrong while the module of a plugin's body is imported.
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
    """Return whether a standard body takes the arguments of an operation, which another plugin may call the same."""
    own = getattr(function, "py_func", None)
    return own is not None and [*inspect.signature(own).parameters] == [item.name for item in operation.arguments]


def _imported(target: str) -> Body:
    name, _, attribute = target.partition(":")
    module = import_module(name)
    function: Function = getattr(module, attribute)
    compiled = function if hasattr(function, "py_func") else inner(function)
    return Body(compiled, _origin(name, target, getattr(module, "__file__", None)))


def _origin(name: str, target: str, file: str | None) -> bytes:
    """Return the target with a hash of its module, or of the folder of its package."""
    if file is None or name == "__main__":
        return b""
    path = Path(file)
    for _ in range(name.count(".") + (path.name == "__init__.py")):
        path = path.parent
    content = sources(path) if path.is_dir() else sha256(path.read_bytes()).digest()
    return target.encode() + content
