"""Engines: what an accelerator gives, and one that fails in the middle of a training."""

import numpy as np
import pytest

import nnfw
from nnfw.ops import Call, kernels
from nnfw.ops.engines import Engine, engine_of
from nnfw.ops.operation import operation


@operation(values="changed n")
def double(values):
    values *= 2


def fail(*arguments):
    raise OSError("planted")


def call_of(values):
    return Call(double, (values,))


def test_body_of_an_operation_is_asked_for_once():
    asked = []

    def body(operation):
        asked.append(operation)
        return lambda values: values.fill(5)

    engine, values = Engine("own", {}, {"body": body}), np.zeros(1)
    for _ in range(2):
        engine.function(double)(values)
    assert (asked, values.tolist()) == ([double], [5])


def test_operation_without_a_body_is_carried_out_by_its_definition():
    engine = Engine("own", {}, {"body": lambda operation: None})
    assert engine.function(double) is double.definition


@pytest.mark.parametrize("name", ["sequence", "elementwise", "body", "steps"])
def test_engine_that_raises_while_it_compiles_is_named_and_numpy_goes_on(name):
    engine, values = Engine("Accelerator 'own' (nnfw-own 1.0)", {}, {name: fail}), np.ones(1)
    use = {
        "sequence": lambda: [step() for step in engine.sequence([call_of(values)])],
        "elementwise": lambda: engine.elementwise(None) or engine.function(double)(values),
        "body": lambda: engine.function(double)(values),
        "steps": lambda: engine.steps([], [], np.zeros((1, 1))) or engine.function(double)(values),
    }[name]
    message = r"^Accelerator 'own' \(nnfw-own 1\.0\) failed while compiling: OSError: planted\. The training goes on in"
    with pytest.warns(RuntimeWarning, match=message):
        use()
    assert values.tolist() == [2]
    use()  # without a second warning
    assert values.tolist() == [4]


def test_engine_that_raises_in_the_middle_of_a_sequence_is_left():
    def sequence(calls):
        yield from (lambda: None for _ in calls[1:])
        raise OSError("planted")

    engine, values = Engine("own", {}, {"sequence": sequence}), np.ones(1)
    with pytest.warns(RuntimeWarning, match="own failed while compiling: OSError: planted"):
        steps = list(engine.sequence([call_of(values)] * 2))
    for step in steps:
        step()
    assert values.tolist() == [4]


@pytest.mark.parametrize("name", ["sequence", "body"])
def test_training_goes_on_in_numpy_where_an_engine_fails(name, rng, monkeypatch):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    vectors = []
    for accelerator in ("none", "own"):
        model = nnfw.Sequential([nnfw.layer("dense", units=1)], 3, seed=1)
        if accelerator == "own":
            engine = Engine("Accelerator 'own'", {}, {name: fail})
            monkeypatch.setattr("nnfw.training.loop.choose", lambda *arguments, chosen=engine: (chosen, "own"))
            with pytest.warns(RuntimeWarning, match="'own' failed while compiling") as warned:
                history = model.fit(x, y, cost="mse", optimizer="sgd", epochs=2)
            assert [warning.filename for warning in warned] == [__file__]
            assert history.accelerator == "none"
        else:
            model.fit(x, y, cost="mse", optimizer="sgd", epochs=2)
        vectors.append(model.parameters.vector)
    np.testing.assert_array_equal(*vectors)


@pytest.mark.parametrize(
    ("found", "use", "message"),
    [
        ({"body": lambda operation: 3}, lambda engine: engine.function(double), "body must return a function or None"),
        ({"steps": lambda *given: 3}, lambda engine: engine.steps([], [], np.ones((1, 1))), "steps must return a func"),
    ],
    ids=["body", "steps"],
)
def test_engine_that_compiles_something_else_is_named(found, use, message):
    with pytest.raises(nnfw.PluginError, match=f"^Accelerator 'own': {message}.*, got 3.$"):
        use(engine_of(found, "Accelerator 'own'"))


def test_engine_names_operations_by_their_distribution_too():
    engine = engine_of({"nnfw:relu": fail}, "own")
    assert engine.function(kernels().relu) is fail


def test_engine_that_gave_up_runs_every_operation_by_its_definition():
    engine = Engine("own", {double: lambda values: values.fill(5)}, {"elementwise": fail})
    assert engine.function(double) is not double.definition
    with pytest.warns(RuntimeWarning, match="own failed while compiling: OSError: planted"):
        engine.elementwise(None)
    assert engine.function(double) is double.definition
