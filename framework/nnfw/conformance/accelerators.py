"""The checks of accelerators: each of their kernels gives what its definition in NumPy gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.conformance.outcomes import NotApplicable, require
from nnfw.conformance.subjects import Subject
from nnfw.ops import Call, Kernels
from nnfw.ops.accelerators import kernels_from
from nnfw.ops.active import NAMES
from nnfw.ops.checked import RESULTS, TOLERANCE, difference
from nnfw.plugins import Registry
from nnfw.plugins.specs import normalised

ACCELERATOR, KERNEL = "accelerator", "kernel"

_DTYPES = (np.float32, np.float64)
_SIZES = (0, 1, 5, 64, 1003)
_LAYOUTS: tuple[Callable[[Array], Array], ...] = (
    lambda a: a,
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    lambda a: a[..., ::-1].copy()[..., ::-1],
    np.asfortranarray,
)
_SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, 1e30)


def accelerators_of(what: Any, registry: Registry) -> list[Subject]:
    """Return the accelerators that a name means: ``numba``, ``accelerator:numba``, or a distribution's."""
    return [
        Subject(ACCELERATOR, f"{ACCELERATOR} {spec.name}", spec, registry)
        for spec, plugin in registry.accelerators
        if isinstance(what, str)
        and (what in (spec.name, f"{ACCELERATOR}:{spec.name}") or normalised(what) == plugin.distribution)
    ]


def kernel_checks() -> Iterator[tuple[str, Callable[[Subject], None]]]:
    """Yield the id and the function of the check of every kernel."""
    for name in NAMES:
        yield f"{KERNEL}.{name}", _check_of(name)


def _check_of(name: str) -> Callable[[Subject], None]:
    recorded = bool(RESULTS.get(name, (2,)))  # what returns a number is no part of a recording

    def check(subject: Subject) -> None:
        chosen = _kernels(subject)
        for arguments, same in zip(_cases(name), _cases(name), strict=True):
            what = f"for arrays of {arguments[0].dtype}, shape {arguments[0].shape}, it"
            found = difference(name, getattr(chosen, name), arguments)
            require(not found, f"{what} {found}.")
            found = difference(name, partial(_in_a_sequence, chosen, name), same) if recorded else ""
            require(not found, f"{what}, in a sequence, {found}.")

    check.__doc__ = (
        f"`{name}` gives what its definition gives, to {TOLERANCE} units in the last place"
        f"{', by itself and in a `sequence`' if recorded else ''}."
    )
    return check


def _in_a_sequence(chosen: Kernels, name: str, *arguments: Any) -> None:
    for step in chosen.sequence([Call(name, getattr(chosen, name), arguments)]):
        step()


def _kernels(subject: Subject) -> Kernels:
    try:
        return kernels_from(subject.reference, subject.registry)
    except ModuleNotFoundError as error:
        raise NotApplicable(f"{error}. {subject.reference.summary}") from error


def _cases(name: str) -> Iterator[tuple[Any, ...]]:
    """Yield arguments of both dtypes, of several sizes and layouts in memory, ordinary and special."""
    rng = np.random.default_rng(0)
    for dtype in _DTYPES:
        for size in _SIZES:
            values = [rng.standard_normal((size, _WIDTH)).astype(dtype) for _ in range(4)]
            for arguments in _ARGUMENTS[name](*values):
                for layout in _LAYOUTS:
                    yield tuple(layout(item.copy()) if isinstance(item, np.ndarray) else item for item in arguments)
        special = np.resize(np.array(_SPECIAL, dtype), (7, _WIDTH))
        yield from _ARGUMENTS[name](*(rng.permutation(special) for _ in range(4)))


_WIDTH = 3


def _unary(z: Array, out: Array, *_: Array) -> list[tuple[Any, ...]]:
    return [(z, out), (30 * z, out)]


def _delta(grad_a: Array, a: Array, out: Array, _: Array) -> list[tuple[Any, ...]]:
    return [(grad_a, np.maximum(np.tanh(a), 0), out)]


def _softmax(z: Array, out: Array, row: Array, _: Array) -> list[tuple[Any, ...]]:
    rows = row[:, :1]
    return [(z, rows, out), (30 * z, rows, out), (_twice(z), _twice(rows), _twice(out))]


def _label_residual(a: Array, y: Array, out: Array, _: Array) -> list[tuple[Any, ...]]:
    return [
        (form(a), form(labels), share, form(out))
        for form in (np.copy, _twice)
        for labels in (np.abs(y), _classes(y))
        for share in (0.0, 0.25)
    ]


def _twice(array: Array) -> Array:
    """Return two rows for each example, ``(n, 2, ...)``, the other in another order."""
    return np.stack([array, array[::-1]], axis=1)


def _classes(like: Array) -> Array:
    return np.arange(len(like)) % _WIDTH


_ARGUMENTS: dict[str, Callable[..., list[tuple[Any, ...]]]] = {
    "product": lambda a, b, c, _: [(a, b[:_WIDTH].T[:_WIDTH], c[:, : len(b[:_WIDTH])]), (a.T, b, c[:_WIDTH])][
        : len(a) // 3
    ],
    "add_bias": lambda z, b, *_: [(z, b.ravel()[:_WIDTH])][: len(z)],
    "sum_examples": lambda delta, b, *_: [(delta, b.ravel()[:_WIDTH])][: len(delta)],
    "take": lambda source, out, *_: [(source, np.arange(len(source))[::-1] // 2, out)],
    "sigmoid": _unary,
    "sigmoid_delta": _delta,
    "tanh": _unary,
    "tanh_delta": _delta,
    "relu": _unary,
    "relu_delta": _delta,
    "softmax": _softmax,
    "residual": lambda a, y, out, _: [(a, y, out)],
    "label_residual": _label_residual,
    "weigh": lambda gradient, weight, *_: [(gradient, np.abs(weight[:, 0]))],
    "squared_distance": lambda a, y, *_: [(a, y)],
    "logistic_loss": lambda z, y, *_: [(z, np.abs(np.tanh(y)))],
    "class_loss": lambda z, y, *_: [(z, _classes(y)), (30 * z, _classes(y))],
    "sgd": lambda v, g, *_: [(v.ravel(), g.ravel(), 0.1)],
    "momentum": lambda v, g, m, _: [(v.ravel(), g.ravel(), m.ravel(), 0.9, 0.1, ahead) for ahead in (False, True)],
    "adam": lambda v, g, m, s: [(v.ravel(), g.ravel(), m.ravel(), np.abs(s).ravel(), 0.9, 0.999, 0.1, 1e-8)],
    "rmsprop": lambda v, g, r, s: [
        (v.ravel(), g.ravel(), np.abs(r).ravel(), s.ravel(), kept, 0.1, 1e-8) for kept in (0.9, 1.0)
    ],
}
"""What each kernel is called with, made of four arrays ``(n, 3)``."""
