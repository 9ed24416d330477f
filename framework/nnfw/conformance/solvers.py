"""The checks of solvers, which see all examples at once."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.conformance.outcomes import require
from nnfw.conformance.requirements import equal, unchanged
from nnfw.conformance.subjects import Subject
from nnfw.errors import short
from nnfw.protocols import Solver

_SIZE = 12
_CURVATURES = np.geomspace(1, 10, _SIZE)
_ITERATIONS = 60
_MANY = 10_000
_ROUNDING = 1e-9
_LOWER = 1e-3  # of the first C: a method that works comes closer to the minimum of a quadratic


class _Log:
    """What a solver reports after each iteration; asks it to stop at the last of them."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.thetas: list[Array] = []
        self.costs: list[float] = []
        self._stop_after = stop_after

    def __call__(self, theta: Array, cost: float) -> bool:
        self.thetas.append(np.array(theta))
        self.costs.append(cost)
        return len(self.costs) >= self._stop_after


def exercise(subject: Subject[Solver], component: Solver) -> list[object]:
    """Use a solver as nnfw does, and return everything that it computes."""
    log = _Log()
    component.minimise(_function, _start(subject), _ITERATIONS, log)
    return [*log.thetas, *log.costs]


def check_minimises_a_quadratic(subject: Subject[Solver]) -> None:
    """60 iterations lead to the minimum of Σ ½ h_i (θ_i − 1)²."""
    log, before = _Log(), _function(_start(subject))[0]
    subject.component.minimise(_function, _start(subject), _ITERATIONS, log)
    require(log.thetas, "it never called ended; expected a call after each iteration.")
    after = _function(log.thetas[-1])[0]
    require(after < _LOWER * before, f"{_ITERATIONS} iterations bring C from {before:.6g} to {after:.6g}.")


def check_tells_each_iteration(subject: Subject[Solver]) -> None:
    """Ended is called after each iteration with its θ and C, at most as often as there may be iterations."""
    log = _Log()
    subject.component.minimise(_function, _start(subject), 3, log)
    require(0 < len(log.costs) <= 3, f"for 3 iterations, ended was called {len(log.costs)} times.")
    for theta, cost in zip(log.thetas, log.costs, strict=True):
        right = _function(theta)[0]
        require(np.isclose(cost, right, rtol=_ROUNDING), f"it reports C = {cost!r} for a θ where C is {right!r}.")


def check_stops_when_told(subject: Subject[Solver]) -> None:
    """When ended returns True, no iteration follows, and minimise gives no reason of its own."""
    log = _Log(stop_after=2)
    reason = subject.component.minimise(_function, _start(subject), _ITERATIONS, log)
    require(len(log.costs) == 2, f"asked to stop at the second iteration, it went on to {len(log.costs)}.")
    require(reason == "", f"asked to stop, it gives a reason of its own: {short(reason)}.")


def check_says_why_it_ends(subject: Subject[Solver]) -> None:
    """Minimise returns text: why it ended before the last iteration."""
    log = _Log(stop_after=_MANY)
    reason = subject.component.minimise(_function, _start(subject), _MANY, log)
    require(isinstance(reason, str), f"minimise returned {short(reason)}, expected text.")
    require(
        reason or len(log.costs) >= _MANY, f"it ended after {len(log.costs)} of {_MANY} iterations without a reason."
    )


def check_leaves_the_first_vector_alone(subject: Subject[Solver]) -> None:
    """It does not change the initial vector."""
    start = _start(subject)
    with unchanged("it changes the initial vector.", start):
        subject.component.minimise(_function, start, 5, _Log())


def check_is_deterministic(subject: Subject[Solver]) -> None:
    """Solving twice gives the same to the last bit."""
    first, second = (exercise(subject, subject.component) for _ in range(2))
    require(equal(first, second), "solving twice gives different θ.")


def _start(subject: Subject[Solver]) -> Array:
    return subject.rng().standard_normal(_SIZE)


def _function(theta: Array) -> tuple[float, Array]:
    return float(np.sum(_CURVATURES * (theta - 1) ** 2) / 2), _CURVATURES * (theta - 1)
