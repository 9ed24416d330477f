"""The learning-rate range test."""

from dataclasses import replace

import numpy as np
import pytest

import nnfw
from nnfw.training import ONE_PROCESS, RateTest, Task, TrainingOptions, find_rate
from nnfw_standard import SGD, Adam, BatchNorm, Dense, Dropout, Exponential

RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(60, 3)), RNG.normal(size=(60, 2))


def task_of(network, optimizer, **options):
    objective = network.objective("mse")
    return Task(
        network.network,
        network.data(X, Y, objective),
        None,
        objective,
        optimizer,
        TrainingOptions(**{"epochs": 1, "batch_size": 10, "accelerator": "none"} | options),
        0,
        collective=ONE_PROCESS,
    )


def model(*more):
    return nnfw.Sequential([Dense(8, activation="tanh"), *more, Dense(2)], 3, seed=1, dtype="float64")


def test_rates_rise_by_one_factor_and_costs_are_those_of_a_training_with_them():
    rates = []

    class Spy(SGD):
        def update(self, vector, gradient, state, step, learning_rate, decays):
            rates.append(learning_rate)
            super().update(vector, gradient, state, step, learning_rate, decays)

    found = find_rate(task_of(model(), Spy(0.3), schedule=Exponential(0.5), shuffle=False), 1e-4, 1e-2, 20)

    np.testing.assert_allclose(found.rates, np.geomspace(1e-4, 1e-2, 20), rtol=1e-12)
    np.testing.assert_allclose(rates, found.rates[:19])  # nothing follows the last cost
    network, costs = model(), []
    for k, rate in enumerate(found.rates):
        rows = slice(10 * (k % 6), 10 * (k % 6) + 10)
        cost, gradient = network.gradient(X[rows], Y[rows], cost="mse")
        costs.append(cost)
        network.parameters.vector[...] -= rate * gradient
    np.testing.assert_allclose(found.costs, costs, rtol=1e-10)
    assert not found.diverged


def test_smoothed_cost_is_the_weighted_mean_of_those_so_far():
    found = find_rate(task_of(model(), SGD()), 1e-6, 1e-3, 100)  # over 5 steps

    weights = 0.8 ** np.arange(100)[::-1]
    expected = [np.average(found.costs[: k + 1], weights=weights[-k - 1 :]) for k in range(100)]
    np.testing.assert_allclose(found.smoothed, expected)


def test_test_ends_where_the_cost_diverges_and_suggests_a_rate_that_trains():
    found = find_rate(task_of(model(), SGD()), 1e-5, 1e3, 150)

    assert found.diverged
    assert found.rates[-1] < 1e3
    assert found.suggestion <= 1.1 * found.rates[found.lowest] / 10
    history = model().fit(X, Y, cost="mse", optimizer=SGD(found.suggestion), epochs=20, accelerator="none")
    assert history["cost"][-1] < history["cost"][0]


def test_cost_that_is_not_finite_ends_the_test():
    found = find_rate(task_of(model(), SGD()), 1e-3, 1e300, 20)

    assert found.diverged
    assert np.isfinite(found.costs).all()


@pytest.mark.parametrize("optimizer", [Adam(), "muon", "schedule_free"], ids=str)
def test_model_is_left_as_it_was_and_a_second_test_gives_the_same(optimizer):
    network = model(BatchNorm(), Dropout(0.2))
    task = task_of(network, network.registry.resolve("optimizer", optimizer), accumulate=2)
    before = network.parameters.vector.copy(), network.parameters.state.copy()

    found = find_rate(task, 1e-6, 1.0, 50)

    np.testing.assert_array_equal(network.parameters.vector, before[0])
    np.testing.assert_array_equal(network.parameters.state, before[1])
    assert find_rate(task, 1e-6, 1.0, 50) == found


def test_callbacks_do_not_run():
    def fails(fit, record):
        raise AssertionError("a test is no training")

    network = model()
    task = task_of(network, SGD(), callbacks=(network.registry.resolve("callback", fails),))
    assert len(find_rate(task, 1e-6, 1e-4, 20).costs) == 20


def test_first_cost_that_is_not_finite_is_an_error():
    network = model()
    network.parameters.vector[...] = 1e200
    with pytest.raises(
        nnfw.DivergedError, match="The cost of the first step is not finite, at the learning rate 1e-06"
    ):
        find_rate(task_of(network, SGD()), 1e-6, 1.0, 20)


def course(smoothed, diverged=False):
    rates = tuple(np.geomspace(1e-4, 1.0, len(smoothed)).tolist())
    return RateTest(rates, tuple(smoothed), tuple(smoothed), diverged)


def test_suggestion_is_the_steepest_rate_or_a_tenth_of_the_lowest():
    flat, steep = [4.0] * 10, [3.0, 2.0]
    found = course([*flat, *steep, *np.linspace(1.9, 1.0, 30), 5.0])
    assert found.lowest == 41
    assert found.rates[9] < found.suggestion < found.rates[13]
    late = course([*flat, *flat, *flat, *steep, 5.0])
    assert late.suggestion == float(f"{late.rates[31] / 10:.2g}")


@pytest.mark.parametrize("smoothed", [[1.0, 1.1, 1.2, 1.3], [1.0]], ids=["rises", "one"])
def test_cost_that_never_falls_suggests_nothing(smoothed):
    assert course(smoothed).suggestion is None
    assert replace(course(smoothed), diverged=True).suggestion is None
