"""Lists of runs: what is found, what conditions keep, and in which order."""

import json

import pytest

import nnfw
from nnfw.runs.listing import condition_keys, list_runs
from nnfw.runs.reading import shown_figures


@pytest.fixture
def folder(tmp_path):
    """Return a folder with runs of every sort: `low` and `high` are finished, one is interrupted, one is broken."""
    add(tmp_path / "low", 2, "finished", {"test": {"cost": 0.5, "accuracy": 0.9}}, rate=0.01)
    add(tmp_path / "high", 1, "finished", {"test": {"cost": 0.25, "accuracy": 0.99}}, rate=0.1)
    add(tmp_path / "cut", 3, "interrupted", None, rate=0.1)
    (tmp_path / "cut" / "metrics.jsonl").write_text('{"epoch": 1, "cost": 7.0, "validation_cost": 8.0}\n{"epoch"')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "metrics.jsonl").touch()
    (tmp_path / "others").mkdir()
    (tmp_path / "a file").touch()
    return tmp_path


def add(path, hour, status, results, rate):
    path.mkdir()
    times = {"started": f"2026-01-01T0{hour}:00:00+00:00", "ended": f"2026-01-01T0{hour}:00:3{hour}+00:00"}
    record = {"format": 1, "name": "n", "status": status, "results": results, "epochs": results and 5, **times}
    (path / "record.json").write_text(json.dumps(record))
    (path / "experiment.toml").write_text(f"optimizer = {{ learning_rate = {rate} }}\ntraining.shuffle = true\n")


def names(runs):
    return [run.path.name for run in runs]


def test_runs_of_a_folder_are_listed_by_their_start_and_broken_ones_with_their_reason(folder):
    runs = list_runs(folder)
    assert names(runs) == ["broken", "high", "low", "cut"]
    assert [run.values["status"] for run in runs] == ["broken", "finished", "finished", "interrupted"]
    assert "record.json: No such file" in runs[0].values["reason"]
    assert runs[2].values["seconds"] == 32
    assert runs[3].values["epochs"] == 1
    assert runs[3].figures == {"training cost": 7.0, "validation cost": 8.0}


def test_directory_of_a_run_lists_itself(folder):
    assert names(list_runs(folder / "low")) == ["low"]


def test_folder_that_is_none_is_refused(folder):
    with pytest.raises(nnfw.DataError, match="a file is not a folder. Name one that holds runs"):
        list_runs(folder / "a file")


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        (["status=finished"], ["high", "low"]),
        (["status == finished"], ["high", "low"]),
        (["status!=finished"], ["broken", "cut"]),
        (["test accuracy>0.97"], ["high"]),
        (["test accuracy>=0.9", "test cost<0.5"], ["high"]),
        (["optimizer.learning_rate<=0.01"], ["low"]),
        (["optimizer.learning_rate=1e-1"], ["high", "cut"]),
        (["training.shuffle=true"], ["high", "low", "cut"]),
        (["seconds<32"], ["high"]),
        (["started<2026-01-02", "started>2025"], ["high", "low", "cut"]),
        (["run=low"], ["low"]),
        (["epochs=6"], []),
        (["reason>z"], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_conditions_keep_the_runs_that_fulfil_all_of_them(folder, conditions, kept):
    assert names(list_runs(folder, conditions)) == kept


@pytest.mark.parametrize("text", ["status", "=finished", ""], ids=repr)
def test_condition_that_compares_nothing_is_refused(folder, text):
    with pytest.raises(nnfw.ConfigError, match="has no comparison. Write KEY=VALUE, KEY>VALUE, or one of != < <= >="):
        list_runs(folder, [text])


@pytest.mark.parametrize(
    ("where", "sort", "key"),
    [(["test acuracy>0.9"], "started", "test acuracy"), ([], "test acuracy", "test acuracy")],
    ids=["where", "sort"],
)
def test_key_that_no_run_has_is_refused_with_the_nearest(folder, where, sort, key):
    with pytest.raises(nnfw.ConfigError, match=f"No run has a value for '{key}'. Did you mean 'test accuracy'"):
        list_runs(folder, where, sort)


def test_runs_are_sorted_by_any_key_and_those_without_it_come_first(folder):
    assert names(list_runs(folder, sort="test accuracy")) == ["broken", "cut", "low", "high"]
    assert names(list_runs(folder, sort="test accuracy", reverse=True)) == ["high", "low", "cut", "broken"]
    assert names(list_runs(folder, sort="run")) == ["broken", "cut", "high", "low"]


def test_figures_that_are_shown_are_those_furthest_from_training(folder):
    def shown(*where):
        return shown_figures(name for run in list_runs(folder, where) for name in run.figures)

    assert shown() == ["test cost", "test accuracy"]
    assert shown("status=interrupted") == ["validation cost"]
    assert shown_figures([]) == []


def test_keys_of_conditions_keep_their_spaces():
    assert condition_keys(["test accuracy >= 0.5"]) == ["test accuracy"]


def test_reason_of_a_broken_run_does_not_repeat_its_path(folder):
    (folder / "low" / "metrics.jsonl").write_text("{\n{\n")
    record = json.loads((folder / "low" / "record.json").read_text())
    (folder / "low" / "record.json").write_text(json.dumps({**record, "epochs": None, "results": None}))
    reasons = {run.values["run"]: run.values["reason"] for run in list_runs(folder) if run.values["status"] == "broken"}
    assert reasons["broken"] == "record.json: No such file or directory."
    assert reasons["low"].startswith("metrics.jsonl:1: is not JSON: ")
