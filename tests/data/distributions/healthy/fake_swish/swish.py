from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt

from nnfw import Elementwise


@dataclass(frozen=True)
class Swish(Elementwise):
    """z σ(βz), by tanh, which does not overflow.

    Parameters
    ----------
    beta
        β, greater than 0; 1 by default.
    """

    beta: Annotated[float, Gt(0)] = 1.0

    def value(self, z):
        return z * self._sigmoid(z)

    def derivative(self, z, a):
        s = self._sigmoid(z)
        return s + self.beta * a * (1 - s)

    def _sigmoid(self, z):
        import numpy as np

        return 0.5 * (1 + np.tanh(0.5 * self.beta * z))
