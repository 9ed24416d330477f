"""Elementwise activations as operations: those of nnfw_standard, and others that numba can compile."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache

import numpy as np

from nnfw.arrays import Array
from nnfw.ops import Call
from nnfw.ops.operation import Operation, operation
from nnfw.protocols import Elementwise
from nnfw_numba.activations import KNOWN
from nnfw_numba.caching import inner
from nnfw_numba.library import Body, give
from nnfw_numba.sequence import sequence
from nnfw_numba.untyped import Untyped

Pair = tuple[Operation, Operation]

_SAMPLE = (-30.0, -3.0, -1.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 1.0, 3.0, 30.0, float("nan"))
_AGREES = 64
"""Units in the last place, of the result or of 1, by which compiled results may differ from NumPy's."""

_MOST = 64
"""Number of activations whose operations are cached."""


def elementwise(activation: object) -> Pair | None:
    """Return σ(z) and ∂C/∂a ⊙ σ'(z) as operations; None if numba refuses or computes something else.

    Parameters
    ----------
    activation
        One of nnfw_standard, or a dataclass with numbers as options that overrides only `value` and `derivative`. These
        are compiled as functions of single numbers.
    """
    if getattr(type(activation), "__hash__", None) is None:
        return None
    key: Hashable = activation
    if type(activation) in KNOWN:
        return _known(key, KNOWN[type(activation)][2](activation))
    if not (_is_plain(type(activation)) and is_dataclass(activation)):
        return None
    options = {field.name: getattr(activation, field.name) for field in fields(activation)}
    if not all(isinstance(value, int | float) and name[0] != "_" for name, value in options.items()):
        return None  # a named tuple stands in for `self` and allows no other names
    return _compiled(key, tuple(options.items()))


def _is_plain(activation: type) -> bool:
    """Return whether an activation inherits `forward` and `delta`."""
    return all(getattr(activation, name, None) is getattr(Elementwise, name) for name in ("forward", "delta"))


def _operations(activation: Elementwise) -> Pair:
    """Return the operations of an activation, defined by its methods."""

    def forward(z: Array, out: Array) -> None:
        out[...] = activation.value(z)

    def delta(grad_a: Array, z: Array, a: Array, out: Array) -> None:
        np.multiply(grad_a, activation.derivative(z, a), out=out)

    name = type(activation).__name__.lower()
    forward.__name__, delta.__name__ = name, f"{name}_delta"
    read, written = "read n ...", "written n ..."
    return (
        operation(z=read, out=written, cut="n")(forward),
        operation(grad_a=read, z=read, a=read, out=written, cut="n")(delta),
    )


@lru_cache(_MOST)
def _known(activation: Untyped, options: tuple[float, ...]) -> Pair:
    found = _operations(activation)
    for each, function in zip(found, KNOWN[type(activation)], strict=False):
        body = Body(function, each.name.encode(), options)
        give(each, lambda _, body=body: body)  # type: ignore[misc]
    return found


@lru_cache(_MOST)
def _compiled(activation: Untyped, options: tuple[tuple[str, float], ...]) -> Pair | None:
    found = _operations(activation)
    for each, loop in zip(found, (_forward, _delta), strict=True):
        give(each, lambda char, loop=loop: Body(loop(type(activation), options, char), b""))  # type: ignore[misc]
    return found if _agree(activation, *found) else None


@cache
def _forward(activation: type[Elementwise], options: tuple[tuple[str, float], ...], char: str) -> Untyped:
    value, own = inner(activation.value), _options(options, char)

    @inner
    def forward(z: Array, out: Array) -> None:
        for k in range(z.size):
            out.flat[k] = value(own, z.flat[k])

    return forward


@cache
def _delta(activation: type[Elementwise], options: tuple[tuple[str, float], ...], char: str) -> Untyped:
    derivative, own = inner(activation.derivative), _options(options, char)

    @inner
    def delta(grad_a: Array, z: Array, a: Array, out: Array) -> None:
        for k in range(z.size):
            out.flat[k] = grad_a.flat[k] * derivative(own, z.flat[k], a.flat[k])

    return delta


def _options(options: tuple[tuple[str, float], ...], char: str) -> Untyped:
    """Return options as a stand-in for `self` in compiled code, with floats in the dtype of the arrays."""
    kind = namedtuple("Options", [name for name, _ in options])  # type: ignore[misc]
    return kind(*(np.dtype(char).type(value) if isinstance(value, float) else value for _, value in options))


def _agree(activation: Elementwise, forward: Operation, backward: Operation) -> bool:
    """Return whether both compile and agree with the activation on the sample."""
    for dtype in (np.float32, np.float64):
        z = np.array([_SAMPLE], dtype)
        a, delta, ones = np.empty_like(z), np.empty_like(z), np.ones_like(z)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                for step in sequence([Call(forward, (z, a)), Call(backward, (ones, z, a, delta))]):
                    step()
                right = activation.value(z)
                slopes = activation.derivative(z, right)
        except Exception:  # numba can raise anything on code from plugins: use NumPy
            return False
        if not (_close(a, right) and _close(delta, slopes)):
            return False
    return True


def _close(found: Array, right: Array) -> bool:
    tolerance = _AGREES * float(np.finfo(found.dtype).eps)
    return bool(np.allclose(found, right, rtol=tolerance, atol=tolerance, equal_nan=True))
