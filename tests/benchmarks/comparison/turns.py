"""Taking turns: in each round every contender has one, so that what disturbs the machine disturbs all."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryFile
from typing import Any

from .workloads import NotMeasuredError

HERE = Path(__file__).parents[1]
PAUSE = 0.15
"""Seconds between two turns: OpenBLAS lets its threads spin for a tenth of a second after the last product."""


@dataclass
class Row:
    """A contender's turns, each in seconds for one unit of work, and what else was found."""

    label: str
    peer: bool
    turns: list[float] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Seconds."""
        return median(self.turns)

    @property
    def spread(self) -> float:
        """Distance between the quartiles over the median."""
        low, _, high = quantiles(self.turns, n=4, method="inclusive")
        return (high - low) / self.median


def take_turns(rows: Mapping[str, Row], turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, str]:
    """Fill in the seconds of each contender, one for each round; return why contenders broke off, by name.

    Each round begins with another contender.
    """
    names, broken = list(turns), {}
    for number in range(rounds):
        first = number % max(1, len(names))
        for name in names[first:] + names[:first]:
            if name in broken:
                continue
            time.sleep(PAUSE)
            try:
                rows[name].turns.append(turns[name]())
            except NotMeasuredError as reason:
                broken[name] = str(reason)
    return broken


class Worker:
    """A contender in a process of its own, which is there until the stack is closed."""

    def __init__(self, request: Mapping[str, Any], environment: Mapping[str, str], stack: ExitStack) -> None:
        self._errors = stack.enter_context(TemporaryFile("w+"))  # noqa: SIM115 - the stack closes it
        program = [sys.executable, "-m", "comparison.worker", json.dumps(request)]
        self.process = stack.enter_context(
            subprocess.Popen(
                program,
                cwd=HERE,
                env=environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        )
        stack.callback(self.process.kill)
        self.calls: list[float] = []

    def answer(self) -> Any:
        """Return the next line that it prints; NotMeasuredError if it broke off."""
        line = self.process.stdout.readline()
        if not line:
            raise NotMeasuredError(f"it failed: {last_line(self._errors)}")
        return json.loads(line)

    def prepared(self) -> dict[str, Any]:
        """Return what was found when it was ready; NotMeasuredError if it cannot take part."""
        found: dict[str, Any] = self.answer()
        if "left out" in found:
            raise NotMeasuredError(found["left out"])
        return found

    def turn(self) -> float:
        """Return the seconds of one turn, as the worker measures them; note those of a call beside its steps."""
        with contextlib.suppress(BrokenPipeError):  # it is gone: its answer tells
            os.write(self.process.stdin.fileno(), b"\n")
        seconds, call = self.answer()
        self.calls.append(call)
        return float(seconds)


def last_line(file: Any) -> str:
    """Return the last line that says something."""
    file.seek(0)
    return next((line.strip() for line in reversed(file.readlines()) if line.strip()), "it said nothing")
