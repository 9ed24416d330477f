"""What the ranks of a collective compute together: one sum per step between gradient and update."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import Mistake, class_name
from nnfw.protocols import Collective, Metric, Optimizer, Solver, is_own, is_solver


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
    arrays = [np.asarray(array) for array in (*means, *sums)]
    factors = [count] * len(means) + [1] * len(sums)
    ends = 1 + np.cumsum([array.size for array in arrays])
    buffer = np.empty(ends[-1])
    buffer[0] = count
    found = [buffer[end - a.size : end].reshape(a.shape) for a, end in zip(arrays, ends, strict=True)]
    for array, factor, out in zip(arrays, factors, found, strict=True):
        np.multiply(array, factor, out=out, dtype=np.float64)
    collective.sum(buffer)
    for mean in found[: len(means)]:
        mean /= buffer[0]
    return int(buffer[0]), found


def unfit_ranks(
    collective: object,
    optimizer: Optimizer | Solver,
    batch_size: int,
    metrics: Iterable[tuple[tuple[str | int, ...], Metric]] = (),
    *,
    checkpoints: bool,
) -> Iterator[Mistake]:
    """Yield why this collective cannot share a training; `metrics` are with their places in the list or lists."""
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
    for place, metric in metrics:
        if size > 1 and is_own(metric, "merge", Metric):
            text = (
                f"must be a metric whose statistics add up: ranks only sum, and {class_name(metric)} has a merge of "
                "its own. Leave it out, and evaluate the model after the training."
            )
            yield Mistake(("metrics", *place), text)
