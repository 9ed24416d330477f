"""What callbacks see of a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nnfw.arrays import Array
from nnfw.protocols import Callback
from nnfw.training.files import CallbackFiles
from nnfw.training.state import TrainingState
from nnfw.training.task import VALIDATION, Task
from nnfw.training.watch import Watch

if TYPE_CHECKING:
    from nnfw.storage import Directory
    from nnfw.training.history import History


class Save(Protocol):
    """Writes a model."""

    def __call__(self, path: Path, /, *, inside: Directory | None) -> None:
        """Write it to `path`; inside an open directory no link is followed."""
        ...


class RunningFit:
    """A training in progress, as :class:`nnfw.protocols.Fit` describes it."""

    def __init__(
        self,
        task: Task,
        state: TrainingState,
        watch: Watch,
        *,
        recorded: tuple[str, ...],
        files: CallbackFiles,
        save: Save,
    ) -> None:
        self._task, self._state, self._files, self._save = task, state, files, save
        self.epochs, self.steps, self.examples, self.recorded = (
            task.options.epochs,
            task.steps,
            len(task.data),
            recorded,
        )
        self.vector, self.directory, self.registry = state.parameters.vector, files.directory, task.network.registry
        self.watch, self.diverged, self.first_non_finite = watch.start, watch.diverged, watch.first_non_finite
        self.lines = files.lines

    @property
    def epoch(self) -> int:
        """The current epoch, from 1."""
        return self._state.epoch

    @property
    def step(self) -> int:
        """The current step, from 1, counted over the whole training."""
        return self._state.step

    @property
    def cost(self) -> float:
        """The cost of the last batch."""
        return self._state.cost

    @property
    def history(self) -> History:
        """The records of the epochs that have ended."""
        return self._state.history

    def stop(self, reason: str) -> None:
        """End the training after this epoch; the history has the reason unless this is the last epoch anyway."""
        self._state.stop_reason = reason
        if self.epoch < self.epochs:
            self.history.stopped = reason

    def better(self, monitor: str, value: float, best: float) -> bool:
        """Return whether `value` of the entry `monitor` is better: lower, or higher if its metric says so."""
        metric = self._task.metrics.get(monitor.removeprefix(VALIDATION))
        return value > best if metric is not None and metric.higher_is_better else value < best

    def snapshot(self) -> tuple[Array, ...]:
        """Return a copy of all parameters and state of the model."""
        return self.vector.copy(), self._state.parameters.state.copy()

    def restore(self, snapshot: tuple[Array, ...]) -> None:
        """Put the values of a snapshot back into the model."""
        self.vector[...], self._state.parameters.state[...] = snapshot

    def save_model(self, path: Path) -> None:
        """Write the model as it is now, without following links in a run's directory."""
        self._save(path, inside=self._files.inside(path))

    def claim(self, path: str, callback: Callback) -> Path:
        """Return where a callback's file goes, and reserve the name for it."""
        return self._files.claim(path, self.registry.label("callback", callback))
