"""A bench for one layer: parameters, workspaces and passes as a network provides them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from nnfw.arrays import Array, Shape
from nnfw.conformance.outcomes import applies_if, require
from nnfw.conformance.requirements import require_array
from nnfw.conformance.subjects import SEED, Subject
from nnfw.errors import ShapeError, short
from nnfw.network.graph import is_shape
from nnfw.network.parameters import Layout, Scope
from nnfw.protocols import Layer
from nnfw.workspace import Workspace

TRIAL_SHAPES: tuple[Shape, ...] = ((4,), (3,), (5,), (1,), (3, 4), (4, 4), (2, 4, 5), (4, 6, 6), (2, 3, 4, 5))
"""Shapes of one example to try: one to four axes, square and not. Every layer should take some of them."""

_SPREAD = 0.1  # added to the initial values: a bias of 0 would hide errors
_NOISE_SEED = 7
_PASSES = 3  # in training, after which running state has moved


def _sampled(subject: Subject[Layer]) -> dict[Shape, Array]:
    """Return the batches that the layer says it is to be tried with, by the shape of an example."""
    batches = [require_array(batch, "samples") for batch in subject.samples()]
    require(all(batch.size for batch in batches), "samples yielded an empty batch, expected one (N, *input_shape).")
    return {batch.shape[1:]: batch for batch in batches}


def shapes_of(subject: Subject[Layer]) -> list[Shape]:
    """Return shapes that the layer accepts, starting with one for each number of axes; NotApplicable if none."""
    wanted = _sampled(subject) or subject.single_shapes or TRIAL_SHAPES
    found = [shape for shape in wanted if takes(subject.component, shape)]
    applies_if(found, "no shape is known that it takes; declare input_shapes in its ComponentSpec")
    first = {len(shape): shape for shape in reversed(found)}
    return list(dict.fromkeys([*(first[axes] for axes in sorted(first)), *found]))


def takes(layer: Layer, shape: Shape) -> bool:
    """Return whether a layer takes inputs of a shape."""
    try:
        layer.output_shape(shape)
    except ShapeError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class Pass:
    """The results of one forward and backward pass, with the gradient of every trainable parameter."""

    z: Array
    grad_a_prev: Array
    grads: Mapping[str, Array]

    def gradients(self) -> dict[str, Array]:
        """Return the results of backward, by the names that messages give them."""
        return {"∂C/∂a_prev": self.grad_a_prev, **{f"gradient of {name}": g for name, g in self.grads.items()}}

    def named(self) -> dict[str, Array]:
        """Return all results, by the names that messages give them."""
        return {"z": self.z, **self.gradients()}


class Bench:
    """A layer with parameters for inputs of one shape, all in `dtype`.

    Its inputs are rows of `batch`; without one, indices below its limit, or normal numbers.
    """

    def __init__(self, layer: Layer, shape: Shape, dtype: DTypeLike = np.float64, batch: Array | None = None) -> None:
        self.layer, self.batch, self.limit = layer, batch, layer.index_limit()
        self.lengths: Array | None = None  # of the sequences in every batch, if they are padded
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.output_shape: Shape = self.layer.output_shape(shape)
        require(
            is_shape(self.output_shape),
            f"output_shape({shape}) is {short(self.output_shape)}, expected a tuple of whole numbers.",
        )
        self.layout = Layout.of({"": dict(self.layer.parameters(shape))})
        named = any(isinstance(parameter.initializer, str) for parameter in self.layout.declared.values())
        applies_if(not named, "an initializer is only a name, as layer.parameters_are_real says")
        rng = np.random.default_rng(SEED)
        self.vector = np.zeros(self.layout.size, self.dtype)
        self.state = np.zeros(self.layout.state_size, self.dtype)
        self.params = self.layout.views(self.vector, self.state)
        for name, parameter in self.layout.declared.items():
            first = parameter.sample(rng)
            spread = _SPREAD * rng.standard_normal(parameter.shape) if parameter.trainable else 0.0
            self.params[name][...] = first + spread
        self.first_state = self.state.copy()
        self._rng = rng

    def x(self, examples: int) -> Array:
        """Return inputs, different at each call."""
        dtype = self.dtype if self.limit is None else np.dtype(np.int64)
        if self.batch is not None:
            return self.batch[self._rng.integers(len(self.batch), size=examples)].astype(dtype)
        if self.limit is not None:
            return self._rng.integers(0, self.limit, (examples, *self.shape))
        return self._rng.standard_normal((examples, *self.shape)).astype(dtype)

    def delta(self, examples: int) -> Array:
        """Return a normal δ, different at each call."""
        return self._rng.standard_normal((examples, *self.output_shape)).astype(self.dtype)

    def grads(self, fill: float = np.nan) -> Scope:
        """Return arrays for the gradients, filled with a value that must be overwritten."""
        return self.layout.views(np.full(self.layout.size, fill, self.dtype))

    def workspace(
        self, *, training: bool = True, needs_input_gradient: bool = True, seed: int = _NOISE_SEED
    ) -> Workspace:
        """Return a new workspace, with random numbers only for training."""
        rng = np.random.default_rng(seed) if training else None
        needs_input_gradient = needs_input_gradient and self.limit is None
        workspace = Workspace(self.dtype, rng, training=training, needs_input_gradient=needs_input_gradient)
        if self.lengths is not None:
            workspace.lengths = self.lengths
        return workspace

    def forward(self, x: Array, workspace: Workspace, state: Array | None = None) -> Array:
        """Return the layer's z, computed from the initial state or another one."""
        self.state[...] = self.first_state if state is None else state
        return require_array(self.layer.forward(self.params, x, workspace), "forward")

    def backward(self, delta: Array, workspace: Workspace, grads: Scope | None = None) -> tuple[Array, Scope]:
        """Return the layer's ∂C/∂a_prev, zeros for indices, which have none, and the gradients."""
        grads = self.grads() if grads is None else grads
        found = self.layer.backward(self.params, delta, grads, workspace)
        if self.limit is not None:
            return np.zeros((len(delta), *self.shape), self.dtype), grads
        return require_array(found, "backward"), grads

    def run(self, x: Array, delta: Array, workspace: Workspace | None = None) -> Pass:
        """Return copies of the results of a pass; without a workspace, in training mode and with fixed noise."""
        workspace = self.workspace() if workspace is None else workspace
        z = self.forward(x, workspace).copy()
        gradient, grads = self.backward(delta, workspace)
        return Pass(z, gradient.copy(), {name: g.copy() for name, g in grads.items()})

    def evaluate(self, x: Array, state: Array | None = None) -> Array:
        """Return a copy of z outside of training."""
        return self.forward(x, self.workspace(training=False), state).copy()

    def trained_state(self) -> Array:
        """Return the state after a few passes in training."""
        workspace, state = self.workspace(), self.first_state
        for _ in range(_PASSES):
            self.forward(self.x(4), workspace, state)
            self.backward(self.delta(4), workspace)
            state = self.state.copy()
        return state


def benches(
    subject: Subject[Layer], dtype: DTypeLike = np.float64, *, layer: Layer | None = None, most: int | None = 3
) -> list[Bench]:
    """Return a bench for each of the first shapes that the layer, by default the subject's, accepts."""
    batches = _sampled(subject)
    shapes = shapes_of(subject)[:most]
    return [Bench(layer or subject.component, shape, dtype, batches.get(shape)) for shape in shapes]
