"""The steps of a training: batch, gradient, update."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from time import perf_counter
from typing import cast

import numpy as np

from nnfw.configuration import short
from nnfw.errors import PluginError
from nnfw.network import Batch, RepeatedPass
from nnfw.ops import Call, PerStep, Tape, engine_in_use, made_of_kernels, splits
from nnfw.plugins.results import wrong_result
from nnfw.protocols import SplitOptimizer, is_solver
from nnfw.training.chunk import Chunk, RecordedStep, chunk_of
from nnfw.training.state import TrainingState
from nnfw.training.task import Task

_MOMENT = 0.02
"""Seconds that a call of the engine lasts at most, roughly: signals and checkpoints wait so long."""

_FIRST = 16  # steps of the first call, before it is known how long one takes
_SHORTEST = 1e-9
_NOT_TRIED = object()


class Steps:
    """Takes the steps of an epoch: the one place that changes parameters, optimizer, tally and position.

    A step has two halves, and callbacks run between them: :meth:`compute` gathers the batch and finds C and ∂C/∂θ,
    :meth:`update` lets the optimizer change θ. Where nobody needs Python in between, an engine takes many steps in one
    call.

    Parameters
    ----------
    task, state
        What is trained, and how far it is.
    """

    def __init__(self, task: Task, state: TrainingState) -> None:
        self._task, self.state = task, state
        self.count = -(-len(task.data) // task.options.batch_size)
        network, vector = task.network, state.parameters.vector
        self._gradient = np.zeros_like(vector)
        self.gradients = network.views(self._gradient)
        self.workspace = network.workspace(state.noise, training=True)
        self._batches = network.workspace()
        self.propagate = RepeatedPass(network, task.objective, self.workspace, self.gradients)
        assert not is_solver(task.optimizer)
        self._optimizer, self._regularizer = task.optimizer, task.options.regularizer
        rate: object = self._optimizer.learning_rate
        if not isinstance(rate, int | float):
            raise wrong_result(self._optimizer, "learning_rate", rate, "a number", network.registry)
        self._decays = state.parameters.layout.decays
        self._batch: Batch | None = None
        self._whole: Batch | None = None  # a batch of the full size, of which there is a recording
        self._lacks_update = False
        self._chunk: Chunk | object | None = _NOT_TRIED
        self._seconds = _MOMENT / _FIRST

    def begin_epoch(self) -> float:
        """Draw the order of an epoch that begins or goes on, and choose its rates; return the first of them."""
        task, state = self._task, self.state
        self._rates = self._rates_of_epoch()
        self._rows = state.draw_order(len(task.data), shuffle=task.options.shuffle)
        state.tally.follow(task.data, self._rows, self._batches.child("labels"))
        return self._rates[0]

    def _rates_of_epoch(self) -> list[float]:
        """Return the learning rate of each step of this epoch."""
        options, base = self._task.options, self._optimizer.learning_rate
        if options.schedule is None:
            return [base] * self.count
        times = self.state.epoch - 1 + np.arange(self.count) / self.count
        history = tuple(self.state.history[self._task.watched])
        factors = options.schedule.factor(times, options.epochs, history)
        is_array = isinstance(factors, np.ndarray) and factors.shape == times.shape and factors.dtype.kind in "fiu"
        if not is_array or not np.isfinite(factors).all():
            label = self._task.network.registry.label("schedule", options.schedule)
            raise PluginError(
                f"Schedule {label}: factor must return an array of {self.count} finite numbers, got {short(factors)}."
            )
        return [base * factor for factor in factors.tolist()]

    def batches_from(self, position: int) -> Generator[tuple[Batch, float], None, None]:
        """Yield the batches of this epoch after the first `position`, each with the learning rate of its step."""
        size = self._task.options.batch_size
        with closing(self._task.data.feed(self._rows[position * size :], size, self._batches)) as batches:
            yield from zip(batches, self._rates[position:], strict=True)

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Have the batches of the steps that are left at hand in the body."""
        self._open_batches()
        try:
            yield
        finally:
            self._left.close()

    def _open_batches(self) -> None:
        self._left = self.batches_from(self.state.position)

    def compute(self, most: int = 1) -> Sequence[float]:
        """Take up to `most` steps, the last one only up to its update, and return their costs."""
        if most > 1 and self._whole is not None:
            count = min(most, self._together(self._whole))
            if count:
                return self._compute_together(self._whole, count)
        state = self.state
        self._batch, self._rate = next(self._left)
        if len(self._batch.x) == self._task.options.batch_size:
            self._whole = self._batch
        state.step += 1
        state.cost, self._a = self.propagate(self._batch)
        self._lacks_update = True
        return (state.cost,)

    def update(self) -> None:
        """Complete the last step, if it lacks its update."""
        state, batch = self.state, self._batch
        if self._lacks_update and batch is not None:
            state.tally.add(state.cost, self._a, batch.y, batch.weight)
            self.change(self._rate)
            state.position += 1
            self._lacks_update = False

    def change(self, rate: float) -> None:
        """Let the optimizer change the parameters by the present gradient."""
        vector, gradient, decays = self.state.parameters.vector, self._gradient, self._decays
        if self._regularizer is not None:
            self._regularizer.add_gradient(vector[decays], gradient[decays])
        self._optimizer.update(vector, gradient, self.state.optimizer, self.state.step, rate, decays)

    # Many steps in one call of the engine

    def _together(self, batch: Batch) -> int:
        """Return how many of the next steps can be taken in one call that lasts a moment; 0 if none."""
        size = self._task.options.batch_size
        if self._chunk is _NOT_TRIED:
            self._chunk = self._new_chunk(batch)
        if not isinstance(self._chunk, Chunk):
            return 0
        left = len(self._task.data) // size - self.state.position
        return min(left, self._chunk.most, max(1, int(_MOMENT / self._seconds)))

    def _compute_together(self, batch: Batch, count: int) -> list[float]:
        state, size, chunk = self.state, self._task.options.batch_size, self._chunk
        assert isinstance(chunk, Chunk)
        first, recording = state.position, self.propagate.recording_of(batch)
        assert recording is not None
        rows = self._task.data.rows_at(self._rows[first * size : (first + count) * size])
        start = perf_counter()
        costs, complete, outputs = chunk.take(rows, state.step + 1, self._rates[first : first + count])
        self._seconds = max((perf_counter() - start) / len(costs), _SHORTEST)
        self.propagate.turn_to(recording)
        state.tally.add_many(costs[:complete], None if outputs is None else outputs[:complete], size)
        state.step += len(costs)
        state.cost = costs[-1]
        state.position += complete
        self._lacks_update = complete < len(costs)
        self._batch = batch
        self._rate, self._a = self._rates[min(state.position, self.count - 1)], recording.a
        self._left.close()
        self._open_batches()
        if self._lacks_update:
            next(self._left)  # its batch has been gathered
        return costs

    def _new_chunk(self, batch: Batch) -> Chunk | None:
        """Return what takes many steps like that of `batch`; None where Python is needed in between."""
        recording, optimizer = self.propagate.recording_of(batch), self._optimizer
        arrays = (batch.x, batch.y, batch.weight)
        in_memory = len(batch.sources) == sum(array is not None for array in arrays)
        if (
            not engine_in_use().takes_many_steps
            or recording is None
            or recording.cost is None
            or recording.tape.calls is None
            or not in_memory
        ):
            return None
        if not splits(optimizer, "update", "apply"):
            return None
        if self._regularizer is not None and not made_of_kernels(self._regularizer.add_gradient):
            return None
        split = cast("SplitOptimizer", optimizer)
        step = RecordedStep(
            rows=batch.sources[0][1],
            before=recording.tape.calls,
            after=partial(self._change_calls, split),
            cost=recording.cost,
            a=recording.a,
            coefficients=split.coefficients,
        )
        return chunk_of(step, engine_in_use(), self.state.noise, outputs=bool(self._task.metrics))

    def _change_calls(self, optimizer: SplitOptimizer, coefficients: tuple[PerStep, ...]) -> list[Call]:
        """Return :meth:`change` as operations."""
        tape, decays = Tape(engine_in_use()), self._decays
        vector, gradient = self.state.parameters.vector, self._gradient
        if self._regularizer is not None:
            tape.perform(self._regularizer.add_gradient, vector[decays], gradient[decays])
        tape.perform(
            optimizer.apply, vector, gradient, self.state.optimizer, cast("tuple[float, ...]", coefficients), decays
        )
        calls = tape.calls
        assert calls is not None
        return calls
