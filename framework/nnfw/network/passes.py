"""Passes that come again: those of a training step and those of predictions are recorded, and then repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from nnfw.arrays import Array
from nnfw.network.chain import Chain
from nnfw.network.objective import Objective
from nnfw.network.workspace import Workspace
from nnfw.ops import DEFINITIONS, Kernels, Tape, kernels, made_of_kernels, using
from nnfw.protocols import Activation, Layer, Shape

if TYPE_CHECKING:
    from nnfw.model.sequential import Sequential
    from nnfw.training import Batch

Compiler = Callable[[Any], tuple[Callable[..., Any], Callable[..., Any]] | None]

_COPIED = 1 << 14
"""Numbers in a batch that may be copied for a recording; to decide anew is nothing beside passing more."""

_NO_PLACES = np.empty(0), np.empty(0)


@dataclass(frozen=True, eq=False)
class _Recording:
    """A recorded pass: its batch, the tape, what it gives then, and what it kept; in use with `kernels`."""

    batch: Batch
    value: Callable[[], float]
    a: Array
    restore: Callable[[], None]
    tape: Tape
    kernels: Kernels


class RepeatedPass:
    """The pass of a training, forward and backward, for batches that lie in the same arrays time and again.

    The first pass of a batch's arrays is recorded, and from then on the recording is repeated: it calculates the same,
    to the bit, and spends no time on deciding what. It begins with gathering the batch.

    Parameters
    ----------
    model, objective, workspace, grads
        As for :meth:`Sequential.backward`.
    """

    def __init__(
        self, model: Sequential, objective: Objective, workspace: Workspace, grads: Mapping[str, Array]
    ) -> None:
        self._model, self._objective, self._workspace, self._grads = model, objective, workspace, grads
        self._recordings: dict[int, _Recording] = {}
        self._last: _Recording | None = None
        self._places = _NO_PLACES

    def __call__(self, batch: Batch) -> tuple[float, Array]:
        """Return C and a^L of a batch, and fill the gradients; what has the same `x` is the same otherwise, too."""
        found = self._recordings.get(id(batch.x))
        if found is None or found.kernels is not kernels():
            found = self._recordings[id(batch.x)] = self._last = self._record(batch)
            return found.value(), found.a
        if found is not self._last:
            found.restore()
            self._last = found
        found.tape.repeat()
        return found.value(), found.a

    def _record(self, batch: Batch) -> _Recording:
        tape = Tape(kernels())
        recorder = _Recorder(tape, kernels().elementwise, self._places_for(batch.x))
        objective = copy(self._objective)
        objective.cost = _RecordedCost(objective.cost, recorder)  # type: ignore[assignment]
        chain = self._model.chain.mapped(partial(_RecordedLayer, recorder=recorder))
        objective.activation = chain.activation
        model, workspace, x = self._model, self._workspace, batch.x
        with model.verified(x, workspace, self._objective):
            tape.perform(batch.gather)
            z, a = model.propagate(chain, x, batch.y, batch.weight, objective, workspace, self._grads)
            tape.finish()
        value = partial(self._objective.value, z, a, batch.y, batch.weight)
        return _Recording(batch, value, a, workspace.remember(), tape, kernels())

    def _places_for(self, x: Array) -> tuple[Array, Array]:
        """Return room for the largest δ of a batch, twice; a shorter last batch has the same."""
        size = len(x) * _widest(self._model.chain, x.shape[1:])
        if self._places[0].size < size:
            self._places = np.empty(size, x.dtype), np.empty(size, x.dtype)
        return self._places


def _widest(chain: Chain, input_shape: Shape) -> int:
    """Return the size of the largest z of an example, in inner chains too."""
    shapes = chain.shapes(input_shape)
    pairs = zip(chain.layers, shapes, strict=False)
    inner = (_widest(layer, shape) for layer, shape in pairs if isinstance(layer, Chain))
    return max(*map(prod, shapes[1:]), *inner, 0)


class RepeatedForward:
    """The forward pass of predictions, one after the other; two at a time need two of these.

    Small batches of one shape are worth a recording: the second in a row is recorded.

    Parameters
    ----------
    workspace
        Its memory. The network is handed over with each batch: it holds this object, and in a circle of references its
        memory would stay after its end.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._shape: Shape = ()
        self._recording: tuple[Kernels, Array, Array, Tape] | None = None

    def __call__(self, model: Sequential, x: Array, chosen: Kernels) -> Array:
        """Return a^L of a batch in the network's dtype; it may be `x`, or be overwritten by the next call."""
        if x.shape != self._shape or x.size > _COPIED:
            return self._plainly(model, x, chosen)
        if self._recording is None or self._recording[0] is not chosen:
            return self._record(model, x, chosen)
        _, copy_of_x, a, tape = self._recording
        np.copyto(copy_of_x, x)
        tape.repeat()
        return a

    def _plainly(self, model: Sequential, x: Array, chosen: Kernels) -> Array:
        self._shape, self._recording = x.shape, None
        try:
            with using(chosen):
                return model.forward(x, self._workspace)[1]
        finally:
            self._workspace.forget()  # it must not keep the user's arrays

    def _record(self, model: Sequential, x: Array, chosen: Kernels) -> Array:
        tape, x = Tape(chosen), x.copy()
        # nothing is compiled: the first prediction, which is not recorded, must have the same bits
        recorder = _Recorder(tape, DEFINITIONS.elementwise, _NO_PLACES)
        chain = model.chain.mapped(partial(_RecordedLayer, recorder=recorder))
        with using(chosen), model.verified(x, self._workspace):
            chain.forward(model.parameters.scope, x, self._workspace)
            a = chain.activate(len(chain.layers) - 1, self._workspace)
            tape.finish()
        self._recording = chosen, x, a, tape
        return a


class _Recorder:
    """What records the methods of components.

    Every δ and ∂C/∂a is used up as soon as the next one is there, so two places hold them all, in turn. Only methods
    made of kernels get them: any other is asked again at each repetition, and may then return something else.

    Parameters
    ----------
    tape
        The recording.
    elementwise
        Compiles activations that are not made of kernels.
    places
        Two flat arrays; empty ones where no pass goes backward.
    """

    def __init__(self, tape: Tape, elementwise: Compiler, places: tuple[Array, Array]) -> None:
        self.tape, self.elementwise, self._places = tape, elementwise, places

    def pass_on(self, workspace: Workspace, source: Array, method: Callable[..., Any], *arguments: Any) -> Any:
        """Record a method that makes δ or ∂C/∂a from `source`."""
        if not made_of_kernels(method):
            return self.tape.perform(method, *arguments)
        with workspace.lending(self.beside(source)):
            return self.tape.perform(method, *arguments)

    def beside(self, array: Array) -> Array:
        """Return the place that `array` is not in."""
        first, second = self._places
        return second if np.may_share_memory(first, array) else first


class _RecordedLayer(Layer):
    """A layer that is recorded."""

    def __init__(self, layer: Layer, recorder: _Recorder) -> None:
        self._layer, self._recorder = layer, recorder
        self.activation = _RecordedActivation(layer.activation, recorder)  # type: ignore[arg-type]

    def output_shape(self, input_shape: Shape) -> Shape:
        return self._layer.output_shape(input_shape)

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        return self._recorder.tape.perform(self._layer.forward, params, a_prev, workspace)  # type: ignore[no-any-return]

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        return self._recorder.pass_on(workspace, delta, self._layer.backward, params, delta, grads, workspace)  # type: ignore[no-any-return]


class _RecordedActivation(Activation):
    """An activation that is recorded, or compiled where it is not made of kernels and something can."""

    def __init__(self, activation: Activation, recorder: _Recorder) -> None:
        self._activation, self._recorder = activation, recorder
        self._compiled = None if made_of_kernels(activation.forward) else recorder.elementwise(activation)

    def forward(self, z: Array, workspace: Workspace) -> Array:
        if self._compiled is None:
            return self._recorder.tape.perform(self._activation.forward, z, workspace)  # type: ignore[no-any-return]
        a = workspace.buffer("a", z.shape)
        self._recorder.tape.call("", self._compiled[0], z, a)
        return a

    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        if self._compiled is None:
            return self._recorder.pass_on(workspace, grad_a, self._activation.delta, grad_a, z, a, workspace)  # type: ignore[no-any-return]
        with workspace.lending(self._recorder.beside(grad_a)):
            delta = workspace.passing("delta", z.shape)
        self._recorder.tape.call("", self._compiled[1], grad_a, z, a, delta)
        return delta


class _RecordedCost:
    """A cost that is recorded."""

    def __init__(self, cost: Any, recorder: _Recorder) -> None:
        self._cost, self._recorder = cost, recorder

    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        return self._recorder.pass_on(workspace, a, self._cost.gradient, a, y, workspace, weight)  # type: ignore[no-any-return]

    def canonical_delta(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        return self._recorder.pass_on(workspace, a, self._cost.canonical_delta, a, y, workspace, weight)  # type: ignore[no-any-return]
