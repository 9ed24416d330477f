"""The operations of layers that go through a sequence step by step, defined in NumPy.

Examples are rows; gates lie side by side, ``(N, gates, units)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation
from nnfw.ops.definitions import product
from nnfw_standard.operations import sigmoid


@operation(source="read any n m ...", out="written any m n ...", cut="n")
def swap(source: Array, out: Array) -> None:
    """Exchange the first two axes: out_ji ← source_ij."""
    np.copyto(out, source.swapaxes(0, 1))


@operation(row="read ...", out="written n ...", cut="n")
def repeat_row(row: Array, out: Array) -> None:
    """Give every example the same row: out_i ← row."""
    out[...] = row


Arrays = tuple[Array, ...]

Step = Callable[..., None]
"""Computes the states after a time step, or goes back through it, for :func:`forwards` and :func:`backwards`."""


def _order(steps: int, back: float) -> list[int]:
    """Return the time steps in the order of the layer."""
    return list(range(steps))[:: -1 if back else 1]


def forwards(
    step: Step, gates: Array, weight: Array, inside: Array, first: Arrays, back: float, states: Arrays, kept: Array
) -> None:
    """Go through all time steps: each takes the weighted inputs and the weighted state before it.

    Parameters
    ----------
    step
        Takes the gates of a time step, the weighted state, the states before and after, and what is kept.
    gates, weight, inside
        Weighted inputs ``(T, N, gates, units)``, weights of the state ``(gates, units, units)``, and 0 beyond the end
        of a sequence ``(T, N)``, where states stay as they are.
    first, back, states, kept
        The first states ``(N, units)``, whether time runs backwards, the states after each step ``(T, N, units)``, and
        what is kept of each.
    """
    before, whole, rows = first, bool(inside.all()), weight.reshape(-1, weight.shape[-1])
    recurrent = np.empty((len(first[0]), *weight.shape[:2]), weight.dtype)
    for t in _order(len(gates), back):
        after = tuple(each[t] for each in states)
        product.definition(before[0], rows.T, recurrent.reshape(len(recurrent), len(rows)))
        step(gates[t], recurrent, before, after, kept[t])
        if not whole:
            for old, new in zip(before, after, strict=True):
                np.copyto(new, old, where=inside[t, :, np.newaxis] == 0)
        before = after


def backwards(
    step: Step,
    grad: Array,
    gates: Array,
    weight: Array,
    inside: Array,
    first: Arrays,
    back: float,
    states: Arrays,
    kept: Array,
    grads: Arrays,
    delta: Array,
    recurrent_delta: Array,
) -> None:
    """Go back through :func:`forwards`.

    Parameters
    ----------
    step
        Takes the gates of a time step, the states before and after, what was kept and ∂C/∂(states after); it sets δ of
        the weighted inputs and of the weighted state, and leaves in ∂C/∂(states) what reaches those before past the
        weights.
    grad
        ∂C/∂h of each time step ``(T, N, units)``, from the layers that take it.
    gates, weight, inside, first, back, states, kept
        As :func:`forwards` left them.
    grads
        ∂C/∂(states) after the last step; in the end of the first states.
    delta, recurrent_delta
        δ of the weighted inputs and of the weighted states, which may be one array.
    """
    whole, order, rows = bool(inside.all()), _order(len(gates), back), weight.reshape(-1, weight.shape[-1])
    through = np.empty_like(grads[0])
    for t, earlier in zip(reversed(order), [*reversed(order[:-1]), None], strict=False):
        before = first if earlier is None else tuple(each[earlier] for each in states)
        np.add(grads[0], grad[t], out=grads[0])
        beyond = inside[t] == 0
        aside = [] if whole else [each[beyond] for each in grads]
        for each in grads if aside else ():
            each[beyond] = 0
        step(gates[t], before, tuple(each[t] for each in states), kept[t], grads, delta[t], recurrent_delta[t])
        product.definition(recurrent_delta[t].reshape(len(through), len(rows)), rows, through)
        np.add(grads[0], through, out=grads[0])
        for each, part in zip(grads, aside, strict=False):
            each[beyond] += part


def rnn_step(gates: Array, recurrent: Array, _before: Arrays, after: Arrays, _kept: Array) -> None:
    """Go one step: h ← tanh(gates + recurrent)."""
    np.tanh(np.add(gates, recurrent, out=gates)[:, 0], out=after[0])


def rnn_step_back(
    _gates: Array,
    _before: Arrays,
    after: Arrays,
    _kept: Array,
    grads: Arrays,
    delta: Array,
    _recurrent_delta: Array,
) -> None:
    """Go one step back: δ ← ∂C/∂h ⊙ (1 − h²)."""
    np.multiply(_one_minus_square(after[0], delta[:, 0]), grads[0], out=delta[:, 0])
    grads[0][...] = 0


def lstm_step(gates: Array, recurrent: Array, before: Arrays, after: Arrays, kept: Array) -> None:
    """Go one step: i, f, o ← σ(gates + recurrent), g ← tanh; c ← f ⊙ c_prev + i ⊙ g; h ← o ⊙ tanh c, which is kept."""
    (_, c_prev), (h, c) = before, after
    gates += recurrent
    i, f, g, o = (gates[:, k] for k in range(4))
    sigmoid.definition(gates[:, :2], gates[:, :2])
    sigmoid.definition(o, o)
    np.tanh(g, out=g)
    np.multiply(f, c_prev, out=c)
    c += np.multiply(i, g, out=kept)
    np.multiply(o, np.tanh(c, out=kept), out=h)


def lstm_step_back(
    gates: Array,
    before: Arrays,
    _after: Arrays,
    kept: Array,
    grads: Arrays,
    delta: Array,
    _recurrent_delta: Array,
) -> None:
    """Go one step back: δ of the four weighted inputs; ∂C/∂c becomes ∂C/∂c_prev."""
    (grad_h, grad_c), c_prev = grads, before[1]
    (i, f, g, o), (d_i, d_f, d_g, d_o) = ([each[:, k] for k in range(4)] for each in (gates, delta))
    np.multiply(grad_h, o, out=d_o)
    grad_c += np.multiply(d_o, _one_minus_square(kept, d_i), out=d_i)  # through h = o ⊙ tanh c
    np.multiply(np.multiply(grad_h, kept, out=d_o), _slope(o, d_i), out=d_o)
    np.multiply(np.multiply(grad_c, i, out=d_g), _one_minus_square(g, d_i), out=d_g)
    np.multiply(np.multiply(grad_c, c_prev, out=d_f), _slope(f, d_i), out=d_f)
    np.multiply(np.multiply(grad_c, g, out=grad_h), _slope(i, d_i), out=d_i)
    grad_c *= f
    grad_h[...] = 0


def gru_step(bias: Array, gates: Array, recurrent: Array, before: Arrays, after: Arrays, kept: Array) -> None:
    """Go one step: r, u ← σ(gates + recurrent); n ← tanh(gate + r ⊙ q); h ← n + u ⊙ (h_prev − n).

    q is the recurrent part of n with its bias, and kept.
    """
    (h_prev,), (h,) = before, after
    r, u, n = (gates[:, k] for k in range(3))
    gates[:, :2] += recurrent[:, :2]
    sigmoid.definition(gates[:, :2], gates[:, :2])
    np.add(recurrent[:, 2], bias, out=kept)
    n += np.multiply(r, kept, out=h)
    np.tanh(n, out=n)
    np.multiply(np.subtract(h_prev, n, out=h), u, out=h)
    h += n


def gru_step_back(
    gates: Array,
    before: Arrays,
    _after: Arrays,
    kept: Array,
    grads: Arrays,
    delta: Array,
    recurrent_delta: Array,
) -> None:
    """Go one step back: δ of the weighted inputs and of the weighted state; ∂C/∂h becomes what passes the gates by."""
    (grad_h,), (h_prev,) = grads, before
    (r, u, n), (d_r, d_u, d_n) = ([each[:, k] for k in range(3)] for each in (gates, delta))
    np.multiply(np.subtract(h_prev, n, out=d_u), u, out=d_u)
    np.multiply(d_u, grad_h, out=d_u)
    d_u *= np.subtract(1, u, out=d_r)
    np.multiply(np.multiply(grad_h, d_r, out=d_r), _one_minus_square(n, d_n), out=d_n)
    np.multiply(np.multiply(d_n, kept, out=d_r), _slope(r, recurrent_delta[:, 0]), out=d_r)
    recurrent_delta[:, :2] = delta[:, :2]
    np.multiply(d_n, r, out=recurrent_delta[:, 2])
    grad_h *= u


@operation(
    gates="changed ordinary t n 1 h",
    weight="read ordinary 1 h h",
    inside="read t n",
    h0="read ordinary n h",
    back="number",
    h="written t n h",
    cut="n",
    tolerance=256.0,
)
def rnn_steps(gates: Array, weight: Array, inside: Array, h0: Array, back: float, h: Array) -> None:
    """Go through a sequence with a simple RNN: see :func:`forwards` and :func:`rnn_step`."""
    forwards(rnn_step, gates, weight, inside, (h0,), back, (h,), h)


@operation(
    gates="changed ordinary t n 4 h",
    weight="read ordinary 4 h h",
    inside="read t n",
    h0="read ordinary n h",
    c0="read ordinary n h",
    back="number",
    h="written t n h",
    c="written t n h",
    tanh_c="written t n h",
    cut="n",
    tolerance=256.0,
)
def lstm_steps(
    gates: Array, weight: Array, inside: Array, h0: Array, c0: Array, back: float, h: Array, c: Array, tanh_c: Array
) -> None:
    """Go through a sequence with an LSTM: see :func:`forwards` and :func:`lstm_step`."""
    forwards(lstm_step, gates, weight, inside, (h0, c0), back, (h, c), tanh_c)


@operation(
    gates="changed ordinary t n 3 h",
    weight="read ordinary 3 h h",
    bias="read ordinary h",
    inside="read t n",
    h0="read ordinary n h",
    back="number",
    h="written t n h",
    q="written t n h",
    cut="n",
    tolerance=256.0,
)
def gru_steps(
    gates: Array, weight: Array, bias: Array, inside: Array, h0: Array, back: float, h: Array, q: Array
) -> None:
    """Go through a sequence with a GRU: see :func:`forwards` and :func:`gru_step`."""
    forwards(partial(gru_step, bias), gates, weight, inside, (h0,), back, (h,), q)


@operation(
    grad="read ordinary t n h",
    weight="read ordinary 1 h h",
    inside="read t n",
    back="number",
    h="read ordinary t n h",
    grad_h="changed ordinary n h",
    delta="written t n 1 h",
    cut="n",
    tolerance=256.0,
)
def rnn_steps_back(
    grad: Array, weight: Array, inside: Array, back: float, h: Array, grad_h: Array, delta: Array
) -> None:
    """Go back through :func:`rnn_steps`: see :func:`backwards` and :func:`rnn_step_back`."""
    first, states = (grad_h,), (h,)  # δ needs no state before
    backwards(rnn_step_back, grad, delta, weight, inside, first, back, states, h, (grad_h,), delta, delta)


@operation(
    grad="read ordinary t n h",
    gates="read ordinary t n 4 h",
    weight="read ordinary 4 h h",
    inside="read t n",
    c0="read ordinary n h",
    back="number",
    c="read ordinary t n h",
    tanh_c="read ordinary t n h",
    grad_h="changed ordinary n h",
    grad_c="changed ordinary n h",
    delta="written t n 4 h",
    cut="n",
    tolerance=256.0,
)
def lstm_steps_back(
    grad: Array,
    gates: Array,
    weight: Array,
    inside: Array,
    c0: Array,
    back: float,
    c: Array,
    tanh_c: Array,
    grad_h: Array,
    grad_c: Array,
    delta: Array,
) -> None:
    """Go back through :func:`lstm_steps`: see :func:`backwards` and :func:`lstm_step_back`."""
    first, states = (c0, c0), (c, c)  # δ needs no h
    backwards(
        lstm_step_back,
        grad,
        gates,
        weight,
        inside,
        first,
        back,
        states,
        tanh_c,
        (grad_h, grad_c),
        delta,
        delta,
    )


@operation(
    grad="read ordinary t n h",
    gates="read ordinary t n 3 h",
    weight="read ordinary 3 h h",
    inside="read t n",
    h0="read ordinary n h",
    back="number",
    h="read ordinary t n h",
    q="read ordinary t n h",
    grad_h="changed ordinary n h",
    delta="written t n 3 h",
    recurrent_delta="written t n 3 h",
    cut="n",
    tolerance=256.0,
)
def gru_steps_back(
    grad: Array,
    gates: Array,
    weight: Array,
    inside: Array,
    h0: Array,
    back: float,
    h: Array,
    q: Array,
    grad_h: Array,
    delta: Array,
    recurrent_delta: Array,
) -> None:
    """Go back through :func:`gru_steps`: see :func:`backwards` and :func:`gru_step_back`."""
    backwards(gru_step_back, grad, gates, weight, inside, (h0,), back, (h,), q, (grad_h,), delta, recurrent_delta)


def _one_minus_square(values: Array, out: Array) -> Array:
    return np.subtract(1, np.multiply(values, values, out=out), out=out)


def _slope(a: Array, out: Array) -> Array:
    """Return a (1 − a), the derivative of the logistic function."""
    return np.multiply(np.subtract(1, a, out=out), a, out=out)
