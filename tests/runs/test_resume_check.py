"""The proof on the user's own experiment: resumed is equal to the bit, and a plugin that forgets is found."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import nnfw
from nnfw.cli.main import main
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import resume_check as verification
from nnfw.runs import run as run_module
from nnfw.runs import verify_resume

registry = default_registry()


@pytest.mark.parametrize(
    ("overrides", "steps", "places"),
    [
        ([], 10, (2, 5)),
        (["training.batch_size=16"], 8, (1, 3)),
        (["training.batch_size=1", "training.epochs=3"], 41, (18, 36)),
        (["training.batch_size=1000", "training.epochs=1"], 1, (0,)),
        (["training.batch_size=36", "training.epochs=2"], 1, (0,)),
        (["training.batch_size=4", "training.callbacks=['csv_log', 'early_stopping']"], 14, (4, 9)),
    ],
    ids=["into-the-second-epoch", "small", "one-by-one", "one-step", "two-steps", "callbacks"],
)
def test_verified_experiment_is_equal_to_the_bit(experiment, overrides, steps, places):
    found = verify_resume(read_experiment(str(experiment), registry, overrides), registry)
    assert found.different == ()
    assert (found.steps, found.resumed_after) == (steps, places)


def test_solver_is_found_not_to_be_exact(experiment):
    overrides = ["optimizer={ type = 'lbfgs' }", "training.epochs=40", "training.batch_size=32"]
    assert "parameters" in verify_resume(read_experiment(str(experiment), registry, overrides), registry).different


@dataclass(frozen=True)
class Forgetful(nnfw.Optimizer):
    """Keeps in a list of its own how often it was called."""

    calls: object
    learning_rate: float = 0.1

    def update(self, vector, gradient, state, step, learning_rate, decays):
        self.calls.append(step)
        vector -= np.float32(learning_rate / len(self.calls)) * gradient


def test_optimizer_that_remembers_elsewhere_is_found(experiment, monkeypatch):
    real = run_module.Task
    monkeypatch.setattr(
        run_module, "Task", lambda *given, **named: replace(real(*given, **named), optimizer=Forgetful([]))
    )
    found = verify_resume(read_experiment(str(experiment), registry), registry)
    assert "parameters" in found.different


@dataclass(frozen=True)
class Forgetting(nnfw.Callback):
    """Keeps in a list of its own how often it was called."""

    calls: object

    def step_computed(self, fit, state):
        self.calls.append(fit.step)
        state["calls"] = len(self.calls)


def test_callback_that_remembers_something_else_is_found(experiment, monkeypatch):
    real = run_module.training_of
    monkeypatch.setattr(
        verification, "training_of", lambda *given: real(*given[:2], (*given[2], Forgetting([])), *given[3:])
    )
    assert verify_resume(read_experiment(str(experiment), registry), registry).different == ("callbacks",)


def test_command_says_that_all_is_equal_and_writes_no_run(experiment, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["train", str(experiment), "--verify-resume"]) == 0
    assert capsys.readouterr().out == "Resumed after step 2 and 5: after step 10, everything is equal to the bit.\n"
    assert main(["train", str(experiment), "--verify-resume", "--json"]) == 0
    assert '"different": []' in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == before


def test_command_exits_1_where_something_is_different(experiment, capsys):
    arguments = ["train", str(experiment), "--verify-resume", "--set", "optimizer={ type = 'lbfgs' }"]
    assert main([*arguments, "--set", "training.epochs=40", "--set", "training.batch_size=32"]) == 1
    assert "Resumed after step" in capsys.readouterr().err
