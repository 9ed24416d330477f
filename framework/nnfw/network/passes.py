"""Passes recorded once, then replayed: training steps and predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from operator import attrgetter
from typing import NamedTuple, cast

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.network.batch import Batch
from nnfw.network.network import Network
from nnfw.network.objective import Objective, Outputs
from nnfw.network.parameters import Scope
from nnfw.ops import DEFINITIONS, Engine, Operation, Tape, engine_in_use, made_of_kernels, using
from nnfw.step import Arguments, Result, plain
from nnfw.workspace import Workspace

Compiler = Callable[[object], tuple[Operation, Operation] | None]

_LARGEST_RECORDED = 1 << 14
"""Largest size of a batch that is copied for a recording; above it, dispatch cost is negligible."""

_KEPT = 3 << 18
"""Bytes of buffers that are kept between two calls."""

_SHAPE = attrgetter("shape")

_NO_PLACES = np.empty(0), np.empty(0)


class Recording(NamedTuple):
    """A recorded pass.

    Parameters
    ----------
    value
        Returns C of the last replay.
    outputs
        z and a of each output.
    cost
        Where C is written, ``(1,)``, float64; None if `value` computes it.
    put_back
        Restores what the pass kept in its workspace.
    tape
        The recorded operations.
    """

    value: Callable[[], float]
    outputs: Outputs
    cost: Array | None
    put_back: Callable[[], None]
    tape: Tape


class RepeatedPass:
    """The forward and backward pass of a training, for batches in reused buffers.

    The first pass of a batch is recorded and later replayed: the same bits without dispatch cost. It begins with
    gathering the batch.

    Parameters
    ----------
    network, objective, workspace, grads
        As for :meth:`Network.backward`.
    """

    def __init__(self, network: Network, objective: Objective, workspace: Workspace, grads: Scope) -> None:
        self._network, self._objective, self._workspace, self._grads = network, objective, workspace, grads
        self._recordings: dict[tuple[Batch, Engine], Recording] = {}
        self._last: Recording | None = None
        self._places = _NO_PLACES

    def __call__(self, batch: Batch) -> tuple[float, Outputs]:
        """Return C, and z and a of each output for a batch, and fill the gradients."""
        found = self._recordings.get((batch, engine_in_use()))
        if found is None:
            found = self._recordings[batch, engine_in_use()] = self._last = self._record(batch)
            return found.value(), found.outputs
        self.switch_to(found)
        found.tape.repeat()
        return found.value(), found.outputs

    @property
    def nbytes(self) -> int:
        """The size of its own buffers, beside those of the workspace."""
        return sum(place.nbytes for place in self._places)

    def recording_of(self, batch: Batch) -> Recording | None:
        """Return the recording of a batch for the engine in use; None before its first pass."""
        return self._recordings.get((batch, engine_in_use()))

    def switch_to(self, recording: Recording) -> None:
        """Restore what a pass of this recording keeps in the workspace."""
        if recording is not self._last:
            recording.put_back()
            self._last = recording

    def _record(self, batch: Batch) -> Recording:
        tape = Tape(engine_in_use())
        recorder = _Recorder(tape, engine_in_use().elementwise, self._places_for(len(batch)))
        network, workspace, objective = self._network, self._workspace, self._objective
        cost = workspace.buffer("cost", (1,), np.float64)
        with network.verified(batch.inputs, workspace, objective), workspace.stepping(recorder):
            tape.perform(batch.gather)
            network.propagate(batch, objective, workspace, self._grads)
            outputs = network.outputs_in(workspace)
            written = tape.perform(objective.write_value, outputs, batch, cost)
            tape.finish()
        value = partial(cost.item, 0) if written else partial(objective.value, outputs, batch)
        return Recording(value, outputs, cost if written else None, workspace.remember(), tape)

    def _places_for(self, count: int) -> tuple[Array, Array]:
        """Return two buffers for the largest δ of a batch, reused by a shorter last batch."""
        size = count * self._network.widest
        if self._places[0].size < size:
            dtype = self._network.dtype
            self._places = np.empty(size, dtype), np.empty(size, dtype)
            self._recordings.clear()  # those of smaller batches would keep their old buffers alive
        return self._places


class RepeatedForward:
    """The forward pass of predictions; not for two threads at a time.

    The second small batch of one shape in a row is recorded, once for each engine. Between two calls it holds less than
    a MiB: the buffers of larger batches are dropped.

    Parameters
    ----------
    workspace
        Its memory. The network is an argument of each call: it holds this object, and a reference cycle would keep the
        memory alive.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._shapes: Shape | tuple[Shape, ...] = ()
        self._records = False  # whether batches of these shapes are small enough
        self.light = True  # whether its buffers may all be kept
        self._recordings: dict[Engine, tuple[list[Array], list[Array], Tape]] = {}

    def __call__(
        self, network: Network, inputs: Sequence[Array], chosen: Engine, lengths: list[Array | None] | None
    ) -> list[Array]:
        """Return a of each output for a batch; they may be arrays of `inputs`, and the next call may overwrite them.

        The inputs have the dtypes that the network takes. Sequences with lengths are not recorded.
        """
        shapes = inputs[0].shape if len(inputs) == 1 else tuple(map(_SHAPE, inputs))
        if shapes != self._shapes or lengths or not self._records:
            return self._plainly(network, inputs, shapes, chosen, lengths)
        found = self._recordings.get(chosen)
        if found is None:
            found = self._recordings[chosen] = self._record(network, [array.copy() for array in inputs], chosen)
            return found[1]
        own, outputs, tape = found
        for k, array in enumerate(inputs):
            own[k][...] = array
        tape.repeat()
        return outputs

    def _plainly(
        self,
        network: Network,
        inputs: Sequence[Array],
        shapes: Shape | tuple[Shape, ...],
        chosen: Engine,
        lengths: list[Array | None] | None,
    ) -> list[Array]:
        self._shapes = shapes
        self._recordings.clear()
        try:
            with using(chosen):
                return [output.a for output in network.forward(inputs, self._workspace, lengths)]
        finally:
            self._workspace.forget()  # do not keep the user's arrays alive
            self.light = self._workspace.nbytes < _KEPT
            self._records = self.light and sum(array.size for array in inputs) <= _LARGEST_RECORDED

    def trimmed(self) -> RepeatedForward:
        """Return itself, with little memory."""
        self._workspace.trim(_KEPT)
        return self

    def _record(self, network: Network, inputs: list[Array], chosen: Engine) -> tuple[list[Array], list[Array], Tape]:
        tape = Tape(chosen)
        # compile nothing: the first prediction is not recorded and must have the same bits
        recorder = _Recorder(tape, DEFINITIONS.elementwise, _NO_PLACES)
        with using(chosen), self._workspace.stepping(recorder), network.verified(inputs, self._workspace):
            network.graph.forward(network.parameters, inputs, self._workspace)
            tape.finish()
        return inputs, [output.a for output in network.outputs_in(self._workspace)], tape


class _Recorder:
    """The step that records components' methods on a tape.

    Methods that ask the step run directly, since they only call other layers through it. Methods made of kernels are
    recorded as kernels. Any other method is called again at each replay, and calls inner components directly.

    Each δ and ∂C/∂a is needed only until the next one is computed, so two places hold them in turn. Only methods made
    of kernels get them: another method may return a different array at each replay.

    Parameters
    ----------
    tape
        The recording.
    elementwise
        Compiles activations that are not made of kernels.
    places
        Two flat arrays; empty ones for forward passes.
    """

    def __init__(self, tape: Tape, elementwise: Compiler, places: tuple[Array, Array]) -> None:
        self._tape, self._places = tape, places
        self._compiled = cache(elementwise)

    def __call__(
        self, method: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Call and record a method of a component; return its result."""
        if hasattr(method, "asks_step"):
            return method(*arguments, **named)
        workspace = next(item for item in (*arguments, *named.values()) if isinstance(item, Workspace))
        self._tape.owner = workspace.node
        arrays = [item for item in arguments if isinstance(item, np.ndarray)]
        backward = method.__name__ != "forward"
        with workspace.lending(self._free_place(arrays) if backward else None):
            if made_of_kernels(method):
                return self._tape.perform(method, *arguments, **named)
            if operations := self._compiled(getattr(method, "__self__", None)):
                return cast(Result, self._activate(operations[backward], arrays, workspace))
        with workspace.stepping(plain):
            return self._tape.perform(method, *arguments, **named)

    def _activate(self, operation: Operation, arrays: list[Array], workspace: Workspace) -> Array:
        """Record a compiled activation: σ(z) from z, or δ from ∂C/∂a, z and a."""
        shape = arrays[0].shape
        out = workspace.buffer("a", shape) if len(arrays) == 1 else workspace.passing("delta", shape)
        self._tape.call(operation, *arrays, out)
        return out

    def _free_place(self, arrays: list[Array]) -> Array | None:
        """Return a place that no argument overlaps."""
        return next((p for p in self._places if not any(np.may_share_memory(p, a) for a in arrays)), None)
