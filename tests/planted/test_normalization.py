"""Layers that normalise, each wrong in one place, and the check that must find it."""

from dataclasses import dataclass

import numpy as np
import pytest

from nnfw.testing import run_checks
from nnfw_standard import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm

INPUT, PARAMETERS = "layer.gradient_of_input", "layer.gradients_of_parameters"
MOVES, ONE_BY_ONE, EVALUATION = (
    "layer.running_state_is_updated",
    "layer.evaluation_sees_one_example",
    "layer.gradients_in_evaluation",
)


def spoilt(base, spoil, *options, **others):
    """Return a layer whose ∂C/∂a `spoil` has changed."""

    @dataclass(frozen=True)
    class Spoilt(base):
        def backward(self, params, delta, grads, workspace):
            gradient = super().backward(params, delta, grads, workspace)
            changed = spoil(gradient, delta, params, workspace)
            return gradient if changed is None else changed

    return Spoilt(*options, **others)


def constants(gradient, delta, params, workspace):
    """Mean and size as if they did not depend on the input."""
    return delta * params["scale"] * workspace["rate"].reshape(-1, *[1] * (delta.ndim - 1))


def over_the_first_axis(gradient, delta, params, workspace):
    """The mean of g over the batch instead of the row."""
    g = delta * params["scale"]
    r = workspace["rate"].reshape(-1, *[1] * (delta.ndim - 1))
    return gradient + r * (g.mean(axis=-1, keepdims=True) - g.mean(axis=0))


def unscaled(gradient, delta, params, workspace):
    return gradient / params["scale"]


@dataclass(frozen=True)
class Frozen(BatchNorm):
    """Running statistics that never move."""

    def _normalize(self, params, x, normalized, rate, workspace):
        super()._normalize({name: array.copy() for name, array in params.items()}, x, normalized, rate, workspace)


@dataclass(frozen=True)
class AlwaysTheBatch(BatchNorm):
    """The statistics of the batch in evaluation too."""

    def forward(self, params, a_prev, workspace):
        if workspace.training:
            return super().forward(params, a_prev, workspace)
        moved = {name: array.copy() for name, array in params.items()}
        workspace.training = True
        z = super().forward(moved, a_prev, workspace)
        workspace.training = False
        return z


@dataclass(frozen=True)
class BackwardAsInTraining(BatchNorm):
    """Goes back through the means of the batch in evaluation too."""

    def backward(self, params, delta, grads, workspace):
        if workspace.training:
            return super().backward(params, delta, grads, workspace)
        workspace.training = True
        gradient = super().backward(params, delta, grads, workspace)
        workspace.training = False
        return gradient


@dataclass(frozen=True)
class WrongScale(LayerNorm):
    """∂C/∂γ from the inputs instead of x̂."""

    def backward(self, params, delta, grads, workspace):
        gradient = super().backward(params, delta, grads, workspace)
        grads["scale"][...] = np.sum(delta, axis=tuple(range(delta.ndim - 1)))
        return gradient


@dataclass(frozen=True)
class OtherGroups(GroupNorm):
    """Goes back as if the channels were dealt out to the groups in turn."""

    def backward(self, params, delta, grads, workspace):
        other = delta[:, ::-1].copy()
        return super().backward(params, other, grads, workspace)


WRONG = {
    "batch_norm, statistics never updated": (Frozen(), MOVES),
    "batch_norm, batch statistics in evaluation": (AlwaysTheBatch(), ONE_BY_ONE),
    "batch_norm, backward as in training": (BackwardAsInTraining(), EVALUATION),
    "batch_norm, γ missing": (spoilt(BatchNorm, unscaled), INPUT),
    "layer_norm, constants": (spoilt(LayerNorm, constants), INPUT),
    "layer_norm, wrong axis": (spoilt(LayerNorm, over_the_first_axis), INPUT),
    "layer_norm, gradient of γ": (WrongScale(), PARAMETERS),
    "rms_norm, constants": (spoilt(RMSNorm, constants), INPUT),
    "rms_norm, γ missing": (spoilt(RMSNorm, unscaled), INPUT),
    "rms_norm, mean subtracted": (
        spoilt(RMSNorm, lambda gradient, *_: gradient - gradient.mean(axis=-1, keepdims=True)),
        INPUT,
    ),
    "group_norm, other groups": (OtherGroups(2), INPUT),
    "group_norm, forgotten places": (spoilt(GroupNorm, lambda gradient, delta, *_: delta.copy(), 2), INPUT),
    "group_norm, half": (spoilt(GroupNorm, lambda gradient, *_: gradient / 2, 2), INPUT),
    "instance_norm, constants": (spoilt(InstanceNorm, lambda gradient, delta, *_: delta.copy()), INPUT),
    "instance_norm, half": (spoilt(InstanceNorm, lambda gradient, *_: gradient / 2), INPUT),
    "instance_norm, transposed": (spoilt(InstanceNorm, lambda gradient, *_: gradient[:, ::-1].copy()), INPUT),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_layer_is_found(name):
    layer, check = WRONG[name]
    assert check in [item.check for item in run_checks(layer).failures]


@pytest.mark.parametrize("layer", [BatchNorm(), LayerNorm(), RMSNorm(), GroupNorm(2), InstanceNorm()], ids=repr)
def test_right_layer_passes(layer):
    report = run_checks(layer)
    assert report.ok, report


def test_layer_that_refuses_padded_sequences_is_skipped():
    (outcome,) = run_checks(BatchNorm(), only=["layer.lengths_end_sequences"]).outcomes
    text = "it refuses padded sequences: takes no padded sequences, as what lies beyond their lengths would "
    assert (outcome.status, outcome.message) == ("skipped", f"{text}count. Use layer_norm.")
