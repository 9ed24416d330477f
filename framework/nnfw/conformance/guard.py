"""A fence around foreign code: what it prints, warns about and changes is noted and undone, and it must come back."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from types import FrameType
from typing import Any

import numpy as np

from nnfw.errors import in_words, short


class TookTooLong(BaseException):
    """A component did not come back. No `Exception`: a component's own ``except Exception`` must not hold it."""


@dataclass
class Traces:
    """What code left behind.

    Parameters
    ----------
    printed
        What it wrote to stdout and stderr.
    warned
        Its warnings, one line each.
    changed
        What it changed in the process, by name: before and after.
    """

    printed: str = ""
    warned: list[str] = field(default_factory=list)
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def global_state() -> dict[str, Any]:
    """Return what components share with everybody else in the process, by name."""
    numpy_state = np.random.get_state(legacy=True)  # noqa: NPY002 - the global generator is what must not be touched
    return {
        "np.seterr": np.geterr(),
        "np.set_printoptions": np.get_printoptions(),
        "NumPy's global random numbers": (numpy_state[0], numpy_state[1].tobytes(), *numpy_state[2:]),  # type: ignore[index]
        "Python's global random numbers": random.getstate(),
        "warning filters": list(warnings.filters),
        "the working directory": os.getcwd(),  # noqa: PTH109 - as text, to be compared
        "environment variables": dict(os.environ),
        "sys.path": list(sys.path),
        "the recursion limit": sys.getrecursionlimit(),
        "threads": threading.active_count(),
    }


def restore(state: Mapping[str, Any]) -> None:
    """Put back what :func:`global_state` returned, apart from threads."""
    np.seterr(**state["np.seterr"])
    np.set_printoptions(**state["np.set_printoptions"])
    name, keys, *rest = state["NumPy's global random numbers"]
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))  # noqa: NPY002
    random.setstate(state["Python's global random numbers"])
    warnings.filters[:] = state["warning filters"]  # type: ignore[index]
    os.chdir(state["the working directory"])
    os.environ.clear()
    os.environ.update(state["environment variables"])
    sys.path[:] = state["sys.path"]
    sys.setrecursionlimit(state["the recursion limit"])


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two states, by name."""
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def in_short(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """Return changes in words."""
    return "; ".join(f"{name} from {short(old)} to {short(new)}" for name, (old, new) in changed.items())


@contextmanager
def guarded() -> Iterator[Traces]:
    """Run the body with output caught, warnings noted and the process as it was before afterwards."""
    traces, before = Traces(), global_state()
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(out), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
        inside = global_state()
        try:
            yield traces
        finally:
            traces.changed = changes(inside, global_state())
            traces.printed = out.getvalue()
            traces.warned = [in_words(item.message) for item in warned if isinstance(item.message, Warning)]
            restore(before | {"warning filters": inside["warning filters"]})


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TookTooLong if the body runs longer; only where signals can do it: in the main thread, and on Unix."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise TookTooLong(f"did not come back within {seconds:g} s")

    start, handler = time.monotonic(), signal.signal(signal.SIGALRM, stop)
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        left = max(remaining - (time.monotonic() - start), 1e-3) if remaining else 0  # somebody else's alarm
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left, interval)
