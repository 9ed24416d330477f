"""Optimizers: 30 steps as PyTorch takes them."""

import numpy as np
import pytest

from nnfw_standard import Adam, AdamW, NAdam, RAdam

RATE = 0.05
OPTIMIZERS = {
    "adam amsgrad": Adam(amsgrad=True),
    "adamw amsgrad": AdamW(weight_decay=0.1, amsgrad=True),
    "nadam": NAdam(),
    "nadam decay": NAdam(weight_decay=0.1, momentum_decay=0.5),
    "radam": RAdam(),
    "radam decay": RAdam(beta1=0.8, beta2=0.99, weight_decay=0.1),
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
