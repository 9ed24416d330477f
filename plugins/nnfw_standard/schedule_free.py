"""Schedule-free learning: an average of the parameters in place of a learning rate that falls."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import sqrt
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt

from nnfw.arrays import Array
from nnfw.protocols import EVALUATED, Parts, PartsOptimizer
from nnfw_standard.optimizers import SCRATCH, State, clip

_FASTEST, _SQUARES, _RATES = "fastest", "square", "squared_rates"


@dataclass(frozen=True)
class ScheduleFree(PartsOptimizer):
    """AdamW or SGD whose steps move z; the gradient is taken at y, and the model evaluated at the average x.

    | y = (1 − β₁) z + β₁ x
    | v ← β₂ v + (1 − β₂) g², where g is ∂C/∂y
    | z ← z − γ (g / (√v + ε) + λ y), where γ = η √(1 − β₂^t); with ``base = "sgd"`` z ← z − η (g + λ y)
    | x ← (1 − c) x + c z, where c = γ² / Σ γ² over all steps so far

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.0025 by default. SGD needs a larger one, such as 1.
    base
        ``"adamw"`` (default) or ``"sgd"``.
    beta1
        β₁ in [0, 1): how near the trained y is to the average; 0.9 by default.
    beta2, epsilon
        β₂ in [0, 1) and ε, greater than 0, of AdamW; 0.999 and 1e-8 by default.
    weight_decay
        λ, 0 or more, on the weights only; 0 by default.
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

    Notes
    -----
    Evaluation, callbacks at the end of an epoch and the saved model have x, the training has y. It takes the place of a
    schedule that falls; one that only warms up is still of use. Running statistics of batch normalisation are those of
    y, close to x in the end; the authors recompute them. With SGD c has the same form, so the first parameters do
    not count in x, unlike in Equation 5. Some texts divide v by 1 − β₂^t and have γ = η, so that c = 1/t at constant η.

    The factors of `rates` multiply γ in the step of z, not in c; for a frozen parameter c is 0.

    References
    ----------
    A. Defazio, X. Yang, H. Mehta, K. Mishchenko, A. Khaled, A. Cutkosky (2024), *The road less scheduled*, Algorithm 1,
    and Equations 3 to 5 for SGD.

    Examples
    --------
    >>> optimizer, theta = ScheduleFree(0.1, base="sgd"), np.array([1.0])
    >>> state = optimizer.state(theta)
    >>> for t in (1, 2):
    ...     optimizer.update(theta, np.array([1.0]), state, t, 0.1, slice(0, 1))
    >>> state["fastest"].round(9), state["evaluated"].round(9), theta.round(9)  # x is the mean of 0.9 and 0.8
    (array([0.8]), array([0.85]), array([0.845]))
    """

    learning_rate: Annotated[float, Gt(0)] = 0.0025
    _: KW_ONLY
    base: Literal["adamw", "sgd"] = "adamw"
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    epsilon: Annotated[float, Gt(0)] = 1e-8
    weight_decay: Annotated[float, Ge(0)] = 0.0
    clip_norm: Annotated[float, Gt(0)] | None = None
    clip_value: Annotated[float, Gt(0)] | None = None

    scales_parts: ClassVar[bool] = True

    def state(self, vector: Array) -> State:
        """Return z and x, which start at the parameters, and Σ γ², v and scratch, which start at 0."""
        names = [_RATES, SCRATCH, *([_SQUARES] if self.base == "adamw" else [])]
        fresh = {name: np.zeros_like(vector) for name in names}
        return {_FASTEST: vector.copy(), EVALUATED: vector.copy(), **fresh}

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
        """Take a step; `vector` is y, `gradient` is overwritten."""
        z, x, scratch, rate = state[_FASTEST], state[EVALUATED], state[SCRATCH], float(learning_rate)
        clip(gradient, self.clip_value, self.clip_norm)
        if self.base == "adamw":
            rate *= sqrt(1 - self.beta2**step)
            self._divide(gradient, state[_SQUARES], scratch)
        gradient[decays] += np.multiply(vector[decays], self.weight_decay, out=scratch[decays])
        gradient *= rate
        for name, factor in parts.rates.items():
            gradient[parts[name]] *= factor
        z -= gradient
        c = self._share(state[_RATES], rate, scratch)
        for name, factor in parts.rates.items():
            c[parts[name]] *= factor > 0  # the average of a frozen one stays too
        x += np.multiply(np.subtract(z, x, out=gradient), c, out=gradient)
        np.multiply(np.subtract(x, z, out=gradient), self.beta1, out=gradient)
        np.add(z, gradient, out=vector)

    def _divide(self, g: Array, v: Array, scratch: Array) -> None:
        """Move v, and divide g by √v + ε."""
        v *= self.beta2
        v += np.multiply(np.square(g, out=scratch), 1 - self.beta2, out=scratch)
        root = np.sqrt(v, out=scratch)
        root += self.epsilon
        g /= root

    def _share(self, rates: Array, rate: float, out: Array) -> Array:
        """Add γ² to their sum, the same in each entry, and return c; 0 while all rates are 0."""
        rates += rate**2
        np.maximum(rates, np.finfo(rates.dtype).tiny, out=out)
        return np.divide(rate**2, out, out=out)
