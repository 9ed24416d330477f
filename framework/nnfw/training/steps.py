"""The steps of a training: batch, gradient, update."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import numpy as np

from nnfw.configuration import short
from nnfw.errors import PluginError
from nnfw.network import Batch, RepeatedPass
from nnfw.training.state import TrainingState
from nnfw.training.task import Task


class Steps:
    """Takes the steps of an epoch: the one place that changes parameters, optimizer, tally and position.

    A step has two halves, and callbacks run between them: :meth:`compute` gathers the batch and finds C and ∂C/∂θ,
    :meth:`update` lets the optimizer change θ.

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
        self._optimizer, self._regularizer = task.optimizer, task.options.regularizer
        self._decays = state.parameters.layout.decays

    def begin_epoch(self) -> float:
        """Draw the order of an epoch that begins or goes on, and choose its rates; return the first of them."""
        task, state = self._task, self.state
        self._rates = self._rates_of_epoch()
        self._rows = state.draw_order(len(task.data), shuffle=task.options.shuffle)
        state.tally.follow(task.data, self._rows, self._batches.child("labels"))
        return self._rates[0]

    def _rates_of_epoch(self) -> list[float]:
        """Return the learning rate of each step of this epoch."""
        options, base = self._task.options, self._task.optimizer.learning_rate
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
        with closing(self.batches_from(self.state.position)) as self._left:
            yield

    def compute(self) -> Sequence[float]:
        """Compute what is next up to its update, and return the costs: of one step, here."""
        state = self.state
        self._batch, self._rate = next(self._left)
        state.step += 1
        state.cost, self._a = self.propagate(self._batch)
        return (state.cost,)

    def update(self) -> None:
        """Complete the step that was computed."""
        state, batch = self.state, self._batch
        state.tally.add(state.cost, self._a, batch.y, batch.weight)
        self.change(self._rate)
        state.position += 1

    def change(self, rate: float) -> None:
        """Let the optimizer change the parameters by the present gradient."""
        vector, gradient, decays = self.state.parameters.vector, self._gradient, self._decays
        if self._regularizer is not None:
            self._regularizer.add_gradient(vector[decays], gradient[decays])
        self._optimizer.update(vector, gradient, self.state.optimizer, self.state.step, rate, decays)
