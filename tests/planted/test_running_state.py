"""Layers with running state, each wrong in one place, and the check that must find it; what is right must pass."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.testing import run_checks
from nnfw_standard import Dense

UPDATED, USED = "layer.running_state_is_updated", "layer.evaluation_uses_running_state"
ALONE, GRADIENTS = "layer.evaluation_sees_one_example", "layer.gradients_in_evaluation"
STATE = ("mean", "variance")


@dataclass(frozen=True)
class Norm(nnfw.Layer):
    """z = γ x̂ with x̂ = (a_prev − mean) / √(variance + 0.1), of the batch in training and of running means outside it.

    Parameters
    ----------
    momentum
        Share of the batch in the running means.
    """

    momentum: float = 0.3

    rows_independent = False

    def output_shape(self, input_shape):
        if len(input_shape) != 1:
            raise nnfw.ShapeError(f"expected input of shape (n,), got {input_shape}.")
        return input_shape

    def parameters(self, input_shape):
        one, zero = nnfw.initializer("constant", value=1.0), nnfw.initializer("zeros")
        return {
            "gain": nnfw.Parameter(input_shape, one, decays=False),
            "mean": nnfw.Parameter(input_shape, zero, trainable=False),
            "variance": nnfw.Parameter(input_shape, one, trainable=False),
        }

    def forward(self, params, a_prev, workspace):
        mean, variance = params["mean"], params["variance"]
        if workspace.training and len(a_prev):
            now = a_prev.mean(axis=0), a_prev.var(axis=0)
            for running, value in zip((mean, variance), now, strict=True):
                running += self.momentum * (value - running)
            mean, variance = now
        root = np.sqrt(variance + 0.1)
        normal = (a_prev - mean) / root
        workspace["forward"] = normal, root
        return normal * params["gain"]

    def backward(self, params, delta, grads, workspace):
        normal, root = workspace["forward"]
        grads["gain"][...] = np.sum(delta * normal, axis=0)
        scaled = delta * params["gain"]
        if workspace.training and len(delta):
            scaled = scaled - scaled.mean(axis=0) - normal * (scaled * normal).mean(axis=0)
        return scaled / root


def as_if(training, method, workspace, *arguments):
    """Call a method as if the pass were, or were not, one of a training."""
    before, workspace.training = workspace.training, training
    try:
        return method(*arguments, workspace)
    finally:
        workspace.training = before


@dataclass(frozen=True)
class NeverUpdated(Norm):
    def forward(self, params, a_prev, workspace):
        return super().forward(dict(params) | {name: params[name].copy() for name in STATE}, a_prev, workspace)


@dataclass(frozen=True)
class HalfUpdated(Norm):
    def forward(self, params, a_prev, workspace):
        return super().forward(dict(params) | {"variance": params["variance"].copy()}, a_prev, workspace)


@dataclass(frozen=True)
class UpdatedOutsideTraining(Norm):
    def forward(self, params, a_prev, workspace):
        z = super().forward(params, a_prev, workspace)
        params["mean"][...] += 0.1 * (a_prev.mean(axis=0) - params["mean"])
        return z


@dataclass(frozen=True)
class BatchStatisticsInEvaluation(Norm):
    def forward(self, params, a_prev, workspace):
        own = params if workspace.training else dict(params) | {name: params[name].copy() for name in STATE}
        return as_if(True, super().forward, workspace, own, a_prev)


@dataclass(frozen=True)
class BatchMeanInEvaluation(Norm):
    def forward(self, params, a_prev, workspace):
        own = params if workspace.training else dict(params) | {"mean": a_prev.mean(axis=0)}
        return super().forward(own, a_prev, workspace)


@dataclass(frozen=True)
class EvaluationBackwardOfTraining(Norm):
    def backward(self, params, delta, grads, workspace):
        return as_if(True, super().backward, workspace, params, delta, grads)


@dataclass(frozen=True)
class NoGainInEvaluation(Norm):
    def backward(self, params, delta, grads, workspace):
        gradient = super().backward(params, delta, grads, workspace)
        if not workspace.training:
            grads["gain"].fill(0)
        return gradient


PLANTED = {
    "never-updated": (NeverUpdated(), UPDATED, "mean, which is not trainable, stays as it is in training;"),
    "one-of-two-updated": (HalfUpdated(), UPDATED, "variance, which is not trainable, stays as it is in training;"),
    "updated-outside-training": (
        UpdatedOutsideTraining(),
        "layer.evaluation_has_no_side_effects",
        "an evaluation changes the state that is not trained.",
    ),
    "batch-statistics-in-evaluation": (
        BatchStatisticsInEvaluation(),
        USED,
        "z outside of training is the same before and after the running state has changed.",
    ),
    "batch-mean-in-evaluation": (
        BatchMeanInEvaluation(),
        ALONE,
        "z of example 0 outside of training depends on the other examples.",
    ),
    "backward-of-training-in-evaluation": (
        EvaluationBackwardOfTraining(),
        GRADIENTS,
        "∂C/∂a_prev outside of training is ",
    ),
    "no-gradient-of-the-gain-in-evaluation": (
        NoGainInEvaluation(),
        GRADIENTS,
        "the gradient of gain outside of training is 0 at (0,); numerical differentiation gives ",
    ),
}


@pytest.mark.parametrize(("layer", "check", "message"), PLANTED.values(), ids=PLANTED)
def test_broken_running_state_is_found(layer, check, message):
    (failure,) = run_checks(layer, only=[check]).failures
    assert failure.check == check
    assert failure.message.startswith(message)


def test_every_planted_error_is_found_by_new_checks_alone():
    """What was found before needs no new check."""
    new = (UPDATED, USED, ALONE, GRADIENTS)
    for layer, check, _ in PLANTED.values():
        if check in new:
            others = [item.check for item in run_checks(layer).failures if item.check.startswith("layer.")]
            assert set(others) <= set(new), layer


@dataclass(frozen=True)
class Refusing(Norm):
    """Keeps nothing for backward outside training.

    Parameters
    ----------
    momentum
        As for Norm.
    """

    def backward(self, params, delta, grads, workspace):
        if not workspace.training:
            raise nnfw.StateError("Nothing is kept outside training.")
        return super().backward(params, delta, grads, workspace)


@dataclass(frozen=True)
class Normed(nnfw.Layer):
    """A dense layer and a normalisation as one: the gradient of the bias is 0 but for rounding."""

    first: nnfw.Layer
    last: nnfw.Layer

    def output_shape(self, input_shape):
        return self.first.output_shape(input_shape)

    def parameters(self, input_shape):
        return dict(self.first.parameters(input_shape)) | self.last.parameters(self.output_shape(input_shape))

    def forward(self, params, a_prev, workspace):
        z = self.first.forward(params, a_prev, workspace.child("first"))
        return self.last.forward(params, z, workspace.child("last"))

    def backward(self, params, delta, grads, workspace):
        between = self.last.backward(params, delta, grads, workspace.child("last"))
        return self.first.backward(params, between, grads, workspace.child("first"))


NORMED = Normed(Dense(4), Norm())


@pytest.mark.parametrize("layer", [Norm(), Refusing(), NORMED], ids=["norm", "refuses", "composed"])
def test_right_layer_with_running_state_passes(layer):
    failures = [item for item in run_checks(layer).failures if item.check.startswith("layer.")]
    assert [item for item in failures if item.check != "layer.saves_and_loads"] == []


@pytest.mark.parametrize(
    ("layer", "check", "reason"),
    [
        (Refusing(), GRADIENTS, "its backward raises StateError outside training"),
        (Dense(2), USED, "it has no parameters that are not trainable"),
        (
            NORMED,
            "layer.rows_are_independent",
            "it is composed of a layer that declares rows_independent = False",
        ),
    ],
    ids=["refuses", "stateless", "composed"],
)
def test_check_that_does_not_apply_says_why(layer, check, reason):
    (outcome,) = run_checks(layer, only=[check]).outcomes
    assert (outcome.status, outcome.message) == ("skipped", reason)
