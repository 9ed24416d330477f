"""The operations of layers for tables: gates, members of an ensemble, waves; defined in NumPy."""

from __future__ import annotations

from math import pi

import numpy as np

from nnfw.arrays import Array
from nnfw.compute import operation
from nnfw_standard.operations import sigmoid

_gate = operation(x="read n 2 h", gate="written n h", out="written n h", cut="n", tolerance=16.0)
_gate_delta = operation(delta="read n h", x="read n 2 h", gate="read n h", out="written n 2 h", cut="n", tolerance=16.0)


@_gate
def glu(x: Array, gate: Array, out: Array) -> None:
    """Open the first half by the second: gate ← σ(x_2), out ← x_1 ⊙ gate."""
    sigmoid.definition(x[:, 1], gate)
    np.multiply(x[:, 0], gate, out=out)


@_gate_delta
def glu_delta(delta: Array, x: Array, gate: Array, out: Array) -> None:
    """Go back through :func:`glu`: out_1 ← δ ⊙ gate, out_2 ← δ ⊙ x_1 ⊙ gate ⊙ (1 − gate)."""
    np.multiply(delta, gate, out=out[:, 0])
    np.multiply(out[:, 0], x[:, 0], out=out[:, 1])
    out[:, 1] *= 1 - gate


@_gate
def swiglu(x: Array, gate: Array, out: Array) -> None:
    """Open the second half by the swish of the first: gate ← σ(x_1), out ← x_1 ⊙ gate ⊙ x_2."""
    sigmoid.definition(x[:, 0], gate)
    np.multiply(x[:, 0], gate, out=out)
    out *= x[:, 1]


@_gate_delta
def swiglu_delta(delta: Array, x: Array, gate: Array, out: Array) -> None:
    """Go back through :func:`swiglu`: out_1 ← δ ⊙ x_2 ⊙ gate ⊙ (1 + x_1 ⊙ (1 − gate)), out_2 ← δ ⊙ x_1 ⊙ gate."""
    a, b = out[:, 0], out[:, 1]
    np.multiply(np.subtract(1, gate, out=a), x[:, 0], out=a)
    a += 1
    a *= gate
    a *= x[:, 1]
    a *= delta
    np.multiply(np.multiply(delta, gate, out=b), x[:, 0], out=b)


@operation(x="read n h p", out="written n h", cut="n")
def maxout(x: Array, out: Array) -> None:
    """Take the largest of the pieces of each unit: out ← max_p x_p."""
    np.maximum.reduce(x, axis=2, out=out)


@operation(delta="read n h", x="read n h p", z="read n h", out="written n h p", cut="n")
def maxout_delta(delta: Array, x: Array, z: Array, out: Array) -> None:
    """Go back through :func:`maxout`: out_p ← δ at the first p where x_p = z, else 0."""
    out[...] = 0
    first = np.argmax(x == z[..., np.newaxis], axis=2)
    np.put_along_axis(out, first[..., np.newaxis], delta[..., np.newaxis], axis=2)


@operation(x="read n f", out="written n k f", cut="n")
def to_members(x: Array, out: Array) -> None:
    """Give each of k members the same row: out_k ← x."""
    out[...] = x[:, np.newaxis]


@operation(values="read n k f", out="written n f", cut="n f", tolerance=16.0)
def sum_members(values: Array, out: Array) -> None:
    """Sum over the members: out ← Σ_k values_k."""
    np.add.reduce(values, axis=1, out=out)


@operation(x="read n f", frequency="read f k", out="written n f 2 k", cut="n f", tolerance=16.0)
def waves(x: Array, frequency: Array, out: Array) -> None:
    """Give sine and cosine of each number times frequencies: out_1 ← sin 2π c x, out_2 ← cos 2π c x."""
    np.multiply(x[:, :, np.newaxis], frequency * x.dtype.type(2 * pi), out=out[:, :, 1])
    np.sin(out[:, :, 1], out=out[:, :, 0])
    np.cos(out[:, :, 1], out=out[:, :, 1])


@operation(
    delta="read n f 2 k",
    wave="read n f 2 k",
    x="read n f",
    frequency="read f k",
    frequency_grad="written f k",
    x_grad="written n f",
    cut="f",
    tolerance=64.0,
)
def waves_delta(delta: Array, wave: Array, x: Array, frequency: Array, frequency_grad: Array, x_grad: Array) -> None:
    """Go back through :func:`waves`, with v = δ_1 ⊙ cos − δ_2 ⊙ sin: ∂C/∂c ← 2π Σ_i v x, ∂C/∂x ← 2π Σ_k v c."""
    v = delta[:, :, 0] * wave[:, :, 1]
    v -= delta[:, :, 1] * wave[:, :, 0]
    v *= 2 * pi
    np.einsum("nfk,nf->fk", v, x, out=frequency_grad)
    np.einsum("nfk,fk->nf", v, frequency, out=x_grad)
