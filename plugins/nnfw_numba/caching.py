"""Compiled functions that are kept on disk where that is possible, and do without where it is not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache


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
    found: Any = njit(error_model="numpy", nogil=True)(function)
    with suppress(RuntimeError):  # no such directory: it is compiled in each process
        found._cache = _Cache(function)  # type: ignore[no-untyped-call]
    return found  # type: ignore[no-any-return]
