"""Attention, wrong in one place, and the check or the golden values that must find it."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pytest
from tests.standard import test_attention as attention_tests
from tests.standard.test_golden_attention import compare

from nnfw.ops import kernels
from nnfw.testing import run_checks
from nnfw_standard import MultiHeadAttention, PositionalEncoding, TimePool, attention_operations
from nnfw_standard.layers import attention, positions, time_pool

INPUT, PARAMETERS = "merge.gradient_of_input", "merge.gradients_of_parameters"


class Spoilt:
    """The kernels, but for one that is wrong: `wrong(right, *arguments)`."""

    def __init__(self, name, wrong):
        self.name, self.wrong = name, wrong

    def __getattr__(self, name):
        right = getattr(kernels(), name)
        return (lambda *arguments: self.wrong(right, *arguments)) if name == self.name else right


def without_scale(right, grad, weights, q, k, scale, grad_q, grad_k):
    right(grad, weights, q, k, 1.0, grad_q, grad_k)


def without_mean(right, grad, weights, q, k, scale, grad_q, grad_k):
    grad *= weights * scale
    np.einsum("nhst,nshd->nthd", grad, k, out=grad_q)
    np.einsum("nhst,nthd->nshd", grad, q, out=grad_k)


def last_head_of_a_group(right, grad, weights, q, k, scale, grad_q, grad_k):
    right(grad, weights, q, k, scale, grad_q, grad_k)
    every = q.shape[2] // k.shape[2]
    np.einsum("nhst,nthd->nshd", grad[:, every - 1 :: every], q[:, :, every - 1 :: every], out=grad_k)


def not_back(right, values, cosine, sine, direction):
    right(values, cosine, sine, 1.0)


def without_dropout(right, delta, weights, v, grad_weights, grad_v):
    right(delta, (weights > 0) * weights * 0.7, v, grad_weights, grad_v)


WRONG = {
    "scale forgotten going back": (MultiHeadAttention(2), "attention_weights_delta", without_scale),
    "mean of softmax forgotten": (MultiHeadAttention(2), "attention_weights_delta", without_mean),
    "one head of a group": (MultiHeadAttention(4, groups=2), "attention_weights_delta", last_head_of_a_group),
    "angles not turned back": (MultiHeadAttention(2, rotary=True), "rotate", not_back),
    "values with weights before dropout": (
        MultiHeadAttention(2, dropout=0.3),
        "attention_values_delta",
        without_dropout,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradient_of_attention_is_found(name, monkeypatch):
    layer, operation, wrong = WRONG[name]
    monkeypatch.setattr(attention, "kernels", lambda: Spoilt(operation, wrong))
    report = run_checks(layer, only=[INPUT, PARAMETERS], input_shapes=(((4, 8),), ((3, 8), (5, 6))))
    assert [item.check for item in report.failures] == [INPUT, PARAMETERS]


def one_more_key(lengths, causal, weights):
    hidden = np.zeros(weights.shape, bool)
    hidden[:, :, 1:] = HIDDEN(lengths, causal, weights)[:, :, :-1]
    return hidden


HIDDEN = attention_operations._hidden


def of_first_input(self, projected):
    q, k, v = PARTS(self, projected)
    return q, v, k


PARTS = MultiHeadAttention._parts


class OtherWay(Spoilt):
    def __init__(self):
        super().__init__("rotate", lambda right, values, c, s, direction: right(values, c, s, -direction))


WRONG_VALUES = {
    "causal mask off by one": ("function causal", attention_operations, "_hidden", one_more_key),
    "mask ignored": ("function causal", attention_operations, "_hidden", lambda *_: None),
    "lengths ignored": ("module self, lengths", attention_operations, "_hidden", lambda *_: None),
    "scale forgotten": ("module self", attention, "sqrt", lambda _: 1.0),
    "scale of all heads": ("module self", attention, "sqrt", lambda width: sqrt(2 * width)),
    "angles turned the wrong way": ("function rotary", attention, "kernels", OtherWay),
    "angles of another base": ("function rotary", positions, "_BASE", 1000.0),
    "keys and values exchanged": ("module self", MultiHeadAttention, "_parts", of_first_input),
}


@pytest.mark.parametrize("name", WRONG_VALUES)
def test_wrong_values_of_attention_are_found(name, monkeypatch):
    case, owner, attribute, wrong = WRONG_VALUES[name]
    compare(case)
    monkeypatch.setattr(owner, attribute, wrong)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        compare(case)


def test_lengths_of_queries_for_those_of_keys_are_found(monkeypatch):
    monkeypatch.setattr(
        attention, "lengths_for", lambda own, *others: time_pool.lengths_for(others[-1].lengths, *others)
    )
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        compare("module cross, both lengths")


def all_steps(right, delta, lengths, out):
    right(delta, np.full_like(lengths, out.shape[1]), out)


def every_largest(right, delta, a, z, lengths, out):
    out[...] = delta[:, np.newaxis] * (a >= z[:, np.newaxis] - 1)


WRONG_POOLS = {
    "mean over padding": ("mean", "time_mean_delta", all_steps, "layer.lengths_end_sequences"),
    "last of padding": ("last", "time_last_delta", all_steps, "layer.lengths_end_sequences"),
    "more than one maximum": ("max", "time_max_delta", every_largest, "layer.gradient_of_input"),
}


@pytest.mark.parametrize("name", WRONG_POOLS)
def test_wrong_pooling_over_time_is_found(name, monkeypatch):
    kind, operation, wrong, check = WRONG_POOLS[name]
    monkeypatch.setattr(time_pool, "kernels", lambda: Spoilt(operation, wrong))
    assert [item.check for item in run_checks(TimePool(kind), only=[check]).failures] == [check]


# --- positions --------------------------------------------------------------------------------------------------------

WEIGHT = "layer.gradients_of_parameters"


def mean_of_examples(right, delta, out):
    right(delta / len(delta), out)


def first_example(right, delta, out):
    right(delta[:1], out)


def step_before(right, delta, out):
    right(np.roll(delta, 1, axis=1), out)


@pytest.mark.parametrize("wrong", [mean_of_examples, first_example, step_before], ids=lambda wrong: wrong.__name__)
def test_wrong_gradient_of_learned_positions_is_found(wrong, monkeypatch):
    monkeypatch.setattr(positions, "kernels", lambda: Spoilt("sum_examples", wrong))
    assert [item.check for item in run_checks(PositionalEncoding("learned"), only=[WEIGHT]).failures] == [WEIGHT]


@dataclass(frozen=True)
class TwiceDelta(PositionalEncoding):
    def backward(self, params, delta, grads, workspace):
        return 2 * super().backward(params, delta, grads, workspace)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_wrong_gradient_of_what_positions_are_added_to_is_found(kind):
    check = "layer.gradient_of_input"
    assert [item.check for item in run_checks(TwiceDelta(kind), only=[check]).failures] == [check]


def from_one(steps, width):
    return ANGLES(steps + 1, width)[1:]


def over_all_features(steps, width):
    return np.arange(steps)[:, np.newaxis] * positions._BASE ** (-np.arange(len(range(0, width, 2))) / width)


def exchanged(steps, width):
    return SINUSOIDS(steps, width + width % 2).reshape(steps, -1, 2)[..., ::-1].reshape(steps, -1)[:, :width]


ANGLES, SINUSOIDS = positions.angles, positions._sinusoids
WRONG_SINUSOIDS = {
    "time counted from 1": ("angles", from_one),
    "exponent i/n instead of 2i/n": ("angles", over_all_features),
    "another base": ("_BASE", 1000.0),
    "sine and cosine exchanged": ("_sinusoids", exchanged),
}


@pytest.mark.parametrize("name", WRONG_SINUSOIDS)
def test_wrong_sinusoids_are_found(name, monkeypatch):
    attention_tests.test_sinusoids_are_those_of_the_formula()
    monkeypatch.setattr(positions, *WRONG_SINUSOIDS[name])
    with pytest.raises(AssertionError):
        attention_tests.test_sinusoids_are_those_of_the_formula()
