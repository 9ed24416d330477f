"""Elementwise activations as operations: those of nnfw_standard, and others that numba can compile."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache, partial

import numpy as np

from nnfw.arrays import Array
from nnfw.ops import Call
from nnfw.ops.operation import Operation, operation
from nnfw.protocols import Elementwise
from nnfw_numba.activations import KNOWN
from nnfw_numba.bodies import per_element
from nnfw_numba.caching import inner
from nnfw_numba.library import Body, give
from nnfw_numba.sequence import sequence
from nnfw_numba.untyped import Number, Untyped

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
        return _known(activation)
    if not (_is_plain(type(activation)) and is_dataclass(activation)):
        return None
    options = {field.name: getattr(activation, field.name) for field in fields(activation)}
    if not all(isinstance(value, int | float) and name[0] != "_" for name, value in options.items()):
        return None  # a named tuple stands in for `self` and allows no other names
    return _compiled(key, tuple(options.items()))


def _is_plain(activation: type) -> bool:
    """Return whether an activation inherits `forward` and `delta`."""
    return all(getattr(activation, name, None) is getattr(Elementwise, name) for name in ("forward", "delta"))


@lru_cache(_MOST)
def _known(activation: Untyped) -> Pair:
    *loops, options = KNOWN[type(activation)]
    name = type(activation).__name__
    return _operations(activation, lambda k, _: Body(loops[k], f"{name} {k}".encode(), options(activation)))


@lru_cache(_MOST)
def _compiled(activation: Untyped, options: tuple[tuple[str, float], ...]) -> Pair | None:
    loops = cache(partial(_loops, type(activation), options))
    found = _operations(activation, lambda k, char: Body(loops(char)[k], b""))
    return found if _agree(activation, *found) else None


def _operations(activation: Elementwise, body: Callable[[int, str], Body]) -> Pair:
    """Return the operations of an activation, defined by its methods; `body` takes 0 or 1 and a dtype's character."""

    def forward(z: Array, out: Array) -> None:
        out[...] = activation.value(z)

    def delta(grad_a: Array, z: Array, a: Array, out: Array) -> None:
        np.multiply(grad_a, activation.derivative(z, a), out=out)

    name = type(activation).__name__.lower()
    forward.__name__, delta.__name__ = name, f"{name}_delta"
    read, written = "read n ...", "written n ..."
    found = (
        operation(z=read, out=written, cut="n")(forward),
        operation(grad_a=read, z=read, a=read, out=written, cut="n")(delta),
    )
    for k, each in enumerate(found):
        give(each, partial(body, k))
    return found


def _loops(activation: type[Elementwise], options: tuple[tuple[str, float], ...], char: str) -> tuple[Untyped, Untyped]:
    value, derivative, own = inner(activation.value), inner(activation.derivative), _options(options, char)

    def forward(z: Number) -> Number:
        return value(own, z)

    def delta(grad_a: Number, z: Number, a: Number) -> Number:
        return grad_a * derivative(own, z, a)

    return per_element(forward), per_element(delta)


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
