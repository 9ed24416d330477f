"""The operations of layers that normalise, defined in NumPy.

Values are rows ``(n, k)``, each with a mean of its own; or channels ``(n, c, s)``, each with a factor of its own.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation


@operation(
    x="read n k", centred="number", epsilon="number", rate="written n", out="written n k", cut="n", tolerance=64.0
)
def normalize(x: Array, centred: float, epsilon: float, rate: Array, out: Array) -> None:
    """Give each row mean 0, if `centred`, and size 1: out ← r (x − m) with r = 1 / √(mean (x − m)² + ε)."""
    if centred:
        np.subtract(x, x.mean(axis=1, keepdims=True), out=out)
    else:
        out[...] = x
    np.einsum("nk,nk->n", out, out, out=rate)
    rate /= x.shape[1]
    _to_rate(rate, epsilon)
    out *= rate[:, np.newaxis]


@operation(
    grad="read n k",
    normalized="read n k",
    rate="read n",
    centred="number",
    out="written n k",
    cut="n",
    tolerance=64.0,
)
def normalize_delta(grad: Array, normalized: Array, rate: Array, centred: float, out: Array) -> None:
    """Go back through :func:`normalize`: out ← r (g − mean g − x̂ mean (g x̂)), without mean g unless `centred`."""
    share = np.einsum("nk,nk->n", grad, normalized)
    share /= grad.shape[1]
    np.multiply(normalized, share[:, np.newaxis], out=out)
    np.subtract(grad, out, out=out)
    if centred:
        out -= grad.mean(axis=1, keepdims=True)
    out *= rate[:, np.newaxis]


@operation(values="read n c s", scale="read c", shift="read c", out="written n c s", cut="n c")
def affine(values: Array, scale: Array, shift: Array, out: Array) -> None:
    """Scale and shift each channel: out ← γ_c values + β_c."""
    np.multiply(values, scale[:, np.newaxis], out=out)
    out += shift[:, np.newaxis]


@operation(values="read n c s", scale="read c", out="written n c s", cut="n c")
def scale_channels(values: Array, scale: Array, out: Array) -> None:
    """Scale each channel: out ← γ_c values."""
    np.multiply(values, scale[:, np.newaxis], out=out)


@operation(
    grad="read n c s",
    values="read n c s",
    scale_grad="written c",
    shift_grad="written c",
    cut="c",
    tolerance=64.0,
)
def affine_gradients(grad: Array, values: Array, scale_grad: Array, shift_grad: Array) -> None:
    """Sum over all but the channels: ∂C/∂γ_c ← Σ g values, ∂C/∂β_c ← Σ g."""
    scale_grad[...] = np.add.reduce(np.einsum("ncs,ncs->nc", grad, values), axis=0, dtype=np.float64)
    shift_grad[...] = _sums(grad)


@operation(
    x="read n c s",
    epsilon="number",
    mean="written c",
    variance="written c",
    rate="written c",
    out="written n c s",
    cut="c",
    tolerance=64.0,
)
def batch_normalize(x: Array, epsilon: float, mean: Array, variance: Array, rate: Array, out: Array) -> None:
    """Give each channel mean 0 and size 1 over the batch: out ← r_c (x − m_c) with r_c = 1 / √(variance + ε)."""
    count = x.shape[0] * x.shape[2]
    mean[...] = _sums(x) / count
    np.subtract(x, mean[:, np.newaxis], out=out)
    variance[...] = np.add.reduce(np.einsum("ncs,ncs->nc", out, out), axis=0, dtype=np.float64) / count
    rate[...] = variance
    _to_rate(rate, epsilon)
    out *= rate[:, np.newaxis]


@operation(
    grad="read n c s",
    normalized="read n c s",
    scale="read c",
    rate="read c",
    scale_grad="written c",
    shift_grad="written c",
    out="written n c s",
    cut="c",
    tolerance=64.0,
)
def batch_normalize_delta(
    grad: Array,
    normalized: Array,
    scale: Array,
    rate: Array,
    scale_grad: Array,
    shift_grad: Array,
    out: Array,
) -> None:
    """Go back through γ x̂ + β and :func:`batch_normalize`: out ← γ r (g − mean g − x̂ mean (g x̂)) over the batch."""
    affine_gradients.definition(grad, normalized, scale_grad, shift_grad)
    count = grad.shape[0] * grad.shape[2]
    np.multiply(normalized, (scale_grad / count)[:, np.newaxis], out=out)
    np.subtract(grad, out, out=out)
    out -= (shift_grad / count)[:, np.newaxis]
    out *= (scale * rate)[:, np.newaxis]


@operation(
    mean="read c", variance="read positive c", epsilon="number positive", rate="written c", offset="written c", cut="c"
)
def running_rates(mean: Array, variance: Array, epsilon: float, rate: Array, offset: Array) -> None:
    """Turn running statistics into a factor and a term: r ← 1 / √(variance + ε), offset ← −mean r."""
    rate[...] = variance
    _to_rate(rate, epsilon)
    np.multiply(np.negative(mean), rate, out=offset)


def _to_rate(variance: Array, epsilon: float) -> None:
    variance += epsilon
    np.reciprocal(np.sqrt(variance, out=variance), out=variance)


def _sums(values: Array) -> Array:
    """Return the sum of each channel in float64: rows are summed in their dtype, then added up."""
    rows = values[:, :, 0] if values.shape[2] == 1 else np.add.reduce(values, axis=2)
    sums: Array = np.add.reduce(rows, axis=0, dtype=np.float64)
    return sums
