"""The watch on parameters: the very step at which something is not finite, and what it is."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.training import checkpoint_files, stored_copy
from nnfw.training.watch import WINDOW
from nnfw_standard import Dense, Dropout

STEPS = 3 * WINDOW


@pytest.fixture(autouse=True, params=["memory", "file"])
def place(request, monkeypatch):
    """Let the copy of all parameters lie where that of a small network and that of a large one lies."""
    if request.param == "file":
        monkeypatch.setattr(stored_copy, "LARGE", 0)


@dataclass(frozen=True)
class Planted(nnfw.Optimizer):
    """Steps of gradient descent, one of which makes a parameter not finite."""

    at: int
    value: str
    place: int = 0
    learning_rate: float = 0.01

    def update(self, vector, gradient, state, step, learning_rate, decays):
        vector -= np.float32(learning_rate) * gradient
        if step == self.at:
            vector[self.place] = float(self.value)


@dataclass(frozen=True)
class Spoilt(nnfw.Cost):
    """Half the squared distance, with a gradient that is not finite for one example."""

    value_at_it: str

    def targets(self, y, output_shape):
        return y.reshape(-1, *output_shape)

    def value(self, a, y, weight=None):
        return 0.5

    def gradient(self, a, y, workspace, weight=None):
        return np.where(y == 7, np.float32(float(self.value_at_it)), (a - y) / np.float32(len(a)))


@dataclass(frozen=True)
class Records(nnfw.Callback):
    """Keeps the steps that were computed."""

    seen: object

    def step_computed(self, fit, state):
        self.seen.append(fit.step)


def fit(optimizer, rng, **others):
    """Train a network whose saturated units hide what is not finite from the cost."""
    model = nnfw.Sequential([Dense(3, activation="sigmoid"), Dropout(0.5), Dense(1)], 2)
    x = rng.normal(size=(STEPS, 2))
    given = {"cost": "mse", "optimizer": optimizer, "batch_size": 1, "epochs": 2}
    return model.fit(x, x[:, :1], **(given | others))


@pytest.mark.parametrize("at", [1, 2, WINDOW - 1, WINDOW, WINDOW + 1, STEPS - 1, STEPS, STEPS + 5, 2 * STEPS])
@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_step_that_makes_a_parameter_not_finite_is_named(rng, at, value):
    with pytest.raises(
        nnfw.DivergedError, match=rf"step {at}: the step made layers.0.weight not finite\. Lower"
    ) as found:
        fit(Planted(at, value), rng)
    assert (found.value.epoch, found.value.step) == (1 + (at > STEPS), at)


@dataclass(frozen=True)
class Counted(nnfw.Layer):
    """Counts the steps in an array that is no parameter, which one step makes infinite."""

    activation: nnfw.Activation | str = "identity"
    at: int = 150

    def output_shape(self, input_shape):
        return input_shape

    def parameters(self, input_shape):
        return {"count": nnfw.Parameter((1,), nnfw.initializer("zeros"), trainable=False)}

    def forward(self, params, a_prev, workspace):
        if workspace.training:
            params["count"][...] += 1
            params["count"][params["count"] == self.at] = np.inf
        return a_prev.copy()

    def backward(self, params, delta, grads, workspace):
        return delta.copy()


def test_step_that_makes_a_state_not_finite_is_named(rng, tmp_path):
    layers = [Dense(2), nnfw.Chain([Counted(), Dense(2)]), Dense(1)]
    model = nnfw.Sequential(layers, 2)
    x = rng.normal(size=(STEPS, 2))
    with pytest.raises(nnfw.DivergedError, match=r"step 150: the step made layers\.1\.layers\.0\.count not finite"):
        model.fit(
            x, x[:, :1], cost="mse", optimizer="sgd", batch_size=1, checkpoints=tmp_path, checkpoint_seconds=0, epochs=1
        )
    assert checkpoint_files(tmp_path)[-1].name == "step-000000000149.checkpoint"


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_step_that_makes_a_memory_of_the_optimizer_not_finite_is_named(tmp_path, accelerator):
    model = nnfw.Sequential([Dense(1)], 1, dtype="float32")
    x, y = np.ones((30, 1)), np.zeros(30)
    x[16] = 1e15  # whose gradient is finite, unlike its square
    given = {"optimizer": "adam", "batch_size": 1, "shuffle": False, "accelerator": accelerator}
    match = r"step 17: the step made square_sum of the optimizer not finite\. Scale the inputs, which reach 1e\+15"
    with pytest.raises(nnfw.DivergedError, match=match):
        model.fit(x, y, cost="mse", **given, checkpoints=tmp_path, checkpoint_seconds=0)
    assert checkpoint_files(tmp_path)[-1].name == "step-000000000016.checkpoint"


def test_memory_of_an_optimizer_that_begins_infinite_may_stay_so(rng):
    @dataclass(frozen=True)
    class Least(nnfw.Optimizer):
        learning_rate: float = 0.01

        def state(self, vector):
            return {"least": np.full_like(vector, np.inf)}

        def update(self, vector, gradient, state, step, learning_rate, decays):
            vector -= learning_rate * gradient

    assert len(fit(Least(), rng)) == 2


def test_array_of_the_parameter_is_named(rng):
    with pytest.raises(nnfw.DivergedError, match=r"the step made layers\.2\.bias not finite"):
        fit(Planted(7, "inf", place=-1), rng)


def test_gradient_that_is_not_finite_is_named_before_the_step_is_taken(rng):
    model = nnfw.Sequential([Dense(1)], 2, dtype="float32")
    x, y = rng.normal(size=(50, 2)), np.zeros(50)
    y[20] = 7
    match = r"epoch 1, step 21: the gradient of layers\.0\.weight, layers\.0\.bias is not finite"
    with pytest.raises(nnfw.DivergedError, match=match):
        model.fit(x, y, cost=Spoilt("inf"), optimizer="adam", batch_size=1, shuffle=False, epochs=1)
    assert np.isfinite(model.parameters.vector).all()


def test_cost_that_is_not_finite_is_found_at_its_step(rng):
    seen = []
    with pytest.raises(nnfw.DivergedError, match=r"the cost became (inf|nan)\. Layer") as found:
        fit({"type": "sgd", "learning_rate": 1e12}, rng, callbacks=[Records(seen)])
    assert found.value.step == seen[-1] + 1


def test_epochs_after_a_resumed_step_are_watched_too(rng, tmp_path):
    x = rng.normal(size=(STEPS, 2))
    given = {"checkpoints": tmp_path, "checkpoint_seconds": 0, "resume": True}
    for at in (250, 270):
        with pytest.raises(nnfw.DivergedError, match=f"step {at}: the step made layers.0.weight"):
            fit(Planted(at, "inf"), np.random.default_rng(1), **given)
    assert len(x) == STEPS


def test_last_checkpoint_is_that_before_the_step(rng, tmp_path):
    with pytest.raises(nnfw.DivergedError, match="step 250"):
        fit(Planted(250, "inf"), rng, checkpoints=tmp_path, checkpoint_seconds=0)
    assert checkpoint_files(tmp_path)[-1].name == "step-000000000249.checkpoint"


def test_parameters_that_a_callback_spoils_are_told(rng):
    @dataclass(frozen=True)
    class Spoils(nnfw.Callback):
        def step_computed(self, fit, state):
            if fit.step == 30:
                fit.vector[0] = np.inf

    with pytest.raises(nnfw.DivergedError, match="something other than a step made parameters not finite"):
        fit("sgd", rng, callbacks=[Spoils()])


@pytest.mark.parametrize("method", ["step_computed", "steps_computed"])
def test_watch_that_starts_within_an_epoch_names_what_is_seen(rng, method):
    def look(self, fit, *rest):
        fit.watch()
        if fit.step == 7:
            raise fit.diverged("planted")

    late = dataclass(frozen=True)(type("Late", (nnfw.Callback,), {method: look}))()
    off = nnfw.callback("terminate_on_nan", enabled=False)
    with pytest.raises(nnfw.DivergedError, match=r"epoch 1, step 7: planted\. Layer"):
        fit(Planted(6, "inf"), rng, callbacks=[late, off])


def test_switched_off_watch_sees_nothing(rng):
    off = nnfw.callback("terminate_on_nan", enabled=False)
    assert len(fit(Planted(30, "inf"), rng, callbacks=[off])) == 2


def test_step_is_not_looked_for_if_the_copy_cannot_be_read(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(stored_copy, "LARGE", 0)
    monkeypatch.setattr(stored_copy, "TemporaryFile", lambda: (tmp_path / "written").open("wb"))
    with pytest.raises(nnfw.DivergedError, match=rf"step {WINDOW}: something other than a step made"):
        fit(Planted(7, "inf"), rng)


def test_second_watch_of_a_training_changes_nothing(rng):
    watches = [nnfw.callback("terminate_on_nan"), nnfw.callback("terminate_on_nan")]
    with pytest.raises(nnfw.DivergedError, match="step 7: the step made layers.0.weight not finite"):
        fit(Planted(7, "inf"), rng, callbacks=watches)


@dataclass(frozen=True)
class Unlucky(nnfw.Optimizer):
    """Steps of gradient descent; one after `start` that dropout leaves without a gradient makes a parameter infinite.

    `seen` gets each such step.
    """

    start: int
    seen: object
    learning_rate: float = 0.01

    def update(self, vector, gradient, state, step, learning_rate, decays):
        vector -= np.float32(learning_rate) * gradient
        if step > self.start and not gradient[9:12].any():  # the weights after the dropout
            self.seen.append(step)
            vector[0] = np.inf


@pytest.mark.parametrize("start", [WINDOW + 20, 2 * WINDOW + 20, STEPS + WINDOW + 20])
def test_steps_after_later_looks_are_repeated_with_the_noise_they_had(start, rng):
    seen = []
    with pytest.raises(nnfw.DivergedError, match=r"the step made layers\.0\.weight not finite") as found:
        fit(Unlucky(start, seen), rng)
    assert found.value.step == seen[0]
