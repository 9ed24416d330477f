"""Random numbers for recorded methods."""

from __future__ import annotations

from typing import cast

import numpy as np

from nnfw.arrays import Array
from nnfw.ops.operation import operation


@operation(rng="number", out="written any n ...")
def uniform_numbers(rng: np.random.Generator, out: Array) -> None:
    """Draw from [0, 1): out ← U(0, 1)."""
    rng.random(out=out, dtype=out.dtype.type)


def uniform(rng: np.random.Generator, out: Array) -> None:
    """Draw from [0, 1) in a method made of kernels: out ← U(0, 1), float32 or float64.

    NumPy draws under every engine, since compiled code cannot take a generator. For many steps in one call, the numbers
    of all steps are drawn at once; they are the same.
    """
    uniform_numbers(cast("float", rng), out)
