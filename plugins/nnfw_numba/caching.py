"""Compiled functions, cached on disk if possible."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from hashlib import sha256
from inspect import signature
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar, cast

from numba import njit, types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher

from nnfw_numba.untyped import Untyped

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_jit: Untyped = partial(njit, error_model="numpy", nogil=True, no_cfunc_wrapper=True)
"""Compiles without a wrapper for calls from C, which takes time and is not needed: those functions are `native`."""


class Native(Protocol):
    """A C function."""

    address: int


@cache
def sources(folder: Path) -> bytes:
    """Return a hash of all Python files in a folder, since compiled code inlines functions from other files."""
    return sha256(b"\0".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))).digest()


class _Files(IndexDataCacheFile):
    """numba's index, with a data file named after each key.

    numba numbers the data files, so processes that extend an index at the same time give one number to two functions,
    and one of them then runs the other's code.
    """

    def save(self, key: object, data: object) -> None:
        name = f"{Path(self._index_name).stem}.{sha256(repr(key).encode()).hexdigest()[:16]}.nbc"
        self._save_index({**self._load_index(), key: name})  # type: ignore[no-untyped-call]
        self._save_data(name, data)  # type: ignore[no-untyped-call]


class _Cache(FunctionCache):
    """numba's cache without errors: damaged files are replaced, and on a full disk nothing is cached.

    Parameters
    ----------
    function
        The function to compile.
    content
        Identifies what a closure captured; None for a function without closure.
    """

    def __init__(self, function: Callable[..., object], content: bytes | None) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        names = self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp()
        self._cache_file = _Files(*names)  # type: ignore[no-untyped-call]
        self._content = content

    def _index_key(self, signature: Untyped, codegen: Untyped) -> tuple[object, ...]:
        own = sources(Path(__file__).parent)
        if self._content is None:
            return *super()._index_key(signature, codegen), own  # type: ignore[no-untyped-call]
        return signature, codegen.magic_tuple(), self._content, own

    def load_overload(self, *arguments: Untyped) -> Untyped:
        try:
            return super().load_overload(*arguments)  # type: ignore[no-untyped-call]
        except Exception:  # unpickling a damaged file can raise anything
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, *arguments: Untyped) -> None:
        with suppress(OSError):
            super().save_overload(*arguments)  # type: ignore[no-untyped-call]


def inner(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function that is compiled as part of the compiled functions that call it; Python cannot call it."""
    if isinstance(function, Dispatcher):
        return function
    found: Untyped = _jit(forceinline=True, no_cpython_wrapper=True)(function)
    found.parameters = tuple(signature(function).parameters)
    return found  # type: ignore[no-any-return]


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function that is compiled at its first call, and cached on disk if a directory is writable."""
    found = _jit()(function)
    _keep(found, function, None)
    return cast("Callable[Parameters, Result]", found)


def native(function: Callable[..., None], arguments: tuple[types.Type, ...], content: bytes | None = None) -> Native:
    """Compile a function to a C function without result.

    Parameters
    ----------
    function
        A function, or a closure over what `content` identifies.
    arguments
        The types of its arguments.
    content
        Identifies what a closure captured, None by default; empty to keep the code off the disk.
    """
    if content:  # a file per closure: processes that extend one file at the same time would mix up their code
        function.__qualname__ = f"{function.__name__}_{sha256(content).hexdigest()[:16]}"
    found = CFunc(function, (arguments, types.void), {}, {"error_model": "numpy"})
    if content != b"":
        _keep(found, function, content)
    found.compile()
    return cast("Native", found)


def _keep(found: Untyped, function: Callable[..., object], content: bytes | None) -> None:
    with suppress(RuntimeError):  # no directory is writable: each process compiles
        found._cache = _Cache(function, content)
