"""The steps of a training: batch, gradient, update."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from time import perf_counter
from typing import cast

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import PluginError, short
from nnfw.network import Batch, Outputs, RepeatedPass
from nnfw.ops import Call, PerStep, Tape, engine_in_use, made_of_kernels, splits
from nnfw.protocols import Optimizer, SplitOptimizer, WritesStatistics, is_own, is_solver
from nnfw.training.accumulation import Accumulation
from nnfw.training.average import Evaluated
from nnfw.training.batches import Labelled
from nnfw.training.chunk import Chunk, RecordedStep, chunk_of
from nnfw.training.factors import Factors, factors_of, scales_parts
from nnfw.training.measures import statistics_of, sums_up
from nnfw.training.mixing import Mixer
from nnfw.training.state import TrainingState
from nnfw.training.task import Task

_MOMENT = 0.02
"""The longest that a call of the engine takes, in seconds and roughly: signals and checkpoints have to wait for it."""

_SHORTEST = 1e-9
_LARGEST = sys.float_info.max


class Steps:
    """Takes the steps of an epoch: the only place that changes parameters, optimizer, tally and position.

    A step has two halves, and callbacks run between them: :meth:`compute` gathers the batch and computes C and ∂C/∂θ,
    :meth:`update` lets the optimizer change θ. If nothing needs Python in between, an engine takes many steps in one
    call.
    """

    def __init__(self, task: Task, state: TrainingState) -> None:
        self._task, self.state = task, state
        self._size = task.options.batch_size
        self.count = task.steps
        network, vector = task.network, state.parameters.vector
        self._gradient = np.zeros_like(vector)
        self.gradients = network.views(self._gradient)
        self.workspace = network.workspace(state.noise, training=True)
        self._batches = network.workspace()
        self._pass = RepeatedPass(network, task.objective, self.workspace, self.gradients)
        self.propagate: Callable[[Batch], tuple[float, Outputs]] = self._pass
        assert not is_solver(task.optimizer)
        self._optimizer, self._regularizer = task.optimizer, task.options.regularizer
        rate: object = self._optimizer.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not abs(rate) <= _LARGEST:
            raise PluginError(
                f"{network.registry.title(self._optimizer)}: learning_rate is {short(rate)}, expected a finite number."
            )
        self._decays = state.parameters.layout.decays
        layout = state.parameters.layout
        factors = factors_of(task.options, layout)
        self._by_parts = is_own(self._optimizer, "update_parts", Optimizer)
        self._update: Callable[..., None] = self._optimizer.update
        if self._by_parts:
            parts = layout.parts
            if scales_parts(self._optimizer):
                parts = replace(parts, rates=factors)
                factors = {name: factor for name, factor in factors.items() if not factor}
            self._update = partial(self._optimizer.update_parts, parts=parts)
        self._accumulation: Accumulation | None = None
        if (batches := task.options.accumulate or 1) > 1:
            self._accumulation = Accumulation(batches, self._size, len(task.data), state.own)
        self._average = None if task.options.average is None else Evaluated(state.parameters, state.own)
        self._kept: list[float] = []  # of the average at each update of the epoch
        self._factors = Factors(factors, layout.parts, vector, self._gradient) if factors else None
        mix = task.options.mix
        self._mixed = None if mix is None else Mixer(mix, network, state.noise)
        self._left: Generator[tuple[Batch, float], None, None] | None = None
        self._batch: Batch | None = None
        self._whole: Batch | None = None  # the batch of the full size
        self._lacks_update = False
        self.elsewhere = False  # whether the last cost is not finite because of another rank
        self._seconds = _MOMENT  # per step in a chunk; the first call takes one step to measure it

    def begin_epoch(self) -> float:
        """Draw the order of an epoch that starts or resumes, and choose its rates; return the first of them."""
        task, state = self._task, self.state
        self._rates = self._rates_of_epoch()
        if task.options.average is not None:
            self._kept = task.options.average.kept(state.epoch, task.updates)
        self._rows = state.draw_order(task.data, shuffle=task.options.shuffle)
        state.tally.follow(task.data.labels_in(self._rows, self._batches.child("labels")))
        return self._rates[0]

    def _rates_of_epoch(self) -> list[float]:
        """Return the learning rate of each step of this epoch."""
        options, base = self._task.options, self._optimizer.learning_rate
        if options.schedule is None:
            return [base] * self.count
        times = self.state.epoch - 1 + np.arange(self.count) / self.count
        watched = self._task.watched  # a training that this one continues may not have recorded it
        history = tuple(record[watched] for record in self.state.history if watched in record)
        factors = options.schedule.factor(times, self._task.planned_epochs, history)
        is_array = isinstance(factors, np.ndarray) and factors.shape == times.shape and factors.dtype.kind in "fiu"
        if not is_array or not np.isfinite(factors).all():
            label = self._task.network.registry.label("schedule", options.schedule)
            raise PluginError(
                f"Schedule {label}: factor must return an array of {self.count} finite numbers, got {short(factors)}."
            )
        return [base * factor for factor in factors.tolist()]

    def batches_from(self, position: int) -> Generator[tuple[Batch, float], None, None]:
        """Yield the batches of this epoch after the first `position`, each with the learning rate of its step."""
        with closing(self._task.data.feed(self._rows, self._size, self._batches, position)) as batches:
            yield from zip(batches, self._rates[position:], strict=True)

    def end_epoch(self) -> None:
        """Close the files that batches are read from."""
        if self._left is not None:
            self._left.close()
        self._left = None

    def compute(self, most: int = 1) -> Sequence[float]:
        """Take up to `most` steps and return their costs; the last may stop before its update."""
        state = self.state
        if most > 1 and self._whole is not None and self._chunk is not None:
            count = min(most, len(self._task.data) // self._size - state.position)
            count = min(count, self._chunk.most, max(1, int(_MOMENT / self._seconds)))
            return self._compute_together(self._chunk, self._whole, count)
        if self._left is None:
            self._left = self.batches_from(state.position)
        self._batch, self._rate = next(self._left)
        if self._mixed is not None:
            self._batch = self._mixed(self._batch)
        if len(self._batch) == self._size:
            self._whole = self._batch
        state.step += 1
        state.cost, self._outputs = self.propagate(self._batch)
        self._lacks_update = True
        return (state.cost,)

    def update(self) -> None:
        """Complete the last step if it lacks its update."""
        state, batch = self.state, self._batch
        if self._lacks_update and batch is not None:
            state.tally.add_batch(state.cost, self._outputs, batch, self._task.objective)
            self.change(self._rate, state.position)
            state.position += 1
            self._lacks_update = False

    def change(self, rate: float, position: int) -> None:
        """Let the optimizer change the parameters, from the current gradient; `position` is that in the epoch.

        While gradients accumulate, only the last batch of a group changes them.
        """
        vector, gradient, decays, step = self.state.parameters.vector, self._gradient, self._decays, self.state.step
        if self._accumulation is not None:
            if not self._accumulation.add(gradient, position):
                return
            step = self._accumulation.updates
        if self._regularizer is not None:
            self._regularizer.add_gradient(vector[decays], gradient[decays])
        if self._factors is not None:
            self._factors.before()
        self._update(vector, gradient, self.state.optimizer, step, rate, decays)
        if self._factors is not None:
            self._factors.after()
        if self._average is not None:
            self._average.follow(self._kept[position // (self._task.options.accumulate or 1)])

    # Many steps in one call of the engine

    def _compute_together(self, chunk: Chunk, batch: Batch, count: int) -> list[float]:
        state, size, recording = self.state, self._size, self._pass.recording_of(batch)
        assert recording is not None
        self.end_epoch()  # these batches are not read one by one
        part = slice(state.position, state.position + count)
        data = self._task.data
        assert isinstance(data, Labelled)  # what a source reads is not in memory
        rows = data.rows_at(self._rows[part.start * size : part.stop * size])
        start = perf_counter()
        costs, complete, outputs, statistics = chunk.take(rows, state.step + 1, self._rates[part], self._kept[part])
        self._seconds = max((perf_counter() - start) / len(costs), _SHORTEST)
        self._pass.switch_to(recording)
        state.tally.add_many(costs[:complete], size, outputs, statistics)
        state.step += len(costs)
        state.cost = costs[-1]
        state.position += complete
        self._lacks_update = complete < len(costs)
        self._batch, self._outputs = batch, recording.outputs
        self._rate = self._rates[min(state.position, self.count - 1)]
        return costs

    @cached_property
    def _chunk(self) -> Chunk | None:
        """Takes many steps like that of the whole batch; None if Python is needed in between."""
        batch, optimizer, regularizer, engine = self._whole, self._optimizer, self._regularizer, engine_in_use()
        assert batch is not None
        recording = self._pass.recording_of(batch)
        arrays = [each for each in (*batch.inputs, *batch.targets, batch.weight, *batch.lengths) if each is not None]
        if not engine.takes_many_steps or len(batch.sources) < len(arrays):
            return None
        if recording is None or recording.cost is None or recording.tape.calls is None:
            return None
        if self._accumulation is not None:
            return None
        if self._by_parts or not splits(optimizer, "update", "apply"):
            return None
        if regularizer is not None and not made_of_kernels(regularizer.add_gradient):
            return None
        ((_, a, _),) = recording.outputs
        calls, statistics = self._statistics_calls(a, batch)
        step = RecordedStep(
            rows=batch.sources[0][1],
            before=recording.tape.calls + calls,
            after=self._change_calls,
            cost=recording.cost,
            a=a,
            statistics=statistics,
            optimizer=cast("SplitOptimizer", optimizer),
        )
        return chunk_of(step, engine, self.state.noise, outputs=len(statistics) < len(self._task.metrics))

    def _statistics_calls(self, a: Array, batch: Batch) -> tuple[list[Call], dict[str, Array]]:
        """Return operations that write the metrics' statistics, and the places; nothing if a metric has none."""
        tape, places = Tape(engine_in_use()), {}
        for name, metric in self._task.metrics.items():
            if not (splits(metric, "statistics", "write_statistics") and sums_up(metric)):
                return [], {}
            out = places[name] = np.array(statistics_of(metric, a, batch.targets[0], batch.weight))
            write = cast("WritesStatistics", metric).write_statistics
            if out.dtype != np.float64 or not tape.perform(write, a, batch.targets[0], batch.weight, out):
                return [], {}
        return tape.calls or [], places

    def _change_calls(self, coefficients: tuple[PerStep, ...], kept: PerStep) -> list[Call]:
        """Return :meth:`change` as operations."""
        tape, decays = Tape(engine_in_use()), self._decays
        vector, gradient = self.state.parameters.vector, self._gradient
        if self._regularizer is not None:
            tape.perform(self._regularizer.add_gradient, vector[decays], gradient[decays])
        apply, numbers = cast("SplitOptimizer", self._optimizer).apply, cast("tuple[float, ...]", coefficients)
        if self._factors is not None:
            tape.perform(self._factors.before)
        try:
            tape.perform(apply, vector, gradient, self.state.optimizer, numbers, decays)
        except TypeError as error:  # a coefficient is a column of numbers here
            title = self._task.network.registry.title(self._optimizer)
            raise PluginError(
                f"{title}: apply must pass its coefficients to operations and not compute with them: {error}."
            ) from error
        if self._factors is not None:
            tape.perform(self._factors.after)
        if self._average is not None:
            tape.perform(self._average.follow, cast("float", kept))
        assert tape.calls is not None
        return tape.calls
