"""Optimizers and schedules: 30 steps and 12 rates as PyTorch has them."""

import numpy as np
import pytest

from nnfw_standard import (
    Adam,
    AdamW,
    ConstantRate,
    CosineRestarts,
    Exponential,
    NAdam,
    OneCycle,
    Polynomial,
    RAdam,
    ScheduleChain,
)

RATE = 0.05
OPTIMIZERS = {
    "adam amsgrad": Adam(amsgrad=True),
    "adamw amsgrad": AdamW(weight_decay=0.1, amsgrad=True),
    "nadam": NAdam(),
    "nadam decay": NAdam(weight_decay=0.1, momentum_decay=0.5),
    "radam": RAdam(),
    "radam decay": RAdam(beta1=0.8, beta2=0.99, weight_decay=0.1),
}
EPOCHS = 12
SCHEDULES = {
    "cosine_restarts": CosineRestarts(2, growth=2, floor=0.1),
    "polynomial": Polynomial(2.5),
    "one_cycle": OneCycle(rise=4 / EPOCHS),
    "chain": ScheduleChain((ConstantRate(), Exponential(0.7)), (4,)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_equal_those_of_pytorch(name):
    optimizer = OPTIMIZERS[name]
    with np.load("tests/standard/golden/optimizers.npz") as stored:
        theta, gradients, expected = stored["start"].copy(), stored["gradients"], stored[name]
    state = optimizer.state(theta)

    for step, gradient in enumerate(gradients, start=1):
        optimizer.update(theta, gradient.copy(), state, step, RATE, slice(0, len(theta)))

    np.testing.assert_allclose(theta, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_equal_those_of_pytorch(name):
    with np.load("tests/standard/golden/optimizers.npz") as stored:
        expected = stored[name]

    found = [SCHEDULES[name].factor(np.array([float(epoch)]), EPOCHS, ())[0] for epoch in range(EPOCHS)]

    np.testing.assert_allclose(found, expected, rtol=1e-12)
