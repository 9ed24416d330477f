"""When checkpoints are written, which of them are kept, and which one a training resumes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from nnfw.errors import DataError, FileFormatError, NnfwError, short
from nnfw.machine import describe_exactness
from nnfw.plugins.specs import PROJECT
from nnfw.protocols import Callback
from nnfw.storage import Directory, as_directory
from nnfw.storage.container import NotReadableError
from nnfw.training.checkpoint_file import FILE_NAME, Checkpoint, Header, read, write
from nnfw.training.state import TrainingState

if TYPE_CHECKING:
    from nnfw.plugins import Registry

KEPT = 2  # of the newest: if the last one is damaged, the one before is used
_SHARE = 0.01  # of the time may be spent on checkpoints


class Checkpoints:
    """The checkpoints of one training: files in a folder of their own.

    One is written before the first step, at the end of an epoch, every few seconds within one, and when training ends
    or is interrupted. The two newest are kept, and the one from the end of the epoch with the lowest validation cost,
    or cost without validation data.

    Parameters
    ----------
    seconds
        Time between two checkpoints within an epoch, 0 or more; 0 writes one after each step. Above 0, the next one
        waits a hundred times as long as the last one took, so checkpoints take at most one hundredth of the time.
    origin
        What is trained on what, as far as the results depend on it: tables, lists, texts and numbers.
    advice, tell
        How to resume the training, and what is called with a message if resuming may not be bit-exact.
    plugins
        Versions of the distributions of the components in `origin`; those of callbacks and the accelerator are added.
    start
        The checkpoint to resume from; None to start from the beginning.
    """

    def __init__(
        self,
        folder: Path | Directory,
        seconds: float,
        *,
        origin: Mapping[str, object],
        advice: str,
        tell: Callable[[str], None],
        plugins: Mapping[str, str] | None = None,
        start: Checkpoint | None = None,
    ) -> None:
        self._directory, self.advice, self.start = as_directory(folder), advice, start
        self.folder = self._directory.path
        self._seconds, self._origin, self._tell, self._plugins = seconds, dict(origin), tell, plugins or {}
        self._environment: dict[str, object] = {}
        self.due = self._epoch_due = 0.0
        self._steps: list[int] = []  # of the newest checkpoints
        self._place: tuple[int, int] | None = None
        self._best: tuple[float | None, int | None] = (None, None)  # cost and step
        if start is not None:
            header = start.header
            self._steps, self._place = [header.step], (header.step, header.position)
            self._best = header.best_cost, header.best_step

    def begin(
        self, state: TrainingState, registry: Registry, callbacks: Iterable[Callback], not_resumed: str = ""
    ) -> None:
        """Write the first one, so that a lack of space shows before any work is done; NnfwError if that fails.

        If the training resumes, report why that may not be bit-exact. `not_resumed` says what checkpoints do not hold.
        """
        make_folder(self._directory)
        self._directory.remove_left_overs()
        accelerator = state.history.accelerator
        plugins = self._versions(registry, callbacks, accelerator)
        self._environment = {**describe_exactness(accelerator), "plugins": plugins}
        if self.start is not None:
            reasons = [*_changes(self.start.header.environment, self._environment), *filter(None, [not_resumed])]
            if reasons:
                self._tell(f"Not bit-exact: {'; '.join(reasons)}.")
        self.write(state)

    def _versions(self, registry: Registry, callbacks: Iterable[Callback], accelerator: str) -> dict[str, str]:
        """Return the versions of the plugins in use; nnfw's own is among the packages."""
        components = [registry.component_of("callback", callback) for callback in callbacks]
        found = [component.plugin for component in components if component is not None]
        found += [item.plugin for item in registry.accelerators if item.name == accelerator]
        versions = {**self._plugins, **{plugin.distribution: plugin.version for plugin in found}}
        return {name: version for name, version in sorted(versions.items()) if name != PROJECT}

    def epoch_ended(self, state: TrainingState, cost: float) -> None:
        """Write one, unless that takes long compared with the epochs since the last one."""
        if monotonic() < self._epoch_due:
            return
        best = self._best[0]
        is_better = math.isfinite(cost) and (best is None or cost < best)
        self.write(state, (cost, state.step) if is_better else None)

    def write(self, state: TrainingState, best: tuple[float, int] | None = None) -> None:
        """Write one unless it exists; once it is on the disk, remove those that are no longer needed.

        Parameters that are not finite are not written, so the last good checkpoint stays the newest.
        """
        place, parameters = (state.step, state.position), state.parameters
        if place == self._place or not (np.isfinite(parameters.vector).all() and np.isfinite(parameters.state).all()):
            return
        started, (best_cost, best_step) = monotonic(), best or self._best
        header = Header(
            epoch=state.epoch,
            step=state.step,
            position=state.position,
            stopped=state.stop_reason,
            accelerator=state.history.accelerator,
            best_cost=best_cost,
            best_step=best_step,
            origin=self._origin,
            environment=self._environment,
        )
        write(self._path(state.step), header, state, self._directory)
        self._place, self._best = place, (best_cost, best_step)
        self._steps = [*(step for step in self._steps if step != state.step), state.step][-KEPT:]
        self._remove_others()
        now = monotonic()
        pause = (now - started) / _SHARE if self._seconds else 0.0
        self.due, self._epoch_due = now + max(self._seconds, pause), now + pause

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:012}.checkpoint"

    def _remove_others(self) -> None:
        kept = {self._path(step) for step in (*self._steps, self._best[1]) if step is not None}
        for path in checkpoint_files(self._directory):
            if path not in kept:
                with suppress(OSError):  # a file that cannot be removed does no harm
                    self._directory.remove(path.name)


def make_folder(folder: Directory) -> None:
    """Create a folder unless it exists; NnfwError if that fails."""
    try:
        folder.make()
    except OSError as error:
        raise NnfwError(f"{folder.path} cannot be made: {error.strerror}. Choose another folder.") from error


def checkpoint_files(folder: Path | Directory) -> list[Path]:
    """Return the checkpoints in a folder, the newest last; none if the folder does not exist.

    FileFormatError if the folder exists and cannot be read, or is a link inside a run.
    """
    folder = as_directory(folder)
    try:
        found = [folder.path / name for name in folder.names() if FILE_NAME.fullmatch(name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        text = f"{folder.path}: its checkpoints cannot be read: {error.strerror}. Check the folder."
        raise FileFormatError(text) from error
    return sorted(found, key=lambda path: (len(path.name), path.name))


def newest(folder: Path | Directory, registry: Registry, tell: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest checkpoint in a folder that is not damaged; None if the folder holds none at all.

    `tell` is called with a message for each damaged one. FileFormatError if all are damaged, or if the newest may be
    intact but cannot be read here.
    """
    folder, problem = as_directory(folder), None
    for path in reversed(checkpoint_files(folder)):
        try:
            return read(path, registry, folder)
        except NotReadableError:  # it may be intact, and would be lost if the training resumed from the one before
            raise
        except FileFormatError as error:
            problem = error
            tell(f"{error} The one before it is taken.")
    if problem is not None:
        raise FileFormatError(f"{folder.path} holds no checkpoint that can be read. {problem}") from problem
    return None


def require_same_origin(start: Checkpoint, origin: Mapping[str, object], advice: str) -> None:
    """Refuse a checkpoint of another training; the DataError names the differences and ends with `advice`."""
    changed = "; ".join(differences(start.header.origin, origin))
    if changed:
        raise DataError(f"{start.path} is of another training: {changed}. {advice}")


def require_resumable(
    start: Checkpoint | None,
    epochs: int,
    origin: Mapping[str, object],
    advice: str,
    tell: Callable[[str], None],
    *,
    force: bool = False,
) -> None:
    """Refuse a checkpoint of another training, or one with more epochs: DataError, with `advice` for the former.

    With `force`, another training is accepted, and `tell` is called with the differences.
    """
    if start is None:
        return
    if start.header.epoch > epochs:
        raise DataError(
            f"{start.path} is of epoch {start.header.epoch}, more than the {epochs} that are wanted. Raise "
            "training.epochs, or start again in another folder."
        )
    if not force:
        require_same_origin(start, origin, advice)
    elif changed := "; ".join(differences(start.header.origin, origin)):
        tell(f"Not bit-exact: {changed}.")


def _changes(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    """Yield the differences of two environments, apart from BLAS libraries that only one has: SciPy loads its late."""
    there, here = before.get("blas"), now["blas"]
    if isinstance(there, Mapping) and isinstance(here, Mapping) and (common := there.keys() & here.keys()):
        before = {**before, "blas": {name: there[name] for name in common}}
        now = {**now, "blas": {name: here[name] for name in common}}
    if "plugins" not in before:  # an older file
        now = {key: value for key, value in now.items() if key != "plugins"}
    yield from differences(before, now)


def differences(before: object, now: object, place: str = "") -> Iterator[str]:
    """Yield the differences between two tables, each with its place.

    Examples
    --------
    >>> list(differences({"seed": 1, "optimizer": {"rate": 0.1}}, {"seed": 1, "optimizer": {"rate": 0.5}}))
    ['optimizer.rate is 0.5, was 0.1']
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            yield from differences(before.get(key), now.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from differences(old, new, f"{place}[{index}]")
    elif before != now:
        yield f"{place} is {_shown(now)}, was {_shown(before)}"


def _shown(value: object) -> str:
    return "not there" if value is None else short(value)
