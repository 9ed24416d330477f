"""The kernels in use: the definitions in NumPy, or faster ones of the same names that an accelerator brings.

A component calls ``kernels().adam(...)`` or writes plain NumPy, as it likes. What is called is the definition, unless a
training runs with an accelerator. A kernel of an accelerator gives what its definition gives, but for a few units in
the last place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, NamedTuple

from nnfw.errors import PluginError, did_you_mean, short
from nnfw.machine.threads import multiplication
from nnfw.ops import definitions

Kernel = Callable[..., Any]


class Call(NamedTuple):
    """A kernel with the arguments of a call: arrays whose memory stays where it is, and numbers that stay the same."""

    name: str
    kernel: Kernel
    arguments: tuple[Any, ...]


def one_by_one(calls: Iterable[Call]) -> Iterator[Callable[[], object]]:
    """Yield functions that repeat the calls, one for each."""
    for _, kernel, arguments in calls:
        if kernel is definitions.product:
            a, _, out = arguments
            yield partial(multiplication(a, out), *arguments)
        else:
            yield partial(kernel, *arguments)


def compiles_nothing(activation: object) -> None:  # noqa: ARG001 - what others compile
    """Return None: elementwise activations stay as they are written."""
    return


@dataclass(frozen=True)
class Kernels:
    """One function for each kernel, by name, and two that compile; the definitions unless others are given.

    Parameters
    ----------
    product, add_bias, ...
        See :mod:`nnfw.ops.definitions`.
    sequence
        Takes calls and yields functions which together repeat all of them in their order, as often as they are asked.
    elementwise
        Takes an activation that is not made of kernels, and returns two, ``forward(z, out)`` and
        ``delta(grad_a, z, a, out)``; or None where it cannot.
    """

    product: Kernel = definitions.product
    add_bias: Kernel = definitions.add_bias
    sum_examples: Kernel = definitions.sum_examples
    take: Kernel = definitions.take
    sigmoid: Kernel = definitions.sigmoid
    sigmoid_delta: Kernel = definitions.sigmoid_delta
    tanh: Kernel = definitions.tanh
    tanh_delta: Kernel = definitions.tanh_delta
    relu: Kernel = definitions.relu
    relu_delta: Kernel = definitions.relu_delta
    softmax: Kernel = definitions.softmax
    residual: Kernel = definitions.residual
    label_residual: Kernel = definitions.label_residual
    weigh: Kernel = definitions.weigh
    squared_distance: Kernel = definitions.squared_distance
    logistic_loss: Kernel = definitions.logistic_loss
    class_loss: Kernel = definitions.class_loss
    sgd: Kernel = definitions.sgd
    momentum: Kernel = definitions.momentum
    adam: Kernel = definitions.adam
    rmsprop: Kernel = definitions.rmsprop
    sequence: Callable[[Iterable[Call]], Iterable[Callable[[], object]]] = one_by_one
    elementwise: Callable[[Any], tuple[Kernel, Kernel] | None] = compiles_nothing


COMPILERS = ("sequence", "elementwise")
DEFINITIONS = Kernels()
NAMES = tuple(item.name for item in fields(Kernels) if item.name not in COMPILERS)

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


def kernels_of(found: Mapping[str, Kernel], owner: str) -> Kernels:
    """Return the definitions with those of an accelerator in their places.

    Parameters
    ----------
    found
        Its kernels by name, and its `sequence` and `elementwise` if it compiles.
    owner
        Names the accelerator in messages.

    Raises
    ------
    PluginError
        If there is no kernel of such a name, or what is there is no function.
    """
    if not isinstance(found, Mapping):
        raise PluginError(f"{owner} must give its kernels by name, got {short(found)}.")
    known = (*NAMES, *COMPILERS)
    for name, function in found.items():
        if name not in known:
            raise PluginError(
                f"{owner}: unknown kernel {name!r}.{did_you_mean(name, known)} There are {', '.join(known)}."
            )
        if not callable(function):
            raise PluginError(f"{owner}: kernel {name!r} must be a function, got {short(function)}.")
    checked = {name: check(found[name], owner) for name, check in _CHECKS.items() if name in found}
    return replace(DEFINITIONS, **{**found, **checked})


def _checked_sequence(sequence: Callable[..., Any], owner: str) -> Callable[..., Any]:
    def checked(calls: Iterable[Call]) -> Iterator[Callable[[], object]]:
        for function in sequence(calls):
            if not callable(function):
                raise PluginError(f"{owner}: sequence must yield functions, got {short(function)}.")
            yield function

    return checked


def _checked_elementwise(elementwise: Callable[..., Any], owner: str) -> Callable[..., Any]:
    def checked(activation: Any) -> tuple[Kernel, Kernel] | None:
        match elementwise(activation):
            case None:
                return None
            case (forward, delta) if callable(forward) and callable(delta):
                return forward, delta
            case found:
                raise PluginError(f"{owner}: elementwise must return two functions or None, got {short(found)}.")

    return checked


_CHECKS = {"sequence": _checked_sequence, "elementwise": _checked_elementwise}
