"""The operations of the standard components, defined in NumPy. Engines must give the same results.

An operation works on whole arrays, writes its results into its arguments, and keeps no state. Examples are rows.
Results have the dtype of the arrays; costs are summed in float64.
"""

from __future__ import annotations

from functools import cache
from math import inf, prod, sqrt
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation
from nnfw.data import row_blocks
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


@operation(rows="read n ...", index="read index<m n", out="written m ...", cut="...")
def scatter_add(rows: Array, index: Array, out: Array) -> None:
    """Sum rows by index: out_k ← Σ rows_i over all i with index_i = k."""
    out[...] = 0
    if not out.flags.c_contiguous:
        np.add.at(out, index, rows)
        return
    width = out.size // max(1, len(out))
    for block in row_blocks(rows, BLOCK):  # NumPy adds numbers by index several times as fast as rows
        places = index[block, np.newaxis] * width + np.arange(width)
        np.add.at(out.reshape(-1), places.reshape(-1), rows[block].reshape(-1))


@operation(values="changed n h", index="read int64 n", number="number whole", cut="n")
def clear_index(values: Array, index: Array, number: int) -> None:
    """Set the rows of one index to 0: values_i ← 0 where index_i = number."""
    values[index == number] = 0


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


@operation(values="read n t c s", factors="read n c", out="written n t c s", cut="n")
def multiply_channels(values: Array, factors: Array, out: Array) -> None:
    """Multiply each channel of each example by a number of its own: out_itcs ← m_ic values_itcs."""
    np.multiply(values, factors[:, np.newaxis, :, np.newaxis], out=out)


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


_delta_of_rows = operation(
    grad_a="read n ... k", a="read n ... k", row="scratch n ... 1", out="written n ... k", cut="n", tolerance=64.0
)


@_delta_of_rows
def softmax_delta(grad_a: Array, a: Array, row: Array, out: Array) -> None:
    """δ of softmax: out ← a_j (g_j − Σ_k g_k a_k), where g = ∂C/∂a; `row` is overwritten."""
    np.einsum("...k,...k->...", grad_a, a, out=row[..., 0])
    np.multiply(np.subtract(grad_a, row, out=out), a, out=out)


@operation(z="read n ... k", scratch="scratch n ... k", row="written n ... 1", out="written n ... k", cut="n")
def shift(z: Array, scratch: Array, row: Array, out: Array) -> None:
    """Begin log-softmax: out ← z_j − max_k z_k; row ← Σ_k e^out_k; `scratch` is overwritten."""
    np.einsum("...k->...", np.exp(shifted(z, row, out), out=scratch), out=row[..., 0])


@operation(values="changed n ... k", row="consumed positive n ... 1", cut="n")
def subtract_log(values: Array, row: Array) -> None:
    """Complete log-softmax: values ← values − log row; `row` is overwritten."""
    values -= np.log(row, out=row)


@_delta_of_rows
def log_softmax_delta(grad_a: Array, a: Array, row: Array, out: Array) -> None:
    """δ of log-softmax: out ← g_j − e^a_j Σ_k g_k, where g = ∂C/∂a; `row` is overwritten."""
    np.einsum("...k->...", grad_a, out=row[..., 0])
    np.multiply(np.exp(a, out=out), row, out=out)
    np.subtract(grad_a, out, out=out)


@operation(z="read n ... k", out="written n ... k", cut="n", tolerance=64.0)
def sparsemax(z: Array, out: Array) -> None:
    """Apply sparsemax over the last axis: out ← max(z_j − τ, 0), where τ makes the sum 1."""
    count = np.arange(1, z.shape[-1] + 1)
    for rows in row_blocks(z, BLOCK // 64):
        # what lies 1 below the largest z gets no share, so it may be raised to there
        near = np.maximum(shifted(z[rows]), -1)
        descending = -np.sort(-near, axis=-1)
        sums = np.cumsum(descending, axis=-1)
        shares = np.count_nonzero(1 + count * descending > sums, axis=-1, keepdims=True)
        last = np.maximum(shares, 1)  # none in a row of NaN
        threshold = (np.take_along_axis(sums, last - 1, axis=-1) - 1) / last
        np.maximum(near - threshold.astype(z.dtype, copy=False), 0, out=out[rows])


@operation(grad_a="read n ... k", a="read positive n ... k", out="written n ... k", cut="n", tolerance=64.0)
def sparsemax_delta(grad_a: Array, a: Array, out: Array) -> None:
    """δ of sparsemax: out ← g_j − Σ_k g_k s_k / Σ_k s_k where s = [a > 0] is 1, else 0, with g = ∂C/∂a."""
    for rows in row_blocks(a, BLOCK // 64):
        inside = np.sign(a[rows])  # unlike a comparison, this keeps NaN
        kept = grad_a[rows] * inside
        mean = kept.sum(axis=-1, keepdims=True) / np.maximum(inside.sum(axis=-1, keepdims=True), 1)
        np.multiply(inside, grad_a[rows] - mean, out=out[rows])


_slope = operation(a="read n ...", y="read n ...", count="number positive", out="written n ...", cut="n")
_terms = operation(a="read n ...", y="read n ...", out="written n ...", cut="n", tolerance=16.0)


@_slope
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
    for rows in row_blocks(out, BLOCK // 2):
        part = out[rows]
        part[(*np.indices(part.shape[:-1], sparse=True), y[rows])] -= share


@operation(gradient="changed n ...", weight="read positive n", cut="n")
def weigh(gradient: Array, weight: Array) -> None:
    """Weight the examples: gradient_i ← w_i gradient_i."""
    gradient *= weight.reshape(-1, *[1] * (gradient.ndim - 1))


@_terms
def mae_terms(a: Array, y: Array, out: Array) -> None:
    """Give the absolute differences: out ← |a − y|."""
    np.abs(np.subtract(a, y, out=out), out=out)


@_slope
def mae_slope(a: Array, y: Array, count: float, out: Array) -> None:
    """∂C/∂a of the absolute differences: out ← sign(a − y)/count."""
    np.sign(np.subtract(a, y, out=out), out=out)
    out /= count


@operation(a="read n ...", y="read n ...", threshold="number positive", out="written n ...", cut="n")
def huber_terms(a: Array, y: Array, threshold: float, out: Array) -> None:
    """Give Huber's function of r = a − y: out ← r²/2 where |r| ≤ threshold, else threshold (|r| − threshold/2)."""
    distance = np.abs(np.subtract(a, y, out=out), out=out)
    quadratic = np.minimum(distance, threshold)
    distance -= 0.5 * quadratic  # both branches at once, and no square that overflows
    distance *= quadratic


@operation(
    a="read n ...", y="read n ...", threshold="number positive", count="number positive", out="written n ...", cut="n"
)
def huber_slope(a: Array, y: Array, threshold: float, count: float, out: Array) -> None:
    """∂C/∂a of Huber's function: out ← (a − y)/count, the difference clipped to ±threshold."""
    np.clip(np.subtract(a, y, out=out), -threshold, threshold, out=out)
    out /= count


@_terms
def poisson_terms(a: Array, y: Array, out: Array) -> None:
    """Give the negative log-likelihood of counts y: out ← a − y log a."""
    np.log(np.maximum(a, _root_of_smallest(a.dtype), out=out), out=out)
    np.subtract(a, np.multiply(y, out, out=out), out=out)


@_slope
def poisson_slope(a: Array, y: Array, count: float, out: Array) -> None:
    """∂C/∂a of the likelihood of counts: out ← (1 − y/a)/count."""
    np.divide(y, np.maximum(a, _root_of_smallest(a.dtype), out=out), out=out)
    np.subtract(1, out, out=out)
    out /= count


@_terms
def binary_terms(a: Array, y: Array, out: Array) -> None:
    """Give the cost of yes/no labels: out ← −(y log a + (1 − y) log(1 − a)); `a` is clipped to [0, 1]."""
    tiny = smallest(a.dtype)
    a = np.clip(a, 0, 1)
    no = np.log(np.maximum(np.subtract(1, a, out=out), tiny, out=out), out=out)
    no *= 1 - y
    yes = np.log(np.maximum(a, tiny, out=a), out=a)
    np.negative(np.add(np.multiply(y, yes, out=yes), no, out=out), out=out)


@operation(
    a="read n ...", y="read n ...", count="number positive", scratch="scratch n ...", out="written n ...", cut="n"
)
def binary_slope(a: Array, y: Array, count: float, scratch: Array, out: Array) -> None:
    """∂C/∂a of yes/no labels: out ← (a − y)/(a (1 − a))/count; `a` is clipped to [0, 1], `scratch` overwritten."""
    tiny = smallest(a.dtype)
    a = np.clip(a, 0, 1, out=scratch)
    np.subtract(1, a, out=out)
    out *= a
    np.divide(np.subtract(a, y, out=a), np.maximum(out, tiny, out=out), out=out)
    out /= count


@_terms
def logistic_terms(a: Array, y: Array, out: Array) -> None:
    """Give the cost of yes/no labels from z, here `a`: out ← max(z, 0) − y z + log(1 + e^−|z|)."""
    out[...] = _logistic(a, y)


@operation(a="read n ...", out="written n ...", cut="n")
def bounded_log(a: Array, out: Array) -> None:
    """Give logarithms: out ← log a, where `a` counts as the smallest normal number at least."""
    np.log(np.maximum(a, smallest(a.dtype), out=out), out=out)


@operation(log_a="read n ... k", y="read n ... k", smoothing="number", out="written n ...", cut="n")
def label_terms(log_a: Array, y: Array, smoothing: float, out: Array) -> None:
    """Give the cost of rows of probabilities: out ← −Σ_k y'_k log a_k; y' as in :func:`label_residual`."""
    np.negative(np.einsum("...k,...k->...", log_a, y, out=out), out=out)
    _smooth(log_a, smoothing, out)


@operation(log_a="read n ... k", y="read index<k n ...", smoothing="number", out="written n ...", cut="n")
def class_terms(log_a: Array, y: Array, smoothing: float, out: Array) -> None:
    """Give the cost of classes: as :func:`label_terms`, for rows with a single 1."""
    np.negative(np.take_along_axis(log_a, y[..., np.newaxis], axis=-1)[..., 0], out=out)
    _smooth(log_a, smoothing, out)


def _smooth(log_a: Array, smoothing: float, out: Array) -> None:
    if smoothing:
        out *= 1 - smoothing
        # each logarithm gets its factor before they are summed, so that the sum cannot overflow
        out -= np.einsum("...k->...", log_a * (smoothing / log_a.shape[-1]))


@operation(
    a="read n ... k",
    y="read n ... k",
    smoothing="number",
    count="number positive",
    scratch="scratch n ... k",
    out="written n ... k",
    cut="n",
)
def label_slope(a: Array, y: Array, smoothing: float, count: float, scratch: Array, out: Array) -> None:
    """∂C/∂a of rows of probabilities: out ← −y'/a/count; y' as in :func:`label_residual`; `scratch` overwritten."""
    _slope_of_labels(a, y, smoothing, count, scratch, out)


@operation(
    a="read n ... k",
    y="read index<k n ...",
    smoothing="number",
    count="number positive",
    scratch="scratch n ... k",
    out="written n ... k",
    cut="n",
)
def class_slope(a: Array, y: Array, smoothing: float, count: float, scratch: Array, out: Array) -> None:
    """∂C/∂a of classes: as :func:`label_slope`, for rows with a single 1."""
    _slope_of_labels(a, y, smoothing, count, scratch, out)


def _slope_of_labels(a: Array, y: Array, smoothing: float, count: float, scratch: Array, out: Array) -> None:
    negative_labels(y, smoothing, out)
    out /= np.maximum(a, smallest(a.dtype), out=scratch)
    out /= count


@operation(terms="read n ...", count="number positive", total="written float64 1")
def mean(terms: Array, count: float, total: Array) -> None:
    """Give the mean over the examples: total ← Σ terms / count."""
    total[0] = float(terms.sum(dtype=np.float64)) / count


@operation(terms="read n ...", weight="read positive n", count="number positive", total="written float64 1")
def weighted_mean(terms: Array, weight: Array, count: float, total: Array) -> None:
    """Give the mean over the examples, each with its weight: total ← Σ_i w_i Σ_j terms_ij / count."""
    sums = np.einsum("ij->i", terms.reshape(len(terms), prod(terms.shape[1:]))) * weight
    total[0] = float(sums.sum(dtype=np.float64)) / count


@operation(a="read n ...", y="read n ...", count="number positive", total="written float64 1")
def squared_distance(a: Array, y: Array, count: float, total: Array) -> None:
    """Compute the squared distance: total ← Σ (a − y)² / count."""
    distance = 0.0
    for rows in row_blocks(a, BLOCK // 2):
        r = a[rows] - y[rows].astype(a.dtype, copy=False)
        distance += float(np.add.reduce(np.multiply(r, r, out=r), axis=None, dtype=np.float64))
    total[0] = distance / count


@operation(z="read n ...", y="read n ...", count="number positive", total="written float64 1")
def logistic_loss(z: Array, y: Array, count: float, total: Array) -> None:
    """Compute the cost of binary labels, a = 1 / (1 + e^−z): total ← −Σ (y log a + (1 − y) log(1 − a)) / count.

    Computed as Σ (max(z, 0) − y z + log(1 + e^−|z|)) / count.
    """
    total[0] = (
        sum(float(_logistic(z[rows], y[rows]).sum(dtype=np.float64)) for rows in row_blocks(z, BLOCK // 2)) / count
    )


def _logistic(z: Array, y: Array) -> Array:
    """Return max(z, 0) − y z + log(1 + e^−|z|)."""
    y = y.astype(z.dtype, copy=False)
    return np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))  # type: ignore[no-any-return]


@operation(z="read n k", y="read index<k n", count="number positive", total="written float64 1")
def class_loss(z: Array, y: Array, count: float, total: Array) -> None:
    """Compute the cost of classes, a = softmax(z) ``(N, K)``: total ← −Σ_i log a_i,y_i / count."""
    loss = 0.0
    for rows in row_blocks(z, BLOCK // 2):
        log_a = shifted(z[rows])
        chosen = log_a[np.arange(len(log_a)), y[rows]]
        terms = np.log(np.einsum("ik->i", np.exp(log_a, out=log_a))) - chosen
        loss += float(terms.sum(dtype=np.float64))
    total[0] = loss / count


@operation(a="read n k", y="read int64 n", total="written float64 2")
def right_classes(a: Array, y: Array, total: Array) -> None:
    """Count the rows of `a` whose largest entry, of equal ones the first, is that of the class, and the classes ≥ 0.

    total ← [right, counted]
    """
    total[:] = np.count_nonzero(np.argmax(a, axis=1) == y), np.count_nonzero(y >= 0)


@operation(a="read n k", y="read n k", total="written float64 2")
def right_rows(a: Array, y: Array, total: Array) -> None:
    """Count as :func:`right_classes`, and all rows; the class of a row of labels is its first largest entry."""
    total[:] = np.count_nonzero(np.argmax(a, axis=1) == np.argmax(y, axis=1)), len(a)


@operation(gradient="changed n", weights="read n", rate="number", cut="n")
def add_signs(gradient: Array, weights: Array, rate: float) -> None:
    """∂Ω/∂w of the sum of absolute values: gradient ← gradient + rate sign(w)."""
    for block in row_blocks(weights, BLOCK // 4):  # bounds the temporary array
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


@operation(gradient="changed n", limit="number positive", cut="n")
def clip_values(gradient: Array, limit: float) -> None:
    """Clip each entry of a gradient to ±limit."""
    np.clip(gradient, -limit, limit, out=gradient)


@operation(vector="changed n", gradient="consumed n", rate="number", cut="n")
def sgd(vector: Array, gradient: Array, rate: float) -> None:
    """Gradient descent: θ ← θ − rate g; g is overwritten."""
    for block in row_blocks(vector, BLOCK):
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
    for block in row_blocks(vector, BLOCK):
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
    for block in row_blocks(vector, BLOCK):
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
    mean="changed n",
    square="changed positive n",
    largest="changed positive n",
    kept_mean="number",
    kept_square="number",
    rate="number",
    epsilon="number positive",
    cut="n",
)
def amsgrad(
    vector: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    largest: Array,
    kept_mean: float,
    kept_square: float,
    rate: float,
    epsilon: float,
) -> None:
    """AMSGrad: as :func:`adam`, with h ← max(h, s) and θ ← θ − rate m / (√h + epsilon); g is overwritten."""
    for block in row_blocks(vector, BLOCK):
        g, m = gradient[block], mean[block]
        root = _moments(g, m, square[block], kept_mean, kept_square)
        np.sqrt(np.maximum(largest[block], square[block], out=largest[block]), out=root)
        root += epsilon
        np.divide(m, root, out=g)
        g *= rate
        vector[block] -= g


def _moments(g: Array, m: Array, s: Array, kept_mean: float, kept_square: float) -> Array:
    """Move the discounted sums m of g and s of g²; return g, whose memory is free then."""
    m *= kept_mean
    m += g
    s *= kept_square
    s += np.multiply(g, g, out=g)
    return g


@operation(
    vector="changed n",
    gradient="consumed n",
    mean="changed n",
    square="changed positive n",
    scratch="scratch n",
    kept_mean="number",
    kept_square="number",
    own_rate="number",
    mean_rate="number",
    epsilon="number positive",
    cut="n",
)
def nadam(
    vector: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    scratch: Array,
    kept_mean: float,
    kept_square: float,
    own_rate: float,
    mean_rate: float,
    epsilon: float,
) -> None:
    """NAdam: m and s as in :func:`adam`; θ ← θ − (own_rate g + mean_rate m) / (√s + epsilon).

    g and `scratch` are overwritten.
    """
    for block in row_blocks(vector, BLOCK):
        g, m, change = gradient[block], mean[block], scratch[block]
        np.multiply(g, own_rate, out=change)
        root = _moments(g, m, square[block], kept_mean, kept_square)
        change += np.multiply(m, mean_rate, out=root)
        np.sqrt(square[block], out=root)
        root += epsilon
        change /= root
        vector[block] -= change


@operation(
    vector="changed n",
    gradient="consumed n",
    mean="changed n",
    square="changed positive n",
    kept_mean="number",
    kept_square="number",
    rate="number",
    share="number positive",
    epsilon="number positive",
    cut="n",
)
def radam(
    vector: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    kept_mean: float,
    kept_square: float,
    rate: float,
    share: float,
    epsilon: float,
) -> None:
    """RAdam: m and s as in :func:`adam`; θ ← θ − rate m / (share √s + epsilon); g is overwritten."""
    for block in row_blocks(vector, BLOCK):
        g, m = gradient[block], mean[block]
        root = _moments(g, m, square[block], kept_mean, kept_square)
        np.sqrt(square[block], out=root)
        root *= share
        root += epsilon
        np.divide(m, root, out=g)
        g *= rate
        vector[block] -= g


@operation(
    vector="changed n",
    gradient="consumed n",
    mean="changed n",
    scratch="scratch n",
    kept_now="number",
    kept="number",
    rate="number",
    cut="n",
)
def lion(
    vector: Array, gradient: Array, mean: Array, scratch: Array, kept_now: float, kept: float, rate: float
) -> None:
    """Lion: θ ← θ − rate sign(kept_now m + (1 − kept_now) g); m ← kept m + (1 − kept) g; both others overwritten."""
    for block in row_blocks(vector, BLOCK):
        g, m, change = gradient[block], mean[block], scratch[block]
        np.subtract(m, g, out=change)
        change *= kept_now
        change += g
        np.sign(change, out=change)
        change *= rate
        vector[block] -= change
        g *= 1 - kept
        m *= kept
        m += g


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
    for block in row_blocks(vector, BLOCK):
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
def smallest(dtype: np.dtype[Any]) -> float:
    """Return the smallest normal number, which stands for a probability that has underflowed: 1e-38 in float32."""
    return float(np.finfo(dtype).smallest_normal)


def _root_of_smallest(dtype: np.dtype[Any]) -> float:
    return sqrt(smallest(dtype))  # the root, because a count divided by the smallest number itself overflows


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
