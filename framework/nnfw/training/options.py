"""The options of a training: keyword arguments of ``fit`` and the section ``[training]`` of an experiment file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from nnfw.errors import ConfigError, Mistake
from nnfw.ops import require_known
from nnfw.plugins import Registry
from nnfw.protocols import Callback, Metric, Optimizer, Regularizer, Schedule, is_solver

_NOT_FOR_SOLVERS = {
    "batch_size": "has nothing to divide: {} sees all examples at once. Leave it out.",
    "shuffle": "has no order to keep: {} sees all examples at once. Leave it out.",
    "schedule": "has nothing to multiply: {} chooses its steps itself. Leave it out.",
}


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Parameters
    ----------
    epochs
        Passes over the examples, 1 or more; 1 by default.
    batch_size
        Examples per step, 1 or more; 32 by default. The last batch of an epoch may be smaller.
    shuffle
        Whether each epoch takes the examples in a new order; True by default.
    metrics
        What is computed beside the cost, on training and validation data.
    schedule
        Multiplies the learning rate over time; by default it stays.
    regularizer
        Ω(w) of all weights that decay, added to the cost that is minimised and recorded as ``penalty``.
    callbacks
        Code that runs along, besides the callbacks that are on by default.
    accelerator
        Whose compiled kernels are used: ``"auto"``, the default, for an installed one where the training is long enough
        to gain by it; ``"none"`` for plain NumPy; or the name of one, as ``"numba"``. Results differ in last places.
    checkpoint_seconds
        Time between two checkpoints within an epoch, 0 or more; 30 by default. With 0 there is one after each step.
    """

    epochs: Annotated[int, Ge(1)] = 1
    batch_size: Annotated[int, Ge(1)] = 32
    shuffle: bool = True
    metrics: tuple[Metric | str, ...] = ()
    schedule: Schedule | str | None = None
    regularizer: Regularizer | str | None = None
    callbacks: tuple[Callback | str, ...] = ()
    accelerator: str = "auto"
    checkpoint_seconds: Annotated[float, Ge(0)] = 30.0


FREE_OPTIONS = ("epochs", "checkpoint_seconds")
"""Those that may be others when a training is resumed."""


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
    if is_solver(optimizer):
        label = registry.label("optimizer", optimizer)
        for name, text in _NOT_FOR_SOLVERS.items():
            if getattr(options, name) != getattr(TrainingOptions, name):
                yield Mistake((name,), text.format(label))
