"""Runs that go on: what a resumed run is made of, what is refused, and what is told."""

import json
import os
import signal
import threading
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import Access, evaluate_run, resume, train
from nnfw.runs.run import CHECKPOINTS
from nnfw.storage import locked
from nnfw.training import checkpoint_files

pytestmark = pytest.mark.usefixtures("interruptible")

registry = default_registry()
EVERY_STEP = "training.checkpoint_seconds=0"
FILES = ("metrics.jsonl", "layers.jsonl", "model.nnfw")


class KilledError(Exception):
    """What ends a training in these tests."""


@dataclass(frozen=True)
class Kill(nnfw.Callback):
    """Ends the training within a step, by an error or by a signal."""

    step: int
    signal: int = 0

    def step_computed(self, fit, state):
        if fit.step == self.step:
            if not self.signal:
                raise KilledError
            os.kill(os.getpid(), self.signal)


def killed(experiment, out, step, *overrides):
    file = read_experiment(str(experiment), registry, [EVERY_STEP, *overrides])
    with pytest.raises(KilledError):
        train(file, registry, out, [Kill(step)])
    return out


def record_of(directory):
    return json.loads((directory / "record.json").read_text())


def same_files(first, second):
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in FILES)


@pytest.mark.parametrize("step", [1, 7, 15, 16, 60], ids=lambda step: f"step-{step}")
def test_run_that_was_killed_ends_with_the_files_of_one_that_was_not(run, experiment, tmp_path, step):
    out = killed(experiment, tmp_path / "killed", step)
    again = resume(out, Access(registry))
    assert same_files(run.directory, out)
    assert again.results == run.results
    record = record_of(out)
    assert (record["status"], record["exit"]) == ("finished", 0)
    assert len(record["resumed"]) == 1


def test_resumed_run_of_target_encoding_has_the_same_training_rows(experiment, tmp_path):
    encoded = 'data.transforms=["target_encoding", { type = "standardize", columns = ["colour", "width", "height"] }]'
    whole = train(read_experiment(str(experiment), registry, [EVERY_STEP, encoded]), registry, tmp_path / "whole")
    out = killed(experiment, tmp_path / "killed", 7, encoded)
    assert resume(out, Access(registry)).results == whole.results
    assert same_files(whole.directory, out)
    assert evaluate_run(out, Access(registry))[0] == whole.results


def test_line_that_a_killed_process_has_written_too_much_goes(run, experiment, tmp_path):
    out = killed(experiment, tmp_path / "killed", 7)
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "cost"')
    resume(out, Access(registry))
    assert same_files(run.directory, out)


def test_finished_run_has_nothing_to_do(run):
    before = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    assert resume(run.directory, Access(registry)) is None
    assert {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()} == before


def test_change_of_a_finished_run_is_refused_and_what_is_free_to_change_is_not(run):
    before = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    text = r"has finished, so this has no effect: optimizer.learning_rate is 0.5, was 0.05. Leave it out; or train"
    for force in (False, True):
        with pytest.raises(nnfw.DataError, match=text):
            resume(run.directory, Access(registry), ["optimizer.learning_rate=0.5"], force=force)
    assert resume(run.directory, Access(registry), ["training.checkpoint_seconds=1"]) is None
    assert {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()} == before


def test_finished_run_goes_on_with_more_epochs(run, experiment, tmp_path):
    file = read_experiment(str(experiment), registry, ["training.epochs=15"])
    whole = train(file, registry, tmp_path / "whole")
    assert resume(run.directory, Access(registry), ["training.epochs=15"]).epochs == 15
    assert same_files(whole.directory, run.directory)
    assert (whole.directory / "experiment.toml").read_bytes() == (run.directory / "experiment.toml").read_bytes()


def test_run_that_was_stopped_early_has_nothing_to_do_with_more_epochs(experiment, tmp_path):
    stopping = "training.callbacks=[{ type = 'early_stopping', min_delta = 10.0, patience = 2 }]"
    file = read_experiment(str(experiment), registry, [stopping])
    assert train(file, registry, tmp_path / "run").epochs == 3
    assert resume(tmp_path / "run", Access(registry), ["training.epochs=15"]) is None


def test_run_goes_on_with_data_that_was_moved(run, experiment, tmp_path):
    out = killed(experiment, tmp_path / "killed", 7)
    (tmp_path / "moved").mkdir()
    (tmp_path / "table.csv").rename(tmp_path / "moved" / "table.csv")
    with pytest.raises(nnfw.DataError, match="there is no such file"):
        resume(out, Access(registry))
    resume(out, Access(registry, data_directory=tmp_path / "moved"))
    assert same_files(run.directory, out)
    assert record_of(out)["data"]["directory"] == str(tmp_path / "moved")


def test_run_killed_after_its_last_step_gets_its_model(run, experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(nnfw.Sequential, "save", lambda model, path, inside: (_ for _ in ()).throw(KilledError()))
    with pytest.raises(KilledError):
        train(read_experiment(str(experiment), registry), registry, tmp_path / "killed")
    monkeypatch.undo()
    assert not (tmp_path / "killed" / "model.nnfw").exists()
    assert resume(tmp_path / "killed", Access(registry)) is not None
    assert same_files(run.directory, tmp_path / "killed")


def test_run_killed_before_its_first_checkpoint_begins_anew(run, experiment, tmp_path):
    out = killed(experiment, tmp_path / "killed", 1)
    for path in checkpoint_files(out / CHECKPOINTS):
        path.unlink()
    told = []
    resume(out, Access(registry, told.append))
    assert told == [f"{out} holds no checkpoint yet: the run starts again."]
    assert same_files(run.directory, out)


def test_record_keeps_the_start_and_adds_the_times_of_resuming(experiment, tmp_path):
    out = killed(experiment, tmp_path / "killed", 7)
    first = record_of(out)
    assert (first["status"], first["exit"], first["resumed"]) == ("failed", 1, [])
    with pytest.raises(KilledError):
        resume(out, Access(registry), callbacks=[Kill(9)])
    resume(out, Access(registry))
    assert record_of(out)["started"] == first["started"]
    assert len(record_of(out)["resumed"]) == 2


# --- refused ---------------------------------------------------------------------------------------------------------


def test_changed_experiment_is_refused_with_the_difference_unless_forced(experiment, tmp_path):
    out = killed(experiment, tmp_path / "killed", 7)
    text = (out / "experiment.toml").read_text().replace("learning_rate = 0.05", "learning_rate = 0.5")
    (out / "experiment.toml").write_text(text)
    match = r"is of another training: optimizer.learning_rate is 0.5, was 0.05. Undo that, or go on with --force"
    with pytest.raises(nnfw.DataError, match=match):
        resume(out, Access(registry))
    told = []
    assert resume(out, Access(registry, told.append), force=True).epochs == 12
    assert told == ["Not bit-exact: optimizer.learning_rate is 0.5, was 0.05."]


def test_changed_data_is_refused_unless_forced(experiment, tmp_path):
    out = killed(experiment, tmp_path / "killed", 7)
    table = experiment.parent / "table.csv"
    table.write_text(table.read_text().replace("red", "green", 1))
    with pytest.raises(nnfw.DataError, match=r"is of another training: data.sha256 is '.*, was '"):
        resume(out, Access(registry))
    told = []
    assert resume(out, Access(registry, told.append), force=True)
    assert told[0].startswith("Not bit-exact: data.sha256 is")


@pytest.mark.parametrize("force", [False, True])
def test_fewer_epochs_than_were_begun_are_refused(experiment, tmp_path, force):
    out = killed(experiment, tmp_path / "killed", 12)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    match = r"-000000000011\.checkpoint is of epoch 3, more than the 2 that are wanted\. Raise training\.epochs"
    with pytest.raises(nnfw.DataError, match=match):
        resume(out, Access(registry), ["training.epochs=2"], force=force)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert resume(out, Access(registry), ["training.epochs=3"], force=force).epochs == 3


def test_override_that_changes_results_is_refused(experiment, tmp_path):
    out = killed(experiment, tmp_path / "killed", 7)
    with pytest.raises(nnfw.DataError, match="training.batch_size is 4, was 8"):
        resume(out, Access(registry), ["training.batch_size=4"])
    assert record_of(out)["status"] == "failed"


def test_directory_without_a_run_or_without_checkpoints_is_refused(run, tmp_path):
    with pytest.raises(nnfw.FileFormatError, match="holds no run that can be read"):
        resume(tmp_path / "none", Access(registry))
    for path in checkpoint_files(run.directory / CHECKPOINTS):
        path.unlink()
    with pytest.raises(
        nnfw.FileFormatError, match="holds no checkpoint, so it cannot go on. Train the experiment anew"
    ):
        resume(run.directory, Access(registry))


def test_run_in_which_another_process_works_is_refused(run, experiment):
    refusal = pytest.raises(nnfw.StateError, match=rf"is in use by process {os.getpid()} on")
    with locked(run.directory), refusal:
        resume(run.directory, Access(registry))
    with locked(run.directory), pytest.raises(nnfw.StateError, match="is in use by process"):
        train(read_experiment(str(experiment), registry), registry, run.directory)


def test_lock_that_a_killed_process_has_left_is_no_obstacle(experiment, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").write_text("{}")
    assert train(read_experiment(str(experiment), registry), registry, tmp_path / "run").epochs == 12
    assert not (tmp_path / "run" / "lock").exists()


# --- signals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
def test_signal_ends_a_run_after_its_step_and_tells_how_to_go_on(run, experiment, tmp_path, number, status):
    out = tmp_path / "it is stopped"
    match = (
        rf"interrupted in epoch 2, after step 7\. Its state is in .*checkpoints\. Continue with: nnfw resume '{out}'"
    )
    with pytest.raises(nnfw.TrainingInterrupted, match=match) as found:
        train(read_experiment(str(experiment), registry), registry, out, [Kill(7, number)])
    assert found.value.signal == number
    assert (record_of(out)["status"], record_of(out)["exit"]) == ("interrupted", status)
    assert record_of(out)["reason"] == "in epoch 2, after step 7"
    resume(out, Access(registry))
    assert same_files(run.directory, out)


def test_signal_after_the_last_step_is_not_lost(run, experiment, tmp_path):
    @dataclass(frozen=True)
    class Late(nnfw.Callback):
        def fit_ended(self, fit, state):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(nnfw.TrainingInterrupted, match="in epoch 12, after step 60"):
        train(read_experiment(str(experiment), registry), registry, tmp_path / "late", [Late()])
    resume(tmp_path / "late", Access(registry))
    assert same_files(run.directory, tmp_path / "late")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
def test_signal_while_the_model_is_evaluated_tells_how_to_go_on(run, experiment, tmp_path, monkeypatch, number, status):
    def interrupted(prepared, part):
        os.kill(os.getpid(), number)
        return {}

    out = tmp_path / "stopped"
    monkeypatch.setattr("nnfw.experiments.preparation.Prepared.evaluate", interrupted)
    with pytest.raises(nnfw.TrainingInterrupted, match="was interrupted after its training. Continue with: nnfw res"):
        train(read_experiment(str(experiment), registry), registry, out)
    assert (record_of(out)["status"], record_of(out)["exit"]) == ("interrupted", status)
    assert record_of(out)["reason"] == "after its training"
    monkeypatch.undo()
    assert resume(out, Access(registry)).results == run.results
    assert same_files(out, run.directory)


def test_second_signal_ends_a_run_at_once(experiment, tmp_path):
    @dataclass(frozen=True)
    class Twice(nnfw.Callback):
        def step_computed(self, fit, state):
            if fit.step == 7:
                for _ in range(2):
                    os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as found:
        train(read_experiment(str(experiment), registry), registry, tmp_path / "run", [Twice()])
    assert type(found.value) is KeyboardInterrupt
    assert (record_of(tmp_path / "run")["status"], record_of(tmp_path / "run")["exit"]) == ("interrupted", 130)


def fit(model, step, number, **others):
    x = np.linspace(-1, 1, 60).reshape(20, 3)
    given = {"cost": "mse", "optimizer": "adam", "epochs": 3, "batch_size": 4, "callbacks": [Kill(step, number)]}
    return model.fit(x, x[:, :1], **(given | others))


def test_fit_that_is_interrupted_leaves_the_model_of_a_whole_step(tmp_path):
    interrupted, expected = (nnfw.Sequential([nnfw.layer("dense", units=1)], 3) for _ in range(2))
    with pytest.raises(KeyboardInterrupt, match="The training was interrupted in epoch 2, after step 7.$"):
        fit(interrupted, 7, signal.SIGINT)
    with pytest.raises(KilledError):
        fit(expected, 8, 0)
    assert np.array_equal(interrupted.parameters.vector, expected.parameters.vector)


def test_solver_that_is_interrupted_leaves_the_model_of_a_whole_iteration(tmp_path):
    interrupted, expected = (nnfw.Sequential([nnfw.layer("dense", units=1)], 3) for _ in range(2))
    with pytest.raises(KeyboardInterrupt, match="in epoch 2, after step 2"):
        fit(interrupted, 2, signal.SIGINT, optimizer="lbfgs", batch_size=32)
    fit(expected, -1, 0, optimizer="lbfgs", batch_size=32, epochs=2)
    assert np.array_equal(interrupted.parameters.vector, expected.parameters.vector)


def test_signals_are_handled_as_before_when_a_training_has_ended():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    fit(nnfw.Sequential([nnfw.layer("dense", units=1)], 3), 0, 0)
    with pytest.raises(KeyboardInterrupt):
        fit(nnfw.Sequential([nnfw.layer("dense", units=1)], 3), 2, signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_signal_that_somebody_else_handles_is_left_to_them():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        history = fit(nnfw.Sequential([nnfw.layer("dense", units=1)], 3), 2, signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (seen, len(history)) == ([signal.SIGINT], 3)


def test_training_in_another_thread_leaves_signals_alone(tmp_path):
    lengths = []
    model = nnfw.Sequential([nnfw.layer("dense", units=1)], 3)
    thread = threading.Thread(target=lambda: lengths.append(len(fit(model, 0, 0, checkpoints=tmp_path / "kept"))))
    thread.start()
    thread.join()
    assert lengths == [3]
