"""The loop of a training: its epochs, and what happens between two steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from math import inf
from time import monotonic
from typing import NoReturn

import numpy as np

from nnfw.errors import TrainingInterrupted
from nnfw.ops import DEFINITIONS, choose, gain, known_accelerators, using
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Callback, is_own, is_solver
from nnfw.training.average import Evaluated
from nnfw.training.batches import Data
from nnfw.training.checkpoint_file import name_of, resume
from nnfw.training.checkpoints import Checkpoints
from nnfw.training.continuation import end_of, go_on
from nnfw.training.evaluation import FIRST_EXAMPLES, Tally, evaluate
from nnfw.training.fit import CallbackFiles, RunningFit, Save
from nnfw.training.history import History, Memory, Record
from nnfw.training.interruption import Interruption
from nnfw.training.rank_steps import RankSteps, require_alike
from nnfw.training.state import fresh_state
from nnfw.training.steps import Steps
from nnfw.training.task import VALIDATION, Task
from nnfw.training.watch import Watch, advice

_FAR = 100  # times the cost before the training: chance alone does not explain that

AfterSteps = Callable[[RunningFit, Sequence[float], Memory], None]
"""What a callback does after some steps, given their costs."""


class Loop(ABC):
    """A training from its first epoch to its last; a subclass takes the steps.

    PluginError if a component returns something other than its protocol says.
    """

    def __init__(self, task: Task, save: Save, files: CallbackFiles, checkpoints: Checkpoints | None = None) -> None:
        network, options = task.network, task.options
        self.task, self._checkpoints = task, checkpoints
        self._start = None if checkpoints is None else checkpoints.start
        accelerator = options.accelerator
        before = None if self._start is None else self._start.header.accelerator
        if task.continued is not None and accelerator == "auto":
            before = task.continued.accelerator
        if before in known_accelerators(network.registry):
            accelerator = before
        places = options.batch_size * network.places
        seconds = gain(network.parameters.vector.size, task.steps * task.planned_epochs, places)
        self._engine, accelerator = choose(accelerator, network.registry, seconds)
        look = self._evaluate_first()
        self._first_cost = look["cost"]
        self.state = fresh_state(task, accelerator)
        self._evaluated = Evaluated(network.parameters, self.state.arrays)
        self._evaluation = network.workspace()
        self._watch = Watch(task, self.state, self._evaluation)
        self.fit = RunningFit(task, self.state, self._watch, tuple(task.recorded(look)), files, save)
        self._callbacks: list[tuple[Callback, Memory]] = []
        self._looks: list[tuple[AfterSteps, Memory]] = []
        self._ends: list[tuple[Callable[[RunningFit, Memory], None], Memory]] = []
        self._not_resumed = ""  # what a checkpoint does not hold, in words
        self._interruption = Interruption(terminated=checkpoints is not None, ranks=task.collective.size)

    @abstractmethod
    def _train(self) -> None:
        """Train to the last epoch, or until a callback stops it."""

    def run(self) -> History:
        """Train, and return the record.

        FileFormatError if the checkpoint to resume from does not fit; DivergedError at the step whose cost is not
        finite; TrainingInterrupted after the step during which a signal arrived, with the parameters of that step;
        NnfwError if a checkpoint cannot be written.
        """
        # overflow on the way to divergence is reported by one error, not by warnings
        with ExitStack() as opened, np.errstate(all="ignore"), using(self._engine), self._interruption:
            opened.callback(self._watch.close)
            self._begin(opened)
            self._train()
            self.state.history.end = end_of(self.task, self.state)
            if self._checkpoints is not None:
                self._checkpoints.write(self.state)
            self._evaluated.swap()
            for callback, memory in self._callbacks:
                callback.fit_ended(self.fit, memory)
            self.state.history.warning = self._rise()
            if self._interruption.signal:  # it arrived when nothing was left to interrupt
                self._interrupt()
        return self.state.history

    def _begin(self, opened: ExitStack) -> None:
        """Resume from the checkpoint or continue the history if there is one, then start the callbacks."""
        callbacks, registry, state = self._with_defaults(), self.task.network.registry, self.state
        names = [name_of("callback", callback, registry) for callback in callbacks]
        memories: list[Memory] = [{} for _ in callbacks]
        if self._start is not None:
            memories = resume(self._start, state, names, self.fit.steps, self.fit.recorded)
            self.fit.stop(self._start.header.stopped)
        elif self.task.continued is not None and self.task.continued.end is not None:
            memories = go_on(self.task.continued.end, state, names)
            self._evaluated.swap()  # as at the end of that training
        if self.task.collective.size > 1:
            require_alike(self.task, state)
        for callback, name, remembered in zip(callbacks, names, memories, strict=True):
            memory: object = callback.state(self.fit)
            if not isinstance(memory, dict):
                raise wrong_result(callback, "state", memory, "a dictionary", registry)
            opened.callback(callback.close, memory)
            memory.update(remembered)
            self._callbacks.append((callback, memory))
            self._looks += [(look, memory) for look in _looks_of(callback)]
            self._ends += [(callback.step_ended, memory)] if is_own(callback, "step_ended", Callback) else []
            state.memories.append((name, memory))
        if self._checkpoints is not None:
            self._checkpoints.begin(state, registry, callbacks, self._not_resumed)

    def _with_defaults(self) -> list[Callback]:
        """Return the callbacks, preceded by those that are on by default and not among them."""
        callbacks, registry = self.task.options.callbacks, self.task.network.registry
        named = {registry.component_of("callback", callback) for callback in callbacks}
        defaults = [item for item in registry.defaults("callback") if item not in named]
        return [registry.resolve("callback", item.qualified_name) for item in defaults] + list(callbacks)

    @property
    def _goes_on(self) -> bool:
        return self.state.epoch < self.task.last_epoch and not self.state.history.stopped

    def _end_epoch(self, rate: float, results: Record) -> None:
        """Complete the record of an epoch, and pass it to callbacks and checkpoints."""
        task, state = self.task, self.state
        if self._engine.gave_up:
            state.history.accelerator = "none"
        record = {"epoch": state.epoch, "learning_rate": rate} | results
        if task.options.regularizer is not None:
            record["penalty"] = task.penalty()
        with self._evaluated.in_place():
            if task.validation is not None:
                self._watch.workspace = self._evaluation
                record |= self._evaluate(task.validation, VALIDATION)
            state.history.records.append(record)
            for callback, memory in self._callbacks:
                callback.epoch_ended(self.fit, record, memory)
        if self._checkpoints is not None:
            self._checkpoints.epoch_ended(state, record[task.watched])
        if self._interruption.due:
            self._interrupt()

    def _evaluate(self, data: Data, prefix: str = "") -> Record:
        task = self.task
        of = task.network, data, task.objective, task.metrics, self._evaluation
        return evaluate(*of, prefix, collective=task.collective)

    def _interrupt(self) -> NoReturn:
        """Write a checkpoint, and end the training."""
        how_to_resume = ""
        if self._checkpoints is not None:
            self._write_checkpoint(self._checkpoints)
            how_to_resume = f" Its state is in {self._checkpoints.folder}. {self._checkpoints.advice}"
        place = f"in epoch {self.state.epoch}, after step {self.state.step}"
        raise TrainingInterrupted(
            f"The training was interrupted {place}.{how_to_resume}", self._interruption.signal, place
        )

    def _write_checkpoint(self, checkpoints: Checkpoints) -> None:
        """Write a checkpoint; DivergedError if parameters are not finite."""
        self._watch.look()
        checkpoints.write(self.state)

    def _evaluate_first(self) -> Record:
        """Return cost and metrics of the first examples with the current parameters, in batches of a step's size."""
        task = self.task
        network, count = task.network, min(len(task.data), FIRST_EXAMPLES)
        some = task.data.sample.subset(task.data.sample.rows_at(np.arange(count)))
        size = count if is_solver(task.optimizer) else min(task.options.batch_size, count)
        engine = self._engine if network.places else DEFINITIONS  # for dense layers, preparing it would take longer
        with np.errstate(all="ignore"), using(engine):
            return evaluate(network, some, task.objective, task.metrics, network.workspace(), size=size)

    def _rise(self) -> str:
        """Return a warning if the cost is far above that of the first parameters; usually nothing."""
        first, records = self._first_cost, self.state.history.records
        recorded = records[-1]["cost"] if records and self.fit.steps > 1 else inf  # of one step: the cost before it
        if not 0 < first < inf or recorded <= _FAR * first:
            return ""
        last = self._evaluate_first()["cost"]  # a callback may have put better parameters back
        if last <= _FAR * first:
            return ""
        data = self.task.data
        return (
            f"The cost of the first {min(FIRST_EXAMPLES, len(data))} examples rose from {first:.3g} before the "
            f"training to {last:.3g}: the model is worse than an untrained one. {advice(data)}"
        )


class StepLoop(Loop):
    """A training by the steps of an optimizer."""

    def __init__(self, task: Task, save: Save, files: CallbackFiles, checkpoints: Checkpoints | None = None) -> None:
        super().__init__(task, save, files, checkpoints)
        alone = task.collective.size == 1
        self._steps = Steps(task, self.state) if alone else RankSteps(task, self.state, self._interruption)
        self._watch.follow(self._steps)

    def _train(self) -> None:
        state = self.state
        while state.position or self._goes_on:
            self._watch.workspace = self._steps.workspace
            if not state.position:  # otherwise an epoch is resumed
                state.epoch += 1
                state.tally = Tally(self.task.metrics)
            rate = self._steps.begin_epoch()
            self._watch.begin()
            self._take_steps()
            self._watch.look()
            state.position = 0
            self._end_epoch(rate, state.tally.record())

    def _take_steps(self) -> None:
        """Take the remaining steps of this epoch."""
        fit, state, count, looks, ends = self.fit, self.state, self.fit.steps, self._looks, self._ends
        after_each = self._checkpoints is not None and not self.task.options.checkpoint_seconds
        single = after_each or ends or any(is_own(each, "step_computed", Callback) for each, _ in self._callbacks)
        compute, update, between = self._steps.compute, self._steps.update, self._between  # a step is short
        try:
            while state.position < count:
                costs = compute(1 if single else int(min(self._watch.due, count)) - state.position)
                for look, memory in looks:
                    look(fit, costs, memory)
                update()
                for ended, memory in ends:
                    ended(fit, memory)
                if state.position < count:
                    between()
        finally:
            self._steps.end_epoch()

    def _between(self) -> None:
        """Do what is due between two steps."""
        if self.state.position >= self._watch.due:
            self._watch.look()
            self._watch.begin()
        if self._interruption.due:
            self._interrupt()
        if self._checkpoints is not None and monotonic() >= self._checkpoints.due:
            self._write_checkpoint(self._checkpoints)


def _looks_of(callback: Callback) -> Iterator[AfterSteps]:
    """Yield the callback's methods that run after several steps, or after each one."""
    if is_own(callback, "steps_computed", Callback):
        yield callback.steps_computed
    if is_own(callback, "step_computed", Callback):
        yield lambda fit, _costs, memory: callback.step_computed(fit, memory)
