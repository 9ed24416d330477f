"""The operations that a network and its data need, defined in NumPy. Engines must give the same results.

An operation works on whole arrays, writes its results into its arguments, and keeps no state. Examples are rows.
Results have the dtype of the arrays.
"""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.machine.threads import multiplication
from nnfw.ops.operation import operation

_BLOCK = 1 << 14
"""Elements processed at a time: the largest temporary array."""


@operation(a="read n m", b="read m k", out="written n k", cut="n k")
def product(a: Array, b: Array, out: Array) -> None:
    """Multiply matrices: out ← a b, with the threads set in :mod:`nnfw.machine.threads`."""
    multiplication(a, out)(a, b, out)


@operation(z="changed n ...", bias="read ...", cut="n")
def add_bias(z: Array, bias: Array) -> None:
    """Add a bias to every example: z ← z + b."""
    z += bias


@operation(delta="read n ...", out="written ...", cut="...")
def sum_examples(delta: Array, out: Array) -> None:
    """Sum over the examples: out ← Σ_i δ_i."""
    np.add.reduce(delta, axis=0, out=out)


@operation(source="read any m ...", rows="read index<m n", out="written any n ...", cut="n")
def take(source: Array, rows: Array, out: Array) -> None:
    """Gather examples: out_i ← source at rows_i; `rows` lie between 0 and len(source) − 1."""
    if source.dtype == out.dtype and source.flags.c_contiguous and source.flags.aligned:  # else take copies the source
        source.take(rows, 0, out, "clip")  # "raise" would gather into a second array first
    else:
        out[...] = source[rows]


@operation(values="changed n ...", factor="number", cut="n")
def scale(values: Array, factor: float) -> None:
    """Multiply by a number: values ← factor values."""
    values *= factor


@operation(source="read n ...", out="written n ...", cut="n")
def copy(source: Array, out: Array) -> None:
    """Copy: out ← source."""
    out[...] = source


@operation(lengths="read int64 n", out="written n t", cut="n")
def mask(lengths: Array, out: Array) -> None:
    """Mark the time steps within each length: out_it ← 1 where t < lengths_i, else 0."""
    np.less(np.arange(out.shape[1]), lengths[:, np.newaxis], out=out, casting="unsafe")


@operation(values="read n ...", factors="read n ...", out="written n ...", cut="n")
def multiply(values: Array, factors: Array, out: Array) -> None:
    """Multiply element by element: out ← values ⊙ factors."""
    np.multiply(values, factors, out=out)


@operation(values="changed n ...", other="read n ...", cut="n")
def add(values: Array, other: Array) -> None:
    """Add: values ← values + other."""
    values += other


@operation(values="changed n ...", other="read n ...", factor="number", cut="n")
def blend(values: Array, other: Array, factor: float) -> None:
    """Move towards other values: values ← other + factor (values − other)."""
    values -= other
    values *= factor
    values += other


@operation(mean="changed n ...", values="read n ...", kept="number", cut="n")
def follow(mean: Array, values: Array, kept: float) -> None:
    """Move an average: mean ← values + kept (mean − values), to the bit for `kept` of 0 and 1."""
    if kept == 0:
        copy.definition(values, mean)
    elif kept < 1:
        blend.definition(mean, values, kept)


@operation(values="changed n ...", other="read n ...", factor="number", cut="n")
def add_scaled(values: Array, other: Array, factor: float) -> None:
    """Add a multiple: values ← values + factor other."""
    count = max(1, _BLOCK * len(values) // max(1, values.size))
    for start in range(0, len(values), count):
        block = slice(start, start + count)
        values[block] += factor * other[block]
