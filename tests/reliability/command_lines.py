"""Run nnfw with random command lines: whatever is typed, it ends with a known status and without a traceback.

Run it with: python tests/reliability/command_lines.py [--count 2000] [--seed 0] [--processes 50] [--hostile 300]

A line is one that works, or none, after some changes: options of the real commands, files that are there or not, and
odd words are put in, taken out and exchanged. Each runs in a copy of a folder with an experiment, a table, an array and
a run; the last ones in processes of their own. Exit status: 1 if a line ends with another status than 0, 1, 2 or 130,
with a traceback or with an internal error. ``--only INDEX`` runs a single line again.

The hostile lines run beside a run that somebody else has made: files, folders and callbacks' files in it are links that
lead out of it, to files that are there or not. Nothing outside may change, but where a line names such a file itself as
its output.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from unittest import mock

import numpy as np

from nnfw.cli.commands import application
from nnfw.cli.main import main as run_nnfw

STATUSES = (0, 1, 2, 130)
LONGEST = 60  # seconds for a process
EXPERIMENT = """
name = "small"
data = { source = { type = "csv", path = "table.csv", target = "kind" }, transforms = ["one_hot", "standardize"] }
model = { layers = [{ type = "dense", units = 2, activation = "softmax" }] }
cost = { type = "cross_entropy" }
optimizer = { type = "sgd", learning_rate = 0.1 }
training = { epochs = 1, batch_size = 4, metrics = ["accuracy"] }
"""
GOOD = """
train small.toml --out out -q
train small.toml --set training.epochs=2 --out out --json
train small.toml --verify-resume --json
resume run --quiet --json --data-dir .
resume run --set training.epochs=2 --force --trust
evaluate run --data-dir .
evaluate run/model.nnfw --data table.csv --cost cross_entropy --metric accuracy
predict run table.csv
predict run/model.nnfw - --json --delimiter ,
assemble --data xor --layer dense:units=1 --cost mse --optimizer sgd:learning_rate=0.1 -o new.toml
assemble --data table.csv --target kind --layer dense:units=2,activation=softmax --cost cross_entropy --optimizer adam \
    --transform one_hot --epochs 1 --train --out out
runs . --where status=finished --json
compare run run --json
reproduce run --json --data-dir .
report run -o page.html --data-dir .
summary small.toml --read-data
gradcheck small.toml --batch 3
trace small.toml --batch 3
check flatten --only layer.takes_some_shape
check --list --kind layer
new-plugin mine --kind activation
plugins --kind layer --json
show dense
""".strip().splitlines()
WORDS = re.findall(
    r"\S+",
    """
    small.toml table.csv x.npy run run/model.nnfw run/record.json run/metrics.jsonl none.toml none/none . .. - -- --help
    --version --json --debug --set --out -q -o x:y=z csv:path=table.csv,target=kind npy:x=x.npy,y=x.npy npy:x=none.npy
    xor mse relu dense dense:units=3 dense:units=0 dense:units= dense:units=3,units=4 chain:layers=[flatten] layer:dense
    nnfw:dense nnfw-none:gate sgd:learning_rate=nan training.epochs=0 training.epochs=2 training.batch_size=10000
    model.layers=[] model.layers[0].units=5 model.layers[7].units=5 data.split.validation=0.9 data.source=digit seed=-1
    seed=99999999999999999999 dtype=float64 name= training.callbacks=["print"]
    training.callbacks=[{type="csv_log",path="../a"}] training.callbacks=[{type="csv_log",path="a\\u0000"}]
    training.callbacks=[{type="checkpoint_best",path="a/b"}] data.source.path="a\\u0000" data.source.path="/dev/zero"
    optimizer.learning_rate=1e308 a.b.c[0]=[[
    cost.type=mse training.accelerator=none cost<0.5 status!=failed "test accuracy>=0"
    -1 0 1 1e999 nan ; ,, layer cost 3.5 0x10 = [ {} ../../x file:///etc/passwd
    """,
)
OVERRIDES = [word for word in WORDS if re.match(r"[a-z]+[.=][\w.\[\]]*", word) and "=" in word]
ODD = (
    "",
    " ",
    "\0",
    "\x1b[2J",
    "\udcff",
    "é" * 300,
    "x" * 5000,
    '"',
    "'",
    "$HOME",
    "~",
    "*",
    "\n",
    "a\nb",
    "--set=",
    "---",
)


def letters(rng: random.Random) -> str:
    """Return some characters without a slash: nothing may be written elsewhere."""
    return "".join(rng.choice("abc-_.:,=[]{}\"'0189 \t\u03c3\U0001f642") for _ in range(rng.randrange(1, 12)))


@cache
def options() -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return the options of each command, as the real ones declare them."""
    group = application()
    with group.make_context("nnfw", ["plugins"], obj=False) as context:
        names = group.list_commands(context)
        found = [group.resolve_command(context, [name])[1] for name in names]
    return {
        name: tuple(tuple(item.opts) for item in command.params if item.opts[0].startswith("-"))
        for name, command in zip(names, found, strict=True)
    }


def word(rng: random.Random) -> str:
    which = rng.random()
    return rng.choice(WORDS) if which < 0.8 else rng.choice(ODD) if which < 0.9 else letters(rng)


def given(name: str, rng: random.Random) -> list[str]:
    """Return an option of a command with a value, which it may not take."""
    known = options().get(name, ())
    option = rng.choice(rng.choice(known)) if known else word(rng)
    value = rng.choice(OVERRIDES) if option == "--set" and rng.random() < 0.8 else word(rng)
    return rng.choice(([option, value], [f"{option}={value}"], [option]))


def line(rng: random.Random) -> list[str]:
    """Return what follows ``nnfw``."""
    name, *words = rng.choice(GOOD).split() if rng.random() < 0.8 else [rng.choice([*options(), word(rng)])]
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5))):
        place = rng.randrange(len(words) + 1)
        change = rng.randrange(4)
        if change == 0:
            del words[place : place + 1]
        elif change == 1:
            words[place : place + 1] = [word(rng)]
        elif change == 2:
            words[place:place] = given(name, rng)
        else:
            rng.shuffle(words)
    return [name, *words]


@dataclass
class Outcome:
    """What came of a line: its status and messages, or how it ended otherwise."""

    words: list[str]
    status: int | str
    messages: str

    @property
    def problem(self) -> str:
        """What is wrong; empty if nothing is."""
        if self.status not in STATUSES:
            return f"ended with {self.status}"
        if "internal error" in self.messages:
            return "internal error"
        return "traceback" if "Traceback (most" in self.messages and "--debug" not in self.words else ""


def make_files(folder: Path) -> None:
    """Write what the lines name."""
    rows = "".join(f"{k % 7},{'red' if k % 3 else 'blue'},{'big' if k % 2 else 'small'}\n" for k in range(40))
    folder.joinpath("table.csv").write_text(f"width,colour,kind\n{rows}")
    folder.joinpath("small.toml").write_text(EXPERIMENT)
    np.save(folder / "x.npy", np.eye(3))
    made = run_here(["train", "small.toml", "--out", "run", "-q"], folder)
    assert made.status == 0, made.messages


def run_here(words: list[str], folder: Path) -> Outcome:
    """Run a line in this process."""
    out, err = (TextIOWrapper(BytesIO(), "utf-8", "backslashreplace", write_through=True) for _ in range(2))
    stdin = TextIOWrapper(BytesIO((folder / "table.csv").read_bytes()), "utf-8")
    with chdir(folder), redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "stdin", stdin):
        try:
            status: int | str = run_nnfw(words)
        except BaseException as error:  # main lets nothing through
            status = repr(error)
    return Outcome(words, status, err.buffer.getvalue().decode())  # type: ignore[attr-defined]


def run_process(words: list[str], folder: Path) -> Outcome:
    """Run a line in a process of its own."""
    words = [each.replace("\0", "") for each in words]  # no system passes a NUL
    command = [sys.executable, "-m", "nnfw.cli.main", *words]
    with (folder / "table.csv").open("rb") as stdin:
        try:
            done = subprocess.run(command, cwd=folder, stdin=stdin, capture_output=True, timeout=LONGEST, check=False)
        except subprocess.TimeoutExpired:
            return Outcome(words, "no end", "")
    return Outcome(words, done.returncode, done.stderr.decode("utf-8", "replace"))


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    with TemporaryDirectory() as copy:
        yield Path(shutil.copytree(folder, Path(copy, "here")))


RUNS_NAMES = (
    "checkpoints",
    "experiment.toml",
    "record.json",
    "metrics.jsonl",
    "model.nnfw",
    "report.html",
    "log.csv",
    "best.nnfw",
    "lock",
)
OUTPUTS = ("-o", "--out", "--output")
WRITING = """
report run
resume run --set training.epochs=2
resume run --set training.epochs=3 --force --set training.callbacks=["csv_log","checkpoint_best"]
resume run --set training.epochs=2 --set training.checkpoint_seconds=0 --force
train small.toml --out run
reproduce run
""".strip().splitlines()
"""Lines that write into the run's directory, or beside it."""


def make_hostile(folder: Path, rng: random.Random) -> Path:
    """Turn some entries of the run into links that lead outside, and return where."""
    outside = folder.parent / "outside"
    shutil.copytree(folder / "run", outside)
    for name in ("report.html", "log.csv", "best.nnfw", "lock"):
        (outside / name).write_text("theirs")
    for name in rng.sample(RUNS_NAMES, rng.randrange(1, 4)):
        path = folder / "run" / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(outside / (name if rng.random() < 0.7 else f"new-{name}"))
    return outside


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_its_output(words: list[str]) -> bool:
    """Return whether a line itself says that something in the run, or beside it, shall be written."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return any(word.startswith(OUTPUTS) and "run/" in word + value for word, value in pairs)


def hostile_line(rng: random.Random) -> list[str]:
    """Return a line that is about the run and names no output of its own there."""
    while True:
        words = line(rng)
        if rng.random() < 0.7:
            words = rng.choice(WRITING).split()
            words += given(words[0], rng) if rng.random() < 0.3 else []
        if any(word.startswith("run") for word in words) and not names_its_output(words):
            return words


def hostile_lines(folder: Path, count: int, seed: int) -> int:
    """Run lines beside a hostile run; return how many changed something outside, or ended badly."""
    wrong, statuses = 0, Counter[int | str]()
    for index in range(count):
        rng = random.Random(f"hostile:{seed}:{index}")
        with copied(folder) as copy:
            outside = make_hostile(copy, rng)
            before, words = content_of(outside), hostile_line(rng)
            outcome = run_here(words, copy)
            after = content_of(outside)
        statuses[outcome.status] += 1
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        if changed or outcome.problem:
            wrong += 1
            print(f"hostile {index}: nnfw {shlex.join(words)[:300]}\n    {changed} {outcome.problem}")
            print(f"    {outcome.messages[-600:]}")
    print(f"{count} lines beside a hostile run, statuses {dict(statuses)}: {wrong} wrote outside or ended badly")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--only", type=int, metavar="INDEX")
    parser.add_argument("--hostile", type=int, default=300)
    given = parser.parse_args(arguments)
    indices = range(given.count) if given.only is None else [given.only]
    statuses: Counter[str] = Counter()
    wrong = 0
    slowest = (0.0, "")
    with TemporaryDirectory() as folder:
        make_files(Path(folder))
        for index in indices:
            words = line(random.Random(f"{given.seed}:{index}"))
            alone = given.only is None and index >= given.count - given.processes
            start = perf_counter()
            with copied(Path(folder)) as copy:
                outcome = (run_process if alone else run_here)(words, copy)
            slowest = max(slowest, (perf_counter() - start, f"{index} {shlex.join(words)}"))
            statuses[f"{words[0] if words[0] in options() else 'other':12} {outcome.status}"] += 1
            if outcome.problem or given.only is not None:
                wrong += bool(outcome.problem)
                print(f"{index}: nnfw {shlex.join(words)[:300]}\n    {outcome.problem}: {outcome.messages[-600:]}")
        if given.only is None:
            wrong += hostile_lines(Path(folder), given.hostile, given.seed)
    print("\n".join(f"{name:16} {count:6}" for name, count in sorted(statuses.items())))
    print(f"slowest: {slowest[0]:.1f} s, {slowest[1][:200]}")
    return int(wrong > 0)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
