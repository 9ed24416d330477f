"""Who learns from the tables, in a process of its own."""

import contextlib
import multiprocessing
import os
import signal
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from comparison.contenders import installed

from .data import Columns, Kind, Task, split
from .scores import score


@dataclass(frozen=True)
class Contender:
    """A way to learn from a table: a module of `peers`, and the packages that it needs."""

    label: str
    module: str
    packages: tuple[str, ...] = ()

    @property
    def versions(self) -> str:
        """The packages with their versions."""
        return ", ".join(f"{name} {installed(name)}" for name in self.packages)

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [name for name in self.packages if installed(name) is None]


CONTENDERS: Mapping[str, Contender] = {
    "nnfw": Contender("nnfw", "own", ("nnfw",)),
    "realmlp": Contender("RealMLP-TD", "realmlp", ("pytabkit", "scikit-learn", "pandas")),
    "boosting": Contender("HistGradientBoosting", "boosting", ("scikit-learn", "pandas")),
    "mlp": Contender("MLP of scikit-learn", "perceptron", ("scikit-learn", "pandas")),
    "baseline": Contender("class shares or mean", "baseline"),
}


@dataclass(frozen=True)
class Job:
    """The splits of one table for one contender."""

    module: str
    columns: Columns
    target: str
    kind: Kind
    deviation: float
    splits: tuple[int, ...]
    settings: tuple[str, ...] = ()


Figures = dict[str, Any]


def figures(job: Job, limit: float) -> Iterator[tuple[int, Figures]]:
    """Yield each split and its figures, or why it has none; a split that takes longer than the limit is the last."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(there, job), daemon=False)
    process.start()
    there.close()
    try:
        for number in job.splits:
            if not here.poll(limit):
                yield number, {"failed": f"it took more than {limit:g} seconds"}
                return
            try:
                yield number, here.recv()
            except EOFError:
                process.join()
                yield number, {"failed": f"its process ended with status {process.exitcode}"}
                return
    finally:
        end(process)


def end(process: multiprocessing.process.BaseProcess) -> None:
    """End a process and those that it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def serve(connection: Connection, job: Job) -> None:
    """Send the figures of each split."""
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own, so that all of it can be ended
    warnings.simplefilter("ignore")  # the defaults of some stop before they converge, and say so each time
    for number in job.splits:
        try:
            found = measure(job, number)
        except Exception as error:
            found = {"failed": f"{type(error).__name__}: {error}"}
        connection.send(found)


def measure(job: Job, number: int) -> Figures:
    """Fit and predict one split; the seconds of CPU time are those of the fit, without imports."""
    fit = import_module(f".peers.{job.module}", __package__).fit
    train, test = split(job.columns, job.target, job.kind, number)
    y = test.pop(job.target)
    start = cpu_seconds()
    predict = fit(Task(train, job.target, job.kind, number, job.settings))
    seconds = cpu_seconds() - start
    return {**score(y, predict(test), job.kind, job.deviation), "seconds": seconds}


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that ended: other programs do not change it."""
    return sum(os.times()[:4])
