"""The type of an array, and of its shape."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
"""An array of numbers or texts, of any shape: docstrings give shape and dtype."""
