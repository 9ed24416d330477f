"""What can be measured, by name: each measurement has a row for each contender."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from .contenders import PRODUCTS, Contender, Kernels, installed
from .programs import PROGRAMS, Program
from .turns import Row, Worker, take_turns
from .workloads import PREDICTIONS, PREDICTOR, WORKLOADS, NotMeasuredError

OWN = ("nnfw", "nnfw[fast]")
EPOCHS, QUICK_EPOCHS = 50, 2


@dataclass(frozen=True)
class Measurement:
    """A table: its rows, what they are compared with, and who was left out for which reason.

    `family` names those that stand side by side on the page; `unit` is how many of `unit_name` a second has.
    """

    family: str
    title: str
    unit_name: str
    unit: float
    work: str
    references: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def row(self, label: str) -> Row | None:
        """Return the row of a contender, or None if it was not measured."""
        return next((row for row in self.rows if row.label == label), None)

    def ratios(self, row: Row) -> dict[str, float]:
        """Return how many times as long as each reference it takes; references that were not measured are left out."""
        found = ((label, self.row(label)) for label in self.references)
        return {label: row.median / reference.median for label, reference in found if reference is not None}

    def best_peer(self) -> Row | None:
        """Return the fastest other library."""
        return min((row for row in self.rows if row.peer), key=lambda row: row.median, default=None)

    def as_json(self) -> dict[str, Any]:
        """Return all that was found, in seconds."""
        rows = [
            {
                "contender": row.label,
                "median": row.median,
                "spread": row.spread,
                "over": self.ratios(row),
                "turns": row.turns,
                **row.found,
            }
            for row in self.rows
        ]
        return {"title": self.title, "turn": self.work, "rows": rows, "left out": self.left_out}


@dataclass(frozen=True)
class Setting:
    """How all is measured."""

    contenders: Mapping[str, Contender]
    kernels: Kernels
    rounds: int
    quick: bool


def steps(name: str, setting: Setting) -> Measurement:
    """Measure steps of training."""
    work = WORKLOADS[name].shortened() if setting.quick else WORKLOADS[name]
    text = f"{work.steps:,} steps: {work.epochs} epochs of {work.batches:,} batches"
    empty = Measurement("steps", f"{name} {work.title}", "µs", 1e6, text, (PRODUCTS, *OWN))
    return libraries(empty, "train", name, work.steps, setting, setting.contenders)


def prediction(name: str, setting: Setting) -> Measurement:
    """Measure predictions."""
    calls = PREDICTIONS[name].shortened() if setting.quick else PREDICTIONS[name]
    examples, shape = calls.examples, "-".join(map(str, PREDICTOR.sizes))
    title = f"{examples:,} example{'s' * (examples > 1)} through {shape}"
    empty = Measurement("prediction", title, "µs", 1e6, f"{calls.times:,} calls", (PRODUCTS, *OWN[:1]))
    chosen = {key: contender for key, contender in setting.contenders.items() if contender.predicts}
    return libraries(empty, "predict", name, calls.times, setting, chosen)


def libraries(
    empty: Measurement, task: str, name: str, units: int, setting: Setting, contenders: Mapping[str, Contender]
) -> Measurement:
    """Let contenders take turns, each in its process; a turn has so many units of work."""
    chosen, left_out = setting.kernels.apply(contenders), {}
    with ExitStack() as stack:
        workers, rows = {}, {}
        for key, contender in chosen.items():
            if missing := contender.missing():
                left_out[contender.label] = f"not installed: {', '.join(missing)}"
                continue
            request = {"task": task, "name": name, "module": contender.module, "variant": contender.variant}
            environment = {**os.environ, **contender.environment}
            workers[key] = Worker({**request, "quick": setting.quick}, environment, stack)
        for key, worker in list(workers.items()):
            contender = chosen[key]
            try:
                rows[key] = Row(contender.label, contender.peer, found=worker.prepared())
            except NotMeasuredError as reason:
                left_out[contender.label] = str(reason)
        times = take_turns({key: workers[key].turn for key in rows}, setting.rounds)
    for key, row in rows.items():
        row.turns = [seconds / units for seconds in times[key]]
    return replace(empty, rows=list(rows.values()), left_out=left_out)


def programs(name: str, setting: Setting) -> Measurement:
    """Measure whole programs, each started once before."""
    chosen, rows, left_out = PROGRAMS[name], {}, {}
    epochs = QUICK_EPOCHS if setting.quick else EPOCHS
    environment = setting.kernels.environment

    def turn_of(program: Program) -> Callable[[], float]:
        return lambda: program.turn(environment, epochs)[0]

    for label, program in chosen.items():
        if missing := [package for package in program.packages if not installed(package)]:
            left_out[label] = f"not installed: {', '.join(missing)}"
            continue
        try:
            _, printed = program.turn(environment, epochs)
            rows[label] = Row(label, program.peer, found={"printed": printed})
        except NotMeasuredError as reason:
            left_out[label] = str(reason)
    for label, times in take_turns({label: turn_of(chosen[label]) for label in rows}, setting.rounds).items():
        rows[label].turns = times
    title, work = TITLES[name].format(epochs=epochs), "one start of the program"
    return Measurement(name, title, "ms", 1e3, work, (next(iter(chosen)),), list(rows.values()), left_out)


TITLES = {
    "help": "Start-up of the command line",
    "import": "Start-up in Python",
    "digits": "The digits program, {epochs} epochs",
}

MEASUREMENTS: dict[str, Callable[[Setting], Measurement]] = {
    **{name: lambda setting, name=name: steps(name, setting) for name in WORKLOADS},
    **{f"predict-{name}": lambda setting, name=name: prediction(name, setting) for name in PREDICTIONS},
    **{f"program-{name}": lambda setting, name=name: programs(name, setting) for name in PROGRAMS},
}
