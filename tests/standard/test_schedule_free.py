"""Schedule-free optimizers against the equations of the paper, one parameter at a time."""

from math import sqrt

import numpy as np
import pytest

import nnfw
from nnfw.protocols import Parts
from nnfw_standard import Dense, ScheduleFree


def literal(optimizer, theta, slopes, rates, decays, factors=None):
    """Return y, z and x by Algorithm 1, for one number at a time; `slopes` gives g at y."""
    found = []
    for i, start in enumerate(theta):
        x = z = float(start)
        y, v, total, decay = z, 0.0, 0.0, optimizer.weight_decay if i < decays else 0.0
        for t, common in enumerate(rates, start=1):
            rate = common * (1 if factors is None else factors[i])
            g = slopes(t, i, y)
            if optimizer.base == "adamw":
                v = optimizer.beta2 * v + (1 - optimizer.beta2) * g * g
                rate *= sqrt(1 - optimizer.beta2**t)
                g /= sqrt(v) + optimizer.epsilon
            z = z - rate * g - rate * decay * y
            total += rate**2
            c = rate**2 / total if total else 0.0
            x = (1 - c) * x + c * z
            y = (1 - optimizer.beta1) * z + optimizer.beta1 * x
        found.append((y, z, x))
    return np.transpose(found)


def run(optimizer, theta, slopes, rates, decays, factors=None):
    y, state = theta.copy(), optimizer.state(theta)
    places = {str(i): slice(i, i + 1) for i in range(len(theta))}
    parts = Parts(
        places, dict.fromkeys(places, (1,)), dict(zip(places, () if factors is None else factors, strict=False))
    )
    for t, rate in enumerate(rates, start=1):
        g = np.array([slopes(t, i, each) for i, each in enumerate(y)])
        optimizer.update_parts(y, g, state, t, rate, slice(0, decays), parts)
    return np.stack([y, state["fastest"], state["evaluated"]])


@pytest.mark.parametrize("base", ["adamw", "sgd"])
@pytest.mark.parametrize(
    "options", [{}, {"weight_decay": 0.3}, {"beta1": 0.0}, {"beta1": 0.5, "beta2": 0.9, "epsilon": 0.1}], ids=str
)
def test_schedule_free_follows_the_equations_of_the_paper(rng, base, options):
    optimizer = ScheduleFree(base=base, **options)
    theta, noise = rng.normal(size=6), rng.normal(size=(31, 6))
    rates = [0.05 * min(1, k / 10) for k in range(30)]  # a warm-up from 0, then constant

    def slopes(t, i, y):
        return 2 * (y - 1) + 0.1 * noise[t, i]

    found, expected = (each(optimizer, theta, slopes, rates, 4) for each in (run, literal))

    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("base", ["adamw", "sgd"])
def test_schedule_free_with_rates_of_parameters_follows_the_equations_of_each(rng, base):
    optimizer, noise = ScheduleFree(base=base, weight_decay=0.3), rng.normal(size=(31, 6))
    rates, factors = [0.05] * 30, [1.0, 0.1, 0.0, 2.0, 0.0, 0.5]

    def slopes(t, i, y):
        return 2 * (y - 1) + 0.1 * noise[t, i]

    theta = rng.normal(size=6)
    found, expected = (each(optimizer, theta, slopes, rates, 4, factors) for each in (run, literal))

    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found[:, [2, 4]], np.tile(theta[[2, 4]], (3, 1)))


def test_schedule_free_clips_the_gradient_first():
    optimizer = ScheduleFree(base="sgd", clip_value=1.0, clip_norm=0.5)
    theta, state = np.zeros(2), optimizer.state(np.zeros(2))

    optimizer.update(theta, np.array([5.0, 0.0]), state, 1, 1.0, slice(0, 2))

    np.testing.assert_allclose(state["fastest"], [-0.5, 0])


@pytest.mark.parametrize("base", ["adamw", "sgd"])
def test_schedule_free_with_constant_rate_averages_all_steps_of_sgd(rng, base):
    optimizer, fastest = ScheduleFree(0.1, base=base, beta2=0.0), []
    theta = rng.normal(size=3)
    y, state = theta.copy(), optimizer.state(theta)
    for t in range(1, 20):
        optimizer.update(y, rng.normal(size=3), state, t, 0.1, slice(0, 0))
        fastest.append(state["fastest"].copy())

    np.testing.assert_allclose(state["evaluated"], np.mean(fastest, axis=0), rtol=1e-12)


@pytest.mark.parametrize(("base", "rate"), [("adamw", 0.01), ("sgd", 1.0)])
def test_schedule_free_learns_without_a_schedule(rng, base, rate):
    x = rng.normal(size=(200, 4))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = nnfw.Sequential([Dense(16, activation="tanh"), Dense(2, activation="softmax")], 4, seed=1)

    model.fit(x, y, cost="cross_entropy", optimizer=ScheduleFree(rate, base=base), epochs=60, accelerator="none")

    assert model.evaluate(x, y, cost="cross_entropy", metrics=["accuracy"])["accuracy"] > 0.9
