"""Elementwise activations as loops: those of nnfw_standard, and anybody's from their own two methods if numba can."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from dataclasses import fields
from functools import cache, partial
from typing import Any

import numpy as np
from numba import njit

from nnfw.arrays import Array
from nnfw.ops import Argument, Operation
from nnfw.protocols import Elementwise
from nnfw_numba.activations import KNOWN

Kernel = Callable[..., Any]

_SAMPLE = (-30.0, -3.0, -1.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 1.0, 3.0, 30.0, float("nan"))
_AGREES = 64
"""Units in the last place, of the result or of 1, by which compiled results may differ from NumPy's on the sample."""


_AXES = ("n", "...")
_FORWARD = (Argument("z", "read", _AXES), Argument("out", "written", _AXES))
_DELTA = (*(Argument(name, "read", _AXES) for name in ("grad_a", "z", "a")), Argument("out", "written", _AXES))


def elementwise(activation: Any) -> tuple[Operation, Operation] | None:
    """Return σ(z) and ∂C/∂a ⊙ σ'(z) as operations; None where numba refuses or finds something else."""
    found = _compiled_loops(activation)
    if found is None:
        return None
    name = type(activation).__name__
    return Operation(name, found[0], _FORWARD, "n"), Operation(f"{name}_delta", found[1], _DELTA, "n")


def _compiled_loops(activation: Any) -> tuple[Kernel, Kernel] | None:
    """Return σ(z) and ∂C/∂a ⊙ σ'(z) as loops over the elements; None where numba refuses or finds something else.

    Parameters
    ----------
    activation
        One of nnfw_standard, or one with options that are numbers, and only `value` and `derivative` of its own. These
        are compiled as functions of one number each.
    """
    if type(activation) in KNOWN:
        forward, delta, options_of = KNOWN[type(activation)]
        return partial(forward, *options_of(activation)), partial(delta, *options_of(activation))
    if not _is_plain(type(activation)):
        return None
    options = {field.name: getattr(activation, field.name) for field in fields(activation)}
    if not all(isinstance(value, int | float) and name[0] != "_" for name, value in options.items()):
        return None  # a named tuple, which stands for `self`, takes no other names
    of_dtype = {dtype: _options(tuple(options), tuple(options.values()), dtype) for dtype in "fd"}
    value, slope = _loops(type(activation))  # type: ignore[arg-type]

    def sigma(z: Array, out: Array) -> None:
        value(of_dtype[z.dtype.char], z, out)

    def backward(grad_a: Array, z: Array, a: Array, out: Array) -> None:
        slope(of_dtype[z.dtype.char], grad_a, z, a, out)

    return (sigma, backward) if _agree(activation, sigma, backward) else None


def _is_plain(activation: type) -> bool:
    """Return whether an activation is no more than its `value` and `derivative`."""
    return all(getattr(activation, name, None) is getattr(Elementwise, name) for name in ("forward", "delta"))


def _options(names: tuple[str, ...], values: tuple[Any, ...], dtype: str) -> Any:
    """Return options as something that numba takes for `self`, its fractions in the dtype of the arrays."""
    kind = namedtuple("Options", names)  # type: ignore[misc]
    return kind(*(np.dtype(dtype).type(value) if isinstance(value, float) else value for value in values))


@cache
def _loops(activation: type) -> tuple[Kernel, Kernel]:
    value, derivative = (njit(error_model="numpy")(getattr(activation, name)) for name in ("value", "derivative"))

    @njit(error_model="numpy", nogil=True)
    def forward(options: Any, z: Array, out: Array) -> None:
        for k in range(z.size):
            out.flat[k] = value(options, z.flat[k])

    @njit(error_model="numpy", nogil=True)
    def delta(options: Any, grad_a: Array, z: Array, a: Array, out: Array) -> None:
        for k in range(z.size):
            out.flat[k] = grad_a.flat[k] * derivative(options, z.flat[k], a.flat[k])

    return forward, delta


def _agree(activation: Any, forward: Kernel, backward: Kernel) -> bool:
    """Return whether both compile, and give on the sample what the activation itself gives."""
    for dtype in (np.float32, np.float64):
        z = np.array(_SAMPLE, dtype)
        a, delta, ones = np.empty_like(z), np.empty_like(z), np.ones_like(z)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                forward(z, a)
                backward(ones, z, a, delta)
                right = activation.value(z)
                slopes = activation.derivative(z, right)
        except Exception:  # whatever numba finds in a stranger's code: it stays plain
            return False
        if not (_close(a, right) and _close(delta, slopes)):
            return False
    return True


def _close(found: Array, right: Any) -> bool:
    tolerance = _AGREES * float(np.finfo(found.dtype).eps)
    return bool(np.allclose(found, right, rtol=tolerance, atol=tolerance, equal_nan=True))
