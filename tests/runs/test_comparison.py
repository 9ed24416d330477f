"""What differs between runs."""

import json

import pytest

import nnfw
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import compare_runs, read_run, train
from nnfw.runs.comparison import input_differences

registry = default_registry()


@pytest.fixture
def changed(run):
    """Return a function that changes the record of a copy of the run, in place."""

    def change(**entries):
        path = run.directory / "record.json"
        record = json.loads(path.read_text())
        copy = run.directory.with_name("copy")
        copy.mkdir(exist_ok=True)
        for name in ("experiment.toml", "metrics.jsonl"):
            (copy / name).write_bytes((run.directory / name).read_bytes())
        for key, value in entries.items():
            *above, last = key.split("__")
            table = record
            for name in above:
                table = table[name]
            table[last] = value
        (copy / "record.json").write_text(json.dumps(record))
        return [read_run(run.directory), read_run(copy)]

    return change


def test_equal_runs_differ_in_nothing(changed):
    assert compare_runs(changed()) == {}


def test_runs_of_two_experiments_differ_in_what_was_changed_and_what_came_out(run, experiment, tmp_path):
    other = read_experiment(str(experiment), registry, ["training.epochs=3", "model.layers[0].units=4"])
    train(other, registry, tmp_path / "other")
    found = compare_runs([read_run(run.directory), read_run(tmp_path / "other")])
    assert found["experiment"] == {"model.layers[0].units": (6, 4), "training.epochs": (12, 3)}
    assert found["outcome"] == {"epochs": (12, 3)}
    first, second = (read_run(tmp_path / name) for name in ("run", "other"))
    assert found["figures"]["test cost"] == (first.figures["test cost"], second.figures["test cost"])
    assert found["best epoch"]["epoch"] == (first.best_epoch["epoch"], second.best_epoch["epoch"])
    assert not {"data", "versions", "machine"} & set(found)


def test_three_runs_have_three_values(changed):
    one, other = changed(seed=6, name="x", data__sha256="abc")
    found = compare_runs([one, other, one])
    assert list(found) == ["data"]
    assert found["data"]["sha256"][1:] == ("abc", one.record["data"]["sha256"])


@pytest.mark.parametrize(
    ("entries", "section", "key", "now"),
    [
        ({"distributions__numpy": "1.0"}, "versions", "numpy", "1.0"),
        ({"environment__python": "CPython 4"}, "versions", "python", "CPython 4"),
        (
            {"plugins": [{"distribution": "nnfw-x", "version": "2", "status": "active"}]},
            "versions",
            "plugin nnfw-x",
            "2 active",
        ),
        ({"environment__cpu__model": "other"}, "machine", "cpu.model", "other"),
        ({"environment__threads__variables": {"OMP_NUM_THREADS": "3"}}, "machine", "variables.OMP_NUM_THREADS", "3"),
        ({"accelerator": "numba"}, "machine", "accelerator", "numba"),
        ({"data__examples__test": 3}, "data", "test examples", 3),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_changed_input_is_named(changed, entries, section, key, now):
    assert input_differences(changed(**entries))[section][key][1] == now


def test_kernels_and_threads_of_a_library_are_told_apart_but_not_its_build(changed):
    first = {"user_api": "blas", "file": "libblas-1.so", "version": "1", "architecture": "Haswell", "num_threads": 2}
    loaded_later = {**first, "file": "libother-5.so"}
    now = {**first, "file": "libblas-2.so", "architecture": "SkylakeX"}
    runs = [*changed(environment__threads__libraries=[first, loaded_later])[1:]]
    runs += changed(environment__threads__libraries=[now])[1:]
    assert input_differences(runs) == {"machine": {"libblas kernels": ("Haswell", "SkylakeX")}}


def test_record_that_lacks_a_section_does_not_count_there(changed):
    runs = changed(distributions=None, plugins=None, environment=None, data={"sha256": None}, accelerator=None)
    assert input_differences(runs) == {}
    older = changed(distributions=None)
    assert input_differences(older) == {}  # what nnfw requires was recorded by both


def test_fewer_than_two_runs_are_refused(changed):
    with pytest.raises(nnfw.ConfigError, match="A comparison needs at least two runs"):
        compare_runs(changed()[:1])
