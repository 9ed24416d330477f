"""The loop of a solver, which sees the cost of all examples at once."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import PluginError, described
from nnfw.network import EVALUATION_ROWS
from nnfw.plugins.results import wrong_result
from nnfw.protocols import is_solver
from nnfw.training.batches import Data, Labelled
from nnfw.training.checkpoints import Checkpoints
from nnfw.training.collective import combine
from nnfw.training.fit import CallbackFiles, Save
from nnfw.training.history import Record
from nnfw.training.loop import Loop
from nnfw.training.task import Task

_RATE = 1.0  # what is recorded: there is no learning rate, and nothing scales the steps

UNUSED = {
    "batch_size": "has nothing to divide: {} sees all examples at once. Leave it out.",
    "shuffle": "has no order to keep: {} sees all examples at once. Leave it out.",
    "schedule": "has nothing to multiply: {} chooses its steps itself. Leave it out.",
    "rates": "has nothing to multiply: {} chooses its steps itself. Leave it out.",
    "accumulate": "has no batches to join: {} sees all examples at once. Leave it out.",
    "average": "has no steps to average: {} ends at a minimum. Leave it out.",
    "mix": "has no batches to mix: {} sees all examples at once. Leave it out.",
    "frozen": "cannot hold parameters back: {} changes all of them together. Use an optimizer.",
}
"""Options that a solver does not use, each with what is wrong about it."""


class SolverLoop(Loop):
    """A training by a solver, with an epoch for each of its iterations."""

    def __init__(self, task: Task, save: Save, files: CallbackFiles, checkpoints: Checkpoints | None = None) -> None:
        super().__init__(task, save, files, checkpoints)
        assert is_solver(task.optimizer)
        self._solver = task.optimizer
        self._vector = self.state.parameters.vector
        self._gradient = np.zeros_like(self._vector)
        self._gradients = task.network.views(self._gradient)
        self._workspace = task.network.workspace(self.state.noise, training=True)
        self._batches = task.network.workspace()
        rank, size = task.collective.rank, task.collective.size
        self._data: Data = task.data
        if size > 1:
            assert isinstance(task.data, Labelled)  # ranks cannot share a source
            self._data = task.data.subset(task.data.rows_at(np.arange(rank, len(task.data), size)))
        label = self.fit.registry.label("optimizer", self._solver)
        self._not_resumed = f"{label} starts again from where it was, without what it remembered"

    def _train(self) -> None:
        """Let the solver lower the cost of all examples."""
        if not self._goes_on:
            return
        state, epochs = self.state, self.task.last_epoch
        noise = state.noise.bit_generator.state
        accepted = self._vector.astype(np.float64)

        def ended(theta: Array, cost: float) -> bool:
            self._require_theta(theta)
            accepted[...] = theta
            self._vector[...] = theta
            state.noise.bit_generator.state = noise  # as at the beginning, where a checkpoint is resumed
            state.epoch += 1
            state.step += 1
            self._show(cost)
            for ended_step, memory in self._ends:
                ended_step(self.fit, memory)
            self._end_epoch(_RATE, self._results(cost))
            return not self._goes_on

        def function(theta: Array) -> tuple[float, Array]:
            self._require_theta(theta)
            state.noise.bit_generator.state = noise
            if self._interruption.due:
                self._vector[...] = accepted
                self._interrupt()
            return self._cost_of_all(theta)

        start = accepted.copy()
        first, _ = function(start)
        self._show(first)
        reason: object = self._solver.minimise(function, start, epochs - state.epoch, ended)
        if not isinstance(reason, str):
            raise wrong_result(
                self._solver, "minimise", reason, "text: why it ended, or an empty one", self.fit.registry
            )
        if not state.epoch:  # it was at its end from the beginning
            ended(start, first)
        self._vector[...] = accepted  # the θ that was tried last may be another
        state.noise.bit_generator.state = noise
        if reason:
            self.fit.stop(reason)

    def _require_theta(self, theta: object) -> None:
        if not isinstance(theta, np.ndarray) or theta.shape != self._vector.shape:
            wanted = f"an array of shape {self._vector.shape}"
            title = self.fit.registry.title(self._solver)
            raise PluginError(f"{title}: minimise must give its functions {wanted}, got {described(theta)}.")

    def _show(self, cost: float) -> None:
        """Let the callbacks look at a cost."""
        self.state.cost = cost
        for look, memory in self._looks:
            look(self.fit, (cost,), memory)

    def _cost_of_all(self, theta: Array) -> tuple[float, Array]:
        """Return cost and gradient over all examples, penalty included."""
        task, parameters = self.task, self.state.parameters
        self._watch.workspace = self._workspace
        parameters.vector[...] = theta
        cost, gradient = 0.0, np.zeros(theta.size)
        with closing(self._data.parts(EVALUATION_ROWS, self._batches)) as parts:
            for batch in parts:
                part, _ = task.network.backward(batch, task.objective, self._workspace, self._gradients)
                cost += part * len(batch) / len(task.data)
                gradient += self._gradient * (len(batch) / len(task.data))
        if task.collective.size > 1:
            sums: list[Array | float] = [gradient, cost, self._interruption.signal]
            _, (gradient, total, signals) = combine(task.collective, len(self._data), [], sums)
            cost = float(total)
            self._interruption.agree(float(signals))
        if task.options.regularizer is not None:
            decays = parameters.layout.decays
            penalty = np.zeros_like(self._gradient[decays])
            task.options.regularizer.add_gradient(task.weights, penalty)
            gradient[decays] += penalty
            cost += task.penalty()
        return cost, gradient

    def _results(self, cost: float) -> Record:
        """Return cost, without the penalty, and metrics of all examples."""
        results = {"cost": cost - self.task.penalty()}
        if self.task.metrics:
            found = self._evaluate(self.task.data)
            results |= {name: found[name] for name in self.task.metrics}
        return results
