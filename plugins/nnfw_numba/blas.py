"""The BLAS that SciPy brings, as compiled loops call it: where gemm lies, and how many threads it takes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from llvmlite import binding  # type: ignore[import-untyped]
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
    """Return how the threads of SciPy's BLAS are told; None if it is no OpenBLAS that has threads of its own."""
    library = _library()
    if library is None:
        return None
    binding.load_library_permanently(library["filepath"])  # it is there already: now its names are found
    for prefix in ("scipy_", ""):
        places = [binding.address_of_symbol(f"{prefix}openblas_{verb}_num_threads") for verb in ("get", "set")]
        if all(places):
            return Threads(*places)
    return None


def number_of_threads() -> int:
    """Return how many threads SciPy's BLAS takes at present; 1 if nothing is known of it."""
    library = _library()
    return 1 if library is None else int(library["num_threads"])


def _library() -> dict[str, Any] | None:
    gemm("f")
    libraries = [(Path(item["filepath"]).parent.name, item) for item in threadpool_info()]
    # an OpenBLAS of NumPy's wheels serves NumPy alone
    found = [pair for pair in libraries if pair[1]["internal_api"] == "openblas" and pair[0] != "numpy.libs"]
    chosen = [item for folder, item in found if len(found) == 1 or folder == "scipy.libs"]
    return chosen[0] if len(chosen) == 1 and chosen[0]["threading_layer"] == "pthreads" else None
