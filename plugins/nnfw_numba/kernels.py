"""The accelerator's compilers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numba import config

from nnfw.ops import Call
from nnfw.ops.definitions import product
from nnfw_numba.elementwise import elementwise
from nnfw_numba.sequence import body, sequence, steps


def load() -> Mapping[str, Callable[..., object]]:
    """Return the compilers of operations.

    Raises
    ------
    RuntimeError
        If NUMBA_DISABLE_JIT is set.
    Exception
        Whatever numba raises if it cannot compile: a trial product brings this up before a training.
    """
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise RuntimeError("NUMBA_DISABLE_JIT is set, so numba compiles nothing")
    for step in sequence([Call(product, tuple(np.ones((3, 1, 1), np.float32)))]):
        step()
    return {"body": body, "elementwise": elementwise, "sequence": sequence, "steps": steps}
