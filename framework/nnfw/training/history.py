"""The record of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnfw.arrays import Array
from nnfw.errors import did_you_mean, short

Record = dict[str, Any]
"""What an epoch gave by name: numbers, and nested lists for matrices."""

Memory = dict[str, Any]
"""What a callback remembers: whatever its author likes."""


@dataclass(frozen=True, eq=False)
class TrainingEnd:
    """Where a training ended, apart from the model's parameters: what another one needs to go on from there.

    Parameters
    ----------
    seed
        The seed of order and noise.
    parameters
        Dtype and shape of each of the model's parameters by name, in words.
    optimizer, arrays
        Which optimizer it was, and by name its arrays, those of an average and of a gradient that accumulates. Of a
        model with an average, the parameters that were trained are in the average's place, ``"evaluated"``.
    epoch, step
        The number of epochs and steps taken.
    order, noise
        The states of the random numbers for the order of the examples and for noise.
    callbacks
        The name of each callback with what it remembers, as far as that is plain data. Clear the list if callbacks are
        to begin afresh.
    """

    seed: int
    parameters: Mapping[str, str]
    optimizer: str
    arrays: Mapping[str, Array]
    epoch: int
    step: int
    order: Mapping[str, Any]
    noise: Mapping[str, Any]
    callbacks: list[tuple[str, Memory]]


@dataclass
class History(Sequence[Record]):
    """One record per epoch, in order.

    Parameters
    ----------
    records
        Each with ``epoch`` (from 1), ``learning_rate``, ``cost``, the metrics, and the same for validation data with
        the prefix ``validation_``.
    stopped
        Why the training ended before its last epoch; empty if it did not.
    accelerator
        Whose kernels it used; ``"none"`` for plain NumPy.
    warning
        That the training made the model much worse; empty if it did not.
    end
        What ``fit(..., continue_from=history)`` goes on from; None for a solver and for a training that did not finish.
        It holds the optimizer's arrays (two vectors as long as the parameters for Adam) and what callbacks remember (a
        copy of the parameters for early stopping), and is copied and pickled with the history. Set it to None to free
        that memory.

    resumed
        Where it went on, as ``"after epoch 3"``, from a checkpoint or another history; empty for a training from its
        start.

    Examples
    --------
    >>> history = History([{"epoch": 1, "cost": 0.5}, {"epoch": 2, "cost": 0.25}])
    >>> history["cost"], history[-1]
    ([0.5, 0.25], {'epoch': 2, 'cost': 0.25})
    """

    records: list[Record] = field(default_factory=list)
    stopped: str = ""
    accelerator: str = "none"
    warning: str = ""
    end: TrainingEnd | None = field(default=None, repr=False, compare=False)
    resumed: str = field(default="", compare=False)

    def __getitem__(self, key: Any) -> Any:
        """Return the record of an epoch by its position, or a list of one entry over all epochs by its name.

        KeyError, with the names there are, if an epoch has no such entry.
        """
        if isinstance(key, str):
            for record in self.records:
                if key not in record:
                    hint = did_you_mean(key, record)
                    raise KeyError(f"Epochs have no entry {short(key)}.{hint} Entries: {', '.join(record)}.")
            return [record[key] for record in self.records]
        return self.records[key]

    def __len__(self) -> int:
        return len(self.records)
