"""What the ranks of a collective compute together: one sum per step between gradient and update."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import ConfigError, DataError, Mistake, PluginError, class_name
from nnfw.protocols import Collective, Optimizer, Solver, is_solver

if TYPE_CHECKING:
    from nnfw.training.state import TrainingState
    from nnfw.training.task import Task

_DIGEST = 0xFFFF  # of this size, sums of squares over a thousand ranks are exact in float64
_COMPARED = 16  # examples, first and last among them


@dataclass(frozen=True)
class OneProcess(Collective):
    """The collective of a training that is not shared: there is nothing to sum."""

    rank: int = 0
    size: int = 1

    def sum(self, array: Array) -> None:
        """Leave the array as it is."""


ONE_PROCESS = OneProcess()


def combine(
    collective: Collective, count: int, means: Sequence[Array | float], sums: Sequence[Array | float]
) -> tuple[int, list[Array]]:
    """Combine the results of all ranks in one call; return the number of all examples, and what became of each array.

    With n_r examples on rank r, means m_r become Σ_r n_r m_r / Σ_r n_r, and sums s_r become Σ_r s_r, in float64.

    Parameters
    ----------
    collective, count
        The ranks, and n_r of this one, 0 or more.
    means, sums
        Arrays of the same shapes on each rank.
    """
    weighted = [np.multiply(mean, count, dtype=np.float64) for mean in means]
    arrays = [*weighted, *(np.asarray(found, np.float64) for found in sums)]
    buffer = np.concatenate([[float(count)], *(array.ravel() for array in arrays)])
    collective.sum(buffer)
    ends = 1 + np.cumsum([array.size for array in arrays])
    found = [buffer[end - a.size : end].reshape(a.shape) for a, end in zip(arrays, ends, strict=True)]
    for mean in found[: len(means)]:
        mean /= buffer[0]
    return int(buffer[0]), found


def unfit_ranks(
    collective: object, optimizer: Optimizer | Solver, batch_size: int, *, checkpoints: bool
) -> Iterator[Mistake]:
    """Yield why this collective cannot share a training."""
    rank, size = getattr(collective, "rank", None), getattr(collective, "size", None)
    if not (isinstance(rank, int) and isinstance(size, int) and 0 <= rank < size and hasattr(collective, "sum")):
        yield Mistake(
            ("collective",),
            f"must have sum(array), a size and a rank from 0 to size - 1, got {class_name(collective)} with rank "
            f"{rank} and size {size}.",
        )
        return
    if batch_size < size and not is_solver(optimizer):
        text = f"must be at least {size}, an example for each rank of the collective, got {batch_size}."
        yield Mistake(("batch_size",), text)
    if checkpoints and size > 1:
        text = f"cannot be kept by a collective of {size} ranks. Leave them out, and save the model after each fit."
        yield Mistake(("checkpoints",), text)


def require_alike(task: Task, state: TrainingState) -> None:
    """Refuse ranks that would not train the same: ConfigError, on each of them.

    DataError if there are fewer examples than ranks; PluginError if sums are wrong.
    """
    collective, data = task.collective, task.data
    if len(data) < collective.size:
        raise DataError(f"x has {len(data)} examples for {collective.size} ranks. Use no more ranks than examples.")
    some = data.subset(data.rows_at(np.linspace(0, len(data) - 1, _COMPARED).astype(np.int64)))
    given = len(data), some.fingerprint(), task.seed, task.options.batch_size, task.options.shuffle, task.last_epoch
    digest = crc32(repr((given, state.epoch, state.step, state.order.bit_generator.state)).encode())
    for array in (state.parameters.vector, state.parameters.state, *state.optimizer.values()):
        digest = crc32(array.tobytes(), digest)
    digest &= _DIGEST
    found = np.array([1.0, digest, digest**2])
    collective.sum(found)
    count, total, squares = found
    if count != collective.size:
        raise PluginError(
            f"{class_name(collective)}: sum of 1 over {collective.size} ranks gave {count:g}. It must put the sum into "
            "the array that it is given, on every rank."
        )
    if count * squares != total**2:  # equal only if all digests are
        text = (
            f"has ranks that do not train the same, as rank {collective.rank} of {collective.size} found. Give each "
            "the same model, data, seed, options and history: a rank takes its own part of every batch."
        )
        raise ConfigError([Mistake(("collective",), text)])
