"""The checks of schedules."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.conformance.outcomes import require
from nnfw.conformance.requirements import equal, require_array, unchanged
from nnfw.conformance.subjects import Subject
from nnfw.protocols import Schedule

_EPOCHS, _STEPS = 6, 10
_HISTORY = (1.0, 0.5, 0.5, 0.6, 0.4, 0.4)


def exercise(subject: Subject[Schedule], component: Schedule) -> list[object]:  # noqa: ARG001 - the same signature for every kind
    """Use a schedule as nnfw does, and return everything that it computes."""
    return [*_all_factors(component, _EPOCHS)]


def check_gives_one_factor_for_each_time(subject: Subject[Schedule]) -> None:
    """It returns an array shaped like t, for one step and for many."""
    for steps in (1, _STEPS):
        _factors(subject.component, _times(0, steps), _EPOCHS, ())


def check_is_finite_and_not_negative(subject: Subject[Schedule]) -> None:
    """No factor is negative, infinite or NaN, for one epoch or many, whatever the costs."""
    for epochs in (1, 2, _EPOCHS, 1000):
        for factors in _all_factors(subject.component, min(epochs, _EPOCHS), epochs):
            require(np.isfinite(factors).all(), f"for {epochs} epochs it gives a factor that is not finite.")
            require((factors >= 0).all(), f"for {epochs} epochs it gives the factor {np.min(factors):.4g}, below 0.")


def check_changes_nothing_it_is_given(subject: Subject[Schedule]) -> None:
    """It does not change t."""
    t = _times(1, _STEPS)
    with unchanged("factor changes t.", t):
        subject.component.factor(t, _EPOCHS, _HISTORY[:1])


def check_is_a_pure_function(subject: Subject[Schedule]) -> None:
    """The same times and history give the same factors, whatever was computed before."""
    first = _all_factors(subject.component, _EPOCHS)
    second = list(reversed([_factors_of(subject.component, epoch, _EPOCHS) for epoch in reversed(range(_EPOCHS))]))
    require(equal(first, second), "its factors depend on earlier calls; derive them only from t and history.")


def check_each_time_has_a_factor_of_its_own(subject: Subject[Schedule]) -> None:
    """The factor of a step follows from its time, not from its place among those that are asked for."""
    for epoch in range(_EPOCHS):
        t, history = _times(epoch, _STEPS), _HISTORY[:epoch]
        in_order = _factors(subject.component, t, _EPOCHS, history).copy()
        moved = _factors(subject.component, np.roll(t, 3), _EPOCHS, history)
        require(np.allclose(np.roll(in_order, 3), moved, rtol=1e-12), "for times in another order it gives others.")


def _times(epoch: int, steps: int) -> Array:
    return epoch + np.arange(steps) / steps


def _factors(component: Schedule, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
    found = require_array(component.factor(t, epochs, history), "factor")
    require(found.shape == t.shape, f"factor returned shape {found.shape}, expected {t.shape}, that of t.")
    return found


def _factors_of(component: Schedule, epoch: int, epochs: int) -> Array:
    return _factors(component, _times(epoch, _STEPS), epochs, _HISTORY[:epoch]).copy()


def _all_factors(component: Schedule, count: int, epochs: int | None = None) -> list[Array]:
    return [_factors_of(component, epoch, epochs or count) for epoch in range(count)]
