"""The operations of layers that go through a sequence step by step, defined in NumPy.

Examples are rows; gates lie side by side, ``(N, gates, units)``.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation
from nnfw_standard.operations import sigmoid


@operation(source="read any n m ...", out="written any m n ...", cut="n")
def swap(source: Array, out: Array) -> None:
    """Exchange the first two axes: out_ji ← source_ij."""
    np.copyto(out, source.swapaxes(0, 1))


@operation(row="read ...", out="written n ...", cut="n")
def repeat_row(row: Array, out: Array) -> None:
    """Give every example the same row: out_i ← row."""
    out[...] = row


@operation(values="changed n h", index="read int64 n", number="number whole", cut="n")
def clear_index(values: Array, index: Array, number: int) -> None:
    """Set the rows of one index to 0: values_i ← 0 where index_i = number."""
    values[index == number] = 0


@operation(inside="read n", before="read n h", state="changed n h", cut="n")
def hold(inside: Array, before: Array, state: Array) -> None:
    """Leave a state as it was beyond the end of a sequence: state_i ← before_i where inside_i = 0."""
    np.copyto(state, before, where=inside[:, np.newaxis] == 0)


@operation(inside="read n", values="changed n h", kept="written n h", cut="n")
def set_aside(inside: Array, values: Array, kept: Array) -> None:
    """Take what passes a step by: kept_i ← values_i and values_i ← 0 where inside_i = 0; elsewhere kept_i ← 0."""
    beyond = inside == 0
    kept[...] = 0
    kept[beyond] = values[beyond]
    values[beyond] = 0


@operation(
    gates="changed n 4 h",
    recurrent="read n 4 h",
    c_prev="read n h",
    c="written n h",
    tanh_c="written n h",
    h="written n h",
    cut="n",
    tolerance=16.0,
)
def lstm(gates: Array, recurrent: Array, c_prev: Array, c: Array, tanh_c: Array, h: Array) -> None:
    """Go one step with an LSTM: i, f, o ← σ(gates + recurrent), g ← tanh; c ← f ⊙ c_prev + i ⊙ g; h ← o ⊙ tanh c."""
    gates += recurrent
    i, f, g, o = (gates[:, k] for k in range(4))
    sigmoid.definition(gates[:, :2], gates[:, :2])
    sigmoid.definition(o, o)
    np.tanh(g, out=g)
    np.multiply(f, c_prev, out=c)
    c += np.multiply(i, g, out=tanh_c)
    np.multiply(o, np.tanh(c, out=tanh_c), out=h)


@operation(
    grad_h="read n h",
    grad_c="changed n h",
    gates="read n 4 h",
    c_prev="read n h",
    tanh_c="read n h",
    delta="written n 4 h",
    cut="n",
    tolerance=16.0,
)
def lstm_delta(grad_h: Array, grad_c: Array, gates: Array, c_prev: Array, tanh_c: Array, delta: Array) -> None:
    """δ of the four weighted inputs of :func:`lstm`; grad_c, from the step after, becomes ∂C/∂c_prev."""
    (i, f, g, o), (d_i, d_f, d_g, d_o) = ([each[:, k] for k in range(4)] for each in (gates, delta))
    np.multiply(grad_h, o, out=d_o)
    grad_c += np.multiply(d_o, _one_minus_square(tanh_c, d_i), out=d_i)  # through h = o ⊙ tanh c
    np.multiply(np.multiply(d_o, tanh_c, out=d_o), np.subtract(1, o, out=d_i), out=d_o)
    np.multiply(np.multiply(grad_c, i, out=d_g), _one_minus_square(g, d_i), out=d_g)
    np.multiply(np.multiply(grad_c, i, out=d_i), g, out=d_i)
    d_i *= np.subtract(1, i, out=d_f)
    grad_c *= f
    np.multiply(np.multiply(grad_c, c_prev, out=d_f), 1 - f, out=d_f)


@operation(
    gates="changed n 3 h",
    recurrent="read n 3 h",
    bias="read h",
    h_prev="read n h",
    candidate="written n h",
    h="written n h",
    cut="n",
    tolerance=16.0,
)
def gru(gates: Array, recurrent: Array, bias: Array, h_prev: Array, candidate: Array, h: Array) -> None:
    """Go one step with a GRU: r, u ← σ(gates + recurrent); n ← tanh(gate + r ⊙ candidate); h ← n + u ⊙ (h_prev − n).

    The candidate is the recurrent part of n with its bias.
    """
    r, u, n = (gates[:, k] for k in range(3))
    gates[:, :2] += recurrent[:, :2]
    sigmoid.definition(gates[:, :2], gates[:, :2])
    np.add(recurrent[:, 2], bias, out=candidate)
    n += np.multiply(r, candidate, out=h)
    np.tanh(n, out=n)
    np.multiply(np.subtract(h_prev, n, out=h), u, out=h)
    h += n


@operation(
    grad_h="changed n h",
    gates="read n 3 h",
    h_prev="read n h",
    candidate="read n h",
    delta="written n 3 h",
    recurrent_delta="written n 3 h",
    cut="n",
    tolerance=16.0,
)
def gru_delta(
    grad_h: Array, gates: Array, h_prev: Array, candidate: Array, delta: Array, recurrent_delta: Array
) -> None:
    """δ of the weighted inputs of :func:`gru` and of its recurrent ones; grad_h becomes what passes the gates by."""
    (r, u, n), (d_r, d_u, d_n) = ([each[:, k] for k in range(3)] for each in (gates, delta))
    np.multiply(np.subtract(h_prev, n, out=d_u), u, out=d_u)
    np.multiply(d_u, grad_h, out=d_u)
    d_u *= np.subtract(1, u, out=d_r)
    np.multiply(np.multiply(grad_h, d_r, out=d_r), _one_minus_square(n, d_n), out=d_n)
    np.multiply(np.multiply(d_n, candidate, out=d_r), r, out=d_r)
    d_r *= 1 - r
    recurrent_delta[:, :2] = delta[:, :2]
    np.multiply(d_n, r, out=recurrent_delta[:, 2])
    grad_h *= u


def _one_minus_square(values: Array, out: Array) -> Array:
    return np.subtract(1, np.multiply(values, values, out=out), out=out)
