"""Training again from a record: what counts as the same, and what is said where it is not."""

import json
import shutil

import pytest

import nnfw
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import Access, reproduce, train
from nnfw.toml import read, write

registry = default_registry()


def change_experiment(directory, section, **values):
    table = read(directory / "experiment.toml").table
    table[section].update(values)
    (directory / "experiment.toml").write_text(write(table))


def change_metrics(directory, change):
    path = directory / "metrics.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(change(record)) + "\n" for record in records))


def test_reproduction_of_a_run_is_bit_equal_and_leaves_nothing(run):
    before = sorted(run.directory.parent.iterdir())
    found = reproduce(run.directory, Access(registry))
    assert (found.verdict, found.directory, found.outcome) == ("bit-equal", None, "")
    assert set(found.largest.values()) == {0.0}
    assert found.largest["parameters"] == 0.0
    assert found.changed == {}
    assert sorted(run.directory.parent.iterdir()) == before


def test_reproduction_stays_where_out_says(run, tmp_path):
    found = reproduce(run.directory, Access(registry), tmp_path / "again")
    assert (found.verdict, found.directory) == ("bit-equal", tmp_path / "again")
    assert (tmp_path / "again" / "model.nnfw").exists()


def test_reproduction_beside_a_kept_one_takes_another_name(run):
    change_experiment(run.directory, "optimizer", learning_rate=0.01)
    first, second = (reproduce(run.directory, Access(registry)).directory for _ in range(2))
    assert (first.name, second.name) == ("run-reproduced", "run-reproduced-2")


def test_other_digits_of_the_costs_are_within_rounding(run):
    change_metrics(run.directory, lambda record: {**record, "cost": record["cost"] * (1 + 1e-5)})
    found = reproduce(run.directory, Access(registry))
    assert found.verdict == "within rounding"
    assert found.tolerance == pytest.approx(2 ** (-23 / 2))
    assert found.largest["cost"] == pytest.approx(1e-5, rel=1e-3)
    assert found.directory.exists()


def test_sign_of_a_zero_is_a_bit(experiment, tmp_path):
    without_weight = read_experiment(str(experiment), registry, ["training.regularizer={type='l2',rate=0.0}"])
    run = train(without_weight, registry, tmp_path / "run").directory
    assert reproduce(run, Access(registry)).verdict == "bit-equal"
    change_metrics(run, lambda record: {**record, "penalty": -record["penalty"]})
    found = reproduce(run, Access(registry))
    assert (found.verdict, found.largest["penalty"]) == ("within rounding", 0.0)


def test_costs_further_away_than_rounding_are_different(run):
    change_metrics(run.directory, lambda record: {**record, "validation_cost": record["validation_cost"] * 1.001})
    assert reproduce(run.directory, Access(registry)).verdict == "different"


def test_metric_that_counts_is_told_but_not_judged(run):
    change_metrics(run.directory, lambda record: {**record, "accuracy": record["accuracy"] * 0.9})
    found = reproduce(run.directory, Access(registry))
    assert found.verdict == "within rounding"
    assert found.largest["accuracy"] > 0.05


@pytest.mark.parametrize(
    "change",
    [
        lambda record: {**record, "cost": None},
        lambda record: {name: value for name, value in record.items() if name != "cost"},
        lambda record: {**record, "cost": [1.0]},
        lambda record: {**record, "cost": [[1.0, 2.0], [3.0]]},
    ],
    ids=["not-finite", "missing", "matrix", "ragged"],
)
def test_cost_that_one_side_lacks_is_different(run, change):
    change_metrics(run.directory, change)
    found = reproduce(run.directory, Access(registry))
    assert (found.verdict, found.largest["cost"]) == ("different", float("inf"))


def test_epochs_more_or_fewer_are_different(run):
    change_experiment(run.directory, "training", epochs=11)
    found = reproduce(run.directory, Access(registry))
    assert found.verdict == "different"
    assert found.outcome == "It was finished after 12 epochs.\nNow it is finished after 11 epochs."


def test_other_parameters_alone_are_different(run, experiment, tmp_path):
    other = read_experiment(str(experiment), registry, ["seed=6"])
    train(other, registry, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.nnfw", run.directory / "model.nnfw")
    found = reproduce(run.directory, Access(registry))
    assert found.verdict == "different"
    assert found.largest["cost"] == 0.0
    assert found.largest["parameters"] > 0.1


def test_changed_data_is_named(run, experiment):
    table = experiment.parent / "table.csv"
    table.write_text(table.read_text() + "0.5,red,big,3.0\n")
    found = reproduce(run.directory, Access(registry))
    assert found.verdict == "different"
    assert set(found.changed["data"]) >= {"sha256"}


def test_moved_data_is_asked_for_and_found_by_its_folder(run, experiment, tmp_path):
    (tmp_path / "moved").mkdir()
    shutil.move(experiment.parent / "table.csv", tmp_path / "moved")
    with pytest.raises(nnfw.DataError, match=r"table\.csv.* nnfw looked in .*name its folder: --data-dir"):
        reproduce(run.directory, Access(registry))
    assert not run.directory.with_name("run-reproduced").exists()
    assert reproduce(run.directory, Access(registry, data_directory=tmp_path / "moved")).verdict == "bit-equal"


def test_moved_data_is_found_by_its_folder_where_the_run_has_no_model(run, experiment, tmp_path):
    (tmp_path / "moved").mkdir()
    shutil.move(experiment.parent / "table.csv", tmp_path / "moved")
    (run.directory / "model.nnfw").unlink()
    with pytest.warns(RuntimeWarning, match="holds no model: its newest checkpoint is used"):
        found = reproduce(run.directory, Access(registry, data_directory=tmp_path / "moved", trust=False))
    assert found.verdict == "bit-equal"


def test_run_that_did_not_end_is_refused(run):
    record = json.loads((run.directory / "record.json").read_text()) | {"status": "interrupted"}
    (run.directory / "record.json").write_text(json.dumps(record))
    with pytest.raises(nnfw.ConfigError, match="run is interrupted: it has no final results to compare with"):
        reproduce(run.directory, Access(registry))


def test_run_of_a_plugin_that_is_missing_is_refused_with_its_version(run):
    record = json.loads((run.directory / "record.json").read_text())
    record["plugins"].append({"distribution": "nnfw-gone", "version": "0.3", "status": "active"})
    (run.directory / "record.json").write_text(json.dumps(record))
    change_experiment(run.directory, "cost", type="nnfw-gone:loss")
    with pytest.raises(nnfw.ConfigError, match=r"nnfw-gone 0\.3 was active when it ran, and is not now: pip install"):
        reproduce(run.directory, Access(registry))


def missing_plugins(run, *plugins):
    """Return what is said of a run whose record has further plugins, after the mistake in its experiment."""
    record = json.loads((run.directory / "record.json").read_text())
    record["plugins"] += [dict(zip(("distribution", "version", "status"), plugin, strict=False)) for plugin in plugins]
    (run.directory / "record.json").write_text(json.dumps(record))
    change_experiment(run.directory, "cost", type="nnfw-gone:loss")
    with pytest.raises(nnfw.ConfigError) as caught:
        reproduce(run.directory, Access(registry))
    first, *others = str(caught.value).splitlines()
    assert "Unknown cost 'nnfw-gone:loss'" in first
    return others


def test_run_of_missing_plugins_names_all_that_were_active_and_no_other(run):
    plugins = [
        ("nnfw-gone", "0.3", "active"),
        ("nnfw-unused", "0.4", "disabled"),
        ("nnfw-broken", "0.5", "quarantined"),
        ("nnfw-too", "", "active"),
        ("nnfw-stateless", "0.6"),
    ]
    text = "nnfw-gone 0.3, nnfw-too was active when it ran, and is not now: pip install nnfw-gone nnfw-too"
    assert missing_plugins(run, *plugins) == [f"{run.directory}: {text}"]


@pytest.mark.parametrize(
    "plugin",
    [("x; rm -rf ~", "1", "active"), ("x", "1; rm -rf ~", "active"), ("--index-url=evil", "1", "active")],
    ids=["name", "version", "option"],
)
def test_run_whose_record_names_no_distribution_gives_no_command_for_it(run, plugin):
    good = ("nnfw-gone", "0.3", "active")
    text = "nnfw-gone 0.3 was active when it ran, and is not now: pip install nnfw-gone"
    assert missing_plugins(run, plugin, good) == [f"{run.directory}: {text}"]


def test_run_whose_record_names_nothing_but_commands_gives_none(run):
    assert missing_plugins(run, ("x; rm -rf ~", "1", "active")) == []


def test_damaged_metrics_are_told_before_the_training(run, monkeypatch):
    monkeypatch.setattr("nnfw.runs.reproduction.train", None)
    (run.directory / "metrics.jsonl").write_text("[1]\n")
    with pytest.raises(nnfw.FileFormatError, match=r"metrics\.jsonl:1: expected a table"):
        reproduce(run.directory, Access(registry))


def test_run_that_diverged_diverges_again(experiment, tmp_path):
    wild = read_experiment(str(experiment), registry, ["optimizer.learning_rate=1e38"])
    with pytest.raises(nnfw.DivergedError):
        train(wild, registry, tmp_path / "wild")
    found = reproduce(tmp_path / "wild", Access(registry))
    assert (found.verdict, found.outcome) == ("bit-equal", "")
    assert "parameters" not in found.largest


def test_run_that_finished_and_now_diverges_is_different(run):
    change_experiment(run.directory, "optimizer", learning_rate=1e38)
    found = reproduce(run.directory, Access(registry))
    assert found.verdict == "different"
    assert "Now it is diverged after 0 epochs. Training diverged in epoch 1" in found.outcome
