"""The components pass nnfw's checks and compute the right values."""

import json

import nnfw
import nnfw.testing
import numpy as np
import pytest
from nnfw.cli.main import main

from nnfw_swish.gate import SwishGate
from nnfw_swish.pinball import Pinball
from nnfw_swish.swish import Swish


@nnfw.testing.parametrize_checks("nnfw-swish")
def test_component_keeps_the_rules(check):
    check()


def test_swish_with_beta_1_is_silu():
    z = np.linspace(-9, 9, 50)
    np.testing.assert_allclose(Swish().value(z), nnfw.activation("silu").value(z), rtol=1e-12)


def test_swish_with_beta_0_is_half_of_z():
    assert Swish(0.0).value(np.array([-3.0, 8.0])).tolist() == [-1.5, 4.0]


def gate(params, a_prev):
    """Return z by the equation in SwishGate's docstring; its numerical derivative is the reference for backward."""
    u = a_prev @ params["weight"].T + params["bias"]
    g = a_prev @ params["gate_weight"].T + params["gate_bias"]
    return u * g / (1 + np.exp(-0.7 * g))


def test_gate_is_its_equation_and_its_derivative():
    layer = nnfw.layer("swish_gate", units=3, beta=0.7)
    reference = nnfw.testing.numerical_layer(gate, layer.parameters, activation="identity")
    nnfw.testing.assert_same_layer(layer, reference, input_shape=(4,))


def test_gate_trains_inside_the_compiled_program():
    pytest.importorskip("numba")
    x = np.random.default_rng(0).normal(size=(64, 5))
    trained = []
    for accelerator in ("none", "numba"):
        layers = [nnfw.layer("swish_gate", units=4, beta=0.7), nnfw.layer("dense", units=1)]
        model = nnfw.Sequential(layers, 5, dtype="float64", seed=1)
        model.fit(x, x[:, :1] ** 2, cost="mse", optimizer="adam", epochs=3, accelerator=accelerator)
        trained.append(model.parameters.vector)
    np.testing.assert_allclose(*trained, rtol=1e-9)


def test_gate_refuses_images():
    with pytest.raises(nnfw.ShapeError, match=r"expected input of shape \(n,\), got \(8, 8\)"):
        SwishGate(3).output_shape((8, 8))


def test_pinball_is_least_at_the_quantile():
    y = np.arange(100.0).reshape(-1, 1)
    costs = [Pinball(0.9).value(np.full_like(y, a), y) for a in range(100)]
    assert int(np.argmin(costs)) in (89, 90)


@pytest.mark.parametrize(
    ("y", "message"),
    [(np.array([[np.nan]]), "labels must be finite numbers"), (np.ones((1, 2)), "labels must have shape")],
    ids=["nan", "shape"],
)
def test_impossible_labels_are_refused(y, message):
    with pytest.raises(nnfw.DataError, match=message):
        Pinball().targets(y, (1,))


def test_command_prints_a_curve_and_json(capsys):
    assert main(["swish", "--points", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[2].split() == ["0.00", "0.0000", "0.5000", "*"]
    assert main(["swish", "--points", "3", "--beta", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["a"] == [-3.0, 0.0, 3.0]
