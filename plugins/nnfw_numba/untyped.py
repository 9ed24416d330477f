"""numba and llvmlite have no types that a checker could use."""

from typing import Any, TypeAlias

Untyped: TypeAlias = Any
"""An object of numba or llvmlite."""
