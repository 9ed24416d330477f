"""Layers without parameters that make one number of several neighbours: gates and the largest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Annotated, ClassVar

from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import Operation, kernels_only
from nnfw.protocols import AnyActivation, Layer, Shape
from nnfw_standard import table_operations
from nnfw_standard.layers.rows import contiguous


class _Gate(Layer):
    """A layer that opens one half of the last axis by the other."""

    opens: ClassVar[Operation]
    opens_delta: ClassVar[Operation]
    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape with half of its last size."""
        if not input_shape or input_shape[-1] % 2:
            raise ShapeError(f"expected an even size of the last axis, to be halved, got {input_shape}.")
        return (*input_shape[:-1], input_shape[-1] // 2)

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, half as wide as `a_prev`."""
        workspace["x"] = x = contiguous(a_prev, "x", workspace)
        shape = (*x.shape[:-1], x.shape[-1] // 2)
        z = workspace.buffer("z", shape)
        workspace["gate"] = gate = workspace.buffer("gate", shape)
        halves, rows = _halves(x)
        self.opens(halves, gate.reshape(rows), z.reshape(rows))
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev, of both halves."""
        x, gate = workspace["x"], workspace["gate"]
        grad_a_prev = workspace.passing("grad_a_prev", x.shape)
        halves, rows = _halves(x)
        delta = contiguous(delta, "delta", workspace)
        self.opens_delta(delta.reshape(rows), halves, gate.reshape(rows), grad_a_prev.reshape(halves.shape))
        return grad_a_prev


def _halves(x: Array) -> tuple[Array, Shape]:
    """Return the two halves of each row, ``(n, 2, h)``, and the shape ``(n, h)``."""
    rows = prod(x.shape[:-1]), x.shape[-1] // 2
    return x.reshape(rows[0], 2, rows[1]), rows


@dataclass(frozen=True)
class GLU(_Gate):
    """A gated linear unit: the first half of the last axis, opened by the sigmoid of the second.

    | a_prev = (x_1, x_2); z = x_1 ⊙ σ(x_2)
    | ∂C/∂x_1 = δ ⊙ σ(x_2), ∂C/∂x_2 = δ ⊙ x_1 ⊙ σ(x_2) ⊙ (1 − σ(x_2))

    Parameters
    ----------
    activation
        Of the product; identity by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for a last axis that cannot be halved.

    Notes
    -----
    It has no parameters: a dense layer of 2n units before it gives n gated ones, as ``torch.nn.GLU`` does.

    References
    ----------
    Y. N. Dauphin, A. Fan, M. Auli, D. Grangier (2017), *Language modeling with gated convolutional networks*,
    Equation 1; N. Shazeer (2020), *GLU variants improve transformer*, Equation 4.

    Examples
    --------
    >>> GLU().output_shape((8,))
    (4,)
    """

    activation: AnyActivation = "identity"

    opens = table_operations.glu
    opens_delta = table_operations.glu_delta


@dataclass(frozen=True)
class SwiGLU(_Gate):
    """A gated unit whose gate is swish: the second half of the last axis times the swish of the first.

    | a_prev = (x_1, x_2); z = x_1 ⊙ σ(x_1) ⊙ x_2
    | ∂C/∂x_1 = δ ⊙ x_2 ⊙ σ(x_1) ⊙ (1 + x_1 ⊙ (1 − σ(x_1))), ∂C/∂x_2 = δ ⊙ x_1 ⊙ σ(x_1)

    Parameters
    ----------
    activation
        Of the product; identity by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for a last axis that cannot be halved.

    Notes
    -----
    The first half is the gate, as in the common ``silu(gate) * up`` of language models; in `glu` it is the second.

    References
    ----------
    N. Shazeer (2020), *GLU variants improve transformer*, Equation 5.

    Examples
    --------
    >>> SwiGLU().output_shape((3, 8))
    (3, 4)
    """

    activation: AnyActivation = "identity"

    opens = table_operations.swiglu
    opens_delta = table_operations.swiglu_delta


@dataclass(frozen=True)
class Maxout(Layer):
    """The largest of every few neighbours on the last axis.

    | z_j = max_p x_jp, where p counts the `pieces` of unit j
    | ∂C/∂x_jp = δ_j for the first p with x_jp = z_j, else 0

    Parameters
    ----------
    pieces
        How many neighbours make a unit, 1 or more.
    activation
        Of the units; identity by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for a last axis that `pieces` does not divide.

    Notes
    -----
    It has no parameters: a dense layer of n × `pieces` units before it gives n units, each the largest of `pieces`
    weighted sums, which is a convex function with as many linear pieces. NaN stays NaN.

    References
    ----------
    I. J. Goodfellow, D. Warde-Farley, M. Mirza, A. Courville, Y. Bengio (2013), *Maxout networks*, section 3.

    Examples
    --------
    >>> import numpy as np, nnfw
    >>> nnfw.Sequential([Maxout(2)], input_shape=4).predict([1.0, 5.0, 3.0, 2.0]).tolist()
    [5.0, 3.0]
    """

    pieces: Annotated[int, Ge(1)]
    _: KW_ONLY
    activation: AnyActivation = "identity"

    keeps_time = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape with its last size divided by `pieces`."""
        if not input_shape or input_shape[-1] % self.pieces:
            raise ShapeError(f"expected a last axis that {self.pieces} pieces divide, got {input_shape}.")
        return (*input_shape[:-1], input_shape[-1] // self.pieces)

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, the largest of each unit's pieces."""
        workspace["x"] = x = contiguous(a_prev, "x", workspace)
        workspace["z"] = z = workspace.buffer("z", (*x.shape[:-1], x.shape[-1] // self.pieces))
        pieces = self._pieces(x)
        table_operations.maxout(pieces, z.reshape(pieces.shape[:2]))
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Return ∂C/∂a_prev: δ at the largest pieces."""
        x, z = workspace["x"], workspace["z"]
        grad_a_prev, pieces = workspace.passing("grad_a_prev", x.shape), self._pieces(x)
        rows = pieces.shape[:2]
        delta = contiguous(delta, "delta", workspace).reshape(rows)
        table_operations.maxout_delta(delta, pieces, z.reshape(rows), grad_a_prev.reshape(pieces.shape))
        return grad_a_prev

    def _pieces(self, x: Array) -> Array:
        """Return x as ``(n, h, p)``."""
        return x.reshape(prod(x.shape[:-1]), x.shape[-1] // self.pieces, self.pieces)
