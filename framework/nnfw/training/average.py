"""Parameters at which a model is evaluated and saved, where they are not the ones that are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Lt

from nnfw.arrays import Array
from nnfw.network import Parameters
from nnfw.ops import kernels_only
from nnfw.ops.definitions import follow
from nnfw.protocols import EVALUATED

EVALUATED_STATE = "training.evaluated_state"
"""The average of the layers' state among the arrays of a training."""

_DECAY = 0.999
_BLOCK = 1 << 14  # numbers that are exchanged at a time


@dataclass(frozen=True)
class Average:
    """An average of the parameters over the steps of a training, at which the model is evaluated and saved.

    | Until the end of the first step of epoch `start`, or with ``"swa"`` of its last step: θ̄ = θ
    | ``"ema"``, after each further step: θ̄ ← decay θ̄ + (1 − decay) θ
    | ``"swa"``, at the end of the n-th epoch from `start` on: θ̄ ← θ̄ + (θ − θ̄)/n

    Parameters
    ----------
    type
        ``"ema"``, the exponential moving average of all steps, or ``"swa"``, the mean over the ends of epochs.
    decay
        In [0, 1), of ``"ema"``; None, the default, for 0.999, a mean over about 1,000 steps.
    start
        The first epoch that counts, 1 or more; 1 by default. Until then the model is evaluated as it is.

    Notes
    -----
    As PyTorch's `AveragedModel` with `get_ema_multi_avg_fn` and `get_swa_avg_fn`. The layers' state, as the running
    statistics of batch normalisation, is averaged alike; the paper on SWA recomputes it for θ̄.

    References
    ----------
    B. T. Polyak, A. B. Juditsky (1992), *Acceleration of stochastic approximation by averaging*.
    P. Izmailov, D. Podoprikhin, T. Garipov, D. Vetrov, A. G. Wilson (2018), *Averaging weights leads to wider optima
    and better generalization*, Algorithm 1, for SWA.

    Examples
    --------
    >>> Average("ema", decay=0.9, start=2).kept(epoch=2, updates=3), Average("swa").kept(epoch=2, updates=3)
    ([0.0, 0.9, 0.9], [1.0, 1.0, 0.5])
    """

    type: Literal["ema", "swa"]
    decay: Annotated[float, Ge(0), Lt(1)] | None = None
    start: Annotated[int, Ge(1)] = 1

    def kept(self, epoch: int, updates: int) -> list[float]:
        """Return for each step of an epoch the factor f in θ̄ ← θ + f (θ̄ − θ)."""
        before = epoch - self.start
        if before < 0 or (self.type == "swa" and before == 0):
            return [0.0] * updates
        if self.type == "swa":
            return [1.0] * (updates - 1) + [before / (before + 1)]
        decay = _DECAY if self.decay is None else self.decay
        return [decay if before else 0.0] + [decay] * (updates - 1)


def arrays_of_average(parameters: Parameters) -> dict[str, Array]:
    """Return fresh arrays of an average: the parameters and the layers' state as they are."""
    return {EVALUATED: parameters.vector.copy(), EVALUATED_STATE: parameters.state.copy()}


class Evaluated:
    """The parameters at which a model is evaluated: an average, or those of an optimizer such as `schedule_free`.

    Without either, they are the parameters themselves, and nothing here does anything.
    """

    def __init__(self, parameters: Parameters, arrays: Mapping[str, Array]) -> None:
        own = {EVALUATED: parameters.vector, EVALUATED_STATE: parameters.state}
        self._pairs = [(array, arrays[name]) for name, array in own.items() if name in arrays]

    @kernels_only
    def follow(self, kept: float) -> None:
        """Move the average: θ̄ ← θ + kept (θ̄ − θ)."""
        for trained, average in self._pairs:
            follow(average, trained, kept)

    def swap(self) -> None:
        """Exchange the trained parameters and those at which the model is evaluated, with little memory beside them."""
        for trained, average in self._pairs:
            for start in range(0, len(trained), _BLOCK):
                block = slice(start, start + _BLOCK)
                kept = trained[block].copy()
                trained[block] = average[block]
                average[block] = kept

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the parameters at which it is evaluated."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
