"""The step at which a training stopped being finite, found without checking all parameters after each step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import closing

import numpy as np

from nnfw.arrays import Array
from nnfw.data import Rows, SparseRows
from nnfw.errors import DivergedError
from nnfw.machine import sum_of_squares
from nnfw.network import Batch, Workspace
from nnfw.training.batches import Data
from nnfw.training.state import TrainingState
from nnfw.training.steps import Steps
from nnfw.training.stored_copy import StoredCopy
from nnfw.training.task import Task

WINDOW = 200
"""Steps between two looks: a look and the copy after it cost a small network as much as half a step."""

_UNSCALED = 100.0  # standardized numbers rarely exceed it, and numbers below it seldom make a training diverge
_LOOKED_AT = 1 << 24  # numbers of a memory-mapped array


class Watch:
    """Names the step and the layer at which a training stopped being finite.

    Once started, it looks at everything that steps change, after every few steps and at the end of an epoch: `due` is
    the position of the next look. If something is not finite, it restores the copy from the look before, repeats the
    steps since then, and checks cost, gradient and parameters of each. Steps can be repeated to the bit, so this finds
    the first one. The optimizer's arrays are watched too if they were finite at the start: an infinite sum of squares
    leaves the parameters finite, but they never change again. `workspace` is that of the last pass, in which layers
    with non-finite values are found.
    """

    def __init__(self, task: Task, state: TrainingState, workspace: Workspace) -> None:
        self._task, self._state, self.workspace = task, state, workspace
        self._steps: Steps | None = None
        self._copy: StoredCopy | None = None
        self._position: int | None = None  # of the last look
        self.due: float = math.inf

    def follow(self, steps: Steps) -> None:
        """Watch these steps. A solver has none, and avoids non-finite parameters itself."""
        self._steps, self.workspace = steps, steps.workspace

    def start(self) -> None:
        """Watch from the next :meth:`begin` on."""
        if self._steps is None or self._copy is not None:
            return
        state = self._state
        self._parameters = [array for array in (state.parameters.vector, state.parameters.state) if array.size]
        self._arrays = {
            name: array
            for name, array in state.arrays.items()
            if array.dtype.kind == "f" and array.size and np.isfinite(array).all()
        }
        self._copy = StoredCopy([*self._parameters, *state.arrays.values()])

    def begin(self) -> None:
        """Keep what a repetition starts from: so far everything is finite."""
        if self._copy is not None:
            self._copy.renew()
            self._noise = self._state.noise.bit_generator.state
            self._position, self._step = self._state.position, self._state.step
            self.due = self._state.position + WINDOW

    def look(self) -> None:
        """If parameters are not finite, raise DivergedError for the step that made them so."""
        if self._copy is None:
            return
        # a sum of squares needs no memory; if it is not finite, the numbers may merely be large
        watched = (*self._parameters, *self._arrays.values())
        if not all(np.isfinite(sum_of_squares(array)) or np.isfinite(array).all() for array in watched):
            raise self._error("something other than a step made parameters not finite")

    def diverged(self, what: str) -> DivergedError:
        """Return the error for a non-finite cost, as `what` says; it names the step where that started."""
        return self._error(f"{what}. {self.first_non_finite()}")

    def first_non_finite(self) -> str:
        """Name the first layer with non-finite values in the last pass, or else labels or the last layer."""
        if self._steps is not None and self._steps.elsewhere:
            return "It came from the part of the batch on another rank, which names the layer"
        network, data, objective = self._task.network, self._task.data, self._task.objective
        return network.first_non_finite(self.workspace, reach(data.sample.targets), objective.label(network.registry))

    def close(self) -> None:
        """End the watch."""
        if self._copy is not None:
            self._copy.close()
        self._copy, self.due = None, math.inf

    def _error(self, otherwise: str) -> DivergedError:
        """Return the error for the first non-finite step since the last look; it says `otherwise` if there is none."""
        what = otherwise
        if self._copy is not None and self._steps is not None and self._position is not None:
            what = self._repeat(self._copy, self._steps, self._position)
        place = f"epoch {self._state.epoch}, step {self._state.step}"
        text = f"Training diverged in {place}: {what or otherwise}. {advice(self._task.data)}"
        return DivergedError(text, epoch=self._state.epoch, step=self._state.step)

    def _repeat(self, copy: StoredCopy, steps: Steps, position: int) -> str:
        """Repeat the steps since the last look up to a non-finite one; return what is not finite, or nothing."""
        state, last = self._state, self._state.step
        try:
            copy.put_back()
        except OSError:
            return ""
        state.noise.bit_generator.state, state.step = self._noise, self._step
        with closing(steps.batches_from(position)) as batches:
            for place, (batch, rate) in zip(range(position, position + last - self._step), batches, strict=False):
                state.step += 1
                if found := self._repeat_step(steps, batch, rate, place):
                    return found
        return ""

    def _repeat_step(self, steps: Steps, batch: Batch, rate: float, position: int) -> str:
        """Take a step; return what is not finite in it, or nothing."""
        cost, _ = steps.propagate(batch)
        if not math.isfinite(cost):
            return f"the cost became {cost}. {self.first_non_finite()}"
        if gradients := _not_finite(steps.gradients):
            return f"the gradient of {gradients} is not finite"
        steps.change(rate, position)
        parameters, arrays = _not_finite(self._state.parameters), _not_finite(self._arrays)
        found = parameters or (arrays and f"{arrays} of the optimizer")
        return f"the step made {found} not finite" if found else ""


def _not_finite(arrays: Mapping[str, Array]) -> str:
    return ", ".join(name for name, array in arrays.items() if not np.isfinite(array).all())


def advice(data: Data) -> str:
    """Return what to do about a growing cost: first scale what is not scaled."""
    labels, inputs = reach(data.sample.targets), reach(data.sample.inputs)
    steps = [f"scale the labels, which reach {labels:.3g} (target_transforms)"] if labels > _UNSCALED else []
    steps += [f"scale the inputs, which reach {inputs:.3g} (transforms)"] if inputs > _UNSCALED else []
    steps += ["lower the learning rate", "clip the gradient (clip_norm)"]
    text = f"{', '.join(steps[:-1])}{',' * (len(steps) > 2)} or {steps[-1]}."
    return text[0].upper() + text[1:]


def reach(arrays: Iterable[Rows]) -> float:
    """Return the largest absolute value of floats; 0 for numbers of classes."""
    return max(map(_reach, arrays))


def _reach(array: Rows) -> float:
    if array.dtype.kind != "f":
        return 0.0
    if isinstance(array, np.memmap | SparseRows):
        array = array[: max(1, _LOOKED_AT // max(1, array[:1].size))]
    return float(max(array.max(), -array.min()))
