"""The types of an array and of its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[Any]"  # a text, since the command line reads this module before it needs NumPy
"""An array of numbers or texts, of any shape: docstrings give shape and dtype."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of an array, or of one example: then without the batch axis."""
