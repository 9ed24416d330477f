"""Wrong schedules: literal formulas tell them from the right ones, and the kit those that break the contract."""

from dataclasses import dataclass
from math import cos, pi, sqrt

import numpy as np
import pytest

from nnfw.testing import run_checks
from nnfw_standard import (
    ConstantRate,
    CosineRestarts,
    Exponential,
    InverseSqrt,
    OneCycle,
    Polynomial,
    ScheduleChain,
    WarmupStableDecay,
)

EPOCHS, STEPS = 8, 5


def warmed(factor, t, warmup):
    return factor * min(1, (t + 1 / STEPS) / warmup) if warmup else factor


def cosine_restarts(t, period=2.0, growth=1.5, floor=0.1):
    start, length = 0.0, period
    while t >= start + length:
        start, length = start + length, length * growth
    return floor + (1 - floor) * (1 + cos(pi * (t - start) / length)) / 2


def one_cycle(t, rise=0.3, start=0.04, floor=4e-6):
    top = rise * EPOCHS
    if t < top:
        return start + (1 - start) * (1 - cos(pi * t / top)) / 2
    return floor + (1 - floor) * (1 + cos(pi * (t - top) / (EPOCHS - top))) / 2


def inverse_sqrt(t, hold=2.0, warmup=1.0):
    return warmed(1 if t < hold else sqrt(hold / t), t, warmup)


def polynomial(t, power=2.0, floor=0.1, warmup=1.0):
    p = max(0, (t - warmup) / (EPOCHS - warmup))
    return warmed(floor + (1 - floor) * (1 - p) ** power, t, warmup)


def warmup_stable_decay(t, warmup=1.0, decay=0.5, floor=0.1):
    begin = (1 - decay) * EPOCHS
    return warmed(1 if t < begin else floor + (1 - floor) * (EPOCHS - t) / (decay * EPOCHS), t, warmup)


def chain(t):
    return 1.0 if t < 3 else 0.7 ** (t - 3)


FORMULAS = {
    "cosine_restarts": (CosineRestarts(2.0, growth=1.5, floor=0.1), cosine_restarts),
    "one_cycle": (OneCycle(), one_cycle),
    "inverse_sqrt": (InverseSqrt(2.0, warmup=1.0), inverse_sqrt),
    "polynomial": (Polynomial(2.0, floor=0.1, warmup=1.0), polynomial),
    "warmup_stable_decay": (WarmupStableDecay(warmup=1.0, decay=0.5, floor=0.1), warmup_stable_decay),
    "chain": (ScheduleChain((ConstantRate(), Exponential(0.7)), (3,)), chain),
}


def agrees(schedule, formula):
    times = [epoch + np.arange(STEPS) / STEPS for epoch in range(EPOCHS)]
    found = np.concatenate([schedule.factor(t, EPOCHS, (1.0,) * epoch) for epoch, t in enumerate(times)])
    return np.allclose(found, [formula(float(t)) for t in np.concatenate(times)], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_right_schedule_agrees_with_its_formula(name):
    assert agrees(*FORMULAS[name])


def other(base, change, *options, **named):
    """Return a schedule that takes other times, epochs or costs than it is given."""

    @dataclass(frozen=True)
    class Other(base):
        def factor(self, t, epochs, history):
            return super().factor(*change(t, epochs, history))

    return Other(*options, **named)


def late(t, epochs, history):
    return t + 1 / STEPS, epochs, history


def longer(t, epochs, history):
    return t, epochs + 1, history


def from_zero(t, epochs, history):
    return t - np.floor(t), epochs, history


WRONG = {
    "restarts-of-equal-length": ("cosine_restarts", CosineRestarts(2.0, floor=0.1)),
    "restarts-without-floor": ("cosine_restarts", CosineRestarts(2.0, growth=1.5)),
    "restarts-in-each-epoch": ("cosine_restarts", other(CosineRestarts, from_zero, 2.0, growth=1.5, floor=0.1)),
    "restarts-one-step-late": ("cosine_restarts", other(CosineRestarts, late, 2.0, growth=1.5, floor=0.1)),
    "cycle-that-starts-at-0": ("one_cycle", OneCycle(start=0.0)),
    "cycle-that-rises-too-long": ("one_cycle", OneCycle(rise=0.4)),
    "cycle-over-more-epochs": ("one_cycle", other(OneCycle, longer)),
    "cycle-that-ends-high": ("one_cycle", OneCycle(floor=0.04)),
    "root-without-warmup": ("inverse_sqrt", InverseSqrt(2.0)),
    "root-of-another-hold": ("inverse_sqrt", InverseSqrt(1.0, warmup=1.0)),
    "root-one-step-late": ("inverse_sqrt", other(InverseSqrt, late, 2.0, warmup=1.0)),
    "power-that-is-a-line": ("polynomial", Polynomial(1.0, floor=0.1, warmup=1.0)),
    "power-without-floor": ("polynomial", Polynomial(2.0, warmup=1.0)),
    "power-over-more-epochs": ("polynomial", other(Polynomial, longer, 2.0, floor=0.1, warmup=1.0)),
    "stable-without-warmup": ("warmup_stable_decay", WarmupStableDecay(decay=0.5, floor=0.1)),
    "stable-too-long": ("warmup_stable_decay", WarmupStableDecay(warmup=1.0, decay=0.25, floor=0.1)),
    "stable-that-falls-to-0": ("warmup_stable_decay", WarmupStableDecay(warmup=1.0, decay=0.5)),
    "chain-swapped": ("chain", ScheduleChain((Exponential(0.7), ConstantRate()), (3,))),
    "chain-one-epoch-late": ("chain", ScheduleChain((ConstantRate(), Exponential(0.7)), (4,))),
    "chain-with-the-time-of-the-training": (
        "chain",
        ScheduleChain((ConstantRate(), other(Exponential, lambda t, *rest: (t + 3, *rest), 0.7)), (3,)),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_schedule_does_not_agree_with_the_formula(name):
    right, schedule = WRONG[name]
    assert not agrees(schedule, FORMULAS[right][1])


_CALLS = []


def counted(t, *_):
    _CALLS.append(t)
    return 1 + 1e-3 * len(_CALLS)


BROKEN = {
    "negative": (lambda found, t, *_: found - 2, "schedule.is_finite_and_not_negative"),
    "not finite": (lambda found, t, *_: found / (t - t[-1]), "schedule.is_finite_and_not_negative"),
    "counts calls": (lambda found, *rest: found * counted(*rest), "schedule.is_a_pure_function"),
    "of the position": (
        lambda found, *_: np.linspace(1, 0.5, len(found)),
        "schedule.each_time_has_a_factor_of_its_own",
    ),
    "one number": (lambda found, *_: float(found[0]), "schedule.gives_one_factor_for_each_time"),
    "in place": (lambda found, t, *_: np.multiply(t, 0.5, out=t), "schedule.changes_nothing_it_is_given"),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("name", FORMULAS)
def test_schedule_that_breaks_the_contract_is_found(name, how):
    schedule, (change, check) = FORMULAS[name][0], BROKEN[how]

    @dataclass(frozen=True)
    class Broken(type(schedule)):
        def factor(self, t, epochs, history):
            with np.errstate(all="ignore"):
                return change(schedule.factor(t, epochs, history), t, epochs, history)

    options = {field: getattr(schedule, field) for field in schedule.__dataclass_fields__ if field != "_"}
    report = run_checks(Broken(**options), only=[check])
    assert [item.check for item in report.failures] == [check], report
