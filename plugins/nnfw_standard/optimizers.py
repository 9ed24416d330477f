"""Optimizers: one step downhill on the flat parameter vector.

θ is the vector of parameters, g = ∂C/∂θ its gradient, η the learning rate of the step, t the count of steps from 1.
Products and powers of vectors act on each element.

All share two options. `clip_norm` comes first: if ‖g‖₂ > clip_norm, g ← clip_norm · g / ‖g‖₂ (Pascanu, Mikolov, Bengio,
2013, *On the difficulty of training recurrent neural networks*, Algorithm 1). `weight_decay` λ comes second and acts on
the parameters that decay, the weights: g ← g + λ θ. :class:`AdamW` decouples it from g.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from math import sqrt
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from nnfw.arrays import Array
from nnfw.ops import kernels_only
from nnfw.ops.definitions import add_scaled, scale
from nnfw.protocols import SplitOptimizer
from nnfw_standard import operations

State = Mapping[str, Array]

SCRATCH = "scratch"
"""The array of state whose content does not outlast a step."""


@dataclass(frozen=True)
class Descent(SplitOptimizer):
    """A standard optimizer, with clipping and weight decay.

    Parameters
    ----------
    learning_rate
        η, greater than 0.
    weight_decay
        λ, 0 or more; 0 by default.
    clip_norm
        Largest Euclidean norm of the gradient, greater than 0; None, the default, for no limit.
    """

    learning_rate: Annotated[float, Gt(0)]
    _: KW_ONLY
    weight_decay: Annotated[float, Ge(0)] = 0.0
    clip_norm: Annotated[float, Gt(0)] | None = None

    decoupled: ClassVar[bool] = False
    """Whether weight decay acts on θ directly instead of on g."""

    @abstractmethod
    def descend(self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...]) -> None:
        """Change `vector` and `state` in place by an operation; `gradient` may be overwritten."""

    def _zeros(self, vector: Array, *names: str) -> State:
        """Return fresh arrays of state, shaped like `vector`."""
        # `scratch` for weight decay is unused, but checkpoints of earlier versions contain it
        unused = {SCRATCH} if self.weight_decay and not self.decoupled else set()
        return {name: np.zeros_like(vector) for name in sorted({*names} | unused)}

    def coefficients(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Return η."""
        return (learning_rate,)

    @kernels_only
    def apply(
        self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...], decays: slice
    ) -> None:
        """Take the step of :meth:`update`, by operations alone; `gradient` is overwritten, and nothing is allocated."""
        if self.clip_norm is not None:
            operations.clip(gradient, self.clip_norm)
        if self.weight_decay and not self.decoupled:
            add_scaled(gradient[decays], vector[decays], self.weight_decay)
        if self.weight_decay and self.decoupled:
            scale(vector[decays], coefficients[-1])
            coefficients = coefficients[:-1]
        self.descend(vector, gradient, state, coefficients)


@dataclass(frozen=True)
class SGD(Descent):
    """Gradient descent on batches, with momentum and Nesterov's variant.

    | v ← μ v + g
    | θ ← θ − η v, or with `nesterov` θ ← θ − η (g + μ v)

    Without momentum this is θ ← θ − η g.

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.01 by default.
    momentum
        μ in [0, 1); 0 by default.
    nesterov
        Whether to take the gradient as that one momentum step ahead; False by default, without effect at μ = 0.
    weight_decay
        λ, 0 or more, on the weights only; g ← g + λ θ; 0 by default.
    clip_norm
        Largest Euclidean norm of g, greater than 0; None, the default, for no limit.

    Notes
    -----
    η is outside of v, as in PyTorch (with `dampening` 0), so a change of η acts at once. Keras and Sutskever have it
    inside, v ← μ v − η g and θ ← θ + v; at constant η both are the same. With `nesterov`, θ is Sutskever's θ + μ v, the
    point one momentum step ahead, as in PyTorch and Keras.

    References
    ----------
    H. Robbins, S. Monro (1951), *A stochastic approximation method*.
    B. T. Polyak (1964), *Some methods of speeding up the convergence of iteration methods*.
    Y. Nesterov (1983), *A method of solving a convex programming problem with convergence rate O(1/k²)*.
    I. Sutskever, J. Martens, G. Dahl, G. Hinton (2013), *On the importance of initialization and momentum in deep
    learning*, Equations 1 to 4.

    Examples
    --------
    >>> sgd, theta = SGD(0.1, momentum=0.9), np.array([1.0])
    >>> state = sgd.state(theta)
    >>> for t in (1, 2):
    ...     sgd.update(theta, np.array([2.0]), state, t, 0.1, slice(0, 1))
    >>> theta.round(9)  # 1 − 0.1 · 2 − 0.1 · (0.9 · 2 + 2)
    array([0.42])
    """

    learning_rate: Annotated[float, Gt(0)] = 0.01
    _: KW_ONLY
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.0
    nesterov: bool = False

    def state(self, vector: Array) -> State:
        """Return the velocity v = 0; nothing without momentum."""
        return self._zeros(vector, "velocity") if self.momentum else self._zeros(vector)

    def descend(self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...]) -> None:
        """Take the step."""
        if self.momentum:
            operations.momentum(vector, gradient, state["velocity"], self.momentum, *coefficients, self.nesterov)
        else:
            operations.sgd(vector, gradient, *coefficients)


@dataclass(frozen=True)
class Adam(Descent):
    """The mean gradient over the root of its mean square.

    | m ← β₁ m + (1 − β₁) g
    | v ← β₂ v + (1 − β₂) g²
    | θ ← θ − η m̂ / (√v̂ + ε), where m̂ = m / (1 − β₁^t) and v̂ = v / (1 − β₂^t)

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.001 by default.
    beta1, beta2
        β₁ and β₂ in [0, 1), the decay rates of the means; 0.9 and 0.999 by default.
    epsilon
        ε, greater than 0; 1e-8 by default.
    weight_decay
        λ, 0 or more, on the weights only; g ← g + λ θ; 0 by default.
    clip_norm
        Largest Euclidean norm of g, greater than 0; None, the default, for no limit.

    Notes
    -----
    ε is outside of the root and added after bias correction, as in the paper's Algorithm 1 and in PyTorch (1e-8). Keras
    adds 1e-7 before the correction, the ε̂ of the paper's section 2. The state holds m / (1 − β₁) and v / (1 − β₂),
    which saves passes over the arrays; η and ε contain the missing factors.

    References
    ----------
    D. P. Kingma, J. Ba (2015), *Adam: a method for stochastic optimization*, Algorithm 1.

    Examples
    --------
    >>> adam, theta = Adam(), np.array([1.0, 1.0])
    >>> adam.update(theta, np.array([2.0, -500.0]), adam.state(theta), 1, 0.001, slice(0, 2))
    >>> theta.round(9)  # the first step is η long, whatever the gradient
    array([0.999, 1.001])
    """

    learning_rate: Annotated[float, Gt(0)] = 0.001
    _: KW_ONLY
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    epsilon: Annotated[float, Gt(0)] = 1e-8

    def state(self, vector: Array) -> State:
        """Return the discounted sums of g and of g², which start at 0."""
        return self._zeros(vector, "gradient_sum", "square_sum")

    def coefficients(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Return η and ε, with the factors that the state leaves out."""
        # m̂ = first · m and √v̂ = second · √v; dividing by `second` saves a pass that scales v
        first = (1 - self.beta1) / (1 - self.beta1**step)
        second = sqrt((1 - self.beta2) / (1 - self.beta2**step))
        return learning_rate * first / second, self.epsilon / second

    def descend(self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...]) -> None:
        """Take the step."""
        m, v = state["gradient_sum"], state["square_sum"]
        operations.adam(vector, gradient, m, v, self.beta1, self.beta2, *coefficients)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay that acts directly on the weights, not through the gradient's moments.

    | θ ← θ − η λ θ, on the weights only
    | θ ← θ − η m̂ / (√v̂ + ε), with m̂ and v̂ as in :class:`Adam`

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.001 by default.
    beta1, beta2
        β₁ and β₂ in [0, 1), the decay rates of the means; 0.9 and 0.999 by default.
    epsilon
        ε, greater than 0; 1e-8 by default.
    weight_decay
        λ, 0 or more; 0.01 by default.
    clip_norm
        Largest Euclidean norm of g, greater than 0; None, the default, for no limit.

    Notes
    -----
    η multiplies the decay, as in PyTorch (λ = 0.01) and Keras (λ = 0.004); in the paper, only the schedule's factor
    does.

    References
    ----------
    I. Loshchilov, F. Hutter (2019), *Decoupled weight decay regularization*, Algorithm 2.

    Examples
    --------
    >>> adamw, theta = AdamW(weight_decay=0.5), np.array([1.0, 1.0])
    >>> adamw.update(theta, np.zeros(2), adamw.state(theta), 1, 0.1, slice(0, 1))
    >>> theta
    array([0.95, 1.  ])
    """

    _: KW_ONLY
    weight_decay: Annotated[float, Ge(0)] = 0.01

    decoupled: ClassVar[bool] = True

    def coefficients(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Return η and ε as for :class:`Adam`, and the factor of the weights."""
        adam = super().coefficients(step, learning_rate)
        return (*adam, 1 - learning_rate * self.weight_decay) if self.weight_decay else adam


@dataclass(frozen=True)
class RMSProp(Descent):
    """The gradient over the root of the mean of its square.

    | r ← ρ r + (1 − ρ) g²
    | θ ← θ − η g / (√r + ε)

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.001 by default.
    rho
        ρ in [0, 1), the decay rate of the mean; 0.9 by default.
    epsilon
        ε, greater than 0; 1e-8 by default.
    weight_decay
        λ, 0 or more, on the weights only; g ← g + λ θ; 0 by default.
    clip_norm
        Largest Euclidean norm of g, greater than 0; None, the default, for no limit.

    Notes
    -----
    The lecture has no ε. It is outside of the root here and in PyTorch (1e-8, with η = 0.01 and ρ = 0.99); Keras adds
    1e-7 inside. There is no momentum and no centring. The state holds r / (1 − ρ); η and ε contain the missing factor.

    References
    ----------
    T. Tieleman, G. Hinton (2012), *Neural networks for machine learning*, lecture 6.5.

    Examples
    --------
    >>> rmsprop, theta = RMSProp(), np.array([1.0])
    >>> rmsprop.update(theta, np.array([500.0]), rmsprop.state(theta), 1, 0.1, slice(0, 1))
    >>> theta.round(9)  # 1 − 0.1 / √(1 − 0.9)
    array([0.68377223])
    """

    learning_rate: Annotated[float, Gt(0)] = 0.001
    _: KW_ONLY
    rho: Annotated[float, Ge(0), Lt(1)] = 0.9
    epsilon: Annotated[float, Gt(0)] = 1e-8

    def state(self, vector: Array) -> State:
        """Return the discounted sum of g², which starts at 0, and scratch."""
        return self._zeros(vector, "square_sum", SCRATCH)

    def coefficients(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Return η and ε, with the factor that the state leaves out."""
        scale = sqrt(1 - self.rho)
        return learning_rate / scale, self.epsilon / scale

    def descend(self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...]) -> None:
        """Take the step."""
        operations.rmsprop(vector, gradient, state["square_sum"], state[SCRATCH], self.rho, *coefficients)


@dataclass(frozen=True)
class Adagrad(Descent):
    """The gradient over the root of the sum of its squares so far.

    | s ← s + g²
    | θ ← θ − η g / (√s + ε)

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.01 by default.
    epsilon
        ε, greater than 0; 1e-10 by default.
    weight_decay
        λ, 0 or more, on the weights only; g ← g + λ θ; 0 by default.
    clip_norm
        Largest Euclidean norm of g, greater than 0; None, the default, for no limit.

    Notes
    -----
    ε is outside of the root and s starts at 0, as in the paper and in PyTorch (same defaults). Keras adds 1e-7 inside
    the root, starts at 0.1, and has η = 0.001.

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer (2011), *Adaptive subgradient methods for online learning and stochastic
    optimization*, Figure 1.

    Examples
    --------
    >>> adagrad, theta = Adagrad(), np.array([1.0])
    >>> state = adagrad.state(theta)
    >>> for t in (1, 2):
    ...     adagrad.update(theta, np.array([500.0]), state, t, 0.1, slice(0, 1))
    >>> theta.round(9)  # 1 − 0.1 − 0.1 / √2
    array([0.82928932])
    """

    learning_rate: Annotated[float, Gt(0)] = 0.01
    _: KW_ONLY
    epsilon: Annotated[float, Gt(0)] = 1e-10

    def state(self, vector: Array) -> State:
        """Return the sum of g², which starts at 0, and scratch."""
        return self._zeros(vector, "square_sum", SCRATCH)

    def descend(self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...]) -> None:
        """Take the step."""
        operations.rmsprop(vector, gradient, state["square_sum"], state[SCRATCH], 1.0, *coefficients, self.epsilon)
