"""Averages of the parameters: the model is evaluated and saved with them, the training goes on without them."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.training import Average
from nnfw_standard import Adam, BatchNorm, Dense, Dropout, ScheduleFree

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(2, 40, 3))
SETTINGS = {"cost": "mse", "accelerator": "none", "batch_size": 8, "epochs": 4}
EMA, SWA = {"type": "ema", "decay": 0.8}, {"type": "swa", "start": 2}
WAYS = {
    "ema": {"average": EMA},
    "swa": {"average": SWA},
    "schedule_free": {"optimizer": ScheduleFree(0.05)},
    "schedule_free sgd": {"optimizer": ScheduleFree(0.05, base="sgd")},
}


def model(*more):
    return nnfw.Sequential([Dense(4), BatchNorm(), *more, Dense(3)], 3, seed=1)


def fit(network, **settings):
    return network.fit(X, Y, **SETTINGS | {"optimizer": Adam(0.05)} | settings)


class Seen:
    """The parameters after each step, and at the end of each epoch, as a callback sees them."""

    def __init__(self):
        self.found, self.ends = found, ends = [], []

        @dataclass(frozen=True)
        class Steps(nnfw.Callback):
            def step_ended(self, fit, state):
                found.append(fit.snapshot())

            def epoch_ended(self, fit, record, state):
                ends.append(fit.snapshot())

        self.callback = Steps()


def literal(average, steps, per_epoch=5):
    """Return the average at the end of each epoch, by its definition."""
    ends, mean, samples = [], None, []
    for number, theta in enumerate(steps):
        epoch = 1 + number // per_epoch
        if average["type"] == "swa":
            if epoch < average["start"]:
                mean = theta
            elif number % per_epoch == per_epoch - 1:
                samples.append(theta)
                mean = np.mean(samples, axis=0)
        elif epoch < average.get("start", 1) or number == (average.get("start", 1) - 1) * per_epoch:
            mean = theta
        else:
            mean = average["decay"] * mean + (1 - average["decay"]) * theta
        if number % per_epoch == per_epoch - 1:
            ends.append(mean)
    return ends


@pytest.mark.parametrize("average", [EMA, EMA | {"start": 3}, SWA, SWA | {"start": 1}], ids=str)
def test_average_follows_its_definition_and_leaves_the_steps_alone(average):
    plain, averaged = Seen(), Seen()
    fit(model(), callbacks=[plain.callback])

    network = model()
    fit(network, callbacks=[averaged.callback], average=average)

    for part in (0, 1):  # parameters and the layers' state
        np.testing.assert_array_equal([a[part] for a in averaged.found], [a[part] for a in plain.found])
        expected = literal(average, [a[part].astype(float) for a in plain.found])
        np.testing.assert_allclose([a[part] for a in averaged.ends], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(network.parameters.vector, averaged.ends[-1][0])
    np.testing.assert_array_equal(network.parameters.state, averaged.ends[-1][1])


@pytest.mark.parametrize("way", WAYS)
def test_records_and_best_parameters_are_those_of_the_average(way, tmp_path):
    network, seen = model(), Seen()
    callbacks = [seen.callback, {"type": "checkpoint_best", "path": "best.nnfw", "monitor": "validation_cost"}]

    history = fit(network, callbacks=callbacks, validation_data=(X, Y), directory=tmp_path, **WAYS[way])

    costs = []
    for vector, state in seen.ends:
        probe = model()
        probe.parameters.vector[...], probe.parameters.state[...] = vector, state
        costs.append(probe.evaluate(X, Y, cost="mse")["cost"])
    np.testing.assert_allclose(history["validation_cost"], costs, rtol=1e-6)
    best = nnfw.load(tmp_path / "best.nnfw")
    np.testing.assert_array_equal(best.parameters.vector, seen.ends[int(np.argmin(costs))][0])
    assert not np.array_equal(seen.ends[-1][0], seen.found[-1][0])


@pytest.mark.parametrize("way", WAYS)
def test_early_stopping_restores_the_best_average(way):
    network, seen = model(), Seen()
    stopping = {"type": "early_stopping", "monitor": "validation_cost", "patience": 1, "min_delta": 100.0}

    history = fit(network, callbacks=[seen.callback, stopping], validation_data=(X, Y), **WAYS[way])

    assert history.stopped
    np.testing.assert_array_equal(network.parameters.vector, seen.ends[0][0])


@dataclass(frozen=True)
class Stops(nnfw.Callback):
    """Ctrl-C in a step."""

    at: int

    def step_ended(self, fit, state):
        if fit.step == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [2, 7, 11, 15])
@pytest.mark.parametrize("way", WAYS)
def test_training_with_an_average_resumes_to_the_bit(tmp_path, way, at):
    expected = model(Dropout(0.3))
    whole = fit(expected, validation_data=(X, Y), **WAYS[way])
    again = {"checkpoints": tmp_path, "checkpoint_seconds": 0, "validation_data": (X, Y), **WAYS[way]}
    with pytest.raises(KeyboardInterrupt):
        fit(model(Dropout(0.3)), callbacks=[Stops(at)], **again)

    found = model(Dropout(0.3))
    history = fit(found, resume=True, **again)

    assert history.resumed
    assert history.records == whole.records
    np.testing.assert_array_equal(found.parameters.vector, expected.parameters.vector)
    np.testing.assert_array_equal(found.parameters.state, expected.parameters.state)


@pytest.mark.parametrize("way", WAYS)
def test_finished_training_that_is_resumed_leaves_the_average(tmp_path, way):
    first, second = model(), model()
    fit(first, checkpoints=tmp_path, **WAYS[way])

    fit(second, checkpoints=tmp_path, resume=True, **WAYS[way])

    np.testing.assert_array_equal(second.parameters.vector, first.parameters.vector)


@pytest.mark.parametrize("way", WAYS)
def test_training_in_several_calls_is_that_of_one_call(way):
    whole, network, history = model(), model(), None
    fit(whole, **WAYS[way])

    for _ in range(4):
        history = fit(network, **WAYS[way] | {"epochs": 1, "continue_from": history, "planned_epochs": 4})

    np.testing.assert_array_equal(network.parameters.vector, whole.parameters.vector)
    np.testing.assert_array_equal(network.parameters.state, whole.parameters.state)


@pytest.mark.parametrize("way", WAYS)
def test_numba_averages_as_numpy_does(way):
    pytest.importorskip("numba")
    one, other = model(), model()
    fit(one, **WAYS[way])

    fit(other, accelerator="numba", **WAYS[way])

    np.testing.assert_allclose(other.parameters.vector, one.parameters.vector, rtol=1e-4, atol=1e-5)


def test_interrupted_training_leaves_the_trained_parameters():
    network, seen = model(), Seen()
    with pytest.raises(KeyboardInterrupt):
        fit(network, callbacks=[seen.callback, Stops(7)], average=EMA)

    np.testing.assert_array_equal(network.parameters.vector, seen.found[-1][0])


def test_error_in_a_callback_leaves_the_trained_parameters():
    network, seen = model(), Seen()

    def fails(fit, record):
        raise RuntimeError("no more")

    with pytest.raises(Exception, match="no more"):
        fit(network, callbacks=[seen.callback, fails], average=EMA)

    np.testing.assert_array_equal(network.parameters.vector, seen.found[-1][0])


def test_average_counts_steps_of_the_optimizer_where_gradients_accumulate():
    assert Average("ema", decay=0.5).kept(epoch=1, updates=3) == [0.0, 0.5, 0.5]
    plain, averaged = Seen(), Seen()
    fit(model(), callbacks=[plain.callback], accumulate=2)

    fit(model(), callbacks=[averaged.callback], accumulate=2, average=EMA)

    moved = [theta for k, (theta, _) in enumerate(plain.found) if k % 5 in (1, 3, 4)]
    expected = literal(EMA, [theta.astype(float) for theta in moved], per_epoch=3)
    np.testing.assert_allclose([a[0] for a in averaged.ends], expected, rtol=1e-5, atol=1e-6)


class OwnAverage(nnfw.Optimizer):
    """An optimizer with an average, which does not know of rates of parameters."""

    learning_rate = 0.1

    def state(self, vector):
        return {"evaluated": vector.copy()}

    def update(self, vector, gradient, state, step, learning_rate, decays):
        raise AssertionError("nothing is to be trained")


REFUSED = {
    "solver": ({"average": EMA, "optimizer": "lbfgs"}, r"average has no steps to average: 'lbfgs' \(built-in\) ends"),
    "schedule_free": (
        {"average": EMA, "optimizer": "schedule_free"},
        r"average has no effect: 'schedule_free' \(built-in\) averages the parameters itself\. Leave it out\.",
    ),
    "rates": (
        {"rates": {"*.bias": 0.5}, "optimizer": OwnAverage()},
        r"rates cannot scale the steps: 'OwnAverage' averages the parameters itself\. Leave it out\.",
    ),
    "frozen": (
        {"frozen": ["*.bias"], "optimizer": OwnAverage()},
        r"frozen cannot hold parameters back: 'OwnAverage' averages the parameters itself\. Leave it out\.",
    ),
    "decay of swa": (
        {"average": {"type": "swa", "decay": 0.9}},
        r"average\.decay has nothing to weigh: 'swa' is a plain mean\. Leave it out\.",
    ),
    "type": ({"average": {"type": "mean"}}, r"average\.type must be 'ema' or 'swa', got 'mean'"),
    "no type": ({"average": {"decay": 0.9}}, "average.type is missing"),
    "decay": ({"average": {"type": "ema", "decay": 1.0}}, r"average\.decay must be less than 1, got 1\.0"),
    "start": ({"average": {"type": "ema", "start": 0}}, "average.start must be greater than or equal to 1, got 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_average_that_cannot_be_is_refused(name):
    settings, text = REFUSED[name]
    with pytest.raises(nnfw.ConfigError, match=text):
        fit(model(), **settings)
