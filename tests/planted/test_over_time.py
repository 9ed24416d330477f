"""Wrong layers along the time of a sequence, each in one place, and the check that must find it."""

from dataclasses import dataclass

import numpy as np
import pytest

from nnfw.testing import run_checks
from nnfw_standard import AvgPool1D, CausalConv1D, Conv1D, MaxPool1D, SpatialDropout

INPUT, PARAMETERS, LENGTHS = "layer.gradient_of_input", "layer.gradients_of_parameters", "layer.lengths_end_sequences"
EVALUATION = "layer.gradients_in_evaluation"


def changed(layer, change, *given, **options):
    """Return a layer whose ∂C/∂a_prev and gradients `change` sees after backward; what it returns is ∂C/∂a_prev."""

    @dataclass(frozen=True)
    class Wrong(layer):
        def backward(self, params, delta, grads, workspace):
            gradient = super().backward(params, delta, grads, workspace)
            return change(gradient, grads, delta)

    return Wrong(*given, **options)


def flipped_kernel(gradient, grads, delta):
    grads["weight"][...] = grads["weight"][..., ::-1].copy()
    return gradient


def without_bias_sum(gradient, grads, delta):
    grads["bias"][...] = delta[:, 0].sum(axis=0)
    return gradient


def one_step_late(gradient, grads, delta):
    return np.roll(gradient, 1, axis=1)


def other_features(gradient, grads, delta):
    return gradient[:, :, ::-1]


@dataclass(frozen=True)
class AssignsInsteadOfAdding(Conv1D):
    """Where windows overlap, only the last one counts."""

    def backward(self, params, delta, grads, workspace):
        gradient = super().backward(params, delta, grads, workspace)
        gradient[...] = 0
        for t in range(delta.shape[1]):
            gradient[:, t : t + self.kernel] = np.einsum("nf,fck->nkc", delta[:, t], params["weight"])
        return gradient


@dataclass(frozen=True)
class SeesBeyondTheLength(Conv1D):
    """Takes one time step beyond the length."""

    def forward(self, params, a_prev, workspace):
        if workspace.lengths is not None:
            workspace.lengths = workspace.lengths + 1
        return super().forward(params, a_prev, workspace)


@dataclass(frozen=True)
class GradientBeyondTheLength(CausalConv1D):
    """Gives what lies beyond a length a gradient."""

    def backward(self, params, delta, grads, workspace):
        gradient = super().backward(params, delta, grads, workspace)
        if workspace.lengths is not None:
            gradient += 1e-3
        return gradient


@dataclass(frozen=True)
class SharesOfTheKernel(AvgPool1D):
    """Divides δ by the size of the kernel where a window sees fewer time steps."""

    def backward(self, params, delta, grads, workspace):
        steps = workspace["shape"][1]
        _, stride, before = self._windows(steps)
        starts = np.arange(delta.shape[1]) * stride - before
        seen = np.minimum(starts + self.kernel, steps) - np.maximum(starts, 0)
        return super().backward(params, delta * (seen / self.kernel)[:, np.newaxis], grads, workspace)


@dataclass(frozen=True)
class FirstForLargest(MaxPool1D):
    """Sends δ to the first time step of each window."""

    def backward(self, params, delta, grads, workspace):
        workspace["place"][...] = 0
        return super().backward(params, delta, grads, workspace)


@dataclass(frozen=True)
class OtherChannelBack(SpatialDropout):
    """Multiplies δ by the mask of the next channel."""

    def backward(self, params, delta, grads, workspace):
        if workspace["mask"] is not None:
            workspace["mask"] = np.roll(workspace["mask"], 1, axis=1)
        return super().backward(params, delta, grads, workspace)


@dataclass(frozen=True)
class DropsInEvaluation(SpatialDropout):
    """Scales in evaluation too."""

    def forward(self, params, a_prev, workspace):
        z = super().forward(params, a_prev, workspace)
        return z if workspace.training else z * (1 - self.rate)


@dataclass(frozen=True)
class ScaledOnce(SpatialDropout):
    """Forgets the factor of the mask on the way back."""

    def backward(self, params, delta, grads, workspace):
        return super().backward(params, delta, grads, workspace) * (1 - self.rate)


WRONG = {
    "kernel flipped in the gradient": (changed(Conv1D, flipped_kernel, 3, 2), PARAMETERS),
    "bias of the first time step": (changed(Conv1D, without_bias_sum, 3, 2), PARAMETERS),
    "gradient one step late": (changed(Conv1D, one_step_late, 3, 2, padding="same"), INPUT),
    "windows that overwrite each other": (AssignsInsteadOfAdding(3, 2), INPUT),
    "sees beyond the length": (SeesBeyondTheLength(3, 3, padding="same"), LENGTHS),
    "gradient beyond the length": (GradientBeyondTheLength(3, 2), LENGTHS),
    "causal, kernel flipped": (changed(CausalConv1D, flipped_kernel, 3, 2, dilation=2), PARAMETERS),
    "causal, other features": (changed(CausalConv1D, other_features, 3, 2), INPUT),
    "shares of the kernel": (SharesOfTheKernel(3, stride=2, padding=1), INPUT),
    "mean, one step late": (changed(AvgPool1D, one_step_late), INPUT),
    "mean, other features": (changed(AvgPool1D, other_features), INPUT),
    "first for largest": (FirstForLargest(3, stride=1, padding=1), INPUT),
    "largest, one step late": (changed(MaxPool1D, one_step_late), INPUT),
    "largest, other features": (changed(MaxPool1D, other_features), INPUT),
    "mask of another channel": (OtherChannelBack(0.5), INPUT),
    "mask without its factor": (ScaledOnce(0.5), INPUT),
    "dropout in evaluation": (DropsInEvaluation(0.5), EVALUATION),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_layer_over_time_is_found(name):
    layer, check = WRONG[name]
    assert [item.check for item in run_checks(layer, only=[check]).failures] == [check]
