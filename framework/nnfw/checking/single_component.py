"""The gradient check of a single component, alone in a network whose cost is a random cotangent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from nnfw.arrays import Array, Shape, Shapes
from nnfw.checking.gradient_report import Report
from nnfw.checking.gradients import check_pass
from nnfw.model import Sequential
from nnfw.network import Batch
from nnfw.plugins import Registry
from nnfw.plugins.specs import holds_shapes
from nnfw.protocols import Activation, Block, Cost, Layer, Merge, Node
from nnfw.workspace import Workspace

_COTANGENT = 1  # a separate stream: c must be independent of a z drawn with the same seed


@dataclass(frozen=True)
class Cotangent(Cost):
    """C = Σ c ⊙ a, whose labels are the cotangent c: then ∇_a C = c.

    Equal weights would hide errors, for instance in softmax, whose outputs have a constant sum; a normal c does not.
    """

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return y."""
        return y

    def value(self, a: Array, y: Array, weight: Array | None = None) -> float:
        """Return C."""
        return float(np.sum(a * y))

    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return c."""
        gradient = workspace.buffer("gradient", a.shape)
        gradient[...] = y
        return gradient


@dataclass(frozen=True)
class Unchanged(Activation):
    """a = z, δ = ∂C/∂a."""

    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return z."""
        return z

    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return ∂C/∂a."""
        return grad_a


@dataclass(frozen=True)
class Bare(Layer):
    """z = a_prev: only its activation matters."""

    activation: Activation | str

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        return input_shape

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return `a_prev`."""
        return a_prev

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return `delta`."""
        return delta


def alone(
    component: Layer | Merge | Block, input_shape: Shape | Shapes, registry: Registry, **settings: Any
) -> Sequential:
    """Return a network of one component. Its input is called x; several are called x0, x1 and so on."""
    if not holds_shapes(input_shape):
        return Sequential([component], cast("Shape", input_shape), registry=registry, **settings)
    shapes = {f"x{index}": cast("Shape", shape) for index, shape in enumerate(input_shape)}
    return Sequential([Node(component, inputs=tuple(shapes))], shapes, registry=registry, **settings)


def drawn(model: Sequential, rng: np.random.Generator, examples: int) -> tuple[Array, ...]:
    """Return inputs for a network: normal numbers, or indices in its range."""
    sizes = [((examples, *each.shape), each.limit) for each in model.network.inputs]
    return tuple(rng.standard_normal(size) if limit is None else rng.integers(0, limit, size) for size, limit in sizes)


def check_layer(
    layer: Layer | Merge | Block,
    input_shape: Shape | Shapes,
    registry: Registry,
    *,
    examples: int = 3,
    seed: int = 0,
    x: Array | None = None,
    wanted: Callable[[str], bool] = bool,
) -> Report:
    """Compare ∂C/∂x and every gradient of a layer or a block with numerical differentiation, for C = Σ c ⊙ σ(z).

    `input_shape` is a tuple of shapes for several inputs. Parameters, inputs if `x` gives none, cotangent and noise are
    drawn from `seed`; the registry finds the components that it names. `wanted` is as for :func:`check_pass`.

    Examples
    --------
    >>> import nnfw
    >>> registry = nnfw.Registry.discover()
    >>> check_layer(nnfw.layer("dense", units=3), (4,), registry).ok
    True
    >>> check_layer(nnfw.layer("multiply"), ((4,), (4,)), registry).ok
    True
    """
    rng = np.random.default_rng(seed)
    model = alone(layer, input_shape, registry, seed=seed, dtype="float64")
    inputs = drawn(model, rng, examples) if x is None else (x,)
    cotangent = rng.standard_normal((len(inputs[0]), *model.output_shape))
    return _check(model, inputs, cotangent, Cotangent(), seed=seed, wanted=wanted)


def check_activation(activation: Activation, z: Array, registry: Registry, *, seed: int = 0) -> Report:
    """Compare δ = ∂C/∂z of one activation with numerical differentiation, as :func:`check_layer`."""
    cotangent = np.random.default_rng((seed, _COTANGENT)).standard_normal(z.shape)
    model = Sequential([Bare(activation)], z.shape[1:], seed=seed, dtype="float64", registry=registry)
    return _check(model, (z,), cotangent, Cotangent(), seed=seed)


def check_cost(
    cost: Cost, activation: Activation | str, z: Array, y: Array, weight: Array | None, registry: Registry
) -> Report:
    """Compare δ^L (Equation 1) of a cost after an activation with numerical differentiation.

    For its canonical activation it is the closed form. `y` are labels as ``cost.targets`` gives them.
    """
    model = Sequential([Bare(activation)], z.shape[1:], dtype="float64", registry=registry)
    return _check(model, (z,), y, cost, weight)


def _check(
    model: Sequential, inputs: tuple[Array, ...], y: Array, cost: Cost, weight: Array | None = None, **how: Any
) -> Report:
    return check_pass(model, Batch(inputs, (y,), weight, (None,) * len(inputs)), model.objective(cost), **how)
