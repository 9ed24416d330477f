"""Many steps in one call: a recorded step as a program that an engine repeats without returning to Python.

What differs from step to step lies in tables with a row for each: the examples that are gathered, the noise, the
coefficients of the optimizer; and so do the results, costs and outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nnfw.arrays import Array
from nnfw.ops import Call, Engine, PerStep
from nnfw.ops.definitions import copy
from nnfw.ops.noise import uniform_numbers
from nnfw.ops.steps import Run

_MOST_STEPS = 4096
_TABLES = 1 << 20  # bytes: the tables stay in the processor's cache


class RecordedStep(NamedTuple):
    """A step as operations, all of it.

    Parameters
    ----------
    rows
        Where the positions of the batch's examples are put.
    before, after
        The operations up to the cost, and those of the update, whose coefficients are taken from a table.
    cost, a
        Where C and a^L of the batch are written.
    coefficients
        Returns the numbers of a step from its count and rate.
    """

    rows: Array
    before: list[Call]
    after: Callable[[tuple[PerStep, ...]], list[Call]]
    cost: Array
    a: Array
    coefficients: Callable[[int, float], tuple[float, ...]]


class Taken(NamedTuple):
    """Steps that were taken.

    Parameters
    ----------
    costs
        Those of the steps. If the last one is not finite, its step lacks the update.
    complete
        How many steps are complete.
    outputs
        a^L of each step; None if they were not asked for.
    """

    costs: list[float]
    complete: int
    outputs: Array | None


class Chunk:
    """Takes many steps in one call.

    Parameters
    ----------
    run
        The engine's program.
    numbers
        Returns the coefficients of a step from its count and rate.
    rows, coefficients, costs, outputs, noise
        The tables. Those of the noise are parts of one, in the order in which a step draws.
    rng
        Draws the noise.
    """

    def __init__(
        self,
        run: Run,
        numbers: Callable[[int, float], tuple[float, ...]],
        *,
        rows: Array,
        coefficients: Array,
        costs: Array,
        outputs: Array | None,
        noise: Array,
        rng: np.random.Generator,
    ) -> None:
        self._run, self._numbers, self._rows, self._coefficients, self._costs = run, numbers, rows, coefficients, costs
        self._outputs, self._noise, self._rng = outputs, noise, rng
        self.most = len(costs)

    def take(self, rows: Array, step: int, rates: Sequence[float]) -> Taken:
        """Take a step for each rate; a cost that is not finite ends them before its update.

        Parameters
        ----------
        rows
            Positions of the examples, batch after batch.
        step
            The count of the first step.
        rates
            The learning rates, at most :attr:`most`.
        """
        count = len(rates)
        self._rows[:count] = rows.reshape(count, -1)
        self._coefficients[:count] = [self._numbers(k, rate) for k, rate in enumerate(rates, step)]
        before = self._rng.bit_generator.state if self._noise.size else None
        self._draw(count)
        complete = self._run(0, count)
        computed = min(complete + 1, count)
        if computed < count and before is not None:  # as if the others had never been drawn
            self._rng.bit_generator.state = before
            self._draw(computed)
        outputs = None if self._outputs is None else self._outputs[:computed]
        return Taken(self._costs[:computed, 0].tolist(), complete, outputs)

    def _draw(self, count: int) -> None:
        if self._noise.size:
            self._rng.random(out=self._noise[:count], dtype=self._noise.dtype.type)


def chunk_of(step: RecordedStep, engine: Engine, rng: np.random.Generator, *, outputs: bool) -> Chunk | None:
    """Return what takes many steps like a recorded one; None if the engine cannot, or Python is needed in between.

    Parameters
    ----------
    step
        The step.
    engine
        Compiles it.
    rng
        Draws the noise of the training.
    outputs
        Whether a^L of each step is kept.
    """
    draws = [call.arguments for call in step.before if call.operation is uniform_numbers]
    if any(source is not rng for source, _ in draws) or len({out.dtype for _, out in draws}) > 1:
        return None
    widths = [out.size for _, out in draws]
    kept = step.a.size * step.a.itemsize if outputs else 0
    width = len(step.coefficients(1, 1.0))
    size = step.rows.nbytes + kept + sum(out.nbytes for _, out in draws) + 8 * (width + 1)
    most = max(1, min(_MOST_STEPS, _TABLES // size))
    noise = np.empty((most, sum(widths)), draws[0][1].dtype if draws else np.float32)
    rows = np.empty((most, len(step.rows)), step.rows.dtype)
    costs, coefficients = np.empty((most, 1)), np.empty((most, width))
    per_step = [(step.rows, PerStep(rows)), (step.cost, PerStep(costs))]
    for (_, out), end in zip(draws, np.cumsum(widths), strict=True):
        per_step.append((out, PerStep(noise[:, end - out.size : end].reshape(most, *out.shape))))
    try:
        before = [_with_tables(call, per_step) for call in step.before if call.operation is not uniform_numbers]
    except _PartOfTableError:
        return None
    table = np.empty((most, *step.a.shape), step.a.dtype) if outputs else None
    if table is not None:
        before.append(Call(copy, (step.a, PerStep(table))))
    after = step.after(tuple(PerStep(coefficients[:, k]) for k in range(width)))
    run = engine.steps(before, after, costs)
    if run is None:
        return None
    return Chunk(
        run, step.coefficients, rows=rows, coefficients=coefficients, costs=costs, outputs=table, noise=noise, rng=rng
    )


class _PartOfTableError(ValueError):
    """An operation works on a part of an array that lies in a table."""


def _with_tables(call: Call, per_step: Iterable[tuple[Array, PerStep]]) -> Call:
    """Return a call with the rows of tables in place of the arrays that a single step uses."""

    def replaced(value: Array | float) -> Array | float | PerStep:
        for array, table in per_step:
            if value is array:
                return table
            if isinstance(value, np.ndarray) and np.may_share_memory(value, array):
                raise _PartOfTableError
        return value

    return call._replace(arguments=tuple(map(replaced, call.arguments)))
