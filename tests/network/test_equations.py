"""The batched network against the note taken literally, on random architectures: relative difference ≤ 1e-12."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nnfw

_spec = importlib.util.spec_from_file_location("note", Path(__file__).parents[1] / "reference" / "note.py")
note = sys.modules["note"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(note)

BOUND = 1e-12
CANCELLED = 1e-4  # below this a sum such as softmax's Σ_k g_k a_k is what rounding leaves of terms of order 1
VECTOR_VALUED = ("softmax", "log_softmax")
ACTIVATIONS = (*note.SIGMA, *VECTOR_VALUED)
POSITIVE = ("sigmoid", "softplus", "softmax")  # output activations with a > 0
BELOW_ONE = ("sigmoid", "softmax")  # and a < 1
OUTPUTS = {
    "mse": ACTIVATIONS,
    "mae": ACTIVATIONS,
    "huber": ACTIVATIONS,
    "cross_entropy": BELOW_ONE,
    "binary_cross_entropy": BELOW_ONE,
    "poisson": POSITIVE,
}

SATURATES = ("cross_entropy", "binary_cross_entropy")  # costs that hold log a or log(1 - a)


def well_conditioned(a):
    """Whether log a and log(1 - a), as the note's equations hold them, lose no digits to rounding."""
    return ((a > 1e-3) & (a < 1 - 1e-3)).all()


class Case:
    """One random network with examples, both as nnfw's model and as the note's lists."""

    def __init__(self, cost, widths, sigmas, count, seed):
        rng = np.random.default_rng(seed)
        self.cost = cost
        self.model = nnfw.Sequential(
            [nnfw.layer("dense", units=m, activation=sigma) for m, sigma in zip(widths[1:], sigmas, strict=True)],
            input_shape=(widths[0],),
            dtype="float64",
        )
        self.layers = []
        for index, (n, m, sigma) in enumerate(zip(widths[:-1], widths[1:], sigmas, strict=True)):
            w, b = rng.uniform(-1.7, 1.7, (m, n)) / np.sqrt(n), rng.uniform(-1, 1, m)
            self.model.parameters[f"layers.{index}.weight"] = w
            self.model.parameters[f"layers.{index}.bias"] = b
            self.layers.append(note.Layer(w.tolist(), b.tolist(), sigma))
        self.x = rng.uniform(-1, 1, (count, widths[0]))
        self.y = _labels(cost, count, widths[-1], rng)
        self.trace = self.model.trace(self.x, self.y, cost=cost)

    @property
    def examples(self):
        return zip(self.x.tolist(), self.y.tolist(), strict=True)


def _labels(cost, count, units, rng):
    if cost == "cross_entropy":
        return np.eye(units)[rng.integers(units, size=count)]
    if cost == "binary_cross_entropy":
        return rng.integers(2, size=(count, units)).astype(float)
    if cost == "poisson":
        return rng.poisson(2.0, size=(count, units)).astype(float)
    return rng.normal(size=(count, units))


@st.composite
def cases(draw):
    depth = draw(st.integers(1, 5))
    widths = draw(st.lists(st.integers(1, 7), min_size=depth + 1, max_size=depth + 1))
    cost = draw(st.sampled_from(sorted(OUTPUTS)))
    widths[-1] = max(widths[-1], 2 if cost == "cross_entropy" else 1)
    hidden = draw(st.lists(st.sampled_from(ACTIVATIONS), min_size=depth - 1, max_size=depth - 1))
    sigmas = [*hidden, draw(st.sampled_from(OUTPUTS[cost]))]
    case = Case(cost, widths, sigmas, draw(st.integers(1, 9)), draw(st.integers(0, 2**32 - 1)))
    assume(case.cost not in SATURATES or well_conditioned(case.trace.layers[-1].a))
    return case


def assert_equal(found, expected):
    expected = np.asarray(expected)
    scale = np.abs(expected).max(initial=CANCELLED)
    assert np.abs(found - expected).max(initial=0.0) <= BOUND * scale


random_cases = settings(max_examples=60, deadline=None)


@random_cases
@given(cases())
def test_forward_pass_equals_the_note(case):
    found = case.trace.layers
    for row, (x, _) in enumerate(case.examples):
        zs, activations = note.forward(case.layers, x)
        for layer, z, a in zip(found, zs, activations, strict=True):
            assert_equal(layer.z[row], z)
            assert_equal(layer.a[row], a)


@random_cases
@given(cases())
def test_cost_equals_the_note(case):
    assert_equal(case.trace.cost, note.cost(case.cost, case.layers, case.x.tolist(), case.y.tolist()))


@random_cases
@given(cases())
def test_equation_1_error_of_the_output_layer_equals_the_note(case):
    expected = [note.errors(case.cost, case.layers, x, y)[-1] for x, y in case.examples]
    assert_equal(case.trace.layers[-1].delta, np.array(expected) / len(case.x))


@random_cases
@given(cases())
def test_equation_2_error_of_every_hidden_layer_equals_the_note(case):
    expected = [note.errors(case.cost, case.layers, x, y) for x, y in case.examples]
    for index, layer in enumerate(case.trace.layers[:-1]):
        assert_equal(layer.delta, np.array([errors[index] for errors in expected]) / len(case.x))


@random_cases
@given(cases())
def test_equation_3_gradient_of_every_bias_equals_the_note(case):
    expected = note.gradients(case.cost, case.layers, case.x.tolist(), case.y.tolist())
    for layer, (_, grad_b) in zip(case.trace.layers, expected, strict=True):
        assert_equal(layer.grad_bias, grad_b)


@random_cases
@given(cases())
def test_equation_4_gradient_of_every_weight_equals_the_note(case):
    expected = note.gradients(case.cost, case.layers, case.x.tolist(), case.y.tolist())
    for layer, (grad_w, _) in zip(case.trace.layers, expected, strict=True):
        assert_equal(layer.grad_weight, grad_w)


@pytest.mark.parametrize("sigma", ACTIVATIONS)
@pytest.mark.parametrize("cost", sorted(OUTPUTS))
def test_gradient_of_every_pair_where_defined_equals_the_note(cost, sigma):
    as_output = sigma in OUTPUTS[cost]  # else hidden, since the cost is not defined on its values
    sigmas = ["tanh", sigma] if as_output else [sigma, OUTPUTS[cost][0]]
    case = Case(cost, (4, 5, 3), sigmas, 6, seed=7)
    expected = note.gradients(cost, case.layers, case.x.tolist(), case.y.tolist())
    flat = case.model.gradient(case.x, case.y, cost=cost)[1]
    views = case.model.network.views(flat)
    for index, (grad_w, grad_b) in enumerate(expected):
        assert_equal(views[f"layers.{index}.weight"], grad_w)
        assert_equal(views[f"layers.{index}.bias"], grad_b)
