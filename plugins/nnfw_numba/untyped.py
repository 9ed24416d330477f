"""Names for what has no usable types."""

from typing import Any, TypeAlias

Untyped: TypeAlias = Any
"""An object of numba or llvmlite."""

Number: TypeAlias = Any
"""A float32 or float64 in compiled code."""
