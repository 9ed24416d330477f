import numpy as np
import pytest

import nnfw
from nnfw.plugins import default_registry
from nnfw.training import TrainingOptions, steps_of, with_length
from nnfw_standard import Dense, EarlyStopping


@pytest.mark.parametrize(
    ("steps", "epochs"), [(1, 200), (50, 200), (51, 197), (100, 100), (999, 11), (1000, 10), (50_000, 10)]
)
def test_length_that_is_not_given_is_ten_thousand_steps_within_bounds(steps, epochs):
    found = with_length(TrainingOptions(), steps, default_registry(), validated=False)
    assert (found.known_epochs, found.callbacks) == (epochs, ())


def test_length_that_is_given_stays():
    given = TrainingOptions(epochs=3)
    assert with_length(given, 1, default_registry(), validated=True) is given


def test_validation_data_end_a_training_of_no_given_length_early():
    found = with_length(TrainingOptions(callbacks=("other",)), 1, default_registry(), validated=True)
    assert found.callbacks == ("other", EarlyStopping(patience=40))
    own = TrainingOptions(callbacks=(EarlyStopping("validation_accuracy"),))
    assert with_length(own, 1, default_registry(), validated=True).callbacks == own.callbacks


@pytest.mark.parametrize(("optimizer", "steps"), [("sgd", 4), ("lbfgs", 1)])
def test_steps_of_an_epoch_are_batches_or_one_of_a_solver(rng, optimizer, steps):
    model = nnfw.Sequential([Dense(1)], 2)
    data = model.data(rng.normal(size=(100, 2)), rng.normal(size=100), model.objective("mse"))
    assert steps_of(data, nnfw.optimizer(optimizer), TrainingOptions()) == steps


def test_fit_without_epochs_trains_enough_and_keeps_the_best(rng):
    x = rng.normal(size=(90, 2))
    y = x @ [1.0, -2.0] + 0.3 * rng.normal(size=90)
    model = nnfw.Sequential([Dense(16, activation="tanh"), Dense(1)], 2, seed=1)
    held = (x[60:], y[60:])
    history = model.fit(
        x[:60], y[:60], cost="mse", optimizer={"type": "adam", "learning_rate": 0.05}, validation_data=held
    )
    costs = history["validation_cost"]
    assert history.stopped.startswith("validation_cost has not improved on")
    assert len(costs) == np.argmin(costs) + 41 < 200
    found = model.evaluate(*held, cost="mse")["cost"]
    np.testing.assert_allclose(found, min(costs), rtol=1e-6)
    plain = nnfw.Sequential([Dense(1)], 2).fit(x, y, cost="mse", optimizer="lbfgs")
    assert plain["cost"][-1] < plain["cost"][0]
    assert len(nnfw.Sequential([Dense(1)], 2).fit(x, y, cost="mse", optimizer="sgd")) == 200


def test_plan_beyond_a_call_needs_its_epochs(rng):
    x, y = rng.normal(size=(9, 2)), rng.normal(size=9)
    with pytest.raises(nnfw.ConfigError, match=r"^planned_epochs needs epochs, those of this call\.$"):
        nnfw.Sequential([Dense(1)], 2).fit(x, y, cost="mse", optimizer="sgd", planned_epochs=9)
