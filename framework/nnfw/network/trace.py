"""All quantities of one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnfw.arrays import Array
from nnfw.errors import StateError


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """The quantities of layer l, with examples as rows.

    Parameters
    ----------
    name
        That of the node: ``layers.<i>``, or the one it was given.
    z, a, delta
        Weighted input z^l, activation a^l = σ(z^l) and error δ^l = ∂C/∂z^l, each ``(N, *output_shape)``.
    gradients
        ∂C/∂θ for each parameter of the layer by name.
    """

    name: str
    z: Array
    a: Array
    delta: Array
    gradients: Mapping[str, Array]

    @property
    def grad_weight(self) -> Array:
        """∇_w C of Equation 4."""
        return self._gradient("weight")

    @property
    def grad_bias(self) -> Array:
        """∇_b C of Equation 3."""
        return self._gradient("bias")

    def _gradient(self, parameter: str) -> Array:
        if parameter not in self.gradients:
            raise StateError(f"{self.name} has no {parameter}. Gradients: {', '.join(self.gradients) or 'none'}.")
        return self.gradients[parameter]


@dataclass(frozen=True, eq=False)
class Trace:
    """The quantities of a network for one batch.

    Parameters
    ----------
    x
        a^0 ``(N, *input_shape)``; of several inputs, by name.
    cost
        C.
    layers
        One entry per layer; ``trace.layers[-1].delta`` is δ^L.
    """

    x: Array | Mapping[str, Array]
    cost: float
    layers: tuple[LayerTrace, ...]
