"""The record of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]
"""What an epoch gave by name: numbers, and nested lists for matrices."""


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

    def __getitem__(self, key: Any) -> Any:
        """Return the record of an epoch by its position, or a list of one entry over all epochs by its name."""
        if isinstance(key, str):
            return [record[key] for record in self.records]
        return self.records[key]

    def __len__(self) -> int:
        return len(self.records)
