"""A run: an experiment carried out, in one directory of plain files."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnfw.errors import DivergedError, in_words
from nnfw.experiments.experiment import ExperimentFile
from nnfw.experiments.preparation import Prepared, prepare
from nnfw.experiments.record import RunRecord, made, new_directory, require_writable
from nnfw.experiments.recorded import METRICS, MODEL
from nnfw.plugins import Registry
from nnfw.protocols import Callback, Fit
from nnfw.storage import jsonable
from nnfw.training import Training


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Parameters
    ----------
    directory
        Its files.
    results
        Cost and metrics of the final model by part.
    epochs
        How many epochs it took.
    stopped
        Why it ended early; empty if it did not.
    accelerator
        Whose kernels it used; ``"none"`` for plain NumPy.
    """

    directory: Path
    results: Mapping[str, Mapping[str, Any]]
    epochs: int
    stopped: str
    accelerator: str


def train(file: ExperimentFile, registry: Registry, out: Path | None = None, callbacks: Sequence[Callback] = ()) -> Run:
    """Carry an experiment out, and write the run's directory.

    Parameters
    ----------
    file
        The experiment.
    registry
        Where names are looked up.
    out
        The directory; ``runs/<name>-<time>`` by default. It must not hold a run yet.
    callbacks
        Further callbacks, a progress bar for instance.

    Returns
    -------
    Run
        Where the files are, and the results.

    Raises
    ------
    ConfigError, DataError, ShapeError
        Before anything is written.
    DivergedError
        If the cost stops being finite: the directory then holds the record and the metrics so far, but no model.
    """
    directory = new_directory(file.experiment.name) if out is None else out
    require_writable(directory)
    prepared = prepare(file, registry)
    record = RunRecord(directory, file, prepared, registry)
    with made(directory):
        try:
            run = _train(prepared, directory, (*callbacks, _RunLog(record)))
        except BaseException as error:
            status = "diverged" if isinstance(error, DivergedError) else "failed"
            record.end(status, {"reason": in_words(error)})
            raise
    outcome = {"epochs": run.epochs, "stopped": run.stopped, "accelerator": run.accelerator, "results": run.results}
    record.end("finished", outcome)
    return run


def _train(prepared: Prepared, directory: Path, callbacks: Sequence[Callback]) -> Run:
    experiment = prepared.experiment
    loop = Training(
        prepared.model,
        prepared.parts["training"],
        prepared.parts.get("validation"),
        objective=prepared.objective,
        optimizer=experiment.optimizer,  # type: ignore[arg-type]
        options=replace(experiment.training, callbacks=(*experiment.training.callbacks, *callbacks)),
        seed=experiment.seed,
        directory=directory,
    )
    history = loop.run()
    prepared.model.save(directory / MODEL)
    results = {part: prepared.evaluate(part) for part in prepared.parts}
    return Run(directory, results, len(history), history.stopped, history.accelerator)


@dataclass(frozen=True)
class _RunLog(Callback):
    """Starts the run, appends each epoch's record to ``metrics.jsonl``, and tells it to the plugins.

    It is the last callback: where another one refuses the training, nothing has been written.
    """

    record: RunRecord

    def state(self, fit: Fit) -> dict[str, Any]:
        self.record.start()
        return {"file": (fit.directory / METRICS).open("w", encoding="utf-8")}

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        state["file"].write(json.dumps(jsonable(record)) + "\n")
        state["file"].flush()
        fit.registry.notify("nnfw_epoch_ended", {"directory": fit.directory, "record": record})

    def close(self, state: MutableMapping[str, Any]) -> None:
        state["file"].close()
