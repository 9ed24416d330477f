"""What is trained on what, and how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnfw.arrays import Array
from nnfw.configuration import to_table
from nnfw.errors import PluginError
from nnfw.network import Network, Objective
from nnfw.plain import PlainTable
from nnfw.plugins import TYPE
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Collective, Metric, Optimizer, Solver, is_solver
from nnfw.training.accumulation import arrays_of_accumulation
from nnfw.training.average import arrays_of_average
from nnfw.training.batches import Data
from nnfw.training.collective import ONE_PROCESS
from nnfw.training.history import History, Record
from nnfw.training.measures import in_units, measures_of
from nnfw.training.options import FREE_OPTIONS, TrainingOptions
from nnfw.training.units import Unit

VALIDATION = "validation_"
"""Prefix of record entries that are computed on validation data."""


def steps_of(data: Data, optimizer: Optimizer | Solver, options: TrainingOptions) -> int:
    """Return the number of steps in an epoch; a solver takes one."""
    return 1 if is_solver(optimizer) else -(-len(data) // options.batch_size)


@dataclass(frozen=True, eq=False)
class Task:
    """What a training is given. Only the network's parameters change.

    The examples in `validation` are evaluated after each epoch. `seed` is that of the order of the examples and of the
    noise. `experiment` is the table of the file, for callbacks to read. The training goes on where the one of
    `continued` ended, if there is one. `planned` is the number of epochs that schedules plan for, if it is not that of
    the last epoch. Each rank of `collective` has such a task. Metrics are in the `units` of the outputs.
    """

    network: Network
    data: Data
    validation: Data | None
    objective: Objective
    optimizer: Optimizer | Solver
    options: TrainingOptions
    seed: int
    experiment: PlainTable | None = None
    continued: History | None = None
    planned: int | None = None
    collective: Collective = ONE_PROCESS
    units: tuple[Unit | None, ...] = ()

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics by the name under which they are recorded."""
        names = self.network.output_names
        return in_units(measures_of(self.options.metrics, names, self.network.registry), self.units, names)

    @property
    def steps(self) -> int:
        """The number of steps in an epoch; a solver takes one."""
        return steps_of(self.data, self.optimizer, self.options)

    @property
    def updates(self) -> int:
        """The number of the optimizer's steps in an epoch."""
        return -(-self.steps // (self.options.accumulate or 1))

    def arrays(self) -> dict[str, Array]:
        """Return fresh arrays that a training keeps beside those of its optimizer."""
        found = {} if self.options.average is None else arrays_of_average(self.network.parameters)
        if (self.options.accumulate or 1) > 1:
            found |= arrays_of_accumulation(self.network.parameters.vector)
        return found

    @property
    def last_epoch(self) -> int:
        """The last epoch to train, counted from that of the first training if this one continues it."""
        end = None if self.continued is None else self.continued.end
        return self.options.known_epochs + (0 if end is None else end.epoch)

    @property
    def planned_epochs(self) -> int:
        """The number of epochs that schedules plan for."""
        return self.last_epoch if self.planned is None else self.planned

    @property
    def watched(self) -> str:
        """The record entry that shows progress."""
        return "cost" if self.validation is None else VALIDATION + "cost"

    def recorded(self, example: Record) -> Iterator[str]:
        """Yield the names of what each epoch records, without matrices, given cost and metrics of some data."""
        names = [name for name, value in example.items() if not isinstance(value, list)]
        yield from names
        if self.options.regularizer is not None:
            yield "penalty"
        if self.validation is not None:
            yield from (VALIDATION + name for name in names)

    def origin(self) -> dict[str, object]:
        """Return what the results depend on as tables and texts; for a component without a plugin, only its class.

        Callbacks are left out: their memories are found by their names.
        """
        table = to_table(self.options, self._described)
        return {
            "seed": self.seed,
            "data": self.data.fingerprint(),
            "validation_data": None if self.validation is None else self.validation.fingerprint(),
            "dtype": self.network.dtype.name,
            "layers": [to_table(node, self._described) for node in self.network.graph.given],
            "cost": self._described_cost(),
            "optimizer": self._described("optimizer", self.optimizer),
            "training": {name: table[name] for name in table if name not in (*FREE_OPTIONS, "callbacks")},
        }

    def _described_cost(self) -> PlainTable:
        found = [self._described("cost", term.cost) for term in self.objective.terms]
        names, weights = self.network.output_names, self.objective.weights
        if not names:
            return found[0]
        return {name: {**cost, "weight": weight} for name, cost, weight in zip(names, found, weights, strict=True)}

    def _described(self, kind: str, component: object) -> PlainTable:
        try:
            return self.network.registry.describe(kind, component)
        except PluginError:
            return {TYPE: type(component).__qualname__}

    @property
    def weights(self) -> Array:
        """The part of the vector that decays."""
        return self.network.parameters.vector[self.network.parameters.layout.decays]

    def penalty(self) -> float:
        """Return Ω(w), 0 without a regularizer; PluginError if that is not a number."""
        regularizer = self.options.regularizer
        if regularizer is None:
            return 0.0
        penalty: object = regularizer.value(self.weights)
        if isinstance(penalty, int | float | np.integer | np.floating):
            with suppress(OverflowError):  # of a whole number
                return float(penalty)
        raise wrong_result(regularizer, "value", penalty, "a number", self.network.registry)
