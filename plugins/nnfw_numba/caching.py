"""Compiled functions, kept on disk where that is possible and compiled in each process where it is not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar, cast

from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

from nnfw_numba.untyped import Untyped

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Native(Protocol):
    """A C function."""

    address: int


@cache
def sources(folder: Path) -> bytes:
    """Return a hash of the Python files in a folder. Compiled code contains functions from other files too."""
    return sha256(b"\0".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))).digest()


class _Cache(FunctionCache):
    """numba's cache, except that no file is worth an error: damaged files are replaced, a full disk keeps nothing.

    Parameters
    ----------
    function
        What is compiled.
    content
        Identifies what a closure was made of, beside its signature; None for a function without closure.
    """

    def __init__(self, function: Callable[..., object], content: bytes | None) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._content = content

    def _index_key(self, signature: Untyped, codegen: Untyped) -> tuple[object, ...]:
        own = sources(Path(__file__).parent)
        if self._content is None:
            return *super()._index_key(signature, codegen), own  # type: ignore[no-untyped-call]
        return signature, codegen.magic_tuple(), self._content, own

    def load_overload(self, *arguments: Untyped) -> Untyped:
        try:
            return super().load_overload(*arguments)  # type: ignore[no-untyped-call]
        except Exception:  # whatever the bytes of a damaged file lead to
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, *arguments: Untyped) -> None:
        with suppress(OSError):
            super().save_overload(*arguments)  # type: ignore[no-untyped-call]


def inner(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function that other compiled functions call, and that is compiled as part of them."""
    return cast("Callable[Parameters, Result]", njit(error_model="numpy", nogil=True)(function))


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function that is compiled when it is first called, and kept on disk where a directory is writable."""
    found = inner(function)
    _keep(found, function, None)
    return found


def native(function: Callable[..., None], arguments: tuple[types.Type, ...], content: bytes | None = None) -> Native:
    """Return a C function that returns nothing, compiled now.

    Parameters
    ----------
    function
        A function, or a closure over what `content` identifies.
    arguments
        The types of its arguments.
    content
        For a closure, what it was made of; an empty one is not kept on disk.
    """
    if content:  # a file of its own: processes that add to one at the same time would take each other's code
        function.__qualname__ = f"{function.__name__}_{sha256(content).hexdigest()[:16]}"
    found = CFunc(function, (arguments, types.void), {}, {"error_model": "numpy"})
    if content != b"":
        _keep(found, function, content)
    found.compile()
    return cast("Native", found)


def _keep(found: Untyped, function: Callable[..., object], content: bytes | None) -> None:
    with suppress(RuntimeError):  # no directory is writable: it is compiled in each process
        found._cache = _Cache(function, content)
