"""nnfw resume: what it prints, its exit status, and processes that are really killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("interruptible")

SMALL = """
name = "small"
data = { source = "moons" }
model = { layers = [{ type = "dense", units = 8 }, { type = "dense", units = 1, activation = "sigmoid" }] }
cost = { type = "binary_cross_entropy" }
optimizer = { type = "adam", learning_rate = 0.01 }
training = { epochs = 4, batch_size = 16, callbacks = ["csv_log"] }
"""
EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = ("metrics.jsonl", "model.nnfw", "log.csv")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return the path of a small experiment, in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text(SMALL.strip() + "\n")
    return path


def start(*arguments, **variables):
    """Start the command line in a process of its own that a signal reaches."""
    command = [sys.executable, "-m", "nnfw.cli.main", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, process):
    """Wait until something is there, as long as the process lives."""
    while not condition() and process.poll() is None:
        time.sleep(0.01)


def test_run_killed_in_the_middle_is_resumed_to_the_same_files(small, nnfw):
    assert nnfw("train", "small.toml", "--out", "whole", "-q", "--set", "training.epochs=300").status == 0
    with start("train", "small.toml", "--out", "run", "-q", "--set", "training.epochs=300") as process:
        wait_for(lambda: Path("run/metrics.jsonl").exists() and Path("run/metrics.jsonl").stat().st_size, process)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not Path("run/model.nnfw").exists()
    result = nnfw("resume", "run", "-q")
    assert (result.status, result.out.splitlines()[-1]) == (0, "Run: run")
    for name in FILES:
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
def test_signal_ends_with_its_status_and_the_command_that_goes_on(small, nnfw, number, status):
    with start("train", "small.toml", "--out", "run", "-q", "--set", "training.epochs=1000000") as process:
        wait_for(lambda: Path("run/metrics.jsonl").exists() and Path("run/metrics.jsonl").stat().st_size, process)
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out) == (status, "")
    assert err.endswith("Its state is in run/checkpoints. Continue with: nnfw resume run\n")
    assert "Traceback" not in err
    assert json.loads(Path("run/record.json").read_text())["status"] == "interrupted"


def test_signal_while_several_inputs_train_is_resumed_to_the_same_files(tmp_path, monkeypatch, nnfw):
    monkeypatch.chdir(tmp_path)
    for name in ("penguins-wide.toml", "penguins.csv"):
        shutil.copy(EXAMPLES / name, tmp_path)
    options = ("-q", "--set", "training.epochs=400", "--set", "training.callbacks=['csv_log']")
    assert nnfw("train", "penguins-wide.toml", "--out", "whole", *options).status == 0
    with start("train", "penguins-wide.toml", "--out", "run", *options) as process:
        wait_for(lambda: Path("run/metrics.jsonl").exists() and Path("run/metrics.jsonl").stat().st_size, process)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    assert nnfw("resume", "run", "-q").status == 0
    for name in FILES:
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()


def test_resume_of_a_finished_run_says_that_there_is_nothing_to_do(small, nnfw):
    assert nnfw("train", "small.toml", "--out", "run", "-q").status == 0
    result = nnfw("resume", "run")
    assert (result.status, result.out) == (0, "")
    assert result.err == "Nothing to do: run has finished. Give it more epochs with --set training.epochs=N.\n"


def test_resume_of_a_finished_run_with_a_change_exits_2(small, nnfw):
    assert nnfw("train", "small.toml", "--out", "run", "-q").status == 0
    result = nnfw("resume", "run", "--set", "seed=8")
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("error: run has finished, so this has no effect: seed is 8, was ")


def test_resume_of_a_run_that_was_stopped_early_says_why_there_is_nothing_to_do(small, nnfw):
    stopping = "training.callbacks=[{ type = 'early_stopping', min_delta = 10.0, patience = 2 }]"
    assert nnfw("train", "small.toml", "--out", "run", "-q", "--set", stopping).status == 0
    result = nnfw("resume", "run", "--set", "training.epochs=50")
    assert (result.status, result.out) == (0, "")
    assert result.err.startswith("Nothing to do: run was stopped after 3 epochs: validation_cost has not improved on")
    assert result.err.endswith(" for 2 epochs. Train it again to go further.\n")


def test_resume_of_a_finished_run_with_more_epochs_prints_results(small, nnfw):
    assert nnfw("train", "small.toml", "--out", "run", "-q").status == 0
    result = nnfw("resume", "run", "--set", "training.epochs=6", "--json")
    found = json.loads(result.out)
    assert (result.status, found["run"], found["epochs"]) == (0, "run", 6)


def test_resume_of_a_changed_run_exits_2_with_the_difference(small, nnfw):
    assert nnfw("train", "small.toml", "--out", "run", "-q").status == 0
    result = nnfw("resume", "run", "--set", "optimizer.learning_rate=0.5", "--set", "training.epochs=5")
    assert (result.status, result.out) == (2, "")
    assert "optimizer.learning_rate is 0.5, was 0.01. Undo that, or go on with --force." in result.err
    change = ("--set", "optimizer.learning_rate=0.5", "--set", "training.epochs=5")
    forced = nnfw("resume", "run", "-q", "--force", *change)
    assert forced.status == 0
    assert forced.err == "Not bit-exact: optimizer.learning_rate is 0.5, was 0.01.\n"


def test_resume_of_what_is_no_run_exits_2(small, nnfw):
    result = nnfw("resume", "none")
    assert result.status == 2
    assert "none holds no run that can be read" in result.err


def test_resume_takes_the_variables_of_blas_from_the_run(small, program):
    assert program("train", "small.toml", "--out", "run", "-q", OPENBLAS_NUM_THREADS="1").status == 0
    result = program("resume", "run", "-q", "--set", "training.epochs=5", OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2")
    assert result.status == 0
    assert result.err == "OMP_NUM_THREADS is not set, as in the run.\nOPENBLAS_NUM_THREADS=1, as in the run.\n"
    threads = json.loads(Path("run/record.json").read_text())["environment"]["threads"]
    assert {library["num_threads"] for library in threads["libraries"]} == {1}


def test_second_process_in_a_directory_is_refused_and_told_who_is_there(small, nnfw):
    with start("train", "small.toml", "--out", "run", "-q", "--set", "training.epochs=1000000") as process:
        wait_for(lambda: Path("run/metrics.jsonl").exists(), process)
        refused = [nnfw("train", "small.toml", "--out", "run", "-q"), nnfw("resume", "run", "-q")]
        process.kill()
    for result in refused:
        assert result.status == 2
        assert f"run is in use by process {process.pid} on " in result.err


def test_directory_that_vanishes_ends_the_training_with_path_and_bytes(small):
    settings = ("--set", "training.epochs=1000000", "--set", "training.checkpoint_seconds=0")
    with start("train", "small.toml", "--out", "run", "-q", *settings) as process:
        wait_for(lambda: Path("run/metrics.jsonl").exists() and Path("run/metrics.jsonl").stat().st_size, process)
        Path("run").rename("gone")
        _, err = process.communicate()
    shutil.rmtree("gone")
    assert process.returncode == 2
    assert "error: run/checkpoints/step-" in err
    assert "bytes cannot be written: No such file or directory" in err
