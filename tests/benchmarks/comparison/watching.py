"""What it costs to watch a training of nnfw: metrics, a progress bar on a terminal, early stopping and a log.

All take turns in this process, for two processes differ by more than what is looked for.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr
from dataclasses import replace
from functools import partial
from tempfile import TemporaryDirectory
from typing import IO, Any

from nnfw.training import ProgressBar

from .peers.own import Nnfw
from .workloads import WORKLOADS, Workload

WATCHED = {
    f"watch-{name}{suffix}": (name, way)
    for name in ("T1", "T2", "T3")
    for suffix, way in (("", "none"), ("-fast", "numba"))
}
"""The network and the accelerator of each measurement."""

LONGER = 4
"""Times as many epochs as where steps are measured: a bar begins and ends once, which takes some milliseconds."""

NOTHING = "nothing"


def workload(name: str, quick: bool) -> Workload:
    """Return what is trained in a turn."""
    work = WORKLOADS[name]
    return work.shortened() if quick else replace(work, epochs=LONGER * work.epochs)


def turns(work: Workload, accelerator: str, stack: ExitStack) -> dict[str, Callable[[], float]]:
    """Return by name what takes a turn and returns its seconds; the first is watched by nothing."""
    x, y = work.data()
    if y.ndim == 2:  # accuracy takes labels that name a class
        y = (y == y.max(axis=1, keepdims=True)).astype(y.dtype)
    model = Nnfw(work, x, y, accelerator)
    files = {"callbacks": [{"type": "early_stopping", "monitor": "cost"}, "csv_log"]}
    files["directory"] = stack.enter_context(TemporaryDirectory())
    found = {
        NOTHING: partial(seconds, model),
        "accuracy": partial(seconds, model, metrics=["accuracy"]),
        "early stopping and a CSV log": partial(seconds, model, **files),
    }
    if hasattr(os, "openpty"):
        terminal = stack.enter_context(pseudo_terminal())
        found["a progress bar"] = partial(seconds, model, terminal, callbacks=[ProgressBar()])
    return found


def seconds(model: Nnfw, terminal: IO[str] | None = None, **settings: Any) -> float:
    """Return how long a training takes with further arguments of `fit`, and perhaps another stderr."""
    with nullcontext() if terminal is None else redirect_stderr(terminal):
        start = time.perf_counter()
        model.train(model.work.epochs, **settings)
        return time.perf_counter() - start


@contextmanager
def pseudo_terminal() -> Iterator[IO[str]]:
    """Yield a terminal to write to; another process reads it, as the program that shows a terminal does."""
    shown, written = os.openpty()
    quiet = subprocess.DEVNULL
    with subprocess.Popen(["cat"], stdin=shown, stdout=quiet, stderr=quiet), os.fdopen(written, "w") as terminal:
        os.close(shown)
        yield terminal
