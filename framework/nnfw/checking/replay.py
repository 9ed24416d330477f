"""A float64 pass through a network that can be repeated with one quantity shifted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.errors import PluginError
from nnfw.model import Sequential
from nnfw.network import Batch, Chain
from nnfw.network.parameters import Scope
from nnfw.protocols import Cost, Layer, activation_of
from nnfw.randomness import stream
from nnfw.workspace import ACTIVATION, LAYER, Workspace

INPUT = "x"
_SIMPLE = 2**12  # values with fewer binary digits may be exact (whole numbers, halves); others were rounded
_STEPS, _STEP = 3, 0.1  # a few steps of descent, each a tenth of the parameters' own size
_JITTER = 1e-2  # far larger than any difference step, small compared to the values of a network


@dataclass(frozen=True, eq=False)
class Leaf:
    """A layer that contains no others, and where a pass stores its results."""

    name: str  # layers.0, or layers.1.layers.0 inside the chain layers.1
    layer: Layer
    output_shape: Shape
    params: Mapping[str, Array]
    inner: Workspace  # of its z and δ
    outer: Workspace  # of its a and ∂C/∂a: for the last layer of an inner chain, that of the outer chain

    @property
    def delta_name(self) -> str:
        """The name of its δ, beside ``layers.<i>.weight``."""
        return f"{self.name}.delta"

    def forward(self, a_prev: Array) -> Array:
        """Return z."""
        return self.layer.forward(self.params, a_prev, self.inner.child(LAYER))

    def activate(self, z: Array) -> Array:
        """Return a = σ(z)."""
        return activation_of(self.layer).forward(z, self.outer.child(ACTIVATION))


@dataclass(frozen=True, eq=False)
class Analytic:
    """The results of a backward pass.

    The terms are the size of the numbers of which C is made, each exact to its last place: |C| + Σ_l Σ |δ^l ⊙ z^l|,
    which is what C changes by if every z changes by its own size.
    """

    cost: float
    gradients: Mapping[str, Array]  # of every trainable parameter, every δ, and x
    outputs: Mapping[str, tuple[Array, Array]]  # ∂C/∂a and a of every layer before the last, by the name of its δ
    terms: float


class Replay:
    """One batch in a float64 copy of a network, in training mode; every pass draws the same noise.

    `y` are labels in the form that the cost takes; noise and moves come from `seed`.
    """

    def __init__(self, model: Sequential, x: Array, y: Array, weight: Array | None, cost: Cost, seed: int) -> None:
        self.model = Sequential(
            model.layers,
            model.input_shape,
            seed=model.seed,
            dtype="float64",
            values=model.parameters,
            registry=model.registry,
        )
        self.objective = self.model.objective(cost)
        self.x = np.array(x, np.float64)
        self.batch = Batch(self.x, y, None if weight is None else np.asarray(weight, np.float64))
        self._moved = False
        self._state = self.model.parameters.state.copy()
        self._rng = np.random.default_rng(seed)
        self._noise = stream(seed, "noise")
        self._first_noise = self._noise.bit_generator.state
        self.leaves = self._leaves(Workspace(np.float64, self._noise, training=True))
        self._deltas = {leaf.delta_name for leaf in self.leaves}

    def _leaves(self, workspace: Workspace) -> tuple[Leaf, ...]:
        return tuple(_leaves_of(self.model.chain, self.model.input_shape, self.model.parameters, workspace))

    def backward(self) -> Analytic:
        """Return what the backward pass gives, or raise PluginError if a component breaks its protocol.

        The gradients are NaN before the pass, so anything that backward does not overwrite shows.
        """
        self._rewind()
        model, workspace = self.model, self.model.network.workspace(self._noise, training=True)
        grads = model.network.views(np.full_like(model.parameters.vector, np.nan))
        cost, _ = model.network.backward(self.batch, self.objective, workspace, grads)
        found = {name: gradient.copy() for name, gradient in grads.items()}
        leaves = self._leaves(workspace)
        found |= {leaf.delta_name: leaf.inner["delta"].copy() for leaf in leaves}
        outputs = {leaf.delta_name: (leaf.outer["grad_a"].copy(), np.array(leaf.outer["a"])) for leaf in leaves[:-1]}
        if self._moved:  # before a move, all values may be representable in float32
            self._require_precision(leaves, found)
        terms = abs(cost) + sum(float(np.abs(leaf.inner["delta"] * leaf.inner["z"]).sum()) for leaf in leaves)
        if self.objective.canonical:  # C comes from z^L, as differences of terms of that size
            terms += float(np.abs(leaves[-1].inner["z"]).sum()) / len(self.x)
        found[INPUT] = self._input_gradient()
        return Analytic(cost, found, outputs, terms if np.isfinite(terms) else abs(cost))

    def _input_gradient(self) -> Array:
        """Return ∂C/∂x, which training does not need."""
        self._rewind()
        model, workspace = self.model, Workspace(np.float64, self._noise, training=True)
        last = len(model.layers) - 1
        z = model.chain.forward(model.parameters, self.x, workspace)
        a = model.chain.activate(last, workspace)
        delta = self.objective.delta(z, a, self.batch.y, model.chain.workspace_of(last, workspace), self.batch.weight)
        unused = model.network.views(np.zeros_like(model.parameters.vector))
        gradient = model.chain.backward(model.parameters, delta, unused, workspace)
        if not isinstance(gradient, np.ndarray) or (gradient.shape, gradient.dtype) != (self.x.shape, self.x.dtype):
            found = getattr(gradient, "shape", type(gradient).__name__), getattr(gradient, "dtype", "")
            raise PluginError(
                f"Layer 0 {model.registry.label('layer', model.layers[0])}: backward returned {found[0]} {found[1]}, "
                f"expected {self.x.shape} float64, the shape of its input and the network's dtype."
            )
        return gradient.copy()

    def _require_precision(self, leaves: tuple[Leaf, ...], found: Mapping[str, Array]) -> None:
        """Refuse float64 results whose values were rounded to float32, although computed from float64 values."""
        for before, leaf in zip((None, *leaves), leaves, strict=False):
            a_prev = self.x if before is None else before.outer["a"]
            z, a, delta = leaf.inner["z"], leaf.outer["a"], leaf.inner["delta"]
            steps = [("forward", [a_prev, *leaf.params.values()], z), ("its activation's forward", [z], a)]
            if "grad_a" in leaf.outer:
                steps.append(("its activation's delta", [leaf.outer["grad_a"]], delta))
            if before:
                steps.append(("backward", [delta], before.outer["grad_a"]))
            own = [found[f"{leaf.name}.{name}"] for name in leaf.params if f"{leaf.name}.{name}" in found]
            steps += [("backward", [delta], gradient) for gradient in own]
            for method, sources, result in steps:
                if not any(map(_fits_float32, sources)) and _is_rounded(result):
                    position = leaf.name.removeprefix("layers.").replace(".layers.", ".")
                    label = self.model.registry.label("layer", leaf.layer)
                    raise PluginError(
                        f"Layer {position} {label}: {method} returned float64 with values rounded to float32, "
                        "expected values computed in the network's dtype. Let it compute in workspace.dtype."
                    )

    def values(self, name: str) -> Array:
        """Return the array that is shifted under `name`: a parameter, x, or z of a layer for its δ."""
        if name in self._deltas:
            return next(z for leaf, z, _ in self._pass() if leaf.delta_name == name).copy()
        return self.x if name == INPUT else self.model.parameters[name]

    def shifted_cost(self, name: str, where: int | Array, t: float) -> float:
        """Return C with `t` added to one element of a quantity, or `t` times a flat direction added to all of them."""
        if name == INPUT or name in self._deltas:
            return self._cost(name, where, t)
        flat = self.model.parameters[name].reshape(-1)  # a view: parameters are contiguous
        place = slice(None) if isinstance(where, np.ndarray) else where
        before = np.copy(flat[place])
        try:
            _shift(flat, where, t)
            return self._cost()
        finally:
            flat[place] = before

    def _cost(self, name: str = "", where: int | Array = 0, t: float = 0.0) -> float:
        *_, (_, z, a) = self._pass(name, where, t)
        return self.objective.value(z, a, self.batch.y, self.batch.weight)

    def sigma_alone(self, name: str, where: int, t: float, grad_a: Array) -> float:
        """Return Σ ∂C/∂a ⊙ σ(z) of the layer whose δ is called `name`, with one z shifted.

        Its derivative is Equation 2 with ∂C/∂a taken as known: the layers that follow cannot add kinks.
        """
        return next(float(np.sum(grad_a * a)) for leaf, _, a in self._pass(name, where, t) if leaf.delta_name == name)

    def _pass(self, name: str = "", where: int | Array = 0, t: float = 0.0) -> Iterator[tuple[Leaf, Array, Array]]:
        """Yield each layer with its z and a as they are computed."""
        self._rewind()
        a = self.x if name != INPUT else _shifted(self.x, where, t)
        for leaf in self.leaves:
            z = leaf.forward(a)
            if name == leaf.delta_name:
                z = _shifted(z, where, t)
            a = leaf.activate(z)
            yield leaf, z, a

    def train(self) -> None:
        """Take a few steps downhill, away from values that float32 can represent."""
        vector = self.model.parameters.vector
        for _ in range(_STEPS):
            self._rewind()
            gradient = np.zeros_like(vector)
            workspace = self.model.network.workspace(self._noise, training=True)
            views = self.model.network.views(gradient)
            self.model.network.backward(self.batch, self.objective, workspace, views)
            size = root_mean_square(gradient)
            if np.isfinite(size) and size > 0:
                vector -= _STEP * max(root_mean_square(vector), _STEP) / size * gradient
        self.move(_JITTER * _STEP)

    def move(self, jitter: float = _JITTER, *, also_input: bool = False) -> None:
        """Move to a nearby point, with new noise."""
        self._moved = True
        for values in (self.model.parameters.vector, self.x) if also_input else (self.model.parameters.vector,):
            values += jitter * np.maximum(1, np.abs(values)) * self._rng.standard_normal(values.shape)
        self._rewind()
        self._noise.random()
        self._first_noise = self._noise.bit_generator.state

    def _rewind(self) -> None:
        self._noise.bit_generator.state = self._first_noise
        self.model.parameters.state[...] = self._state


def _leaves_of(
    chain: Chain,
    input_shape: Shape,
    params: Scope,
    workspace: Workspace,
    prefix: str = "",
    around: Workspace | None = None,
) -> Iterator[Leaf]:
    """Yield the layers that contain no others; for a chain in a chain, `around` is where the outer one keeps its a."""
    shapes, last = chain.shapes(input_shape), len(chain.layers) - 1
    for index in range(len(chain.layers)):
        layer = chain.layers[index]
        name, memory = f"{prefix}layers.{index}", chain.workspace_of(index, workspace)
        outer = around if around is not None and index == last else memory
        if type(layer) is Chain:  # a class derived from it may do anything between its layers
            inside = memory.child(LAYER)
            yield from _leaves_of(layer, shapes[index], params.layer(index), inside, f"{name}.", outer)
        else:
            yield Leaf(name, layer, shapes[index + 1], params.layer(index), memory, outer)


def _shifted(values: Array, where: int | Array, t: float) -> Array:
    copy = np.array(values)
    _shift(copy.reshape(-1), where, t)
    return copy


def _shift(flat: Array, where: int | Array, t: float) -> None:
    if isinstance(where, np.ndarray):
        flat += t * where
    else:
        flat[where] += t


def root_mean_square(vector: Array) -> float:
    """Return the root of the mean square; 0 for an empty vector."""
    return sqrt(float(np.mean(np.square(vector)))) if vector.size else 0.0


def _fits_float32(values: Array) -> bool:
    with np.errstate(over="ignore"):  # what overflows does not fit
        return np.array_equal(values.astype(np.float32), values)


def _is_rounded(values: Array) -> bool:
    """Return whether all values are float32, and not merely whole numbers or simple fractions."""
    mantissas = np.frexp(values)[0] * _SIMPLE
    return bool(_fits_float32(values) and (mantissas != np.round(mantissas)).any())
