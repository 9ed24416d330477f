"""What can be measured, by name: each measurement has a row for each contender."""

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

from .contenders import CONTENDERS, PRODUCTS, Contender, Kernels, changed, installed
from .programs import PROGRAMS
from .turns import Row, Worker, take_turns
from .watching import NOTHING, WATCHED, turns, workload
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
    text = (
        f"{work.steps:,} steps, {work.epochs} epochs of {work.batches:,} batches, between others that are not counted"
    )
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
    entries, workers = Entries(), {}
    with ExitStack() as stack:
        for contender in setting.kernels.apply(contenders):
            if entries.admits(contender.label, contender.packages):
                request = {"task": task, "name": name, "module": contender.module, "variant": contender.variant}
                environment = changed(contender.environment)
                workers[contender] = Worker({**request, "quick": setting.quick}, environment, stack)
        for contender, worker in workers.items():
            entries.enter(contender.label, contender.peer, worker.prepared, worker.turn)
        entries.compete(setting.rounds, units)
    for contender, worker in workers.items():
        if worker.calls and contender.label in entries.rows:
            entries.rows[contender.label].found["call beside its steps"] = median(worker.calls)
    return replace(empty, rows=list(entries.rows.values()), left_out=entries.left_out)


def programs(name: str, setting: Setting) -> Measurement:
    """Measure whole programs, each started once before."""
    entries, epochs = Entries(), QUICK_EPOCHS if setting.quick else EPOCHS
    for label, program in PROGRAMS[name].items():
        if entries.admits(label, program.packages):
            start = partial(program.start, epochs)
            entries.enter(
                label, program.peer, lambda start=start: {"printed": start()[1]}, lambda start=start: start()[0]
            )
    entries.compete(setting.rounds, 1)
    reference = next(iter(PROGRAMS[name]))
    title, work = TITLES[name].format(epochs=epochs), "one start of the program"
    return Measurement(name, title, "ms", 1e3, work, (reference,), list(entries.rows.values()), entries.left_out)


def watching(name: str, setting: Setting) -> Measurement:
    """Measure trainings that are watched; each has one turn before."""
    entries, (network, accelerator) = Entries(), WATCHED[name]
    work = workload(network, setting.quick)
    packages = CONTENDERS["fast" if accelerator == "numba" else "nnfw"].packages
    with ExitStack() as stack:
        if entries.admits(NOTHING, packages):
            for label, turn in turns(work, accelerator, stack).items():
                entries.enter(label, False, lambda turn=turn: {"first turn": turn()}, turn)
            entries.compete(setting.rounds, work.steps)
    title = f"{network}, accelerator {accelerator}, watched by"
    text = f"{work.steps:,} steps: {work.epochs} epochs of {work.batches:,} batches"
    return Measurement("watching", title, "µs", 1e6, text, (NOTHING,), list(entries.rows.values()), entries.left_out)


class Entries:
    """Those who take part in one measurement, and those who cannot."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.left_out: dict[str, str] = {}
        self._turns: dict[str, Callable[[], float]] = {}

    def admits(self, label: str, packages: Collection[str]) -> bool:
        """Return whether all packages are there; if not, note who is left out."""
        if missing := [package for package in packages if not installed(package)]:
            self.left_out[label] = f"not installed: {', '.join(missing)}"
        return not missing

    def enter(self, label: str, peer: bool, prepare: Callable[[], dict[str, Any]], turn: Callable[[], float]) -> None:
        """Let one take part, if it can be prepared."""
        try:
            self.rows[label] = Row(label, peer, found=prepare())
            self._turns[label] = turn
        except NotMeasuredError as reason:
            self.left_out[label] = str(reason)

    def compete(self, rounds: int, units: int) -> None:
        """Let all take their turns, each of so many units of work; who breaks off is left out."""
        broken = take_turns(self.rows, self._turns, rounds)
        self.left_out |= broken
        for label in broken:
            del self.rows[label]
        for row in self.rows.values():
            row.turns = [seconds / units for seconds in row.turns]


TITLES = {
    "help": "Start-up of the command line",
    "import": "Start-up in Python",
    "digits": "The digits program, {epochs} epochs",
}

MEASUREMENTS: dict[str, Callable[[Setting], Measurement]] = {
    **{name: lambda setting, name=name: steps(name, setting) for name in WORKLOADS},
    **{f"predict-{name}": lambda setting, name=name: prediction(name, setting) for name in PREDICTIONS},
    **{name: lambda setting, name=name: watching(name, setting) for name in WATCHED},
    **{f"program-{name}": lambda setting, name=name: programs(name, setting) for name in PROGRAMS},
}
