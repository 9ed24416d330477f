"""Many steps in one call: a recorded step as a program that an engine repeats without returning to Python.

What differs between steps is in tables with a row per step: the rows of the examples, the noise and the coefficients
of the optimizer. So are the results: costs and outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import PluginError, short
from nnfw.ops import Call, Engine, PerStep
from nnfw.ops.definitions import copy
from nnfw.ops.many_steps import Run
from nnfw.ops.noise import uniform_numbers
from nnfw.plugins.results import wrong_result
from nnfw.protocols import SplitOptimizer

_MOST_STEPS = 4096
_TABLES = 1 << 20  # bytes: the tables stay in the processor's cache


class RecordedStep(NamedTuple):
    """A whole step as operations.

    The positions of the examples are read from `rows`; C, a^L and the metrics' statistics are written to `cost`, `a`
    and `statistics`. `before` are the operations up to these, and `after` returns those of the update, given the
    coefficients of `optimizer` and how much an average of the parameters keeps.
    """

    rows: Array
    before: list[Call]
    after: Callable[[tuple[PerStep, ...], PerStep], list[Call]]
    cost: Array
    a: Array
    statistics: Mapping[str, Array]
    optimizer: SplitOptimizer


class Results(NamedTuple):
    """The results of some steps: the cost of each, and how many are complete.

    For each complete step `outputs` holds a^L, or is None, and `statistics` those of metrics by name.
    """

    costs: list[float]
    complete: int
    outputs: Array | None
    statistics: dict[str, Array]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Takes many steps in one call of an engine's program, which reads from tables and writes results to them.

    `rng` draws the noise, one table, in the order in which a step draws. `calls` keeps the program's arrays alive.
    """

    run: Run
    owner: str
    calls: list[Call]
    optimizer: SplitOptimizer
    rows: Array
    coefficients: Array
    kept: Array
    costs: Array
    outputs: Array | None
    statistics: Mapping[str, Array]
    noise: Array
    rng: np.random.Generator

    @property
    def most(self) -> int:
        """The largest number of steps in a call."""
        return len(self.costs)

    def take(self, rows: Array, step: int, rates: Sequence[float], kept: Sequence[float] = ()) -> Results:
        """Take a step for each rate, :attr:`most` at most; end before the update of a non-finite cost.

        `rows` are the positions of the examples, batch after batch, and `step` is the count of the first step. `kept`
        is how much an average of the parameters keeps at each step, if there is one.
        """
        count = len(rates)
        self.kept[: len(kept)] = kept
        self.rows[:count] = rows.reshape(count, -1)
        self.coefficients[:count] = _coefficients(self.optimizer, step, rates, self.coefficients.shape[1])
        before = self.rng.bit_generator.state if self.noise.size else None
        self._draw(count)
        complete = self._complete(self.run(0, count), count)
        computed = min(complete + 1, count)
        if computed < count and before is not None:  # as if the others had never been drawn
            self.rng.bit_generator.state = before
            self._draw(computed)
        outputs = None if self.outputs is None else self.outputs[:complete]
        statistics = {name: table[:complete] for name, table in self.statistics.items()}
        return Results(self.costs[:computed, 0].tolist(), complete, outputs, statistics)

    def _complete(self, found: object, count: int) -> int:
        """Return what the program returned: how many steps it completed; PluginError if that is not true."""
        if type(found) is int and 0 <= found <= count:
            finite = np.isfinite(self.costs[: found + 1, 0])
            if finite[:found].all() and (found == count or not finite[found]):
                return found
        raise PluginError(
            f"{self.owner}: steps returned {short(found)} for {count} steps, expected the number of steps before the "
            "first cost that is not finite."
        )

    def _draw(self, count: int) -> None:
        if self.noise.size:
            self.rng.random(out=self.noise[:count], dtype=self.noise.dtype.type)


def chunk_of(step: RecordedStep, engine: Engine, rng: np.random.Generator, *, outputs: bool) -> Chunk | None:
    """Return a chunk of steps like a recorded one; None if the engine cannot, or Python is needed in between.

    `rng` draws the noise of the training. With `outputs`, a^L of each step is kept.
    """
    draws = [call.arguments for call in step.before if call.operation is uniform_numbers]
    if any(source is not rng for source, _ in draws) or len({out.dtype for _, out in draws}) > 1:
        return None
    widths = [out.size for _, out in draws]
    results = step.a.size * step.a.itemsize if outputs else 0
    width = _coefficients(step.optimizer, 1, [1.0]).shape[1]
    results += sum(out.nbytes for out in step.statistics.values())
    size = step.rows.nbytes + results + sum(out.nbytes for _, out in draws) + 8 * (width + 2)
    most = max(1, min(_MOST_STEPS, _TABLES // size))
    noise = np.empty((most, sum(widths)), draws[0][1].dtype if draws else np.float32)
    rows = np.empty((most, len(step.rows)), step.rows.dtype)
    costs, coefficients, kept = np.empty((most, 1)), np.empty((most, width)), np.ones(most)
    statistics = {name: np.empty((most, *out.shape)) for name, out in step.statistics.items()}
    per_step = [(step.rows, PerStep(rows)), (step.cost, PerStep(costs))]
    per_step += [(out, PerStep(statistics[name])) for name, out in step.statistics.items()]
    for (_, out), end in zip(draws, np.cumsum(widths), strict=True):
        per_step.append((out, PerStep(noise[:, end - out.size : end].reshape(most, *out.shape))))
    try:
        before = [_with_tables(call, per_step) for call in step.before if call.operation is not uniform_numbers]
    except _PartOfTableError:
        return None
    table = np.empty((most, *step.a.shape), step.a.dtype) if outputs else None
    if table is not None:
        before.append(Call(copy, (step.a, PerStep(table))))
    after = step.after(tuple(PerStep(coefficients[:, k]) for k in range(width)), PerStep(kept))
    run = engine.steps(before, after, costs)
    if run is None:
        return None
    calls = [*before, *after]
    return Chunk(
        run, engine.owner, calls, step.optimizer, rows, coefficients, kept, costs, table, statistics, noise, rng
    )


def _coefficients(optimizer: SplitOptimizer, step: int, rates: Sequence[float], width: int | None = None) -> Array:
    """Return the coefficients of steps, a row for each; PluginError unless each has the same number, `width` if given.

    `step` is the count of the first.
    """
    found = [optimizer.coefficients(k, rate) for k, rate in enumerate(rates, step)]
    with suppress(TypeError, ValueError):
        rows = np.array(found, np.float64)
        if rows.ndim == 2 and width in (None, rows.shape[1]):
            return rows
    expected = "a tuple of numbers" if width is None else f"a tuple of {width} numbers at every step"
    raise wrong_result(optimizer, "coefficients", found[0], expected)


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
