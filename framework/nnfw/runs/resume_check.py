"""A few steps of an experiment, once without a stop and then with one: they must lead to the same bits."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nnfw.arrays import Array
from nnfw.experiments.experiment import ExperimentFile
from nnfw.experiments.preparation import prepare
from nnfw.plugins import Registry
from nnfw.protocols import Callback, Fit
from nnfw.runs.run import training_of
from nnfw.storage import Directory, encoded
from nnfw.training import Checkpoint, Checkpoints, newest, warn

_MOST_STEPS = 100  # of an epoch: the next one is only begun where it is not longer
_MORE_STEPS = 5


@dataclass(frozen=True)
class Verification:
    """What came of resuming.

    Parameters
    ----------
    steps
        How many there were.
    resumed_after
        The steps after which the training was stopped, once each.
    different
        What was not the same at the end; empty if all was equal to the bit.
    """

    steps: int
    resumed_after: tuple[int, ...]
    different: tuple[str, ...]


class _EnoughError(Exception):
    """The wanted steps are taken."""


@dataclass(frozen=True)
class _Stop(Callback):
    """Ends a training within the step after the last one that is wanted."""

    steps: int

    def step_computed(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        if fit.step > self.steps:
            raise _EnoughError


def verify_resume(file: ExperimentFile, registry: Registry) -> Verification:
    """Train for a few steps, if possible into a second epoch; again with stops; and compare.

    Every training has data, network and callbacks of its own, and a resumed one gets nothing but the checkpoint's file.

    Parameters
    ----------
    file, registry
        The experiment, and where names are looked up. Nothing is written but to a temporary folder.

    Raises
    ------
    ConfigError, DataError, ShapeError, DivergedError
        As a run.
    """
    with TemporaryDirectory() as folder:
        whole = _Attempt(file, registry, Path(folder, "whole"))
        epoch, most = whole.lengths()
        steps = max(1, min(most - 1, epoch + _MORE_STEPS if epoch <= _MOST_STEPS else _MOST_STEPS))
        places = tuple(sorted({min(epoch, steps) // 2, epoch if epoch < steps else steps - 1}))
        expected = whole.run(steps)
        different: list[str] = []
        for place in places:
            _Attempt(file, registry, Path(folder, str(place))).run(place)
            different += _differences(expected, _Attempt(file, registry, Path(folder, str(place))).run(steps))
    return Verification(steps, places, tuple(dict.fromkeys(different)))


@dataclass(frozen=True)
class _Attempt:
    """A training of the experiment in a folder of its own, which goes on if there is a checkpoint."""

    file: ExperimentFile
    registry: Registry
    folder: Path

    def lengths(self) -> tuple[int, int]:
        """Return the number of steps of an epoch, and of the whole training."""
        options = self.file.experiment.training
        count = len(prepare(self.file, self.registry).parts["training"])
        epoch = -(-count // options.batch_size)
        return epoch, epoch * options.epochs

    def run(self, steps: int) -> Checkpoint:
        """Train up to some step, and return the checkpoint that was written after it."""
        kept = self.folder / "checkpoints"
        start = newest(kept, self.registry, warn)
        notes: list[str] = []
        checkpoints = Checkpoints(kept, 0.0, origin={}, advice="", tell=notes.append, start=start)
        self.folder.mkdir(exist_ok=True)
        training = training_of(prepare(self.file, self.registry), Directory(self.folder), (_Stop(steps),), checkpoints)
        with suppress(_EnoughError):
            training.run()
        end = newest(kept, self.registry, warn)
        assert end is not None
        return end


def _differences(expected: Checkpoint, found: Checkpoint) -> Iterator[str]:
    """Yield what is not the same in two checkpoints."""
    for name, value in _parts(expected).items():
        if _bits(value) != _bits(_parts(found)[name]):
            yield name


def _parts(checkpoint: Checkpoint) -> dict[str, Any]:
    place = (checkpoint.header.epoch, checkpoint.header.step, checkpoint.header.position, checkpoint.header.stopped)
    return {
        "parameters": checkpoint.vector,
        "state": checkpoint.state,
        "place": place,
        "accelerator": checkpoint.header.accelerator,
        **checkpoint.progress,
        "callbacks": [(name, _known(memory)) for name, memory in checkpoint.progress["callbacks"]],
    }


def _known(memory: dict[Any, Any]) -> dict[Any, Any]:
    """Leave out what is None: a file, for instance, that is open in one training, and not yet in a resumed one."""
    return {key: value for key, value in memory.items() if value is not None}


def _bits(value: Any) -> tuple[Any, dict[str, bytes]]:
    arrays: dict[str, Array] = {}
    node = encoded(value, arrays)
    return node, {name: array.tobytes() for name, array in arrays.items()}
