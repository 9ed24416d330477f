"""What a run records of its layers: ‖δ‖ and dead units over the epochs, and the verdicts at the end."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.errors import DivergedError
from nnfw.experiments import prepare, read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import Access, open_run, read_run, resume, train
from nnfw.runs.opening import prepare_run
from nnfw.runs.run import training_of
from nnfw.storage import Directory

registry = default_registry()
KEYS = ("delta", "outputs", "dead")
SIGMOIDS = (
    'model.layers=[{ type = "repeat", times = 20, layers = [{ type = "dense", units = 8, activation = "sigmoid" }] }, '
    '{ type = "dense", units = 2, activation = "softmax" }]'
)
LARGE = (
    'model.layers=[{ type = "repeat", times = 12, layers = [{ type = "dense", units = 32, activation = "relu", '
    'weight_initializer = { type = "normal", standard_deviation = 3.0 } }] }, { type = "dense", units = 1 }]'
)
DEAD = (
    'model.layers=[{ type = "dense", units = 8, activation = "relu", bias_initializer = { type = "constant", '
    'value = -100.0 } }, { type = "dense", units = 2, activation = "softmax" }]'
)


@pytest.fixture
def carried_out(experiment, tmp_path):
    """Return a function that trains the experiment with changes, and returns the run."""

    def carry_out(*overrides, callbacks=(), tell=None):
        file = read_experiment(str(experiment), registry, overrides)
        return train(file, registry, tmp_path / "run", callbacks, *([tell] if tell else []))

    return carry_out


def rows_of(directory):
    return [json.loads(line) for line in (directory / "layers.jsonl").read_text().splitlines()]


def test_layers_are_looked_at_before_the_training_after_some_epochs_and_at_the_end(carried_out):
    run = carried_out("training.epochs=5")
    rows = rows_of(run.directory)
    assert [row["epoch"] for row in rows] == [0, 1, 2, 4, 5]
    assert list(rows[0]) == ["epoch", *(f"layers.{layer}.{key}" for layer in (0, 1) for key in KEYS)]
    assert all(row["layers.0.outputs"] == row["layers.1.outputs"] == row["layers.1.delta"] > 0 for row in rows)
    assert rows[0]["layers.0.delta"] != rows[-1]["layers.0.delta"]
    assert run.verdicts == []


@pytest.mark.parametrize(("epochs", "last"), [(64, []), (100, [100])])
def test_layers_of_many_epochs_are_looked_at_ever_more_rarely(carried_out, epochs, last):
    run = carried_out(f"training.epochs={epochs}")
    assert [row["epoch"] for row in rows_of(run.directory)] == [0, 1, 2, 4, 8, 16, 32, 64, *last]


def test_first_and_last_look_are_those_of_the_untrained_and_the_trained_network(carried_out, experiment):
    run = carried_out("training.epochs=3")
    untrained = prepare(read_experiment(str(experiment), registry, ["training.epochs=3"]), registry)
    trained = prepare_run(run.directory, Access(registry))
    rows = rows_of(run.directory)
    for row, prepared in ((rows[0], untrained), (rows[-1], trained)):
        for place, found in zip(prepared.model.network.graph.nodes, prepared.health(), strict=True):
            assert [row[f"{place.name}.{key}"] for key in KEYS] == [found.delta, found.outputs, found.dead]


def test_look_at_a_stopped_run_is_one_at_its_end(carried_out):
    @dataclass(frozen=True)
    class Stop(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            if fit.epoch == 7:
                fit.stop("enough")

    run = carried_out("training.epochs=1000", callbacks=[Stop()])
    assert [row["epoch"] for row in rows_of(run.directory)] == [0, 1, 2, 4, 7]


@pytest.mark.parametrize(
    ("network", "word"), [(SIGMOIDS, "Vanishing: 1"), (DEAD, "Dead: layer 0: 100% of the units")], ids=["vanish", "die"]
)
def test_run_of_a_network_that_does_not_learn_says_where_and_why(carried_out, network, word):
    run = carried_out(network, "training.epochs=3")
    assert run.verdicts[0].startswith(word)
    assert json.loads((run.directory / "record.json").read_text())["verdicts"] == run.verdicts


def test_run_that_diverges_says_what_the_layers_were_like(carried_out, tmp_path):
    told = []
    with pytest.raises(DivergedError):
        carried_out(
            LARGE,
            "cost.type=mse",
            "training.epochs=3",
            'optimizer={ type = "sgd", learning_rate = 1.0 }',
            "training.metrics=[]",
            tell=told.append,
        )
    assert [text for text in told if text.startswith("Exploding: ")] == read_run(tmp_path / "run").record["verdicts"]
    assert told


def test_network_is_the_same_with_and_without_looks(carried_out, experiment):
    run = carried_out("training.epochs=4")
    file = read_experiment(str(experiment), registry, ["training.epochs=4"])
    prepared = prepare(file, registry)

    training_of(prepared, Directory(experiment.parent), (), None).run()
    found = nnfw.load(run.directory / "model.nnfw")
    assert np.array_equal(found.parameters.vector, prepared.model.parameters.vector)


@pytest.mark.parametrize(
    "content", ["not JSON\n{}\n", '{"epoch": 1}\n{"epoch": 2', None], ids=["broken", "cut", "gone"]
)
def test_resumed_run_goes_on_whatever_became_of_the_file(carried_out, content):
    run = carried_out("training.epochs=3")
    path = run.directory / "layers.jsonl"
    path.unlink() if content is None else path.write_text(content)
    resume(run.directory, Access(registry), ["training.epochs=5"])
    epochs = [row["epoch"] for row in rows_of(run.directory)]
    assert epochs == ([1, 4, 5] if content and "1" in content else [4, 5])


def test_resumed_run_keeps_what_was_looked_at(carried_out):
    run = carried_out("training.epochs=3")
    before = rows_of(run.directory)
    assert [row["epoch"] for row in before] == [0, 1, 2, 3]
    resume(run.directory, Access(registry), ["training.epochs=5"])
    assert rows_of(run.directory)[:3] == before[:3]
    assert [row["epoch"] for row in rows_of(run.directory)] == [0, 1, 2, 4, 5]  # as of a run of five epochs


def test_resumed_run_drops_looks_that_are_newer_than_its_checkpoint(carried_out):
    run = carried_out("training.epochs=3")
    path = run.directory / "layers.jsonl"
    path.write_text(path.read_text() + '{"epoch": 4, "layers.0.delta": 9.0}\n')
    resume(run.directory, Access(registry), ["training.epochs=4"])
    rows = rows_of(run.directory)
    assert [row["epoch"] for row in rows] == [0, 1, 2, 4]
    assert rows[3]["layers.0.delta"] != 9


def test_older_run_has_no_looks(carried_out):
    run = carried_out("training.epochs=2")
    (run.directory / "layers.jsonl").unlink()
    assert read_run(run.directory).layers == ()
    assert open_run(run.directory, Access(registry))
