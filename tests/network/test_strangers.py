"""What a stranger's method returns is looked at where it is used, and the error names owner and method."""

import re
from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest

import nnfw
from nnfw.data import Preprocessing, load_examples, open_source, shape_of
from nnfw.ops.engines import engine_of
from nnfw.plugins import default_registry
from nnfw.protocols import Parameter
from nnfw.training import state_of
from nnfw_standard import MSE, SGD, Accuracy, BinaryCrossEntropy, Dense, Tanh, Zeros

ROWS = 6
X, Y = np.arange(2.0 * ROWS).reshape(ROWS, 2) / ROWS, np.arange(float(ROWS)) / ROWS


def later(cls, method, wrong, after, *options):
    """Return an instance of a subclass whose method returns something else from some call on."""
    calls, original = count(), getattr(cls, method)

    def changed(self, *arguments):
        found = original(self, *arguments)
        return np.array(found) if next(calls) < after else wrong

    changed.__name__ = method
    return dataclass(frozen=True)(type("Later", (cls,), {method: changed}))(*options)


def sequential(*layers):
    return nnfw.Sequential(layers, 2)


WRONG = [
    pytest.param(None, "NoneType", id="none"),
    pytest.param(0.0, "float", id="number"),
    pytest.param(np.zeros((1, 3), np.float32), r"(a float32 array of )?shape \(1, 3\)", id="broadcastable"),
    pytest.param(np.zeros((2, 3)), r"((a float64 array of )?shape \(2, 3\)|float64)", id="dtype"),
]
FIT = {"cost": "mse", "optimizer": SGD(), "batch_size": 2, "accelerator": "none", "shuffle": False}


@pytest.mark.parametrize("after", range(5))
@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_forward_that_returns_something_else_from_some_call_on_is_named(wrong, said, after):
    model = sequential(later(Dense, "forward", wrong, after, 3), Dense(1))
    message = rf"^Layer 0(: Layer)? 'Later': forward returned {said}, expected "
    with pytest.raises(nnfw.PluginError, match=message):
        model.fit(X, Y, epochs=2, **FIT)


@pytest.mark.parametrize("after", range(5))
@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_backward_that_returns_something_else_from_some_call_on_is_named(wrong, said, after):
    model = sequential(Dense(3), later(Dense, "backward", wrong, after, 1))
    with pytest.raises(nnfw.PluginError, match=rf"^Layer 1(: Layer)? 'Later': backward returned {said}, expected "):
        model.fit(X, Y, epochs=2, **FIT)


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("method", ["forward", "delta"])
@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_activation_that_returns_something_else_from_some_call_on_is_named(wrong, said, method, after):
    activation = later(Tanh, method, wrong, after)
    model = sequential(Dense(3, activation=activation), Dense(1))
    owner = rf"(Layer 0 'dense' \(built-in\): {method} of its activation 'Later'|Layer 0: Activation 'Later': {method})"
    with pytest.raises(nnfw.PluginError, match=rf"^{owner} returned {said}, expected "):
        model.fit(X, Y, epochs=2, **FIT)


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("wrong", [None, np.zeros((1, 1), np.float32)], ids=["none", "broadcastable"])
def test_cost_whose_gradient_is_something_else_from_some_call_on_is_named(wrong, after):
    model = sequential(Dense(3), Dense(1))
    with pytest.raises(nnfw.PluginError, match=r"^(Layer 1: )?Cost 'Later': gradient returned .*, expected "):
        model.fit(X, Y, epochs=2, **FIT | {"cost": later(MSE, "gradient", wrong, after)})


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("rows", [2, 1500])
def test_forward_in_a_prediction_is_looked_at_at_every_call(rows, after):
    model = sequential(later(Dense, "forward", None, after, 3), Dense(1))

    def predict(times):
        for time in range(times):
            model.predict(np.zeros((rows + time // 3, 2)))

    with pytest.raises(nnfw.PluginError, match=r"^Layer 0(: Layer)? 'Later': forward returned NoneType, expected "):
        predict(6)


def test_forward_in_an_evaluation_is_looked_at_at_every_call():
    model = sequential(later(Dense, "forward", np.zeros((1, 3), np.float32), 1, 3), Dense(1))
    with pytest.raises(
        nnfw.PluginError, match=r"^Layer 0 'Later': forward returned shape \(1, 3\), expected \(476, 3\)"
    ):
        model.evaluate(np.zeros((1500, 2)), np.zeros(1500), cost="mse")


def test_layer_inside_a_chain_that_returns_something_else_is_named_with_its_place():
    inner = nnfw.Chain((Dense(3), later(Dense, "forward", None, 0, 3), Dense(3)))
    model = sequential(inner, Dense(1))
    with pytest.raises(nnfw.PluginError, match=r"^Layer 0.1 'Later': forward returned NoneType, expected "):
        model.predict(X)


def test_result_that_failed_in_a_longer_batch_is_not_blamed_on_the_shorter_one():
    model = sequential(later(Dense, "forward", None, 1, 3), Dense(1))
    workspace = model.network.workspace()
    model.network.forward([np.zeros((4, 2), np.float32)], workspace)
    with pytest.raises(
        nnfw.PluginError, match=r"^Layer 0 'Later': forward returned NoneType, expected an array of shape"
    ):
        model.network.forward([np.zeros((2, 2), np.float32)], workspace)


# What is asked once, or at the end of an epoch


def faulty(protocol, **members):
    """Return an instance of a frozen dataclass with the given methods."""
    return dataclass(frozen=True)(type("Faulty", (protocol,), members))()


def returns(value):
    return lambda *_, **__: value


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("statistics", None, "statistics returned NoneType, expected an array of numbers."),
        ("statistics", [1.0], "statistics returned list, expected an array of numbers."),
        ("statistics", "a", "statistics returned str, expected an array of numbers."),
        ("statistics", np.array(["a"]), "statistics returned a <U1 array of shape (1,), expected an array of numbers."),
        ("result", None, "result returned NoneType, expected a number or an array of numbers."),
        ("result", 1 << 63, "result returned int, expected a number or an array of numbers."),
        ("result", {"a": 1.0}, "result returned dict, expected a number or an array of numbers."),
        ("result", np.array([None]), "result returned a object array of shape (1,), expected a number or an array"),
    ],
)
def test_metric_that_returns_something_else_is_named(member, value, message):
    metric = faulty(nnfw.Metric, higher_is_better=True, statistics=returns(np.zeros(2)), result=returns(0.0))
    metric = faulty(type(metric), **{member: returns(value)})
    with pytest.raises(nnfw.PluginError, match=f"^Metric 'Faulty': {re.escape(message)}"):
        nnfw.Sequential([Dense(1)], 2).fit(X, Y, metrics=[metric], **FIT)
    with pytest.raises(nnfw.PluginError, match=f"^Metric 'Faulty': {re.escape(message)}"):
        nnfw.Sequential([Dense(1)], 2).evaluate(X, Y, cost="mse", metrics=[metric])


def test_metric_whose_statistics_change_their_shape_is_named():
    calls = iter([np.zeros(2), np.zeros((2, 2))])
    metric = faulty(nnfw.Metric, higher_is_better=True, statistics=lambda *_: next(calls), result=returns(0.0))
    message = (
        r"^Metric 'Faulty': statistics returned a float64 array of shape \(2, 2\), expected the shape of the first "
    )
    with pytest.raises(nnfw.PluginError, match=message):
        nnfw.Sequential([Dense(1)], 2).evaluate(np.zeros((1500, 2)), np.zeros(1500), cost="mse", metrics=[metric])


@pytest.mark.parametrize("value", [np.float64(1.0), 2, 1.5, np.array(3.0)], ids=["float64", "int", "float", "array"])
def test_metric_that_returns_a_number_is_taken(value):
    metric = faulty(nnfw.Metric, higher_is_better=True, statistics=returns(value), result=returns(value))
    history = nnfw.Sequential([Dense(1)], 2).fit(X, Y, metrics=[metric], **FIT)
    assert history[-1]["Faulty"] == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "state returned NoneType, expected a dictionary of arrays by name."),
        ([], "state returned an empty list, expected a dictionary of arrays by name."),
        ({1: np.zeros(3)}, "state returned dict, expected a dictionary of arrays by name."),
        ({"m": None}, "state['m'] returned NoneType, expected an array of shape (3,)."),
        ({"m": np.zeros(2)}, "state['m'] returned a float64 array of shape (2,), expected an array of shape (3,)."),
    ],
)
def test_optimizer_whose_state_is_something_else_is_named(value, message):
    optimizer = faulty(nnfw.Optimizer, learning_rate=0.1, state=returns(value), update=returns(None))
    with pytest.raises(nnfw.PluginError, match=f"^Optimizer 'Faulty': {re.escape(message)}$"):
        nnfw.Sequential([Dense(1)], 2).fit(X, Y, **FIT | {"optimizer": optimizer})
    with pytest.raises(nnfw.PluginError, match=re.escape(message)):
        state_of(optimizer, np.zeros(3))


@pytest.mark.parametrize("rate", [None, "0.1", True, float("nan"), float("inf"), 10**400], ids=str)
def test_optimizer_whose_learning_rate_is_no_number_is_named(rate):
    optimizer = faulty(nnfw.Optimizer, learning_rate=rate, update=returns(None))
    message = r"^Optimizer 'Faulty': learning_rate is .*, expected a finite number\.$"
    with pytest.raises(nnfw.PluginError, match=message):
        nnfw.Sequential([Dense(1)], 2).fit(X, Y, **FIT | {"optimizer": optimizer})


@pytest.mark.parametrize(
    ("minimise", "message"),
    [
        (returns(None), "minimise returned NoneType, expected text: why it ended, or an empty one."),
        (
            lambda _self, function, *_: function(np.zeros(2)),
            "minimise must give its functions an array of shape (3,), got a float64 array of shape (2,).",
        ),
        (
            lambda _self, function, vector, iterations, ended: ended(0.0, 1.0),
            "minimise must give its functions an array of shape (3,), got float.",
        ),
    ],
    ids=["reason", "function", "ended"],
)
def test_solver_that_does_something_else_is_named(minimise, message):
    solver = faulty(nnfw.Solver, minimise=minimise)
    with pytest.raises(nnfw.PluginError, match=f"^Optimizer 'Faulty': {re.escape(message)}$"):
        nnfw.Sequential([Dense(1)], 2).fit(X, Y, cost="mse", optimizer=solver, epochs=1)


@pytest.mark.parametrize("value", [None, 10**400, np.complex64(1j)], ids=["none", "too large", "complex"])
@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_regularizer_whose_value_is_no_number_is_named(optimizer, value):
    regularizer = faulty(nnfw.Regularizer, value=returns(value), add_gradient=returns(None))
    message = (
        r"^Regularizer 'Faulty': value returned (NoneType|int|a complex64 array of shape \(\)), expected a number\.$"
    )
    with pytest.raises(nnfw.PluginError, match=message):
        nnfw.Sequential([Dense(1)], 2).fit(X, Y, cost="mse", optimizer=optimizer, regularizer=regularizer, epochs=1)


@pytest.mark.parametrize("value", [None, [1], "state"])
def test_callback_whose_state_is_no_dictionary_is_named(value):
    callback = faulty(nnfw.Callback, state=returns(value))
    message = rf"^Callback 'Faulty': state returned {type(value).__name__}, expected a dictionary\.$"
    with pytest.raises(nnfw.PluginError, match=message):
        nnfw.Sequential([Dense(1)], 2).fit(X, Y, callbacks=[callback], **FIT)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"sample returned NoneType, expected an array of numbers of shape \(1, 2\)\."),
        (
            np.zeros(2),
            r"sample returned a float64 array of shape \(2,\), expected an array of numbers of shape \(1, 2\)\.",
        ),
        (
            np.full((1, 2), "a"),
            r"sample returned a <U1 array of shape \(1, 2\), expected an array of numbers of shape ",
        ),
        (np.full((1, 2), np.nan), r"sample returned values that are not finite\."),
    ],
    ids=["none", "shape", "words", "nan"],
)
def test_initializer_that_returns_something_else_is_named(value, message):
    initializer = faulty(nnfw.Initializer, sample=returns(value))
    with pytest.raises(nnfw.PluginError, match=rf"^Layer 0 'dense' \(built-in\): Initializer 'Faulty': {message}"):
        nnfw.Sequential([Dense(1, weight_initializer=initializer)], 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "parameters returned NoneType, expected a dictionary of Parameter objects by name."),
        (
            {1: Parameter((1,), Zeros())},
            "parameters returned dict, expected a dictionary of Parameter objects by name.",
        ),
        ({"w": None}, "parameters['w'] returned NoneType, expected a Parameter whose shape is whole numbers."),
        ({"w": Parameter(3, Zeros())}, "parameters['w'] returned Parameter, expected a Parameter whose shape is whole"),
        ({"w": Parameter((3,), "zeros")}, "parameters['w'].initializer returned str, expected an initializer."),
    ],
    ids=["none", "key", "value", "shape", "initializer"],
)
def test_layer_that_declares_something_else_is_named(value, message):
    layer = faulty(Dense, parameters=returns(value), units=1, __annotations__={"units": int})
    with pytest.raises(nnfw.PluginError, match=f"^Layer 0 'Faulty': {re.escape(message)}"):
        nnfw.Sequential([layer], 2)


def fails(*_, **__):
    return 1 / 0


def refuses(*_, **__):
    raise nnfw.StateError("is not ready.")


FAILING = {
    "output_shape": lambda how: faulty(Dense, output_shape=how, units=1, __annotations__={"units": int}),
    "parameters": lambda how: faulty(Dense, parameters=how, units=1, __annotations__={"units": int}),
    "index_limit": lambda how: faulty(Dense, index_limit=how, units=1, __annotations__={"units": int}),
    "sample of an initializer": lambda how: Dense(1, weight_initializer=faulty(nnfw.Initializer, sample=how)),
}


@pytest.mark.parametrize("method", FAILING)
def test_layer_that_fails_when_a_network_is_built_is_named_with_its_node(method):
    layer = FAILING[method](fails)
    title = r"'dense' \(built-in\)" if method.startswith("sample") else "'Faulty'"
    with pytest.raises(
        nnfw.PluginError, match=rf"^Layer 1\.0 {title}: {method} failed: ZeroDivisionError: division by"
    ):
        sequential(Dense(2), nnfw.Chain((layer,)))
    with pytest.raises(nnfw.StateError, match=rf"^Layer 1\.0 {title}: is not ready\.$") as caught:
        sequential(Dense(2), nnfw.Chain((FAILING[method](refuses),)))
    assert caught.value.path == ("layers", 1)


def test_activation_that_fails_when_it_sees_a_shape_is_named_with_its_node():
    model = sequential(Dense(2), Dense(2, activation=faulty(Tanh, require_shape=fails)))
    message = r"^Layer 1 'dense' \(built-in\): require_shape of its activation failed: ZeroDivisionError"
    with pytest.raises(nnfw.PluginError, match=message):
        model.fit(X, np.c_[Y, Y], **FIT)


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_layer_that_fails_in_a_pass_is_named_with_its_node(method):
    layer = faulty(Dense, **{method: fails}, units=1, __annotations__={"units": int})
    with pytest.raises(ZeroDivisionError) as failed:
        sequential(nnfw.Chain((Dense(2), layer))).fit(X, Y, **FIT)
    assert failed.value.__notes__ == ["Raised in Layer 0.1 'Faulty'."]
    layer = faulty(Dense, **{method: refuses}, units=1, __annotations__={"units": int})
    with pytest.raises(nnfw.StateError, match=r"^Layer 0\.1 'Faulty': is not ready\.$"):
        sequential(nnfw.Chain((Dense(2), layer))).fit(X, Y, **FIT)


def test_layer_whose_wrong_result_another_one_refuses_is_named_instead_of_that():
    refusing = faulty(Dense, forward=refuses, units=1, __annotations__={"units": int})
    with pytest.raises(nnfw.PluginError, match=r"^Layer 0 'Later': forward returned shape \(1, 3\), expected \(6, 3\)"):
        sequential(later(Dense, "forward", np.zeros((1, 3), np.float32), 0, 3), refusing).predict(X)


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        (np.zeros((2, 1), np.float32), r"shape \(2, 1\), expected \(2, 3\), the shape of z"),
        (np.zeros(3, np.float32), r"shape \(3,\), expected \(2, 3\)"),
        (np.zeros((2, 3)), r"float64, expected float32, the network's dtype"),
        (None, r"NoneType, expected an array of shape \(2, 3\)"),
    ],
    ids=["column", "row", "dtype", "none"],
)
@pytest.mark.parametrize("call", [0, 1], ids=["through the cost", "through a node"])
def test_delta_of_an_output_that_a_node_takes_too_is_looked_at_before_it_is_added(delta, said, call):
    calls = count()

    def changed(self, grad_a, z, a, workspace):
        return delta if next(calls) == call else grad_a

    activation = faulty(Tanh, delta=changed)
    model = nnfw.Sequential(
        [nnfw.Node(Dense(3, activation=activation), "p"), nnfw.Node(Dense(1), "q")], 2, outputs=("p", "q")
    )
    y = {"p": np.ones((ROWS, 3)), "q": np.ones((ROWS, 1))}
    message = rf"^Layer p 'dense' \(built-in\): delta of its activation 'Faulty' returned {said}"
    with pytest.raises(nnfw.PluginError, match=message):
        model.fit(X, y, **FIT | {"cost": {"p": "mse", "q": "mse"}})


def test_cost_of_time_steps_whose_gradient_has_another_shape_is_named():
    model = nnfw.Sequential([{"type": "activation", "activation": "tanh"}], (2, 1))
    x = nnfw.Padded(np.ones((4, 2, 1)), [2, 1, 1, 2])
    with pytest.raises(
        nnfw.PluginError, match=r"^Cost 'Later': gradient returned shape \(1, 1\), expected \(2, 2, 1\)"
    ):
        model.fit(x, np.ones((4, 2, 1)), **FIT | {"cost": later(MSE, "gradient", np.zeros((1, 1), np.float32), 0)})


@pytest.mark.parametrize("wrong", [None, np.zeros((2, 2), np.float32)], ids=["none", "shape"])
def test_cost_with_a_weight_whose_gradient_is_something_else_is_named(wrong):
    model = nnfw.Sequential([nnfw.Node(Dense(1, activation="sigmoid"), "p")], 2, outputs=("p",))
    cost = {"p": {"cost": later(BinaryCrossEntropy, "canonical_delta", wrong, 0), "weight": 0.5}}
    with pytest.raises(nnfw.PluginError, match=r"^Cost 'Later': canonical_delta returned "):
        model.fit(X, {"p": Y}, **FIT | {"cost": cost})


def test_name_of_a_node_or_an_input_is_cut_in_messages():
    long = "n" * 10_000
    node = nnfw.Node(Dense(1), long)
    with pytest.raises(nnfw.ShapeError) as caught:
        nnfw.Sequential([node, nnfw.Node("add", inputs=(long, "x"))], 2)
    assert "Layer 'nnn" in str(caught.value)
    for error in (
        caught.value,
        refusal(lambda: nnfw.Sequential([node, nnfw.Node(Dense(2), share=long)], 2)),
        refusal(
            lambda: nnfw.Sequential(
                [
                    nnfw.Chain(
                        (nnfw.Node(Dense(1), inputs=("q",)),),
                    ),
                    node,
                ],
                2,
            )
        ),
        refusal(lambda: nnfw.Sequential([node], 2, outputs=("q",))),
        refusal(lambda: nnfw.Sequential([node], 2, values={"q": 1.0})),
        refusal(lambda: nnfw.Sequential([node], 2, values={f"{long}.weight": 1.0})),
        refusal(lambda: nnfw.Sequential([nnfw.Node(Dense(1), inputs=(long,))], {long: 2}).predict({long: X, "b": X})),
        refusal(lambda: nnfw.Sequential([nnfw.Node(Dense(1), inputs=(long,))], {long: 2}).predict({long: X[:, :1]})),
        refusal(lambda: nnfw.Sequential([nnfw.Node(Dense(1), inputs=(long,))], {long: 2}).predict(X)),
        refusal(lambda: nnfw.Sequential([nnfw.Node(nnfw.Chain((nnfw.Node(Dense(1), inputs=("q",)),)), long)], 2)),
    ):
        assert len(str(error)) < 500, str(error)


def refusal(action):
    """Return the error that an action raises."""
    with pytest.raises(nnfw.NnfwError) as caught:
        action()
    return caught.value


def with_activation(value):
    """Return a layer whose activation is a class variable."""
    members = {name: returns(None) for name in ("forward", "backward")}
    return faulty(nnfw.Layer, activation=value, output_shape=returns((2,)), **members)


def test_activation_that_a_class_names_is_found():
    (node,) = sequential(with_activation("tanh")).network.graph.nodes
    assert node.activation == Tanh()


@pytest.mark.parametrize("value", [None, 3])
def test_layer_whose_activation_is_none_is_named(value):
    layer = with_activation(value)
    message = rf"^Layer 0 'Faulty': its activation is {value!r}, expected an activation\.$"
    with pytest.raises(nnfw.PluginError, match=message):
        nnfw.Sequential([layer], 2)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"domain": 3}, "domain is 3, expected two numbers in order, or None."),
        ({"domain": (1.0, 0.0)}, "domain is (1.0, 0.0), expected two numbers in order, or None."),
        ({"canonical": "softmax"}, "has a canonical activation, but lacks value_from_z and canonical_delta."),
        (
            {"canonical": "nothing", "value_from_z": returns(0.0), "canonical_delta": returns(None)},
            "canonical is 'nothing': Unknown activation 'nothing'.",
        ),
    ],
    ids=["domain", "domain-reversed", "canonical-methods", "canonical-unknown"],
)
def test_cost_with_attributes_that_make_no_sense_is_named(members, message):
    methods = {name: returns(None) for name in ("targets", "value", "gradient")}
    cost = faulty(nnfw.Cost, **methods, **members)
    with pytest.raises(nnfw.PluginError, match=f"^Cost 'Faulty': {re.escape(message)}"):
        nnfw.Sequential([Dense(1)], 2).objective(cost)


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_cost_that_is_not_finite_for_ordinary_outputs_is_named(value):
    cost = faulty(MSE, value=returns(value))
    model = nnfw.Sequential([Dense(1)], 2)
    message = (
        rf"^Training diverged in epoch 1, step 1: the cost became {value}\. No output or label exceeds \d.* but the "
        r"cost 'Faulty' is not finite there\. "
    )
    with pytest.raises(nnfw.DivergedError, match=message):
        model.fit(X, Y / 100, **FIT | {"cost": cost})
    message = (
        f"^The cost of these examples is {value}: outputs or labels of an example are too large for 'Faulty'. Check"
    )
    with pytest.raises(nnfw.DataError, match=message):
        model.evaluate(X, Y, cost=cost)


@dataclass(frozen=True)
class OldMetric:
    """Mean distance, written before metrics had `merge`, without a base class."""

    higher_is_better = False

    def statistics(self, a, y, weight=None):
        return np.array([np.abs(a - y.reshape(a.shape)).sum(dtype=np.float64), len(a)])

    def result(self, statistics):
        return float(statistics[0] / statistics[1])


@dataclass(frozen=True)
class OldCallback:
    """Counts epochs, written before callbacks had `step_ended`, without a base class."""

    def state(self, fit):
        return {}

    def step_computed(self, fit, state): ...

    def steps_computed(self, fit, costs, state): ...

    def epoch_ended(self, fit, record, state):
        state["epochs"] = state.get("epochs", 0) + 1

    def fit_ended(self, fit, state):
        fit.history.stopped = f"{state['epochs']} epochs"

    def close(self, state): ...


def test_component_older_than_a_member_of_its_protocol_works():
    model = nnfw.Sequential([Dense(1)], 2)
    history = model.fit(X, Y, metrics=[OldMetric(), "mae"], callbacks=[OldCallback()], epochs=2, **FIT)
    assert history.stopped == "2 epochs"
    assert history["OldMetric"] == pytest.approx(history["mae"])
    assert default_registry().resolve("callback", OldCallback()) == OldCallback()


def test_cost_whose_targets_are_words_is_named():
    cost = faulty(MSE, targets=returns(np.array(["a"] * ROWS)))
    message = (
        r"^Cost 'Faulty': targets returned a <U1 array of shape \(6,\), expected an array with a number or more for "
    )
    with pytest.raises(nnfw.PluginError, match=message):
        nnfw.Sequential([Dense(1)], 2).fit(X, Y, **FIT | {"cost": cost})


EXAMPLES = nnfw.Examples({"x": X}, Y)


def examples(**changes):
    """Return examples that were changed behind the back of their constructor."""
    found = nnfw.Examples(EXAMPLES.features, EXAMPLES.target)
    for name, value in changes.items():
        object.__setattr__(found, name, value)
    return found


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "load returned NoneType, expected Examples."),
        ((X, Y), "load returned tuple, expected Examples."),
        (examples(features=[X]), "load returned list, expected features that are columns by name."),
        (examples(features={3: X}), "load returned dict, expected features that are columns by name."),
        (examples(classes=["a"]), "load returned list, expected classes that are a tuple of texts, or None."),
        (examples(classes=(1, 2)), "load returned tuple, expected classes that are a tuple of texts, or None."),
        (
            examples(missing={"x": 3}),
            "load returned dict, expected texts about missing numbers by the name of their col",
        ),
        (
            examples(missing=None),
            "load returned NoneType, expected texts about missing numbers by the name of their co",
        ),
    ],
    ids=["none", "pair", "features", "name", "classes", "class", "missing", "nothing missing"],
)
def test_dataset_that_loads_something_else_is_named(value, message, tmp_path):
    dataset = faulty(nnfw.Dataset, load=returns(value))
    with pytest.raises(nnfw.PluginError, match=f"^Dataset 'Faulty': {re.escape(message)}"):
        load_examples(dataset, tmp_path)


def test_dataset_that_loads_examples_is_taken(tmp_path):
    assert load_examples(faulty(nnfw.Dataset, load=returns(EXAMPLES)), tmp_path) is EXAMPLES


class Opened(nnfw.Source):
    schema = np.dtype([("x", "f8")])
    chunks = (2,)

    def read(self, chunk):
        return {"x": X[:2, 0]}


def opened(**attributes):
    return type("Opened", (Opened,), attributes)()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (EXAMPLES, "open returned Examples, expected a Source, or None."),
        (opened(target="y"), "open returned str, expected a target that is a column, one of x, or None."),
        (opened(classes=["a"]), "open returned list, expected classes that are a tuple of texts, or None."),
    ],
    ids=["examples", "target", "classes"],
)
def test_dataset_that_opens_something_else_is_named(value, message, tmp_path):
    with pytest.raises(nnfw.PluginError, match=f"^Dataset 'Faulty': {re.escape(message)}"):
        open_source(faulty(nnfw.Dataset, load=returns(EXAMPLES), open=returns(value)), tmp_path)


def test_dataset_that_opens_chunks_of_no_length_is_refused(tmp_path):
    with pytest.raises(
        nnfw.DataError, match="^The data: chunk 0 of Opened must have a number of examples of 1 or more"
    ):
        open_source(faulty(nnfw.Dataset, load=returns(EXAMPLES), open=returns(opened(chunks=(0,)))), tmp_path)


def test_dataset_without_open_is_loaded(tmp_path):
    class Old:
        def load(self, directory):
            return EXAMPLES

    assert open_source(Old(), tmp_path) is None


@pytest.mark.parametrize("value", [3, [3], (0,), ("3",), (3.0,)], ids=repr)
def test_dataset_whose_input_shape_is_none_is_named(value):
    dataset = faulty(nnfw.Dataset, load=returns(EXAMPLES), input_shape=returns(value))
    message = (
        rf"^Dataset 'Faulty': input_shape returned {type(value).__name__}, expected a tuple of whole numbers above 0"
    )
    with pytest.raises(nnfw.PluginError, match=message):
        shape_of(dataset)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"fit": returns([1.0])}, "fit returned list, expected a dictionary of plain values by name."),
        ({"fit": returns({1: 2})}, "fit returned dict, expected a dictionary of plain values by name."),
        ({"apply": returns(None)}, "apply returned NoneType, expected an array of length "),
        ({"apply": returns([1.0] * ROWS)}, "apply returned list, expected an array of length 1 for column 'target'."),
    ],
    ids=["fit", "fit-key", "apply", "apply-list"],
)
def test_transform_that_returns_something_else_is_named(members, message):
    with pytest.raises(nnfw.PluginError, match=f"^Transform 'Faulty': {re.escape(message)}"):
        Preprocessing.fit(EXAMPLES, (), (transform(**members),))


def transform(**members):
    def unchanged(_self, column, _fitted):
        return column

    methods = {"fit": returns({}), "apply": unchanged, "invert": unchanged}
    return faulty(nnfw.Transform, columns=None, accepts="numeric", **methods | members)


@pytest.mark.parametrize("value", [None, [0.0] * ROWS, np.zeros(2)], ids=["none", "list", "shape"])
def test_transform_whose_inverse_is_something_else_is_named(value):
    preprocessing = Preprocessing.fit(EXAMPLES, (), (transform(invert=returns(value)),))
    message = r"^Transform 'Faulty': invert returned .*, expected an array of length 6 for column 'target'\.$"
    with pytest.raises(nnfw.PluginError, match=message):
        preprocessing.labels(np.zeros((ROWS, 1)))


@pytest.mark.parametrize(
    ("found", "use", "message"),
    [
        (
            {"sequence": lambda calls: [None]},
            lambda kernels: list(kernels.sequence([])),
            "sequence must yield functions, got None.",
        ),
        (
            {"elementwise": returns(3)},
            lambda kernels: kernels.elementwise(None),
            "elementwise must return two operations or None, got 3.",
        ),
        (
            {"elementwise": returns((print, None))},
            lambda kernels: kernels.elementwise(None),
            "elementwise must return two operations or None, got (<built-in function print>, None).",
        ),
    ],
    ids=["sequence", "elementwise", "elementwise-half"],
)
def test_accelerator_that_compiles_something_else_is_named(found, use, message):
    with pytest.raises(nnfw.PluginError, match=f"^Accelerator 'own': {re.escape(message)}$"):
        use(engine_of(found, "Accelerator 'own'"))


def test_title_names_a_component_of_any_kind_with_its_owner():
    registry = default_registry()
    assert registry.title(Accuracy()) == "Metric 'accuracy' (built-in)"
    assert registry.title(faulty(nnfw.Schedule, factor=returns(None))) == "Schedule 'Faulty'"
    assert registry.title(3) == "Component 'int'"


@dataclass(frozen=True)
class Sum(nnfw.Merge):
    """A sum of inputs of the network, whose backward returns `found`."""

    found: object

    def output_shape(self, input_shapes):
        return input_shapes[0]

    def forward(self, params, inputs, workspace):
        return inputs[0] + inputs[1]

    def backward(self, params, delta, grads, workspace):
        assert not workspace.needs_input_gradient
        return self.found


@pytest.mark.parametrize("found", [None, (None, None), ()], ids=str)
def test_merge_of_inputs_may_return_no_gradient(found):
    model = nnfw.Sequential([nnfw.Node(Sum(found), inputs=("x", "x")), Dense(1)], 2)
    model.fit(X, Y, epochs=2, **FIT)


@dataclass(frozen=True)
class OfIndices(Dense):
    limit: object = None

    def index_limit(self):
        return self.limit


@pytest.mark.parametrize("limit", ["5", 0, -1, True, 2.5, (), (3, 0), [3, 3]], ids=str)
def test_limit_of_indices_that_is_none_is_named(limit):
    message = r"'OfIndices': index_limit returned .*, expected a whole number ≥ 1, a tuple of them, or None\.$"
    with pytest.raises(nnfw.PluginError, match=message):
        sequential(OfIndices(1, limit=limit))


def test_limits_for_another_number_of_columns_are_named():
    text = "index_limit returned 3 numbers, expected one for each place on the last axis of its input: (2,)."
    with pytest.raises(nnfw.PluginError, match=rf"'OfIndices': {re.escape(text)}$"):
        sequential(OfIndices(1, limit=(3, 3, 3)))
