"""Callbacks: early stopping, files written along the way, and the guard against divergence."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any

from annotated_types import Ge, MinLen

from nnfw.errors import ConfigError, Mistake, did_you_mean
from nnfw.protocols import Callback, Fit


class _OfBest(Callback):
    """Compares an entry of each epoch's record with the best so far."""

    monitor: str

    def require_recorded(self, fit: Fit) -> None:
        """Refuse a `monitor` that no epoch of this training will record."""
        if self.monitor not in fit.recorded:
            hint = did_you_mean(self.monitor, fit.recorded)
            text = (
                f"must be a number that each epoch records, got {self.monitor!r}.{hint} Recorded: "
                f"{', '.join(fit.recorded)}. A matrix has no best value."
            )
            raise ConfigError([Mistake(("monitor",), text)], f"Callback {fit.registry.label('callback', self)}")

    def improves(self, fit: Fit, value: float, best: float | None, min_delta: float = 0.0) -> bool:
        """Return whether `value` is better than `best` by more than `min_delta`; NaN never is."""
        if best is None:
            return not math.isnan(value)
        return fit.better(self.monitor, value, best) and abs(value - best) > min_delta


@dataclass(frozen=True)
class EarlyStopping(_OfBest):
    """Stops when `monitor` has not improved for `patience` epochs, and restores the best parameters.

    An epoch improves if its value is better than the best one by more than `min_delta`. Better is lower for a cost, and
    what the metric declares for a metric.

    Parameters
    ----------
    monitor
        An entry of the epochs' records; ``"validation_cost"`` by default.
    patience
        Epochs without improvement after which training stops, 1 or more; 10 by default.
    min_delta
        Smallest change that counts, 0 or more; 0 by default.
    restore_best
        Whether the parameters of the best epoch are restored at the end, even if training was not stopped; True by
        default.

    Raises
    ------
    ConfigError
        Before the first epoch, if records have no entry called `monitor` or it is a matrix; says which there are.

    Notes
    -----
    Keras restores nothing by default. The best parameters are kept in memory, one copy.

    References
    ----------
    L. Prechelt (1998), *Early Stopping - But When?*

    Examples
    --------
    >>> EarlyStopping(patience=5)
    EarlyStopping(monitor='validation_cost', patience=5, min_delta=0.0, restore_best=True)
    """

    monitor: str = "validation_cost"
    _: KW_ONLY
    patience: Annotated[int, Ge(1)] = 10
    min_delta: Annotated[float, Ge(0)] = 0.0
    restore_best: bool = True

    def state(self, fit: Fit) -> dict[str, Any]:
        """Start with no best epoch."""
        self.require_recorded(fit)
        return {"best": None, "waited": 0, "parameters": None}

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        """Compare with the best epoch so far."""
        value = float(record[self.monitor])
        if self.improves(fit, value, state["best"], self.min_delta):
            state["best"], state["waited"] = value, 0
            state["parameters"] = fit.snapshot() if self.restore_best else None
            return
        state["waited"] += 1
        if state["waited"] >= self.patience:
            best = "any number" if state["best"] is None else f"{state['best']:.5g}"
            fit.stop(f"{self.monitor} has not improved on {best} for {self.patience} epochs")

    def fit_ended(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        """Put the best parameters back."""
        if state["parameters"] is not None:
            fit.restore(state["parameters"])


@dataclass(frozen=True)
class CheckpointBest(_OfBest):
    """Writes the model to a file whenever `monitor` is better than ever before.

    Parameters
    ----------
    path
        The file, relative to the run's directory; ``"best.nnfw"`` by default. It is replaced in one step.
    monitor
        An entry of the epochs' records; ``"validation_cost"`` by default.

    Raises
    ------
    ConfigError
        Before the first epoch, if records have no number called `monitor`, or `path` leads out of the run's directory
        or is the name of another file of the run.
    DataError
        Before the first epoch, if the folder of `path` does not exist or may not be written to, or if `path`
        is a link in a run's directory.

    Examples
    --------
    >>> CheckpointBest(monitor="validation_accuracy").path
    'best.nnfw'
    """

    path: Annotated[str, MinLen(1)] = "best.nnfw"
    _: KW_ONLY
    monitor: str = "validation_cost"

    def state(self, fit: Fit) -> dict[str, Any]:
        """Start with no best epoch."""
        self.require_recorded(fit)
        return {"path": fit.claim(self.path, self), "best": None}

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        """Write the model if this epoch is the best."""
        value = float(record[self.monitor])
        if self.improves(fit, value, state["best"]):
            state["best"] = value
            fit.save_model(state["path"])


@dataclass(frozen=True)
class CSVLog(Callback):
    """Writes a row to a CSV file as soon as an epoch ends.

    Parameters
    ----------
    path
        The file, relative to the run's directory; ``"log.csv"`` by default. An older one is replaced.

    Raises
    ------
    ConfigError
        Before the first epoch, if `path` leads out of the run's directory or is the name of another file of the run.
    DataError
        Before the first epoch, if it is already clear that the file cannot be written.
    NnfwError
        If writing fails later.

    Notes
    -----
    The header holds the entries of all records; where a record has no such entry, the cell is empty. Matrices are
    written as JSON. A training that is resumed rewrites the file from the first epoch on, and so does one whose records
    get a new entry, as those of a training that continues with another metric do.

    Examples
    --------
    >>> CSVLog("epochs.csv")
    CSVLog(path='epochs.csv')
    """

    path: Annotated[str, MinLen(1)] = "log.csv"

    def state(self, fit: Fit) -> dict[str, Any]:
        """Reserve the file; nothing is written yet, because another callback may still refuse this training."""
        return {"path": fit.claim(self.path, self), "file": None, "header": []}

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        """Append a row; at first, and where an entry is new, the header and the rows of all epochs so far."""
        header, records = state["header"], [record]
        if state["file"] is None or not record.keys() <= set(header):
            self.close(state)
            records = list(fit.history)
            header = state["header"] = list(dict.fromkeys(name for each in records for name in each))
            file = state["file"] = fit.lines(state["path"])
            csv.writer(file).writerow(header)
        rows = ([item.get(name, "") for name in header] for item in records)
        csv.writer(state["file"]).writerows(
            [json.dumps(value) if isinstance(value, list) else value for value in row] for row in rows
        )

    def close(self, state: MutableMapping[str, Any]) -> None:
        """Close the file."""
        file, state["file"] = state["file"], None
        if file is not None:
            file.close()


@dataclass(frozen=True)
class TerminateOnNaN(Callback):
    """Stops the training with an error at the step where cost, gradient or parameters are not finite. On by default.

    Checks C of each step before the parameters change. The parameters are checked once in 200 steps and after each
    epoch; where they are not finite, these steps are repeated one by one to find the first.

    Parameters
    ----------
    enabled
        False switches it off; True by default.

    Raises
    ------
    DivergedError
        Names epoch, step, layer and array.

    Notes
    -----
    To repeat steps, it keeps copies of the parameters and of the optimizer's arrays.

    Examples
    --------
    >>> TerminateOnNaN()
    TerminateOnNaN(enabled=True)
    """

    enabled: bool = True

    def state(self, fit: Fit) -> dict[str, Any]:
        """Have the parameters watched."""
        if self.enabled:
            fit.watch()
        return {}

    def steps_computed(self, fit: Fit, costs: Sequence[float], state: MutableMapping[str, Any]) -> None:
        """Refuse a cost that is not finite."""
        if self.enabled and not math.isfinite(costs[-1]):
            raise fit.diverged(f"the cost became {costs[-1]}")

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        """Refuse a validation cost that is not finite."""
        if self.enabled and not math.isfinite(record.get("validation_cost", 0.0)):
            raise fit.diverged(f"the validation cost became {record['validation_cost']}")
