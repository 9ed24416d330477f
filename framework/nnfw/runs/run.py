"""A run: an experiment carried out, in one directory of plain files."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nnfw.data import Examples
from nnfw.errors import DataError, DivergedError, FileFormatError, NnfwError, TrainingInterrupted, warn
from nnfw.experiments.experiment import Experiment, ExperimentFile, distributions_of, table_of
from nnfw.experiments.preparation import Prepared, prepare
from nnfw.machine import describe_environment, installed_distributions
from nnfw.plain import jsonable
from nnfw.plugins import Registry
from nnfw.plugins.blame import in_words_with_culprit
from nnfw.protocols import Callback, Fit
from nnfw.runs.git import describe_commit
from nnfw.runs.health import HealthLog
from nnfw.runs.layout import (
    CHECKPOINTS,
    EXPERIMENT,
    METRICS,
    MODEL,
    NAMES,
    RECORD,
    made,
    new_directory,
    require_empty,
    require_writable,
)
from nnfw.runs.opening import Access, open_run, resume_command
from nnfw.runs.reading import read_run
from nnfw.runs.record import RECORD_FORMAT, this_process
from nnfw.storage import Directory, LineFile, locked, replace_file
from nnfw.toml import write
from nnfw.training import (
    FREE_OPTIONS,
    Checkpoint,
    Checkpoints,
    Interruption,
    Loop,
    Task,
    differences,
    loop_of,
    newest,
    require_resumable,
)

_MOST_CONSTANT = 10_000  # numbers of an output of the baseline: a record stays small
_SIGNALLED = 128  # exit status of a process that a signal has ended, less the number of the signal


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run."""

    directory: Path
    results: Mapping[str, Mapping[str, Any]]  # cost and metrics of the final model by part
    epochs: int
    stopped: str  # why it ended early; empty if it did not
    accelerator: str  # whose kernels it used; "none" for plain NumPy
    warning: str = ""  # that the training made the model much worse; empty if it did not
    baseline: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # the same of constant outputs
    unit: str = ""  # in which unit cost and metrics are; empty if nothing transforms the target
    verdicts: Sequence[str] = ()  # where learning stopped: layers that are dead, exploding or vanishing


def train(
    file: ExperimentFile,
    registry: Registry,
    out: Path | None = None,
    callbacks: Sequence[object] = (),
    tell: Callable[[str], None] = warn,
    look: Callable[[Examples], None] | None = None,
) -> Run:
    """Carry an experiment out, and write the run's directory.

    ConfigError, DataError and ShapeError come before anything is written; StateError if another process works in the
    directory. DivergedError if the cost stops being finite: the directory then holds the record and the metrics so far,
    but no model. TrainingInterrupted if a signal ends it; says how it is resumed.

    Parameters
    ----------
    file, registry
        The experiment, and where names are looked up.
    out
        The directory; ``runs/<name>-<time>`` by default. It must not hold a run yet.
    callbacks
        Further callbacks, a progress bar for instance: by name, by table, as objects or functions.
    tell
        Called with messages that are not errors; by default it warns.
    look
        Called with the examples as they are read, before anything is made of them.
    """
    further = [registry.resolve("callback", callback) for callback in callbacks]
    directory = new_directory(file.experiment.name) if out is None else out
    command = resume_command(file, directory, registry)
    require_writable(directory, command)
    prepared = prepare(file, registry, tell=tell, look=look)
    for text in prepared.remarks():
        tell(text)
    with made(directory, new=out is None) as path, locked(path) as held:
        require_empty(path, command)  # another run may have been started here since
        record = RecordWriter(held, file, prepared)
        return _carry_out(prepared, record, further, tell)


def resume(
    directory: Path,
    access: Access,
    overrides: Sequence[str] = (),
    callbacks: Sequence[object] = (),
    *,
    force: bool = False,
) -> Run | None:
    """Go on with a run from its newest checkpoint, bit for bit as if it had never stopped; None if it has finished.

    FileFormatError if the directory holds no run, or no checkpoint that can be read. DataError if experiment or data
    have changed, even where nothing is left to do, or there are fewer epochs than it has begun; says what. Other errors
    are those of :func:`train`.

    Parameters
    ----------
    directory, access
        The run's directory, and how it is opened.
    overrides
        Changes of its experiment; ``"training.epochs=50"`` for more epochs.
    callbacks
        As for :func:`train`.
    force
        Whether to go on although experiment or data have changed.
    """
    file, registry, tell = open_run(directory, access, overrides), access.registry, access.tell
    further = [registry.resolve("callback", callback) for callback in callbacks]
    with locked(directory) as held:
        start = newest(held.below(CHECKPOINTS), registry, tell)
        finished = read_run(directory).status == "finished"
        if start is None and finished:
            raise FileFormatError(f"{directory} holds no checkpoint, so it cannot go on. Train the experiment anew.")
        if start is not None and finished and start.header.is_end(file.experiment.training.known_epochs):
            _require_unchanged(directory, open_run(directory, access).experiment, file.experiment, registry)
            return None
        prepared = prepare(file, registry)
        if start is None:
            tell(f"{directory} holds no checkpoint yet: the run starts again.")
        record = RecordWriter(held, file, prepared, resumed=True)
        return _carry_out(prepared, record, further, tell, start, force=force)


def _require_unchanged(directory: Path, before: Experiment, now: Experiment, registry: Registry) -> None:
    """Refuse changes of a run that has finished, since nothing would come of them."""
    old, new = (table_of(experiment, registry) for experiment in (before, now))
    for name in FREE_OPTIONS:
        del old["training"][name], new["training"][name]
    if changed := "; ".join(differences(old, new)):
        raise DataError(
            f"{directory} has finished, so this has no effect: {changed}. Leave it out; or train the changed "
            "experiment as another run; or go on with --force and more epochs."
        )


def _carry_out(
    prepared: Prepared,
    record: RecordWriter,
    callbacks: Sequence[Callback],
    tell: Callable[[str], None],
    start: Checkpoint | None = None,
    *,
    force: bool = False,
) -> Run:
    options, origin = prepared.experiment.training, prepared.origin
    require_resumable(start, options.known_epochs, origin, "Undo that, or go on with --force.", tell, force=force)
    checkpoints = Checkpoints(
        record.directory.below(CHECKPOINTS),
        options.checkpoint_seconds,
        origin=origin,
        advice=f"Continue with: {record.resume_command}",
        tell=tell,
        plugins=distributions_of(prepared.experiment, record.registry),
        start=start,
    )
    try:
        run = _train(
            prepared,
            record.directory,
            (*callbacks, _RunLog(record), HealthLog(prepared, record.directory, record.verdicts)),
            checkpoints,
        )
    except BaseException as error:
        with suppress(NnfwError):  # a full disk must not hide what happened
            record.end(*_end_of(error, record.registry))
        for verdict in record.verdicts if isinstance(error, DivergedError) else ():
            tell(verdict)
        raise
    run = replace(run, verdicts=record.verdicts)
    if run.warning:
        tell(run.warning)
    names = ("epochs", "stopped", "warning", "accelerator", "results", "baseline")
    constant = [each.tolist() for each in prepared.constant or () if each.size <= _MOST_CONSTANT]
    record.end("finished", {"exit": 0, **{name: getattr(run, name) for name in names}, "constant": constant})
    return run


def _end_of(error: BaseException, registry: Registry) -> tuple[str, dict[str, object]]:
    """Return the status of a run that an error ended, with the exit status that goes with it, and the reason.

    Of an interruption, the reason is only where: its advice names a path, which a copy does not have.
    """
    if isinstance(error, TrainingInterrupted):
        return "interrupted", {"exit": _SIGNALLED + error.signal, "reason": error.place}
    reason = in_words_with_culprit(error, registry)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", {"exit": _SIGNALLED + signal.SIGINT, "reason": reason}
    if isinstance(error, DivergedError):
        return "diverged", {"exit": 1, "reason": reason}
    return "failed", {"exit": 2 if isinstance(error, NnfwError) else 1, "reason": reason}


def _train(prepared: Prepared, directory: Directory, callbacks: Sequence[Callback], checkpoints: Checkpoints) -> Run:
    history = training_of(prepared, directory, callbacks, checkpoints).run()
    results, baseline = {}, {}
    with Interruption(terminated=True) as interruption:
        prepared.model.save(directory.path / MODEL, inside=directory)
        for part in prepared.parts:
            results[part] = prepared.evaluate(part)
            if figures := prepared.baseline(part):
                baseline[part] = figures
            if interruption.signal:
                text = f"The run was interrupted after its training. {checkpoints.advice}"
                raise TrainingInterrupted(text, interruption.signal, place="after its training")
    outcome = len(history), history.stopped, history.accelerator, history.warning
    return Run(directory.path, results, *outcome, baseline, prepared.unit)


def training_of(
    prepared: Prepared, directory: Directory, callbacks: Sequence[Callback], checkpoints: Checkpoints | None
) -> Loop:
    """Return the training of an experiment, with further callbacks."""
    return loop_of(task_of(prepared, callbacks), prepared.model.save, directory, NAMES, checkpoints)


def task_of(prepared: Prepared, callbacks: Sequence[Callback] = ()) -> Task:
    """Return what an experiment trains on what, with further callbacks."""
    experiment, model = prepared.experiment, prepared.model
    return Task(
        model.network,
        prepared.parts["training"],
        prepared.parts.get("validation"),
        prepared.objective,
        experiment.optimizer,
        replace(experiment.training, callbacks=(*experiment.training.callbacks, *callbacks)),
        experiment.seed,
        table_of(experiment, model.registry),
        units=prepared.units,
    )


class RecordWriter:
    """Writes the record of a run at its start and at its end, and notifies the plugins that observe it.

    Nothing is written before :meth:`start`. `directory` is locked; if `resumed`, it already holds a run, which now
    continues.
    """

    def __init__(
        self, directory: Directory, file: ExperimentFile, prepared: Prepared, *, resumed: bool = False
    ) -> None:
        self.directory = directory
        self.registry = registry = prepared.model.registry
        self.resume_command = resume_command(file, directory.path, registry)
        self.started, self._resumed = False, resumed
        self.verdicts: list[str] = []  # of the last look at the layers
        now = _now()
        before = read_run(directory.path).record if resumed else None
        self._table = table_of(prepared.experiment, registry)
        self._record: dict[str, object] = {
            "format": RECORD_FORMAT,
            "name": prepared.experiment.name,
            "status": "running",
            "seed": prepared.experiment.seed,
            "unit": prepared.unit,
            "parameters": int(prepared.model.parameters.vector.size),
            "data": {
                "directory": str(file.directory.absolute()),
                "sha256": prepared.fingerprint,
                "examples": {name: len(part) for name, part in prepared.parts.items()},
                "weighted": prepared.weighted,
            },
            "plugins": [
                {"distribution": plugin.distribution, "version": plugin.version, "status": plugin.status}
                for plugin in registry.plugins
            ],
            "distributions": installed_distributions(),
            "environment": describe_environment(),
            "git": describe_commit(file.directory),
            "process": this_process(),
            "started": (before or {}).get("started") or now,
            "resumed": [*before.get("resumed", []), now] if before else [],
        }

    def start(self) -> None:
        """Write experiment and record, and notify the plugins.

        The record comes last: without it, there is no run yet. If it cannot be written, a new directory is left as it
        was.
        """
        try:
            self._replace(EXPERIMENT, write(self._table))
            self._write()
        except BaseException:
            for name in () if self._resumed else (RECORD, EXPERIMENT):
                with suppress(OSError):
                    self.directory.remove(name)
            raise
        self.started = True
        self.registry.notify("nnfw_run_started", {"directory": self.directory.path, "experiment": self._table})

    def end(self, status: str, outcome: Mapping[str, object]) -> None:
        """Write how the run ended, and notify the plugins; do nothing if it has not started."""
        if not self.started:
            return
        self._record |= {"status": status, "ended": _now(), **outcome, "verdicts": self.verdicts}
        self._write()
        self.registry.notify("nnfw_run_ended", {"directory": self.directory.path, "record": self._record})

    def _write(self) -> None:
        self._replace(RECORD, json.dumps(jsonable(self._record), indent=2) + "\n")

    def _replace(self, name: str, text: str) -> None:
        replace_file(self.directory.path / name, text.encode(), inside=self.directory)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class _RunLog(Callback):
    """Starts the run, writes each epoch's record to ``metrics.jsonl``, and tells it to the plugins.

    Only the health log follows it: where another callback refuses the training, nothing has been written.
    """

    record: RecordWriter

    def state(self, fit: Fit) -> dict[str, Any]:
        self.record.start()
        directory = self.record.directory
        return {"file": LineFile(directory.path / METRICS, "".join(map(_line, fit.history)), inside=directory)}

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        state["file"].write(_line(record))
        fit.registry.notify("nnfw_epoch_ended", {"directory": fit.directory, "record": record})

    def close(self, state: MutableMapping[str, Any]) -> None:
        state["file"].close()


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(jsonable(record)) + "\n"
