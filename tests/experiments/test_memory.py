"""The memory of a training, as the summary says it, against what a training takes."""

import gc
import tracemalloc

import numpy as np
import pytest

import nnfw
from nnfw.configuration import build
from nnfw.experiments.memory import training_bytes
from nnfw.plugins import default_registry
from nnfw.training import TrainingOptions
from nnfw_standard import Dense, Dropout, Residual

WIDE = [Dense(256, activation="relu"), Dense(256, activation="tanh"), Dense(10, activation="softmax")]
BRANCHED = [
    Dense(200, activation="tanh"),
    Residual((Dense(300, activation="relu"), Dropout(0.2), Dense(200)), activation="tanh"),
    Dense(10, activation="softmax"),
]


@pytest.mark.parametrize("validates", [False, True], ids=["training", "validation"])
@pytest.mark.parametrize("layers", [WIDE, BRANCHED], ids=["chain", "residual"])
@pytest.mark.parametrize(
    ("optimizer", "batch", "more"),
    [("adam", 64, {}), ("sgd", 500, {}), ("sgd", 16, {"accumulate": 2, "average": {"type": "ema"}})],
    ids=["adam", "sgd", "average"],
)
def test_estimate_is_within_a_tenth_of_what_a_training_takes(layers, optimizer, batch, more, validates, rng):
    x, y = rng.random((2000, 400)).astype(np.float32), rng.integers(0, 10, 2000)
    settings = {"cost": "cross_entropy", "optimizer": optimizer, "batch_size": batch, "epochs": 1, **more}
    settings["accelerator"] = "none"
    settings |= {"validation_data": (x, y)} if validates else {}
    nnfw.Sequential(layers, 400).fit(x, y, **settings)  # imports
    gc.collect()
    tracemalloc.start()
    try:
        model = nnfw.Sequential(layers, 400)
        before, _ = tracemalloc.get_traced_memory()
        model.fit(x, y, **settings)
        peak = tracemalloc.get_traced_memory()[1] - before + model.parameters.vector.nbytes
    finally:
        tracemalloc.stop()
    resolved, objective = default_registry().resolve("optimizer", optimizer), model.objective("cross_entropy")
    options = build(TrainingOptions, {"batch_size": batch, **more}, default_registry().resolve)
    found = training_bytes(model.network, objective, resolved, options, validates=validates)
    assert found == pytest.approx(peak, rel=0.1)


@pytest.mark.parametrize("cost", ["mse", "binary_cross_entropy", "huber"])
def test_estimate_needs_no_labels(cost):
    model = nnfw.Sequential([Dense(3, activation="sigmoid")], 4)
    vector = model.parameters.vector.copy()
    optimizer = default_registry().resolve("optimizer", "adam")
    assert (
        training_bytes(model.network, model.objective(cost), optimizer, TrainingOptions(), validates=False)
        > 4 * vector.nbytes
    )
    np.testing.assert_array_equal(model.parameters.vector, vector)
