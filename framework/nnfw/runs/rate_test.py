"""The learning-rate range test of an experiment. It writes no run."""

from __future__ import annotations

from nnfw.errors import ConfigError
from nnfw.experiments.experiment import ExperimentFile, placed
from nnfw.experiments.preparation import prepare
from nnfw.plugins import Registry
from nnfw.protocols import is_solver
from nnfw.runs.run import task_of
from nnfw.training import RateTest
from nnfw.training import find_rate as test_rates


def find_rate(file: ExperimentFile, registry: Registry, lowest: float, highest: float, steps: int) -> RateTest:
    """Train for some steps with rates that rise from `lowest` to `highest`.

    ConfigError if the experiment has a solver; other errors are those of :func:`~nnfw.runs.train`.
    """
    optimizer = file.experiment.optimizer
    if is_solver(optimizer):
        label = registry.label("optimizer", optimizer)
        text = f"optimizer: {label} chooses its steps itself and has no learning rate. Name an optimizer."
        raise ConfigError(placed(file.document, [(("optimizer", "type"), text)]))
    return test_rates(task_of(prepare(file, registry)), lowest, highest, steps)
