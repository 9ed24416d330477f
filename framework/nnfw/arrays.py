"""The types of an array and of its shape. Importing `Shape` alone does not import NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

Shape = tuple[int, ...]
"""The shape of an array, or of one example: then without the batch axis."""

Shapes = tuple[Shape, ...]
"""The shapes of several arrays, or of several inputs."""

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    """An array of numbers or texts, of any shape: docstrings give shape and dtype."""
else:

    def __getattr__(name: str) -> object:
        """Return `Array`; the first use imports NumPy."""
        if name != "Array":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from numpy.typing import NDArray

        return NDArray[Any]
