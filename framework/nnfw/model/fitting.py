"""A call of `fit`: everything it was given, checked, with or without checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnfw import training
from nnfw.configuration import to_table
from nnfw.errors import DataError, PluginError
from nnfw.plugins import TYPE
from nnfw.storage import LOCK, Directory, locked

if TYPE_CHECKING:
    from nnfw.model.sequential import Sequential
    from nnfw.network.objective import Objective
    from nnfw.protocols import Optimizer


@dataclass(frozen=True, eq=False)
class Fitting:
    """A training in Python that is about to begin.

    Parameters
    ----------
    model, data, validation, objective, optimizer, options, seed, directory
        As for :class:`nnfw.training.Training`.
    """

    model: Sequential
    data: training.Labelled
    validation: training.Labelled | None
    objective: Objective
    optimizer: Optimizer
    options: training.TrainingOptions
    seed: int
    directory: Path

    def run(self, checkpoints: training.Checkpoints | None = None) -> training.History:
        """Train, and return the record of it."""
        task = training.Task(
            self.model.network, self.data, self.validation, self.objective, self.optimizer, self.options, self.seed
        )
        taken = () if checkpoints is None else self._names_of(checkpoints.folder)
        history = training.loop_of(task, self.model.save, self.directory, taken, checkpoints).run()
        if history.warning:
            training.warn(history.warning)
        return history

    def run_with_checkpoints(self, path: Path, *, resume: bool) -> training.History:
        """Train with checkpoints in a folder, from the newest of them if that is wanted.

        Raises
        ------
        DataError
            If there are some and they are not wanted, or are those of another training or of a later epoch.
        StateError
            If another process uses the folder.
        """
        folder = Directory(path)
        training.make_folder(folder)
        with locked(folder):
            if not resume and training.checkpoint_files(folder):
                raise DataError(
                    f"{path} holds checkpoints. Continue their training with resume=True, or choose another folder."
                )
            origin, start = self.origin(), training.newest(folder, self.model.registry, training.warn)
            if start is not None:
                training.require_epochs(start, self.options.epochs)
                training.require_same_origin(start, origin, "Train as before, or choose another folder.")
            return self.run(
                training.Checkpoints(
                    folder,
                    self.options.checkpoint_seconds,
                    origin=origin,
                    advice="Continue with fit(..., resume=True).",
                    tell=training.warn,
                    plugins=self.model.registry.distributions_in(origin),
                    start=start,
                )
            )

    def _names_of(self, checkpoints: Path) -> tuple[str, ...]:
        """Return what callbacks may not use in the directory because checkpoints, and their lock, lie there."""
        directory, folder = self.directory.resolve(), checkpoints.resolve()
        if folder == directory:
            return (LOCK,)
        return (str(folder.relative_to(directory)),) if folder.is_relative_to(directory) else ()

    def origin(self) -> dict[str, Any]:
        """Return what the results depend on as tables and texts; a component of no plugin by its class alone.

        Callbacks are left out: what they remember is found by their names.
        """
        registry = self.model.registry

        def described(kind: str, component: Any) -> dict[str, Any]:
            try:
                return registry.describe(kind, component)
            except PluginError:
                return {TYPE: type(component).__qualname__}

        table = to_table(self.options, described)
        return {
            "seed": self.seed,
            "data": self.data.fingerprint(),
            "validation_data": None if self.validation is None else self.validation.fingerprint(),
            "dtype": self.model.dtype.name,
            "layers": [described("layer", layer) for layer in self.model.layers],
            "cost": described("cost", self.objective.cost),
            "optimizer": described("optimizer", self.optimizer),
            "training": {name: table[name] for name in table if name not in (*training.FREE_OPTIONS, "callbacks")},
        }
