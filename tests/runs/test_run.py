"""Runs: from an experiment file to a directory, and back from it."""

import json
import shutil
import tomllib
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.experiments import check_experiment, prepare, read_experiment, table_of
from nnfw.plugins import default_registry
from nnfw.runs import Access, evaluate_on, evaluate_run, open_model, predict, train
from nnfw.runs.layout import new_directory
from nnfw.toml import parse, write
from nnfw_standard import EarlyStopping

registry = default_registry()


def test_run_directory_holds_experiment_metrics_model_and_record(run):
    assert sorted(path.name for path in run.directory.iterdir()) == [
        "checkpoints",
        "experiment.toml",
        "layers.jsonl",
        "metrics.jsonl",
        "model.nnfw",
        "record.json",
    ]


def test_metrics_file_holds_one_record_per_epoch(run):
    lines = (run.directory / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["epoch"] for record in records] == list(range(1, 13))
    assert {"cost", "accuracy", "validation_cost", "validation_accuracy"} <= set(records[0])


def test_record_tells_versions_plugins_seed_data_and_outcome(run):
    record = json.loads((run.directory / "record.json").read_text())
    assert record["status"] == "finished"
    assert record["seed"] == 5
    assert record["data"]["examples"] == {"training": 36, "validation": 12, "test": 12}
    assert len(record["data"]["sha256"]) == 64
    assert {"distribution": "nnfw", "version": nnfw_version(), "status": "active"} in record["plugins"]
    assert record["results"]["test"] == run.results["test"]
    assert record["environment"]


def test_callback_of_a_run_sees_the_experiment_as_its_file_has_it(experiment, tmp_path):
    tables = []

    @dataclass(frozen=True)
    class Looks(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            tables.append(fit.experiment)

    file = read_experiment(str(experiment), registry, ["training.epochs=1", "training.batch_size=16"])
    run = train(file, registry, tmp_path / "run", [Looks()])
    written = tomllib.loads((run.directory / "experiment.toml").read_text())
    assert tables == [written]
    assert written["training"]["batch_size"] == 16


def nnfw_version():
    from importlib.metadata import version

    return version("nnfw")


def test_resolved_experiment_is_the_same_experiment(run, experiment):
    text = (run.directory / "experiment.toml").read_text()
    resolved = check_experiment(parse(text, "experiment.toml"), registry)
    given = read_experiment(str(experiment), registry).experiment
    assert resolved == replace(given, data=replace(given.data, target_transforms=()))  # none was picked
    assert tomllib.loads(text)["training"]["shuffle"] is True  # a default, written out


def test_same_experiment_twice_gives_equal_files(run, experiment, tmp_path):
    train(read_experiment(str(experiment), registry), registry, tmp_path / "again")
    for name in ("metrics.jsonl", "layers.jsonl", "model.nnfw", "experiment.toml"):
        assert (run.directory / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_evaluation_of_a_run_gives_the_figures_of_its_end(run):
    results, same = evaluate_run(run.directory, Access(registry))
    assert results == run.results
    assert same


def test_evaluation_tells_that_the_data_has_changed(run, experiment):
    table = experiment.parent / "table.csv"
    table.write_text(table.read_text() + "0.5,red,big,3.0\n")
    assert evaluate_run(run.directory, Access(registry))[1] is False


def test_evaluation_uses_the_preprocessing_of_the_model_not_one_fitted_anew(run, experiment):
    table = experiment.parent / "table.csv"
    header, *rows = table.read_text().splitlines()
    kept = [row for row in rows if ",blue," not in row]
    table.write_text("\n".join([header, *kept]) + "\n")
    results, same = evaluate_run(run.directory, Access(registry))
    assert not same
    whole = evaluate_on(run.directory, str(table), Access(registry))["cost"]
    assert 0.2 * whole < results["training"]["cost"] < 5 * whole


@pytest.mark.parametrize("name", ["../../up", "/root", "a/b", "line\nbreak", "..", "x" * 300, "中" * 100], ids=repr)
def test_name_of_an_experiment_stays_inside_the_folder_of_runs(name):
    directory = new_directory(name)
    assert directory.parent == Path("runs")
    assert len(directory.name.encode()) < 130


def test_two_runs_of_one_second_have_directories_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = new_directory("twin")
    first.mkdir(parents=True)
    second = new_directory("twin")
    assert second != first
    assert not second.exists()


def test_run_that_was_started_in_the_same_second_gets_another_directory(experiment, tmp_path, monkeypatch):
    def slow(file, registry, **options):
        others.append(new_directory(file.experiment.name))
        others[-1].mkdir(parents=True)
        return prepare(file, registry, **options)

    others = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nnfw.runs.run.prepare", slow)
    monkeypatch.setattr("nnfw.runs.layout.datetime", Stopped)
    run = train(read_experiment(str(experiment), registry), registry)
    assert run.directory == others[0].with_name(f"{others[0].name}-2")
    assert (run.directory / "model.nnfw").exists()
    assert list(others[0].iterdir()) == []


class Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 1, tzinfo=tz)


def test_directory_that_another_run_fills_meanwhile_is_refused(experiment, tmp_path, monkeypatch):
    def slow(file, registry, **options):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "record.json").touch()
        return prepare(file, registry, **options)

    monkeypatch.setattr("nnfw.runs.run.prepare", slow)
    with pytest.raises(nnfw.DataError, match="run already holds a run. Resume it: nnfw resume"):
        train(read_experiment(str(experiment), registry), registry, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["record.json"]


def test_transforms_are_fitted_on_the_training_part_only(experiment):
    prepared = prepare(read_experiment(str(experiment), registry), registry)
    (x,) = prepared.parts["training"].part(0, 1000, np.dtype("float64")).inputs
    assert x.shape == (36, 5)
    standardized = x[:, [0, 4]]
    np.testing.assert_allclose(standardized.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(standardized.std(axis=0), 1, atol=1e-6)
    (everything,) = prepared.parts["training"].subset(np.arange(60)).part(0, 60, np.dtype("float64")).inputs
    assert np.abs(everything[:, [0, 4]].mean(axis=0)).max() > 1e-3


def test_prediction_takes_raw_columns_in_any_order_and_gives_labels_and_probabilities(run, tmp_path):
    (tmp_path / "new.csv").write_text("colour,height,width\nred,0.0,2.5\nblue,10.0,-2.5\n")
    predictions = predict(open_model(run.directory, Access(registry)), str(tmp_path / "new.csv"))
    assert predictions.header == ("label", "probability_big", "probability_small")
    records = predictions.tables()
    assert [record["label"] for record in records] == ["big", "small"]
    assert records[0]["probability_big"] + records[0]["probability_small"] == pytest.approx(1)
    assert [row[0] for row in predictions.rows()] == ["big", "small"]


def test_prediction_takes_another_delimiter(run, tmp_path):
    (tmp_path / "new.csv").write_text("colour;height;width\nred;0.0;2.5\n")
    predictions = predict(open_model(run.directory, Access(registry)), str(tmp_path / "new.csv"), ";")
    assert predictions.columns[0].tolist() == ["big"]


def test_prediction_takes_an_unknown_category_unless_it_is_to_be_an_error(experiment, run, tmp_path):
    (tmp_path / "new.csv").write_text("colour,height,width\nviolet,0.0,2.5\n")
    assert len(predict(open_model(run.directory, Access(registry)), str(tmp_path / "new.csv")).tables()) == 1
    change = 'data.transforms=[{type="one_hot",unknown="error"},"standardize"]'
    strict = train(read_experiment(str(experiment), registry, [change]), registry, tmp_path / "strict")
    with pytest.raises(nnfw.DataError, match="'colour'.*'violet'"):
        predict(open_model(strict.directory, Access(registry)), str(tmp_path / "new.csv"))


def test_prediction_without_a_needed_column_names_it(run, tmp_path):
    (tmp_path / "new.csv").write_text("colour,width\nred,2.5\n")
    with pytest.raises(nnfw.DataError, match="'height'"):
        predict(open_model(run.directory, Access(registry)), str(tmp_path / "new.csv"))


def test_evaluation_on_other_data_uses_the_cost_and_metrics_of_the_run(run, experiment):
    figures = evaluate_on(run.directory, str(experiment.parent / "table.csv"), Access(registry))
    assert set(figures) == {"cost", "accuracy"}
    assert figures["accuracy"] > 0.8


def test_evaluation_of_a_lone_model_needs_a_cost(run, experiment, tmp_path):
    lone = tmp_path / "elsewhere" / "model.nnfw"
    lone.parent.mkdir()
    shutil.copy(run.directory / "model.nnfw", lone)
    table = str(experiment.parent / "table.csv")
    with pytest.raises(nnfw.ConfigError, match="does not belong to a run, so name the cost"):
        evaluate_on(lone, table, Access(registry))
    figures = evaluate_on(lone, table, Access(registry), cost="cross_entropy", metrics=["accuracy", "f1"])
    assert figures["accuracy"] == evaluate_on(run.directory, table, Access(registry))["accuracy"]


def test_regression_predictions_come_back_in_the_unit_of_the_target(experiment, tmp_path):
    overrides = [
        "data.source.target=height",
        "data.split.stratify=false",
        'data.target_transforms=["standardize"]',
        "model.layers[1].units=1",
        "model.layers[1].activation=identity",
        'cost.type="mse"',
        "training.metrics=[]",
    ]
    run = train(read_experiment(str(experiment), registry, overrides), registry, tmp_path / "run")
    predictions = predict(open_model(run.directory, Access(registry)), str(experiment.parent / "table.csv"))
    assert predictions.header == ("height",)
    assert 20 < np.std(predictions.columns[0]) < 200


def test_table_of_an_experiment_builds_it_again(experiment):
    found = read_experiment(str(experiment), registry).experiment
    assert check_experiment(parse(write(table_of(found, registry)), "again"), registry) == found


# --- bad input -------------------------------------------------------------------------------------------------------


def test_all_mistakes_of_a_file_are_told_at_once_each_with_its_line(experiment):
    text = experiment.read_text()
    text = text.replace("learning_rate = 0.05", "learning_rate = -0.1").replace('"tanh"', '"tnh"')
    text = (
        text.replace("epochs = 12", "epoch = 12").replace("units = 2", "units = 2.5").replace("seed = 5", "seed = true")
    )
    experiment.write_text(text)
    with pytest.raises(nnfw.ConfigError) as caught:
        read_experiment(str(experiment), registry)
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert [int(line.split(":")[1]) for line in lines] == [2, 12, 16, 24, 27]
    for line, words in zip(
        (2, 12, 16, 24, 27),
        (
            "seed",
            "Did you mean 'tanh'",
            "units",
            "learning_rate must be greater than 0, got -0.1",
            "Did you mean 'epochs'",
        ),
        strict=True,
    ):
        assert any(f"small.toml:{line}: " in text and words in text for text in lines), (line, words, lines)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "training.batch_size=0",
            r"--set training.batch_size=0: training.batch_size must be greater than or equal to 1",
        ),
        ("data.split.validation=0.9", r"data.split leaves nothing to train on: .*0.9 \+ 0.2"),
        ("model.layers=[]", "model.layers must be a list of layers,? of length ≥ 1, got"),
        ("optimizer.learning_rate=nan", "must be a finite number, got nan"),
        ("optimizer.learning_rate=inf", "must be a finite number, got inf"),
        ("cost.type=cross_entropi", "Did you mean 'cross_entropy'"),
        ("dtype=float16", "dtype must be 'float32' or 'float64', got 'float16'"),
    ],
    ids=["batch", "split", "layers", "nan", "inf", "cost", "dtype"],
)
def test_wrong_values_are_refused_with_their_place(experiment, override, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        read_experiment(str(experiment), registry, [override])


def test_nothing_is_written_where_something_is_wrong(experiment, tmp_path):
    for override, error in [
        ("data.source.path=none.csv", nnfw.DataError),
        ("model.input_shape=[7]", nnfw.ShapeError),
        ("model.layers[1].units=3", nnfw.ShapeError),
        ('training.metrics=["mse"]', nnfw.ConfigError),
        ("cost.type=mse", nnfw.DataError),
        ('training.callbacks=[{type="early_stopping",monitor="f1"}]', nnfw.ConfigError),
        ('training.callbacks=["csv_log",{type="checkpoint_best",path="none/b.nnfw"}]', nnfw.DataError),
        ('training.callbacks=[{type="csv_log",path="../log.csv"}]', nnfw.ConfigError),
        ("data.source.target=knid", nnfw.DataError),
        ('data.transforms=["standardize"]', nnfw.DataError),
    ]:
        with pytest.raises(error):
            train(read_experiment(str(experiment), registry, [override]), registry, tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


def test_layers_that_do_not_fit_are_found_before_the_data_is_read(experiment):
    overrides = ["data.source.path=none.csv", "model.input_shape=[2]", 'model.layers[0]={ type = "lstm", units = 2 }']
    with pytest.raises(nnfw.ShapeError, match="Layer 0 'lstm'"):
        prepare(read_experiment(str(experiment), registry, overrides), registry)


def test_directory_that_holds_something_is_refused_before_training(experiment, run):
    file = read_experiment(str(experiment), registry)
    match = rf"run already holds a run. Resume it: nnfw resume {run.directory} --trust, or choose another with --out\."
    with pytest.raises(nnfw.DataError, match=match):
        train(file, registry, run.directory)
    (run.directory / "record.json").unlink()
    with pytest.raises(nnfw.DataError, match="run is not empty. Choose another directory with --out"):
        train(file, registry, run.directory)


def test_directory_below_a_file_is_refused_before_training(experiment, tmp_path):
    with pytest.raises(nnfw.DataError, match="small.toml is not a directory that you may write to"):
        train(read_experiment(str(experiment), registry), registry, experiment / "run")


def test_diverged_run_leaves_record_and_metrics_but_no_model(experiment, tmp_path):
    overrides = [
        "optimizer.type=sgd",
        "optimizer.learning_rate=1e30",
        "model.layers[0].activation=relu",
        "cost.type=mse",
        'data.target_transforms=["one_hot"]',
        "model.layers[1].activation=identity",
    ]
    with pytest.raises(nnfw.DivergedError, match="epoch 1, step"):
        train(read_experiment(str(experiment), registry, overrides), registry, tmp_path / "run")
    assert not (tmp_path / "run" / "model.nnfw").exists()
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["status"] == "diverged"
    assert "epoch 1" in record["reason"]


@pytest.mark.parametrize("content", [None, "{", '{"data": 3}'], ids=["missing", "torn", "other"])
def test_directory_without_a_readable_record_is_no_run(run, content):
    path = run.directory / "record.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(nnfw.FileFormatError, match="holds no run that can be read: record.json"):
        evaluate_run(run.directory, Access(registry))


def test_data_without_a_target_cannot_be_learned(experiment):
    from dataclasses import replace

    @dataclass(frozen=True)
    class Unlabelled(nnfw.Dataset):
        def load(self, directory):
            return nnfw.Examples({"x": np.zeros((4, 2))})

    file = read_experiment(str(experiment), registry)
    data = replace(file.experiment.data, source=Unlabelled())
    with pytest.raises(nnfw.DataError, match="The data has no target, so nothing can be learned from it"):
        prepare(replace(file, experiment=replace(file.experiment, data=data)), registry)


def test_directory_that_was_there_stays_where_a_callback_refuses_the_training(experiment, tmp_path):
    (tmp_path / "out").mkdir()
    file = read_experiment(str(experiment), registry, ['training.callbacks=[{type="early_stopping",monitor="f1"}]'])
    with pytest.raises(nnfw.ConfigError, match="^Callback 'early_stopping' .*: monitor must be a number"):
        train(file, registry, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "path", ["../best", "logs/../../best", "/tmp/best", "a\\u0000b"], ids=["up", "up-again", "absolute", "nul"]
)
@pytest.mark.parametrize("callback", ["csv_log", "checkpoint_best"])
def test_callback_that_would_write_elsewhere_is_refused(experiment, tmp_path, callback, path):
    change = f'training.callbacks=[{{type="{callback}",path="{path}"}}]'
    with pytest.raises(nnfw.ConfigError, match=f"^Callback '{callback}' .*: path must lie in the directory of the tr"):
        train(read_experiment(str(experiment), registry, [change]), registry, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_run_that_fails_while_it_trains_is_recorded(experiment, tmp_path):
    @dataclass(frozen=True)
    class Full(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        train(read_experiment(str(experiment), registry), registry, tmp_path / "out", [Full()])
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert (record["status"], record["reason"]) == ("failed", "OSError: disk full")


def test_further_callback_that_refuses_the_training_leaves_nothing(experiment, tmp_path):
    with pytest.raises(nnfw.ConfigError, match="monitor must be a number"):
        train(read_experiment(str(experiment), registry), registry, tmp_path / "out", [EarlyStopping("f1")])
    assert not (tmp_path / "out").exists()


def test_evaluation_of_a_model_file_needs_data(run):
    with pytest.raises(nnfw.ConfigError, match="model.nnfw is a model file: name the data with --data"):
        evaluate_run(run.directory / "model.nnfw", Access(registry))


def test_run_that_makes_the_network_worse_is_told_and_recorded(experiment, tmp_path):
    told = []
    changes = ["optimizer.type=sgd", "optimizer.learning_rate=1e6", "training.epochs=2"]
    run = train(read_experiment(str(experiment), registry, changes), registry, tmp_path / "run", tell=told.append)
    assert told == [run.warning]
    assert told[0].startswith("The cost of the first 36 examples rose from ")
    record = json.loads((run.directory / "record.json").read_text())
    assert (record["status"], record["exit"], record["warning"]) == ("finished", 0, run.warning)


def test_run_that_learns_has_no_warning_in_its_record(run):
    assert json.loads((run.directory / "record.json").read_text())["warning"] == ""
