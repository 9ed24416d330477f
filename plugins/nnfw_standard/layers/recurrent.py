"""Recurrent layers: a state that goes through a sequence, one time step after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array, Shape
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels, kernels_only
from nnfw.protocols import Initializer, Merge, Parameter
from nnfw_standard.activations import Identity

States = Mapping[str, tuple[Array, Array]]
"""By letter the first state ``(N, units)``, and the states after each step ``(T, N, units)``."""


class Steps(NamedTuple):
    """What a layer computes of all time steps, time first, and keeps for the way back.

    Parameters
    ----------
    gates
        Weighted inputs, which become the gates, ``(T, N, gates, units)``.
    weight
        Weights of the state, ``(gates, units, units)``.
    inside
        1 for each time step within a sequence, else 0, ``(T, N)``.
    states
        First states, and those after each step.
    kept
        A further array of each step, ``(T, N, units)``, if the layer keeps one; else the gates.
    """

    gates: Array
    weight: Array
    inside: Array
    states: States
    kept: Array


@dataclass(frozen=True)
class _Recurrent(Merge):
    """h_t from a_t and h_(t-1) for t from 1 to T, or from T down to 1; a second input is the first state.

    Arrays of all time steps have the time first: a step is one piece of memory, and one product multiplies the inputs
    of all steps by the weights.
    """

    units: Annotated[int, Ge(1)]
    _: KW_ONLY
    states: Literal["last", "all", "complete"] = "last"
    reverse: bool = False
    initial_state: Literal["zeros", "learned"] = "zeros"
    bias: bool = True
    weight_initializer: Initializer | str = "glorot_uniform"
    recurrent_initializer: Initializer | str = "orthogonal"
    bias_initializer: Initializer | str = "zeros"

    activation = Identity()
    own_lengths = True

    gates: ClassVar[int]
    letters: ClassVar[str] = "h"  # of the states
    keeps_one_more: ClassVar[bool] = False  # whether a step keeps a further array (N, units) for backward
    passes_by: ClassVar[bool] = (
        False  # whether h_(t-1) reaches h_t past the weights too; then δ of both products differ
    )

    @property
    def keeps_time(self) -> bool:  # type: ignore[override]
        """Whether z has the time steps of the input."""
        return self.states == "all"

    def output_shape(self, input_shapes: tuple[Shape, ...]) -> Shape:
        """Return ``(units,)`` for the last state, ``(T, units)`` for all, ``(states · units,)`` for a complete one."""
        sequence, *first = input_shapes
        if len(sequence) != 2:
            raise ShapeError(f"expected input of shape (T, n), time steps and features, got {sequence}.")
        complete = (len(self.letters) * self.units,)
        if first and first != [complete]:
            raise ShapeError(f"expected no second input, or a first state of shape {complete}, got {first[0]}.")
        if first and self.initial_state == "learned":
            raise ShapeError("expected no second input with initial_state='learned'. Leave one of them out.")
        if self.states == "complete":
            return complete
        return (sequence[0], self.units) if self.keeps_time else (self.units,)

    def parameters(self, input_shapes: tuple[Shape, ...]) -> Mapping[str, Parameter]:
        """Declare weights for the input and the state before, and biases; and first states that are learned."""
        rows = self.gates * self.units
        found = {
            "weight": Parameter((rows, input_shapes[0][1]), self.weight_initializer),
            "recurrent_weight": Parameter((rows, self.units), self.recurrent_initializer),
        }
        if self.bias:
            found["bias"] = Parameter((rows,), self.bias_initializer, decays=False)
        if self.initial_state == "learned":
            first = Parameter((self.units,), self.bias_initializer, decays=False)
            found |= {f"initial_{letter}": first for letter in self.letters}
        return found

    @kernels_only
    def forward(self, params: Mapping[str, Array], inputs: tuple[Array, ...], workspace: Workspace) -> Array:
        """Return the last state ``(N, units)``, all ``(N, T, units)``, or a complete one ``(N, states · units)``."""
        a_prev, *given = inputs
        (count, steps, features), rows = a_prev.shape, self.gates * self.units
        x = workspace["x"] = _buffer(workspace, "x", steps, count, features)
        gates = workspace["gates"] = _buffer(workspace, "gates", steps, count, self.gates, self.units)
        kept = _buffer(workspace, "kept", steps, count, self.units) if self.keeps_one_more else gates
        states = {letter: _buffer(workspace, letter, steps + 1, count, self.units) for letter in self.letters}
        inside = _inside(workspace, steps, count)
        workspace["kept"], workspace["states"], workspace["inside"] = kept, states, inside
        workspace["given"] = bool(given)
        kernels().swap(a_prev, x)
        weighted = gates.reshape(steps * count, rows)
        kernels().product(x.reshape(steps * count, features), params["weight"].T, weighted)
        if self.bias:
            kernels().add_bias(weighted, params["bias"])
        first, last = (steps, 0) if self.reverse else (0, steps)
        for k, (letter, each) in enumerate(states.items()):
            if letter in workspace.carried:
                kernels().copy(workspace.carried[letter], each[first])
            elif given:
                kernels().copy(given[0][:, self._part(k)], each[first])
            else:
                kernels().repeat_row(params.get(f"initial_{letter}", _zeros(workspace, self.units)), each[first])
        self._go(Steps(gates, self._kernel(params), inside, self._split(states), kept), params, workspace)
        workspace.carry({letter: each[last] for letter, each in states.items()})
        if self.states == "last":
            return states["h"][last]
        if self.states == "complete":
            complete = workspace.buffer("z", (count, len(states) * self.units))
            for k, each in enumerate(states.values()):
                kernels().copy(each[last], complete[:, self._part(k)])
            return complete
        z = workspace.buffer("z", (count, steps, self.units))
        kernels().swap(states["h"][:-1] if self.reverse else states["h"][1:], z)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> tuple[Array | None, ...]:
        """Return ∂C/∂a_prev, ``(N, T, n)``, and that of a given first state: back through the steps."""
        x, gates, kept, states, inside = (workspace[key] for key in ("x", "gates", "kept", "states", "inside"))
        (steps, count, features), rows = x.shape, self.gates * self.units
        of_gates = _buffer(workspace, "delta", *gates.shape)
        of_recurrent = _buffer(workspace, "recurrent_delta", *gates.shape) if self.passes_by else of_gates
        grad = {letter: workspace.buffer(f"grad_{letter}", (count, self.units)) for letter in self.letters}
        deltas = self._deltas(delta, grad, steps, workspace)
        steps_of = Steps(gates, self._kernel(params), inside, self._split(states), kept)
        self._go_back(steps_of, deltas, grad, of_gates, of_recurrent)
        before = states["h"][1:] if self.reverse else states["h"][:-1]
        at_gates, at_states = (each.reshape(steps * count, rows) for each in (of_gates, of_recurrent))
        kernels().product(at_gates.T, x.reshape(steps * count, features), grads["weight"])
        kernels().product(at_states.T, before.reshape(steps * count, self.units), grads["recurrent_weight"])
        if self.bias:
            self._bias_gradients(at_gates, at_states, grads)
        if self.initial_state == "learned":
            for letter, each in grad.items():
                kernels().sum_examples(each, grads[f"initial_{letter}"])
        if not workspace.needs_input_gradient:
            return (None, None) if workspace["given"] else (None,)
        grad_x = _buffer(workspace, "grad_x", steps, count, features)
        kernels().product(at_gates, params["weight"], grad_x.reshape(steps * count, features))
        grad_a_prev = workspace.passing("grad_a_prev", (count, steps, features))
        kernels().swap(grad_x, grad_a_prev)
        if not workspace["given"]:
            return (grad_a_prev,)
        grad_state = workspace.buffer("grad_state", (count, len(grad) * self.units))
        for k, each in enumerate(grad.values()):
            kernels().copy(each, grad_state[:, self._part(k)])
        return grad_a_prev, grad_state

    def through_time(self, params: Mapping[str, Array], delta: Array, workspace: Workspace) -> Array | None:
        """Return ∂C/∂h_t ``(T, N, units)``: what comes from z_t, and through the step that is read next."""
        gates, inside, weight = workspace["gates"], workspace["inside"] > 0, params["recurrent_weight"]
        of_states = _buffer(workspace, "recurrent_delta" if self.passes_by else "delta", *gates.shape)
        steps, count = inside.shape
        found = np.full((steps, count, self.units), np.nan, gates.dtype)
        grad = np.zeros((count, self.units), gates.dtype) if self.states == "all" else delta[:, self._part(0)]
        order = range(steps - 1, -1, -1) if self.reverse else range(steps)
        for k, t in reversed(list(enumerate(order))):
            if self.states == "all":
                grad = grad + delta[:, t]
            found[k][inside[t]] = grad[inside[t]]
            before = of_states[t].reshape(count, -1) @ weight + self._past_the_weights(grad, gates[t])
            grad = np.where(inside[t][:, np.newaxis], before, grad)
        return found

    def _past_the_weights(self, grad: Array, gates: Array) -> Array | float:
        """Return the part of ∂C/∂h_(t-1) that comes from ∂C/∂h_t but not through the weights."""
        return 0.0

    def _part(self, k: int) -> slice:
        """Return where state k is in a complete one."""
        return slice(k * self.units, (k + 1) * self.units)

    def _deltas(self, delta: Array, grad: Mapping[str, Array], steps: int, workspace: Workspace) -> Array:
        """Start with ∂C/∂(states after T), and return δ of each time step ``(T, N, units)``: 0 but for all states."""
        for each in grad.values():
            kernels().repeat_row(_zeros(workspace, self.units), each)
        if self.states == "all":
            deltas = _buffer(workspace, "deltas", steps, len(delta), self.units)
            kernels().swap(delta, deltas)
            return deltas
        for k, each in enumerate(grad.values() if self.states == "complete" else [grad["h"]]):
            kernels().add(each, delta[:, self._part(k)])
        return np.broadcast_to(_zeros(workspace, self.units), (steps, len(delta), self.units))

    def _kernel(self, params: Mapping[str, Array]) -> Array:
        """Return the weights of the state, those of each gate apart."""
        return params["recurrent_weight"].reshape(self.gates, self.units, self.units)

    def _split(self, states: Mapping[str, Array]) -> States:
        """Return for each letter the first state ``(N, units)`` and the states after each step ``(T, N, units)``."""
        if self.reverse:
            return {letter: (each[-1], each[:-1]) for letter, each in states.items()}
        return {letter: (each[0], each[1:]) for letter, each in states.items()}

    def _bias_gradients(self, at_gates: Array, at_states: Array, grads: Mapping[str, Array]) -> None:
        kernels().sum_examples(at_gates, grads["bias"])

    @abstractmethod
    def _go(self, steps: Steps, params: Mapping[str, Array], workspace: Workspace) -> None:
        """Compute the states after each step from weighted inputs."""

    @abstractmethod
    def _go_back(
        self, steps: Steps, deltas: Array, grad: Mapping[str, Array], delta: Array, recurrent_delta: Array
    ) -> None:
        """Compute δ of the weighted inputs and states; `grad` becomes that of the first states."""


@dataclass(frozen=True)
class SimpleRNN(_Recurrent):
    """The state is the activation of a weighted sum of input and state.

    | h_t = tanh(w a_t + u h_(t-1) + b)
    | δ_t = ∂C/∂h_t ⊙ (1 − h_t²), where ∂C/∂h_(t-1) = δ_t u, and what comes from z_(t-1)
    | ∂C/∂w = Σ_t δ_t a_t^T, ∂C/∂u = Σ_t δ_t h_(t-1)^T, ∂C/∂b = Σ_t δ_t, ∂C/∂a_t = δ_t w

    Parameters
    ----------
    units
        Size of the state, 1 or more.
    states
        ``"last"``: z is h_T, ``(N, units)``; ``"all"``: z is h_1 to h_T, ``(N, T, units)``; ``"complete"``: all that
        another layer needs to go on, which is h_T too. The last one of a padded sequence is that at its length.
    reverse
        Whether the sequence is read from its end; z_t stays beside a_t, and the last state is that of t = 1.
    initial_state
        ``"zeros"``, or ``"learned"``: h_0 is a parameter. A second input gives h_0, ``(N, units)``, instead.
    bias
        Whether b is added; True by default.
    weight_initializer, recurrent_initializer, bias_initializer
        First values of w ``(units, n)``, Glorot uniform; of u ``(units, units)``, orthogonal; of b and h_0, zeros.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that does not have two axes, time and features; for a second input that
        is no complete state, or that comes with ``initial_state="learned"``.

    References
    ----------
    J. L. Elman (1990), *Finding structure in time*.
    P. J. Werbos (1990), *Backpropagation through time: what it does and how to do it*.
    """

    gates = 1

    def _go(self, steps: Steps, params: Mapping[str, Array], workspace: Workspace) -> None:
        gates, weight, inside, states, _ = steps
        kernels().rnn_steps(gates, weight, inside, states["h"][0], self.reverse, states["h"][1])

    def _go_back(
        self, steps: Steps, deltas: Array, grad: Mapping[str, Array], delta: Array, recurrent_delta: Array
    ) -> None:
        _, weight, inside, states, _ = steps
        kernels().rnn_steps_back(deltas, weight, inside, self.reverse, states["h"][1], grad["h"], delta)


@dataclass(frozen=True)
class LSTM(_Recurrent):
    """Long short-term memory: gates decide what a cell forgets, takes and shows.

    | i, f, o = sigmoid(w a_t + u h_(t-1) + b) and g = tanh(…), each with rows of its own in w, u and b
    | c_t = f ⊙ c_(t-1) + i ⊙ g
    | h_t = o ⊙ tanh c_t
    | Backward, with ∂C/∂c_t = ∂C/∂h_t ⊙ o ⊙ (1 − tanh² c_t) + what comes from c_(t+1):
    | δ_i = ∂C/∂c_t ⊙ g ⊙ i (1 − i), δ_f = ∂C/∂c_t ⊙ c_(t-1) ⊙ f (1 − f), δ_g = ∂C/∂c_t ⊙ i ⊙ (1 − g²),
      δ_o = ∂C/∂h_t ⊙ tanh c_t ⊙ o (1 − o)
    | ∂C/∂c_(t-1) = ∂C/∂c_t ⊙ f; the rest as for `simple_rnn`, with δ_t = (δ_i, δ_f, δ_g, δ_o)

    Parameters
    ----------
    units, states, reverse, initial_state, bias
        As for `simple_rnn`. The first states are h_0 and c_0; a complete state is h and c side by side,
        ``(N, 2 units)``, and so is a second input.
    weight_initializer, recurrent_initializer, bias_initializer
        First values of w ``(4 units, n)``, u ``(4 units, units)``, and of b, h_0 and c_0.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that does not have two axes, time and features; for a second input that
        is no complete state, or that comes with ``initial_state="learned"``.

    Notes
    -----
    The rows of w, u and b are those of i, f, g and o, in PyTorch's order; its two biases are one.

    References
    ----------
    S. Hochreiter, J. Schmidhuber (1997), *Long short-term memory*.
    F. A. Gers, J. Schmidhuber, F. Cummins (2000), *Learning to forget: continual prediction with LSTM*.
    """

    gates = 4
    letters = "hc"
    keeps_one_more = True  # tanh c

    def _go(self, steps: Steps, params: Mapping[str, Array], workspace: Workspace) -> None:
        gates, weight, inside, states, kept = steps
        (h0, h), (c0, c) = states["h"], states["c"]
        kernels().lstm_steps(gates, weight, inside, h0, c0, self.reverse, h, c, kept)

    def _go_back(
        self, steps: Steps, deltas: Array, grad: Mapping[str, Array], delta: Array, recurrent_delta: Array
    ) -> None:
        gates, weight, inside, states, kept = steps
        c0, c = states["c"]
        grads = grad["h"], grad["c"]
        kernels().lstm_steps_back(deltas, gates, weight, inside, c0, self.reverse, c, kept, *grads, delta)


@dataclass(frozen=True)
class GRU(_Recurrent):
    """A gated recurrent unit: the state is a mean of what it was and a candidate.

    | r, u = sigmoid(w a_t + v h_(t-1) + b), each with rows of its own in w, v and b
    | n = tanh(w_n a_t + b_n + r ⊙ q) with q = v_n h_(t-1) + b_q
    | h_t = (1 − u) ⊙ n + u ⊙ h_(t-1)
    | δ_n = ∂C/∂h_t ⊙ (1 − u) ⊙ (1 − n²), δ_u = ∂C/∂h_t ⊙ (h_(t-1) − n) ⊙ u (1 − u), δ_r = δ_n ⊙ q ⊙ r (1 − r)
    | ∂C/∂h_(t-1) = ∂C/∂h_t ⊙ u + (δ_r, δ_u, δ_n ⊙ r) v

    Parameters
    ----------
    units, states, reverse, initial_state, bias
        As for `simple_rnn`.
    weight_initializer, recurrent_initializer, bias_initializer
        First values of w ``(3 units, n)``, v ``(3 units, units)``, and of b, b_q and h_0.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for an input that does not have two axes, time and features; for a second input that
        is no complete state, or that comes with ``initial_state="learned"``.

    Notes
    -----
    The rows of w, v and b are those of r, u and n, in PyTorch's order. Of its two biases, only that of q, which is
    multiplied by r, is one of its own: ``recurrent_bias`` ``(units,)``. Keras calls this form ``reset_after``.

    References
    ----------
    K. Cho et al. (2014), *Learning phrase representations using RNN encoder-decoder for statistical machine
    translation*.
    """

    gates = 3
    keeps_one_more = True  # q
    passes_by = True

    def parameters(self, input_shapes: tuple[Shape, ...]) -> Mapping[str, Parameter]:
        """Declare the bias of q too."""
        found = dict(super().parameters(input_shapes))
        if self.bias:
            found["recurrent_bias"] = Parameter((self.units,), self.bias_initializer, decays=False)
        return found

    def _go(self, steps: Steps, params: Mapping[str, Array], workspace: Workspace) -> None:
        gates, weight, inside, states, kept = steps
        h0, h = states["h"]
        bias = params["recurrent_bias"] if self.bias else _zeros(workspace, self.units)
        kernels().gru_steps(gates, weight, bias, inside, h0, self.reverse, h, kept)

    def _go_back(
        self, steps: Steps, deltas: Array, grad: Mapping[str, Array], delta: Array, recurrent_delta: Array
    ) -> None:
        gates, weight, inside, states, kept = steps
        h0, h = states["h"]
        deltas_of = grad["h"], delta, recurrent_delta
        kernels().gru_steps_back(deltas, gates, weight, inside, h0, self.reverse, h, kept, *deltas_of)

    def _past_the_weights(self, grad: Array, gates: Array) -> Array | float:
        past: Array = grad * gates[:, 1]  # u
        return past

    def _bias_gradients(self, at_gates: Array, at_states: Array, grads: Mapping[str, Array]) -> None:
        kernels().sum_examples(at_gates, grads["bias"])
        kernels().sum_examples(at_states[:, 2 * self.units :], grads["recurrent_bias"])


def _buffer(workspace: Workspace, name: str, *shape: int) -> Array:
    """Return a buffer whose first axis is not that of the examples: a smaller batch uses the same memory."""
    return workspace.buffer(name, (prod(shape),)).reshape(shape)


def _zeros(workspace: Workspace, units: int) -> Array:
    zeros: Array = workspace.once("zeros", lambda: np.zeros(units, workspace.dtype))
    return zeros


def _inside(workspace: Workspace, steps: int, count: int) -> Array:
    """Return 1 for each time step within a sequence, else 0, ``(T, N)``."""
    if workspace.lengths is None:
        ones: Array = workspace.once(("inside", steps, count), lambda: np.ones((steps, count), workspace.dtype))
        return ones
    inside, turned = workspace.buffer("inside", (count, steps)), _buffer(workspace, "turned", steps, count)
    kernels().mask(workspace.lengths, inside)
    kernels().swap(inside, turned)
    return turned
