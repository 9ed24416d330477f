"""How a training begins, or goes on from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from nnfw.errors import ConfigError, DataError, Mistake
from nnfw.ops import require_known
from nnfw.plugins import Registry
from nnfw.protocols import Optimizer, Solver, is_solver
from nnfw.storage import LOCK, Directory, locked
from nnfw.training.checkpoint_file import Checkpoint
from nnfw.training.checkpoints import (
    Checkpoints,
    checkpoint_files,
    differences,
    make_folder,
    newest,
    require_epochs,
    require_same_origin,
    warn,
)
from nnfw.training.files import CallbackFiles
from nnfw.training.fit import Save
from nnfw.training.history import History
from nnfw.training.loop import Loop, StepLoop
from nnfw.training.options import TrainingOptions
from nnfw.training.solving import SolverLoop
from nnfw.training.task import Task


def _loop_for(optimizer: Optimizer | Solver) -> type[StepLoop | SolverLoop]:
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


def checkpoints_for(
    folder: Path | Directory,
    options: TrainingOptions,
    origin: Mapping[str, object],
    start: Checkpoint | None,
    *,
    plugins: Mapping[str, str],
    advice: str,
    refused: str,
    tell: Callable[[str], None],
    force: bool = False,
) -> Checkpoints:
    """Return the checkpoints of a training that begins, or goes on from one of them.

    Parameters
    ----------
    folder
        Where they are.
    options, origin
        How the training goes, and what its results depend on.
    start
        The one to go on from; None for the beginning.
    plugins
        Versions of the distributions whose components `origin` names.
    advice
        How people resume the training.
    refused
        What to do if `start` is of another training.
    tell
        Called with a message if the training is not continued to the bit.
    force
        Whether to go on although the origin has changed.

    Raises
    ------
    DataError
        If `start` is of another training, or of a later epoch than the last.
    """
    if start is not None:
        require_epochs(start, options.epochs)
        if not force:
            require_same_origin(start, origin, refused)
        elif changed := "; ".join(differences(start.header.origin, origin)):
            tell(f"Not bit-exact: {changed}.")
    seconds = options.checkpoint_seconds
    return Checkpoints(folder, seconds, origin=origin, advice=advice, tell=tell, plugins=plugins, start=start)


def train_in(path: Path, task: Task, save: Save, directory: Path, *, resume: bool) -> History:
    """Train with checkpoints in a folder, from the newest of them if that is wanted.

    Parameters
    ----------
    path
        The folder.
    task, save, directory
        As for :func:`loop_of`.
    resume
        Whether checkpoints may be there already.

    Raises
    ------
    DataError
        If there are some and they are not wanted, or are those of another training or of a later epoch.
    StateError
        If another process uses the folder.
    """
    folder = Directory(path)
    make_folder(folder)
    with locked(folder):
        if not resume and checkpoint_files(folder):
            raise DataError(
                f"{path} holds checkpoints. Continue their training with resume=True, or choose another folder."
            )
        registry, origin = task.network.registry, task.origin()
        checkpoints = checkpoints_for(
            folder,
            task.options,
            origin,
            newest(folder, registry, warn),
            plugins=registry.distributions_in(origin),
            advice="Continue with fit(..., resume=True).",
            refused="Train as before, or choose another folder.",
            tell=warn,
        )
        return loop_of(task, save, directory, _names_in(directory, path), checkpoints).run()


def _names_in(directory: Path, checkpoints: Path) -> tuple[str, ...]:
    """Return the names in a directory that callbacks may not use because checkpoints, and their lock, lie there."""
    directory, folder = directory.resolve(), checkpoints.resolve()
    if folder == directory:
        return (LOCK,)
    return (str(folder.relative_to(directory)),) if folder.is_relative_to(directory) else ()


def contradictions(options: TrainingOptions, optimizer: Optimizer | Solver, registry: Registry) -> Iterator[Mistake]:
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
