"""The step at which a training stopped being finite, found without looking at all parameters after each step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import DivergedError
from nnfw.machine import sum_of_squares
from nnfw.training.stored_copy import StoredCopy

if TYPE_CHECKING:
    from nnfw.network import Batch
    from nnfw.training.loop import Training


WINDOW = 200
"""Steps between two looks: one, with the copy that follows it, costs a small network as much as half a step."""

_UNSCALED = 100.0  # standardized numbers hardly go as far, and those up to here seldom make a training diverge
_LOOKED_AT = 1 << 24  # numbers of a memory-mapped array


class Watch:
    """Looks at all that the steps of a training change, after every few of them and at the end of an epoch.

    Where they are not finite, the steps since the look before are taken again, from a copy of what there was then, and
    cost, gradient and parameters of each are looked at. Steps can be repeated to the bit, so that finds the first one.
    Arrays of the optimizer are parameters in this sense, if they were finite in the beginning: a sum of squares that is
    infinite leaves the parameters finite, as they are not changed any more.

    Parameters
    ----------
    training
        Whose epochs it follows.
    """

    def __init__(self, training: Training) -> None:
        self._training = training
        self._parameters = [array for array in (training.vector, training.state) if array.size]
        self._changing = [*self._parameters, *training.optimizer_state.values()]
        self._memory = {
            name: array
            for name, array in training.optimizer_state.items()
            if array.dtype.kind == "f" and array.size and np.isfinite(array).all()
        }
        self._copy = StoredCopy(self._changing)

    def begin(self) -> None:
        """Keep what a repetition begins with: so far all is well."""
        self._copy.renew()
        self._noise = self._training.noise.bit_generator.state
        self._position, self._step = self._training.position, self._training.step
        self.due = self._position + WINDOW

    def look(self) -> None:
        """Where parameters are not finite, raise DivergedError for the step that made them so."""
        # a sum of squares that is finite takes no memory to find; one that is not may merely be too large
        watched = (*self._parameters, *self._memory.values())
        if not all(np.isfinite(sum_of_squares(array)) or np.isfinite(array).all() for array in watched):
            raise self.error("parameters were made not finite by something else than a step")

    def error(self, otherwise: str) -> DivergedError:
        """Return the error for the first step since the last look at which something is not finite.

        Parameters
        ----------
        otherwise
            What there is to say if no step is found.
        """
        training, last = self._training, self._training.step
        try:
            self._copy.put_back()
        except OSError:
            return diverged(training, otherwise)
        training.noise.bit_generator.state, training.step = self._noise, self._step
        with closing(training.batches_from(self._position)) as batches:
            for _, (batch, rate) in zip(range(self._step, last), batches, strict=False):
                training.step += 1
                found = self._repeat(batch, rate)
                if found:
                    return diverged(training, found)
        return diverged(training, otherwise)

    def close(self) -> None:
        """End the watch."""
        self._copy.close()

    def _repeat(self, batch: Batch, rate: float) -> str:
        """Take a step, and say what is not finite in it; nothing if all is."""
        training = self._training
        cost, _ = training.propagate(batch)
        if not math.isfinite(cost):
            return f"the cost became {cost}. {training.first_non_finite()}"
        gradients = _not_finite(training.gradients)
        if gradients:
            return f"the gradient of {gradients} is not finite"
        training.update(rate)
        parameters, memory = _not_finite(training.parameters), _not_finite(self._memory)
        found = parameters or (memory and f"{memory} of the optimizer")
        return f"the step made {found} not finite" if found else ""


def _not_finite(arrays: Mapping[str, Array]) -> str:
    return ", ".join(name for name, array in arrays.items() if not np.isfinite(array).all())


def diverged(training: Training, what: str) -> DivergedError:
    """Return the error of a training that is not finite in its present step."""
    place = f"epoch {training.epoch}, step {training.step}"
    text = f"Training diverged in {place}: {what}. {advice(training)}"
    return DivergedError(text, epoch=training.epoch, step=training.step)


def advice(training: Training) -> str:
    """Return what to do about a cost that grows: first scale what is not scaled."""
    labels, inputs = reach(training.data.y), reach(training.data.x)
    steps = [f"scale the labels, which reach {labels:.3g} (target_transforms)"] if labels > _UNSCALED else []
    steps += [f"scale the inputs, which reach {inputs:.3g} (transforms)"] if inputs > _UNSCALED else []
    steps += ["lower the learning rate", "clip the gradient (clip_norm)"]
    text = f"{', '.join(steps[:-1])}{',' * (len(steps) > 2)} or {steps[-1]}."
    return text[0].upper() + text[1:]


def reach(array: Array) -> float:
    """Return the largest absolute value of floats; 0 for numbers of classes."""
    if array.dtype.kind != "f":
        return 0.0
    if isinstance(array, np.memmap):
        array = array[: max(1, _LOOKED_AT // max(1, array[:1].size))]
    return float(max(array.max(), -array.min()))
