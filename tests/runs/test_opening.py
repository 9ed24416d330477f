"""Runs from others: whose data is read without a word of trust, and whose is not."""

import json
import os
import shutil
import signal
from dataclasses import dataclass

import pytest

import nnfw
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.reporting import report
from nnfw.runs import Access, evaluate_run, open_model, reproduce, resume, train

registry = default_registry()

COMMANDS = {
    "report": lambda run, **given: report(run, Access(registry, **given)),
    "reproduce": lambda run, **given: reproduce(run, Access(registry, **given)),
    "evaluate": lambda run, **given: evaluate_run(run, Access(registry, **given)),
    "resume": lambda run, **given: resume(run, Access(registry, **given)),
}
NOT_READ = "names data outside the run's folder and the current one: .*table.csv"


def copied(run, folder, path, *, directory="."):
    """Return a copy of a run that says that its table is at `path`."""
    out = folder / "theirs"
    shutil.copytree(run.directory, out)
    text = (out / "experiment.toml").read_text()
    (out / "experiment.toml").write_text(text.replace('"table.csv"', json.dumps(str(path))))
    record = json.loads((out / "record.json").read_text())
    record["data"]["directory"] = str(directory)
    (out / "record.json").write_text(json.dumps(record))
    return out


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Return the current directory, an empty one beside the data."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


@pytest.mark.parametrize("command", COMMANDS)
def test_data_outside_is_read_only_on_trust_or_by_name(run, elsewhere, tmp_path, command):
    match = rf"{NOT_READ}\. A run from .* so nothing was read\. .* add --trust; or name .*: --data-dir DIR\.$"
    with pytest.raises(nnfw.DataError, match=match):
        COMMANDS[command](run.directory, trust=False)
    assert not list(elsewhere.iterdir())
    COMMANDS[command](run.directory, trust=True)
    COMMANDS[command](run.directory, trust=False, data_directory=tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_data_below_the_current_folder_needs_no_trust(run, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    COMMANDS[command](run.directory, trust=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_data_in_the_folder_of_the_run_needs_no_trust(run, elsewhere, tmp_path, command):
    theirs = copied(run, tmp_path, "table.csv", directory=tmp_path / "theirs")
    shutil.move(tmp_path / "table.csv", theirs)
    if command == "reproduce":  # in a directory of its own
        reproduce(theirs, Access(registry, trust=False), elsewhere / "again")
    else:
        COMMANDS[command](theirs, trust=False)


@pytest.mark.parametrize("how", ["absolute", "climbing", "directory"])
def test_data_outside_is_found_however_it_is_named(run, elsewhere, tmp_path, how):
    paths = {
        "absolute": (tmp_path / "table.csv", "."),
        "climbing": ("../table.csv", "."),
        "directory": ("table.csv", ".."),
    }
    path, directory = paths[how]
    with pytest.raises(nnfw.DataError, match=NOT_READ):
        report(copied(run, tmp_path, path, directory=directory), Access(registry, trust=False))


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
@pytest.mark.parametrize("place", ["run", "current"])
def test_link_leads_where_it_leads(run, elsewhere, tmp_path, place):
    folder = tmp_path / "theirs" if place == "run" else elsewhere
    theirs = copied(run, tmp_path, "mine.csv", directory=folder)
    (folder / "mine.csv").symlink_to(tmp_path / "table.csv")
    with pytest.raises(nnfw.DataError, match=r"current one: .*mine.csv, which leads to .*table.csv\. A run"):
        report(theirs, Access(registry, trust=False))


def test_file_in_a_list_of_options_is_found(run, elsewhere, tmp_path):
    theirs = copied(run, tmp_path, "none.csv")
    text = (theirs / "experiment.toml").read_text().replace("categorical = []", 'categorical = ["../table.csv"]')
    (theirs / "experiment.toml").write_text(text)
    with pytest.raises(nnfw.DataError, match=NOT_READ):
        report(theirs, Access(registry, trust=False))


@pytest.mark.parametrize("path", ["none.csv", "x" * 300, "a/" * 3000], ids=["none", "long", "deep"])
def test_data_that_is_not_there_needs_no_trust_for_a_page_that_says_so(run, elsewhere, tmp_path, path):
    assert "Not shown: " in report(copied(run, tmp_path, path), Access(registry, trust=False))


def test_dataset_without_files_needs_no_trust(elsewhere, experiment, tmp_path):
    source = ["data.source={ type = 'moons' }", "data.transforms=[]", "data.split.stratify=false"]
    out = train(read_experiment(str(experiment), registry, source), registry, tmp_path / "moons").directory
    assert evaluate_run(out, Access(registry, trust=False))[1]


def test_model_of_a_checkpoint_reads_the_data_only_on_trust(run, elsewhere):
    (run.directory / "model.nnfw").unlink()
    with pytest.raises(nnfw.DataError, match=NOT_READ):
        open_model(run.directory, Access(registry, trust=False))


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("folder", "end"), [(".", "run"), ("elsewhere", "run --trust")], ids=["here", "elsewhere"])
def test_advice_says_trust_where_it_will_be_asked_for(experiment, elsewhere, tmp_path, monkeypatch, folder, end):
    @dataclass(frozen=True)
    class Interrupt(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.chdir(tmp_path / folder)
    with pytest.raises(nnfw.TrainingInterrupted, match=rf"Continue with: nnfw resume [^ ]*{end}$"):
        train(read_experiment(str(experiment), registry), registry, tmp_path / "run", [Interrupt()])
