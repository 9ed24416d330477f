"""Optimizers: one step downhill on the flat parameter vector.

θ is the vector of parameters, g = ∂C/∂θ its gradient, η the learning rate of the step, t the count of steps from 1.
Products and powers of vectors act on each element.

All share three options. `clip_value` comes first: each entry of g is clipped to ±clip_value. Then `clip_norm`: if
‖g‖₂ > clip_norm, g ← clip_norm · g / ‖g‖₂ (Pascanu, Mikolov, Bengio, 2013, *On the difficulty of training recurrent
neural networks*, Algorithm 1). `weight_decay` λ comes last and acts on the parameters that decay, the weights:
g ← g + λ θ. :class:`AdamW`, :class:`Lion` and :class:`LAMB` decouple it from g.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from math import sqrt
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from nnfw.arrays import Array
from nnfw.ops import kernels_only
from nnfw.ops.definitions import add_scaled, scale
from nnfw.protocols import Parts, PartsOptimizer, SplitOptimizer
from nnfw_standard import operations

State = Mapping[str, Array]

SCRATCH = "scratch"
"""The array of state whose content does not outlast a step."""


def clip(gradient: Array, value: float | None, norm: float | None) -> None:
    """Clip the entries of a gradient, and then its norm, where limits are given."""
    if value is not None:
        operations.clip_values(gradient, value)
    if norm is not None:
        operations.clip(gradient, norm)


@dataclass(frozen=True)
class Descent(SplitOptimizer):
    """A standard optimizer, with clipping and weight decay.

    Parameters
    ----------
    learning_rate
        η, greater than 0.
    weight_decay
        λ, 0 or more; 0 by default.
    clip_norm, clip_value
        Largest Euclidean norm of the gradient, and largest size of its entries, greater than 0; None, the default, for
        no limit.
    """

    learning_rate: Annotated[float, Gt(0)]
    _: KW_ONLY
    weight_decay: Annotated[float, Ge(0)] = 0.0
    clip_norm: Annotated[float, Gt(0)] | None = None
    clip_value: Annotated[float, Gt(0)] | None = None

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
        clip(gradient, self.clip_value, self.clip_norm)
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
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

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

    With `amsgrad`, the largest v so far takes the place of v in v̂.

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.001 by default.
    beta1, beta2
        β₁ and β₂ in [0, 1), the decay rates of the means; 0.9 and 0.999 by default.
    epsilon
        ε, greater than 0; 1e-8 by default.
    amsgrad
        Whether the largest v counts, so that the steps never become longer; False by default.
    weight_decay
        λ, 0 or more, on the weights only; g ← g + λ θ; 0 by default.
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

    Notes
    -----
    ε is outside of the root and added after bias correction, as in the paper's Algorithm 1 and in PyTorch (1e-8). Keras
    adds 1e-7 before the correction, the ε̂ of the paper's section 2. The state holds m / (1 − β₁) and v / (1 − β₂),
    which saves passes over the arrays; η and ε contain the missing factors.

    References
    ----------
    D. P. Kingma, J. Ba (2015), *Adam: a method for stochastic optimization*, Algorithm 1.
    S. J. Reddi, S. Kale, S. Kumar (2018), *On the convergence of Adam and beyond*, Algorithm 2, for AMSGrad; the bias
    correction is that of PyTorch.

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
    amsgrad: bool = False

    def state(self, vector: Array) -> State:
        """Return the discounted sums of g and of g², which start at 0; with `amsgrad` also the largest of g² so far."""
        names = ("gradient_sum", "square_sum", *(("largest_square_sum",) if self.amsgrad else ()))
        return self._zeros(vector, *names)

    def coefficients(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Return η and ε, with the factors that the state leaves out."""
        # m̂ = first · m and √v̂ = second · √v; dividing by `second` saves a pass that scales v
        first = (1 - self.beta1) / (1 - self.beta1**step)
        second = sqrt((1 - self.beta2) / (1 - self.beta2**step))
        return learning_rate * first / second, self.epsilon / second

    def descend(self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...]) -> None:
        """Take the step."""
        m, v = state["gradient_sum"], state["square_sum"]
        if self.amsgrad:
            largest = state["largest_square_sum"]
            operations.amsgrad(vector, gradient, m, v, largest, self.beta1, self.beta2, *coefficients)
        else:
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
    amsgrad
        Whether the largest v counts, as for :class:`Adam`; False by default.
    weight_decay
        λ, 0 or more; 0.01 by default.
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

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
class _Moments(Descent):
    """An optimizer with the discounted sums of g and of g²."""

    learning_rate: Annotated[float, Gt(0)] = 0.001
    _: KW_ONLY
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    epsilon: Annotated[float, Gt(0)] = 1e-8

    def state(self, vector: Array) -> State:
        """Return the discounted sums of g and of g², which start at 0."""
        return self._zeros(vector, "gradient_sum", "square_sum")


@dataclass(frozen=True)
class NAdam(_Moments):
    """Adam with Nesterov's momentum, which grows to β₁.

    | m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²
    | μ_t = β₁ (1 − 0.96^(momentum_decay t)/2), Π_t = μ_1 μ_2 … μ_t
    | θ ← θ − η ((1 − μ_t) g / (1 − Π_t) + μ_(t+1) m / (1 − Π_(t+1))) / (√v̂ + ε), where v̂ = v / (1 − β₂^t)

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.002 by default.
    beta1, beta2
        β₁ and β₂ in [0, 1), the decay rates of the means; 0.9 and 0.999 by default.
    epsilon
        ε, greater than 0; 1e-8 by default.
    momentum_decay
        How fast μ grows, 0 or more; 0.004 by default.
    weight_decay
        λ, 0 or more, on the weights only; g ← g + λ θ; 0 by default.
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

    Notes
    -----
    As PyTorch's `NAdam`, with the same defaults. Keras's `Nadam` has η = 0.001 and ε = 1e-7.

    References
    ----------
    T. Dozat (2016), *Incorporating Nesterov momentum into Adam*, Algorithm 2.

    Examples
    --------
    >>> nadam, theta = NAdam(), np.array([1.0])
    >>> nadam.update(theta, np.array([500.0]), nadam.state(theta), 1, 0.1, slice(0, 1))
    >>> theta.round(4)
    array([0.8944])
    """

    learning_rate: Annotated[float, Gt(0)] = 0.002
    _: KW_ONLY
    momentum_decay: Annotated[float, Ge(0)] = 0.004

    def state(self, vector: Array) -> State:
        """Return the discounted sums of g and of g², which start at 0, and scratch."""
        return self._zeros(vector, "gradient_sum", "square_sum", SCRATCH)

    def coefficients(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Return the rates of g and of m, and ε, with the factors that the state leaves out."""
        now, ahead = (self.beta1 * (1 - 0.5 * 0.96 ** (k * self.momentum_decay)) for k in (step, step + 1))
        products = _products(self.beta1, self.momentum_decay)
        product, next_product = (products[k] if k < len(products) else 0.0 for k in (step - 1, step))
        second = sqrt((1 - self.beta2) / (1 - self.beta2**step))
        own = learning_rate * (1 - now) / (1 - product) / second
        return own, learning_rate * ahead * (1 - self.beta1) / (1 - next_product) / second, self.epsilon / second

    def descend(self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...]) -> None:
        """Take the step."""
        m, v = state["gradient_sum"], state["square_sum"]
        operations.nadam(vector, gradient, m, v, state[SCRATCH], self.beta1, self.beta2, *coefficients)


@lru_cache(8)
def _products(beta1: float, momentum_decay: float) -> tuple[float, ...]:
    """Return μ_1, μ_1 μ_2, … of :class:`NAdam` until they no longer differ from 0 beside 1."""
    found: list[float] = []
    product = 1.0
    while product > _NOTHING:
        product *= beta1 * (1 - 0.5 * 0.96 ** ((len(found) + 1) * momentum_decay))
        found.append(product)
    return tuple(found)


_NOTHING = 1e-18
"""Less than half an ε of float64."""


@dataclass(frozen=True)
class RAdam(_Moments):
    """Adam that leaves the mean square out until enough steps have made it reliable.

    | m and v as in :class:`Adam`, ρ_∞ = 2/(1 − β₂) − 1, ρ_t = ρ_∞ − 2 t β₂^t / (1 − β₂^t)
    | θ ← θ − η r m̂ / ((√v + ε) / √(1 − β₂^t)) if ρ_t > 5, else θ ← θ − η m̂
    | r = √((ρ_t − 4)(ρ_t − 2) ρ_∞ / ((ρ_∞ − 4)(ρ_∞ − 2) ρ_t))

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
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

    Notes
    -----
    As PyTorch's `RAdam`, with the same defaults: ε is added before bias correction, and the limit is 5, the paper's 4.
    A warm-up is not needed. The first steps follow the gradient itself, so they are as long as it is large.

    References
    ----------
    L. Liu et al. (2020), *On the variance of the adaptive learning rate and beyond*, Algorithm 2.

    Examples
    --------
    >>> radam, theta = RAdam(), np.array([1.0])
    >>> radam.update(theta, np.array([2.0]), radam.state(theta), 1, 0.1, slice(0, 1))
    >>> theta.round(9)  # the first step is η g
    array([0.8])
    """

    def coefficients(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Return η, the factor of √v and ε, with the factors that the state leaves out."""
        rate = learning_rate * (1 - self.beta1) / (1 - self.beta1**step)
        most, kept = 2 / (1 - self.beta2) - 1, self.beta2**step
        length = most - 2 * step * kept / (1 - kept)
        if length <= _RELIABLE:
            return rate, 0.0, 1.0
        share = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        return rate * sqrt(share * (1 - kept)), sqrt(1 - self.beta2), self.epsilon

    def descend(self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...]) -> None:
        """Take the step."""
        m, v = state["gradient_sum"], state["square_sum"]
        operations.radam(vector, gradient, m, v, self.beta1, self.beta2, *coefficients)


_RELIABLE = 5.0
"""The length of a simple moving average from which on its variance is finite, with a margin as in PyTorch."""


@dataclass(frozen=True)
class Lion(Descent):
    """The sign of a mean gradient, so that all steps have one length.

    | θ ← θ − η λ θ, on the weights only
    | θ ← θ − η sign(β₁ m + (1 − β₁) g)
    | m ← β₂ m + (1 − β₂) g

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.001 by default.
    beta1, beta2
        β₁ and β₂ in [0, 1), the share of the mean in a step and its decay rate; 0.9 and 0.99 by default.
    weight_decay
        λ, 0 or more, on the weights only, decoupled from g; 0 by default.
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

    Notes
    -----
    As Keras's `Lion`, with the same defaults. The authors advise a rate 3 to 10 times smaller than that of AdamW, and a
    decay as many times larger.

    References
    ----------
    X. Chen et al. (2023), *Symbolic discovery of optimization algorithms*, Algorithm 2.

    Examples
    --------
    >>> lion, theta = Lion(), np.array([1.0, 1.0])
    >>> lion.update(theta, np.array([2.0, -500.0]), lion.state(theta), 1, 0.25, slice(0, 2))
    >>> theta
    array([0.75, 1.25])
    """

    learning_rate: Annotated[float, Gt(0)] = 0.001
    _: KW_ONLY
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.99

    decoupled: ClassVar[bool] = True

    def state(self, vector: Array) -> State:
        """Return the mean gradient, which starts at 0, and scratch."""
        return self._zeros(vector, "mean", SCRATCH)

    def coefficients(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Return η, and the factor of the weights."""
        return (learning_rate, 1 - learning_rate * self.weight_decay) if self.weight_decay else (learning_rate,)

    def descend(self, vector: Array, gradient: Array, state: State, coefficients: tuple[float, ...]) -> None:
        """Take the step."""
        operations.lion(vector, gradient, state["mean"], state[SCRATCH], self.beta1, self.beta2, *coefficients)


@dataclass(frozen=True)
class LAMB(PartsOptimizer):
    """Adam with steps in proportion to the size of each parameter, for large batches.

    | m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²
    | r = m̂ / (√v̂ + ε) + λ θ, with m̂ and v̂ as in :class:`Adam`, and λ on the weights only
    | θ_p ← θ_p − η ‖θ_p‖₂ / ‖r_p‖₂ r_p for each parameter p: a weight matrix, a bias

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.001 by default.
    beta1, beta2
        β₁ and β₂ in [0, 1), the decay rates of the means; 0.9 and 0.999 by default.
    epsilon
        ε, greater than 0; 1e-6 by default.
    weight_decay
        λ, 0 or more; 0.01 by default.
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

    Notes
    -----
    Where ‖θ_p‖ or ‖r_p‖ is 0, as for biases at the start, their ratio counts as 1. Keras's `Lamb` has ε = 1e-7 and
    no decay.

    References
    ----------
    Y. You et al. (2020), *Large batch optimization for deep learning: training BERT in 76 minutes*, Algorithm 2.

    Examples
    --------
    >>> lamb, theta = LAMB(weight_decay=0.0), np.array([3.0, 4.0])
    >>> lamb.update(theta, np.array([2.0, -500.0]), lamb.state(theta), 1, 0.1, slice(0, 2))
    >>> theta.round(4)  # the step is 0.1 · 5 long
    array([2.6464, 4.3536])
    """

    learning_rate: Annotated[float, Gt(0)] = 0.001
    _: KW_ONLY
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    epsilon: Annotated[float, Gt(0)] = 1e-6
    weight_decay: Annotated[float, Ge(0)] = 0.01
    clip_norm: Annotated[float, Gt(0)] | None = None
    clip_value: Annotated[float, Gt(0)] | None = None

    def state(self, vector: Array) -> State:
        """Return the mean of g and of g², which start at 0, and scratch."""
        return {name: np.zeros_like(vector) for name in ("mean", "square", SCRATCH)}

    def update_parts(
        self,
        vector: Array,
        gradient: Array,
        state: State,
        step: int,
        learning_rate: float,
        decays: slice,
        parts: Parts,
    ) -> None:
        """Take a step; `gradient` is overwritten."""
        clip(gradient, self.clip_value, self.clip_norm)
        r = self._direction(gradient, state, step)
        if self.weight_decay:
            add_scaled.definition(r[decays], vector[decays], self.weight_decay)
        for part in parts.values():
            own, step_length = (float(np.linalg.norm(each[part])) for each in (vector, r))
            ratio = own / step_length if own and step_length else 1.0
            operations.sgd.definition(vector[part], r[part], float(learning_rate) * ratio)

    def _direction(self, gradient: Array, state: State, step: int) -> Array:
        """Move the means; return m̂ / (√v̂ + ε) in the memory of the gradient."""
        m, v, scratch = state["mean"], state["square"], state[SCRATCH]
        m *= self.beta1
        m += np.multiply(gradient, 1 - self.beta1, out=scratch)
        v *= self.beta2
        v += np.multiply(np.square(gradient, out=scratch), 1 - self.beta2, out=scratch)
        root = np.sqrt(np.divide(v, 1 - self.beta2**step, out=scratch), out=scratch)
        root += self.epsilon
        np.divide(m, root, out=gradient)
        gradient /= 1 - self.beta1**step
        return gradient


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
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

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
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

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
