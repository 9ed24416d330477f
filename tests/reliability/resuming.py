"""Stop trainings in every way, let them go on, and compare them with one that never stopped.

Run it with: python tests/reliability/resuming.py [--kills 200] [--exact 20] [--starts 20] [--signals 100]
                                                     [--epochs 100] [--seed 0]

- kills: one run after the other, which writes a checkpoint after each step, is killed at random moments and goes on
  from there; each checkpoint must be readable, no temporary file may stay, and the files at the end are those of a run
  that was never killed;
- exact: a run with all that changes while a training runs (order, dropout, momenta, schedule, early stopping, best
  model, penalty, metrics, logs), in a process of its own, is killed once at a random moment, with numba and without;
- signals: SIGINT and SIGTERM, one or two, while checkpoints are written;
- starts: many processes start in one directory, and one of them runs;
- disks: a full disk, a limit of the file's size, a folder that turns read-only, and one that vanishes.

Needs POSIX; disks need the right to mount a tmpfs, and setpriv where root runs them. Exit status: 1 if anything is not
as it must be.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nnfw
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import Access, resume, train
from nnfw.training import checkpoint_files, newest

FILES = ("metrics.jsonl", "model.nnfw", "log.csv", "best.nnfw")
TEMPORARY = ".nnfw-*.tmp"
ALONE = 2.0  # seconds within which a process of its own is killed
FORKED = 0.25  # seconds within which a forked one is: it has imported everything
EPOCHS = 100
ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT
DISK = 3 << 19  # bytes
CAPABILITIES = "-dac_override,-dac_read_search"
WITHOUT_RIGHTS = (
    ["setpriv", f"--bounding-set={CAPABILITIES}", f"--inh-caps={CAPABILITIES}"] if os.geteuid() == 0 else []
)
"""What makes root a user to whom the permissions of a folder mean something."""

EXPERIMENT = """
name = "everything"
seed = 11
data = {{ source = {{ type = "moons", n = 300 }}, split = {{ validation = 0.2, test = 0.0 }} }}

[[model.layers]]
type = "dense"
units = {units}
activation = "tanh"

[[model.layers]]
type = "dropout"
rate = 0.2

[[model.layers]]
type = "dense"
units = 1
activation = "sigmoid"

[cost]
type = "binary_cross_entropy"

[optimizer]
type = "{optimizer}"
learning_rate = 0.003
weight_decay = 0.0001

[training]
epochs = {epochs}
batch_size = 16
checkpoint_seconds = {seconds}
accelerator = "{accelerator}"
metrics = ["accuracy", "confusion_matrix"]
regularizer = {{ type = "l2", rate = 1e-4 }}
schedule = {{ type = "plateau", patience = 5 }}
callbacks = [{{ type = "early_stopping", patience = 1000 }}, "checkpoint_best", "csv_log"]
"""


def saving() -> Any:
    """Return the script beside this one, which knows of small disks."""
    spec = importlib.util.spec_from_file_location("reliability_saving", Path(__file__).with_name("saving.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def experiment(folder: Path, **changes: Any) -> Path:
    """Write the experiment into a folder."""
    options = {"epochs": EPOCHS, "seconds": 0.0, "accelerator": "none", "optimizer": "adam", "units": 16}
    path = folder / "everything.toml"
    path.write_text(EXPERIMENT.format(**(options | changes)))
    return path


def carry_out(path: Path, out: Path) -> None:
    """Train, or go on where there is something to go on from."""
    registry = default_registry()
    if checkpoint_files(out / "checkpoints"):
        resume(out, Access(registry, lambda text: print(f"    told: {text}")))
    else:
        shutil.rmtree(out, ignore_errors=True)
        train(read_experiment(str(path), registry), registry, out)


def in_a_child(work: Callable[[], object]) -> int:
    """Start some work in a forked process, which ends with 0 where the work does not raise; return its number."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        except nnfw.NnfwError as error:
            print(f"    {error}", flush=True)
        finally:
            os._exit(status)
    return child


def different(first: Path, second: Path) -> list[str]:
    """Return the names of files that are not equal."""
    return [name for name in FILES if (first / name).read_bytes() != (second / name).read_bytes()]


# --- killed again and again -------------------------------------------------------------------------------------------


def kills(count: int, epochs: int, rng: random.Random) -> Iterator[str]:
    """Kill a run at random moments, until that was done often enough; yield what is wrong."""
    killed = ended = left_overs = 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        path, whole, out = experiment(folder, epochs=epochs), folder / "whole", folder / "run"
        os.waitpid(in_a_child(lambda: carry_out(path, whole)), 0)
        while killed < count or not ended:
            begun, before = checkpoint_files(out / "checkpoints")[-1:], list(out.rglob(TEMPORARY))
            child = in_a_child(lambda: carry_out(path, out))
            if killed < count:
                kill_later(child, out, begun, rng)
            status = os.waitpid(child, 0)[1]
            if os.WIFSIGNALED(status) and checkpoint_files(out / "checkpoints"):
                killed += 1
                left_overs += bool(list(out.rglob(TEMPORARY)))
                yield from unreadable(out, f"kill {killed}")
                if begun and checkpoint_files(out / "checkpoints")[-1:] != begun:  # it has started and gone on
                    yield from (f"kill {killed}: {left} is still there" for left in before if left.exists())
            elif not os.WIFSIGNALED(status):
                ended += 1
                yield from (f"run {ended} ended with another {file}" for file in different(whole, out))
                yield from (f"run {ended} left {left}" for left in out.rglob(TEMPORARY))
                if os.waitstatus_to_exitcode(status):
                    yield f"run {ended} ended with status {os.waitstatus_to_exitcode(status)}"
                shutil.rmtree(out)
    print(f"killed {killed} times, {ended} runs to their ends; {left_overs} times a temporary file, removed later")


def kill_later(child: int, out: Path, begun: list[Path], rng: random.Random) -> None:
    """Kill a child at a random moment: mostly after it has written a checkpoint, however slowly that goes here."""
    if not begun or rng.random() < 0.8:
        while checkpoint_files(out / "checkpoints")[-1:] == begun and not os.waitid(os.P_PID, child, ENDED):
            time.sleep(0.001)
    time.sleep(rng.uniform(0.02, FORKED))
    os.kill(child, signal.SIGKILL)


def unreadable(out: Path, when: str) -> Iterator[str]:
    """Yield which checkpoints of a run cannot be read."""
    told: list[str] = []
    found = newest(out / "checkpoints", default_registry(), told.append)
    yield from (f"{when}: {text}" for text in told)
    if found is None:
        yield f"{when}: no checkpoint"


# --- killed once, in a process of its own -----------------------------------------------------------------------------


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "nnfw.cli.main", *arguments]


def exact(count: int, rng: random.Random) -> Iterator[str]:
    """Kill processes once at a random moment of their training, and compare the files in the end."""
    places = []
    with TemporaryDirectory() as name:
        for turn in range(count):
            folder = Path(name, str(turn))
            folder.mkdir()
            settings = {"accelerator": ("none", "numba")[turn % 2], "optimizer": ("adam", "sgd", "rmsprop")[turn % 3]}
            seconds = rng.choice((0.0, 0.05))
            path = experiment(folder, epochs=400 if seconds else 40, seconds=seconds, **settings)
            subprocess.run(command("train", str(path), "--out", str(folder / "whole"), "-q"), check=True, stdout=-3)
            places.append(kill_once(path, folder / "run", rng))
            result = subprocess.run(
                command("resume", str(folder / "run"), "-q"), capture_output=True, text=True, check=False
            )
            if result.returncode:
                yield f"turn {turn}: resume ended with {result.returncode}: {result.stderr}"
            else:
                yield from (
                    f"turn {turn}, {settings}, killed after {places[-1]}: another {file}"
                    for file in different(folder / "whole", folder / "run")
                )
    inside = sum("inside" in place for place in places)
    print(f"{count} runs killed once, {inside} of them inside of an epoch and {count - inside} between two")


def kill_once(path: Path, out: Path, rng: random.Random) -> str:
    """Start a training, kill it while it trains, and return where its newest checkpoint is."""
    longest = ALONE
    while True:
        shutil.rmtree(out, ignore_errors=True)
        with subprocess.Popen(command("train", str(path), "--out", str(out), "-q"), stdout=-3, stderr=-3) as process:
            while process.poll() is None and not checkpoint_files(out / "checkpoints"):
                time.sleep(0.005)
            time.sleep(rng.uniform(0, longest))
            process.kill()
        if process.returncode == -signal.SIGKILL and not (out / "model.nnfw").exists():
            found = newest(out / "checkpoints", default_registry(), print)
            assert found is not None
            return f"step {found.header.step}, {'inside' if found.header.position else 'between'}"
        longest /= 2  # it had ended before


# --- signals ----------------------------------------------------------------------------------------------------------


def signals(count: int, rng: random.Random) -> Iterator[str]:
    """Send signals while checkpoints are written; each run must go on, and nothing be torn."""
    statuses: dict[int, int] = {}
    with TemporaryDirectory() as name:
        path, out = experiment(Path(name), epochs=100_000), Path(name, "run")
        for turn in range(count):
            before = checkpoint_files(out / "checkpoints")
            child = in_a_child(lambda: main_of(path, out))
            while checkpoint_files(out / "checkpoints") == before or not checkpoint_files(out / "checkpoints"):
                time.sleep(0.001)
            time.sleep(rng.uniform(0, FORKED))
            number = rng.choice((signal.SIGINT, signal.SIGTERM))
            for _ in range(rng.choice((1, 1, 2))):
                os.kill(child, number)
                time.sleep(rng.uniform(0, 0.003))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            statuses[status] = statuses.get(status, 0) + 1
            if status not in {130, 143, -signal.SIGTERM}:  # the second SIGTERM acts as it would without nnfw
                yield f"signal {turn}: exit status {status}"
            yield from unreadable(out, f"signal {turn}")
            json.loads((out / "record.json").read_text())
    print(f"{count} signals: exit statuses {dict(sorted(statuses.items()))}")


def main_of(path: Path, out: Path) -> None:
    """Do what the command does, and end with its exit status."""
    from nnfw.cli.main import main

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    begun = checkpoint_files(out / "checkpoints")
    if not begun:
        shutil.rmtree(out, ignore_errors=True)
    arguments = ["resume", str(out)] if begun else ["train", str(path), "--out", str(out)]
    os._exit(main([*arguments, "--quiet"]))


# --- many at once -----------------------------------------------------------------------------------------------------


def starts(count: int) -> Iterator[str]:
    """Start many processes in one directory."""
    with TemporaryDirectory() as name:
        path, out = experiment(Path(name), epochs=40), Path(name, "run")
        processes = [
            subprocess.Popen(
                command("train", str(path), "--out", str(out), "-q"), stdout=-3, stderr=subprocess.PIPE, text=True
            )
            for _ in range(count)
        ]
        errors = [process.communicate()[1] for process in processes]
        ran = [process.pid for process in processes if not process.returncode]
        if len(ran) != 1:
            yield f"{len(ran)} of {count} processes have run"
        for process, error in zip(processes, errors, strict=True):
            if process.returncode and not re.search(r"run is in use by process \d+ on|run already holds a run", error):
                yield f"a process ended with {process.returncode}: {error}"
        record = json.loads((out / "record.json").read_text())
        if record["status"] != "finished" or list(out.rglob(TEMPORARY)) or (out / "lock").exists():
            yield f"the run is {record['status']}, with {sorted(path.name for path in out.iterdir())}"
        named = sum(f"process {ran[0]} on" in error for error in errors) if ran else 0
    print(f"{count} starts in one directory: {len(ran)} has run, {named} were told its process")


# --- no place, no right, no folder ------------------------------------------------------------------------------------


def disks() -> Iterator[str]:
    """Take the disk away while a training writes checkpoints."""
    for case in (fill, limit, turn_read_only, vanish):
        with saving().small_disk(size=DISK) as folder:
            if folder is None:
                print(f"{case.__name__.replace('_', ' ')}: not permitted to mount a disk")
                continue
            yield from disk(folder, case)


def disk(folder: Path, case: Callable[[Path], None]) -> Iterator[str]:
    """Let a training meet a disk that fails, and see what it says and leaves."""
    path, out = experiment(folder, epochs=100_000, units=2000), folder / "run"
    errors = folder.parent / f"{folder.name}-{case.__name__}"
    with errors.open("w") as stream:
        arguments = [*WITHOUT_RIGHTS, *command("train", str(path), "--out", str(out), "-q")]
        process = subprocess.Popen(arguments, stdout=-3, stderr=stream)
        while process.poll() is None and len(checkpoint_files(out / "checkpoints")) < 2:
            time.sleep(0.01)
        if case is limit:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10_000, 10_000))
        case(out)
        try:
            status = process.wait(60)
        finally:
            process.kill()
    message = errors.read_text().strip()
    errors.unlink()
    print(f"{case.__name__.replace('_', ' ')}: exit status {status}: {message.replace(str(folder), '')}")
    if status not in (1, 2) or not re.search(r"/run/[^ ]+: its (next )?[\d,]+ bytes cannot be written: ", message):
        yield f"{case.__name__}: status {status}, {message}"
    kept = folder / "gone" if case is vanish else out
    yield from unreadable(kept, case.__name__)


def fill(out: Path) -> None:
    """Take all place that is left."""
    with (out.parent / "filler").open("wb", buffering=0) as filler:
        while True:
            try:
                filler.write(bytes(1 << 12))
            except OSError:
                return


def limit(out: Path) -> None:
    """Nothing: the limit is set from outside."""


def turn_read_only(out: Path) -> None:
    """Take the right to write into the folder of the checkpoints."""
    (out / "checkpoints").chmod(0o500)


def vanish(out: Path) -> None:
    """Move the directory away."""
    out.rename(out.with_name("gone"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    for name, number in (
        ("kills", 200),
        ("exact", 20),
        ("starts", 20),
        ("signals", 100),
        ("epochs", EPOCHS),
        ("seed", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--no-disks", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started this to ignore it
    rng = random.Random(given.seed)
    wrong: list[str] = []
    if given.kills:
        wrong += kills(given.kills, given.epochs, rng)
    if given.exact:
        wrong += exact(given.exact, rng)
    if given.signals:
        wrong += signals(given.signals, rng)
    if given.starts:
        wrong += starts(given.starts)
    if not given.no_disks:
        wrong += disks()
    for problem in wrong:
        print(f"WRONG: {problem}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
