"""What a training holds at most, beside imports and data."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

import nnfw
from nnfw_standard import Dense

SLOTS = {"sgd": 0, "adam": 2}
CONSTANT = 1 << 16
"""Bytes for what does not grow with network, batch or data."""


def peak(sizes, batch, x, optimizer):
    """Return the largest number of bytes during a training."""
    layers = [Dense(units, activation="relu") for units in sizes[1:]]
    model = nnfw.Sequential(layers, sizes[0], dtype="float32")
    y = np.zeros((len(x), sizes[-1]), np.float32)
    tracemalloc.start()
    try:
        model.fit(x, y, cost="mse", optimizer=optimizer, batch_size=batch, epochs=2, accelerator="none")
        return model.parameters.vector.nbytes + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("optimizer", SLOTS)
@pytest.mark.parametrize(
    ("sizes", "batch"),
    [((300, 600, 600, 10), 64), ((128,) * 9, 512), ((500, 10), 128)],
    ids=["parameters", "batches", "inputs"],
)
def test_training_holds_parameters_slots_and_three_times_the_activations(sizes, batch, optimizer, rng):
    x = rng.random((4 * batch + 3, sizes[0]), dtype=np.float32)
    peak(sizes, batch, x[:10], optimizer)  # what is imported and kept is not counted
    parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))
    formula = 4 * (parameters * (2 + SLOTS[optimizer]) + 3 * batch * sum(sizes))
    order = 2 * 8 * len(x)  # that of an epoch and of the next one
    assert peak(sizes, batch, x, optimizer) <= formula + order + CONSTANT
