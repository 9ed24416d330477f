"""Layers by numerical differentiation, and layers compared with them."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.protocols import Parameter
from nnfw.testing import CheckFailed, assert_same_layer, numerical_layer
from nnfw_standard import Dense, Zeros


def affine(params, a_prev):
    return a_prev @ params["weight"].T + params["bias"]


DENSE = Dense(3)


def reference(forward=affine, layer=None):
    layer = nnfw.layer("dense", units=3) if layer is None else layer
    return numerical_layer(forward, layer.parameters, activation="tanh")


def test_numerical_layer_equals_the_layer_with_a_backward():
    assert_same_layer(DENSE, reference(), (4,))


def test_numerical_layer_passes_the_gradient_check(rng):
    model = nnfw.Sequential([reference(), Dense(2)], 4)
    report = nnfw.gradcheck(model, rng.normal(size=(3, 4)), rng.normal(size=(3, 2)), cost="mse")
    assert report.ok, str(report)


def test_numerical_layer_in_float32_trains_as_dense_does(rng):
    x, y = rng.normal(size=(16, 4)), rng.normal(size=(16, 3))
    models = [
        nnfw.Sequential([layer], 4, seed=3) for layer in (reference(), nnfw.layer("dense", units=3, activation="tanh"))
    ]
    for model in models:
        model.fit(x, y, cost="mse", optimizer="sgd", epochs=3, seed=1)
    slow, fast = (model.parameters.vector for model in models)
    assert slow.dtype == np.float32
    np.testing.assert_allclose(slow, fast, atol=1e-6)


def test_numerical_layer_of_a_kink_takes_the_mean_of_the_slopes():
    layer = numerical_layer(lambda params, a_prev: np.maximum(a_prev, 0), activation="identity")
    model = nnfw.Sequential([layer, layer], 1, dtype="float64")
    first, _ = model.trace([0.0], [-1.0], cost="mse").layers
    np.testing.assert_allclose(first.delta, [[0.5]], rtol=1e-9)


@dataclass(frozen=True)
class MeanBias(Dense):
    def backward(self, params, delta, grads, workspace):
        result = super().backward(params, delta, grads, workspace)
        np.mean(delta, axis=0, out=grads["bias"])
        return result


@dataclass(frozen=True)
class NegativeInput(Dense):
    def backward(self, params, delta, grads, workspace):
        return -super().backward(params, delta, grads, workspace)


@dataclass(frozen=True)
class OneWide(Dense):
    def backward(self, params, delta, grads, workspace):
        return super().backward(params, delta, grads, workspace)[:, :1]


@dataclass(frozen=True)
class Doubled(Dense):
    def forward(self, params, a_prev, workspace):
        return 2 * super().forward(params, a_prev, workspace)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (MeanBias(3), r"the gradient of 'bias' at \[\d\] is .*, the reference gives .*: N = 3 times too small"),
        (NegativeInput(3), r"∂C/∂a_prev of backward at \[\d, \d\] is .*: the sign is wrong\."),
        (OneWide(3), r"∂C/∂a_prev of backward has shape \(3, 1\), expected \(3, 4\)\."),
        (Doubled(3), r"z of forward at \[\d, \d\] is .*: a constant factor of 2\."),
        (Dense(5), r"it declares the parameters .*'weight': \(5, 4\).*, the reference .*'weight': \(3, 4\)"),
    ],
    ids=["bias", "sign", "shape", "z", "parameters"],
)
def test_layer_that_differs_from_the_reference_is_named(layer, message):
    with pytest.raises(CheckFailed, match=message):
        assert_same_layer(layer, reference(), (4,))


def test_layer_of_another_output_shape_than_the_reference_is_named():
    wide = numerical_layer(lambda params, a_prev: np.hstack([a_prev, a_prev]), activation="identity")
    with pytest.raises(CheckFailed, match=r"output_shape\(\(4,\)\) is \(4,\), that of the reference \(8,\)"):
        assert_same_layer(nnfw.layer("dropout", rate=0.5), wide, (4,))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda params, a_prev: a_prev @ np.ones((7, 2)), r"forward does not take input of shape \(4,\): .*7"),
        (lambda params, a_prev: a_prev[0], r"forward returned an array of shape \(4,\) for one example, expected"),
        (lambda params, a_prev: [1.0], r"forward returned \[1.0\] for one example, expected an array of shape \(1"),
    ],
    ids=["raises", "batch axis", "list"],
)
def test_forward_that_cannot_be_a_layer_is_refused(forward, message):
    with pytest.raises(nnfw.ShapeError, match=message):
        nnfw.Sequential([numerical_layer(forward, activation="identity")], 4)


def test_parameters_are_declared_for_the_shape_of_the_input():
    layer = numerical_layer(
        lambda params, a_prev: a_prev * params["scale"],
        lambda shape: {"scale": Parameter(shape, Zeros())},
        activation="identity",
    )
    assert nnfw.Sequential([layer], 5).parameters["layers.0.scale"].shape == (5,)
