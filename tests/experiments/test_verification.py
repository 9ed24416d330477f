"""The proof on the user's own experiment: resumed is equal to the bit, and a plugin that forgets is found."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.cli.main import main
from nnfw.experiments import read_experiment, verify_resume
from nnfw.experiments import run as run_module
from nnfw.plugins import default_registry

registry = default_registry()


@pytest.mark.parametrize(
    ("overrides", "steps", "places"),
    [
        ([], 10, (2, 5)),
        (["training.batch_size=16"], 8, (1, 3)),
        (["training.batch_size=1", "training.epochs=3"], 41, (18, 36)),
        (["training.batch_size=1000", "training.epochs=1"], 1, (0,)),
        (["training.batch_size=36", "training.epochs=2"], 1, (0,)),
    ],
    ids=["into-the-second-epoch", "small", "one-by-one", "one-step", "two-steps"],
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
    real = run_module.Training
    monkeypatch.setattr(
        run_module, "Training", lambda *given, **named: real(*given, **named | {"optimizer": Forgetful([])})
    )
    found = verify_resume(read_experiment(str(experiment), registry), registry)
    assert "parameters" in found.different


def test_command_says_that_all_is_equal_and_writes_no_run(experiment, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["train", str(experiment), "--verify-resume"]) == 0
    assert capsys.readouterr().out == "Resumed after step 2 and 5: after step 10, all is equal to the bit.\n"
    assert main(["train", str(experiment), "--verify-resume", "--json"]) == 0
    assert '"different": []' in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == before


def test_command_exits_1_where_something_is_different(experiment, capsys):
    arguments = ["train", str(experiment), "--verify-resume", "--set", "optimizer={ type = 'lbfgs' }"]
    assert main([*arguments, "--set", "training.epochs=40", "--set", "training.batch_size=32"]) == 1
    assert "Resumed after step" in capsys.readouterr().err
