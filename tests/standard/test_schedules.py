"""The schedules against their formulas."""

from math import cos, nan, pi

import numpy as np
import pytest

import nnfw
from nnfw_standard import (
    ConstantRate,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseSqrt,
    OneCycle,
    Plateau,
    Polynomial,
    ScheduleChain,
    Step,
    WarmupStableDecay,
)

EPOCH_2 = 2 + np.arange(4) / 4
SCHEDULES = [
    pytest.param(ConstantRate(), id="constant"),
    pytest.param(Step(3), id="step"),
    pytest.param(Exponential(0.9), id="exponential"),
    pytest.param(Cosine(floor=0.1, warmup=2.5), id="cosine"),
    pytest.param(CosineRestarts(0.7, growth=1.5, floor=0.1), id="cosine_restarts"),
    pytest.param(OneCycle(), id="one_cycle"),
    pytest.param(InverseSqrt(0.5, warmup=2.5), id="inverse_sqrt"),
    pytest.param(Polynomial(2, floor=0.1, warmup=2.5), id="polynomial"),
    pytest.param(WarmupStableDecay(warmup=2.5, decay=0.9), id="warmup_stable_decay"),
    pytest.param(ScheduleChain((Step(1), Cosine()), (1,)), id="chain"),
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


def test_cosine_restarts_factor_starts_again_after_cycles_that_grow():
    found = factors(CosineRestarts(1, growth=2, floor=0.2), 7, 4)

    cycles = [0.2 + 0.8 * (1 + cos(pi * step / count)) / 2 for count in (4, 8, 16) for step in range(count)]
    np.testing.assert_allclose(found, cycles, rtol=1e-14)


def test_cosine_restarts_factor_of_equal_cycles_shorter_than_an_epoch():
    found = factors(CosineRestarts(0.5), 2, 4)

    np.testing.assert_allclose(found, [1.0, 0.5] * 4, rtol=1e-14)


def test_one_cycle_factor_rises_to_one_and_falls_to_the_floor():
    found = factors(OneCycle(rise=0.25, start=0.1, floor=0.01), 8, 4)

    up = [0.1 + 0.9 * (1 - cos(pi * step / 8)) / 2 for step in range(8)]
    down = [0.01 + 0.99 * (1 + cos(pi * step / 24)) / 2 for step in range(24)]
    np.testing.assert_allclose(found, up + down, rtol=1e-14)
    np.testing.assert_allclose(OneCycle(floor=0.01).factor(np.array([8.0]), 8, ()), 0.01, rtol=1e-14)


def test_one_cycle_factor_by_default_starts_at_a_25th():
    assert OneCycle().factor(np.array([0.0, 3.0, 10.0]), 10, ()).tolist() == pytest.approx([0.04, 1, 4e-6])


def test_inverse_sqrt_factor_holds_and_falls_with_the_root_of_the_steps():
    found = factors(InverseSqrt(2), 6, 5)

    np.testing.assert_allclose(found, [(10 / max(step, 10)) ** 0.5 for step in range(30)], rtol=1e-14)


def test_inverse_sqrt_factor_with_warmup_is_that_of_the_paper_but_for_one_step():
    found = factors(InverseSqrt(2, warmup=2), 6, 5)

    paper = [min(n**-0.5, n * 10**-1.5) * 10**0.5 for n in range(1, 31)]
    np.testing.assert_allclose(found[:10], paper[:10], rtol=1e-14)
    np.testing.assert_allclose(found[11:], paper[10:29], rtol=1e-14)


def test_polynomial_factor_is_a_power_of_the_time_left():
    found = factors(Polynomial(2, floor=0.2), 6, 5)

    np.testing.assert_allclose(found, [0.2 + 0.8 * (1 - step / 30) ** 2 for step in range(30)], rtol=1e-14)


def test_polynomial_factor_in_warmup_rises_linearly():
    found = factors(Polynomial(warmup=2), 6, 4)

    np.testing.assert_allclose(found, [*(np.arange(1, 9) / 8), *(1 - np.arange(16) / 16)], rtol=1e-14)


def test_warmup_stable_decay_factor_rises_stays_and_falls():
    found = factors(WarmupStableDecay(warmup=1, decay=0.25, floor=0.2), 8, 4)

    down = [1 - 0.8 * step / 8 for step in range(8)]
    np.testing.assert_allclose(found, [0.25, 0.5, 0.75, *([1.0] * 21), *down], rtol=1e-14)


def test_chain_hands_each_schedule_its_own_time_epochs_and_costs():
    chain = ScheduleChain((Step(1, rate=0.5), Cosine(), Plateau(rate=0.5, patience=1)), (2, 3))
    costs = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0)

    found = factors(chain, 8, 4, costs)

    np.testing.assert_array_equal(found[:8], factors(Step(1, rate=0.5), 2, 4))
    np.testing.assert_allclose(found[8:20], factors(Cosine(), 3, 4), rtol=1e-14)
    assert found[20::4].tolist() == [1.0, 1.0, 0.5]


def test_chain_whose_first_schedule_outlasts_the_training_ends_with_it():
    np.testing.assert_allclose(factors(ScheduleChain((Cosine(), Cosine()), (9,)), 4, 2), factors(Cosine(), 4, 2))


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
        pytest.param("cosine_restarts", {"period": 0}, "period must be greater than 0, got 0", id="period"),
        pytest.param("cosine_restarts", {"period": 1, "growth": 0.5}, "growth must be greater than or", id="growth"),
        pytest.param("one_cycle", {"rise": 1.0}, "rise must be less than 1, got 1.0", id="rise"),
        pytest.param("inverse_sqrt", {"hold": 0}, "hold must be greater than 0, got 0", id="hold"),
        pytest.param("polynomial", {"power": 0}, "power must be greater than 0, got 0", id="power"),
        pytest.param("warmup_stable_decay", {"decay": 0}, "decay must be greater than 0, got 0", id="decay"),
        pytest.param("chain", {"schedules": ["cosine"], "epochs": []}, "schedules must", id="chain-of-one"),
        pytest.param(
            "chain",
            {"schedules": ["cosine", "constant"], "epochs": [1, 2]},
            r"epochs must hold 1, one number for each schedule but the last, got 2\. The last schedule has the rest",
            id="chain-epochs",
        ),
        pytest.param("plateau", {"rate": 1.0}, "rate must be less than 1, got 1.0", id="plateau-rate"),
        pytest.param("plateau", {"patience": 0}, "patience must be greater than or equal to 1, got 0", id="patience"),
    ],
)
def test_schedule_option_out_of_range_is_refused(name, options, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.schedule(name, **options)
