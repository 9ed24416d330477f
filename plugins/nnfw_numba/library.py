"""The body of an operation: one made for it, one from its plugin, or the standard one of its name."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

from nnfw.ops.operation import Function, Operation
from nnfw_numba import attention, augmentation, bodies, costs, ctc, normalization, over_time, recurrence, tables
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


_BODIES = {
    "nnfw.ops.definitions": bodies,
    "nnfw_standard.operations": bodies,
    "nnfw_standard.image_operations": bodies,
    "nnfw_standard.attention_operations": attention,
    "nnfw_standard.augmentation_operations": augmentation,
    "nnfw_standard.ctc_operations": ctc,
    "nnfw_standard.cost_operations": costs,
    "nnfw_standard.normalization_operations": normalization,
    "nnfw_standard.sequence_operations": recurrence,
    "nnfw_standard.table_operations": tables,
    "nnfw_standard.time_operations": over_time,
}
"""Where the bodies of the standard operations are, by the module of their definitions."""

_MADE: WeakKeyDictionary[Operation, Callable[[str], Body]] = WeakKeyDictionary()


def give(operation: Operation, body: Callable[[str], Body]) -> None:
    """Set the body of an operation made at run time; `body` takes a dtype's character."""
    _MADE[operation] = body


def body_of(operation: Operation) -> Callable[[str], Body] | None:
    """Return a function that gives an operation's body for a dtype's character; None if there is no body.

    A body may still fail to compile, and a plugin's may fail to import.
    """
    target = dict(operation.bodies).get("numba")
    function = getattr(_BODIES.get(operation.definition.__module__), operation.name, None)
    if operation in _MADE:
        return _MADE[operation]
    if target is not None:
        return lambda _: _imported(target)
    if getattr(function, "parameters", None) == tuple(item.name for item in operation.arguments):
        return lambda _: Body(function, operation.name.encode())
    return None


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
