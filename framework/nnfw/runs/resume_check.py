"""Checks that resuming is exact: a few steps of an experiment, with and without a stop, must give the same bits."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nnfw.arrays import Array
from nnfw.errors import warn
from nnfw.experiments.experiment import ExperimentFile
from nnfw.experiments.preparation import prepare
from nnfw.plugins import Registry
from nnfw.protocols import Callback, Fit
from nnfw.runs.run import training_of
from nnfw.storage import Directory, encoded
from nnfw.training import Checkpoint, Checkpoints, newest

_MOST_STEPS = 100  # longer epochs are cut here, and no second one is begun
_MORE_STEPS = 5


@dataclass(frozen=True)
class ResumeCheck:
    """The result of a check of resuming."""

    steps: int  # how many were trained
    resumed_after: tuple[int, ...]  # the steps after which a training was stopped and resumed
    different: tuple[str, ...]  # at the end; empty if all was equal to the bit


class _EnoughError(Exception):
    """The wanted steps have been trained."""


@dataclass(frozen=True)
class _Stop(Callback):
    """Ends a training during the step after the last wanted one."""

    steps: int

    def step_computed(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        if fit.step > self.steps:
            raise _EnoughError


def verify_resume(file: ExperimentFile, registry: Registry) -> ResumeCheck:
    """Train for a few steps, if possible into a second epoch; train again with stops; compare.

    Every training has its own data, network and callbacks. A resumed one gets nothing but the file of the checkpoint.
    Files are written to a temporary folder only. Errors are those of :func:`~nnfw.runs.train`.
    """
    prepared = prepare(file, registry)
    options = prepared.experiment.training
    epoch = -(-len(prepared.parts["training"]) // options.batch_size)
    steps = max(1, min(epoch * options.known_epochs - 1, epoch + _MORE_STEPS if epoch <= _MOST_STEPS else _MOST_STEPS))
    places = tuple(sorted({min(epoch, steps) // 2, epoch if epoch < steps else steps - 1}))
    different: list[str] = []
    with TemporaryDirectory() as folder:
        expected = _trained(file, registry, Path(folder, "whole"), steps)
        for place in places:
            stopped = Path(folder, str(place))
            _trained(file, registry, stopped, place)
            different += _differences(expected, _trained(file, registry, stopped, steps))
    return ResumeCheck(steps, places, tuple(dict.fromkeys(different)))


def _trained(file: ExperimentFile, registry: Registry, folder: Path, steps: int) -> Checkpoint:
    """Train up to a step, from the checkpoint in the folder if there is one; return the one written after that step."""
    kept = folder / "checkpoints"
    start = newest(kept, registry, warn)
    notes: list[str] = []
    checkpoints = Checkpoints(kept, 0.0, origin={}, advice="", tell=notes.append, start=start)
    folder.mkdir(exist_ok=True)
    training = training_of(prepare(file, registry), Directory(folder), (_Stop(steps),), checkpoints)
    with suppress(_EnoughError):
        training.run()
    end = newest(kept, registry, warn)
    assert end is not None
    return end


def _differences(expected: Checkpoint, found: Checkpoint) -> Iterator[str]:
    """Yield the names of the parts in which two checkpoints differ."""
    parts = _parts(found)
    for name, value in _parts(expected).items():
        if _bits(value) != _bits(parts[name]):
            yield name


def _parts(checkpoint: Checkpoint) -> dict[str, object]:
    place = (checkpoint.header.epoch, checkpoint.header.step, checkpoint.header.position, checkpoint.header.stopped)
    return {
        "parameters": checkpoint.vector,
        "state": checkpoint.state,
        "place": place,
        "accelerator": checkpoint.header.accelerator,
        **checkpoint.progress,
        "callbacks": [(name, _known(state)) for name, state in checkpoint.progress["callbacks"]],
    }


def _known(state: dict[object, object]) -> dict[object, object]:
    """Leave out None: a file, for instance, may be open in one training and not yet in a resumed one."""
    return {key: value for key, value in state.items() if value is not None}


def _bits(value: object) -> tuple[object, dict[str, bytes]]:
    arrays: dict[str, Array] = {}
    node: object = encoded(value, arrays)
    return node, {name: array.tobytes() for name, array in arrays.items()}
