"""Recurrent layers, each wrong in one place, and the check that must find it."""

from dataclasses import dataclass

import numpy as np
import pytest

from nnfw.testing import run_checks
from nnfw_standard import GRU, LSTM, SimpleRNN, sequence_operations

INPUT, PARAMETERS, LENGTHS = "merge.gradient_of_input", "merge.gradients_of_parameters", "merge.lengths_end_sequences"


BACK = {SimpleRNN: "rnn", LSTM: "lstm", GRU: "gru"}


def spoilt(base, spoil, **options):
    """Return a layer whose results of one step back `spoil` has changed."""
    own = getattr(sequence_operations, f"{BACK[base]}_step_back")

    def step(gates, before, after, kept, grads, delta, recurrent_delta):
        own(gates, before, after, kept, grads, delta, recurrent_delta)
        spoil(grads, delta, recurrent_delta, (before, after))

    @dataclass(frozen=True)
    class Spoilt(base):
        def _go_back(self, steps, deltas, grad, delta, recurrent_delta):
            gates, weight, inside, states, kept = steps
            first, later = zip(*states.values(), strict=True)
            sequence_operations.backwards(
                *(step, deltas, gates, weight, inside, first, self.reverse, later, kept),
                *(tuple(grad.values()), delta, recurrent_delta),
            )

    return Spoilt(3, **options)


def swapped(grads, delta, recurrent_delta, states):
    delta[:, :2] = delta[:, 1::-1].copy()


def no_carry(k):
    def spoil(grads, delta, recurrent_delta, states):
        grads[k][...] = 0

    return spoil


def without_reset(grads, delta, recurrent_delta, states):
    recurrent_delta[:, 2] = delta[:, 2]


def of_the_state_before(grads, delta, recurrent_delta, states):
    (before,), (after,) = states
    delta[:, 0] *= (1 - before**2) / (1 - after**2)


@dataclass(frozen=True)
class Truncated(LSTM):
    """The gradient of the recurrent weights with h_t instead of h_(t−1)."""

    def backward(self, params, delta, grads, workspace):
        gradient = super().backward(params, delta, grads, workspace)
        steps, count, _ = workspace["x"].shape
        after = workspace["states"]["h"][1:].reshape(steps * count, self.units)
        at = workspace.buffer("delta", (steps * count * 4 * self.units,)).reshape(steps * count, 4 * self.units)
        grads["recurrent_weight"][...] = at.T @ after
        return gradient


@dataclass(frozen=True)
class BiasOfAllGates(GRU):
    """The gradient of the candidate's bias from δ_n instead of δ_n ⊙ r."""

    def _bias_gradients(self, at_gates, at_states, grads):
        super()._bias_gradients(at_gates, at_gates, grads)


@dataclass(frozen=True)
class OneStepMore(LSTM):
    """Goes one step beyond the lengths."""

    def forward(self, params, a_prev, workspace):
        if workspace.lengths is not None:
            workspace.lengths = workspace.lengths + 1
        return super().forward(params, a_prev, workspace)


@dataclass(frozen=True)
class LosesTheRest(GRU):
    """Loses the gradient of a state that stays beyond a length."""

    def backward(self, params, delta, grads, workspace):
        workspace["inside"] = np.ones_like(workspace["inside"])
        return super().backward(params, delta, grads, workspace)


@dataclass(frozen=True)
class NoFirstState(SimpleRNN):
    """The gradient of the learned first state is that of the last δ."""

    def backward(self, params, delta, grads, workspace):
        gradient = super().backward(params, delta, grads, workspace)
        grads["initial_h"][...] = delta.sum(axis=0)
        return gradient


WRONG = {
    "lstm, gates swapped": (spoilt(LSTM, swapped), PARAMETERS),
    "lstm, carry of c lost": (spoilt(LSTM, no_carry(1)), INPUT),
    "lstm, state after instead of before": (Truncated(3), PARAMETERS),
    "lstm, a step beyond the lengths": (OneStepMore(3), LENGTHS),
    "gru, carry past the gates lost": (spoilt(GRU, no_carry(0)), INPUT),
    "gru, gates swapped": (spoilt(GRU, swapped), PARAMETERS),
    "gru, reset gate forgotten": (spoilt(GRU, without_reset), PARAMETERS),
    "gru, bias of the candidate": (BiasOfAllGates(3), PARAMETERS),
    "gru, lengths ignored in backward": (LosesTheRest(3), LENGTHS),
    "simple_rnn, derivative at the state before": (spoilt(SimpleRNN, of_the_state_before), INPUT),
    "simple_rnn, first state": (NoFirstState(3, initial_state="learned"), PARAMETERS),
    "simple_rnn, carry lost, all states": (
        spoilt(SimpleRNN, lambda grads, delta, *_: np.multiply(delta, 0.5, out=delta), states="all"),
        INPUT,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_recurrent_layer_is_found(name):
    layer, check = WRONG[name]
    assert [item.check for item in run_checks(layer, only=[check]).failures] == [check]


def state_changed(base, change, **options):
    """Return a layer whose ∂C/∂(first state) or z is changed; it is tried with a second input."""

    @dataclass(frozen=True)
    class Changed(base):
        def backward(self, params, delta, grads, workspace):
            terms = super().backward(params, delta, grads, workspace)
            if len(terms) == 2 and terms[1] is not None:
                change(terms[1])
            return terms

    return Changed(3, **options)


def halves_swapped(grad):
    grad[...] = np.roll(grad, 3, axis=1)


@dataclass(frozen=True)
class ForgetsTheCell(LSTM):
    """Gives ∂C/∂h_T of a complete state to h alone."""

    def backward(self, params, delta, grads, workspace):
        of_h = delta.copy()
        of_h[:, self.units :] = 0
        return super().backward(params, of_h, grads, workspace)


WRONG_WITH_STATE = {
    "lstm, h and c swapped": (state_changed(LSTM, halves_swapped), INPUT, 6),
    "gru, no gradient of the first state": (state_changed(GRU, lambda grad: grad.fill(0)), INPUT, 3),
    "lstm, cell of a complete state forgotten": (ForgetsTheCell(3, states="complete"), INPUT, 6),
}


@pytest.mark.parametrize("name", WRONG_WITH_STATE)
def test_wrong_layer_with_a_first_state_is_found(name):
    layer, check, size = WRONG_WITH_STATE[name]
    report = run_checks(layer, only=[check], input_shapes=(((4, 2), (size,)),))
    assert [item.check for item in report.failures] == [check]


@pytest.mark.parametrize("layer", [SimpleRNN(3), LSTM(3, states="all", reverse=True), GRU(3)], ids=repr)
def test_right_recurrent_layer_passes(layer):
    report = run_checks(layer, only=[INPUT, PARAMETERS, LENGTHS])
    assert [item.status for item in report.outcomes] == ["passed"] * 3
