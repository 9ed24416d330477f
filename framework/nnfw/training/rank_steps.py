"""The steps of one of several ranks, and what they must have in common."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from math import isfinite
from zlib import crc32

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import ConfigError, DataError, Mistake, PluginError, class_name
from nnfw.network import Batch, Outputs
from nnfw.training.batches import Labelled
from nnfw.training.collective import combine
from nnfw.training.interruption import Interruption
from nnfw.training.measures import statistics_by_name
from nnfw.training.state import TrainingState
from nnfw.training.steps import Steps
from nnfw.training.task import Task

_DIGEST = 0xFFFF  # of this size, sums of squares over a thousand ranks are exact in float64
_COMPARED = 16  # examples, first and last among them


class RankSteps(Steps):
    """Takes the steps of one of several ranks: its part of every batch, then one sum over all ranks, then the update.

    Rank r of R takes the examples r, r + R, r + 2R and so on of each batch. C, ∂C/∂θ and the layers' state are means
    over the examples, so those of the whole batch are the means weighted by the ranks' numbers of examples. Steps are
    taken one at a time: many in one call need batches of the full size, and a part is smaller. In the same sum, all of
    them learn of a signal that one has noted.
    """

    def __init__(self, task: Task, state: TrainingState, interruption: Interruption) -> None:
        super().__init__(task, state)
        self._interruption = interruption
        self.propagate = self._propagate_and_sum
        self._own, self._count = 0, 0  # examples of the batch here, and on all ranks
        self._statistics: Mapping[str, Array] = {}  # of the whole batch

    def batches_from(self, position: int) -> Generator[tuple[Batch, float], None, None]:
        """Yield this rank's part of each batch; another rank's example, which does not count, where it has none."""
        rank, size = self._task.collective.rank, self._task.collective.size
        starts = range(position * self._size, len(self._rows), self._size)
        whole = [self._rows[start : start + self._size] for start in starts]
        own = [rows[rank::size] for rows in whole]
        rows = np.concatenate([part if len(part) else all_rows[:1] for part, all_rows in zip(own, whole, strict=True)])
        with closing(self._task.data.feed(rows, max(1, len(own[0])), self._batches)) as batches:
            for batch, rate, part in zip(batches, self._rates[position:], own, strict=True):
                self._own = len(part)
                yield batch, rate

    def _propagate_and_sum(self, batch: Batch) -> tuple[float, Outputs]:
        """Return C of the whole batch and the outputs of this part; fill the gradients with the whole batch's."""
        cost, outputs = self._pass(batch)
        metrics, layers = self._task.metrics, self.state.parameters.state
        statistics = statistics_by_name(metrics, self._task.objective, outputs, batch, self._statistics).values()
        counted = [found if self._own else np.zeros_like(found) for found in statistics]
        counted.append(np.asarray(self._interruption.signal))
        self._count, found = combine(self._task.collective, self._own, [self._gradient, layers, cost], counted)
        self._gradient[...], layers[...] = found[:2]
        self._statistics = dict(zip(metrics, found[3:-1], strict=True))
        self._interruption.agree(float(found[-1]))
        total = float(found[2])
        self.elsewhere = isfinite(cost) and not isfinite(total)
        return total, outputs

    def update(self) -> None:
        """Complete the last step if it lacks its update."""
        if self._lacks_update:
            table = {name: found[np.newaxis] for name, found in self._statistics.items()}  # a row for each step
            self.state.tally.add_many([self.state.cost], self._count, None, table)
            self.change(self._rate, self.state.position)
            self.state.position += 1
            self._lacks_update = False


def require_alike(task: Task, state: TrainingState) -> None:
    """Refuse ranks that would not train the same: ConfigError, on each of them.

    DataError if there are fewer examples than ranks; PluginError if sums are wrong.
    """
    collective, data = task.collective, task.data
    assert isinstance(data, Labelled)  # `fit` refuses a source
    if len(data) < collective.size:
        raise DataError(f"x has {len(data)} examples for {collective.size} ranks. Use no more ranks than examples.")
    some = data.subset(data.rows_at(np.linspace(0, len(data) - 1, _COMPARED).astype(np.int64)))
    given = len(data), some.fingerprint(), task.seed, task.options.batch_size, task.options.shuffle, task.last_epoch
    steps = task.options.accumulate, task.options.average, task.options.mix
    digest = crc32(repr((given, steps, state.epoch, state.step, state.order.bit_generator.state)).encode())
    for array in (state.parameters.vector, state.parameters.state, *state.arrays.values()):
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
