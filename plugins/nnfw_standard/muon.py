"""Muon: orthogonal steps for matrices, and Adam for everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase
from math import sqrt
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from nnfw.arrays import Array, Shape
from nnfw.ops.definitions import scale
from nnfw.protocols import Parts, PartsOptimizer
from nnfw_standard.optimizers import Adam, State, clip

_COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""K. Jordan's: steep at 0, so that small singular values grow fast."""

_SMALLEST = 1e-7  # size by which a matrix is divided
_SIZE = 0.2
"""The root mean square of an orthogonal step at η = 1, close to that of Adam's steps."""


def orthogonal(matrix: Array, iterations: int = 5) -> Array:
    """Return a matrix with the singular vectors of `matrix`, all of its singular values near 1.

    | x ← matrix / ‖matrix‖_F
    | x ← a x + (b x x^T + c (x x^T)²) x, `iterations` times

    Parameters
    ----------
    matrix
        Any number of rows and columns, not modified.
    iterations
        How often the polynomial is applied; 5 bring singular values between 0.01 and 1 to between 0.7 and 1.2.

    References
    ----------
    K. Jordan et al. (2024), *Muon: an optimizer for hidden layers in neural networks*, for a, b and c.

    Examples
    --------
    >>> orthogonal(np.diag([3.0, 1.0])).round(1)
    array([[0.8, 0. ],
           [0. , 1.1]])
    """
    a, b, c = _COEFFICIENTS
    x = matrix.T if len(matrix) > matrix.shape[1] else matrix  # x x^T is then as small as possible
    x = x / max(float(np.linalg.norm(x)), _SMALLEST)
    for _ in range(iterations):
        products = x @ x.T
        x = a * x + (b * products + c * (products @ products)) @ x
    return x.T if len(matrix) > matrix.shape[1] else x


@dataclass(frozen=True)
class Muon(PartsOptimizer):
    """Steps of orthogonal matrices for weights, Adam for the other parameters.

    | m ← μ m + g
    | o = orthogonal(g + μ m), see :func:`orthogonal`; of m without `nesterov`
    | w ← w − η λ w − 0.2 η √max(rows, columns) o

    Parameters
    ----------
    learning_rate
        η, greater than 0; 0.001 by default.
    momentum
        μ in [0, 1); 0.95 by default.
    nesterov
        Whether to take the mean as that one momentum step ahead; True by default.
    iterations
        Newton-Schulz iterations of a step, 1 or more; 5 by default.
    adam
        Patterns of names of further parameters that take the steps of Adam, ``["embed.*", "head.*"]`` for instance;
        none by default. Each must be that of a parameter.
    beta1, beta2, epsilon
        β₁ and β₂ in [0, 1) and ε, greater than 0, of :class:`Adam`; 0.9, 0.999 and 1e-8 by default.
    weight_decay
        λ, 0 or more, on the weights only, decoupled from g; 0.1 by default.
    clip_norm, clip_value
        Largest Euclidean norm of g, and largest size of its entries, greater than 0; None, the default, for no limit.

    Notes
    -----
    Weights that decay and have two axes or more are matrices: those of dense, recurrent and convolution layers. A
    kernel ``(out, in, h, w)`` is a matrix of `out` rows. Biases and gains take the steps of :class:`AdamW`, with the
    same η. So should embeddings, whose rows are no matrix, and the last layer, as the authors advise: name them in
    `adam`.

    The factor 0.2 √max(rows, columns) gives steps the size of Adam's, so η and λ of AdamW serve here too: PyTorch's
    `Muon` with ``adjust_lr_fn="match_rms_adamw"``, which computes o in bfloat16. Its default has √max(1, rows/columns)
    instead.

    References
    ----------
    K. Jordan et al. (2024), *Muon: an optimizer for hidden layers in neural networks*.
    J. Liu et al. (2025), *Muon is scalable for LLM training*, Equation 4, for the size of the steps.

    Examples
    --------
    >>> muon, theta = Muon(weight_decay=0.0), np.zeros(6)
    >>> parts = Parts({"weight": slice(0, 4), "bias": slice(4, 6)}, {"weight": (2, 2), "bias": (2,)})
    >>> gradient = np.array([3.0, 0.0, 0.0, 1.0, 5.0, -7.0])
    >>> muon.update_parts(theta, gradient, muon.state(theta), 1, 0.1, slice(0, 4), parts)
    >>> theta.round(3)
    array([-0.021,  0.   ,  0.   , -0.032, -0.1  ,  0.1  ])
    """

    learning_rate: Annotated[float, Gt(0)] = 0.001
    _: KW_ONLY
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.95
    nesterov: bool = True
    iterations: Annotated[int, Ge(1)] = 5
    adam: tuple[str, ...] = ()
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    epsilon: Annotated[float, Gt(0)] = 1e-8
    weight_decay: Annotated[float, Ge(0)] = 0.1
    clip_norm: Annotated[float, Gt(0)] | None = None
    clip_value: Annotated[float, Gt(0)] | None = None

    parameter_patterns: ClassVar[tuple[str, ...]] = ("adam",)

    @property
    def _adam(self) -> Adam:
        return Adam(beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon)

    def state(self, vector: Array) -> State:
        """Return the discounted sum of g, and of g² for Adam; both start at 0."""
        return self._adam.state(vector)

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
        rate = float(learning_rate)
        clip(gradient, self.clip_value, self.clip_norm)
        if self.weight_decay:
            scale.definition(vector[decays], 1 - rate * self.weight_decay)
        numbers = self._adam.coefficients(step, rate)
        for name, place in parts.items():
            own: Mapping[str, Array] = {key: array[place] for key, array in state.items()}
            if self._is_matrix(name, parts.shapes[name], is_weight=place.stop <= decays.stop):
                self._step_of_matrix(vector[place], gradient[place], own["gradient_sum"], parts.shapes[name], rate)
            else:
                self._adam.descend(vector[place], gradient[place], own, numbers)

    def _is_matrix(self, name: str, shape: Shape, *, is_weight: bool) -> bool:
        return is_weight and len(shape) > 1 and not any(fnmatchcase(name, pattern) for pattern in self.adam)

    def _step_of_matrix(self, w: Array, g: Array, m: Array, shape: Shape, rate: float) -> None:
        """Change a matrix and its discounted sum of gradients; `g` is overwritten."""
        m *= self.momentum
        m += g
        if self.nesterov:
            g += self.momentum * m
        mean = (g if self.nesterov else m) * (1 - self.momentum)
        o = orthogonal(mean.reshape(shape[0], -1), self.iterations)
        w -= (_SIZE * rate * sqrt(max(o.shape))) * o.reshape(-1)
