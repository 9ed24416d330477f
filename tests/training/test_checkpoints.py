"""Checkpoints: a training that goes on from one is, to the bit, the training that never stopped."""

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.layers import RunningMean

import nnfw
from nnfw.plugins import default_registry
from nnfw.storage import container
from nnfw.training import Task, TrainingOptions, loop_of
from nnfw.training.checkpoint_file import FORMAT, read, resume
from nnfw.training.checkpoints import checkpoint_files, differences, newest
from nnfw_standard import CheckpointBest, CSVLog, Dense, Dropout, EarlyStopping

registry = default_registry()
EPOCHS, STEPS = 4, 4


class KilledError(Exception):
    """What ends a training in these tests."""


@dataclass(frozen=True)
class Kill(nnfw.Callback):
    """Ends the training within a step."""

    step: int

    def step_computed(self, fit, state):
        if fit.step == self.step:
            raise KilledError


@pytest.fixture
def data(rng):
    x = rng.normal(size=(50, 4))
    return x, (x[:, 0] + x[:, 1] > 0).astype(int)


def network():
    layers = [Dense(8, activation="tanh"), RunningMean(), Dropout(0.3), Dense(2, activation="softmax")]
    return nnfw.Sequential(layers, 4, seed=3)


def options(data, **others):
    found = {
        "cost": "cross_entropy",
        "optimizer": "adam",
        "epochs": EPOCHS,
        "batch_size": 13,
        "metrics": ["accuracy", "confusion_matrix"],
        "schedule": {"type": "plateau", "rate": 0.5, "patience": 1},
        "regularizer": {"type": "l2", "rate": 1e-3},
        "validation_data": data,
        "sample_weight": np.linspace(0.5, 1.5, len(data[0])),
        "callbacks": [EarlyStopping(patience=2)],
    }
    return found | others


def end(model, history):
    """Return all that a training leads to, bit for bit."""
    return (
        model.parameters.vector.tobytes(),
        model.parameters.state.tobytes(),
        json.dumps(history.records),
        history.stopped,
    )


def trained(data, **others):
    model = network()
    return end(model, model.fit(*data, **options(data, **others)))


def killed(data, folder, step, *, seconds=0.0, **others):
    """Train with checkpoints, up to a step that is begun and not ended."""
    given = options(data, **others)
    given["callbacks"] = [*given["callbacks"], Kill(step)]
    with pytest.raises(KilledError):
        network().fit(*data, **given, checkpoints=folder, checkpoint_seconds=seconds)


def resumed(data, folder, *, seconds=0.0, **others):
    model = network()
    history = model.fit(*data, **options(data, **others), checkpoints=folder, checkpoint_seconds=seconds, resume=True)
    return end(model, history)


# --- bit for bit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(1, EPOCHS * STEPS + 1))
def test_training_killed_at_a_step_ends_like_one_that_was_not(tmp_path, data, step):
    killed(data, tmp_path, step)
    assert resumed(data, tmp_path) == trained(data)


def test_training_killed_again_and_again_ends_like_one_that_was_not(tmp_path, data):
    killed(data, tmp_path, 2)
    for step in (3, 4, 5, 9, 11, 16):
        with pytest.raises(KilledError):
            resumed(data, tmp_path, callbacks=[EarlyStopping(patience=2), Kill(step)])
    assert resumed(data, tmp_path) == trained(data)


@pytest.mark.parametrize(
    "others",
    [
        {"optimizer": {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}},
        {"optimizer": {"type": "rmsprop", "learning_rate": 0.01, "clip_norm": 0.1}},
        {"schedule": {"type": "cosine", "warmup": 1.5}, "regularizer": None, "metrics": []},
        {"shuffle": False, "validation_data": None, "callbacks": []},
        {"accelerator": "numba"},
        {"batch_size": 1000},
    ],
    ids=["momentum", "rmsprop", "cosine", "in-order", "numba", "one-batch"],
)
def test_training_of_every_sort_goes_on_to_the_bit(tmp_path, data, others):
    step = 2 if "batch_size" in others else 6
    killed(data, tmp_path, step, **others)
    assert resumed(data, tmp_path, **others) == trained(data, **others)


@settings(max_examples=25, deadline=None)
@given(
    units=st.integers(1, 9),
    layers=st.lists(st.sampled_from(["relu", "sigmoid", "softplus", "gelu"]), max_size=2),
    rate=st.sampled_from([0.0, 0.5]),
    optimizer=st.sampled_from(["sgd", "adam", "adamw", "rmsprop", "adagrad"]),
    batch_size=st.integers(1, 30),
    shuffle=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
    place=st.floats(0, 1),
)
def test_random_training_goes_on_to_the_bit(
    tmp_path_factory, units, layers, rate, optimizer, batch_size, shuffle, dtype, seed, place
):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(29, 3)), rng.normal(size=(29, 1))
    steps = 3 * -(-len(x) // batch_size)
    stack = [Dense(units, activation=name) for name in layers] + [Dropout(rate), Dense(1)]
    given = {"cost": "mse", "optimizer": optimizer, "epochs": 3, "batch_size": batch_size, "shuffle": shuffle}
    folder = tmp_path_factory.mktemp("random")

    def fit(**others):
        model = nnfw.Sequential(stack, 3, seed=seed, dtype=dtype)
        return end(model, model.fit(x, y, **given, **others))

    with pytest.raises(KilledError):
        fit(checkpoints=folder, checkpoint_seconds=0.0, callbacks=[Kill(1 + int(place * (steps - 1)))])
    assert fit(checkpoints=folder, resume=True) == fit()


# --- what comes back, and what does not -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counter(nnfw.Callback):
    """Remembers numbers, an array, a tuple and an object."""

    seen: Any

    def state(self, fit):
        return {"count": 0, "costs": [], "place": ("none", 0), "theta": None, "object": Path("mine"), "odd": {1}}

    def step_computed(self, fit, state):
        state["count"] += 1
        state["costs"].append(fit.cost)
        state["place"] = ("step", fit.step)
        state["theta"] = fit.vector.copy()
        state["object"] = object()
        state["more"] = {"nested": (1.5, None, True)}
        self.seen.append({**state, "costs": list(state["costs"])})


def test_memory_of_a_callback_comes_back_as_far_as_it_is_plain(tmp_path, data):
    before, after = [], []
    killed(data, tmp_path, 7, callbacks=[Counter(before)])
    resumed(data, tmp_path, callbacks=[Counter(after)])
    first = after[0]
    assert first["count"] == 7
    assert first["costs"] == before[-1]["costs"]
    assert type(first["place"]) is tuple
    assert first["odd"] == {1}
    assert first["more"] == {"nested": (1.5, None, True)}


def test_state_of_a_callback_is_made_at_the_step_that_is_resumed(tmp_path, data):
    seen = []

    @dataclass(frozen=True)
    class Looks(nnfw.Callback):
        def state(self, fit):
            seen.append((fit.step, fit.epoch, len(fit.history)))
            return {}

    killed(data, tmp_path, 7)
    resumed(data, tmp_path, callbacks=[EarlyStopping(patience=2), Looks()])
    assert seen == [(6, 2, 1)]


def test_callback_with_a_memory_must_be_there_again(tmp_path, data):
    killed(data, tmp_path, 7)
    match = "does not fit this training: there is no callback 'nnfw:early_stopping' here, which remembers something"
    with pytest.raises(nnfw.FileFormatError, match=match):
        resumed(data, tmp_path, callbacks=[])


def test_progress_bar_may_come_and_go(tmp_path, data):
    killed(data, tmp_path, 7, callbacks=[EarlyStopping(patience=2), nnfw.ProgressBar()])
    assert resumed(data, tmp_path) == trained(data)


def test_files_of_callbacks_are_those_of_a_training_that_was_not_killed(tmp_path, data):
    callbacks = [CSVLog(), CheckpointBest()]
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    model = nnfw.Sequential([Dense(2, activation="softmax")], 4)
    fit = options(data, callbacks=callbacks, directory=tmp_path / "whole")
    model.fit(*data, **fit)
    fit = options(data, directory=tmp_path / "parts", checkpoints=tmp_path / "kept", checkpoint_seconds=0)
    for _ in range(3):  # twice into the third epoch, so that a line is there which must go
        with pytest.raises(KilledError):
            nnfw.Sequential([Dense(2, activation="softmax")], 4).fit(
                *data, **{**fit, "callbacks": [*callbacks, Kill(10)], "resume": True}
            )
    (tmp_path / "parts" / "log.csv").write_text("something else\n")
    nnfw.Sequential([Dense(2, activation="softmax")], 4).fit(*data, **{**fit, "callbacks": callbacks, "resume": True})
    for name in ("log.csv", "best.nnfw"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_history_tells_whether_a_training_began_or_was_resumed_and_where(tmp_path, data):
    def resumed_at(folder):
        return network().fit(*data, **options(data), checkpoints=folder, resume=True).resumed

    assert resumed_at(tmp_path / "empty") == ""
    killed(data, tmp_path / "within", 6)
    assert resumed_at(tmp_path / "within") == "in epoch 2, after step 5"
    assert resumed_at(tmp_path / "within") == f"after epoch {EPOCHS}"


def test_training_that_is_over_is_its_end_again(tmp_path, data):
    given = options(data)
    model = network()
    over = end(model, model.fit(*data, **given, checkpoints=tmp_path))
    assert resumed(data, tmp_path, seconds=30.0) == over == trained(data)


def test_more_epochs_go_on_where_fewer_ended(tmp_path, data):
    others = {"callbacks": []}
    model = network()
    model.fit(*data, **options(data, epochs=2, **others), checkpoints=tmp_path)
    assert resumed(data, tmp_path, **others) == trained(data, **others)


def test_training_with_very_many_numbers_in_its_records_goes_on_to_the_bit(tmp_path):
    x, y = np.eye(32), np.arange(32)  # lists short enough to stay text where they are no part of a table
    given = {"cost": "cross_entropy", "optimizer": "sgd", "batch_size": 32, "metrics": ["confusion_matrix"]}

    def fit(epochs, **others):
        model = nnfw.Sequential([Dense(32, activation="softmax")], 32)
        return end(model, model.fit(x, y, **given, epochs=epochs, **others))

    fit(520, checkpoints=tmp_path)  # whose records have more numbers than a header may have values
    assert fit(521, checkpoints=tmp_path, resume=True) == fit(521)


def test_training_that_was_stopped_early_stays_stopped(tmp_path, data):
    others = {"callbacks": [EarlyStopping(monitor="cost", min_delta=100.0, patience=2)]}
    whole = trained(data, epochs=9, **others)
    assert whole[3]
    network().fit(*data, **options(data, epochs=3, **others), checkpoints=tmp_path)  # where its stop says nothing
    assert resumed(data, tmp_path, epochs=9, **others) == whole


def test_solver_goes_on_from_its_last_parameters_and_says_so(tmp_path, data):
    given = {"cost": "cross_entropy", "optimizer": "lbfgs"}
    layers = [Dense(4, activation="tanh"), Dropout(0.2), Dense(2, activation="softmax")]
    nnfw.Sequential(layers, 4).fit(*data, **given, epochs=5, checkpoints=tmp_path, checkpoint_seconds=0)
    model = nnfw.Sequential(layers, 4)
    with pytest.warns(RuntimeWarning, match=r"Not bit-exact: 'lbfgs' \(built-in\) starts again from where it was"):
        history = model.fit(*data, **given, epochs=9, checkpoints=tmp_path, resume=True)
    assert history["epoch"] == list(range(1, 10))
    assert history["cost"] == sorted(history["cost"], reverse=True)


def test_solver_that_is_over_is_its_end_again(tmp_path, data):
    given = {"cost": "cross_entropy", "optimizer": "lbfgs", "epochs": 5}
    first, second = (nnfw.Sequential([Dense(2, activation="softmax")], 4) for _ in range(2))
    first.fit(*data, **given, checkpoints=tmp_path)
    with pytest.warns(RuntimeWarning, match="Not bit-exact"):
        second.fit(*data, **given, checkpoints=tmp_path, resume=True)
    assert np.array_equal(first.parameters.vector, second.parameters.vector)


# --- which files there are --------------------------------------------------------------------------------------------


def steps_in(folder):
    return [int(path.stem.removeprefix("step-")) for path in checkpoint_files(folder)]


WANDERING = {"callbacks": [], "schedule": None, "optimizer": {"type": "sgd", "learning_rate": 30.0}}
"""A training whose cost goes up and down, so that the best epoch is not the last."""


def test_two_newest_and_the_best_are_kept(tmp_path, data):
    killed(data, tmp_path, EPOCHS * STEPS, **WANDERING)
    header = read(checkpoint_files(tmp_path)[-1], registry).header
    costs = json.loads(trained(data, **WANDERING)[2])
    best = min(costs[: EPOCHS - 1], key=lambda record: record["validation_cost"])
    assert (header.best_step, header.best_cost) == (best["epoch"] * STEPS, best["validation_cost"])
    assert steps_in(tmp_path) == sorted({header.best_step, EPOCHS * STEPS - 2, EPOCHS * STEPS - 1})


def test_resumed_training_keeps_the_best_checkpoint_and_the_one_it_goes_on_from(tmp_path, data):
    killed(data, tmp_path, 3 * STEPS + 3, **WANDERING)
    header = read(checkpoint_files(tmp_path)[-1], registry).header
    assert (header.step, header.best_step < 3 * STEPS) == (3 * STEPS + 2, True)
    with pytest.raises(KilledError):
        resumed(data, tmp_path, **WANDERING | {"callbacks": [Kill(header.step + 2)]})  # one more is written
    assert steps_in(tmp_path) == [header.best_step, header.step, header.step + 1]
    assert read(checkpoint_files(tmp_path)[-1], registry).header.best_cost == header.best_cost


@pytest.mark.parametrize(
    ("costs", "epoch"),
    [([2.0, 2.0, 2.0], 1), ([np.nan, 2.0, 3.0], 2), ([np.inf, np.inf, 2.0], 3)],
    ids=["tie", "nan", "inf"],
)
def test_first_of_equal_epochs_is_the_best_and_none_that_is_not_finite(tmp_path, data, monkeypatch, costs, epoch):
    values = iter(costs)
    real = nnfw.training.Checkpoints.epoch_ended
    monkeypatch.setattr(nnfw.training.Checkpoints, "epoch_ended", lambda self, fit, cost: real(self, fit, next(values)))
    network().fit(*data, **options(data, epochs=3), checkpoints=tmp_path, checkpoint_seconds=0)
    header = read(checkpoint_files(tmp_path)[-1], registry).header
    assert (header.best_step, header.best_cost) == (epoch * STEPS, 2.0)


def test_first_checkpoint_is_there_before_the_first_step(tmp_path, data):
    killed(data, tmp_path, 1, seconds=1000.0)
    assert steps_in(tmp_path) == [0]


def test_checkpoints_within_an_epoch_wait_for_their_time(tmp_path, data, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("nnfw.training.checkpoints.monotonic", lambda: clock[0])
    monkeypatch.setattr("nnfw.training.loop.monotonic", lambda: clock[0])

    @dataclass(frozen=True)
    class Ticks(nnfw.Callback):
        def step_computed(self, fit, state):
            clock[0] += 4.0

    killed(data, tmp_path, 8, seconds=10.0, callbacks=[Ticks()])
    # writing takes no time by this clock, so there is one at the end of the first epoch; the next is due after step 7
    assert steps_in(tmp_path) == [4, 7]


def test_checkpoints_take_no_more_than_a_hundredth_of_the_time(tmp_path, data, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("nnfw.training.loop.monotonic", lambda: clock[0])

    def slow():
        clock[0] += 0.5  # asked at the beginning and at the end of a writing
        return clock[0]

    monkeypatch.setattr("nnfw.training.checkpoints.monotonic", slow)
    written = []
    real = container.write
    monkeypatch.setattr(container, "write", lambda *given, **inside: written.append(clock[0]) or real(*given, **inside))

    @dataclass(frozen=True)
    class Ticks(nnfw.Callback):
        def step_computed(self, fit, state):
            clock[0] += 10.0

    network().fit(*data, **options(data, callbacks=[Ticks()], epochs=20), checkpoints=tmp_path, checkpoint_seconds=5)
    assert len(written) > 5
    assert min(np.diff(written[:-1])) >= 50.0


def test_checkpoint_of_a_very_late_step_is_the_newest(tmp_path):
    names = [f"step-{step:012}.checkpoint" for step in (10**12 - 1, 10**12, 10**13)]
    for name in ("step-9.checkpoint", *names):
        (tmp_path / name).touch()
    assert [path.name for path in checkpoint_files(tmp_path)] == names


def test_damaged_checkpoint_is_passed_over_with_a_word(tmp_path, data):
    killed(data, tmp_path, 7)
    last = checkpoint_files(tmp_path)[-1]
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.warns(RuntimeWarning, match=r"step-000000000006.checkpoint: is truncated.* The one before it is taken"):
        assert resumed(data, tmp_path) == trained(data)
    assert max(steps_in(tmp_path)) == EPOCHS * STEPS


@pytest.mark.parametrize("call", ["_read_table", "_hash"], ids=["header", "arrays"])
def test_disk_error_while_the_newest_checkpoint_is_read_ends_the_training_and_changes_nothing(
    tmp_path, data, monkeypatch, call
):
    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    killed(data, tmp_path, 7)
    before = {path: path.read_bytes() for path in checkpoint_files(tmp_path)}
    model, parameters = network(), network().parameters.vector.tobytes()
    monkeypatch.setattr(container, call, fail)
    with pytest.raises(container.NotReadableError, match=r"step-0{11}6.checkpoint: cannot be read: Input/output error"):
        model.fit(*data, **options(data), checkpoints=tmp_path, resume=True)
    assert {path: path.read_bytes() for path in checkpoint_files(tmp_path)} == before
    assert model.parameters.vector.tobytes() == parameters


def test_damaged_checkpoint_that_is_newer_goes_when_the_next_is_written(tmp_path, data):
    killed(data, tmp_path, 7)
    last = checkpoint_files(tmp_path)[-1]
    last.write_bytes(b"")
    last.rename(last.with_name("step-000000000099.checkpoint"))
    with pytest.warns(RuntimeWarning, match="is empty"), pytest.raises(KilledError):
        resumed(data, tmp_path, callbacks=[EarlyStopping(patience=2), Kill(8)])
    assert 99 not in steps_in(tmp_path)


def test_folder_of_damaged_checkpoints_alone_is_refused(tmp_path, data):
    killed(data, tmp_path, 7)
    for path in checkpoint_files(tmp_path):
        path.write_bytes(b"x")
    with (
        pytest.warns(RuntimeWarning, match="is not a checkpoint file of nnfw"),
        pytest.raises(nnfw.FileFormatError, match="holds no checkpoint that can be read"),
    ):
        resumed(data, tmp_path)


def test_left_overs_of_killed_processes_are_removed_at_the_next_start(tmp_path, data):
    killed(data, tmp_path, 7)
    (tmp_path / ".nnfw-0123456789abcdef.tmp").write_bytes(b"half")
    with pytest.raises(KilledError):
        resumed(data, tmp_path, callbacks=[EarlyStopping(patience=2), Kill(7)])
    assert not list(tmp_path.glob(".nnfw-*"))


def test_folder_without_checkpoints_is_a_beginning(tmp_path, data):
    assert resumed(data, tmp_path / "new") == trained(data)


# --- what is refused --------------------------------------------------------------------------------------------------


def test_folder_with_checkpoints_is_not_begun_anew(tmp_path, data):
    killed(data, tmp_path, 3)
    with pytest.raises(nnfw.DataError, match="holds checkpoints. Continue their training with resume=True"):
        network().fit(*data, **options(data), checkpoints=tmp_path)


def test_fewer_epochs_than_were_begun_are_refused(tmp_path, data):
    killed(data, tmp_path, 10)
    match = r"\.checkpoint is of epoch 3, more than the 2 that are wanted\. Raise training\.epochs"
    with pytest.raises(nnfw.DataError, match=match):
        resumed(data, tmp_path, epochs=2)


def test_resume_without_a_folder_is_refused(data):
    with pytest.raises(nnfw.ConfigError, match="resume needs the folder of the checkpoints"):
        network().fit(*data, **options(data), resume=True)


def test_folder_that_cannot_be_made_is_refused(tmp_path, data):
    (tmp_path / "file").write_text("")
    with pytest.raises(nnfw.NnfwError, match=r"file/kept cannot be made: Not a directory"):
        network().fit(*data, **options(data), checkpoints=tmp_path / "file" / "kept")


@pytest.mark.parametrize(
    ("others", "match"),
    [
        ({"optimizer": {"type": "adam", "learning_rate": 0.5}}, r"optimizer.learning_rate is 0.5, was 0.001. Train as"),
        ({"batch_size": 7}, "training.batch_size is 7, was 13"),
        ({"seed": 8}, "seed is 8, was 3"),
        ({"validation_data": None}, "validation_data is not there, was '"),
    ],
    ids=["optimizer", "batch", "seed", "validation"],
)
def test_other_training_is_refused_with_the_difference(tmp_path, data, others, match):
    killed(data, tmp_path, 3)
    with pytest.raises(nnfw.DataError, match=f"is of another training: .*{match}"):
        resumed(data, tmp_path, **others)


def test_other_data_is_refused(tmp_path, data):
    killed(data, tmp_path, 3)
    x, y = data
    with pytest.raises(nnfw.DataError, match="is of another training: data is '"):
        resumed((x + 1e-6, y), tmp_path, validation_data=data)


def test_other_environment_is_told_and_goes_on(tmp_path, data):
    killed(data, tmp_path, 7)
    path = checkpoint_files(tmp_path)[-1]
    table, arrays = container.read(path, FORMAT)
    table["environment"]["packages"]["numpy"] = "1.0"
    container.write(path, table, arrays, FORMAT)
    with pytest.warns(RuntimeWarning, match=rf"Not bit-exact: packages.numpy is '{np.__version__}', was '1.0'\."):
        assert resumed(data, tmp_path) == trained(data)


def test_accelerator_stays_that_of_the_checkpoint(tmp_path, data):
    killed(data, tmp_path, 7, accelerator="numba")
    path = checkpoint_files(tmp_path)[-1]
    assert read(path, registry).header.accelerator == "numba"
    table, arrays = container.read(path, FORMAT)
    table["origin"]["training"]["accelerator"] = "auto"  # which takes none for a training as short as this
    container.write(path, table, arrays, FORMAT)
    model = network()
    history = model.fit(*data, **options(data), checkpoints=tmp_path, resume=True)
    assert history.accelerator == "numba"
    assert end(model, history) == trained(data, accelerator="numba")


def test_accelerator_that_is_gone_is_told(tmp_path, data):
    killed(data, tmp_path, 7)
    path = checkpoint_files(tmp_path)[-1]
    table, arrays = container.read(path, FORMAT)
    table["accelerator"] = table["environment"]["accelerator"] = "warp"
    container.write(path, table, arrays, FORMAT)
    with pytest.warns(RuntimeWarning, match="Not bit-exact: accelerator is 'none', was 'warp'"):
        resumed(data, tmp_path)


# --- files that hold something else -----------------------------------------------------------------------------------


def forged(path, change):
    """Write a checkpoint whose progress was changed, with checksums that are right."""
    table, arrays = container.read(path, FORMAT)
    entries = dict(table["progress"]["dict"])
    change(table, entries, arrays)
    table["progress"] = {"dict": [[name, value] for name, value in entries.items()]}
    named = json.dumps(table["progress"])
    arrays = {name: array for name, array in arrays.items() if "." not in name or json.dumps(name) in named}
    container.write(path, table, arrays, FORMAT)


def lose(name):
    return lambda table, progress, arrays: arrays.pop(name)


def replace(name, value):
    return lambda table, progress, arrays: progress.update({name: value})


def head(**values):
    return lambda table, progress, arrays: table.update(values)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lose("vector"), "is no checkpoint: its arrays are not those of a training"),
        (
            lambda table, progress, arrays: arrays.update(odd=np.ones(1)),
            r"is no checkpoint: .* those of a training: \['odd'\]",
        ),
        (lambda table, progress, arrays: progress.pop("order"), "is no checkpoint: its progress is"),
        (replace("records", {"tuple": []}), "is no checkpoint: its progress is"),
        (head(epoch=-1), "is no checkpoint: epoch must be"),
        (head(origin=3), "is no checkpoint: origin must be"),
        (head(position=4), "does not fit this training: it holds 1 records in epoch 2, after step 4 of 4"),
        (head(epoch=3), "it holds 1 records in epoch 3"),
        (replace("records", [3]), "a record of an epoch is 3; it must have cost"),
        (replace("order", {"dict": []}), r"\{\} is no state of random numbers"),
        (replace("noise", {"dict": [["state", 1]]}), "is no state of random numbers"),
        (replace("optimizer", {"dict": [["first", 3]]}), "does not fit this training: its "),
        (replace("tally", {"dict": []}), "holds no sums of the cost and of these metrics"),
        (replace("callbacks", [3]), "3 is no memory of a callback"),
    ],
)
def test_checkpoint_that_holds_something_else_is_refused(tmp_path, data, change, match):
    killed(data, tmp_path, 7)
    for path in checkpoint_files(tmp_path)[:-1]:
        path.unlink()
    path = checkpoint_files(tmp_path)[-1]
    forged(path, change)
    model = network()
    before = model.parameters.vector.copy()
    with pytest.raises(nnfw.FileFormatError, match=match):
        read(path, registry) if "is no checkpoint" in match else model.fit(
            *data, **options(data), checkpoints=tmp_path, resume=True
        )
    assert np.array_equal(model.parameters.vector, before) or "callback" in match


@pytest.mark.parametrize(
    "gathered",
    [{"tuple": [1, 2, None]}, {"tuple": []}, 3],
    ids=["numbers", "empty", "number"],
)
def test_tally_that_gathered_no_batches_is_refused(tmp_path, data, gathered):
    killed(data, tmp_path, 7)
    tally = {"dict": [["statistics", {"dict": []}], ["cost", 0.5], ["count", 3], ["gathered", gathered]]}
    forged(checkpoint_files(tmp_path)[-1], replace("tally", tally))
    with pytest.raises(nnfw.FileFormatError, match="holds no sums"):
        resumed(data, tmp_path)


def test_checkpoint_of_a_wider_network_does_not_fit(tmp_path, data):
    killed(data, tmp_path, 7)
    start = newest(tmp_path, registry, print)
    model = nnfw.Sequential([Dense(9), Dense(2, activation="softmax")], 4)
    objective = model.objective("cross_entropy")
    examples, options = model.labelled(*data, objective), TrainingOptions(epochs=1, batch_size=13)
    task = Task(model.network, examples, None, objective, nnfw.optimizer("adam"), options, seed=0)
    loop = loop_of(task, model.save, tmp_path)
    with pytest.raises(
        nnfw.FileFormatError, match=r"its \w+ are float32 \(\d+,\), those of the training float32 \(65,\)"
    ):
        resume(start, loop.state, [], loop.fit.steps, loop.fit.recorded)


def test_parameters_that_are_not_finite_are_not_written(tmp_path, data):
    @dataclass(frozen=True)
    class Spoils(nnfw.Callback):
        def step_computed(self, fit, state):
            if fit.step == 6:
                fit.vector[0] = np.nan

    others = {"callbacks": [nnfw.callback("terminate_on_nan", enabled=False), Spoils()], "schedule": None}
    killed(data, tmp_path, 9, **others)
    assert max(steps_in(tmp_path)) == 5


def test_differences_name_the_place_of_each():
    before = {"a": [1, {"b": 2}], "c": 3, "d": [1], "gone": True}
    now = {"a": [1, {"b": 5}], "c": 3, "d": [1, 2], "new": "x"}
    assert list(differences(before, now)) == [
        "a[1].b is 5, was 2",
        "d is [1, 2], was [1]",
        "gone is not there, was True",
        "new is 'x', was not there",
    ]


def test_optimizer_whose_arrays_have_the_names_of_the_models_own_resumes_exactly(tmp_path, data):
    """An optimizer may call an array `parameters`: what is put back into the model must be the model's."""

    @dataclass(frozen=True)
    class Averaging(nnfw.Optimizer):
        learning_rate: float = 0.1

        def state(self, vector):
            return {"parameters": np.zeros_like(vector)}

        def update(self, vector, gradient, state, step, learning_rate, decays):
            vector -= learning_rate * gradient
            state["parameters"] += vector

    chosen = options(data, optimizer=Averaging(), epochs=2)
    whole = network()
    whole.fit(*data, **chosen)
    network().fit(*data, **options(data, optimizer=Averaging(), epochs=1), checkpoints=tmp_path)
    again = network()
    again.fit(*data, **chosen, checkpoints=tmp_path, resume=True)
    assert np.array_equal(again.parameters.vector, whole.parameters.vector)


@pytest.mark.parametrize(
    ("folder", "path"), [(".", "lock"), (".", "LOCK"), ("saved", "saved"), ("saved", "saved/lock")]
)
def test_callback_cannot_have_a_file_of_the_checkpoints(data, tmp_path, folder, path):
    given = options(data, callbacks=[CSVLog(path)]) | {"directory": tmp_path, "checkpoints": tmp_path / folder}
    with pytest.raises(nnfw.ConfigError, match="path must be a file of its own, got"):
        network().fit(*data, **given)


def test_callback_may_write_beside_the_checkpoints_and_where_they_are_elsewhere(data, tmp_path):
    given = options(data, callbacks=[CSVLog("log.csv")]) | {"directory": tmp_path}
    network().fit(*data, **given, checkpoints=tmp_path)
    assert (tmp_path / "log.csv").exists()
    (tmp_path / "of").mkdir()
    network().fit(*data, **given | {"directory": tmp_path / "of", "checkpoints": tmp_path / "saved"})
    assert (tmp_path / "of" / "log.csv").exists()
