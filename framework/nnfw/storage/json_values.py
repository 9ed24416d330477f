"""Values that strict JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nnfw.plain import Plain


def jsonable(value: object) -> Plain:
    """Return `value` as plain numbers, texts, lists and tables; numbers that are not finite become None.

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
