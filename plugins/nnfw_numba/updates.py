"""The steps of optimizers, which the team shares where there are many parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw_numba import kernels
from nnfw_numba.caching import compiled
from nnfw_numba.machine import bits
from nnfw_numba.programs import operation
from nnfw_numba.team import TOGETHER, lead, team

_SHARED = 1 << 15
"""Parameters from which on a step is shared."""

_ARGUMENTS = 16  # numbers that stand for four arrays and four fractions


def sgd(vector: Array, gradient: Array, rate: float) -> None:
    """Take a step, as the definition of this name says."""
    if not _shared("sgd", (vector, gradient, vector, vector), (rate, 0, 0, 0)):
        kernels.sgd(vector, gradient, rate)


def momentum(vector: Array, gradient: Array, velocity: Array, kept: float, rate: float, nesterov: bool) -> None:
    """Take a step, as the definition of this name says."""
    if not _shared("momentum", (vector, gradient, velocity, vector), (kept, rate, nesterov, 0)):
        kernels.momentum(vector, gradient, velocity, kept, rate, nesterov)


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
    """Take a step, as the definition of this name says."""
    if not _shared("adam", (vector, gradient, mean, square), (kept_mean, kept_square, rate, epsilon)):
        kernels.adam(vector, gradient, mean, square, kept_mean, kept_square, rate, epsilon)


def rmsprop(
    vector: Array, gradient: Array, square: Array, scratch: Array, kept: float, rate: float, epsilon: float
) -> None:
    """Take a step, as the definition of this name says."""
    if not _shared("rmsprop", (vector, gradient, square, scratch), (kept, rate, epsilon, 0)):
        kernels.rmsprop(vector, gradient, square, scratch, kept, rate, epsilon)


def _shared(name: str, arrays: tuple[Array, ...], options: tuple[float, ...]) -> bool:
    """Let the team take the step; return whether it did."""
    vector, members = arrays[0], team() if arrays[0].size >= _SHARED else None
    dtype, shape = vector.dtype, (vector.size,)
    if members is None or dtype.char not in "fd" or not dtype.isnative:
        return False
    for item in arrays:
        if not (item.flags.carray and item.shape == shape and item.dtype == dtype):
            return False
    members.lead(_lead, operation(name, vector.dtype.char), arrays, tuple(map(float, options)), members.size)
    return True


@compiled
def _lead(place: int, arrays: Any, options: Any, members: int, board: Array, helped: bool) -> int:
    """Write a program for each member, and carry them out."""
    vector, start = arrays[0], 0
    stages, programs = np.empty((1, members, 2), np.int64), np.empty((members, 2 + _ARGUMENTS), np.int64)
    for member in range(members):
        program, end = programs[member], vector.size
        if member < members - 1:
            end = vector.size * (member + 1) // members // TOGETHER * TOGETHER
        program[0], program[1] = place, _ARGUMENTS
        for k in range(4):
            program[2 + 3 * k] = arrays[k].ctypes.data + start * vector.itemsize
            program[3 + 3 * k] = end - start
            program[4 + 3 * k] = 1
            program[14 + k] = bits(options[k])
        stages[0, member, 0], stages[0, member, 1] = program.ctypes.data, program.size
        start = end
    lead(stages, board, helped)
    return programs.size  # which keeps them until here: the stages have their addresses
