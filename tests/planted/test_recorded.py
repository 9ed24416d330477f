"""Methods that are marked kernels_only without being so are found by the kit."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.ops import kernels, kernels_only
from nnfw.testing import run_checks
from nnfw_standard import MSE, CrossEntropy, Dense, Dropout, Tanh


class OneAxis(Dense):
    """A dense layer for examples with one axis."""

    def output_shape(self, input_shape):
        if len(input_shape) != 1:
            raise nnfw.ShapeError(f"expected input of shape (n,), got {input_shape}.")
        return super().output_shape(input_shape)


@dataclass(frozen=True)
class PlainBias(OneAxis):
    """Adds the bias in plain NumPy, which no tape sees."""

    @kernels_only
    def forward(self, params, a_prev, workspace):
        workspace["a_prev"] = a_prev
        z = workspace.buffer("z", (len(a_prev), self.units))
        kernels().product(a_prev, params["weight"].T, z)
        z += params["bias"]
        return z


@dataclass(frozen=True)
class CopiedWeight(OneAxis):
    """Multiplies with a copy of the weight, which stays what it was."""

    @kernels_only
    def backward(self, params, delta, grads, workspace):
        kernels().product(delta.T, workspace["a_prev"], grads["weight"])
        kernels().sum_examples(delta, grads["bias"])
        grad_a_prev = workspace.buffer("grad_a_prev", workspace["a_prev"].shape)
        kernels().product(delta, params["weight"].copy(), grad_a_prev)
        return grad_a_prev


@dataclass(frozen=True)
class MarkedDropout(Dropout):
    """Draws its random numbers itself, once for all."""

    @kernels_only
    def forward(self, params, a_prev, workspace):
        if not workspace.training:
            workspace["mask"] = None
            return a_prev
        mask, z = workspace.buffer("mask", a_prev.shape), workspace.buffer("z", a_prev.shape)
        mask[...] = (workspace.rng.random(a_prev.shape, np.float32) >= self.rate) / (1 - self.rate)
        kernels().multiply(a_prev, mask, z)
        workspace["mask"] = mask
        return z


@dataclass(frozen=True)
class MarkedTanh(Tanh):
    """Computes in plain NumPy."""

    @kernels_only
    def delta(self, grad_a, z, a, workspace):
        return grad_a * (1 - a * a)


@dataclass(frozen=True)
class WeighedByHand(MSE):
    """Multiplies with the weights in plain NumPy."""

    @kernels_only
    def gradient(self, a, y, workspace, weight=None):
        gradient = workspace.buffer("gradient", a.shape)
        kernels().residual(a, y, len(a), gradient)
        if weight is not None:
            gradient *= weight.reshape(-1, *[1] * (a.ndim - 1))
        return gradient


@dataclass(frozen=True)
class MarkedDelta(CrossEntropy):
    @kernels_only
    def canonical_delta(self, a, y, workspace, weight=None):
        return np.copy(super().canonical_delta(a, y, workspace, weight))


@pytest.mark.parametrize(
    ("component", "check", "message"),
    [
        (PlainBias(3), "layer.recorded_pass_is_like_asked_again", "it gives another z"),
        (CopiedWeight(3), "layer.recorded_pass_is_like_asked_again", "it gives another ∂C/∂a_prev"),
        (MarkedDropout(0.5), "layer.recorded_pass_is_like_asked_again", "it gives another z"),
        (MarkedTanh(), "activation.recorded_pass_is_like_asked_again", "it gives another a or δ"),
        (WeighedByHand(), "cost.recorded_gradient_is_like_asked_again", "gradient gives something else"),
        (MarkedDelta(), "cost.recorded_gradient_is_like_asked_again", "canonical_delta gives something else"),
    ],
    ids=lambda item: type(item).__name__ if not isinstance(item, str) else "",
)
def test_method_that_is_not_made_of_kernels_alone_is_found(component, check, message):
    failed = {item.check: item for item in run_checks(component).outcomes if item.status == "failed"}
    assert {*failed} - {"component.is_documented", "layer.is_documented"} == {check}
    assert f"recorded with `kernels_only`, {message}" in failed[check].message
