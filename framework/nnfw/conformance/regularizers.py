"""The checks of regularizers."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.checking.differences import compare
from nnfw.conformance.outcomes import require
from nnfw.conformance.requirements import close, unchanged
from nnfw.conformance.subjects import Subject
from nnfw.protocols import Regularizer

_SIZE = 20
_AWAY = 0.1  # from 0, where a penalty may have a kink


def exercise(subject: Subject[Regularizer], component: Regularizer) -> list[object]:
    """Use a regularizer as nnfw does, and return everything that it computes."""
    w = _weights(subject).astype(np.float32)
    gradient = np.ones_like(w)
    component.add_gradient(w, gradient)
    return [component.value(w), gradient]


def check_value_is_a_number(subject: Subject[Regularizer]) -> None:
    """Value returns a finite Python float, for no weights too."""
    for w in (_weights(subject), np.zeros(_SIZE), np.zeros(0)):
        value = subject.component.value(w)
        require(type(value) is float, f"value returned {type(value).__name__}, expected float.")
        require(np.isfinite(value), f"value is {value} for {len(w)} weights.")


def check_gradient_is_the_gradient_of_value(subject: Subject[Regularizer]) -> None:
    """What add_gradient adds agrees with numerical differentiation of value."""
    for factor in (1.0, 10.0):
        w = factor * _weights(subject)
        gradient = np.zeros_like(w)
        subject.component.add_gradient(w, gradient)

        def shifted(k: int, t: float, w: Array = w) -> float:
            moved = w.copy()
            moved[k] += t
            return subject.component.value(moved)

        found = compare(shifted, gradient, np.abs(w), abs(subject.component.value(w)))
        worst = int(np.argmax(found.error))
        require(
            found.ok.all(),
            f"∂Ω/∂w of w = {w[worst]:.4g} is {gradient[worst]:.8g}, numerically {found.numeric[worst]:.8g}.",
        )


def check_adds_to_the_gradient(subject: Subject[Regularizer]) -> None:
    """add_gradient adds to the gradient in place, and returns nothing."""
    w = _weights(subject)
    alone, onto = np.zeros_like(w), np.full_like(w, 2.0)
    returned = [subject.component.add_gradient(w, gradient) for gradient in (alone, onto)]
    require(returned == [None, None], "add_gradient returns something; expected None: it works in place.")
    require(np.any(alone) or not subject.component.value(w), "add_gradient does not change the gradient.")
    require(close(onto - 2.0, alone), "add_gradient does not add to the gradient, it overwrites it.")


def check_leaves_weights_alone(subject: Subject[Regularizer]) -> None:
    """Neither value nor add_gradient changes the weights."""
    w = _weights(subject)
    with unchanged("it changes the weights.", w):
        subject.component.value(w)
        subject.component.add_gradient(w, np.zeros_like(w))


def check_keeps_dtype(subject: Subject[Regularizer]) -> None:
    """In float32 it adds what it adds in float64, up to rounding."""
    w = _weights(subject)
    exact, single = np.zeros_like(w), np.zeros(_SIZE, np.float32)
    subject.component.add_gradient(w, exact)
    subject.component.add_gradient(w.astype(np.float32), single)
    require(np.allclose(single, exact, rtol=1e-4, atol=1e-6), "its gradient in float32 differs from that in float64.")


def check_order_does_not_matter(subject: Subject[Regularizer]) -> None:
    """The penalty does not depend on the order of the weights in the flat vector."""
    w = _weights(subject)
    value = subject.component.value
    require(close(value(w), value(w[::-1].copy())), "Ω depends on the order of the weights.")


def _weights(subject: Subject[Regularizer]) -> Array:
    w = subject.rng().standard_normal(_SIZE)
    return w + _AWAY * np.sign(w)
