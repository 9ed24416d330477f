"""A name for objects of numba and llvmlite, which have no usable types."""

from typing import Any, TypeAlias

Untyped: TypeAlias = Any
"""An object of numba or llvmlite."""
