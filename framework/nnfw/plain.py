"""Plain values: what a TOML or JSON file can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import TypeAlias

Plain: TypeAlias = "bool | int | float | str | date | time | Sequence[Plain] | Mapping[str, Plain] | None"
"""A value of such a file; a datetime is a date too."""

PlainTable: TypeAlias = Mapping[str, Plain]
"""A table of plain values, as read from a file or ready to be written."""


def jsonable(value: object) -> Plain:
    """Return `value` as numbers, texts, lists and tables for strict JSON; numbers that are not finite become None.

    Examples
    --------
    >>> jsonable({"cost": float("nan"), "shape": (2, 3)})
    {'cost': None, 'shape': [2, 3]}
    """
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return jsonable(value.tolist()) if hasattr(value, "tolist") else str(value)  # NumPy's arrays and numbers
