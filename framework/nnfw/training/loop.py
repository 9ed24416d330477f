"""The training loop: batch, gradient, step."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing, suppress
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from nnfw.arrays import Array
from nnfw.configuration import short
from nnfw.errors import DivergedError, PluginError, TrainingInterrupted
from nnfw.network import Objective, RepeatedPass
from nnfw.ops import choose, gain, known_accelerators, using
from nnfw.plugins.results import described, wrong_result
from nnfw.protocols import Callback, Optimizer, Solver, is_solver
from nnfw.randomness import stream
from nnfw.training.checkpoint_file import memories_of, restore, set_random
from nnfw.training.evaluation import EVALUATION_ROWS, FIRST_EXAMPLES, Tally, evaluate, first_look, named_metrics
from nnfw.training.files import CallbackFiles
from nnfw.training.history import History
from nnfw.training.interruption import Interruption
from nnfw.training.watch import Watch, advice, diverged, reach

if TYPE_CHECKING:
    from nnfw.model import Sequential
    from nnfw.network import Batch
    from nnfw.storage import Directory, LineFile
    from nnfw.training.batches import Labelled
    from nnfw.training.checkpoints import Checkpoints
    from nnfw.training.options import TrainingOptions


_FAR = 100  # times the cost before the training, which chance alone does not bring about

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
        Where callbacks put files with relative paths; below one that is held open no link is followed.
    taken
        Names there that callbacks may not use.
    checkpoints
        Where its state is kept, and where it goes on from; None to keep none.

    Raises
    ------
    FileFormatError
        If the checkpoint to go on from is not of such a training.
    """

    def __init__(
        self,
        model: Sequential,
        data: Labelled,
        validation: Labelled | None = None,
        *,
        objective: Objective,
        optimizer: Optimizer,
        options: TrainingOptions,
        seed: int,
        directory: Path | Directory,
        taken: Iterable[str] = (),
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.model, self.data, self.validation = model, data, validation
        self.objective, self.optimizer, self.options = objective, optimizer, options
        self._files, self.registry = CallbackFiles(directory, taken), model.registry
        self.directory = self._files.directory
        self.epoch, self.epochs = 0, options.epochs
        self.step, self.steps = 0, 1 if is_solver(optimizer) else -(-len(data) // options.batch_size)
        self.position = 0  # steps of this epoch that are taken; 0 between two epochs
        self.stop_reason = ""
        self.examples, self.cost = len(data), float("nan")
        self.vector, self.state = model.parameters.vector, model.parameters.state
        self._decays = model.parameters.layout.decays
        start = None if checkpoints is None else checkpoints.start
        wanted = options.accelerator
        if start is not None and start.header.accelerator in known_accelerators(model.registry):
            wanted = start.header.accelerator
        self._kernels, accelerator = choose(wanted, model.registry, gain(self.vector.size, self.steps * self.epochs))
        self.history = History(accelerator=accelerator)
        self.gradient = np.zeros_like(self.vector)
        self.gradients, self.parameters = model.network.views(self.gradient), model.parameters
        self._metrics = named_metrics(options.metrics, model.registry)
        look = self._look()
        self._first_cost = look["cost"]
        names = ("cost", *(name for name in self._metrics if not isinstance(look[name], list)))
        self.recorded = names if options.regularizer is None else (*names, "penalty")
        self._watched = "cost" if validation is None else VALIDATION + "cost"
        self.recorded += () if validation is None else tuple(VALIDATION + name for name in names)
        self._order, self.noise = stream(seed, "order"), stream(seed, "noise")
        self._order_of_epoch = self.order
        self.tally = Tally(self._metrics)
        self._workspace = model.network.workspace(self.noise, training=True)
        self.propagate = RepeatedPass(model.network, objective, self._workspace, self.gradients)
        self._batch = model.network.workspace()
        self._evaluation = model.network.workspace()
        self._last_pass = self._workspace
        self.optimizer_state = state_of(optimizer, self.vector)
        rate: object = optimizer.learning_rate
        if not isinstance(rate, int | float):
            raise wrong_result(optimizer, "learning_rate", rate, "a number", self.registry)
        self.callbacks: list[tuple[Callback, dict[str, Any]]] = []
        self._checkpoints = checkpoints
        self._watch: Watch | None = None
        self._interruption = Interruption(terminated=checkpoints is not None)
        if start is not None:
            restore(self, start)

    def run(self) -> History:
        """Train to the last epoch, or until a callback stops it; return the record.

        Raises
        ------
        DivergedError
            At the step whose cost is not finite.
        TrainingInterrupted
            After the step during which a signal came, with the parameters of that step.
        NnfwError
            If a checkpoint cannot be written.
        """
        # overflow on the way to divergence is told by one error, not by warnings
        with ExitStack() as opened, np.errstate(all="ignore"), using(self._kernels), self._interruption:
            opened.callback(self._unwatch)
            self._begin(opened)
            if is_solver(self.optimizer) and self._goes_on:
                self._run_solver(self.optimizer)
            elif not is_solver(self.optimizer):
                self._run_epochs()
            if self._checkpoints is not None:
                self._checkpoints.write(self)
            for callback, state in self.callbacks:
                callback.fit_ended(self, state)
            self.history.warning = self._rise()
            if self._interruption.signal:  # it came while nothing could be interrupted any more
                self._interrupt()
        return self.history

    def _begin(self, opened: ExitStack) -> None:
        """Let each callback make its memory; what it remembered in the checkpoint comes back."""
        callbacks, registry = self._with_defaults(self.options.callbacks), self.registry
        start = None if self._checkpoints is None else self._checkpoints.start
        memories = [{} for _ in callbacks] if start is None else memories_of(start, callbacks, registry)
        for callback, memory in zip(callbacks, memories, strict=True):
            state = callback.state(self)
            if not isinstance(state, dict):
                raise wrong_result(callback, "state", state, "a dictionary", registry)
            opened.callback(callback.close, state)
            state.update(memory)
            self.callbacks.append((callback, state))
        if self._checkpoints is not None:
            self._checkpoints.begin(self)

    def _look(self) -> dict[str, Any]:
        """Return cost and metrics of the first examples, with the parameters as they are."""
        size = EVALUATION_ROWS if is_solver(self.optimizer) else self.options.batch_size
        return first_look(self.model.network, self.data, self.objective, self._metrics, size)

    def _rise(self) -> str:
        """Return a warning if the cost is far above that of the first parameters; usually nothing."""
        first, records = self._first_cost, self.history.records
        recorded = records[-1]["cost"] if records and self.steps > 1 else inf  # of one step: the cost before it
        if not 0 < first < inf or recorded <= _FAR * first:
            return ""
        last = self._look()["cost"]  # a callback may have put better parameters back
        if last <= _FAR * first:
            return ""
        return (
            f"The cost of the first {min(FIRST_EXAMPLES, len(self.data))} examples rose from {first:.3g} before the "
            f"training to {last:.3g}: the model is worse than an untrained one. {advice(self)}"
        )

    @property
    def _goes_on(self) -> bool:
        return self.epoch < self.epochs and not self.history.stopped

    def _run_epochs(self) -> None:
        while self.position or self._goes_on:
            self._last_pass = self._workspace
            self._epoch_ended(self._run_epoch())

    def _epoch_ended(self, record: dict[str, Any]) -> None:
        self.history.records.append(record)
        for callback, state in self.callbacks:
            callback.epoch_ended(self, record, state)
        if self._checkpoints is not None:
            self._checkpoints.epoch_ended(self, record[self._watched])
        if self._interruption.signal:
            self._interrupt()

    def _step_ended(self) -> None:
        if self._watch is not None and self.position >= self._watch.due:
            self._watch.look()
            self._watch.begin()
        if self._interruption.signal:
            self._interrupt()
        if self._checkpoints is not None and monotonic() >= self._checkpoints.due:
            self._keep(self._checkpoints)

    def _keep(self, checkpoints: Checkpoints) -> None:
        if self._watch is not None:
            self._watch.look()
        checkpoints.write(self)

    def _interrupt(self) -> None:
        """Keep what there is, and end."""
        advice = ""
        if self._checkpoints is not None:
            self._keep(self._checkpoints)
            advice = f" Its state is in {self._checkpoints.folder}. {self._checkpoints.advice}"
        text = f"The training was interrupted in epoch {self.epoch}, after step {self.step}.{advice}"
        raise TrainingInterrupted(text, self._interruption.signal)

    def _run_solver(self, solver: Solver) -> None:
        """Let a solver lower the cost of all examples, an epoch for each of its iterations."""
        accepted = self.vector.astype(np.float64)

        def ended(theta: Array, cost: float) -> bool:
            self._require_theta(solver, theta)
            accepted[...] = theta
            self.vector[...] = theta
            self.noise.bit_generator.state = noise  # as at the beginning, where a checkpoint is resumed
            self.epoch += 1
            self.step += 1
            self._look_at(cost)
            self._epoch_ended(self._record_of_all(cost))
            return bool(self.history.stopped) or self.epoch >= self.epochs

        def function(theta: Array) -> tuple[float, Array]:
            self._require_theta(solver, theta)
            if self._interruption.signal:
                self.vector[...], self.noise.bit_generator.state = accepted, noise
                self._interrupt()
            return self._cost_of_all(theta, noise)

        noise = self.noise.bit_generator.state
        start = accepted.copy()
        first, _ = function(start)
        self._look_at(first)
        reason = solver.minimise(function, start, self.epochs - self.epoch, ended)
        if not isinstance(reason, str):
            raise wrong_result(solver, "minimise", reason, "text: why it ended, or an empty one", self.registry)
        if not self.epoch:  # it was at its end from the beginning
            ended(start, first)
        self.vector[...], self.noise.bit_generator.state = accepted, noise  # the θ that was tried last may be another
        if reason:
            self.stop(reason)

    def _require_theta(self, solver: Solver, theta: Any) -> None:
        if not isinstance(theta, np.ndarray) or theta.shape != self.vector.shape:
            wanted = f"an array of shape {self.vector.shape}"
            label = self.registry.title(solver)
            raise PluginError(f"{label}: minimise must give its functions {wanted}, got {described(theta)}.")

    def _look_at(self, cost: float) -> None:
        self.cost = cost
        for callback, state in self.callbacks:
            callback.step_computed(self, state)

    def _cost_of_all(self, theta: Array, noise: Any) -> tuple[float, Array]:
        """Return cost and gradient over all examples, penalty included; the noise is the same every time."""
        self.vector[...] = theta
        self._workspace.rng.bit_generator.state = noise
        cost, gradient = 0.0, np.zeros(self.vector.size)
        with closing(self.data.parts(EVALUATION_ROWS, self._batch)) as parts:
            for x, y, weight in parts:
                part, _ = self.model.network.backward(x, y, weight, self.objective, self._workspace, self.gradients)
                cost += part * len(x) / len(self.data)
                gradient += self.gradient * (len(x) / len(self.data))
        if self.options.regularizer is not None:
            weights, penalty = self.vector[self._decays], np.zeros_like(self.gradient[self._decays])
            self.options.regularizer.add_gradient(weights, penalty)  # type: ignore[union-attr]
            gradient[self._decays] += penalty
            cost += self._penalty()
        return cost, gradient

    def _record_of_all(self, cost: float) -> dict[str, Any]:
        results = {"cost": cost - self._penalty()}
        if self._metrics:
            found = evaluate(self.model.network, self.data, self.objective, self._metrics, self._evaluation)
            results |= {name: found[name] for name in self._metrics}
        return self._record(self.optimizer.learning_rate, results)

    def _penalty(self) -> float:
        if self.options.regularizer is None:
            return 0.0
        penalty = self.options.regularizer.value(self.vector[self._decays])  # type: ignore[union-attr]
        if isinstance(penalty, int | float | np.integer | np.floating):
            with suppress(OverflowError):  # of a whole number
                return float(penalty)
        raise wrong_result(self.options.regularizer, "value", penalty, "a number", self.registry)

    def _run_epoch(self) -> dict[str, Any]:
        """Take the steps of an epoch, or those that are left of one that was begun, and return its record."""
        if not self.position:
            self.epoch += 1
            self.tally = Tally(self._metrics)
        self._rates_of_epoch, self._order_of_epoch = self._rates(), self._order.bit_generator.state
        count = len(self.data)
        self._rows_of_epoch = self._order.permutation(count) if self.options.shuffle else np.arange(count)
        self.tally.follow(self.data, self._rows_of_epoch, self._batch.child("labels"))
        if self._watch is not None:
            self._watch.begin()
        self._take_steps()
        if self._watch is not None:
            self._watch.look()
        self.position = 0
        return self._record(self._rates_of_epoch[0], self.tally.record())

    def _take_steps(self) -> None:
        """Take the steps of this epoch that are left."""
        computed = [(call.step_computed, state) for call, state in self.callbacks if _looks_at_steps(call)]
        propagate, add, update = self.propagate, self.tally.add, self.update  # looked up once: a step is short
        with closing(self.batches_from(self.position)) as batches:
            for batch, rate in batches:
                self.step += 1
                self.cost, a = propagate(batch)
                for step_computed, state in computed:
                    step_computed(self, state)
                add(self.cost, a, batch.y, batch.weight)
                update(rate)
                self.position += 1
                if self.position < self.steps:
                    self._step_ended()

    def batches_from(self, position: int) -> Generator[tuple[Batch, float], None, None]:
        """Yield the batches of this epoch after the first `position`, each with the learning rate of its step."""
        size = self.options.batch_size
        with closing(self.data.feed(self._rows_of_epoch[position * size :], size, self._batch)) as batches:
            yield from zip(batches, self._rates_of_epoch[position:], strict=True)

    def update(self, rate: float) -> None:
        """Let the optimizer take the present step."""
        decays = self._decays
        if self.options.regularizer is not None:
            self.options.regularizer.add_gradient(self.vector[decays], self.gradient[decays])  # type: ignore[union-attr]
        self.optimizer.update(self.vector, self.gradient, self.optimizer_state, self.step, rate, decays)

    @property
    def order(self) -> Any:
        """State of the random numbers from which the order of this epoch was drawn; between two, of the next one."""
        return self._order_of_epoch if self.position else self._order.bit_generator.state

    @order.setter
    def order(self, state: Any) -> None:
        set_random(self._order, state)

    def _rates(self) -> list[float]:
        """Return the learning rate of each step of this epoch."""
        base = self.optimizer.learning_rate
        if self.options.schedule is None:
            return [base] * self.steps
        times = self.epoch - 1 + np.arange(self.steps) / self.steps
        history = tuple(self.history[self._watched])
        factors = self.options.schedule.factor(times, self.epochs, history)  # type: ignore[union-attr]
        is_array = isinstance(factors, np.ndarray) and factors.shape == times.shape and factors.dtype.kind in "fiu"
        if not is_array or not np.isfinite(factors).all():
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
            record |= evaluate(
                self.model.network, self.validation, self.objective, self._metrics, self._evaluation, VALIDATION
            )
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
        self.stop_reason = reason
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

    def watch(self) -> None:
        """Look from now on at the parameters; where a step makes them not finite, DivergedError names it."""
        if self._watch is None and not is_solver(self.optimizer):  # a solver keeps away from such parameters by itself
            self._watch = Watch(self)

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._watch = None  # it knows this training: as long as each has the other, neither is freed

    def diverged(self, what: str) -> DivergedError:
        """Return the error for a cost that is not finite, which names the step where that began."""
        what = f"{what}. {self.first_non_finite()}"
        return diverged(self, what) if self._watch is None else self._watch.error(what)

    def first_non_finite(self) -> str:
        """Name the first layer with values that were not finite in the last pass, or else labels or the last layer."""
        return self.model.network.first_non_finite(self._last_pass, reach(self.data.y))

    def save_model(self, path: Path) -> None:
        """Write the model as it is now; no link in a run's directory is followed."""
        self.model.save(path, inside=self._files.inside(path))

    def claim(self, path: str, callback: Callback) -> Path:
        """Return where a callback's file goes, and keep the name for it alone."""
        return self._files.claim(path, self.registry.label("callback", callback))

    def lines(self, path: Path) -> LineFile:
        """Return a new text file at a claimed path."""
        return self._files.lines(path)


def state_of(optimizer: Optimizer, vector: Array) -> Mapping[str, Array]:
    """Return fresh state of an optimizer for a vector; PluginError unless that is arrays of the vector's shape."""
    state = optimizer.state(vector)
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise wrong_result(optimizer, "state", state, "a dictionary of arrays by name")
    for name, array in state.items():
        if not isinstance(array, np.ndarray) or array.shape != vector.shape:
            raise wrong_result(optimizer, f"state[{short(name)}]", array, f"an array of shape {vector.shape}")
    return state


def _looks_at_steps(callback: Callback) -> bool:
    """Return whether a callback has a `step_computed` of its own."""
    return getattr(callback.step_computed, "__func__", None) is not Callback.step_computed
