"""The operations of the standard components, defined in NumPy. Engines must give the same results.

An operation works on whole arrays, writes its results into its arguments, and keeps no state. Examples are rows.
Results have the dtype of the arrays; costs are summed in float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from math import inf
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation
from nnfw.machine import sum_of_squares

BLOCK = 1 << 16
"""Elements processed at a time: few enough to stay in the processor's cache."""


@operation(z="read n ...", out="written n ...", cut="n")
def sigmoid(z: Array, out: Array) -> None:
    """Apply the logistic function: out ← 1 / (1 + e^−z), bounded below by its value where e^−z would overflow."""
    # the fastest stable form; the relative error is a few ε everywhere, in the left tail too
    limit, one = _limit_and_one(z.dtype)
    np.minimum(np.negative(z, out=out), limit, out=out)
    np.add(np.exp(out, out=out), one, out=out)
    np.reciprocal(out, out=out)


@operation(grad_a="read n ...", a="read n ...", out="written n ...", cut="n")
def sigmoid_delta(grad_a: Array, a: Array, out: Array) -> None:
    """δ of the sigmoid: out ← ∂C/∂a ⊙ a (1 − a)."""
    _, one = _limit_and_one(a.dtype)
    np.subtract(one, a, out=out)
    np.multiply(out, a, out=out)
    np.multiply(grad_a, out, out=out)


@operation(z="read n ...", out="written n ...", cut="n")
def tanh(z: Array, out: Array) -> None:
    """Apply the hyperbolic tangent: out ← tanh z."""
    np.tanh(z, out=out)


@operation(grad_a="read n ...", a="read n ...", out="written n ...", cut="n")
def tanh_delta(grad_a: Array, a: Array, out: Array) -> None:
    """δ of tanh: out ← ∂C/∂a ⊙ (1 − a²)."""
    np.multiply(a, a, out=out)
    np.subtract(1, out, out=out)
    np.multiply(grad_a, out, out=out)


@operation(u="read float32 n ...", rate="number", factor="number", mask="written n ...", cut="n")
def dropout_mask(u: Array, rate: float, factor: float, mask: Array) -> None:
    """Choose which values stay: mask ← factor where u ≥ rate, else 0."""
    np.greater_equal(u, rate, out=mask)
    mask *= factor


@operation(z="read n ...", out="written n ...", cut="n")
def relu(z: Array, out: Array) -> None:
    """Apply the rectifier: out ← max(0, z)."""
    np.maximum(z, 0, out=out)


@operation(grad_a="read n ...", a="read n ...", out="written n ...", cut="n")
def relu_delta(grad_a: Array, a: Array, out: Array) -> None:
    """δ of the rectifier: out ← ∂C/∂a ⊙ sign(a), where a = max(0, z)."""
    np.multiply(grad_a, np.sign(a, out=out), out=out)


@operation(z="read n ... k", row="scratch n ... 1", out="written n ... k", cut="n")
def softmax(z: Array, row: Array, out: Array) -> None:
    """Apply softmax over the last axis: out ← e^z_j / Σ_k e^z_k; `row` ``(..., 1)`` is overwritten."""
    np.exp(shifted(z, row, out), out=out)
    np.einsum("...k->...", out, out=row[..., 0])  # sums short rows several times faster than np.sum
    np.divide(out, row, out=out)


def shifted(z: Array, row: Array | None = None, out: Array | None = None) -> Array:
    """Return z_j − max_k z_k over the last axis: the start of softmax, log-softmax and their cost.

    Finite for every finite z, which is clipped to a quarter of the largest finite number. A row with an infinite z or
    NaN becomes NaN, so that an overflow in the network does not go unnoticed.

    Parameters
    ----------
    z
        ``(..., K)``
    row
        A buffer ``(..., 1)``, overwritten; by default a new one.
    out
        A buffer shaped like `z` for the result; by default a new one.
    """
    quarter = _quarter(z.dtype)
    # one call bounds every z²; in this form NaN exceeds every limit
    if not sum_of_squares(z) <= quarter and not (-quarter <= z.min(initial=0) and z.max(initial=0) <= quarter):
        wrong = ~np.isfinite(z)
        z = np.clip(z, -quarter, quarter, out=out)
        z[wrong] = np.nan
    largest: Array = np.maximum.reduce(z, axis=-1, keepdims=True, out=row)
    return np.subtract(z, largest, out=out)


@operation(a="read n ...", y="read n ...", count="number positive", out="written n ...", cut="n")
def residual(a: Array, y: Array, count: float, out: Array) -> None:
    """∂C/∂a of half the squared distance, and δ of the canonical pairs: out ← (a − y)/count."""
    np.subtract(a, y, out=out)
    out /= count


@operation(
    a="read n ... k", y="read n ... k", smoothing="number", count="number positive", out="written n ... k", cut="n"
)
def label_residual(a: Array, y: Array, smoothing: float, count: float, out: Array) -> None:
    """δ^L of softmax with cross-entropy: out ← (a − y')/count, where y' = (1 − smoothing) y + smoothing/K.

    `y` holds rows of probabilities.
    """
    _residual_of_labels(a, y, smoothing, count, out)


@operation(
    a="read n ... k",
    y="read index<k n ...",
    smoothing="number",
    count="number positive",
    out="written n ... k",
    cut="n",
)
def class_residual(a: Array, y: Array, smoothing: float, count: float, out: Array) -> None:
    """δ^L of softmax with cross-entropy, as :func:`label_residual`, for classes instead of rows."""
    _residual_of_labels(a, y, smoothing, count, out)


def _residual_of_labels(a: Array, y: Array, smoothing: float, count: float, out: Array) -> None:
    negative_labels(y, smoothing, out)
    out += a
    out /= count


def negative_labels(y: Array, smoothing: float, out: Array) -> None:
    """Write −y' into `out`, for `y` as rows of probabilities or classes; y' as in :func:`label_residual`."""
    share, uniform = 1 - smoothing, smoothing / out.shape[-1]
    if y.ndim == out.ndim:
        np.multiply(y, -share, out=out)
        out -= uniform
        return
    out.fill(-uniform)
    for rows in _rows(out):
        part = out[rows]
        part[(*np.indices(part.shape[:-1], sparse=True), y[rows])] -= share


@operation(gradient="changed n ...", weight="read positive n", cut="n")
def weigh(gradient: Array, weight: Array) -> None:
    """Weight the examples: gradient_i ← w_i gradient_i."""
    gradient *= weight.reshape(-1, *[1] * (gradient.ndim - 1))


@operation(a="read n ...", y="read n ...", count="number positive", total="written float64 1")
def squared_distance(a: Array, y: Array, count: float, total: Array) -> None:
    """Compute the squared distance: total ← Σ (a − y)² / count."""
    distance = 0.0
    for rows in _rows(a):
        r = a[rows] - y[rows].astype(a.dtype, copy=False)
        distance += float(np.add.reduce(np.multiply(r, r, out=r), axis=None, dtype=np.float64))
    total[0] = distance / count


@operation(z="read n ...", y="read n ...", count="number positive", total="written float64 1")
def logistic_loss(z: Array, y: Array, count: float, total: Array) -> None:
    """Compute the cost of binary labels, a = 1 / (1 + e^−z): total ← −Σ (y log a + (1 − y) log(1 − a)) / count.

    Computed as Σ (max(z, 0) − y z + log(1 + e^−|z|)) / count.
    """
    total[0] = sum(float(logistic_terms(z[rows], y[rows]).sum(dtype=np.float64)) for rows in _rows(z)) / count


def logistic_terms(z: Array, y: Array) -> Array:
    """Return max(z, 0) − y z + log(1 + e^−|z|)."""
    y = y.astype(z.dtype, copy=False)
    return np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))  # type: ignore[no-any-return]


@operation(z="read n k", y="read index<k n", count="number positive", total="written float64 1")
def class_loss(z: Array, y: Array, count: float, total: Array) -> None:
    """Compute the cost of classes, a = softmax(z) ``(N, K)``: total ← −Σ_i log a_i,y_i / count."""
    loss = 0.0
    for rows in _rows(z):
        log_a = shifted(z[rows])
        chosen = log_a[np.arange(len(log_a)), y[rows]]
        terms = np.log(np.einsum("ik->i", np.exp(log_a, out=log_a))) - chosen
        loss += float(terms.sum(dtype=np.float64))
    total[0] = loss / count


@operation(gradient="changed n", weights="read n", rate="number", cut="n")
def add_signs(gradient: Array, weights: Array, rate: float) -> None:
    """∂Ω/∂w of the sum of absolute values: gradient ← gradient + rate sign(w)."""
    for block in _blocks(weights, BLOCK // 4):  # bounds the temporary array
        slope = np.sign(weights[block])
        slope *= rate
        gradient[block] += slope


@operation(gradient="changed n", norm="number")
def clip(gradient: Array, norm: float) -> None:
    """Scale a gradient to the Euclidean norm `norm` if its own is larger.

    A gradient that is not finite stays unchanged: scaling cannot repair it.

    Examples
    --------
    >>> g = np.array([3.0, 4.0])
    >>> clip(g, 1.0)
    >>> g
    array([0.6, 0.8])
    """
    from scipy.linalg import norm as euclidean_norm  # BLAS nrm2: squares do not overflow

    length = float(euclidean_norm(gradient, check_finite=False))
    if norm < length < inf:
        gradient *= norm / length


@operation(vector="changed n", gradient="consumed n", rate="number", cut="n")
def sgd(vector: Array, gradient: Array, rate: float) -> None:
    """Gradient descent: θ ← θ − rate g; g is overwritten."""
    for block in _blocks(vector):
        g, theta = gradient[block], vector[block]
        g *= rate
        theta -= g


@operation(
    vector="changed n",
    gradient="consumed n",
    velocity="changed n",
    kept="number",
    rate="number",
    nesterov="number",
    cut="n",
)
def momentum(vector: Array, gradient: Array, velocity: Array, kept: float, rate: float, nesterov: bool) -> None:
    """Momentum: v ← kept v + g; θ ← θ − rate v, or with `nesterov` θ ← θ − rate (g + kept v); g is overwritten."""
    for block in _blocks(vector):
        g, v = gradient[block], velocity[block]
        v *= kept
        v += g
        if nesterov:
            g *= rate
            vector[block] -= g
            np.multiply(v, rate * kept, out=g)
        else:
            np.multiply(v, rate, out=g)
        vector[block] -= g


@operation(
    vector="changed n",
    gradient="consumed n",
    mean="changed n",
    square="changed positive n",
    kept_mean="number",
    kept_square="number",
    rate="number",
    epsilon="number positive",
    cut="n",
)
def adam(
    vector: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    kept_mean: float,
    kept_square: float,
    rate: float,
    epsilon: float,
) -> None:
    """Adam: m ← kept_mean m + g; s ← kept_square s + g²; θ ← θ − rate m / (√s + epsilon); g is overwritten."""
    for block in _blocks(vector):
        g, m, s = gradient[block], mean[block], square[block]
        m *= kept_mean
        m += g
        s *= kept_square
        s += np.multiply(g, g, out=g)
        root = np.sqrt(s, out=g)
        root += epsilon
        np.divide(m, root, out=g)
        g *= rate
        vector[block] -= g


@operation(
    vector="changed n",
    gradient="consumed n",
    square="changed positive n",
    scratch="scratch n",
    kept="number",
    rate="number",
    epsilon="number positive",
    cut="n",
)
def rmsprop(
    vector: Array, gradient: Array, square: Array, scratch: Array, kept: float, rate: float, epsilon: float
) -> None:
    """RMSProp: s ← kept s + g²; θ ← θ − rate g / (√s + epsilon); g and `scratch` are overwritten."""
    for block in _blocks(vector):
        g, s, root = gradient[block], square[block], scratch[block]
        if kept != 1:
            s *= kept
        s += np.multiply(g, g, out=root)
        np.sqrt(s, out=root)
        root += epsilon
        g /= root
        g *= rate
        vector[block] -= g


@cache
def exp_limit(dtype: np.dtype[Any]) -> float:
    """Return the largest whole number whose exponential is finite: 88 in float32, 709 in float64."""
    return float(np.floor(np.log(np.finfo(dtype).max)))


@cache
def _limit_and_one(dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return :func:`exp_limit` and 1 as arrays: converting a Python number costs as much as a small operation."""
    return np.array(exp_limit(dtype), dtype), np.array(1, dtype)


@cache
def _quarter(dtype: np.dtype[Any]) -> float:
    """Return a quarter of the largest finite number: differences of numbers up to this do not overflow."""
    return float(np.finfo(dtype).max) / 4


def _blocks(vector: Array, size: int = 0) -> Iterator[slice]:
    size = size or BLOCK
    for start in range(0, len(vector), size):
        yield slice(start, start + size)


def _rows(a: Array) -> Iterable[slice]:
    """Return slices of half a block of rows, at least one row, to bound temporary arrays."""
    if 2 * a.size <= BLOCK:
        return (slice(None),)
    count = max(1, BLOCK // 2 * len(a) // a.size)
    return (slice(start, start + count) for start in range(0, len(a), count))
