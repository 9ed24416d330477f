"""Layers of padded sequences: what is right passes, and what is wrong beyond a length is found."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.testing import run_checks

CHECK = "layer.lengths_end_sequences"


@dataclass(frozen=True)
class Recurrent(nnfw.Layer):
    """h_t = m_t tanh(w ⊙ x_t + h_(t−1)) + (1 − m_t) h_(t−1), z = h_T; m_t is 1 up to the length, else 0."""

    scale = nnfw.initializer("constant", value=0.7)

    def output_shape(self, input_shape):
        if len(input_shape) != 2:
            raise nnfw.ShapeError(f"expected input of shape (T, n), got {input_shape}.")
        return input_shape[1:]

    def parameters(self, input_shape):
        return {"w": nnfw.Parameter(input_shape[1:], self.scale)}

    def mask(self, steps, lengths, dtype):
        return (np.arange(steps) < lengths[:, np.newaxis]).astype(dtype)

    def forward(self, params, a_prev, workspace):
        count, steps, width = a_prev.shape
        lengths = workspace.lengths if workspace.lengths is not None else np.full(count, steps)
        mask = self.mask(steps, lengths, a_prev.dtype)[:, :, np.newaxis]
        h = [np.zeros((count, width), a_prev.dtype)]
        now = []
        for t in range(steps):
            now.append(np.tanh(params["w"] * a_prev[:, t] + h[-1]))
            h.append(mask[:, t] * now[-1] + (1 - mask[:, t]) * h[-1])
        workspace["forward"] = a_prev, mask, now
        return h[-1]

    def backward(self, params, delta, grads, workspace):
        a_prev, mask, now = workspace["forward"]
        gradient = np.zeros_like(a_prev)
        grads["w"].fill(0)
        for t in reversed(range(a_prev.shape[1])):
            inner = delta * mask[:, t] * (1 - now[t] ** 2)
            grads["w"][...] += np.sum(inner * a_prev[:, t], axis=0)
            gradient[:, t] = inner * params["w"]
            delta = inner + delta * self.kept(mask[:, t])
        return gradient

    def kept(self, mask):
        return 1 - mask


@dataclass(frozen=True)
class HalfMask(Recurrent):
    def mask(self, steps, lengths, dtype):
        return np.maximum(super().mask(steps, lengths, dtype), 0.5 * (lengths.min() < steps)).astype(dtype)


@dataclass(frozen=True)
class LostBeyondTheLength(Recurrent):
    def kept(self, mask):
        return 0 * mask


def test_right_recurrent_layer_passes():
    (outcome,) = run_checks(Recurrent(), only=[CHECK]).outcomes
    assert (outcome.status, outcome.message) == ("passed", "")
    assert run_checks("layer:time_pool", only=[CHECK]).outcomes[0].status == "passed"


@dataclass(frozen=True)
class Mean3(nnfw.Layer):
    """z_t = a_(t−1) + a_t + a_(t+1), for t from 1 to T − 2: three padded time steps have one mean."""

    keeps_time = True

    def output_shape(self, input_shape):
        if len(input_shape) != 2 or input_shape[0] < 3:
            raise nnfw.ShapeError(f"expected input of shape (T, n) with T ≥ 3, got {input_shape}.")
        return input_shape[0] - 2, input_shape[1]

    def output_lengths(self, lengths):
        return np.maximum(lengths - 2, 0)

    def forward(self, params, a_prev, workspace):
        return a_prev[:, :-2] + a_prev[:, 1:-1] + a_prev[:, 2:]

    def backward(self, params, delta, grads, workspace):
        gradient = np.zeros((len(delta), delta.shape[1] + 2, delta.shape[2]), delta.dtype)
        for k in range(3):
            gradient[:, k : k + delta.shape[1]] += delta
        return gradient


@dataclass(frozen=True)
class TooLong(Mean3):
    def output_lengths(self, lengths):
        return np.minimum(lengths, lengths[-1] - 2)


@dataclass(frozen=True)
class SeesTheNext(nnfw.Layer):
    """z_t = a_t + a_(t+1), whatever the lengths are."""

    keeps_time = True

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, params, a_prev, workspace):
        return a_prev + np.roll(a_prev, -1, axis=1)

    def backward(self, params, delta, grads, workspace):
        return delta + np.roll(delta, 1, axis=1)


def test_right_layer_with_other_lengths_passes():
    (outcome,) = run_checks(Mean3(), only=[CHECK]).outcomes
    assert (outcome.status, outcome.message) == ("passed", "")


def test_layer_that_knows_no_lengths_is_skipped():
    (outcome,) = run_checks("layer:flatten", only=[CHECK]).outcomes
    assert (outcome.status, outcome.message) == ("skipped", "it does not use workspace.lengths")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (HalfMask(), "z depends on what lies beyond the length of a sequence."),
        (TooLong(), "z depends on what lies beyond the length of a sequence."),
        (SeesTheNext(), "z depends on what lies beyond the length of a sequence."),
        (LostBeyondTheLength(), "∂C/∂a_prev outside of training is -0 at (0, 0, 0); numerical differentiation gives -"),
    ],
    ids=["forward", "output_lengths", "without lengths", "backward"],
)
def test_layer_wrong_beyond_a_length_is_found(layer, message):
    (failure,) = run_checks(layer, only=[CHECK]).failures
    assert failure.message.startswith(message)
