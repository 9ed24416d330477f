"""Kernels against their definitions."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import PluginError
from nnfw.ops.active import DEFINITIONS, NAMES, Kernel, Kernels

TOLERANCE = 4
"""Units in the last place by which a kernel may differ: of the largest number that an element is made of, and for a sum
of n terms √n times those of the sum of their sizes. What is smaller than the smallest normal number may be 0."""

RESULTS = {
    "add_bias": (0,),
    "sum_examples": (1,),
    "sigmoid": (1,),
    "tanh": (1,),
    "relu": (1,),
    "weigh": (0,),
    "label_residual": (3,),
    "squared_distance": (),
    "logistic_loss": (),
    "class_loss": (),
    "sgd": (0,),
    "momentum": (0, 2),
    "adam": (0, 2, 3),
    "rmsprop": (0, 2),
}
"""Positions of the arrays that hold a kernel's results, 2 unless it is listed; others may hold anything afterwards."""


def checked(chosen: Kernels, owner: str) -> Kernels:
    """Return kernels that are compared with their definitions at every call, for NNFW_CHECK_KERNELS=1.

    Raises
    ------
    PluginError
        From the kernel that gives something else; names it and the accelerator.
    """
    return Kernels(**{name: _compared(name, getattr(chosen, name), owner) for name in NAMES})


def difference(name: str, function: Kernel, arguments: tuple[Any, ...]) -> str:
    """Return how a kernel's results differ from those of its definition, or nothing.

    Parameters
    ----------
    name, function
        The kernel.
    arguments
        What it is called with, and changes.
    """
    return _compare(name, function, arguments)[0]


def _compare(name: str, function: Kernel, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    """Return the difference, and what the kernel returned."""
    before, expected = ([np.copy(item) if isinstance(item, np.ndarray) else item for item in arguments] for _ in "be")
    with np.errstate(all="ignore"):
        right = getattr(DEFINITIONS, name)(*expected)
        terms = _TERMS[name](before) if name in _TERMS else 0.0
    returned = function(*arguments)
    in_place = name in ("sgd", "momentum", "adam", "rmsprop")
    pairs = [(arguments[k], expected[k], np.abs(before[k]) if in_place else terms) for k in RESULTS.get(name, (2,))]
    pairs += [] if right is None else [(np.asarray(returned), np.asarray(right), terms)]
    dtype = arguments[0].dtype
    info = np.finfo(dtype if dtype.kind == "f" else np.float64)  # whole numbers, such as labels that are taken
    epsilon, smallest = TOLERANCE * float(info.eps), float(info.smallest_normal)
    for found, definition, terms in pairs:
        with np.errstate(all="ignore"):
            close = np.abs(found - definition) <= epsilon * np.maximum(np.abs(definition), terms) + smallest
        close |= (found == definition) | (np.isnan(found) & np.isnan(definition))
        if not close.all():
            where = tuple(map(int, np.argwhere(~close)[0]))
            return f"gives {found[where]:.9g} at {list(where)}, its definition {definition[where]:.9g}", returned
    return "", returned


def _residual_terms(given: list[Any]) -> Any:
    a, y = given[:2]
    return np.maximum(np.abs(a), np.abs(y) if y.ndim == a.ndim else 1) / max(1, len(a))


def _of_sum(sizes: Array, axis: int | None = None) -> Any:
    """Return √n Σ of the sizes of n terms."""
    count = sizes.size if axis is None else sizes.shape[axis]
    return sqrt(count) * sizes.sum(axis, dtype=np.float64)


_TERMS: dict[str, Callable[[list[Any]], Any]] = {
    "product": lambda given: sqrt(given[0].shape[1]) * (np.abs(given[0]) @ np.abs(given[1])),
    "add_bias": lambda given: np.maximum(np.abs(given[0]), np.abs(given[1])),
    "sum_examples": lambda given: _of_sum(np.abs(given[0]), 0),
    "residual": _residual_terms,
    "label_residual": _residual_terms,
    "squared_distance": lambda given: _of_sum(np.square(np.abs(given[0]) + np.abs(given[1]))),
    "logistic_loss": lambda given: _of_sum(1 + np.abs(given[0])),
    "class_loss": lambda given: _of_sum(1 + np.abs(given[0])),
}
"""The size of the numbers that the elements of a result are sums of, where it may be larger than the result."""


def _compared(name: str, function: Kernel, owner: str) -> Kernel:
    def compare(*arguments: Any) -> Any:
        found, returned = _compare(name, function, arguments)
        if found:
            raise PluginError(f"{owner}: kernel {name!r} {found}.")
        return returned

    return compare
