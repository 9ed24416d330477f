"""Sequences that come one time step at a time: the same as in one go, and models that cannot be read so."""

import numpy as np
import pytest

import nnfw
from nnfw_standard import GRU, LSTM, Dense, Embedding, LayerNorm, SimpleRNN

LAYERS = {
    "all states": ([LSTM(5, states="all"), GRU(4, states="all"), Dense(2)], (7, 3)),
    "the last state": ([GRU(4, states="all"), LSTM(3), Dense(2)], (7, 3)),
    "learned first states": ([LSTM(4, states="complete", initial_state="learned"), Dense(1)], (5, 2)),
    "tokens": ([Embedding(9, 4), SimpleRNN(4, states="all"), LayerNorm(), Dense(9, activation="softmax")], (6,)),
}


def sequences(model, count=3):
    (given,), rng = model.network.inputs, np.random.default_rng(1)
    shape = (count, *given.shape)
    return rng.standard_normal(shape) if given.limit is None else rng.integers(0, given.limit, shape)


@pytest.mark.parametrize("name", LAYERS)
def test_steps_give_what_a_sequence_gives(name):
    layers, shape = LAYERS[name]
    model = nnfw.Sequential(layers, shape, dtype="float64", seed=3)
    for parameter in model.parameters.values():
        parameter += 0.1
    x, steps = sequences(model), nnfw.Stepwise(model)
    whole, found = model.predict(x), [steps(x[:, t]) for t in range(shape[0])]
    right = whole.transpose(1, 0, 2) if whole.ndim == 3 else whole[np.newaxis]
    np.testing.assert_allclose(found[-len(right) :], right, rtol=1e-13, atol=1e-13)

    steps.reset()
    alone = [steps(x[0, t]) for t in range(shape[0])]
    np.testing.assert_allclose(alone, [each[0] for each in found], rtol=1e-13, atol=1e-13)


def test_a_sequence_may_be_longer_than_those_of_the_model():
    model = nnfw.Sequential([GRU(4, states="all")], (3, 2), dtype="float64")
    longer = nnfw.Sequential([GRU(4, states="all")], (50, 2), dtype="float64", values=model.parameters)
    (x,), steps = sequences(longer, 1), nnfw.Stepwise(model)
    np.testing.assert_allclose([steps(row) for row in x], longer.predict(x), rtol=1e-12, atol=1e-12)


def test_reset_forgets_and_training_changes_the_steps_too():
    model = nnfw.Sequential([GRU(4, states="all"), Dense(1)], (3, 2), dtype="float64")
    steps = nnfw.Stepwise(model)
    first = steps([1.0, 2.0])
    assert steps([1.0, 2.0]) != first
    steps.reset()
    assert steps([1.0, 2.0]) == first
    model.parameters["layers.1.bias"] = [10.0]
    steps.reset()
    assert steps([1.0, 2.0]) == first + 10


def test_what_a_step_returns_is_the_callers():
    steps = nnfw.Stepwise(nnfw.Sequential([GRU(4, states="all")], (3, 2)))
    first = steps([[1.0, 2.0]])
    kept = first.copy()
    steps([[5.0, 2.0]])
    assert (first == kept).all()
    first[...] = 99
    assert (steps([[5.0, 2.0]]) < 1).all()


def test_ordinary_predictions_carry_nothing_on():
    model = nnfw.Sequential([GRU(4, states="all")], (3, 2))
    x = sequences(model)
    before = model.predict(x)
    nnfw.Stepwise(model)(x[:, 0])
    assert (model.predict(x) == before).all()


ALONE = (
    "gives other values step by step than for a sequence in one go: it needs several time steps at once. "
    "Give whole sequences to predict."
)


@pytest.mark.parametrize(
    ("layers", "shape", "words"),
    [
        ([GRU(4, states="all", reverse=True)], (7, 3), f"Layer 0 'gru' (built-in) {ALONE}"),
        (
            [Dense(4), nnfw.layer("multi_head_attention", heads=2)],
            (7, 3),
            f"Layer 1 'multi_head_attention' (built-in) {ALONE}",
        ),
        ([nnfw.layer("causal_conv1d", filters=3, kernel=2)], (7, 3), f"Layer 0 'causal_conv1d' (built-in) {ALONE}"),
        ([GRU(3, states="all"), "time_pool"], (7, 3), f"Layer 1 'time_pool' (built-in) {ALONE}"),
        (["positional_encoding"], (7, 3), f"Layer 0 'positional_encoding' (built-in) {ALONE}"),
        (
            ["flatten", Dense(2)],
            (7, 3),
            "The parameter 'layers.1.weight' has the shape (2, 21) for 7 time steps, and (2, 3)",
        ),
        ([Dense(2)], (1, 3), "of two time steps or more can be read step by step; this one takes (1, 3)."),
        ([Dense(2)], (7,), "The parameter 'layers.0.weight' has the shape (2, 7) for 7 time steps, and (2, 1) for one"),
        (["max_pool1d"], (7, 3), "expected 2 time steps or more, for a kernel that spans 2, got 1."),
    ],
)
def test_a_model_that_needs_several_time_steps_is_refused(layers, shape, words):
    with pytest.raises(nnfw.ShapeError) as caught:
        nnfw.Stepwise(nnfw.Sequential(layers, shape))
    assert words in str(caught.value)


def test_models_of_several_inputs_are_refused():
    model = nnfw.Sequential([{"type": "add", "inputs": ["a", "b"]}], {"a": (3, 2), "b": (3, 2)})
    with pytest.raises(nnfw.ShapeError, match=r"this one takes \(3, 2\) and \(3, 2\)"):
        nnfw.Stepwise(model)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([1.0], r"x must be one time step, of shape \(2,\) or \(N, 2\), got \(1,\)."),
        ([[[1.0, 2.0]]], r"got \(1, 1, 2\)."),
        ([1.0, np.nan], "not finite"),
        ([[1.0, 2.0]] * 3, "x has 3 sequences, and the step before had 1. Call reset first."),
        (["a", "b"], "x must hold real numbers"),
    ],
)
def test_wrong_steps_are_refused(x, words):
    steps = nnfw.Stepwise(nnfw.Sequential([GRU(4)], (3, 2)))
    steps([1.0, 2.0])
    with pytest.raises(nnfw.DataError, match=words):
        steps(x)


def test_an_index_out_of_range_is_refused():
    steps = nnfw.Stepwise(nnfw.Sequential([Embedding(4, 2), GRU(4)], (3,)))
    with pytest.raises(nnfw.DataError, match="holds the index 4"):
        steps(4)


def test_first_states_of_a_shape_that_does_not_fit_are_refused():
    with pytest.raises(
        nnfw.ShapeError, match=r"expected no second input, or a first state of shape \(6,\), got \(3,\)."
    ):
        LSTM(3).output_shape(((4, 2), (3,)))
    with pytest.raises(
        nnfw.ShapeError, match="expected no second input with initial_state='learned'. Leave one of them"
    ):
        GRU(3, initial_state="learned").output_shape(((4, 2), (3,)))
