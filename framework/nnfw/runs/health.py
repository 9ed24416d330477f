"""The health of a run's network over the epochs, in ``layers.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nnfw.errors import FileFormatError
from nnfw.experiments.preparation import Prepared
from nnfw.network import explanations
from nnfw.plain import jsonable
from nnfw.protocols import Callback, Fit
from nnfw.runs.layout import LAYERS
from nnfw.runs.reading import EpochRow, numbers, read_run
from nnfw.storage import Directory, LineFile


@dataclass(frozen=True)
class HealthLog(Callback):
    """Writes ‖δ‖ and the share of dead units of each layer before the training and after some of its epochs.

    These are epochs 1, 2, 4, 8 and so on, and the last: a look takes as long as a step in plain NumPy, and layers
    change most in the beginning. The verdicts of the last look are put into the list `verdicts`.
    """

    prepared: Prepared
    directory: Directory
    verdicts: list[str]

    def state(self, fit: Fit) -> dict[str, Any]:
        """Start the file with the network before its training; in a resumed run, with the epochs that are done."""
        directory, done = self.directory, len(fit.history)
        rows: list[EpochRow] = []
        if fit.epoch:
            with suppress(FileFormatError):  # it is missing or damaged, and the training can do without it
                rows = [row for row in read_run(directory.path).layers if numbers(row)["epoch"] <= done]
                if rows and not _is_time(int(numbers(rows[-1])["epoch"])):
                    rows.pop()  # the look at the end of the training that goes on
        file = LineFile(directory.path / LAYERS, "".join(map(_line, rows)), inside=directory)
        state = {"file": file, "last": rows[-1]["epoch"] if rows else None}
        if not fit.epoch:
            self._look(fit, state)
        return state

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        """Look at the layers if it is time."""
        if _is_time(fit.epoch):
            self._look(fit, state)

    def fit_ended(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        """Look at the layers unless the last epoch was looked at."""
        if state["last"] != fit.epoch:
            self._look(fit, state)

    def close(self, state: MutableMapping[str, Any]) -> None:
        """Close the file."""
        state["file"].close()

    def _look(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        found = self.prepared.health()
        row: dict[str, object] = {"epoch": fit.epoch}
        for place, each in zip(self.prepared.model.network.graph.nodes, found, strict=True):
            row |= {f"{place.name}.{key}": getattr(each, key) for key in ("delta", "outputs", "dead")}
        state["file"].write(_line(row))
        state["last"], self.verdicts[:] = fit.epoch, explanations(found)


def _is_time(epoch: int) -> bool:
    """Return whether an epoch is 0 or a power of two."""
    return epoch.bit_count() <= 1


def _line(row: Mapping[str, object]) -> str:
    return json.dumps(jsonable(row)) + "\n"
