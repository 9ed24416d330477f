"""The BLAS that SciPy brings, as compiled loops call it."""

from __future__ import annotations

from functools import cache

from numba.extending import get_cython_function_address


@cache
def gemm(char: str) -> int:
    """Return where gemm for the dtype of this character lies."""
    import scipy.linalg.cython_blas  # noqa: F401 - it must be loaded

    name = {"f": "sgemm", "d": "dgemm"}[char]
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))
