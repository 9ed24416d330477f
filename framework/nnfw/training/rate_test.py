"""The learning-rate range test: which rate lowers the cost fastest, and at which it diverges."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from nnfw.errors import DivergedError
from nnfw.ops import choose, gain, using
from nnfw.protocols import is_solver
from nnfw.training.state import TrainingState, fresh_state
from nnfw.training.steps import Steps
from nnfw.training.task import Task
from nnfw.training.watch import advice

_WINDOW = 0.05  # of the steps, over which the cost is smoothed
_RISE = 3.0  # how far above the lowest cost is divergence: that much times the cost, or times what it has fallen
_DIGITS = 2  # of a suggested rate


@dataclass(frozen=True)
class RateTest:
    """The course of a test: the rate of each step, its cost, and the cost smoothed over the steps before it.

    Parameters
    ----------
    rates, costs, smoothed
        A number for each step.
    diverged
        Whether the test ended because the cost rose far above its lowest value, or was not finite.
    """

    rates: tuple[float, ...]
    costs: tuple[float, ...]
    smoothed: tuple[float, ...]
    diverged: bool

    @property
    def lowest(self) -> int:
        """The step with the lowest smoothed cost."""
        return int(np.argmin(self.smoothed))

    @property
    def suggestion(self) -> float | None:
        """The rate at which the smoothed cost falls fastest over the logarithm of the rate; None if it never falls.

        At most a tenth of the rate with the lowest cost, since that is close to divergence.
        """
        falling = np.array(self.smoothed[: self.lowest + 1])
        width = max(1, len(falling) // 10)
        slopes = falling[2 * width :] - falling[: -2 * width]
        if not len(slopes) or slopes.min() >= 0:
            return None
        steepest = self.rates[int(np.argmin(slopes)) + width]
        return float(f"{min(steepest, self.rates[self.lowest] / 10):.{_DIGITS}g}")


class _RisingSteps(Steps):
    """Steps with rates that are given."""

    def __init__(self, task: Task, state: TrainingState, rates: Sequence[float]) -> None:
        super().__init__(task, state)
        self._given = rates

    def _rates_of_epoch(self) -> list[float]:
        first, last = (self.state.epoch - 1) * self.count, len(self._given) - 1
        return [self._given[min(first + position, last)] for position in range(self.count)]


def find_rate(task: Task, lowest: float, highest: float, steps: int) -> RateTest:
    """Train for some steps with rates that rise from `lowest` to `highest`, and put the parameters back.

    A schedule and callbacks of the task are left out. The test ends early where the cost diverges. DivergedError if it
    does so in the first step.

    References
    ----------
    L. N. Smith (2017), *Cyclical learning rates for training neural networks*, section 3.3.
    """
    assert not is_solver(task.optimizer)
    growth = (highest / lowest) ** (1 / (steps - 1))
    rates = [lowest * growth**k for k in range(steps)]
    task = replace(task, options=replace(task.options, callbacks=(), metrics=()))
    parameters, places = task.network.parameters, task.options.batch_size * task.network.places
    seconds = gain(parameters.vector.size, steps, places)
    engine, _ = choose(task.options.accelerator, task.network.registry, seconds)
    before = parameters.vector.copy(), parameters.state.copy()
    try:
        with using(engine), np.errstate(all="ignore"), closing(_costs(task, rates)) as costs:
            found = _test(rates, costs)
    finally:
        parameters.vector[...], parameters.state[...] = before
    if not found.costs:
        text = f"The cost of the first step is not finite, at the learning rate {lowest:g}. {advice(task.data)}"
        raise DivergedError(text, epoch=1, step=1)
    return found


def _costs(task: Task, rates: Sequence[float]) -> Generator[float, None, None]:
    """Yield the cost of each step before its update."""
    state = fresh_state(task)
    steps = _RisingSteps(task, state, rates)
    try:
        while True:
            state.epoch, state.position = state.epoch + 1, 0
            steps.begin_epoch()
            while state.position < steps.count:
                yield steps.compute()[0]
                steps.update()
            steps.end_epoch()
    finally:
        steps.end_epoch()


def _test(rates: Sequence[float], found: Iterable[float]) -> RateTest:
    """Return the course of a test, up to the step at which the cost diverges."""
    kept = 1 - 1 / max(1.0, _WINDOW * len(rates))
    costs: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    for count, (_, cost) in enumerate(zip(rates, found, strict=False), 1):
        if not isfinite(cost):
            return RateTest(tuple(rates[: len(costs)]), tuple(costs), tuple(smoothed), diverged=True)
        mean = kept * mean + (1 - kept) * cost
        costs.append(cost)
        smoothed.append(mean / (1 - kept**count))
        least = min(smoothed)
        if smoothed[-1] > least + _RISE * max(abs(least), smoothed[0] - least):
            return RateTest(tuple(rates[: len(costs)]), tuple(costs), tuple(smoothed), diverged=True)
    return RateTest(tuple(rates), tuple(costs), tuple(smoothed), diverged=False)
