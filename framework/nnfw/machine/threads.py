"""The threads of OpenBLAS: how many a product of some size gets, and a limit for what others compute with it.

OpenBLAS splits every product of half a million multiplications or more, some 10 µs, among threads. Other cores save
little of that, and a busy core can delay the product by milliseconds. So a product of medium size gets one thread here.
The choice depends on shapes alone, not on the load of the machine, so a training can be repeated to the bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import PyDLL
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from nnfw.arrays import Array

_SHARED, _LARGE = 460_800, 11_000_000
"""Multiplications from which OpenBLAS splits a product, and from which it may: a quarter of a millisecond. It starts at
460,800 if one operand is a vector, and otherwise at 524,289 or more."""

_LONG = 10_000
"""Numbers in the longest vector whose sum OpenBLAS never splits."""


def multiplication(a: Array, out: Array) -> Callable[[Array, Array, Array], object]:
    """Return the function that computes out ← a b, on one thread or on all, depending on the size."""
    work = out.size * a.shape[-1]
    limit = limit_of("numpy") if work >= _SHARED else None
    if limit is None or limit.threads == 1:  # then several Python threads may multiply at the same time
        return np.matmul
    return limit.multiply_on_all if work >= _LARGE else limit.multiply_on_one


def sum_of_squares(array: Array) -> float:
    """Return Σ a², on one thread."""
    if array.size <= _LONG:
        return float(np.vdot(array, array))
    flat = array.reshape(-1)
    parts = (flat[start : start + _LONG] for start in range(0, flat.size, _LONG))
    return float(sum(np.vdot(part, part) for part in parts))


@cache
def limit_of(package: str) -> Limit | None:
    """Return the limit of a package's OpenBLAS; None if it has none with threads of its own."""
    library = openblas(package)
    if library is None or library["threading_layer"] != "pthreads":
        return None
    return _limit(library["filepath"])


@contextmanager
def one_thread_in_scipy(users: int = 1) -> Iterator[None]:
    """Limit SciPy's BLAS to one thread in the body; with ``users=-1``, lift one such limit there."""
    limit = limit_of("scipy")
    if limit is None:
        yield
        return
    limit.change(users)
    try:
        yield
    finally:
        limit.change(-users)


def openblas(package: str) -> Mapping[str, Any] | None:
    """Return the OpenBLAS that ``"numpy"`` or ``"scipy"`` computes with, as threadpoolctl describes it; else None.

    Each wheel ships its own; elsewhere, as in conda, both share one.
    """
    if package == "scipy":
        import scipy.linalg.cython_blas  # noqa: F401 - what is not loaded is not found
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    found = [(_owner(Path(item["filepath"])), item) for item in threadpool_info() if item["internal_api"] == "openblas"]
    own = [item for owner, item in found if owner == package] or [item for owner, item in found if not owner]
    return own[0] if len(own) == 1 else None


def _owner(library: Path) -> str:
    """Return the package that a library came with, from ``numpy.libs/x.so`` or ``numpy/.dylibs/x.dylib``; else ""."""
    folder = library.parent.parent if library.parent.name == ".dylibs" else library.parent
    name = folder.name.removesuffix(".libs")
    return name if name in ("numpy", "scipy") else ""


class Limit:
    """Keeps the OpenBLAS in the file `path` on one thread while any user in any Python thread wants that."""

    def __init__(self, path: str) -> None:
        self._get, self._set = _function(path, "get"), _function(path, "set")
        self._users = self._threads = 0
        self._lock = RLock()  # products hold it too: their bits depend on the number of threads
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._begin_in_child
            )

    @property
    def threads(self) -> int:
        """How many threads it has without a limit."""
        with self._lock:
            return self._threads if self._users else int(self._get())

    def change(self, users: int) -> int:
        """Add users who want one thread, or remove them if negative; return the number of threads without a limit."""
        with self._lock:
            if not self._users:
                self._threads = int(self._get())
            self._users += users
            if self._threads > 1:
                self._set(1 if self._users else self._threads)
            return self._threads

    def multiply_on_one(self, a: Array, b: Array, out: Array) -> None:
        """Compute out ← a b on one thread."""
        with self._lock:
            threads = self._get()
            try:  # a Ctrl-C may come between any two lines
                self._set(1)
                np.matmul(a, b, out)
            finally:
                self._set(threads)

    def multiply_on_all(self, a: Array, b: Array, out: Array) -> None:
        """Compute out ← a b on as many threads as BLAS chooses, once no other product of nnfw limits them."""
        with self._lock:
            np.matmul(a, b, out)

    def _begin_in_child(self) -> None:
        """Lift the limits of other threads, which do not exist in the child; the one that forks sets none."""
        self._lock.release()
        if self._users:
            self.change(-self._users)


_limit = cache(Limit)  # one for each library: both packages may share one


def _function(path: str, verb: str) -> Callable[..., int]:
    """Return OpenBLAS's function that gets or sets the number of threads, under its name in this build."""
    library = PyDLL(path)  # which keeps the GIL: the calls are short
    names = [f"{prefix}openblas_{verb}_num_threads{end}" for prefix in ("scipy_", "") for end in ("64_", "_64", "")]
    found: Callable[..., int] = getattr(library, next(name for name in names if hasattr(library, name)))
    return found
