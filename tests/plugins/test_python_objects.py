"""Objects of ordinary classes as components: what is accepted, what is added, and what is refused."""

import copy
import pickle
import re
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.plugins import default_registry
from nnfw.protocols import is_solver
from nnfw_standard import Dense, EarlyStopping, Residual

registry = default_registry()
METHODS = (
    "Members of a callback: close(state), epoch_ended(fit, record, state), fit_ended(fit, state), state(fit), "
    "step_computed(fit, state), step_ended(fit, state), steps_computed(fit, costs, state)."
)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(40, 3))
    return x, x[:, :1] - x[:, 1:2] * x[:, 2:]


def fit(data, layers=None, **options):
    model = nnfw.Sequential(layers or [Dense(4, activation="tanh"), Dense(1)], 3)
    history = model.fit(*data, **{"cost": "mse", "optimizer": "sgd", "epochs": 3, "batch_size": 16} | options)
    return model, history


class Distance:
    higher_is_better = False

    def statistics(self, a, y, weight):
        return np.array([np.abs(a - y, dtype=np.float64).sum(), a.size])

    def result(self, statistics):
        return float(statistics[0] / statistics[1])


class Squares:
    def targets(self, y, output_shape):
        return y

    def value(self, a, y, weight):
        return float(np.mean((a - y) ** 2)) / 2

    def gradient(self, a, y, workspace, weight):
        return (a - y) / len(a)


class Tangent:
    def forward(self, z, workspace):
        return np.tanh(z)

    def delta(self, grad_a, z, a, workspace):
        return grad_a * (1 - a * a)


class Scale:
    activation = "tanh"

    def output_shape(self, input_shape):
        return input_shape

    def parameters(self, input_shape):
        return {"factor": nnfw.Parameter(input_shape, Halves())}

    def forward(self, params, a_prev, workspace):
        workspace["a_prev"] = a_prev
        return a_prev * params["factor"]

    def backward(self, params, delta, grads, workspace):
        np.sum(delta * workspace["a_prev"], axis=0, out=grads["factor"])
        return delta * params["factor"]


class Halves:
    def sample(self, shape, fan_in, fan_out, rng):
        return np.full(shape, 0.5)


class Descent:
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def update(self, vector, gradient, state, step, learning_rate, decays):
        vector -= vector.dtype.type(learning_rate) * gradient


class Slower:
    def factor(self, t, epochs, history):
        return 1 / (1 + t)


class Shrink:
    def value(self, w):
        return float(w @ w)

    def add_gradient(self, w, gradient):
        gradient += 2 * w


class Downhill:
    def minimise(self, function, vector, iterations, ended):
        for _ in range(iterations):
            cost, gradient = function(vector)
            vector = vector - 0.1 * gradient
            if ended(vector, cost):
                break
        return ""


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_objects_of_ordinary_classes_train_like_the_components_that_they_repeat(data, accelerator):
    model, history = fit(data, cost=Squares(), optimizer=Descent(0.01), metrics=[Distance()], accelerator=accelerator)
    same, expected = fit(data, optimizer={"type": "sgd", "learning_rate": 0.01}, metrics=["mae"])
    assert model.parameters.vector == pytest.approx(same.parameters.vector, rel=1e-5)
    assert history["Distance"] == pytest.approx(expected["mae"], rel=1e-6)
    assert history["cost"] == pytest.approx(expected["cost"], rel=1e-5)


def test_layer_and_activation_of_ordinary_classes_are_a_network_with_right_gradients(data):
    layers = [Dense(4, activation=Tangent(), weight_initializer=Halves()), Scale(), Dense(1)]
    model, history = fit(data, layers, schedule=Slower(), regularizer=Shrink())
    assert nnfw.gradcheck(model, *data, cost=Squares()).ok
    assert history["learning_rate"] == pytest.approx([0.01, 0.005, 0.01 / 3], rel=1e-12)
    assert set(model.parameters) == {
        *(f"layers.{k}.{n}" for k in (0, 2) for n in ("weight", "bias")),
        "layers.1.factor",
    }
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert (again.predict(data[0]) == model.predict(data[0])).all()
    assert "Scale" in repr(model)


class CrossEntropy:
    """Has the closed form of a canonical pair, which is no member of every cost, and a property that is not ready."""

    canonical = "softmax"

    def __init__(self):
        self.inner = nnfw.cost("cross_entropy")
        for name in ("targets", "value", "gradient", "value_from_z", "canonical_delta"):
            setattr(self, name, getattr(self.inner, name))

    @property
    def summary(self):
        raise RuntimeError("not ready")


def test_further_methods_of_an_object_are_found(data, rng):
    y = rng.integers(0, 3, len(data[0]))
    model = nnfw.Sequential([Dense(3, activation="softmax")], 3)
    assert model.objective(CrossEntropy()).terms[0].canonical
    found, gradient = model.gradient(data[0], y, cost=CrossEntropy())
    expected, same = model.gradient(data[0], y, cost="cross_entropy")
    assert (found, gradient.tolist()) == (expected, same.tolist())
    cost = registry.resolve("cost", CrossEntropy())
    assert copy.deepcopy(cost).canonical == pickle.loads(pickle.dumps(cost)).canonical == "softmax"


def test_solver_of_an_ordinary_class_is_one(data):
    assert is_solver(registry.resolve("optimizer", Downhill()))
    model = nnfw.Sequential([Dense(4, activation="tanh"), Dense(1)], 3)
    history = model.fit(*data, cost="mse", optimizer=Downhill(), epochs=5)
    assert history["cost"][-1] < history["cost"][0]


class Costs:
    """Keeps costs in an attribute, as many callbacks of other libraries do."""

    def __init__(self):
        self.costs, self.epochs = [], 0

    def epoch_ended(self, fit, record, state):
        self.costs.append(record["cost"])
        self.epochs += 1


class Derived(nnfw.Callback):
    def __init__(self):
        self.costs, self.epochs = [], 0

    def epoch_ended(self, fit, record, state):
        Costs.epoch_ended(self, fit, record, state)


@dataclass
class Thawed(nnfw.Callback):
    costs: tuple[float, ...] = ()
    epochs: int = 0

    def epoch_ended(self, fit, record, state):
        self.costs += (record["cost"],)
        self.epochs += 1


@pytest.mark.parametrize("make", [Costs, Derived, Thawed])
def test_callback_may_be_an_object_that_keeps_what_it_sees(data, make):
    callback = make()
    _, history = fit(data, callbacks=[callback])
    assert (list(callback.costs), callback.epochs) == (history["cost"], 3)


class Patience(EarlyStopping):
    """A subclass of a component, itself no dataclass."""

    def fit_ended(self, fit, state):
        fit.history.stopped = "as a subclass says"


def test_callback_may_be_a_subclass_of_a_component(data):
    _, history = fit(data, callbacks=[Patience(monitor="cost")])
    assert history.stopped == "as a subclass says"


class Hoards:
    """Has every method but two, each of which writes down that it ran."""

    def __init__(self):
        self.seen = []

    def state(self, fit):
        return {"steps": 0}

    def step_computed(self, fit, state):
        state["steps"] += 1

    def step_ended(self, fit, state):
        self.seen.append(state["steps"])

    def close(self, state):
        self.seen.append("closed")


def test_every_method_of_an_ordinary_callback_runs(data):
    callback = Hoards()
    fit(data, callbacks=[callback], epochs=1, accelerator="numba")
    assert callback.seen == [1, 2, 3, "closed"]


def test_state_of_an_ordinary_callback_resumes_under_the_name_of_its_class(data, tmp_path):
    class Stops(Hoards):
        def epoch_ended(self, fit, record, state):
            if fit.epoch == 2 and not state.get("again"):
                raise InterruptedError

    class Goes(Hoards):
        pass

    Goes.__qualname__ = Stops.__qualname__
    with pytest.raises(InterruptedError):
        fit(data, callbacks=[Stops()], checkpoints=tmp_path, checkpoint_seconds=0.0)
    callback = Goes()
    fit(data, callbacks=[callback], checkpoints=tmp_path, checkpoint_seconds=0.0, resume=True)
    assert callback.seen == [6, 7, 8, 9, "closed"]
    with pytest.raises(nnfw.FileFormatError, match=r"there is no callback '.*Stops' here, which remembers something"):
        fit(data, checkpoints=tmp_path, resume=True)


class OfAnother:
    def on_epoch_end(self, epoch, logs=None): ...


class Both(Costs):
    def on_train_begin(self): ...


class DerivedOfAnother(nnfw.Callback):
    def on_batch_begin(self): ...


@dataclass(frozen=True)
class FrozenOfAnother(nnfw.Callback):
    def on_test_end(self): ...


class NoState:
    state = {}

    def epoch_ended(self, fit, record, state): ...


class Short:
    def epoch_ended(self, fit, record): ...


class Nothing:
    def epoch_end(self): ...


OBJECT = "a name, a table with 'type', or an object, got "


@pytest.mark.parametrize(
    ("callback", "text"),
    [
        (OfAnother(), "has on_epoch_end, which nnfw never calls"),
        (Both(), "has on_train_begin, which nnfw never calls"),
        (DerivedOfAnother(), "has on_batch_begin, which nnfw never calls"),
        (FrozenOfAnother(), "has on_test_end, which nnfw never calls"),
        (NoState(), "has state = {}, expected state(fit)"),
        (Short(), "has epoch_ended(fit, record), expected epoch_ended(fit, record, state)"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_callback_that_would_do_nothing_is_refused_with_the_methods(data, callback, text):
    with pytest.raises(nnfw.ConfigError) as caught:
        fit(data, callbacks=[callback])
    assert re.fullmatch(
        rf"callbacks\[0\] must be a callback, but .* {re.escape(text)}\. {re.escape(METHODS)}", str(caught.value)
    )


def test_object_with_no_member_of_its_kind_is_refused_with_the_members(data):
    with pytest.raises(nnfw.ConfigError) as caught:
        fit(data, callbacks=[Nothing()])
    assert str(caught.value).startswith(f"callbacks[0] must be a callback: {OBJECT}<")
    assert str(caught.value).endswith(f". {METHODS}")


def test_helper_of_a_component_may_have_any_name(data):
    @dataclass(frozen=True)
    class Helped(EarlyStopping):
        def on_train_end(self): ...

    fit(data, callbacks=[Helped(monitor="cost")])


class NoResult:
    higher_is_better = True

    def statistics(self, a, y, weight): ...


class NoWeight(Distance):
    def statistics(self, a, y): ...


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (NoResult(), "lacks result"),
        (NoWeight(), "has statistics(a, y), expected statistics(a, y, weight)"),
    ],
    ids=["lacks", "arguments"],
)
def test_object_that_is_half_a_component_is_refused_with_what_it_lacks(data, metric, text):
    members = (
        "Members of a metric: domain, higher_is_better, ignores_shift, merge(first, second), result(statistics), "
        "statistics(a, y, weight)."
    )
    with pytest.raises(
        nnfw.ConfigError, match=rf"metrics\[0\] must be a metric, but .* {re.escape(text)}\. {re.escape(members)}$"
    ):
        fit(data, metrics=[metric])


def test_file_cannot_name_an_ordinary_class(data, tmp_path):
    model, _ = fit(data, [Scale(), Dense(1)])
    text = r"Layer 'Scale' belongs to no installed plugin, so a file cannot name it\. Declare it in a plugin: .* writes"
    with pytest.raises(nnfw.PluginError, match=text):
        model.save(tmp_path / "model.nnfw")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bases", [(), (nnfw.Layer,), (nnfw.Merge,)], ids=["no base", "layer", "merge"])
def test_layer_of_an_ordinary_class_without_an_activation_has_the_identity(bases):
    class Passes(*bases):
        def output_shape(self, shapes):
            return shapes[0] if bases == (nnfw.Merge,) else shapes

        def forward(self, params, inputs, workspace):
            return 2 * (inputs[0] if bases == (nnfw.Merge,) else inputs)

        def backward(self, params, delta, grads, workspace):
            return (2 * delta,) if bases == (nnfw.Merge,) else 2 * delta

    model = nnfw.Sequential([Passes()], 2)
    np.testing.assert_array_equal(model.predict([[1.0, -3.0]]), [[2, -6]])


def inner():
    return nnfw.Sequential([Dense(3)], 3)


@pytest.mark.parametrize(
    ("holder", "place"),
    [
        (lambda: Residual((inner(), Dense(3))), "layers[0].layers[0]"),
        (lambda: Residual((Dense(3),), shortcut=inner()), "layers[0].shortcut"),
        (lambda: nnfw.Chain((inner(),)), "layers[0].layers[0]"),
        (lambda: nnfw.Node(inner(), "inner"), "layers[0]"),
    ],
    ids=["residual", "shortcut", "chain", "node"],
)
def test_network_inside_a_block_is_refused_with_what_to_write(holder, place):
    message = re.escape(f"{place} must be a layer, but <Sequential (3,) → (3,), 12 parameters: ")
    advice = re.escape("Write nnfw.Chain(model.nodes), which brings its layers without the values of their parameters.")
    with pytest.raises(nnfw.ConfigError, match=rf"^{message}.* is a network, which only a list .*hold\. {advice}$"):
        nnfw.Sequential([holder()], 3)


def test_nodes_of_a_network_are_a_chain_inside_a_block():
    assert nnfw.Sequential([Residual((nnfw.Chain(inner().nodes), Dense(3)))], 3).output_shape == (3,)
