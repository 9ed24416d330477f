"""The activation swish."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from nnfw import Elementwise
from scipy.special import expit


@dataclass(frozen=True)
class Swish(Elementwise):
    """A smooth variant of ReLU with a minimum below 0.

    a = z s with s = sigmoid(beta z); σ'(z) = s + beta a (1 − s)

    Parameters
    ----------
    beta
        Sharpness of the bend at 0, 0 or more: 0 gives z/2, large values approach ReLU; 1 by default.

    References
    ----------
    P. Ramachandran, B. Zoph, Q. V. Le (2017), *Searching for activation functions*.

    Examples
    --------
    >>> import numpy as np
    >>> Swish().value(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.2689,  0.    ,  0.7311])
    """

    beta: Annotated[float, Ge(0)] = 1.0

    def value(self, z):
        """Return z sigmoid(beta z)."""
        return z * expit(self.beta * z)

    def derivative(self, z, a):
        """Return s + beta a (1 − s)."""
        s = expit(self.beta * z)
        return s + self.beta * a * (1 - s)
