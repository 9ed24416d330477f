"""The learning-rate range test of an experiment. It writes no run."""

from __future__ import annotations

from nnfw import training
from nnfw.errors import ConfigError
from nnfw.experiments.experiment import ExperimentFile, placed
from nnfw.experiments.preparation import prepare
from nnfw.plugins import Registry
from nnfw.protocols import is_solver
from nnfw.runs.run import task_of


def find_rate(file: ExperimentFile, registry: Registry, lowest: float, highest: float, steps: int) -> training.RateTest:
    """Train for some steps with rates that rise from `lowest` to `highest`.

    ConfigError if the experiment has a solver; other errors are those of :func:`~nnfw.runs.train`.
    """
    optimizer = file.experiment.optimizer
    if is_solver(optimizer):
        label = registry.label("optimizer", optimizer)
        text = f"optimizer: {label} chooses its steps itself and has no learning rate. Name an optimizer."
        raise ConfigError(placed(file.document, [(("optimizer", "type"), text)]))
    return training.find_rate(task_of(prepare(file, registry)), lowest, highest, steps)
