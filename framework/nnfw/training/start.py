"""How a training begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from nnfw.errors import ConfigError, Mistake
from nnfw.ops import require_known
from nnfw.plugins import Registry
from nnfw.protocols import Optimizer, is_solver
from nnfw.storage import Directory
from nnfw.training.checkpoints import Checkpoints
from nnfw.training.files import CallbackFiles
from nnfw.training.fit import Save
from nnfw.training.loop import Loop, StepLoop
from nnfw.training.options import TrainingOptions
from nnfw.training.solving import SolverLoop
from nnfw.training.task import Task


def _loop_for(optimizer: Optimizer) -> type[StepLoop | SolverLoop]:
    return SolverLoop if is_solver(optimizer) else StepLoop


def loop_of(
    task: Task,
    save: Save,
    directory: Path | Directory,
    taken: Iterable[str] = (),
    checkpoints: Checkpoints | None = None,
) -> Loop:
    """Return the loop of a training that begins or goes on.

    Parameters
    ----------
    task
        What is trained.
    save
        Writes the model for callbacks.
    directory
        Where callbacks put files with relative paths; below one that is held open no link is followed.
    taken
        Names there that callbacks may not use.
    checkpoints
        Where the state is kept, and where it goes on from; None to keep none.
    """
    return _loop_for(task.optimizer)(task, save, CallbackFiles(directory, taken), checkpoints)


def contradictions(options: TrainingOptions, optimizer: Optimizer, registry: Registry) -> Iterator[Mistake]:
    """Yield what no value shows by itself: an accelerator that is not installed, and what a solver has no use for.

    Notes
    -----
    A default may stand where it has no use: an experiment that is written out names it.
    """
    try:
        require_known(options.accelerator, registry)
    except ConfigError as error:
        yield from error.mistakes
    label = registry.label("optimizer", optimizer)
    for name, text in _loop_for(optimizer).unused.items():
        if getattr(options, name) != getattr(TrainingOptions, name):
            yield Mistake((name,), text.format(label))
