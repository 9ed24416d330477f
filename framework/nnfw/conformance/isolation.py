"""Runs foreign code in isolation: records what it prints, warns about and changes, undoes that, and limits its time."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from types import FrameType
from typing import Any
from unittest.mock import patch

import numpy as np

from nnfw.conformance.outcomes import require
from nnfw.errors import in_words, short

State = Mapping[str, object]
Changes = Mapping[str, tuple[object, object]]


class TookTooLong(BaseException):
    """A component did not return in time. Not an `Exception`: a component's ``except Exception`` must not catch it."""


@dataclass
class Traces:
    """What code left behind: output, warnings in a line each, and what it changed in the process."""

    printed: str = ""
    warned: list[str] = field(default_factory=list)
    changed: Changes = field(default_factory=dict)


def _numpy_random() -> object:
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - this generator must not be touched
    return name, keys.tobytes(), *rest  # type: ignore[union-attr]


def _put_back_numpy_random(state: tuple[str, bytes, int, int, float]) -> None:
    name, keys, *rest = state
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))  # type: ignore[arg-type]  # noqa: NPY002


def _put_back_filters(filters: Sequence[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]


def _put_back_path(folders: Sequence[str]) -> None:
    sys.path[:] = folders


def _put_back_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


_SHARED: Mapping[str, tuple[Callable[[], object], Callable[[Any], object]]] = {
    "np.seterr": (np.geterr, lambda settings: np.seterr(**settings)),
    "np.set_printoptions": (np.get_printoptions, lambda options: np.set_printoptions(**options)),
    "NumPy's global random numbers": (_numpy_random, _put_back_numpy_random),
    "Python's global random numbers": (random.getstate, random.setstate),
    "warning filters": (lambda: list(warnings.filters), _put_back_filters),
    "the working directory": (os.getcwd, os.chdir),  # as text, to be compared
    "environment variables": (lambda: dict(os.environ), _put_back_environment),
    "sys.path": (lambda: list(sys.path), _put_back_path),
    "the recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "threads": (threading.active_count, lambda count: count),  # nothing can end a thread
}
"""What components share with everything else in the process: how it is read, and how it is put back."""


def global_state() -> State:
    """Return the values of what is shared, by name."""
    return {name: read() for name, (read, _) in _SHARED.items()}


def changes(before: State, after: State) -> Changes:
    """Return what differs between two states, by name."""
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def in_short(changed: Changes) -> str:
    """Return changes in words."""
    return "; ".join(f"{name} from {short(old)} to {short(new)}" for name, (old, new) in changed.items())


@contextmanager
def guarded() -> Iterator[Traces]:
    """Run the body with output and warnings captured, and restore the process afterwards."""
    traces, before = Traces(), global_state()
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(out), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
        filters = list(warnings.filters)  # the filters of before come back with catch_warnings
        inside = {**before, "np.seterr": np.geterr(), "warning filters": filters}
        try:
            yield traces
        finally:
            after = global_state()
            traces.changed = changes(inside, after)
            traces.printed = out.getvalue()
            traces.warned = [in_words(item.message) for item in warned if isinstance(item.message, Warning)]
            for name, (old, _) in changes({**before, "warning filters": filters}, after).items():
                _SHARED[name][1](old)


class _Entries:
    """What `os.scandir` gives, in the opposite order."""

    def __init__(self, entries: Iterator[os.DirEntry[str]]) -> None:
        self._entries = reversed([*entries])

    def __iter__(self) -> _Entries:
        return self

    def __next__(self) -> os.DirEntry[str]:
        return next(self._entries)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: everything is read."""


@contextmanager
def folders_in_reverse() -> Iterator[None]:
    """Let the system list what is in a folder in the opposite order: another machine may."""
    names, entries = os.listdir, os.scandir

    def listdir(path: str = ".") -> list[str]:
        return names(path)[::-1]

    def scandir(path: str = ".") -> _Entries:
        return _Entries(entries(path))

    with patch.multiple(os, listdir=listdir, scandir=scandir):
        yield


@contextmanager
def no_warnings(text: str) -> Iterator[None]:
    """Raise CheckFailed with `text` and the first warning if the body gives one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    require(not caught, f"{text}: {caught[0].message if caught else ''}.")


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TookTooLong if the body runs longer. Works only where signals do: in the main thread, on Unix."""
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
        left = max(remaining - (time.monotonic() - start), 1e-3) if remaining else 0  # an alarm that was already set
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left, interval)
