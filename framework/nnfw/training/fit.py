"""What callbacks see of a training, and the files that they write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol
from unicodedata import normalize

from nnfw.arrays import Array
from nnfw.errors import ConfigError, DataError, Mistake, short
from nnfw.protocols import Callback
from nnfw.storage import TEMPORARY, Directory, LineFile, place_of
from nnfw.training.checkpoint_file import FILE_NAME
from nnfw.training.state import TrainingState
from nnfw.training.task import VALIDATION, Task
from nnfw.training.watch import Watch

if TYPE_CHECKING:
    from nnfw.training.history import History


class Save(Protocol):
    """Writes a model."""

    def __call__(self, path: Path, /, *, inside: Directory | None) -> None:
        """Write it to `path`; inside an open directory no link is followed."""


class RunningFit:
    """A training in progress, as :class:`nnfw.protocols.Fit` describes it."""

    def __init__(
        self,
        task: Task,
        state: TrainingState,
        watch: Watch,
        recorded: tuple[str, ...],
        files: CallbackFiles,
        save: Save,
    ) -> None:
        self._task, self._state, self._files, self._save = task, state, files, save
        self.epochs, self.steps, self.recorded = task.planned_epochs, task.steps, recorded
        self.examples, self.experiment = len(task.data), task.experiment
        self.parameters = _read_only(state.parameters)
        self.parts: Mapping[str, slice] = state.parameters.layout.parts
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


def _read_only(parameters: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return views of arrays that cannot be written to."""
    views = {name: array.view() for name, array in parameters.items()}
    for view in views.values():
        view.flags.writeable = False
    return MappingProxyType(views)


class CallbackFiles:
    """The files of a training's callbacks: all are in the training's directory, and each has one writer.

    Inside an open directory, that of a run, no link is followed. The names in `taken`, and everything in folders of
    these names, belong to the run.
    """

    def __init__(self, directory: Path | Directory, taken: Iterable[str] = ()) -> None:
        self._inside = directory if isinstance(directory, Directory) else None
        self.directory = directory.path if isinstance(directory, Directory) else directory
        self._taken = {_folded(Path(name)): "the run" for name in taken}

    def claim(self, path: str, owner: str) -> Path:
        """Return where a callback's file goes, and reserve the name; `owner` is the callback's name.

        ConfigError if the file would be outside the directory, or the name is taken. DataError if it is already clear
        that the file cannot be written, because it is a link for instance.
        """
        relative = Path(path)
        if relative.is_absolute() or ".." in relative.parts or "\0" in path:
            raise _refused(
                f"must lie in the directory of the training, got {short(path)}. Write a relative path without '..' and "
                "NUL.",
                owner,
            )
        name = _folded(relative)
        parents = (name[: count + 1] for count in range(len(name)))
        writer = next((self._taken[part] for part in parents if part in self._taken), None)
        if writer is None and any(names.fullmatch(relative.name) for names in (TEMPORARY, FILE_NAME)):
            writer = "nnfw"
        if writer is not None:
            raise _refused(
                f"must be a file of its own, got {short(path)}, which {writer} writes. Choose another name.", owner
            )
        self._taken[name] = f"callback {owner}"
        file = self.directory / relative
        try:
            folder, last = place_of(file, self._inside)
            folder.require_writable(last)
        except OSError as error:
            text = f"{file} cannot be written: {error.strerror}. Choose another path for the callback."
            raise DataError(text) from error
        return file

    def lines(self, path: Path) -> LineFile:
        """Return a new text file at a claimed path."""
        return LineFile(path, inside=self.inside(path))

    def inside(self, path: Path) -> Directory | None:
        """Return the directory inside which no link to the file is followed; None if links may be followed."""
        return self._inside if path.is_relative_to(self.directory) else None


def _folded(path: Path) -> tuple[str, ...]:
    """Return a path's parts as the least strict file system compares them, ignoring case and Unicode forms."""
    return tuple(normalize("NFC", part).casefold() for part in path.parts)


def _refused(text: str, owner: str) -> ConfigError:
    return ConfigError([Mistake(("path",), text)], f"Callback {owner}")
