"""Kernels: the inner loops that components share, each defined in NumPy; an accelerator may bring faster ones.

A component calls ``kernels().adam(...)`` or writes plain NumPy, as it likes. What is called is the definition here,
unless a training runs with an accelerator. A kernel of an accelerator gives what its definition gives, but for a few
units in the last place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnfw.errors import PluginError, did_you_mean, short

Array = NDArray[Any]

BLOCK = 1 << 16
"""Elements of flat vectors that are changed together: few enough for their arrays to stay in the processor's cache."""


def sgd(vector: Array, gradient: Array, rate: float) -> None:
    """Gradient descent: θ ← θ − rate g; g is overwritten."""
    for block in _blocks(vector):
        gradient[block] *= rate
        vector[block] -= gradient[block]


def momentum(vector: Array, gradient: Array, velocity: Array, kept: float, rate: float, nesterov: bool) -> None:
    """Momentum: v ← kept v + g; θ ← θ − rate v, or with `nesterov` θ ← θ − rate (g + kept v); g is overwritten."""
    for block in _blocks(vector):
        g, v = gradient[block], velocity[block]
        v *= kept
        v += g
        if nesterov:
            g *= rate
            vector[block] -= g
            np.multiply(v, rate * kept, out=g)
        else:
            np.multiply(v, rate, out=g)
        vector[block] -= g


def adam(
    vector: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    kept_mean: float,
    kept_square: float,
    rate: float,
    epsilon: float,
) -> None:
    """Adam: m ← kept_mean m + g; s ← kept_square s + g²; θ ← θ − rate m / (√s + epsilon); g is overwritten."""
    for block in _blocks(vector):
        g, m, s = gradient[block], mean[block], square[block]
        m *= kept_mean
        m += g
        s *= kept_square
        s += np.multiply(g, g, out=g)
        root = np.sqrt(s, out=g)
        root += epsilon
        np.divide(m, root, out=g)
        g *= rate
        vector[block] -= g


def rmsprop(
    vector: Array, gradient: Array, square: Array, scratch: Array, kept: float, rate: float, epsilon: float
) -> None:
    """RMSProp: s ← kept s + g²; θ ← θ − rate g / (√s + epsilon); g and `scratch` are overwritten."""
    for block in _blocks(vector):
        g, s, root = gradient[block], square[block], scratch[block]
        if kept != 1:
            s *= kept
        s += np.multiply(g, g, out=root)
        np.sqrt(s, out=root)
        root += epsilon
        g /= root
        g *= rate
        vector[block] -= g


def sigmoid_delta(grad_a: Array, a: Array, out: Array) -> None:
    """δ of the sigmoid: out ← ∂C/∂a ⊙ a (1 − a)."""
    np.subtract(1, a, out=out)
    np.multiply(out, a, out=out)
    np.multiply(grad_a, out, out=out)


def tanh_delta(grad_a: Array, a: Array, out: Array) -> None:
    """δ of tanh: out ← ∂C/∂a ⊙ (1 − a²)."""
    np.multiply(a, a, out=out)
    np.subtract(1, out, out=out)
    np.multiply(grad_a, out, out=out)


def relu_delta(grad_a: Array, a: Array, out: Array) -> None:
    """δ of ReLU: out ← ∂C/∂a ⊙ sign(a), where a = max(0, z)."""
    np.multiply(grad_a, np.sign(a, out=out), out=out)


@dataclass(frozen=True)
class Kernels:
    """One function for each kernel, by name; the definitions unless others are given."""

    sgd: Callable[..., None] = sgd
    momentum: Callable[..., None] = momentum
    adam: Callable[..., None] = adam
    rmsprop: Callable[..., None] = rmsprop
    sigmoid_delta: Callable[..., None] = sigmoid_delta
    tanh_delta: Callable[..., None] = tanh_delta
    relu_delta: Callable[..., None] = relu_delta


DEFINITIONS = Kernels()
NAMES = tuple(item.name for item in fields(Kernels))

_active: ContextVar[Kernels] = ContextVar("nnfw_kernels", default=DEFINITIONS)


def kernels() -> Kernels:
    """Return the kernels that are in use here: in this thread, and in this training."""
    return _active.get()


@contextmanager
def using(chosen: Kernels) -> Iterator[None]:
    """Use other kernels in the body.

    Parameters
    ----------
    chosen
        From :func:`kernels_of`, or ``DEFINITIONS``.
    """
    token = _active.set(chosen)
    try:
        yield
    finally:
        _active.reset(token)


def kernels_of(found: Mapping[str, Callable[..., None]], owner: str) -> Kernels:
    """Return the definitions with those of an accelerator in their places.

    Parameters
    ----------
    found
        Its kernels by name.
    owner
        Names the accelerator in messages.

    Raises
    ------
    PluginError
        If there is no kernel of such a name, or what is there is no function.
    """
    if not isinstance(found, Mapping):
        raise PluginError(f"{owner} must give its kernels by name, got {short(found)}.")
    for name, function in found.items():
        if name not in NAMES:
            raise PluginError(
                f"{owner}: unknown kernel {name!r}.{did_you_mean(name, NAMES)} There are {', '.join(NAMES)}."
            )
        if not callable(function):
            raise PluginError(f"{owner}: kernel {name!r} must be a function, got {short(function)}.")
    return replace(DEFINITIONS, **found)


def checked(chosen: Kernels, owner: str) -> Kernels:
    """Return kernels that are compared with their definitions at every call, for NNFW_CHECK_KERNELS=1.

    Raises
    ------
    PluginError
        From the kernel that gives something else; names it and the accelerator.
    """
    return Kernels(**{name: _compared(name, getattr(chosen, name), owner) for name in NAMES})


TOLERANCE = 4
"""Units in the last place, of the largest number that an element is made of, by which a kernel may differ."""

_RESULTS = {
    "sgd": (0,),
    "momentum": (0, 2),
    "adam": (0, 2, 3),
    "rmsprop": (0, 2),
    "sigmoid_delta": (2,),
    "tanh_delta": (2,),
    "relu_delta": (2,),
}
"""Positions of the arrays that hold a kernel's results; what else it overwrites may hold anything afterwards."""


def difference(name: str, function: Callable[..., None], arguments: tuple[Any, ...]) -> str:
    """Return how a kernel's results differ from those of its definition, or nothing.

    Parameters
    ----------
    name, function
        The kernel.
    arguments
        What it is called with, and changes.
    """
    before, expected = ([np.copy(item) if isinstance(item, np.ndarray) else item for item in arguments] for _ in "be")
    with np.errstate(all="ignore"):
        getattr(DEFINITIONS, name)(*expected)
    function(*arguments)
    for position in _RESULTS[name]:
        found, right = arguments[position], expected[position]
        scale = _size_of_terms(name, position, before, right)
        with np.errstate(all="ignore"):
            close = np.abs(found - right) <= TOLERANCE * float(np.finfo(right.dtype).eps) * scale
        close |= (found == right) | (np.isnan(found) & np.isnan(right))
        if not close.all():
            where = tuple(map(int, np.argwhere(~close)[0]))
            return f"gives {found[where]:.9g} at {list(where)}, its definition {right[where]:.9g}"
    return ""


def _size_of_terms(name: str, position: int, before: list[Any], right: Array) -> Array:
    """Return the size of the numbers that each element of a result is the sum of."""
    changed_in_place = name in ("sgd", "momentum", "adam", "rmsprop")
    return np.maximum(np.abs(before[position]), np.abs(right)) if changed_in_place else np.abs(right)


def _compared(name: str, function: Callable[..., None], owner: str) -> Callable[..., None]:
    def compare(*arguments: Any) -> None:
        found = difference(name, function, arguments)
        if found:
            raise PluginError(f"{owner}: kernel {name!r} {found}.")

    return compare


def _blocks(vector: Array) -> Iterator[slice]:
    for start in range(0, len(vector), BLOCK):
        yield slice(start, start + BLOCK)
