"""The checks of accelerators: each of their kernels gives what its definition in NumPy gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnfw.compute import Kernels
from nnfw.compute.accelerators import kernels_from
from nnfw.compute.loops import NAMES, TOLERANCE, difference
from nnfw.plugins import Registry
from nnfw.plugins.specs import normalised
from nnfw.testing.outcomes import NotApplicable, require
from nnfw.testing.subjects import Subject

Array = NDArray[Any]

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
    def check(subject: Subject) -> None:
        chosen = _kernels(subject)
        for arguments in _cases(name):
            found = difference(name, getattr(chosen, name), arguments)
            require(not found, f"for arrays of {arguments[0].dtype}, shape {arguments[0].shape}, it {found}.")

    check.__doc__ = f"`{name}` gives what its definition gives, to {TOLERANCE} units in the last place."
    return check


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
            for layout in _LAYOUTS:
                yield _arguments(name, [rng.standard_normal(size).astype(dtype) for _ in range(4)], layout)
        special = np.resize(np.array(_SPECIAL, dtype), 21)
        yield _arguments(name, [rng.permutation(special) for _ in range(4)], _LAYOUTS[0])


def _arguments(name: str, values: list[Array], layout: Callable[[Array], Array]) -> tuple[Any, ...]:
    if name in ("sgd", "momentum", "adam", "rmsprop"):
        vector, gradient, mean = (layout(item.copy()) for item in values[:3])
        square, scratch = (layout(np.abs(values[3])) for _ in range(2))
        return {
            "sgd": (vector, gradient, 0.1),
            "momentum": (vector, gradient, mean, 0.9, 0.1, len(vector) % 2 == 0),
            "adam": (vector, gradient, mean, square, 0.9, 0.999, 0.1, 1e-8),
            "rmsprop": (vector, gradient, square, scratch, 0.9, 0.1, 1e-8),
        }[name]
    shape = (-1, 1) if len(values[0]) % 5 else (-1, 5) if len(values[0]) else (0, 3)
    grad_a, a, out = (layout(item.reshape(shape)) for item in (values[0], np.tanh(values[1]), values[2]))
    return grad_a, layout(np.maximum(a, 0)) if name == "relu_delta" else a, out
