"""The gradient check of a single component, alone in a network whose cost is a random cotangent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.checking.gradient_report import Report
from nnfw.checking.gradients import check_pass
from nnfw.model import Sequential
from nnfw.network import Batch
from nnfw.plugins import Registry
from nnfw.protocols import Activation, Block, Cost, Layer
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
class _Bare(Layer):
    """z = a_prev: only its activation matters."""

    activation: Activation | str

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        return a_prev

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        return delta


def check_layer(
    layer: Layer | Block,
    input_shape: Shape,
    registry: Registry,
    *,
    examples: int = 3,
    seed: int = 0,
    x: Array | None = None,
) -> Report:
    """Compare ∂C/∂x and every gradient of a layer or a block with numerical differentiation, for C = Σ c ⊙ σ(z).

    Parameters, inputs if `x` gives none, cotangent and noise are drawn from `seed`; the registry finds the components
    that it names.

    Examples
    --------
    >>> import nnfw
    >>> check_layer(nnfw.layer("dense", units=3), (4,), nnfw.Registry.discover()).ok
    True
    """
    rng = np.random.default_rng(seed)
    model = Sequential([layer], input_shape, seed=seed, dtype="float64", registry=registry)
    if x is None:
        x = rng.standard_normal((examples, *model.input_shape))
    return _check(model, x, rng.standard_normal((len(x), *model.output_shape)), Cotangent(), seed=seed)


def check_activation(activation: Activation, z: Array, registry: Registry, *, seed: int = 0) -> Report:
    """Compare δ = ∂C/∂z of one activation with numerical differentiation, as :func:`check_layer`."""
    cotangent = np.random.default_rng((seed, _COTANGENT)).standard_normal(z.shape)
    model = Sequential([_Bare(activation)], z.shape[1:], seed=seed, dtype="float64", registry=registry)
    return _check(model, z, cotangent, Cotangent(), seed=seed)


def check_cost(
    cost: Cost, activation: Activation | str, z: Array, y: Array, weight: Array | None, registry: Registry
) -> Report:
    """Compare δ^L (Equation 1) of a cost after an activation with numerical differentiation.

    For its canonical activation it is the closed form. `y` are labels as ``cost.targets`` gives them.
    """
    model = Sequential([_Bare(activation)], z.shape[1:], dtype="float64", registry=registry)
    return _check(model, z, y, cost, weight)


def _check(model: Sequential, x: Array, y: Array, cost: Cost, weight: Array | None = None, seed: int = 0) -> Report:
    return check_pass(model, Batch((x,), (y,), weight), model.objective(cost), seed=seed)
