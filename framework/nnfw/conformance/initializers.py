"""The checks of initializers."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.conformance.outcomes import applies_if, require
from nnfw.conformance.requirements import equal, require_array
from nnfw.conformance.subjects import Subject
from nnfw.protocols import Initializer

SHAPES: tuple[Shape, ...] = ((3, 4), (4, 4), (7,), (1, 1), (6, 3, 2, 2))
"""Shapes of weights and biases."""

_LARGE: tuple[Shape, ...] = ((120, 200), (200, 120), (60, 20, 3, 3))
_DEVIATIONS = 6  # of the estimated variance: one false alarm in a billion
_KURTOSIS = 3.0  # of the normal distribution; a uniform one has less, so its estimate is sharper
_ROUNDING = 1e-9


def exercise(subject: Subject[Initializer], component: Initializer) -> list[object]:
    """Use an initializer as nnfw does, and return everything that it computes."""
    return [_sample(component, shape, subject.rng()) for shape in SHAPES]


def check_gives_the_shape_it_is_asked_for(subject: Subject[Initializer]) -> None:
    """It returns an array of numbers with the requested shape."""
    for shape in SHAPES:
        found = require_array(_sample(subject.component, shape, subject.rng()), "sample")
        require(found.shape == shape, f"sample returned shape {found.shape}, expected {shape}.")
        require(found.dtype.kind in "fiu", f"sample returned {found.dtype}, expected numbers.")


def check_is_finite(subject: Subject[Initializer]) -> None:
    """Every value is finite, and float32 can hold it."""
    for shape in (*SHAPES, *_LARGE):
        found = _sample(subject.component, shape, subject.rng())
        require(np.isfinite(found.astype(np.float32)).all(), f"a value of shape {shape} is not finite in float32.")


def check_same_seed_gives_same_values(subject: Subject[Initializer]) -> None:
    """It draws only from the generator that it is given."""
    for shape in SHAPES:
        first = _sample(subject.component, shape, subject.rng())
        np.random.seed(len(shape))  # noqa: NPY002 - must have no effect
        require(equal(first, _sample(subject.component, shape, subject.rng())), "the same seed gives other values.")


def check_gives_memory_of_its_own(subject: Subject[Initializer]) -> None:
    """Two calls return arrays that share no memory."""
    first, second = (_sample(subject.component, (3, 4), subject.rng()) for _ in range(2))
    require(not np.may_share_memory(first, second), "two calls return the same memory.")


def check_variance_is_as_declared(subject: Subject[Initializer]) -> None:
    """If `variance` returns a number, the values have that variance."""
    declared = {shape: subject.component.variance(shape, *_fans(shape)) for shape in _LARGE}
    applies_if(None not in declared.values(), "its `variance` returns None")
    for shape, expected in declared.items():
        values = _sample(subject.component, shape, subject.rng())
        assert expected is not None
        found, count = float(np.var(values)), prod(shape)
        margin = _DEVIATIONS * expected * sqrt((_KURTOSIS - 1) / count) + _ROUNDING * max(1.0, expected)
        require(
            abs(found - expected) <= margin,
            f"{count:,} values of shape {shape} have the variance {found:.5g}, declared is {expected:.5g}.",
        )


def _fans(shape: Shape) -> tuple[int, int]:
    return prod(shape[1:]), shape[0] * prod(shape[2:])


def _sample(component: Initializer, shape: Shape, rng: np.random.Generator) -> Array:
    return component.sample(shape, *_fans(shape), rng)
