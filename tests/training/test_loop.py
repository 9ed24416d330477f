"""The training loop: records, order, schedules, regularizers, callbacks, divergence."""

import csv
import json
import math
import signal
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.ops import DEFINITIONS, engine_in_use
from nnfw.training import loop, watch
from nnfw_standard import CSVLog, Dense, Dropout, EarlyStopping, Flatten, TerminateOnNaN

SGD = {"type": "sgd", "learning_rate": 0.1}


@pytest.fixture
def data(rng):
    x = rng.normal(size=(50, 4))
    return x, (x[:, 0] + x[:, 1] > 0).astype(int)


def network(**options):
    return nnfw.Sequential([Dense(8, activation="tanh"), Dense(2, activation="softmax")], 4, **options)


def fit(model, data, **options):
    settings = {"cost": "cross_entropy", "optimizer": SGD, "epochs": 4, "batch_size": 16}
    return model.fit(*data, **(settings | options))


@dataclass(frozen=True)
class Recorder(nnfw.Callback):
    """Keeps what it sees in a list that the test owns."""

    seen: object

    def step_computed(self, fit, state):
        self.seen.append(("step", fit.epoch, fit.step, fit.cost))

    def epoch_ended(self, fit, record, state):
        self.seen.append(("epoch", fit.epoch, record))

    def fit_ended(self, fit, state):
        self.seen.append(("end",))

    def close(self, state):
        self.seen.append(("close",))


# --- records -------------------------------------------------------------------------------------------------------


def test_history_has_one_record_per_epoch_with_validation(data):
    history = fit(network(), data, metrics=["accuracy"], validation_data=data)
    assert list(history[0]) == ["epoch", "learning_rate", "cost", "accuracy", "validation_cost", "validation_accuracy"]
    assert history["epoch"] == [1, 2, 3, 4]
    assert history["cost"][-1] < history["cost"][0]


def test_recorded_cost_is_the_mean_over_examples_also_with_a_smaller_last_batch(data):
    seen = []
    history = fit(network(), data, epochs=1, callbacks=[Recorder(seen)])
    costs = [cost for kind, *_, cost in seen[:4] if kind == "step"]
    assert len(costs) == 4
    assert history[0]["cost"] == pytest.approx(np.average(costs, weights=[16, 16, 16, 2]))


def test_one_step_of_gradient_descent_is_theta_minus_eta_times_gradient(data):
    model = network(dtype="float64")
    before, (_, gradient) = model.parameters.vector.copy(), model.gradient(*data, cost="cross_entropy")
    fit(model, data, epochs=1, batch_size=50)
    np.testing.assert_allclose(model.parameters.vector, before - 0.1 * gradient, rtol=1e-12, atol=1e-15)


def test_batch_larger_than_the_data_is_one_batch(data):
    seen = []
    fit(network(), data, epochs=1, batch_size=1000, callbacks=[Recorder(seen)])
    assert [event[0] for event in seen] == ["step", "epoch", "end", "close"]


def test_one_example_can_be_trained_on():
    history = fit(network(), ([1.0, 2.0, 3.0, 4.0], 1))
    assert len(history) == 4


def test_without_shuffle_examples_come_in_order(rng):
    x = np.arange(6.0).reshape(6, 1)
    model = nnfw.Sequential([Dense(1, bias=False)], 1, dtype="float64")
    model.parameters["layers.0.weight"] = [[0.0]]
    seen = []
    optimizer = {"type": "sgd", "learning_rate": 1e-300}
    model.fit(x, x, cost="mse", optimizer=optimizer, batch_size=1, shuffle=False, callbacks=[Recorder(seen)], epochs=1)
    assert [event[3] for event in seen if event[0] == "step"] == [value**2 / 2 for value in range(6)]


def test_every_epoch_takes_each_example_once_in_a_new_order():
    x = np.arange(6.0).reshape(6, 1)
    model = nnfw.Sequential([Dense(1, bias=False)], 1, dtype="float64")
    model.parameters["layers.0.weight"] = [[0.0]]
    seen = []
    optimizer = {"type": "sgd", "learning_rate": 1e-300}
    model.fit(x, x, cost="mse", optimizer=optimizer, batch_size=1, epochs=2, callbacks=[Recorder(seen)])
    costs = [event[3] for event in seen if event[0] == "step"]
    assert sorted(costs[:6]) == sorted(costs[6:]) == [value**2 / 2 for value in range(6)]
    assert costs[:6] != costs[6:]


def test_memory_mapped_examples_of_bytes_train_like_arrays(tmp_path, rng):
    x = rng.integers(0, 255, size=(50, 4)).astype(np.uint8)
    y = rng.integers(2, size=50)
    np.save(tmp_path / "x.npy", x)
    first, second = network(), network()
    fit(first, (x / np.float32(1), y))
    fit(second, (np.load(tmp_path / "x.npy", mmap_mode="r"), y))
    assert np.array_equal(first.parameters.vector, second.parameters.vector)


# --- schedule, regularizer, weight decay ---------------------------------------------------------------------------


def test_schedule_multiplies_the_learning_rate(data):
    history = fit(network(), data, schedule={"type": "exponential", "rate": 0.5})
    assert history["learning_rate"] == pytest.approx([0.1, 0.05, 0.025, 0.0125])


def test_plateau_watches_the_validation_cost(data):
    x, y = data
    history = fit(
        network(), data, epochs=6, validation_data=(x, 1 - y), schedule={"type": "plateau", "rate": 0.5, "patience": 1}
    )
    assert history["learning_rate"][0] > history["learning_rate"][-1]
    assert history["validation_cost"][-1] > history["validation_cost"][0]


@pytest.mark.parametrize(
    "factors",
    [np.ones(1), np.full(4, np.nan), [1.0] * 4, np.full(4, None), np.full(4, 1j)],
    ids=["count", "nan", "list", "objects", "complex"],
)
def test_schedule_that_returns_something_else_is_refused(data, factors):
    @dataclass(frozen=True)
    class Broken(nnfw.Schedule):
        def factor(self, t, epochs, history):
            return factors

    with pytest.raises(nnfw.PluginError, match="Broken': factor must return an array of 4 finite numbers"):
        fit(network(), data, schedule=Broken())


def test_regularizer_adds_to_the_gradient_of_weights_only_and_is_recorded(data):
    model = network(dtype="float64")
    before, (_, gradient) = model.parameters.vector.copy(), model.gradient(*data, cost="cross_entropy")
    history = fit(model, data, epochs=1, batch_size=50, regularizer={"type": "l2", "rate": 0.5})
    weights = np.zeros_like(before)
    weights[model.parameters.layout.decays] = before[model.parameters.layout.decays]
    np.testing.assert_allclose(model.parameters.vector, before - 0.1 * (gradient + 0.5 * weights), rtol=1e-12)
    assert history[0]["penalty"] == pytest.approx(
        0.25 * np.sum(model.parameters.vector[model.parameters.layout.decays] ** 2)
    )


def test_weight_decay_spares_biases(data):
    model = network()
    model.parameters["layers.0.bias"][...] = 5.0
    optimizer = {"type": "adamw", "learning_rate": 1e-6, "weight_decay": 1e5}
    before = model.parameters["layers.0.weight"].copy()
    fit(model, data, epochs=1, batch_size=50, optimizer=optimizer)
    assert model.parameters["layers.0.bias"] == pytest.approx(5.0, abs=1e-4)
    np.testing.assert_allclose(model.parameters["layers.0.weight"], before * 0.9, atol=1e-4)


# --- callbacks -----------------------------------------------------------------------------------------------------


def test_early_stopping_stops_and_restores_the_best_parameters(data):
    x, y = data
    model = network()
    callbacks = [EarlyStopping(patience=3)]
    history = fit(model, data, epochs=50, validation_data=(x, 1 - y), callbacks=callbacks)
    assert len(history) == 4
    assert history.stopped.startswith("validation_cost has not improved")
    assert model.evaluate(x, 1 - y, cost="cross_entropy")["cost"] == pytest.approx(min(history["validation_cost"]))


def test_early_stopping_looks_for_higher_values_of_a_metric_that_says_so(data):
    model = network()
    stopping = EarlyStopping("validation_accuracy", patience=3)
    history = fit(model, data, epochs=40, metrics=["accuracy"], validation_data=data, callbacks=[stopping])
    best = max(history["validation_accuracy"])
    assert history["validation_accuracy"].index(best) > 0
    assert model.evaluate(*data, cost="cross_entropy", metrics=["accuracy"])["accuracy"] == best
    assert len(history) == history["validation_accuracy"].index(best) + 1 + 3


def test_early_stopping_can_leave_the_last_parameters(data):
    x, y = data
    model = network()
    callback = EarlyStopping(patience=3, restore_best=False)
    history = fit(model, data, epochs=50, validation_data=(x, 1 - y), callbacks=[callback])
    assert model.evaluate(x, 1 - y, cost="cross_entropy")["cost"] == pytest.approx(history["validation_cost"][-1])


@pytest.mark.parametrize("name", ["early_stopping", "checkpoint_best"])
def test_callback_that_monitors_what_nobody_records_is_refused_before_the_first_step(data, name):
    seen = []
    with pytest.raises(
        nnfw.ConfigError, match="monitor must be a number that each epoch records, got 'validation_cost'.*ed: cost"
    ):
        fit(network(), data, callbacks=[name, Recorder(seen)])
    assert seen == []


def test_checkpoint_best_writes_the_model_of_the_best_epoch(data, tmp_path):
    x, y = data
    history = fit(network(), data, validation_data=(x, 1 - y), callbacks=["checkpoint_best"], directory=tmp_path)
    best = nnfw.load(tmp_path / "best.nnfw")
    assert best.evaluate(x, 1 - y, cost="cross_entropy")["cost"] == pytest.approx(min(history["validation_cost"]))


def test_csv_log_writes_a_row_per_epoch(data, tmp_path):
    history = fit(network(), data, metrics=["confusion_matrix"], callbacks=[CSVLog("log.csv")], directory=tmp_path)
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["cost"]) for row in rows] == history["cost"]
    assert json.loads(rows[-1]["confusion_matrix"]) == history[-1]["confusion_matrix"]


def test_csv_log_that_cannot_be_written_is_refused_before_the_first_step(data, tmp_path):
    with pytest.raises(nnfw.DataError, match=r"none/log.csv cannot be written: No such file"):
        fit(network(), data, callbacks=[CSVLog("none/log.csv")], directory=tmp_path)


def test_early_stopping_in_the_last_epoch_has_stopped_nothing(data):
    x, y = data
    history = fit(network(), data, epochs=4, validation_data=(x, 1 - y), callbacks=[EarlyStopping(patience=3)])
    assert len(history) == 4
    assert history.stopped == ""


def test_early_stopping_can_watch_the_penalty(data):
    history = fit(network(), data, regularizer={"type": "l2", "rate": 0.1}, callbacks=[EarlyStopping("penalty")])
    assert "penalty" in history[0]


def test_callbacks_are_closed_if_a_later_one_cannot_start(data, tmp_path):
    seen = []
    with pytest.raises(nnfw.ConfigError, match="monitor"):
        fit(network(), data, callbacks=[Recorder(seen), "early_stopping"], directory=tmp_path)
    assert seen == [("close",)]


def test_metrics_of_weighted_batches_equal_those_of_one_batch(data, rng):
    x, y = data
    weight = rng.uniform(0.1, 3.0, size=50)
    results = []
    for batch_size in (50, 7):
        model = network(dtype="float64")
        record = fit(
            model,
            data,
            epochs=1,
            batch_size=batch_size,
            sample_weight=weight,
            metrics=["accuracy", "f1"],
            optimizer={"type": "sgd", "learning_rate": 1e-12},
        )[0]
        results.append([record["cost"], record["accuracy"], record["f1"]])
    model = network(dtype="float64")
    whole = model.evaluate(x, y, cost="cross_entropy", metrics=["accuracy", "f1"], sample_weight=weight)
    assert results[0] == pytest.approx(list(whole.values()))
    assert results[1] == pytest.approx(list(whole.values()))


@pytest.mark.parametrize("stream", ["order", "noise"])
def test_every_random_stream_of_a_training_depends_on_the_seed(data, stream):
    def train(seed):
        layers = [
            Dense(8, activation="tanh"),
            *([Dropout(0.5)] if stream == "noise" else []),
            Dense(2, activation="softmax"),
        ]
        model = nnfw.Sequential(layers, 4)
        fit(model, data, seed=seed, shuffle=stream == "order")
        return model.parameters.vector

    assert np.array_equal(train(1), train(1))
    assert not np.array_equal(train(1), train(2))


def test_callbacks_are_closed_after_an_error(data):
    @dataclass(frozen=True)
    class Failing(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            raise RuntimeError("the callback's own")

    seen = []
    with pytest.raises(RuntimeError, match="the callback's own"):
        fit(network(), data, callbacks=[Failing(), Recorder(seen)])
    assert seen[-1] == ("close",)


def test_history_without_an_entry_names_those_there_are(data):
    history = fit(network(), data, metrics=["accuracy"])
    for name, hint in (("loss", " "), ("acuracy", " Did you mean 'accuracy'? ")):
        with pytest.raises(KeyError) as caught:
            history[name]
        assert caught.value.args == (
            f"Epochs have no entry {name!r}.{hint}Entries: epoch, learning_rate, cost, accuracy.",
        )
    assert nnfw.History()["loss"] == []


def test_history_by_name_and_by_position(data):
    history = fit(network(), data)
    assert history[0]["cost"] == history["cost"][0]
    assert [record["epoch"] for record in history] == history["epoch"]
    assert len(history) == 4


# --- signals -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interrupts(nnfw.Callback):
    """Sends SIGINT to the process in one of its methods, at some step."""

    method: str
    step: int

    def step_computed(self, fit, state):
        self.send("step_computed", fit)

    def epoch_ended(self, fit, record, state):
        self.send("epoch_ended", fit)

    def send(self, method, fit):
        if (method, fit.step) == (self.method, self.step):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("method", "step", "epochs"),
    [("step_computed", 6, 1), ("step_computed", 7, 1), ("step_computed", 8, 2), ("epoch_ended", 8, 2)],
    ids=["within-an-epoch", "before-the-last-step", "last-step", "end-of-an-epoch"],
)
def test_signal_ends_a_training_before_the_next_step(data, method, step, epochs):
    seen = []
    with pytest.raises(nnfw.TrainingInterrupted, match=rf"interrupted in epoch 2, after step {step}\.$"):
        fit(network(), data, callbacks=[Interrupts(method, step), Recorder(seen)])
    assert [event[2] for event in seen if event[0] == "step"] == list(range(1, step + 1))
    assert sum(event[0] == "epoch" for event in seen) == epochs  # an epoch whose steps are taken has its record


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("method", ["step_computed", "epoch_ended"])
def test_signal_ends_a_solver_before_its_next_iteration(data, method):
    seen, model, expected = [], network(), network()
    given = {"cost": "cross_entropy", "optimizer": "lbfgs"}
    with pytest.raises(nnfw.TrainingInterrupted, match=r"interrupted in epoch 2, after step 2\.$"):
        model.fit(*data, **given, epochs=4, callbacks=[Recorder(seen), Interrupts(method, 2)])
    expected.fit(*data, **given, epochs=2)
    assert [event[1] for event in seen if event[0] == "epoch"] == [1, 2]
    assert np.array_equal(model.parameters.vector, expected.parameters.vector)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("method", ["step_computed", "epoch_ended"])
def test_training_interrupted_at_the_end_of_an_epoch_goes_on_with_the_next(data, tmp_path, method):
    kept = {"checkpoints": tmp_path, "checkpoint_seconds": 1000}
    with pytest.raises(nnfw.TrainingInterrupted, match=r"after step 8\. Its state is in"):
        fit(network(), data, callbacks=[Interrupts(method, 8)], **kept)
    resumed, whole, seen = network(), network(), []
    fit(resumed, data, callbacks=[Recorder(seen)], resume=True, **kept)
    fit(whole, data)
    assert seen[0][:3] == ("step", 3, 9)
    assert np.array_equal(resumed.parameters.vector, whole.parameters.vector)


# --- divergence ----------------------------------------------------------------------------------------------------


def test_diverged_training_stops_at_that_step_and_names_epoch_step_and_layer(data):
    model = nnfw.Sequential([Dense(8, activation="relu"), Dense(2)], 4)
    x, y = data
    seen = []
    with pytest.raises(
        nnfw.DivergedError,
        match=r"diverged in epoch 1, step \d: the cost became (inf|nan).*Layer \d 'dense' \(built-in\)",
    ) as caught:
        model.fit(
            x,
            np.eye(2)[y],
            cost="mse",
            optimizer={"type": "sgd", "learning_rate": 1e20},
            epochs=9,
            batch_size=16,
            callbacks=[Recorder(seen)],
        )
    costs = [event[3] for event in seen if event[0] == "step"]
    assert all(map(math.isfinite, costs))
    assert caught.value.epoch == 1
    assert caught.value.step == len(costs) + 1


def test_parameters_that_overflow_in_the_last_step_are_found(data):
    model = nnfw.Sequential([Dense(2)], 4)
    x, y = data
    with pytest.raises(nnfw.DivergedError, match="step 1: the step made layers.0.weight, layers.0.bias not"):
        model.fit(
            x * 1e3, np.eye(2)[y], cost="mse", optimizer={"type": "sgd", "learning_rate": 1e38}, batch_size=50, epochs=1
        )


def test_divergence_guard_can_be_switched_off(data):
    model = nnfw.Sequential([Dense(2)], 4)
    x, y = data
    with pytest.warns(RuntimeWarning, match="rose from .* to (nan|inf): the model is worse than an untrained one"):
        history = model.fit(
            x,
            np.eye(2)[y],
            cost="mse",
            optimizer={"type": "sgd", "learning_rate": 1e30},
            epochs=3,
            batch_size=16,
            callbacks=[TerminateOnNaN(enabled=False)],
        )
    assert not math.isfinite(history["cost"][-1])
    assert len(history) == 3


def test_validation_cost_that_is_not_finite_is_found(data):
    x, y = data
    model = nnfw.Sequential([Dense(2)], 4)
    with pytest.raises(
        nnfw.DivergedError, match=r"the validation cost became inf. Layer 0 'dense' \(built-in\): a reaches"
    ):
        model.fit(x, np.eye(2)[y], cost="mse", optimizer=SGD, validation_data=(x * 1e25, np.eye(2)[y]), epochs=1)


# --- names of metrics, and metrics that cannot be monitored -----------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (["f1", {"type": "f1", "average": "micro"}], ["f1", "f1_micro"]),
        ([{"type": "f1", "average": "macro"}, {"type": "f1", "average": "micro"}], ["f1_macro", "f1_micro"]),
        ([{"type": "f1", "average": "micro"}], ["f1"]),
        ([{"type": "f1", "average": "micro"}, {"type": "recall", "average": "macro"}], ["f1", "recall"]),
        (["top_k_accuracy", {"type": "top_k_accuracy", "k": 3}], ["top_k_accuracy", "top_k_accuracy_3"]),
        (["f1", {"type": "f1", "multilabel": True}], ["f1", "f1_multilabel"]),
        (["f1", "f1", "f1"], ["f1", "f1_2", "f1_3"]),
        (["f1", {"type": "f1", "average": "micro"}, "f1"], ["f1", "f1_micro", "f1_2"]),
    ],
    ids=["default", "both", "alone", "others", "number", "flag", "same", "some the same"],
)
def test_metrics_of_one_name_are_recorded_with_what_tells_them_apart(metrics, expected):
    registry = nnfw.plugins.default_registry()
    resolved = tuple(registry.resolve("metric", metric) for metric in metrics)
    assert list(nnfw.training.named_metrics(resolved, registry)) == expected


@dataclass(frozen=True)
class Quantile(nnfw.Metric):
    """A metric of no plugin, with options of several kinds."""

    at: float = 0.5
    exact: bool = True
    words: tuple[str, ...] = ()
    higher_is_better = False

    def statistics(self, a, y, weight=None):
        return np.zeros(1)

    def result(self, statistics):
        return 0.0


def test_metrics_of_no_plugin_are_told_apart_by_their_options():
    metrics = (Quantile(), Quantile(0.9), Quantile(0.9, exact=False), Quantile(words=("a b",)))
    found = nnfw.training.named_metrics(metrics, nnfw.plugins.default_registry())
    assert list(found) == ["Quantile", "Quantile_0.9", "Quantile_0.9_exact_False", "Quantile_2"]


def test_early_stopping_watches_a_metric_by_what_tells_it_apart(data):
    metrics = [{"type": "f1", "average": average} for average in ("macro", "micro")]
    stop = EarlyStopping("validation_f1_micro", patience=1)
    history = fit(network(), data, metrics=metrics, validation_data=data, callbacks=[stop], epochs=40)
    assert history.stopped.startswith("validation_f1_micro has not improved on 0.")


@pytest.mark.parametrize("callback", ["early_stopping", "checkpoint_best"])
@pytest.mark.parametrize("monitor", ["confusion_matrix", "validation_confusion_matrix"])
def test_matrix_cannot_be_watched_and_is_refused_before_the_first_step(data, tmp_path, callback, monitor):
    model, table = network(), {"type": callback, "monitor": monitor}
    before = model.parameters.vector.copy()
    message = (
        rf"a number that each epoch records, got '{monitor}'.* Recorded: cost, accuracy, validation_cost, .*matrix h"
    )
    with pytest.raises(nnfw.ConfigError, match=message) as caught:
        fit(
            model,
            data,
            metrics=["confusion_matrix", "accuracy"],
            validation_data=data,
            callbacks=[table],
            directory=tmp_path,
        )
    assert "A matrix has no best value." in str(caught.value)
    np.testing.assert_array_equal(model.parameters.vector, before)


@pytest.mark.parametrize("part", ["training", "validation"])
def test_metric_that_cannot_take_a_late_label_is_refused_before_the_first_step(rng, part):
    x, y = rng.normal(size=(3000, 4)), np.eye(3)[rng.integers(0, 3, 3000)]
    late = y.copy()
    late[2999] = 1
    model = nnfw.Sequential([Dense(3, activation="sigmoid")], 4)
    before = model.parameters.vector.copy()
    options = {"cost": "binary_cross_entropy", "optimizer": SGD, "metrics": ["f1"]}
    with pytest.raises(
        nnfw.DataError, match=r"^Metric 'f1' \(built-in\) does not fit network and labels: .*multilabel"
    ):
        model.fit(x, late if part == "training" else y, validation_data=(x, late), **options)
    np.testing.assert_array_equal(model.parameters.vector, before)
    options["metrics"] = [{"type": "f1", "multilabel": True}]
    assert 0 <= model.fit(x, late, **options)[0]["f1"] <= 1


def test_confusion_matrix_of_too_many_classes_is_refused_before_the_first_step(rng):
    model = nnfw.Sequential([Dense(5000, activation="softmax")], 2)
    with pytest.raises(
        nnfw.DataError, match=r"'confusion_matrix' .* matrix of 5,000 classes has 25,000,000 entries, 190 M"
    ):
        model.fit(
            rng.normal(size=(4, 2)),
            np.arange(4),
            cost="cross_entropy",
            optimizer=SGD,
            metrics=["confusion_matrix"],
            epochs=1,
        )


# --- what made it diverge ---------------------------------------------------------------------------------------------


def linear(rng, x=1.0, y=1.0, **options):
    settings = {"cost": "mse", "optimizer": SGD, "batch_size": 50, "epochs": 3}
    return nnfw.Sequential([Dense(1)], 2).fit(
        x * rng.normal(size=(100, 2)), y * rng.normal(size=(100, 1)), **(settings | options)
    )


@pytest.mark.parametrize("size", [1e20, 1e30])
def test_divergence_by_labels_names_the_labels(rng, size):
    message = (
        r"step 1: the cost became inf\. The labels reach [\d.]+e\+\d\d, too large for the cost in float32\. Scale the "
        r"labels, which reach [\d.]+e\+\d\d \(target_transforms\), lower the learning rate, or clip"
    )
    with pytest.raises(nnfw.DivergedError, match=message):
        linear(rng, y=size)


def test_divergence_by_inputs_advises_to_scale_them(rng):
    message = r"Layer 0 'dense' \(built-in\): .*\. Scale the inputs, which reach [\d.]+e\+03 \(transforms\), lower the"
    with pytest.raises(nnfw.DivergedError, match=message):
        linear(rng, x=1e3, epochs=50)


def test_divergence_by_the_learning_rate_does_not_advise_to_scale(rng):
    with pytest.raises(nnfw.DivergedError, match=r"\. Lower the learning rate or clip the gradient \(clip_norm\)\.$"):
        linear(rng, optimizer={"type": "sgd", "learning_rate": 1e6}, epochs=20)


def test_numbers_of_classes_are_nothing_to_scale(data):
    x, y = data
    model = nnfw.Sequential([Dense(2, activation="relu"), Dense(500, activation="softmax")], 4)
    with pytest.raises(nnfw.DivergedError, match=r"\. Lower the learning rate or clip the gradient \(clip_norm\)\.$"):
        model.fit(x, 499 * y, cost="cross_entropy", optimizer={"type": "sgd", "learning_rate": 1e38}, epochs=20)


def test_reach_of_a_memory_mapped_array_is_that_of_its_first_rows(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.array([[1.0, -3.0], [2.0, 2.0], [9.0, 9.0]]))
    monkeypatch.setattr(watch, "_LOOKED_AT", 4)
    assert watch.reach([np.load(tmp_path / "x.npy", mmap_mode="r")]) == 3
    assert watch.reach([np.ones(3), np.load(tmp_path / "x.npy")]) == 9


# --- a training that makes the model worse ----------------------------------------------------------------------------

WORSE = (
    r"The cost of the first 64 examples rose from [\d.]+ before the training to [\d.]+e\+\d+: the model is worse "
    r"than an untrained one\. Lower the learning rate or clip the gradient \(clip_norm\)\.$"
)


@pytest.mark.parametrize("size", [50, 100], ids=["two steps", "one step"])
def test_cost_far_above_that_before_the_training_is_told(rng, size):
    with pytest.warns(RuntimeWarning, match=f"^{WORSE}"):
        history = linear(rng, optimizer={"type": "sgd", "learning_rate": 1e6}, epochs=1, batch_size=size)
    assert history.warning.startswith("The cost of the first 64 examples rose from")


@pytest.mark.parametrize(("shape", "by_numba"), [(4, False), ((2, 2), True)], ids=["rows", "images"])
def test_first_examples_are_evaluated_by_the_accelerator_if_they_have_several_axes(monkeypatch, data, shape, by_numba):
    pytest.importorskip("numba")
    seen, evaluate = [], loop.evaluate
    monkeypatch.setattr(
        loop, "evaluate", lambda *args, **named: seen.append(engine_in_use()) or evaluate(*args, **named)
    )
    x, y = data
    model = nnfw.Sequential([Flatten(), Dense(2, activation="softmax")], shape)
    fit(model, (x.reshape(50, *model.input_shape), y), epochs=1, accelerator="numba")
    assert [engine is not DEFINITIONS for engine in seen] == [by_numba]


def test_cost_that_rises_a_little_is_not_told(rng):
    assert linear(rng, optimizer={"type": "sgd", "learning_rate": 2.5}, epochs=2).warning == ""


@dataclass(frozen=True)
class PutBack(nnfw.Callback):
    """Ends with the parameters of the beginning."""

    def state(self, fit):
        return {"first": fit.snapshot()}

    def fit_ended(self, fit, state):
        fit.restore(state["first"])


def test_cost_that_rose_is_not_told_where_better_parameters_are_put_back(rng):
    optimizer = {"type": "sgd", "learning_rate": 30.0}
    history = linear(rng, optimizer=optimizer, epochs=4, batch_size=100, callbacks=[PutBack()])
    assert history["cost"][-1] > 1000 * history["cost"][0]
    assert history.warning == ""


def test_cost_that_was_zero_before_the_training_is_not_compared(rng):
    x = rng.normal(size=(20, 2))
    model = nnfw.Sequential([Dense(1)], 2, values={"layers.0.weight": [[0.0, 0.0]]})
    assert model.fit(x, np.zeros(20), cost="mse", optimizer=SGD, epochs=1).warning == ""


@dataclass(frozen=True)
class Moves(nnfw.Callback):
    """Keeps the vector before and after each step in `state`."""

    def step_computed(self, fit, state):
        state.setdefault("before", []).append(fit.vector.copy())

    def step_ended(self, fit, state):
        state.setdefault("after", []).append((fit.epoch, fit.step, fit.vector.copy()))

    def fit_ended(self, fit, state):
        assert len(state["before"]) == fit.steps * fit.epochs == len(state["after"])
        assert [step for _, step, _ in state["after"]] == [*range(1, fit.steps * fit.epochs + 1)]
        for start, (_, _, end), following in zip(
            state["before"], state["after"], [*state["before"][1:], fit.vector], strict=True
        ):
            assert (start != end).any()
            assert (end == following).all()


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_step_ended_runs_after_the_parameters_of_each_step_have_changed(data, accelerator):
    model, same = network(), network()
    fit(model, data, epochs=3, callbacks=[Moves()], accelerator=accelerator)
    fit(same, data, epochs=3, accelerator=accelerator)
    assert (model.parameters.vector == same.parameters.vector).all()


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_step_ended_alone_sees_every_step(data, accelerator):
    seen = []

    @dataclass(frozen=True)
    class Steps(nnfw.Callback):
        def step_ended(self, fit, state):
            seen.append((fit.epoch, fit.step, fit.vector.copy()))

    model = network()
    fit(model, data, epochs=4, callbacks=[Steps()], accelerator=accelerator)
    assert [(epoch, step) for epoch, step, _ in seen] == [(1 + k // 4, 1 + k) for k in range(16)]
    assert len({vector.tobytes() for *_, vector in seen}) == 16
    assert (seen[-1][-1] == model.parameters.vector).all()


def test_step_ended_runs_after_each_iteration_of_a_solver(data):
    seen = []

    @dataclass(frozen=True)
    class Steps(nnfw.Callback):
        def step_ended(self, fit, state):
            seen.append((fit.epoch, fit.step, fit.vector.copy()))

    model = network()
    model.fit(*data, cost="cross_entropy", optimizer="lbfgs", epochs=3, callbacks=[Steps()])
    assert [(epoch, step) for epoch, step, _ in seen] == [(1, 1), (2, 2), (3, 3)]
    assert (seen[-1][-1] == model.parameters.vector).all()


@dataclass(frozen=True)
class Counter(nnfw.Layer):
    """z = a_prev; counts the steps in a parameter that is not trained."""

    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        return input_shape

    def parameters(self, input_shape):
        return {"count": nnfw.Parameter((1,), nnfw.initializer("zeros"), trainable=False)}

    def forward(self, params, a_prev, workspace):
        params["count"][...] += workspace.training
        return a_prev

    def backward(self, params, delta, grads, workspace):
        return delta


def test_fit_gives_a_callback_the_parameters_by_name_and_their_places(data):
    seen = []

    @dataclass(frozen=True)
    class Looks(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            seen.append(fit)
            assert list(fit.parameters) == list(model.parameters)
            assert all((fit.parameters[name] == array).all() for name, array in model.parameters.items())
            for name, part in fit.parts.items():
                assert (fit.vector[part] == fit.parameters[name].ravel()).all()
            with pytest.raises(ValueError, match="read-only"):
                fit.parameters["layers.0.bias"][0] = 1.0
            for mapping in (fit.parameters, fit.parts):
                with pytest.raises(TypeError, match="does not support item assignment"):
                    mapping["layers.0.bias"] = None

    model = nnfw.Sequential([Dense(3, activation="tanh"), Counter(), Dense(2, activation="softmax")], 4)
    fit(model, data, epochs=2, callbacks=[Looks()])
    assert [*seen[-1].parts] == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]
    assert seen[-1].parameters["layers.1.count"] == [2 * 4]
    assert sum(part.stop - part.start for part in seen[-1].parts.values()) == model.parameters.vector.size
    assert seen[-1].experiment is None


def test_callback_that_wants_costs_gets_all_of_them_before_the_last_step_changes_parameters(data):
    seen, before = [], []

    @dataclass(frozen=True)
    class Costs(nnfw.Callback):
        def state(self, fit):
            before.append(fit.vector.copy())
            return {}

        def steps_computed(self, fit, costs, state):
            seen.extend(costs)
            assert costs[-1] == fit.cost

        def step_computed(self, fit, state):
            assert len(seen) == fit.step
            assert np.array_equal(fit.vector, before[0]) == (fit.step == 1)

    history = fit(network(), data, callbacks=[Costs()])
    assert len(seen) == 16
    assert history[0]["cost"] == pytest.approx(np.average(seen[:4], weights=[16, 16, 16, 2]))
