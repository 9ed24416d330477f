"""The progress bar, on a real terminal and without one."""

import itertools
import os
import pty
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.training import progress

EXPERIMENT = """
data = { source = { type = "spirals", n = 3000 }, split = { validation = 0.2, test = 0.0 } }
cost = { type = "cross_entropy" }
optimizer = { type = "adam" }
training = { epochs = 100, metrics = ["accuracy"] }

[[model.layers]]
type = "dense"
units = 64
activation = "relu"

[[model.layers]]
type = "dense"
units = 2
activation = "softmax"
"""


def train_on_a_terminal(directory, *arguments):
    """Return what a training shows on a stderr that is a terminal."""
    (directory / "spirals.toml").write_text(EXPERIMENT)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "nnfw", "train", "spirals.toml", "--out", "run", *arguments],
        cwd=directory,
        env=os.environ | {"COLUMNS": "80", "TERM": "xterm"},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other side has been closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pty warns of threads where there are some
def test_progress_shows_epoch_cost_metrics_speed_and_time_left(tmp_path):
    shown = train_on_a_terminal(tmp_path)
    assert "/100" in shown
    for words in ("epoch ", "cost ", "accuracy ", "/s", "0:00:0"):
        assert words in shown, shown[-2000:]


def test_progress_is_silent_when_quiet(tmp_path):
    assert train_on_a_terminal(tmp_path, "--quiet") == ""


def test_bar_of_an_instant_is_not_made(monkeypatch):
    seconds = iter([5.0, 5.1, 5.3, 5.4, 5.4])
    monkeypatch.setattr(progress, "monotonic", lambda: next(seconds))
    model, seen = nnfw.Sequential([nnfw.layer("dense", units=1)], 2), []

    @dataclass(frozen=True)
    class Looks(nnfw.ProgressBar):
        def steps_computed(self, fit, costs, state):
            super().steps_computed(fit, costs, state)
            seen.append(state["bar"].progress is not None)

    model.fit(np.ones((6, 2)), np.ones(6), cost="mse", optimizer="sgd", batch_size=2, callbacks=[Looks()], epochs=1)
    assert seen == [False, True, True]


def test_bar_of_a_training_that_goes_on_with_shorter_epochs_counts_those_as_the_others(monkeypatch):
    monkeypatch.setattr(progress, "monotonic", itertools.count().__next__)
    model, seen = nnfw.Sequential([nnfw.layer("dense", units=1)], 2), []

    @dataclass(frozen=True)
    class Looks(nnfw.ProgressBar):
        def steps_computed(self, fit, costs, state):
            super().steps_computed(fit, costs, state)
            task = state["bar"].progress.tasks[0]
            seen.append((task.completed, task.total))

    options = {"cost": "mse", "optimizer": "sgd", "batch_size": 2, "callbacks": [Looks()]}
    history = model.fit(np.ones((8, 2)), np.ones(8), epochs=2, **options, accelerator="none")
    assert seen[-1] == (8, 8)
    model.fit(np.ones((4, 2)), np.ones(4), epochs=1, continue_from=history, **options, accelerator="none")
    assert seen[-2:] == [(5, 6), (6, 6)]
