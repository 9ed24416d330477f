"""The BLAS that SciPy brings, as compiled loops call it: where gemm lies, and how many threads it takes."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from numba.extending import get_cython_function_address
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]


class Threads(NamedTuple):
    """Addresses of the functions ``int get(void)`` and ``void set(int)``."""

    get: int
    set: int


@cache
def gemm(char: str) -> int:
    """Return where gemm for the dtype of this character lies."""
    import scipy.linalg.cython_blas  # noqa: F401 - it must be loaded

    name = {"f": "sgemm", "d": "dgemm"}[char]
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))


@cache
def threads() -> Threads | None:
    """Return how the threads of SciPy's BLAS are counted; None if it is no OpenBLAS that has threads of its own."""
    gemm("f")
    found = [item for item in threadpool_info() if item["internal_api"] == "openblas"]
    chosen = [item for item in found if len(found) == 1 or Path(item["filepath"]).parent.name == "scipy.libs"]
    if len(chosen) != 1 or chosen[0]["threading_layer"] != "pthreads":
        return None
    library: Any = ctypes.CDLL(chosen[0]["filepath"])
    for prefix in ("scipy_", ""):
        names = (f"{prefix}openblas_{verb}_num_threads" for verb in ("get", "set"))
        functions = [getattr(library, name, None) for name in names]
        if all(functions):
            return Threads(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions))  # type: ignore[arg-type]
    return None


def number_of_threads() -> int:
    """Return how many threads SciPy's BLAS takes at present; 1 if nothing is known of it."""
    found = threads()
    return 1 if found is None else int(ctypes.CFUNCTYPE(ctypes.c_int)(found.get)())
