"""Processes in surroundings that are not as they should be: nothing crashes, and nothing happens in silence."""

import multiprocessing
import os
import subprocess
import sys

import pytest

EXPERIMENT = """
data = { source = "xor", split = { validation = 0.0, test = 0.0 } }
model = { layers = [{ type = "dense", units = 1 }] }
cost = { type = "mse" }
optimizer = { type = "sgd" }
training = { epochs = 1, accelerator = "ACCELERATOR" }
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs Python in an empty folder, from which modules are imported first."""

    def run(*arguments, **variables):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)} | variables,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run


@pytest.fixture
def train(run, tmp_path):
    """Return a function that trains with an accelerator."""

    def train(accelerator, *arguments, **variables):
        (tmp_path / "xor.toml").write_text(EXPERIMENT.replace("ACCELERATOR", accelerator))
        return run("-m", "nnfw", "train", "xor.toml", "--out", "run", "--quiet", *arguments, **variables)

    return train


# numba


FAILURES = {
    "missing": (
        "raise ModuleNotFoundError(\"No module named 'numba'\")",
        "ModuleNotFoundError: No module named 'numba'",
    ),
    "broken": ("raise OSError('LLVM is for another machine')", "OSError: LLVM is for another machine"),
    "too old": ("", "ImportError: cannot import name "),
    "exits": ("import sys\nsys.exit(3)", "ImportError: nnfw_numba.kernels:load would end the process: SystemExit: 3"),
}


@pytest.fixture
def instead_of_numba(tmp_path):
    """Return a function that puts a module in the place of numba."""
    return (tmp_path / "numba.py").write_text


@pytest.mark.parametrize("failure", FAILURES)
def test_training_without_numba_says_what_would_bring_it_and_goes_on(train, instead_of_numba, failure, tmp_path):
    source, message = FAILURES[failure]
    instead_of_numba(source)
    result = train("numba")
    assert result.returncode == 0
    assert result.stderr.startswith(f"warning: Accelerator 'numba' (built-in) cannot be loaded: {message}")
    assert result.stderr.endswith(
        "pip install 'nnfw[fast]' brings numba, which compiles the loops of a step. The training goes on without it.\n"
    )
    assert '"accelerator": "none"' in (tmp_path / "run" / "record.json").read_text()


UNFIT = {
    "NUMBA_DISABLE_JIT": ("1", "RuntimeError: NUMBA_DISABLE_JIT is set, so numba compiles nothing"),
    "NUMBA_NUM_THREADS": ("0", "ValueError: Number of threads specified must be > 0"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_training_with_numba_that_cannot_compile_says_so_and_goes_on(train, run, name, tmp_path):
    pytest.importorskip("numba")
    value, message = UNFIT[name]
    result = train("numba", **{name: value})
    assert result.returncode == 0
    assert result.stderr == (
        f"warning: Accelerator 'numba' (built-in) cannot be loaded: {message}. pip install 'nnfw[fast]' brings numba, "
        "which compiles the loops of a step. The training goes on without it.\n"
    )
    assert '"accelerator": "none"' in (tmp_path / "run" / "record.json").read_text()
    doctor = run("-m", "nnfw", "doctor", **{name: value})
    assert f"Accelerator 'numba' cannot be loaded: {message}" in doctor.stdout


def test_training_with_numba_does_without_a_folder_for_what_it_compiles(train, tmp_path):
    pytest.importorskip("numba")
    (tmp_path / "a-file").write_text("")
    result = train("numba", NUMBA_CACHE_DIR="a-file")
    assert (result.returncode, result.stderr) == (0, "")
    assert '"accelerator": "numba"' in (tmp_path / "run" / "record.json").read_text()


def test_short_training_says_nothing_of_numba(train, instead_of_numba):
    instead_of_numba("raise OSError")
    result = train("auto")
    assert (result.returncode, result.stderr) == (0, "")


def test_warning_with_debug_says_where_it_is_from(train, instead_of_numba):
    instead_of_numba("raise OSError")
    assert "RuntimeWarning: Accelerator 'numba'" in train("numba", "--debug").stderr


# plugins


HOOKS = """
import nnfw
from nnfw.plugins import AcceleratorSpec

@nnfw.hookimpl
def nnfw_accelerators():
    yield AcceleratorSpec("quick", "fake_quick_kernels:load", "pip install quick")
"""
KERNELS = """
def sgd(vector, gradient, rate):
    {statement}

def load():
    return {{"sgd": sgd}}
"""


@pytest.fixture
def quick(train, tmp_path):
    """Return a function that trains with an accelerator of others, whose kernel is the given statement."""
    info = tmp_path / "fake_quick-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-quick\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nnfw]\nquick = fake_quick\n")
    (tmp_path / "fake_quick.py").write_text(HOOKS)

    def quick(statement, **variables):
        (tmp_path / "fake_quick_kernels.py").write_text(KERNELS.format(statement=statement))
        return train("quick", **variables)

    return quick


def test_kernel_that_disagrees_with_its_definition_is_named_where_it_is_asked_for(quick):
    result = quick("vector -= 1.001 * rate * gradient", NNFW_CHECK_KERNELS="1")
    assert result.returncode == 2
    assert result.stderr.startswith("error: Accelerator 'quick' (fake-quick 1.0): kernel 'sgd' gives ")


@pytest.mark.parametrize("asked", ["", "0"])
def test_kernel_that_disagrees_is_used_where_nobody_asks(quick, asked):
    result = quick("vector -= 1.001 * rate * gradient", NNFW_CHECK_KERNELS=asked)
    assert (result.returncode, result.stderr) == (0, "")


def test_kernel_that_fails_is_named_with_its_plugin(quick):
    result = quick("1 / 0")
    assert result.returncode == 1
    assert "nnfw: internal error in plugin fake-quick 1.0: ZeroDivisionError: division by zero" in result.stderr


# Processes


FAMILY = """
import multiprocessing
import sys
from dataclasses import dataclass

import numpy as np

import nnfw
from nnfw_standard import Dense

X, Y = np.random.default_rng(0).normal(size=(64, 4)), np.ones((64, 1))


def trained(callbacks=()):
    model = nnfw.Sequential([Dense(8, activation="tanh"), Dense(1)], 4)
    model.fit(X, Y, cost="mse", optimizer="adam", epochs=3, accelerator=sys.argv[1], callbacks=callbacks)
    return model.parameters.vector.tobytes(), model.predict(X).shape


@dataclass(frozen=True)
class Family(nnfw.Callback):
    def epoch_ended(self, fit, record, state):
        if fit.epoch == 2:
            with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:
                FOUND.extend(pool.map(trained, [(), ()]))


FOUND = []

if __name__ == "__main__":
    alone = trained()
    print(trained([Family()]) == alone, FOUND == [alone, alone])
"""


@pytest.mark.parametrize(("accelerator", "method"), [("none", "fork"), ("numba", "fork"), ("numba", "spawn")])
def test_processes_that_are_started_within_a_training_train_and_predict_too(run, tmp_path, accelerator, method):
    if accelerator == "numba":
        pytest.importorskip("numba")
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    (tmp_path / "family.py").write_text(FAMILY)
    result = run("-W", "ignore::DeprecationWarning", "family.py", accelerator, method)
    assert (result.stdout, result.stderr) == ("True True\n", "")
