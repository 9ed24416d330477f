"""Cross-validation of experiments: what each fold learns from, and what is written."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.errors import ConfigError
from nnfw.experiments import prepare, read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import Access, cross_validate, open_run, train, write_cross_validation

registry = default_registry()

TABLE = """
seed = 3
data = {{ source = {{ type = "csv", path = "table.csv", target = "{target}" }}, transforms = ["standardize"{more}] }}
model = {{ layers = [{{ type = "dense", units = {units}, activation = "{activation}" }}] }}
cost = {{ type = "{cost}" }}
optimizer = {{ type = "adam", learning_rate = 0.1 }}
training = {{ epochs = 3, batch_size = 16, metrics = ["{metric}"] }}
"""
CLASSES = {"target": "kind", "units": 2, "activation": "softmax", "cost": "cross_entropy", "metric": "accuracy"}
NUMBERS = {"target": "y", "units": 1, "activation": "identity", "cost": "mse", "metric": "rmse"}


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch, rng):
    """Write a table of 60 rows with words, numbers and groups into the current directory."""
    monkeypatch.chdir(tmp_path)
    write(rng.standard_normal((60, 2)))


def write(x):
    lines = [f"{a!r},{b!r},{'high' if a > b else 'low'},{a + b!r},{i // 5}" for i, (a, b) in enumerate(x.tolist())]
    Path("table.csv").write_text("a,b,kind,y,group\n" + "\n".join(lines) + "\n")


def experiment(*changes, **options):
    options = {**(CLASSES if "target" not in options else NUMBERS), **options}
    others = ', {type = "one_hot"}'
    Path("table.toml").write_text(TABLE.format(**options, more=others))
    return read_experiment("table.toml", registry, changes)


def quietly(file, count=3, callbacks=()):
    return cross_validate(file, registry, count, callbacks, tell=lambda _: None)


GROUPED = 'data.split.group="group"'


@pytest.mark.parametrize(
    ("changes", "options", "kind", "tested"),
    [
        ([GROUPED], {}, "grouped", [20, 20, 20]),
        ([], {}, "stratified", [20, 20, 20]),
        ([], {"target": "y"}, "random", [20, 20, 20]),
        (["data.split.in_order=true"], {}, "in order", [15, 15, 15]),
        (['data.source.group="group"'], {}, "grouped", [20, 20, 20]),
        (['data.source.time="y"'], {}, "in time", [15, 15, 15]),
    ],
    ids=["grouped", "stratified", "random", "in order", "group", "time"],
)
def test_folds_follow_the_split_of_the_experiment(changes, options, kind, tested):
    found = quietly(experiment(*changes, **options))
    assert found.kind == kind
    assert [fold.examples["test"] for fold in found.folds] == tested
    for fold in found.folds:
        known = fold.examples["training"] + fold.examples["validation"]
        assert fold.examples["validation"] == pytest.approx(known * 0.15 / 0.85, abs=2.5)


def test_mean_and_spread_are_those_of_the_test_parts():
    found = quietly(experiment())
    values = [fold.results["test"]["accuracy"] for fold in found.folds]
    assert found.mean["accuracy"] == pytest.approx(np.mean(values))
    assert found.spread["accuracy"] == pytest.approx(np.std(values, ddof=1))
    assert found.mean.keys() == {"cost", "accuracy"}


def test_baseline_is_that_of_the_training_part_of_each_fold():
    found = quietly(experiment(target="y"))
    for fold in found.folds:
        assert fold.baseline["rmse"] == pytest.approx(np.sqrt(2 * fold.baseline["cost"]))  # C has the factor ½
    assert found.baseline["rmse"] == pytest.approx(np.mean([fold.baseline["rmse"] for fold in found.folds]))
    assert len({fold.baseline["rmse"] for fold in found.folds}) == 3


def test_matrices_have_no_mean():
    found = quietly(experiment(metric="confusion_matrix"))
    assert found.mean.keys() == {"cost"}
    assert np.shape(found.folds[0].results["test"]["confusion_matrix"]) == (2, 2)


def test_seeds_are_derived_and_differ():
    first, again, other = (quietly(file) for file in (experiment(), experiment(), experiment("seed=4")))
    seeds = [[fold.seed for fold in found.folds] for found in (first, again, other)]
    assert seeds[0] == seeds[1]
    assert first.mean == again.mean
    assert len({*seeds[0], *seeds[2]}) == 6


def test_each_network_has_the_seed_of_its_fold(monkeypatch):
    seeds = []

    def noting(file, *arguments, **named):
        seeds.append(file.experiment.seed)
        return prepare(file, *arguments, **named)

    monkeypatch.setattr("nnfw.runs.cross_validation.prepare", noting)
    found = quietly(experiment())
    assert seeds == [fold.seed for fold in found.folds]


def test_what_a_fold_is_tested_on_changes_nothing_that_it_learns(rng):
    x = rng.standard_normal((60, 2))
    write(x)
    before = quietly(experiment(target="y"))
    x[7] *= 1e4  # moves the mean and the spread of every column that it is in
    write(x)
    after = quietly(experiment(target="y"))
    alike = [a.results["training"] == b.results["training"] for a, b in zip(before.folds, after.folds, strict=True)]
    cost = [fold.results["test"]["cost"] for fold in after.folds]
    assert alike[int(np.argmax(cost))]
    assert sum(alike) == 1


def test_each_fold_is_told_with_its_figures():
    told = []
    cross_validate(experiment(), registry, 2, tell=told.append)
    assert [text.partition(":")[0] for text in told] == ["Fold 1 of 2", "Fold 2 of 2"]
    assert all(re.search(r": cost [\d.]+, accuracy [\d.]+$", text) for text in told)


def test_files_of_callbacks_do_not_stay(tmp_path):
    before = {path.name for path in tmp_path.iterdir()} | {"table.toml"}
    quietly(experiment('training.callbacks=["csv_log"]'), 2)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_results_are_written_into_the_run_or_beside_the_file(tmp_path):
    file = experiment()
    run = train(file, registry, tmp_path / "run").directory
    found = quietly(open_run(run, Access(registry)), 2)
    for path, place in (
        (run, run / "cross-validation.json"),
        (tmp_path / "table.toml", tmp_path / "table.cross-validation.json"),
    ):
        assert write_cross_validation(found, path) == place
        table = json.loads(place.read_text())
        assert table["mean"] == found.mean
        assert [fold["seed"] for fold in table["folds"]] == [fold.seed for fold in found.folds]
        assert table["folds"][0]["results"]["test"] == found.folds[0].results["test"]


class Chunks(nnfw.Source):
    schema = np.dtype([("a", "f8"), ("b", "f8"), ("y", "i8")])
    chunks = (25, 20, 15)
    target = "y"

    def read(self, chunk):
        return {name: np.zeros(self.chunks[chunk], dtype) for name, (dtype, _) in self.schema.fields.items()}


@dataclass(frozen=True)
class Chunked(nnfw.Dataset):
    def load(self, directory):
        raise AssertionError("nothing is loaded")

    def open(self, directory):
        return Chunks()


def chunked(*changes):
    file = experiment(*changes)
    section = replace(file.experiment.data, source=Chunked(), transforms=file.experiment.data.transforms[:1])
    return replace(file, experiment=replace(file.experiment, data=section))


def test_groups_of_data_read_in_chunks_are_refused_by_the_line():
    with pytest.raises(
        nnfw.ConfigError, match=r"data\.split\.group needs all examples in memory, but the data is read"
    ):
        quietly(chunked('data.split.group="a"'))


def test_cross_validate_groups_of_an_unknown_column_is_an_error():
    with pytest.raises(ConfigError, match=r"data\.split\.group: there is no column 'grup'\. Did you mean 'group'\?"):
        quietly(experiment('data.split.group="grup"'))
