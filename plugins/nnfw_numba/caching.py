"""Compiled functions that are kept on disk where that is possible, and do without where it is not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc


@cache
def _sources() -> bytes:
    """Return a hash of this package. Compiled code holds that of the functions which it calls, in other files too."""
    return sha256(b"\0".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))).digest()


class _Cache(FunctionCache):
    """numba's cache, for which no file is worth an error: damaged ones are replaced, a full disk keeps none."""

    def _index_key(self, *arguments: Any) -> Any:
        return *super()._index_key(*arguments), _sources()  # type: ignore[no-untyped-call]

    def load_overload(self, *arguments: Any) -> Any:
        try:
            return super().load_overload(*arguments)  # type: ignore[no-untyped-call]
        except Exception:  # whatever the bytes of a damaged file lead to
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, *arguments: Any) -> None:
        with suppress(OSError):
            super().save_overload(*arguments)  # type: ignore[no-untyped-call]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is compiled when it is called, and kept on disk where a directory may be written to."""
    found = njit(error_model="numpy", nogil=True)(function)
    _keep(found, function)
    return found


def native(function: Callable[..., None], *arguments: types.Type) -> CFunc:
    """Return a C function that returns nothing, compiled now and kept on disk likewise; it lies at its `address`."""
    found = CFunc(function, (arguments, types.void), {}, {"error_model": "numpy"})
    _keep(found, function)
    found.compile()
    return found


def _keep(found: Any, function: Callable[..., Any]) -> None:
    with suppress(RuntimeError):  # no directory may be written to: it is compiled in each process
        found._cache = _Cache(function)  # type: ignore[no-untyped-call]
