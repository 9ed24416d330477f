"""Regularizers: a penalty Ω(w) on the weights, added to the cost.

w is the flat vector of all parameters that decay: weights, not biases. Ω is a sum over them, not a mean over examples;
training minimises C + Ω. The value is summed in float64; the gradient has the dtype of w.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.data import row_blocks
from nnfw.machine import sum_of_squares
from nnfw.ops import kernels_only
from nnfw.ops.definitions import add_scaled
from nnfw.protocols import Regularizer
from nnfw_standard.operations import add_signs

BLOCK = 1 << 14
"""Weights processed at a time: the largest temporary array."""


@dataclass(frozen=True)
class L1(Regularizer):
    """The sum of absolute values, which drives weights to 0 (the lasso).

    | Ω(w) = rate Σ |w|
    | ∂Ω/∂w = rate sign(w), taken as 0 at w = 0

    Parameters
    ----------
    rate
        0 or more; 0.01 by default.

    Notes
    -----
    As Keras's `L1`.

    References
    ----------
    R. Tibshirani (1996), *Regression shrinkage and selection via the lasso*.

    Examples
    --------
    >>> w, gradient = np.array([2.0, -3.0, 0.0]), np.ones(3)
    >>> L1(0.5).value(w)
    2.5
    >>> L1(0.5).add_gradient(w, gradient)
    >>> gradient
    array([1.5, 0.5, 1. ])
    """

    rate: Annotated[float, Ge(0)] = 0.01

    def value(self, w: Array) -> float:
        """Return Ω(w) for the flat weights."""
        return self.rate * sum(float(np.abs(w[block]).sum(dtype=np.float64)) for block in row_blocks(w, BLOCK))

    @kernels_only
    def add_gradient(self, w: Array, gradient: Array) -> None:
        """Add ∂Ω/∂w to `gradient` in place."""
        add_signs(gradient, w, self.rate)


@dataclass(frozen=True)
class L2(Regularizer):
    """Half the sum of squares, which shrinks all weights (ridge).

    | Ω(w) = rate/2 Σ w²
    | ∂Ω/∂w = rate w

    Parameters
    ----------
    rate
        0 or more; 0.01 by default.

    Notes
    -----
    Thanks to the ½, the gradient equals that of an optimizer's coupled `weight_decay` = rate. Keras's `L2` has no ½, so
    its factor is rate/2.

    References
    ----------
    A. E. Hoerl, R. W. Kennard (1970), *Ridge regression: biased estimation for nonorthogonal problems*.

    Examples
    --------
    >>> w, gradient = np.array([2.0, -3.0]), np.ones(2)
    >>> L2(0.5).value(w)
    3.25
    >>> L2(0.5).add_gradient(w, gradient)
    >>> gradient
    array([ 2. , -0.5])
    """

    rate: Annotated[float, Ge(0)] = 0.01

    def value(self, w: Array) -> float:
        """Return Ω(w) for the flat weights."""
        blocks = (w[block].astype(np.float64) for block in row_blocks(w, BLOCK))
        return self.rate / 2 * sum(map(sum_of_squares, blocks))

    @kernels_only
    def add_gradient(self, w: Array, gradient: Array) -> None:
        """Add ∂Ω/∂w to `gradient` in place."""
        add_scaled(gradient, w, self.rate)
