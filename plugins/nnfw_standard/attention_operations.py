"""The operations of attention, defined in NumPy.

Queries and keys are ``(n, t, h, d)`` and ``(n, s, g, d)``: n examples, t queries, s keys, h heads of queries and
g of keys; h / g heads of queries share one of keys. Weights are ``(n, h, s, t)``: the queries lie side by side.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation


@operation(
    q="read n t h d",
    k="read n s g d",
    lengths="read positive n",
    causal="number",
    scale="number",
    weights="written n h s t",
    cut="n",
    tolerance=64.0,
)
def attention_weights(q: Array, k: Array, lengths: Array, causal: float, scale: float, weights: Array) -> None:
    """Weigh the keys for each query: weights ← softmax over s of scale q·k.

    Keys beyond a length and, if causal, those after the query have weights of 0. So have all, where none is left.
    """
    turned = _by_groups(q * q.dtype.type(scale), k.shape[2]).swapaxes(-1, -2)
    np.matmul(_of_groups(k), turned, out=_heads_by_groups(weights, k.shape[2]))
    hidden = _hidden(lengths, causal, weights)
    if hidden is not None:
        np.copyto(weights, -np.inf, where=hidden)
    kind = np.finfo(weights.dtype)
    weights -= np.maximum.reduce(weights, axis=2, keepdims=True, initial=kind.min)
    np.exp(weights, out=weights)
    weights /= np.maximum(np.add.reduce(weights, axis=2, keepdims=True), kind.tiny)
    if hidden is not None:  # NaN too
        np.copyto(weights, 0, where=hidden)


@operation(weights="read n h s t", v="read n s g d", out="written n t h d", cut="n", tolerance=64.0)
def attention_values(weights: Array, v: Array, out: Array) -> None:
    """Sum the values by their weights: out_t ← Σ_s weights_st v_s."""
    groups = v.shape[2]
    np.matmul(_heads_by_groups(weights, groups).swapaxes(-1, -2), _of_groups(v), out=_by_groups(out, groups))


@operation(
    delta="read n t h d",
    weights="read n h s t",
    v="read n s g d",
    grad_weights="written n h s t",
    grad_v="written n s g d",
    cut="n",
    tolerance=64.0,
)
def attention_values_delta(delta: Array, weights: Array, v: Array, grad_weights: Array, grad_v: Array) -> None:
    """Go back through :func:`attention_values`: ∂C/∂weights_st ← v_s·δ_t, ∂C/∂v_s ← Σ_t weights_st δ_t."""
    groups = v.shape[2]
    by_groups = _by_groups(delta, groups)
    np.matmul(_of_groups(v), by_groups.swapaxes(-1, -2), out=_heads_by_groups(grad_weights, groups))
    _sum_groups(np.matmul(_heads_by_groups(weights, groups), by_groups), grad_v)


@operation(
    grad="changed n h s t",
    weights="read n h s t",
    q="read n t h d",
    k="read n s g d",
    scale="number",
    grad_q="written n t h d",
    grad_k="written n s g d",
    cut="n",
    tolerance=64.0,
)
def attention_weights_delta(
    grad: Array, weights: Array, q: Array, k: Array, scale: float, grad_q: Array, grad_k: Array
) -> None:
    """Go back through :func:`attention_weights`: ∂C/∂q_t ← Σ_s δ_st k_s, ∂C/∂k_s ← Σ_t δ_st q_t.

    `grad`, ∂C/∂weights, becomes δ_st = scale weights_st (grad_st − Σ_r weights_rt grad_rt).
    """
    groups = k.shape[2]
    grad -= np.einsum("nhst,nhst->nht", grad, weights)[:, :, np.newaxis]
    grad *= weights
    grad *= scale
    by_groups = _heads_by_groups(grad, groups)
    np.matmul(by_groups.swapaxes(-1, -2), _of_groups(k), out=_by_groups(grad_q, groups))
    _sum_groups(np.matmul(by_groups, _by_groups(q, groups)), grad_k)


@operation(values="changed n t h 2 e", cosine="read t e", sine="read t e", direction="number", cut="n")
def rotate(values: Array, cosine: Array, sine: Array, direction: float) -> None:
    """Turn pairs by an angle for each time step: (a, b) ← (a cos − b sin, a sin + b cos), `sine` times `direction`."""
    turned = sine * sine.dtype.type(direction)
    a, b = values[:, :, :, 0].copy(), values[:, :, :, 1]
    cosine, turned = cosine[:, np.newaxis], turned[:, np.newaxis]
    values[:, :, :, 0] = a * cosine - b * turned
    values[:, :, :, 1] = a * turned + b * cosine


def _of_groups(keys: Array) -> Array:
    """Return keys or values as ``(n, g, 1, s, d)``."""
    return keys.swapaxes(1, 2)[:, :, np.newaxis]


def _by_groups(queries: Array, groups: int) -> Array:
    """Return queries, or results for them, as ``(n, g, h / g, t, d)``: a view."""
    n, t, h, d = queries.shape
    return queries.reshape(n, t, groups, h // groups, d).transpose(0, 2, 3, 1, 4)


def _heads_by_groups(weights: Array, groups: int) -> Array:
    """Return weights as ``(n, g, h / g, s, t)``: a view."""
    n, h, s, t = weights.shape
    return weights.reshape(n, groups, h // groups, s, t)


def _sum_groups(terms: Array, out: Array) -> None:
    """Sum what the heads of a group give, ``(n, g, h / g, s, d)``, for their keys ``(n, s, g, d)``."""
    np.add.reduce(terms, axis=2, out=out.swapaxes(1, 2))


def _hidden(lengths: Array, causal: float, weights: Array) -> Array | None:
    """Return which weights must be 0, ``(n, h, s, t)``; None if there are none."""
    steps, queries = weights.shape[2:]
    keys = np.arange(steps)
    found = ~(keys < lengths[:, np.newaxis])[:, np.newaxis, :, np.newaxis]
    if causal:
        found = found | (keys[:, np.newaxis] > np.arange(queries))
    return np.broadcast_to(found, weights.shape) if found.any() else None
