"""Gradient accumulation: a step for several batches, as if they were one."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

import nnfw
from nnfw_standard import SGD, Adam, Dense, Dropout, Exponential

RNG = np.random.default_rng(3)
X, Y, WEIGHT = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 2)), RNG.uniform(0.1, 2, 50)
SETTINGS = {"cost": "mse", "shuffle": False, "accelerator": "none"}


def model(*more, dtype="float64"):
    return nnfw.Sequential([Dense(4, activation="tanh"), *more, Dense(2)], 3, seed=1, dtype=dtype)


def trained(network=None, x=X, y=Y, **settings):
    network = network or model()
    history = network.fit(x, y, **SETTINGS | {"optimizer": Adam(0.05), "epochs": 3} | settings)
    return network.parameters.vector, history


@pytest.mark.parametrize("batch_size", [4, 5, 7, 12])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_groups_of_batches_train_like_large_batches(batch_size, weighted):
    more = {"sample_weight": WEIGHT} if weighted else {}

    joined, _ = trained(batch_size=batch_size, accumulate=4, regularizer={"type": "l2", "rate": 0.1}, **more)

    large, _ = trained(batch_size=4 * batch_size, regularizer={"type": "l2", "rate": 0.1}, **more)
    np.testing.assert_allclose(joined, large, rtol=1e-10, atol=1e-12)


def test_clipping_acts_on_the_mean_of_a_group():
    joined, _ = trained(batch_size=5, accumulate=5, optimizer=SGD(0.5, clip_norm=0.01))

    large, _ = trained(batch_size=25, optimizer=SGD(0.5, clip_norm=0.01))
    np.testing.assert_allclose(joined, large, rtol=1e-10, atol=1e-12)


def test_step_of_a_group_has_the_rate_of_its_last_batch():
    network, rates = model(), []

    @dataclass(frozen=True)
    class Spy(SGD):
        def update(self, vector, gradient, state, step, learning_rate, decays):
            rates.append((step, round(learning_rate, 12)))

    network.fit(X, Y, optimizer=Spy(1.0), schedule=Exponential(0.5), batch_size=10, accumulate=2, epochs=2, **SETTINGS)

    times = [0.2, 0.6, 0.8, 1.2, 1.6, 1.8]  # the last group of an epoch has one batch
    assert rates == [(step, round(0.5**time, 12)) for step, time in enumerate(times, 1)]


def test_parameters_stay_within_a_group_and_records_count_batches():
    seen = []

    @dataclass(frozen=True)
    class Looks(nnfw.Callback):
        def step_ended(self, fit, state):
            seen.append((fit.step, fit.vector.copy()))

    _, history = trained(batch_size=10, accumulate=2, epochs=1, callbacks=[Looks()])

    assert [step for step, _ in seen] == [1, 2, 3, 4, 5]
    changes = [not np.array_equal(a, b) for (_, a), (_, b) in pairwise(seen)]
    assert changes == [True, False, True, True]
    assert len(history) == 1


def test_each_batch_alone_is_the_training_without_accumulation():
    np.testing.assert_array_equal(trained(batch_size=8, accumulate=1)[0], trained(batch_size=8)[0])


@dataclass(frozen=True)
class Stops(nnfw.Callback):
    """Ctrl-C in a step."""

    at: int

    def step_ended(self, fit, state):
        if fit.step == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [2, 3, 6, 7, 9])
@pytest.mark.parametrize("more", [{}, {"average": {"type": "ema", "decay": 0.9}}], ids=["", "average"])
def test_training_resumes_to_the_bit_within_a_group(tmp_path, at, more):
    settings = {"batch_size": 9, "accumulate": 4, "epochs": 3, "shuffle": True, **more}
    expected, _ = trained(model(Dropout(0.3), dtype="float32"), **settings)
    again = {"checkpoints": tmp_path, "checkpoint_seconds": 0, **settings}
    with pytest.raises(KeyboardInterrupt):
        trained(model(Dropout(0.3), dtype="float32"), callbacks=[Stops(at)], **again)

    found, history = trained(model(Dropout(0.3), dtype="float32"), resume=True, **again)

    assert history.resumed == f"in epoch {1 + (at - 1) // 6}, after step {at - 1}" or at == 7
    np.testing.assert_array_equal(found, expected)


def test_training_in_several_calls_is_that_of_one_call():
    whole, _ = trained(batch_size=9, accumulate=4, shuffle=True)
    network, history = model(), None

    for _ in range(3):
        _, history = trained(
            network, batch_size=9, accumulate=4, shuffle=True, epochs=1, continue_from=history, planned_epochs=3
        )

    np.testing.assert_array_equal(network.parameters.vector, whole)


def test_numba_trains_with_groups_as_numpy_does():
    pytest.importorskip("numba")
    x, y = np.tile(X, (20, 1)), np.tile(Y, (20, 1))

    found, history = trained(x=x, y=y, batch_size=10, accumulate=3, accelerator="numba")

    assert history.accelerator == "numba"
    np.testing.assert_allclose(found, trained(x=x, y=y, batch_size=10, accumulate=3)[0], rtol=1e-8, atol=1e-10)


def test_divergence_within_a_group_is_found_in_its_step():
    y = np.full_like(Y, 1e154)
    y[:30] = Y[:30]
    with pytest.raises(nnfw.DivergedError, match=r"Training diverged in epoch 1, step 4: the cost became inf"):
        trained(y=10 * y, batch_size=10, accumulate=3, optimizer=SGD(1.0), epochs=2)


def test_step_of_a_group_that_makes_parameters_infinite_is_named():
    text = r"Training diverged in epoch 1, step 3: the step made layers\.0\.weight, .* not finite"
    with pytest.raises(nnfw.DivergedError, match=text):
        trained(y=1e10 * Y, batch_size=10, accumulate=3, optimizer=SGD(1e300), epochs=2)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"accumulate": 0}, "accumulate must be greater than or equal to 1, got 0"),
        ({"accumulate": 2, "optimizer": "lbfgs"}, r"accumulate has no batches to join: 'lbfgs' \(built-in\) sees all"),
    ],
    ids=["zero", "solver"],
)
def test_accumulation_that_cannot_be_is_refused(settings, text):
    with pytest.raises(nnfw.ConfigError, match=text):
        trained(**settings)
