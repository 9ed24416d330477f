"""Layers for tables, each wrong in one place, and the check that must find it."""

from dataclasses import dataclass

import numpy as np
import pytest

from nnfw.testing import run_checks
from nnfw_standard import (
    GLU,
    MSE,
    BatchEnsemble,
    CategoryEmbedding,
    EachMember,
    FeatureDropout,
    Maxout,
    Periodic,
    PiecewiseLinear,
    Scale,
    SwiGLU,
)

INPUT, PARAMETERS = "layer.gradient_of_input", "layer.gradients_of_parameters"
ENSEMBLE = {"units": 3, "members": 2}


def spoilt(base, spoil, **options):
    """Return a layer whose gradients `spoil` has changed."""

    @dataclass(frozen=True)
    class Spoilt(base):
        def backward(self, params, delta, grads, workspace):
            gradient = super().backward(params, delta, grads, workspace)
            changed = spoil(gradient, delta, params, grads, workspace)
            return gradient if changed is None else changed

    return Spoilt(**options)


def swapped(gradient, *_):
    """The gradients of the two halves exchanged."""
    return np.roll(gradient, gradient.shape[-1] // 2, axis=-1)


def open_gate(gradient, delta, params, grads, workspace):
    """The gate as a constant: nothing goes through it."""
    gradient[..., gradient.shape[-1] // 2 :] = 0


def gate_alone(gradient, delta, params, grads, workspace):
    """∂C/∂x_1 without the swish's factor x_1: the gate is taken for a constant."""
    half = gradient.shape[-1] // 2
    gradient[..., :half] = delta * workspace["gate"] * workspace["x"][..., half:]


def every_piece(gradient, delta, params, grads, workspace):
    """δ for all pieces of a unit."""
    return np.repeat(delta, gradient.shape[-1] // delta.shape[-1], axis=-1)


def last_piece(gradient, delta, params, grads, workspace):
    """The pieces dealt out to the units in turn."""
    return gradient.reshape(*delta.shape, -1).swapaxes(-1, -2).reshape(gradient.shape).copy()


def put(name, compute):
    """Return a change of the gradient of one parameter."""

    def change(gradient, delta, params, grads, workspace):
        grads[name][...] = compute(grads[name], delta, params, workspace)

    return change


@dataclass(frozen=True)
class NextColumn(CategoryEmbedding):
    """Goes back with the indices of the next column."""

    def backward(self, params, delta, grads, workspace):
        workspace["columns"] = np.roll(workspace["columns"], 1, axis=0) % min(self.counts)
        super().backward(params, delta, grads, workspace)


@dataclass(frozen=True)
class Assigned(CategoryEmbedding):
    """Assigns what it should add up."""

    def backward(self, params, delta, grads, workspace):
        for c, part in self._parts(delta):
            grads[f"weight_{c}"].fill(0)
            grads[f"weight_{c}"][workspace["columns"][c]] = part


@dataclass(frozen=True)
class WrongParts(CategoryEmbedding):
    """Goes back as if the columns lay in the other order."""

    def backward(self, params, delta, grads, workspace):
        super().backward(params, delta[:, ::-1].copy(), grads, workspace)


@dataclass(frozen=True)
class OtherMask(FeatureDropout):
    """Goes back through another mask than that of forward."""

    def backward(self, params, delta, grads, workspace):
        if workspace["mask"] is not None:
            workspace["mask"] = workspace["mask"][::-1].copy()
        return super().backward(params, delta, grads, workspace)


@dataclass(frozen=True)
class InEvaluation(FeatureDropout):
    """Drops in evaluation as if nothing were drawn: the first feature."""

    def forward(self, params, a_prev, workspace):
        if workspace.training:
            return super().forward(params, a_prev, workspace)
        workspace["mask"] = None
        return a_prev * 0.5


def mixed(gradient, *_):
    """What the members hand back, in another order."""
    return gradient[:, ::-1].copy() if gradient.ndim > 2 else gradient / 2


WRONG = {
    "category_embedding, indices of another column": (NextColumn((4, 3, 2), 2), PARAMETERS),
    "category_embedding, assigned": (Assigned((4, 3, 2), 2), PARAMETERS),
    "category_embedding, parts in another order": (WrongParts((4, 3, 2), 2), PARAMETERS),
    "periodic, 2π missing": (spoilt(Periodic, lambda g, *_: g / (2 * np.pi), frequencies=2), INPUT),
    "periodic, frequencies missing": (
        spoilt(Periodic, put("frequency", lambda own, delta, params, _: own * params["frequency"]), frequencies=2),
        PARAMETERS,
    ),
    "periodic, weights of another feature": (
        spoilt(Periodic, put("weight", lambda own, *_: np.roll(own, 3, axis=0)), frequencies=2, width=3),
        PARAMETERS,
    ),
    "scale, δ handed on": (spoilt(Scale, lambda g, delta, *_: delta.copy()), INPUT),
    "scale, mean instead of sum": (spoilt(Scale, put("scale", lambda own, delta, *_: own / len(delta))), PARAMETERS),
    "scale, input missing": (
        spoilt(Scale, put("scale", lambda own, delta, *_: delta.reshape(-1, own.size).sum(axis=0))),
        PARAMETERS,
    ),
    "feature_dropout, another mask": (OtherMask(0.5), INPUT),
    "feature_dropout, δ handed on": (spoilt(FeatureDropout, lambda g, delta, *_: delta.copy()), INPUT),
    "feature_dropout, acts in evaluation": (InEvaluation(0.5), "layer.gradients_in_evaluation"),
    "batch_ensemble, r forgotten": (
        spoilt(BatchEnsemble, put("weight", lambda own, *_: own[:, ::-1]), **ENSEMBLE),
        PARAMETERS,
    ),
    "batch_ensemble, members exchanged": (
        spoilt(BatchEnsemble, put("output_scale", lambda own, *_: own[::-1].copy()), **ENSEMBLE),
        PARAMETERS,
    ),
    "batch_ensemble, mean of the members": (spoilt(BatchEnsemble, mixed, **ENSEMBLE), INPUT),
    "maxout, δ for all pieces": (spoilt(Maxout, every_piece, pieces=2), INPUT),
    "maxout, pieces in turn": (spoilt(Maxout, last_piece, pieces=2), INPUT),
    "maxout, shared out": (spoilt(Maxout, lambda g, *_: g / 2, pieces=2), INPUT),
    "glu, halves exchanged": (spoilt(GLU, swapped), INPUT),
    "glu, constant gate": (spoilt(GLU, open_gate), INPUT),
    "glu, half": (spoilt(GLU, lambda g, *_: g / 2), INPUT),
    "swiglu, halves exchanged": (spoilt(SwiGLU, swapped), INPUT),
    "swiglu, constant gate": (spoilt(SwiGLU, gate_alone), INPUT),
    "swiglu, half": (spoilt(SwiGLU, lambda g, *_: g / 2), INPUT),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_layer_is_found(name):
    layer, check = WRONG[name]
    assert check in [item.check for item in run_checks(layer, only=[check]).failures]


@dataclass(frozen=True)
class OwnEdges(PiecewiseLinear):
    """Takes the quantiles of the column that it changes."""

    def apply(self, column, fitted):
        return super().apply(column, self.fit(column))


@dataclass(frozen=True)
class WithoutFirstEdge(PiecewiseLinear):
    """Forgets b_0 on the way back."""

    def invert(self, column, fitted):
        return super().invert(column, fitted) - fitted["edges"][0]


@dataclass(frozen=True)
class EveryBinHasOneWidth(PiecewiseLinear):
    """Goes back as if all bins were alike."""

    def invert(self, column, fitted):
        first, last = fitted["edges"][0], fitted["edges"][-1]
        return first + column.mean(axis=-1) * (last - first)


@pytest.mark.parametrize(
    ("transform", "check"),
    [
        (OwnEdges(4), "transform.examples_are_changed_one_by_one"),
        (WithoutFirstEdge(4), "transform.is_undone_by_invert"),
        (EveryBinHasOneWidth(4), "transform.is_undone_by_invert"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_wrong_encoding_is_found(transform, check):
    assert check in [item.check for item in run_checks(transform, only=[check]).failures]


def wrong_cost(spoil):
    """Return the cost of members whose gradient `spoil` has changed."""

    @dataclass(frozen=True)
    class Spoilt(EachMember):
        def gradient(self, a, y, workspace, weight=None):
            return spoil(super().gradient(a, y, workspace, weight))

    return Spoilt(MSE())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda g: g * g.shape[1],
        lambda g: np.broadcast_to(g.mean(axis=1, keepdims=True), g.shape).copy(),
        lambda g: g[:, ::-1].copy(),
    ],
    ids=["sum instead of mean", "cost of the mean", "members exchanged"],
)
def test_wrong_cost_of_members_is_found(spoil):
    check = "cost.gradient_is_the_gradient_of_value"
    assert check in [item.check for item in run_checks(wrong_cost(spoil)).failures]
