"""A float64 pass through a network that can be repeated with one quantity shifted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import cast

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import PluginError
from nnfw.model import Sequential
from nnfw.network import Batch, Objective, Place
from nnfw.randomness import stream
from nnfw.step import Arguments, Result
from nnfw.workspace import LAYER, Workspace

_SIMPLE = 2**12  # values with fewer binary digits may be exact (whole numbers, halves); others were rounded
_STEPS, _STEP = 3, 0.1  # a few steps of descent, each a tenth of the parameters' own size
_JITTER = 1e-2  # far larger than any difference step, small compared to the values of a network


@dataclass(frozen=True, eq=False)
class Analytic:
    """The results of a backward pass.

    The terms are the size of the numbers of which C is made, each exact to its last place: |C| + Σ_l Σ |δ^l ⊙ z^l|,
    which is what C changes by if every z changes by its own size.
    """

    cost: float
    gradients: Mapping[str, Array]  # of every trainable parameter, every δ, and every input of real numbers
    hidden: Mapping[str, tuple[Array, Array]]  # ∂C/∂a and a of every node that is no output, by the name of its δ
    terms: float


class Replay:
    """One batch in a float64 copy of a network, in training mode; every pass draws the same noise.

    `batch` has labels in the form that the costs take; noise and moves come from `seed`.

    Attributes
    ----------
    inputs
        The values of the inputs by name, numbers in float64.
    at_outputs
        The names of δ of the outputs.
    """

    def __init__(self, model: Sequential, batch: Batch, objective: Objective, seed: int) -> None:
        self.model = model.copied("float64")
        self.network, self.objective = self.model.network, objective
        graph = self.network.graph
        pairs = zip(self.network.inputs, batch.inputs, strict=True)
        arrays = tuple(np.array(array, each.dtype_in(np.dtype(np.float64))) for each, array in pairs)
        self.batch = replace(batch, inputs=arrays)
        self.inputs = dict(zip(graph.inputs, arrays, strict=True))
        self._moved = False
        self._state = self.model.parameters.state.copy()
        self._rng = np.random.default_rng(seed)
        self._noise = stream(seed, "noise")
        self._first_noise = self._noise.bit_generator.state
        self._workspace = Workspace(np.float64, self._noise, training=True)
        self._of_delta = {delta_name(place): place for place in graph.nodes}
        self.at_outputs = {delta_name(graph.nodes[index]) for index in graph.outputs}

    def backward(self) -> Analytic:
        """Return what the backward pass gives, or raise PluginError if a component breaks its protocol.

        The gradients are NaN before the pass, so anything that backward does not overwrite shows.
        """
        self._rewind()
        graph, workspace = self.network.graph, self.network.workspace(self._noise, training=True)
        grads = self.network.views(np.full_like(self.model.parameters.vector, np.nan))
        cost, outputs = self.network.backward(self.batch, self.objective, workspace, grads)
        found = {name: gradient.copy() for name, gradient in grads.items()}
        spaces = [(place, graph.workspace_of(place, workspace)) for place in graph.nodes]
        found |= {delta_name(place): own["delta"].copy() for place, own in spaces}
        if self._moved:  # before a move, all values may be representable in float32
            self._require_precision(workspace, found)
        terms = abs(cost) + sum(float(np.abs(own["delta"] * own["z"]).sum()) for _, own in spaces)
        for term, weight, (z, _, _) in zip(self.objective.terms, self.objective.weights, outputs, strict=True):
            if term.canonical:  # C comes from z^L, as differences of terms of that size
                terms += weight * float(np.abs(z).sum()) / len(self.batch)
        found |= self._input_gradients()
        return Analytic(cost, found, self._hidden(workspace), terms if np.isfinite(terms) else abs(cost))

    def _hidden(self, workspace: Workspace) -> dict[str, tuple[Array, Array]]:
        graph = self.network.graph
        inner = (place for index, place in enumerate(graph.nodes) if index not in graph.outputs)
        spaces = ((place, graph.workspace_of(place, workspace)) for place in inner)
        return {delta_name(place): (own["grad_a"].copy(), np.array(own["a"])) for place, own in spaces}

    def _input_gradients(self) -> dict[str, Array]:
        """Return ∂C/∂x of each input of real numbers, which training does not need."""
        self._rewind()
        network, workspace = self.network, Workspace(np.float64, self._noise, training=True)
        unused = network.views(np.zeros_like(self.model.parameters.vector))
        gradients = network.propagate(self.batch, self.objective, workspace, unused)
        found: dict[str, Array] = {}
        for each, x, gradient in zip(network.inputs, self.batch.inputs, gradients, strict=True):
            if each.limit is not None:
                continue
            if not isinstance(gradient, np.ndarray) or (gradient.shape, gradient.dtype) != (x.shape, x.dtype):
                kind = getattr(gradient, "shape", type(gradient).__name__), getattr(gradient, "dtype", "")
                position = network.graph.inputs.index(each.name)
                takers = [place for place in network.graph.nodes if position in place.sources]
                raise PluginError(
                    f"{network.graph.label(takers[-1])}: backward returned {kind[0]} {kind[1]}, expected {x.shape} "
                    "float64, the shape of its input and the network's dtype."
                )
            found[each.name] = gradient.copy()
        return found

    def _require_precision(self, workspace: Workspace, found: Mapping[str, Array]) -> None:
        """Refuse float64 results whose values were rounded to float32, although computed from float64 values."""
        graph, first = self.network.graph, len(self.network.inputs)
        activations = [*self.batch.inputs, *(graph.workspace_of(place, workspace)["a"] for place in graph.nodes)]
        for place in graph.nodes:
            own, params = graph.workspace_of(place, workspace), self.model.parameters.of(place.parameters)
            z, a, delta, terms = own["z"], own["a"], own["delta"], own["grad_inputs"]
            steps = [("forward", [*(activations[k] for k in place.sources), *params.values()], z)]
            steps.append(("its activation's forward", [z], a))
            if "grad_a" in own:
                steps.append(("its activation's delta", [own["grad_a"]], delta))
            pairs = zip(place.sources, terms if place.merges else (terms,), strict=True)
            steps += [("backward", [delta], term) for source, term in pairs if source >= first]
            names = (f"{place.parameters}.{name}" for name in params)
            steps += [("backward", [delta], found[name]) for name in names if name in found]
            for method, sources, result in steps:
                if not any(map(_fits_float32, sources)) and _is_rounded(result):
                    raise PluginError(
                        f"{graph.label(place)}: {method} returned float64 with values rounded to float32, "
                        "expected values computed in the network's dtype. Let it compute in workspace.dtype."
                    )

    def values(self, name: str) -> Array:
        """Return the array that is shifted under `name`: a parameter, an input, or z of a node for its δ."""
        if name in self._of_delta:
            return np.array(self._forward(name)["z"])
        return self.inputs[name] if name in self.inputs else self.model.parameters[name]

    def shifted_cost(self, name: str, where: int | Array, t: float) -> float:
        """Return C with `t` added to one element of a quantity, or `t` times a flat direction added to all of them."""
        if name in self._of_delta:
            self._forward(name, where, t)
            return self.objective.value(self.network.outputs_in(self._workspace), self.batch)
        flat = self.values(name).reshape(-1)  # a view: parameters and inputs are contiguous
        place = slice(None) if isinstance(where, np.ndarray) else where
        before = np.copy(flat[place])
        try:
            _shift(flat, where, t)
            self._forward()
            return self.objective.value(self.network.outputs_in(self._workspace), self.batch)
        finally:
            flat[place] = before

    def sigma_alone(self, name: str, where: int, t: float, grad_a: Array) -> float:
        """Return Σ ∂C/∂a ⊙ σ(z) of the node whose δ is called `name`, with one z shifted.

        Its derivative is Equation 2 with ∂C/∂a taken as known: the layers that follow cannot add kinks.
        """
        return float(np.sum(grad_a * self._forward(name, where, t)["a"]))

    def _forward(self, name: str = "", where: int | Array = 0, t: float = 0.0) -> Workspace:
        """Pass forward, with z of the node whose δ is called `name` shifted; return the workspace of that node."""
        self._rewind()
        graph, workspace = self.network.graph, self._workspace
        shifted = self._of_delta.get(name)

        def step(method: Callable[Arguments, Result], /, *args: Arguments.args, **named: Arguments.kwargs) -> Result:
            result = method(*args, **named)
            if shifted is not None and t and method == shifted.layer.forward and any(item is inner for item in args):
                return cast(Result, _shifted(cast(Array, result), where, t))
            return result

        inner = graph.workspace_of(shifted or graph.nodes[0], workspace).child(LAYER)
        with workspace.stepping(step):
            graph.forward(self.model.parameters, self.batch.inputs, workspace, self.batch.lengths)
        return graph.workspace_of(shifted or graph.nodes[0], workspace)

    def train(self) -> None:
        """Take a few steps downhill, away from values that float32 can represent."""
        vector = self.model.parameters.vector
        for _ in range(_STEPS):
            self._rewind()
            gradient = np.zeros_like(vector)
            workspace = self.network.workspace(self._noise, training=True)
            views = self.network.views(gradient)
            self.network.backward(self.batch, self.objective, workspace, views)
            size = root_mean_square(gradient)
            if np.isfinite(size) and size > 0:
                vector -= _STEP * max(root_mean_square(vector), _STEP) / size * gradient
        self.move(_JITTER * _STEP)

    def move(self, jitter: float = _JITTER, *, also_input: bool = False) -> None:
        """Move to a nearby point, with new noise."""
        self._moved = True
        numbers = [self.inputs[each.name] for each in self.network.inputs if each.limit is None]
        for values in (self.model.parameters.vector, *(numbers if also_input else ())):
            values += jitter * np.maximum(1, np.abs(values)) * self._rng.standard_normal(values.shape)
        self._rewind()
        self._noise.random()
        self._first_noise = self._noise.bit_generator.state

    def _rewind(self) -> None:
        self._noise.bit_generator.state = self._first_noise
        self.model.parameters.state[...] = self._state


def delta_name(place: Place) -> str:
    """Return the name of δ of a node, beside ``layers.<i>.weight``."""
    return f"{place.name}.delta"


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
