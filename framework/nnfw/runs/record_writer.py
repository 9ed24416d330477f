"""Writing ``record.json``: how a run came to be, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from nnfw.experiments.experiment import ExperimentFile, table_of
from nnfw.experiments.preparation import Prepared
from nnfw.machine import describe_environment, installed_distributions
from nnfw.plain import jsonable
from nnfw.runs.git import describe_commit
from nnfw.runs.layout import EXPERIMENT, RECORD
from nnfw.runs.opening import resume_command
from nnfw.runs.reading import read_run
from nnfw.runs.record import RECORD_FORMAT, this_process
from nnfw.storage import Directory, replace_file
from nnfw.toml import write


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
        now = _now()
        before = read_run(directory.path).record if resumed else None
        self._table = table_of(prepared.experiment, registry)
        self._record: dict[str, object] = {
            "format": RECORD_FORMAT,
            "name": prepared.experiment.name,
            "status": "running",
            "seed": prepared.experiment.seed,
            "parameters": int(prepared.model.parameters.vector.size),
            "data": {
                "directory": str(file.directory.absolute()),
                "sha256": prepared.fingerprint,
                "examples": {name: len(part) for name, part in prepared.parts.items()},
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
        self._record |= {"status": status, "ended": _now(), **outcome}
        self._write()
        self.registry.notify("nnfw_run_ended", {"directory": self.directory.path, "record": self._record})

    def _write(self) -> None:
        self._replace(RECORD, json.dumps(jsonable(self._record), indent=2) + "\n")

    def _replace(self, name: str, text: str) -> None:
        replace_file(self.directory.path / name, text.encode(), inside=self.directory)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
