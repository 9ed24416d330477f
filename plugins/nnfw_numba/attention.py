"""The operations of nnfw_standard's attention, head by head: products in tiles, and loops over the queries."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw_numba.caching import inner
from nnfw_numba.exponential import exp
from nnfw_numba.tiles import multiply
from nnfw_numba.untyped import Number


@inner
def _turn(rows: Array, factor: float, out: Array) -> None:
    """Transpose: out_dt ← factor rows_td."""
    f = rows.dtype.type(factor)
    for t in range(rows.shape[0]):
        for d in range(rows.shape[1]):
            out[d, t] = rows[t, d] * f


@inner
def _hide(scores: Array, length: float, causal: float, value: Number) -> None:
    """Set what belongs to keys that a query must not see."""
    for s in range(scores.shape[0]):
        hidden = scores[s]
        if s < length:
            hidden = scores[s, : min(s, scores.shape[1]) if causal != 0 else 0]
        for t in range(hidden.size):
            hidden[t] = value


@inner
def _softmax(scores: Array, length: float, causal: float, row: Array, total: Array, out: Array) -> None:
    """Apply softmax over the keys, the first axis, in loops over the queries; `scores` are overwritten."""
    real, queries = scores.dtype.type, scores.shape[1]
    tiny = real(np.finfo(real).tiny)
    _hide(scores, length, causal, real(-np.inf))
    for t in range(queries):
        row[t] = real(np.finfo(real).min)
        total[t] = real(0)
    for s in range(scores.shape[0]):
        for t in range(queries):
            row[t] = scores[s, t] if scores[s, t] > row[t] else row[t]
    for s in range(scores.shape[0]):
        for t in range(queries):
            e = exp(scores[s, t] - row[t])
            scores[s, t] = e
            total[t] += e
    for t in range(queries):
        row[t] = real(1) / (tiny if total[t] < tiny else total[t])
    for s in range(scores.shape[0]):
        for t in range(queries):
            out[s, t] = scores[s, t] * row[t]
    _hide(out, length, causal, real(0))  # NaN too


@inner
def attention_weights(q: Array, k: Array, lengths: Array, causal: float, scale: float, weights: Array) -> None:
    turned, scores = np.empty((q.shape[3], q.shape[1]), q.dtype), np.empty((k.shape[1], q.shape[1]), q.dtype)
    row, total = np.empty(q.shape[1], q.dtype), np.empty(q.shape[1], q.dtype)
    for n in range(q.shape[0]):
        for h in range(q.shape[2]):
            _turn(q[n, :, h], scale, turned)
            multiply(k[n, :, h * k.shape[2] // q.shape[2]], turned, scores)
            _softmax(scores, lengths[n], causal, row, total, weights[n, h])


@inner
def attention_values(weights: Array, v: Array, out: Array) -> None:
    for n in range(out.shape[0]):
        for h in range(out.shape[2]):
            multiply(weights[n, h].T, v[n, :, h * v.shape[2] // out.shape[2]], out[n, :, h])


@inner
def _add_product(a: Array, b: Array, out: Array, terms: Array, first: bool) -> None:
    """Set out to a b, or add a b to it if this is not the first product; `terms` is overwritten."""
    if first:
        multiply(a, b, out)
        return
    multiply(a, b, terms)
    for s in range(out.shape[0]):
        for d in range(out.shape[1]):
            out[s, d] += terms[s, d]


@inner
def attention_values_delta(delta: Array, weights: Array, v: Array, grad_weights: Array, grad_v: Array) -> None:
    turned, terms = np.empty((delta.shape[3], delta.shape[1]), v.dtype), np.empty((v.shape[1], v.shape[3]), v.dtype)
    share = delta.shape[2] // max(1, v.shape[2])
    for n in range(delta.shape[0]):
        for h in range(delta.shape[2]):
            _turn(delta[n, :, h], 1.0, turned)
            multiply(v[n, :, h // share], turned, grad_weights[n, h])
            _add_product(weights[n, h], delta[n, :, h], grad_v[n, :, h // share], terms, h % share == 0)


@inner
def _softmax_delta(grad: Array, weights: Array, scale: float, share: Array) -> None:
    """Make ∂C/∂weights of one head δ of what softmax takes."""
    f = grad.dtype.type(scale)
    for t in range(grad.shape[1]):
        share[t] = grad.dtype.type(0)
    for s in range(grad.shape[0]):
        for t in range(grad.shape[1]):
            share[t] += grad[s, t] * weights[s, t]
    for s in range(grad.shape[0]):
        for t in range(grad.shape[1]):
            grad[s, t] = (grad[s, t] - share[t]) * weights[s, t] * f


@inner
def attention_weights_delta(
    grad: Array, weights: Array, q: Array, k: Array, scale: float, grad_q: Array, grad_k: Array
) -> None:
    shares, terms = np.empty(q.shape[1], k.dtype), np.empty((k.shape[1], k.shape[3]), k.dtype)
    share = q.shape[2] // max(1, k.shape[2])
    for n in range(q.shape[0]):
        for h in range(q.shape[2]):
            _softmax_delta(grad[n, h], weights[n, h], scale, shares)
            multiply(grad[n, h].T, k[n, :, h // share], grad_q[n, :, h])
            _add_product(grad[n, h], q[n, :, h], grad_k[n, :, h // share], terms, h % share == 0)


@inner
def rotate(values: Array, cosine: Array, sine: Array, direction: float) -> None:
    f = values.dtype.type(direction)
    for n in range(values.shape[0]):
        for t in range(values.shape[1]):
            for h in range(values.shape[2]):
                for e in range(values.shape[4]):
                    a, b, turned = values[n, t, h, 0, e], values[n, t, h, 1, e], sine[t, e] * f
                    values[n, t, h, 0, e] = a * cosine[t, e] - b * turned
                    values[n, t, h, 1, e] = a * turned + b * cosine[t, e]
