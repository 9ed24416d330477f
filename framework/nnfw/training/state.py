"""The state of a training: everything that changes while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import short
from nnfw.network import Parameters
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Optimizer, Solver, is_solver
from nnfw.randomness import stream
from nnfw.training.batches import Data, Order
from nnfw.training.evaluation import Tally
from nnfw.training.history import History, Memory
from nnfw.training.task import Task


@dataclass(eq=False)
class TrainingState:
    """Everything that changes while a training runs, in one place: it can be written, copied and resumed.

    Parameters
    ----------
    optimizer
        The optimizer's arrays by name.
    own
        Further arrays by name: those of an average, and of gradients that accumulate.
    order, noise
        Random numbers for the order of the examples, and for the noise.
    tally, history
        Sums over the steps of this epoch, and the records of the epochs that have ended.
    epoch, step
        The current ones, counted from 1; `step` counts over the whole training.
    position
        The number of complete steps in this epoch; 0 between two epochs.
    cost
        The cost of the last step.
    stop_reason
        Why no further epoch begins; empty if one may.
    memories
        What each callback remembers, with its name.
    """

    parameters: Parameters
    optimizer: Mapping[str, Array]
    order: np.random.Generator
    noise: np.random.Generator
    tally: Tally
    history: History
    own: Mapping[str, Array] = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    position: int = 0
    cost: float = float("nan")
    stop_reason: str = ""
    memories: list[tuple[str, Memory]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Note the random state: no epoch has drawn its order yet."""
        self._order_before = self.order.bit_generator.state

    @property
    def arrays(self) -> dict[str, Array]:
        """All that changes beside the parameters, by name."""
        return {**self.optimizer, **self.own}

    def draw_order(self, data: Data, *, shuffle: bool) -> Order:
        """Let the data draw the order of this epoch."""
        self._order_before = self.order.bit_generator.state
        return data.order(self.order if shuffle else None)

    @property
    def order_of_epoch(self) -> Mapping[str, object]:
        """The random state that gives the order of this epoch, or of the next one if this has ended."""
        return self._order_before if self.position else self.order.bit_generator.state


def state_of(optimizer: Optimizer | Solver, vector: Array) -> Mapping[str, Array]:
    """Return fresh state of an optimizer for a vector, none of a solver; PluginError unless it has the right shapes."""
    if is_solver(optimizer):
        return {}
    state: object = optimizer.state(vector)
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise wrong_result(optimizer, "state", state, "a dictionary of arrays by name")
    for name, array in state.items():
        if not isinstance(array, np.ndarray) or array.shape != vector.shape:
            raise wrong_result(optimizer, f"state[{short(name)}]", array, f"an array of shape {vector.shape}")
    return state


def fresh_state(task: Task, accelerator: str = "none") -> TrainingState:
    """Return the state in which a training begins; its accelerator is for the record."""
    return TrainingState(
        task.network.parameters,
        state_of(task.optimizer, task.network.parameters.vector),
        own=task.arrays(),
        order=stream(task.seed, "order"),
        noise=stream(task.seed, "noise", task.collective.rank),
        tally=Tally(task.metrics),
        history=History([] if task.continued is None else [*task.continued], accelerator=accelerator),
    )
