"""Trainings that go on from the history of another: ten calls of one epoch are, to the bit, one call of ten."""

import copy
import json
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from tests.training.layers import RunningMean

import nnfw
from nnfw.plugins import default_registry
from nnfw.training import TrainingEnd
from nnfw_standard import SGD, Adam, CSVLog, Dense, Dropout, EarlyStopping

EPOCHS = 10
registry = default_registry()


@dataclass(frozen=True)
class Averaged(nnfw.Optimizer):
    """Gradient descent that keeps the mean of all θ so far, weighted by the step."""

    learning_rate: float = 0.1

    def state(self, vector):
        return {"average": np.zeros_like(vector)}

    def update(self, vector, gradient, state, step, learning_rate, decays):
        vector -= learning_rate * gradient
        state["average"] += (vector - state["average"]) / step


@dataclass(frozen=True)
class Shift(nnfw.Callback):
    """Remembers a sum of costs, and moves the parameters by it."""

    def state(self, fit):
        return {"sum": np.zeros(1), "costs": []}

    def epoch_ended(self, fit, record, state):
        state["sum"] += record["cost"]
        state["costs"].append(record["cost"])
        fit.vector += 1e-3 * state["sum"][0] * len(state["costs"])


@pytest.fixture
def data(rng):
    x = rng.normal(size=(50, 4))
    return x, (x[:, 0] + x[:, 1] > 0).astype(int)


def network(dtype="float32", units=8):
    layers = [Dense(units, activation="tanh"), RunningMean(), Dropout(0.3), Dense(2, activation="softmax")]
    return nnfw.Sequential(layers, 4, seed=3, dtype=dtype)


def fit(model, data, **others):
    options = {
        "cost": "cross_entropy",
        "optimizer": "adam",
        "epochs": 1,
        "batch_size": 13,
        "metrics": ["accuracy", "confusion_matrix"],
        "schedule": {"type": "plateau", "rate": 0.5, "patience": 1},
        "regularizer": {"type": "l2", "rate": 1e-3},
        "validation_data": data,
        "sample_weight": np.linspace(0.5, 1.5, len(data[0])),
        "callbacks": [Shift()],
    }
    return model.fit(*data, **(options | others))


def outcome(model, history):
    """Return all that a training leads to, bit for bit."""
    arrays = {name: array.tobytes() for name, array in history.end.arrays.items()}
    place = history.end.epoch, history.end.step, history.end.order, history.end.noise
    texts = json.dumps(history.records), history.stopped, history.accelerator
    return model.parameters.vector.tobytes(), model.parameters.state.tobytes(), arrays, place, texts


def in_calls(data, epochs, dtype="float32", **others):
    model, history = network(dtype), None
    for count in epochs:
        history = fit(model, data, epochs=count, continue_from=history, **others)
    return outcome(model, history)


# --- bit for bit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accelerator", ["none", "numba"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "others",
    [
        {},
        {"optimizer": Averaged()},
        {"optimizer": {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}},
        {"schedule": {"type": "cosine", "warmup": 1.5}, "planned_epochs": EPOCHS},
        {"schedule": {"type": "exponential", "rate": 0.9}, "regularizer": None, "metrics": [], "callbacks": []},
        {"shuffle": False, "validation_data": None, "seed": 11},
    ],
    ids=["adam-plateau", "average", "momentum", "cosine", "many-steps", "in-order"],
)
def test_ten_calls_of_one_epoch_are_one_call_of_ten_to_the_bit(data, others, dtype, accelerator):
    others = {"accelerator": accelerator, **others}
    whole = in_calls(data, [EPOCHS], dtype, **others)
    assert in_calls(data, [1] * EPOCHS, dtype, **others) == whole
    assert in_calls(data, [3, 7], dtype, **others) == whole


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_calls_that_take_many_steps_at_once_are_one_call_to_the_bit(data, dtype):
    def trained(epochs):
        layers = [Dense(8, activation="tanh"), Dropout(0.3), Dense(2, activation="softmax")]
        model, history = nnfw.Sequential(layers, 4, seed=3, dtype=dtype), None
        for count in epochs:
            options = {"callbacks": [], "accelerator": "numba", "continue_from": history}
            history = fit(model, data, epochs=count, batch_size=6, metrics=["accuracy"], **options)
        return outcome(model, history)

    assert trained([1] * EPOCHS) == trained([EPOCHS])


def test_ten_calls_choose_the_accelerator_of_one_call_where_it_is_left_open(data, monkeypatch):
    asked = []
    monkeypatch.setattr("nnfw.training.loop.gain", lambda size, steps, places: asked.append(steps) or 0.0)
    whole = in_calls(data, [EPOCHS])
    assert in_calls(data, [1] * EPOCHS, planned_epochs=EPOCHS) == whole
    assert asked[:2] == [4 * EPOCHS] * 2


def test_accelerator_stays_that_of_the_history_unless_another_is_named(data):
    model = network()
    history = fit(model, data, accelerator="numba")
    assert fit(model, data, continue_from=history).accelerator == "numba"
    assert fit(model, data, continue_from=history, accelerator="none").accelerator == "none"


def test_training_goes_on_twice_from_one_history(data):
    model = network()
    history = fit(model, data, epochs=3)
    before = outcome(model, history)
    twin = copy.deepcopy(model)
    first = fit(model, data, epochs=2, continue_from=history)
    assert len(history) == 3
    assert outcome(twin, history) == before
    second = fit(twin, data, epochs=2, continue_from=history)
    assert outcome(model, first) == outcome(twin, second)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
def test_copied_history_is_as_good_as_its_original(data, copied):
    model = network()
    history = fit(model, data, epochs=2)
    twin = copy.deepcopy(model)
    other = copied(history)
    assert other == history
    assert outcome(twin, fit(twin, data, continue_from=other)) == outcome(
        model, fit(model, data, continue_from=history)
    )


def test_log_of_a_training_in_calls_is_that_of_one_call(data, tmp_path):
    (tmp_path / "whole").mkdir()
    in_calls(data, [4], callbacks=[CSVLog()], directory=tmp_path / "whole")
    in_calls(data, [1, 3], callbacks=[CSVLog()], directory=tmp_path)
    assert (tmp_path / "log.csv").read_bytes() == (tmp_path / "whole" / "log.csv").read_bytes()


# --- what epochs and schedules count ----------------------------------------------------------------------------------


def test_epochs_are_further_ones_and_records_go_on(data):
    model = network()
    first = fit(model, data, epochs=2)
    second = fit(model, data, epochs=3, continue_from=first)
    assert second["epoch"] == [1, 2, 3, 4, 5]
    assert second.records[:2] == first.records
    assert (second.end.epoch, second.end.step) == (5, 20)
    assert (first.resumed, second.resumed) == ("", "after epoch 2")


def test_schedule_plans_for_the_last_epoch_of_the_call_unless_told(data):
    schedule = {"type": "cosine"}
    model = network()
    history = fit(model, data, schedule=schedule)
    history = fit(model, data, schedule=schedule, continue_from=history)
    rates = history["learning_rate"]
    assert rates[1] == pytest.approx(rates[0] / 2)  # half of two epochs
    planned = fit(network(), data, schedule=schedule, epochs=2, planned_epochs=4)["learning_rate"]
    assert planned[1] / planned[0] == pytest.approx((1 + np.cos(np.pi / 4)) / 2)


def test_callbacks_see_the_planned_epochs(data):
    seen = []

    @dataclass(frozen=True)
    class See(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            seen.append((fit.epoch, fit.epochs, fit.step))

    model = network()
    history = fit(model, data, callbacks=[See()], planned_epochs=3)
    fit(model, data, callbacks=[See()], continue_from=history)
    assert seen == [(1, 3, 4), (2, 2, 8)]


def test_stopped_training_goes_on_if_it_is_asked_to_and_early_stopping_still_remembers(data):
    x, y = data
    stop = EarlyStopping(patience=2, restore_best=False)
    options = {"validation_data": (x, 1 - y), "callbacks": [stop], "metrics": []}
    model = network()
    whole = fit(model, data, epochs=EPOCHS, **options)
    assert 0 < len(whole) < EPOCHS
    model, history = network(), None
    while history is None or not history.stopped:
        history = fit(model, data, planned_epochs=EPOCHS, continue_from=history, **options)
    assert history.records == whole.records
    assert history.stopped == whole.stopped
    further = fit(model, data, continue_from=history, **options)
    assert len(further) == len(whole) + 1


# --- what may differ --------------------------------------------------------------------------------------------------


def test_data_cost_rate_and_metrics_may_differ(data, rng):
    model = network()
    history = fit(model, data, validation_data=None, callbacks=[])
    x = rng.normal(size=(7, 4))
    other = (x, np.eye(2)[(x[:, 0] > 0).astype(int)])
    options = {"cost": "mse", "optimizer": Adam(0.1), "batch_size": 3, "metrics": ["mae"], "validation_data": other}
    history = fit(model, other, continue_from=history, sample_weight=None, **options)
    assert list(history[1]) != list(history[0])
    assert (history.end.epoch, history.end.step) == (2, 7)


def test_callbacks_begin_afresh_if_their_memories_are_cleared_and_may_be_left_out(data):
    model = network()
    history = fit(model, data, epochs=2)
    assert [len(memory["costs"]) for name, memory in history.end.callbacks if name.endswith("Shift")] == [2]
    without = fit(model, data, callbacks=[], continue_from=history)
    assert not [name for name, _ in without.end.callbacks if name.endswith("Shift")]
    history.end.callbacks.clear()
    afresh = fit(model, data, continue_from=history)
    assert [len(memory["costs"]) for name, memory in afresh.end.callbacks if name.endswith("Shift")] == [1]


def test_history_without_its_end_keeps_its_records_and_frees_the_arrays(data):
    history = fit(network(), data)
    assert isinstance(history.end, TrainingEnd)
    assert sorted(history.end.arrays) == ["gradient_sum", "square_sum"]
    assert all(array.size == network().parameters.vector.size for array in history.end.arrays.values())
    assert "end" not in repr(history)
    history.end = None
    assert history["epoch"] == [1]


# --- what is refused --------------------------------------------------------------------------------------------------


def refusal(model, data, **others):
    before = model.parameters.vector.tobytes()
    with pytest.raises(nnfw.ConfigError) as caught:
        fit(model, data, **others)
    assert model.parameters.vector.tobytes() == before
    return str(caught.value)


def test_something_other_than_a_history_is_refused(data):
    text = refusal(network(), data, continue_from=[{"epoch": 1}])
    assert "continue_from must be the History that an earlier fit returned, got [{'epoch': 1}]." in text


@pytest.mark.parametrize("made", [nnfw.History, lambda: nnfw.History([{"epoch": 1, "cost": 0.5}])])
def test_history_without_an_end_is_refused(data, made):
    text = refusal(network(), data, continue_from=made())
    assert "continue_from holds no state to go on from: it was not returned by fit, is of a solver" in text


def test_history_of_a_diverged_training_is_refused(data):
    kept = []

    @dataclass(frozen=True)
    class Keep(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            kept.append(fit.history)

    model = nnfw.Sequential([Dense(1)], 4)
    options = {"cost": "mse", "optimizer": SGD(1e4), "epochs": 50, "callbacks": [Keep()]}
    with pytest.raises(nnfw.DivergedError):
        model.fit(data[0], data[1], **options)
    with pytest.raises(nnfw.ConfigError, match="holds no state to go on from"):
        model.fit(data[0], data[1], continue_from=kept[-1], **options)


def test_history_of_another_model_is_refused(data):
    history = fit(network(), data)
    text = refusal(network(units=9), data, continue_from=history)
    assert "is of another model: layers.0.weight is 'float32 (9, 4)', was 'float32 (8, 4)'." in text
    text = refusal(network("float64"), data, continue_from=history)
    assert "layers.0.weight is 'float64 (8, 4)', was 'float32 (8, 4)'. Continue with the model that it trained." in text


def test_history_of_another_optimizer_is_refused(data):
    history = fit(network(), data)
    text = refusal(network(), data, optimizer="sgd", continue_from=history)
    assert "is of a training with the optimizer nnfw:adam, got nnfw:sgd. Use that one, or leave it out" in text


def test_optimizer_that_keeps_other_arrays_is_refused(data):
    history = fit(network(), data, optimizer=SGD(0.1))
    there = ", ".join(sorted(history.end.arrays)) or "no arrays"
    text = refusal(network(), data, optimizer=SGD(0.1, momentum=0.9), continue_from=history)
    assert f"continue_from holds {there} of the optimizer, which now keeps velocity" in text
    assert "Keep the options that decide on this, as momentum does" in text


def test_solver_has_nothing_to_go_on_from(data):
    layers = [Dense(2, activation="softmax")]
    model = nnfw.Sequential(layers, 4)
    history = model.fit(*data, cost="cross_entropy", optimizer="lbfgs", epochs=1)
    assert history.end is None
    with pytest.raises(nnfw.ConfigError, match=r"needs an optimizer: 'lbfgs' \(built-in\) keeps no state to go on"):
        model.fit(*data, cost="cross_entropy", optimizer="lbfgs", continue_from=history, epochs=1)
    with pytest.raises(nnfw.ConfigError, match="it was not returned by fit, is of a solver, or its end was removed"):
        model.fit(*data, cost="cross_entropy", optimizer="adam", continue_from=history, epochs=1)


def test_other_seed_is_refused_and_the_same_one_is_not(data):
    model = network()
    history = fit(model, data, seed=11)
    text = refusal(model, data, seed=12, continue_from=history)
    assert "seed must be 11 as in the training that goes on, got 12. Leave it out: order and noise go on" in text
    assert fit(model, data, seed=11, continue_from=history).end.seed == 11


def test_fewer_planned_epochs_than_the_call_reaches_are_refused(data):
    model = network()
    history = fit(model, data, epochs=3)
    text = refusal(model, data, epochs=2, planned_epochs=4, continue_from=history)
    assert "planned_epochs must be at least 5, the last epoch of this call, got 4." in text


def test_checkpoints_beside_a_history_are_refused(data, tmp_path):
    model = network()
    history = fit(model, data)
    text = refusal(model, data, continue_from=history, checkpoints=tmp_path / "kept")
    assert "continue_from cannot be combined with checkpoints, whose folder holds a training from its start." in text
    assert not (tmp_path / "kept").exists()
