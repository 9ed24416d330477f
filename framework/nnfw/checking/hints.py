"""Usual causes of an error in a gradient."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.checking.differences import SMALL, Comparison

_SAME = 1e-3  # relative difference of ratios that count as one


def hint_for(found: Comparison, gradient: Array, elements: Array, examples: int) -> str:
    """Return a hint, or nothing, for the comparison of single `elements` (flat indices) of an analytic gradient."""
    a, n = found.analytic, found.numeric
    if not np.isfinite(a).all():
        return "not finite; backward must overwrite every gradient, not add to it"
    if not np.isfinite(n).all():
        return "the cost is not finite nearby"
    large = np.abs(n) > SMALL * np.max(np.abs(n), initial=0)
    if not large.any():
        return "the cost does not depend on it" if np.any(a) else ""
    if not a[large].any():
        return "backward leaves it 0"
    if gradient.ndim == 2 and min(gradient.shape) > 1:
        swapped = gradient.reshape(gradient.shape[::-1]).T.reshape(-1)[elements]
        if np.allclose(swapped, n, rtol=_SAME, atol=_SAME * SMALL * np.abs(n).max()):
            return "equal after transposing"
    ratios = a[large] / n[large]
    ratio = float(np.median(ratios))
    if np.ptp(ratios) > _SAME * abs(ratio) or abs(ratio - 1) < 1e-9:
        return ""
    return _of_ratio(ratio, examples)


def _of_ratio(ratio: float, examples: int) -> str:
    factor = abs(ratio)
    sign = "the sign is wrong" if ratio < 0 else ""
    if np.isclose(factor, 1, rtol=_SAME):
        return sign or f"a constant factor of {ratio:.6g}"
    if examples > 1 and np.isclose(factor, examples, rtol=_SAME):
        scale = f"N = {examples} times too large: 1/N is missing"
    elif examples > 1 and np.isclose(factor, 1 / examples, rtol=_SAME):
        scale = f"N = {examples} times too small: 1/N is applied twice, or a mean stands for a sum"
    else:
        scale = f"a constant factor of {ratio:.6g}"
    return f"{scale}; {sign}" if sign else scale
