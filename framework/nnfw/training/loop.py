"""The training loop: batch, gradient, step."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnfw.compute import choose, gain, using
from nnfw.configuration import short
from nnfw.errors import PluginError
from nnfw.protocols import Callback, Optimizer, Solver, is_solver
from nnfw.randomness import stream
from nnfw.training.evaluation import EVALUATION_ROWS, Tally, evaluate, named_metrics
from nnfw.training.history import History

if TYPE_CHECKING:
    from nnfw.training.batches import Labelled
    from nnfw.training.options import TrainingOptions
    from nnfw.training.trainable import Objective, Trainable

Array = NDArray[Any]

VALIDATION = "validation_"
"""Prefix of what is computed on validation data."""


class Training:
    """One training in progress: everything that changes while it runs, and the loop that changes it.

    Callbacks see it as :class:`nnfw.protocols.Fit`.

    Parameters
    ----------
    model
        What is trained, in place.
    data, validation
        Examples to train on, and to watch.
    objective, optimizer, options
        Resolved components.
    seed
        Seed of the order of the examples and of the noise.
    directory
        Where callbacks put files with relative paths.
    """

    def __init__(
        self,
        model: Trainable,
        data: Labelled,
        validation: Labelled | None = None,
        *,
        objective: Objective,
        optimizer: Optimizer,
        options: TrainingOptions,
        seed: int,
        directory: Path,
    ) -> None:
        self.model, self.data, self.validation = model, data, validation
        self.objective, self.optimizer, self.options = objective, optimizer, options
        self.directory, self.registry = directory, model.registry
        self.epoch, self.epochs = 0, options.epochs
        self.step, self.steps = 0, 1 if is_solver(optimizer) else -(-len(data) // options.batch_size)
        self.examples, self.cost = len(data), float("nan")
        self.vector, self.state = model.vectors
        seconds = gain(self.vector.size, self.steps * self.epochs)
        self._kernels, accelerator = choose(options.accelerator, model.registry, seconds)
        self.history = History(accelerator=accelerator)
        self.gradient = np.zeros_like(self.vector)
        self._grads = model.views(self.gradient)
        self._metrics = named_metrics(options.metrics, model.registry)
        names = ("cost", *self._metrics)
        self.recorded = names if options.regularizer is None else (*names, "penalty")
        self.recorded += () if validation is None else tuple(VALIDATION + name for name in names)
        self._order = stream(seed, "order")
        self._workspace = model.workspace(stream(seed, "noise"), training=True)
        self._pass = model.repeated(objective, self._workspace, self._grads)
        self._batch = model.workspace()
        self._evaluation = model.workspace()
        self._last_pass = self._workspace
        self._optimizer_state = optimizer.state(self.vector)
        self._callbacks: list[tuple[Callback, dict[str, Any]]] = []

    def run(self) -> History:
        """Train to the last epoch, or until a callback stops it; return the record.

        Raises
        ------
        DivergedError
            At the step whose cost is not finite.
        """
        # overflow on the way to divergence is told by one error, not by warnings
        with ExitStack() as opened, np.errstate(all="ignore"), using(self._kernels):
            for callback in self._with_defaults(self.options.callbacks):
                state = callback.state(self)
                opened.callback(callback.close, state)
                self._callbacks.append((callback, state))
            if is_solver(self.optimizer):
                self._run_solver(self.optimizer)
            else:
                self._run_epochs()
            for callback, state in self._callbacks:
                callback.fit_ended(self, state)
        return self.history

    def _run_epochs(self) -> None:
        while self.epoch < self.epochs and not self.history.stopped:
            self.epoch += 1
            self._last_pass = self._workspace
            self._epoch_ended(self._run_epoch())

    def _epoch_ended(self, record: dict[str, Any]) -> None:
        self.history.records.append(record)
        for callback, state in self._callbacks:
            callback.epoch_ended(self, record, state)

    def _run_solver(self, solver: Solver) -> None:
        """Let a solver lower the cost of all examples, an epoch for each of its iterations."""
        accepted = self.vector.astype(np.float64)

        def ended(theta: Array, cost: float) -> bool:
            accepted[...] = theta
            self.vector[...] = theta
            self.epoch += 1
            self.step += 1
            self._look_at(cost)
            self._epoch_ended(self._record_of_all(cost))
            return bool(self.history.stopped) or self.epoch >= self.epochs

        noise = self._workspace.rng.bit_generator.state
        start = accepted.copy()
        first, _ = self._cost_of_all(start, noise)
        self._look_at(first)
        reason = solver.minimise(lambda theta: self._cost_of_all(theta, noise), start, self.epochs, ended)
        if not self.epoch:  # it was at its end from the beginning
            ended(start, first)
        self.vector[...] = accepted  # the θ that was tried last may be another
        if reason:
            self.stop(reason)

    def _look_at(self, cost: float) -> None:
        self.cost = cost
        for callback, state in self._callbacks:
            callback.step_computed(self, state)

    def _cost_of_all(self, theta: Array, noise: Any) -> tuple[float, Array]:
        """Return cost and gradient over all examples, penalty included; the noise is the same every time."""
        self.vector[...] = theta
        self._workspace.rng.bit_generator.state = noise
        cost, gradient = 0.0, np.zeros(self.vector.size)
        with closing(self.data.parts(EVALUATION_ROWS, self._batch)) as parts:
            for x, y, weight in parts:
                part, _ = self.model.backward(x, y, weight, self.objective, self._workspace, self._grads)
                cost += part * len(x) / len(self.data)
                gradient += self.gradient * (len(x) / len(self.data))
        if self.options.regularizer is not None:
            weights, penalty = self.vector[self.model.decays], np.zeros_like(self.gradient[self.model.decays])
            self.options.regularizer.add_gradient(weights, penalty)  # type: ignore[union-attr]
            gradient[self.model.decays] += penalty
            cost += self.options.regularizer.value(weights)  # type: ignore[union-attr]
        return cost, gradient

    def _record_of_all(self, cost: float) -> dict[str, Any]:
        results = {"cost": cost - self._penalty()}
        if self._metrics:
            found = evaluate(self.model, self.data, self.objective, self._metrics, self._evaluation)
            results |= {name: found[name] for name in self._metrics}
        return self._record(self.optimizer.learning_rate, results)

    def _penalty(self) -> float:
        if self.options.regularizer is None:
            return 0.0
        return self.options.regularizer.value(self.vector[self.model.decays])  # type: ignore[union-attr]

    def _run_epoch(self) -> dict[str, Any]:
        size, rates, tally = self.options.batch_size, self._rates(), Tally(self._metrics)
        order = self._order.permutation(len(self.data)) if self.options.shuffle else np.arange(len(self.data))
        with closing(self.data.batches(order, size, self._batch)) as batches:
            for (x, y, weight), rate in zip(batches, rates, strict=True):
                self.step += 1
                self.cost, a = self._pass(x, y, weight)
                for callback, state in self._callbacks:
                    callback.step_computed(self, state)
                tally.add(self.cost, a, y, weight)
                self._update(rate)
        return self._record(rates[0], tally.record())

    def _update(self, rate: float) -> None:
        decays = self.model.decays
        if self.options.regularizer is not None:
            self.options.regularizer.add_gradient(self.vector[decays], self.gradient[decays])  # type: ignore[union-attr]
        self.optimizer.update(self.vector, self.gradient, self._optimizer_state, self.step, rate, decays)

    def _rates(self) -> list[float]:
        """Return the learning rate of each step of this epoch."""
        base = self.optimizer.learning_rate
        if self.options.schedule is None:
            return [base] * self.steps
        times = self.epoch - 1 + np.arange(self.steps) / self.steps
        watched = VALIDATION + "cost" if self.validation is not None else "cost"
        factors = self.options.schedule.factor(times, self.epochs, tuple(self.history[watched]))  # type: ignore[union-attr]
        if not isinstance(factors, np.ndarray) or factors.shape != times.shape or not np.isfinite(factors).all():
            label = self.registry.label("schedule", self.options.schedule)
            raise PluginError(
                f"Schedule {label}: factor must return an array of {self.steps} finite numbers, got {short(factors)}."
            )
        return [base * factor for factor in factors.tolist()]

    def _record(self, rate: float, results: dict[str, Any]) -> dict[str, Any]:
        record: dict[str, Any] = {"epoch": self.epoch, "learning_rate": rate} | results
        if self.options.regularizer is not None:
            record["penalty"] = self._penalty()
        if self.validation is not None:
            self._last_pass = self._evaluation
            record |= evaluate(self.model, self.validation, self.objective, self._metrics, self._evaluation, VALIDATION)
        return record

    def _with_defaults(self, callbacks: tuple[Callback | str, ...]) -> list[Callback]:
        """Return the callbacks, after those that are on by default and not among them."""
        registry = self.model.registry
        named = {registry.component_of("callback", callback) for callback in callbacks}
        defaults = [item for item in registry.defaults("callback") if item not in named]
        return [registry.resolve("callback", item.qualified_name) for item in defaults] + list(callbacks)

    # What callbacks may ask for, besides the attributes.

    def stop(self, reason: str) -> None:
        """End the training after this epoch; says nothing if it is the last one anyway."""
        if self.epoch < self.epochs:
            self.history.stopped = reason

    def better(self, monitor: str, value: float, best: float) -> bool:
        """Whether `value` of the entry `monitor` is better than `best`: lower for a cost, as declared for a metric."""
        metric = self._metrics.get(monitor.removeprefix(VALIDATION))
        return value > best if metric is not None and metric.higher_is_better else value < best

    def snapshot(self) -> tuple[Array, ...]:
        """Return a copy of all parameters and state of the model."""
        return self.vector.copy(), self.state.copy()

    def restore(self, snapshot: tuple[Array, ...]) -> None:
        """Put the values of a snapshot back into the model."""
        self.vector[...], self.state[...] = snapshot

    def first_non_finite(self) -> str:
        """Name the first layer with values that were not finite in the last pass, or else the last layer."""
        return self.model.first_non_finite(self._last_pass)

    def save_model(self, path: Path) -> None:
        """Write the model as it is now."""
        self.model.save(path)
