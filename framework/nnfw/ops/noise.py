"""Random numbers that a recorded method draws."""

from __future__ import annotations

import numpy as np

from nnfw.arrays import Array
from nnfw.ops.operation import operation


@operation(rng="number", out="written any n ...")
def uniform(rng: np.random.Generator, out: Array) -> None:
    """Draw from [0, 1): out ← U(0, 1), float32 or float64.

    A generator is no number that an engine could take, so every engine leaves this to NumPy. For many steps in one
    call, the numbers of all of them are drawn at once, which gives the same ones.
    """
    rng.random(out=out, dtype=out.dtype.type)
