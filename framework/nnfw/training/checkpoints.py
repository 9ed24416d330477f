"""When checkpoints of a training are written, which of them stay, and which one a training goes on from."""

from __future__ import annotations

import math
import warnings
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
from nnfw.training.checkpoint_file import Checkpoint, Header, read, write
from nnfw.training.files import CHECKPOINT
from nnfw.training.state import TrainingState

if TYPE_CHECKING:
    from nnfw.plugins import Registry

KEPT = 2  # of the newest: should the last one be damaged, there is the one before
_SHARE = 0.01  # of the time that may go into checkpoints


class Checkpoints:
    """The checkpoints of one training: files in a folder of their own.

    One is written before the first step, at the end of an epoch, every few seconds within one, and when the training
    ends or is interrupted. The two newest stay, and that of the best end of an epoch: the one with the lowest
    validation cost, or cost where there is none.

    Parameters
    ----------
    folder
        It is made if it is not there.
    seconds
        Time between two of them within an epoch, 0 or more; 0 writes one after each step. Above 0, they wait for a
        hundred times as long as the last one took: writing them takes no more than one hundredth of the time.
    origin
        What is trained on what, as far as the results depend on it: tables, lists, texts and numbers.
    advice
        How people resume the training.
    tell
        Is told, when the training goes on, why that may not be exact to the bit.
    plugins
        Versions of the distributions whose components `origin` names; those of callbacks and of the accelerator are
        added.
    start
        The one to go on from; None for the beginning.
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
        self._seconds, self._origin, self._tell = seconds, dict(origin), tell
        self._plugins = dict(plugins or {})
        self._environment: dict[str, object] = {}
        self.due = self._epoch_due = 0.0
        header = None if start is None else start.header
        self._steps = [] if header is None else [header.step]
        self._place = None if header is None else (header.step, header.position)
        self._best_cost = None if header is None else header.best_cost
        self._best_step = None if header is None else header.best_step

    def begin(
        self, state: TrainingState, registry: Registry, callbacks: Iterable[Callback], not_resumed: str = ""
    ) -> None:
        """Write the first one, so that a lack of space shows before the work; where one is resumed, it is there.

        Parameters
        ----------
        state, registry, callbacks
            Of the training.
        not_resumed
            What a checkpoint does not hold, in words.

        Raises
        ------
        NnfwError
            If it cannot be written.
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
        """Return the versions of the plugins that take part; nnfw's own is among the packages."""
        components = [registry.component_of("callback", callback) for callback in callbacks]
        found = [component.plugin for component in components if component is not None]
        found += [plugin for spec, plugin in registry.accelerators if spec.name == accelerator]
        versions = self._plugins | {plugin.distribution: plugin.version for plugin in found}
        return {name: version for name, version in sorted(versions.items()) if name != PROJECT}

    def epoch_ended(self, state: TrainingState, cost: float) -> None:
        """Write one, if it costs little beside the epochs since the last one."""
        if monotonic() < self._epoch_due:
            return
        best = self._best_cost, self._best_step
        if math.isfinite(cost) and (self._best_cost is None or cost < self._best_cost):
            best = cost, state.step
        self.write(state, best)

    def write(self, state: TrainingState, best: tuple[float | None, int | None] | None = None) -> None:
        """Write one, unless it is there; when it is on the disk, remove those that are not needed any more.

        Parameters which are not finite are not written: the last good ones stay.
        """
        place, parameters = (state.step, state.position), state.parameters
        if place != self._place and np.isfinite(parameters.vector).all() and np.isfinite(parameters.state).all():
            started = monotonic()
            best_cost, best_step = best or (self._best_cost, self._best_step)
            write(self._path(state.step), self._header(state, best_cost, best_step), state, self._directory)
            self._place, self._best_cost, self._best_step = place, best_cost, best_step
            self._steps = [*(step for step in self._steps if step != state.step), state.step][-KEPT:]
            self._remove_others()
            self._wait(monotonic() - started)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:012}.checkpoint"

    def _header(self, state: TrainingState, best_cost: float | None, best_step: int | None) -> Header:
        return Header(
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

    def _remove_others(self) -> None:
        kept = {self._path(step) for step in (*self._steps, self._best_step) if step is not None}
        for path in checkpoint_files(self._directory):
            if path not in kept:
                with suppress(OSError):  # what cannot be removed does no harm
                    self._directory.remove(path.name)

    def _wait(self, took: float) -> None:
        now = monotonic()
        pause = took / _SHARE if self._seconds else 0.0
        self.due, self._epoch_due = now + max(self._seconds, pause), now + pause


def make_folder(folder: Directory) -> None:
    """Make a folder unless it exists; NnfwError if that cannot be."""
    try:
        folder.make()
    except OSError as error:
        raise NnfwError(f"{folder.path} cannot be made: {error.strerror}. Choose another folder.") from error


def checkpoint_files(folder: Path | Directory) -> list[Path]:
    """Return the checkpoints in a folder, the newest last; none where there is no folder.

    Raises
    ------
    FileFormatError
        If the folder is there and cannot be read, or is a link inside of a run.
    """
    folder = as_directory(folder)
    try:
        found = [folder.path / name for name in folder.names() if CHECKPOINT.fullmatch(name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        text = f"{folder.path}: its checkpoints cannot be read: {error.strerror}. Check the folder."
        raise FileFormatError(text) from error
    return sorted(found, key=lambda path: (len(path.name), path.name))


def newest(folder: Path | Directory, registry: Registry, tell: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest checkpoint in a folder that can be read; None if there is none at all.

    Parameters
    ----------
    folder, registry
        Where it is, and where names are looked up.
    tell
        Is told of each that is damaged.

    Raises
    ------
    FileFormatError
        If all of them are damaged, or the newest one may be whole and cannot be read here.
    """
    folder, problem = as_directory(folder), None
    for path in reversed(checkpoint_files(folder)):
        try:
            return read(path, registry, folder)
        except NotReadableError:  # it is not known to be damaged: with the one before it, this one would be lost
            raise
        except FileFormatError as error:
            problem = error
            tell(f"{error} The one before it is taken.")
    if problem is not None:
        raise FileFormatError(f"{folder.path} holds no checkpoint that can be read. {problem}") from problem
    return None


def warn(text: str) -> None:
    """Tell, as a RuntimeWarning, what is no error."""
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def require_same_origin(start: Checkpoint, origin: Mapping[str, object], advice: str) -> None:
    """Refuse a checkpoint of another training; DataError says in what that differs, and ends with `advice`."""
    changed = "; ".join(differences(start.header.origin, origin))
    if changed:
        raise DataError(f"{start.path} is of another training: {changed}. {advice}")


def require_epochs(start: Checkpoint, epochs: int) -> None:
    """Refuse fewer epochs than a checkpoint has begun, as nothing takes them back; DataError says how many."""
    if start.header.epoch > epochs:
        raise DataError(
            f"{start.path} is of epoch {start.header.epoch}, more than the {epochs} that are wanted. Raise "
            "training.epochs, or begin anew elsewhere."
        )


def _changes(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    """Yield what differs between two environments; of BLAS libraries only SciPy's, loaded when needed, may be new."""
    there, here = before.get("blas"), now["blas"]
    if isinstance(there, Mapping) and isinstance(here, Mapping) and (common := there.keys() & here.keys()):
        before = {**before, "blas": {name: there[name] for name in common}}
        now = {**now, "blas": {name: here[name] for name in common}}
    if "plugins" not in before:  # as in older files
        now = {key: value for key, value in now.items() if key != "plugins"}
    yield from differences(before, now)


def differences(before: object, now: object, place: str = "") -> Iterator[str]:
    """Yield what differs between two tables, with its place.

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
