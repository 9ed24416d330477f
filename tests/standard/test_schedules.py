"""The schedules against their formulas."""

from math import cos, nan, pi

import numpy as np
import pytest

import nnfw
from nnfw_standard import ConstantRate, Cosine, Exponential, Plateau, Step

EPOCH_2 = 2 + np.arange(4) / 4
SCHEDULES = [
    pytest.param(ConstantRate(), id="constant"),
    pytest.param(Step(3), id="step"),
    pytest.param(Exponential(0.9), id="exponential"),
    pytest.param(Cosine(floor=0.1, warmup=2.5), id="cosine"),
    pytest.param(Plateau(patience=1), id="plateau"),
]


def factors(schedule, epochs, steps, history=()):
    """Return the factors of a whole training, asked for epoch by epoch as the training loop does."""
    return np.concatenate(
        [schedule.factor(epoch + np.arange(steps) / steps, epochs, history[:epoch]) for epoch in range(epochs)]
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_factor_for_an_epoch_is_one_float64_for_each_step_from_0_to_1(schedule):
    found = schedule.factor(EPOCH_2, 10, (1.0, 1.0))

    assert found.shape == EPOCH_2.shape
    assert found.dtype == np.float64
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_factor_asked_twice_is_the_same_and_leaves_t_alone(schedule):
    t = EPOCH_2.copy()

    first = schedule.factor(t, 10, (1.0, 1.0))

    np.testing.assert_array_equal(schedule.factor(t, 10, (1.0, 1.0)), first)
    np.testing.assert_array_equal(t, EPOCH_2)


def test_constant_factor_is_one():
    assert factors(ConstantRate(), 3, 4).tolist() == [1.0] * 12


def test_step_factor_falls_after_every_few_epochs():
    found = factors(Step(2, rate=0.5), 5, 3)

    assert found.tolist() == [1.0] * 6 + [0.5] * 6 + [0.25] * 3


def test_step_rate_by_default_is_a_tenth():
    assert Step(1).factor(np.array([1.0]), 5, ()).tolist() == [0.1]


def test_exponential_factor_is_the_rate_to_the_power_of_t():
    found = Exponential(0.9).factor(EPOCH_2, 10, ())

    np.testing.assert_allclose(found, [0.9**t for t in EPOCH_2], rtol=1e-15)


def test_exponential_factor_far_out_fades_to_zero_without_a_warning():
    assert Exponential(0.1).factor(np.array([1e6]), 10, ()).tolist() == [0.0]


def test_cosine_factor_without_warmup_is_half_a_cosine_from_one_to_the_floor():
    found = factors(Cosine(floor=0.2), 6, 5)

    expected = [0.2 + 0.8 * (1 + cos(pi * step / 30)) / 2 for step in range(30)]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_cosine_factor_at_the_end_and_beyond_is_the_floor():
    np.testing.assert_allclose(Cosine(floor=0.2).factor(np.array([6.0, 7.5]), 6, ()), 0.2, rtol=1e-14)


def test_cosine_factor_in_warmup_rises_linearly_to_one_at_its_last_step():
    found = factors(Cosine(warmup=2), 6, 4)

    np.testing.assert_allclose(found[:8], np.arange(1, 9) / 8, rtol=1e-14)


def test_cosine_factor_after_warmup_takes_the_epochs_that_are_left():
    found = factors(Cosine(warmup=2), 6, 4)

    np.testing.assert_allclose(found[8:], [(1 + cos(pi * step / 16)) / 2 for step in range(16)], rtol=1e-14)


def test_cosine_factor_with_part_of_an_epoch_as_warmup_ends_within_the_epoch():
    found = Cosine(warmup=0.5).factor(np.arange(4) / 4, 100, ())

    np.testing.assert_allclose(found, [0.5, 1.0, 1.0, 1.0], atol=1e-4)


@pytest.mark.parametrize("warmup", [4, 10], ids=["as-long-as-the-training", "longer"])
def test_cosine_factor_with_nothing_but_warmup_rises_throughout(warmup):
    found = factors(Cosine(warmup=warmup), 4, 2)

    np.testing.assert_allclose(found, np.arange(1, 9) / (2 * warmup), rtol=1e-14)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param((), 1.0, id="no-epoch-yet"),
        pytest.param((1.0, 0.9, 0.8, 0.7), 1.0, id="falling"),
        pytest.param((1.0, 1.1), 1.0, id="patient"),
        pytest.param((1.0, 1.1, 1.2), 0.5, id="out-of-patience"),
        pytest.param((1.0, 1.1, 1.2, 1.3), 0.5, id="patient-anew-after-a-cut"),
        pytest.param((1.0, 1.1, 1.2, 1.3, 1.4), 0.25, id="two-cuts"),
        pytest.param((1.0, 1.1, 0.5, 0.6), 1.0, id="patient-anew-after-an-improvement"),
        pytest.param((1.0, 0.95, 0.95), 0.5, id="too-small-an-improvement"),
        pytest.param((1.0, 0.95, 0.89), 1.0, id="improvement-measured-from-the-best"),
        pytest.param((1.0, nan, nan), 0.5, id="nan"),
        pytest.param((1.0,) * 12, 0.1, id="floor"),
    ],
)
def test_plateau_factor_counts_epochs_without_improvement(history, expected):
    schedule = Plateau(rate=0.5, patience=2, min_delta=0.1, floor=0.1)

    assert schedule.factor(EPOCH_2, 20, history).tolist() == [expected] * 4


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        pytest.param("step", {"every": 0}, "every must be greater than or equal to 1, got 0", id="every"),
        pytest.param("step", {}, "every is missing: whole number ≥ 1", id="every-missing"),
        pytest.param("step", {"every": 2, "rate": 10.0}, "rate must be less than or equal to 1", id="step-rate"),
        pytest.param("exponential", {"rate": 0.0}, "rate must be greater than 0, got 0.0", id="exponential-rate"),
        pytest.param("cosine", {"floor": 1.5}, "floor must be less than or equal to 1, got 1.5", id="floor"),
        pytest.param("cosine", {"warmup": -1}, "warmup must be greater than or equal to 0, got -1", id="warmup"),
        pytest.param("plateau", {"rate": 1.0}, "rate must be less than 1, got 1.0", id="plateau-rate"),
        pytest.param("plateau", {"patience": 0}, "patience must be greater than or equal to 1, got 0", id="patience"),
    ],
)
def test_schedule_option_out_of_range_is_refused(name, options, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.schedule(name, **options)
