"""How a training starts, or resumes from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from nnfw.errors import ConfigError, DataError, Mistake, warn
from nnfw.ops import require_known
from nnfw.plugins import Registry
from nnfw.protocols import EVALUATED, Optimizer, Solver, is_solver
from nnfw.storage import LOCK, Directory, locked
from nnfw.training.checkpoints import Checkpoints, checkpoint_files, make_folder, newest, require_resumable
from nnfw.training.factors import scales_parts
from nnfw.training.fit import CallbackFiles, Save
from nnfw.training.history import History
from nnfw.training.loop import Loop, StepLoop
from nnfw.training.options import TrainingOptions
from nnfw.training.solving import UNUSED, SolverLoop
from nnfw.training.task import Task


def loop_of(
    task: Task,
    save: Save,
    directory: Path | Directory,
    taken: Iterable[str] = (),
    checkpoints: Checkpoints | None = None,
) -> Loop:
    """Return the loop of a training that starts, or resumes from its checkpoints.

    Callbacks put files with relative paths in `directory`, but not under the names in `taken`; inside an open
    directory no link is followed. `save` writes the model for them.
    """
    loop = SolverLoop if is_solver(task.optimizer) else StepLoop
    return loop(task, save, CallbackFiles(directory, taken), checkpoints)


def train_in(path: Path, task: Task, save: Save, directory: Path, *, resume: bool) -> History:
    """Train with checkpoints in the folder `path`; with `resume`, continue from the newest of them.

    DataError if there are checkpoints without `resume`, or if they are of another training or a later epoch.
    StateError if another process uses the folder.
    """
    folder = Directory(path)
    make_folder(folder)
    with locked(folder):
        if not resume and checkpoint_files(folder):
            raise DataError(
                f"{path} holds checkpoints. Continue their training with resume=True, or choose another folder."
            )
        registry, origin = task.network.registry, task.origin()
        start = newest(folder, registry, warn)
        require_resumable(start, task.last_epoch, origin, "Train as before, or choose another folder.", warn)
        checkpoints = Checkpoints(
            folder,
            task.options.checkpoint_seconds,
            origin=origin,
            advice="Continue with fit(..., resume=True).",
            tell=warn,
            plugins=registry.distributions_in(origin),
            start=start,
        )
        return loop_of(task, save, directory, _names_in(directory, path), checkpoints).run()


def _names_in(directory: Path, checkpoints: Path) -> tuple[str, ...]:
    """Return the names in a directory that callbacks may not use: those of the checkpoints and their lock."""
    directory, folder = directory.resolve(), checkpoints.resolve()
    if folder == directory:
        return (LOCK,)
    return (str(folder.relative_to(directory)),) if folder.is_relative_to(directory) else ()


def _averages(optimizer: Optimizer) -> bool:
    """Return whether an optimizer keeps an average at which the model is evaluated."""
    state: object = optimizer.state(np.zeros(1))
    return isinstance(state, Mapping) and EVALUATED in state


_OWN_AVERAGE = {
    "average": "has no effect",
    "rates": "cannot scale the steps",
    "frozen": "cannot hold parameters back",
}


def contradictions(options: TrainingOptions, optimizer: Optimizer | Solver, registry: Registry) -> Iterator[Mistake]:
    """Yield mistakes that no option shows by itself: an accelerator that is not installed, and options unused here.

    An unused option may have its default value, since an experiment that is written out contains it.
    """
    try:
        require_known(options.accelerator, registry)
    except ConfigError as error:
        yield from error.mistakes
    label = registry.label("optimizer", optimizer)
    for name, text in UNUSED.items() if is_solver(optimizer) else ():
        if getattr(options, name) != getattr(TrainingOptions, name):
            yield Mistake((name,), text.format(label))
    if options.average is not None and options.average.type == "swa" and options.average.decay is not None:
        yield Mistake(("average", "decay"), "has nothing to weigh: 'swa' is a plain mean. Leave it out.")
    if not is_solver(optimizer) and _averages(optimizer):
        for name, text in _OWN_AVERAGE.items():
            taken = name != "average" and scales_parts(optimizer)
            if getattr(options, name) and not taken:
                yield Mistake((name,), f"{text}: {label} averages the parameters itself. Leave it out.")
