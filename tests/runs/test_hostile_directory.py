"""Runs that somebody sent, and directories that somebody changes: nothing is written outside, and no run is lost."""

import json
import os
import shutil
from dataclasses import dataclass

import pytest

import nnfw
from nnfw.cli.main import main
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import Access, open_model, open_run, resume, train
from nnfw.runs.reading import read_run
from nnfw.runs.run import CHECKPOINTS
from nnfw.storage import LOCK
from nnfw.training import checkpoint_files

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and descriptors of directories")
registry = default_registry()
MORE = ["training.epochs=13"]
CALLBACKS = "training.callbacks=['csv_log', 'checkpoint_best']"


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "authorized_keys"
    path.write_text("mine")
    return path


@pytest.fixture
def run(experiment, tmp_path):
    file = read_experiment(str(experiment), registry, [CALLBACKS])
    return train(file, registry, tmp_path / "run").directory


def link(path, target):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize(
    "name", ["model.nnfw", "metrics.jsonl", "layers.jsonl", "best.nnfw", "log.csv", "record.json", "experiment.toml"]
)
def test_resume_never_writes_through_a_link(run, victim, name):
    link(run / name, victim)
    with pytest.raises(nnfw.NnfwError, match="it is a link"):
        resume(run, Access(registry), MORE)
    assert victim.read_text() == "mine"
    assert (run / name).is_symlink()


@pytest.mark.parametrize("name", ["metrics.jsonl", "record.json", "experiment.toml"])
def test_linked_copy_of_a_runs_own_file_is_refused_when_it_is_read(run, tmp_path, name):
    (run / name).rename(tmp_path / name)
    link(run / name, tmp_path / name)
    with pytest.raises(nnfw.FileFormatError, match=f"{name}.* it is a link, and links in here are not followed"):
        open_run(run, Access(registry)) if name == "experiment.toml" else read_run(run).history


def test_linked_model_of_a_run_is_refused(run, tmp_path):
    (run / "model.nnfw").rename(tmp_path / "model.nnfw")
    link(run / "model.nnfw", tmp_path / "model.nnfw")
    with pytest.raises(nnfw.FileFormatError, match="model.nnfw: cannot be read: it is a link"):
        open_model(run, Access(registry))
    assert open_model(tmp_path / "model.nnfw", Access(registry))


def test_resume_leaves_the_checkpoints_of_another_run_alone(run, experiment, tmp_path):
    other = train(read_experiment(str(experiment), registry), registry, tmp_path / "other").directory
    before = {path.name: path.read_bytes() for path in (other / CHECKPOINTS).iterdir()}
    link(run / CHECKPOINTS, other / CHECKPOINTS)
    with pytest.raises(nnfw.FileFormatError, match="checkpoints: its checkpoints cannot be read: it is a link"):
        resume(run, Access(registry), MORE)
    assert {path.name: path.read_bytes() for path in (other / CHECKPOINTS).iterdir()} == before


def test_checkpoint_that_is_a_link_is_refused(run, tmp_path):
    last = checkpoint_files(run / CHECKPOINTS)[-1]
    last.rename(tmp_path / "last")
    last.symlink_to(tmp_path / "last")
    with pytest.raises(nnfw.FileFormatError, match="cannot be read: it is a link"):
        resume(run, Access(registry), MORE)


def test_report_never_writes_through_a_link_but_output_does(run, victim, capfd):
    link(run / "report.html", victim)
    assert main(["report", str(run), "--trust"]) == 2
    assert "it is a link, and links in here are not followed. Remove the link, or choose" in capfd.readouterr().err
    assert victim.read_text() == "mine"
    assert main(["report", str(run), "--trust", "-o", str(run / "report.html")]) == 0
    assert "<!DOCTYPE html>" in victim.read_text()


def test_run_that_is_named_by_a_link_goes_on(run, tmp_path):
    (tmp_path / "latest").symlink_to(run)
    assert resume(tmp_path / "latest", Access(registry), MORE).epochs == 13


# --- which names a callback may use -----------------------------------------------------------------------------------

LEFT_OVER = ".nnfw-0123456789abcdef.tmp"
RUNS_OWN = ["metrics.jsonl", "layers.jsonl", "experiment.toml", "record.json", "model.nnfw", "lock", "report.html"]


@pytest.mark.parametrize(
    "path", [*RUNS_OWN, "./metrics.jsonl", "Metrics.JSONL", "checkpoints", "checkpoints/step-000000000012.checkpoint"]
)
@pytest.mark.parametrize("kind", ["csv_log", "checkpoint_best"])
def test_callback_that_wants_a_file_of_the_run_is_refused_before_training(experiment, tmp_path, kind, path):
    override = f"training.callbacks=[{{type='{kind}', path='{path}'}}]"
    match = (
        rf"Callback .*{kind}.*: path must be a file of its own, got '.*', which the run writes\. Choose another name\."
    )
    with pytest.raises(nnfw.ConfigError, match=match):
        train(read_experiment(str(experiment), registry, [override]), registry, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("second", ["a.csv", "./a.csv", "A.csv"])
def test_two_callbacks_of_one_file_are_refused_before_training(experiment, tmp_path, second):
    first = "'early_stopping', {type='csv_log', path='a.csv'}"
    override = f"training.callbacks=[{first}, {{type='checkpoint_best', path='{second}'}}]"
    with pytest.raises(
        nnfw.ConfigError, match=r"checkpoint_best.*: path must be .*, which callback .*csv_log.* writes\."
    ):
        train(read_experiment(str(experiment), registry, [override]), registry, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", [LEFT_OVER, "step-000000000012.checkpoint"])
def test_callback_that_wants_the_name_of_a_file_of_nnfw_is_refused(experiment, tmp_path, path):
    override = f"training.callbacks=[{{type='csv_log', path='{path}'}}]"
    with pytest.raises(nnfw.ConfigError, match=r"path must be a file of its own, got .*, which nnfw writes\."):
        train(read_experiment(str(experiment), registry, [override]), registry, tmp_path / "run")


def test_callback_of_a_stranger_claims_its_file_as_the_standard_ones_do(experiment, tmp_path):
    @dataclass(frozen=True)
    class Notes(nnfw.Callback):
        path: str

        def state(self, fit):
            return {"file": fit.lines(fit.claim(self.path, self))}

        def epoch_ended(self, fit, record, state):
            state["file"].write(f"{record['epoch']}\n")

        def close(self, state):
            state["file"].close()

    file = read_experiment(str(experiment), registry)
    with pytest.raises(nnfw.ConfigError, match="Notes.*: path must be a file of its own, got 'record.json'"):
        train(file, registry, tmp_path / "run", [Notes("record.json")])
    train(file, registry, tmp_path / "run", [Notes("notes.txt")])
    assert (tmp_path / "run" / "notes.txt").read_text().split() == [str(epoch) for epoch in range(1, 13)]


# --- beginnings that were cut short -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [(), (LOCK,), (LOCK, "experiment.toml"), (LOCK, "experiment.toml", LEFT_OVER), (LEFT_OVER,)],
    ids=lambda names: "+".join(names) or "empty",
)
def test_what_a_process_leaves_that_was_killed_before_its_record_is_no_run(experiment, tmp_path, names):
    (tmp_path / "run").mkdir()
    for name in names:
        (tmp_path / "run" / name).write_text("left over")
    assert train(read_experiment(str(experiment), registry), registry, tmp_path / "run").epochs == 12
    assert not list((tmp_path / "run").glob(".nnfw-*"))


def test_experiment_that_somebody_put_there_is_kept(experiment, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "experiment.toml").write_text("mine")
    with pytest.raises(nnfw.DataError, match="run is not empty. Choose another directory with --out"):
        train(read_experiment(str(experiment), registry), registry, tmp_path / "run")
    assert (tmp_path / "run" / "experiment.toml").read_text() == "mine"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, OSError(28, "No space left on device")], ids=["ctrl-c", "full"])
def test_run_whose_record_cannot_be_written_leaves_nothing(experiment, tmp_path, monkeypatch, ending):
    real = os.replace

    def fail(old, new, **descriptors):
        if new == "record.json":
            raise ending
        real(old, new, **descriptors)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises((KeyboardInterrupt, nnfw.NnfwError)):
        train(read_experiment(str(experiment), registry), registry, tmp_path / "run")
    assert not (tmp_path / "run").exists()


# --- directories that change while a run is in them -------------------------------------------------------------------


@dataclass(frozen=True)
class Does(nnfw.Callback):
    """Does something at the end of the third epoch."""

    what: object

    def epoch_ended(self, fit, record, state):
        if record["epoch"] == 3:
            self.what()


def test_directory_that_another_took_the_place_of_gets_nothing(experiment, tmp_path):
    out = tmp_path / "run"

    def exchange():
        shutil.rmtree(out)
        (out / CHECKPOINTS).mkdir(parents=True)

    with pytest.raises(nnfw.NnfwError, match="was removed or replaced|another directory has taken the place"):
        train(read_experiment(str(experiment), registry), registry, out, [Does(exchange)])
    assert [path.name for path in out.rglob("*")] == [CHECKPOINTS]


def test_metrics_that_were_replaced_end_the_run_and_resuming_writes_them_whole(experiment, tmp_path):
    out = tmp_path / "run"

    def exchange():
        (out / "other").write_text("")
        (out / "other").replace(out / "metrics.jsonl")

    with pytest.raises(nnfw.NnfwError, match=r"metrics.jsonl was removed or replaced while it was being written"):
        train(read_experiment(str(experiment), registry), registry, out, [Does(exchange)])
    assert json.loads((out / "record.json").read_text())["status"] == "failed"
    assert resume(out, Access(registry)).epochs == 12
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 12


# --- checkpoints that cannot be read, but are not damaged -------------------------------------------------------------


def test_newest_checkpoint_without_permission_is_not_taken_for_damaged(run, monkeypatch):
    last = checkpoint_files(run / CHECKPOINTS)[-1]
    real = os.open

    def refuse(name, flags, *mode, **directory):
        if name == last.name:
            raise PermissionError(13, "Permission denied")
        return real(name, flags, *mode, **directory)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(nnfw.FileFormatError, match=rf"{last.name}: cannot be read: Permission denied"):
        resume(run, Access(registry), MORE)
    assert last.exists()


def test_newest_checkpoint_of_a_newer_nnfw_is_not_taken_for_damaged(run, monkeypatch):
    from nnfw.storage import container
    from nnfw.training import checkpoint_file as checkpoint

    last = checkpoint_files(run / CHECKPOINTS)[-1]
    table, arrays = container.read(last, checkpoint.FORMAT)
    newer = container.Format("checkpoint", "nnfw-checkpoint", "a training", 2, "0.9")
    container.write(last, table, arrays, newer)
    content = last.read_bytes()
    with pytest.raises(nnfw.FileFormatError, match=r"was made by a newer nnfw: .* Install nnfw >= 0.9"):
        resume(run, Access(registry), MORE)
    assert last.read_bytes() == content


def test_folder_of_checkpoints_that_cannot_be_listed_does_not_begin_anew(run, monkeypatch):
    real = os.listdir
    folder = run / CHECKPOINTS

    def refuse(place):
        if isinstance(place, int) and os.path.samestat(os.fstat(place), folder.stat()):
            raise PermissionError(13, "Permission denied")
        return real(place)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(nnfw.FileFormatError, match="checkpoints: its checkpoints cannot be read: Permission denied"):
        resume(run, Access(registry), MORE)
