"""Layers that take indices: what is right passes without samples, and each planted error is found."""

from dataclasses import dataclass

import numpy as np
import pytest

from nnfw.testing import run_checks
from nnfw_standard import Embedding

PARAMETERS = "layer.gradients_of_parameters"


@dataclass(frozen=True)
class WithoutSum(Embedding):
    def backward(self, params, delta, grads, workspace):
        grads["weight"].fill(0)
        grads["weight"][workspace["indices"].reshape(-1)] = delta.reshape(-1, self.width)


@dataclass(frozen=True)
class NextRow(Embedding):
    def backward(self, params, delta, grads, workspace):
        super().backward(params, delta, grads, workspace)
        grads["weight"][...] = np.roll(grads["weight"], 1, axis=0)


@dataclass(frozen=True)
class Changing(Embedding):
    def forward(self, params, a_prev, workspace):
        z = super().forward(params, a_prev.copy(), workspace)
        a_prev += 1
        return z


@dataclass(frozen=True)
class PaddingLearns(Embedding):
    def backward(self, params, delta, grads, workspace):
        Embedding(self.count, self.width).backward(params, delta, grads, workspace)


def test_embedding_passes_without_samples():
    report = run_checks("layer:embedding")
    assert report.ok, report
    skipped = {item.check for item in report.outcomes if item.message == "its inputs are indices"}
    assert skipped == {"layer.gradient_of_input", "layer.nan_is_not_hidden", "layer.finite_at_extremes"}


@pytest.mark.parametrize(
    ("layer", "check"),
    [
        (WithoutSum(3, 2), PARAMETERS),
        (NextRow(3, 2), PARAMETERS),
        (Changing(3, 2), "layer.leaves_input_alone"),
        (PaddingLearns(3, 2, padding_index=1), PARAMETERS),
    ],
    ids=["without-sum", "next-row", "changes-indices", "padding-learns"],
)
def test_wrong_layer_of_indices_is_found(layer, check):
    assert [item.check for item in run_checks(layer, only=[check]).failures] == [check]
