"""Embeddings of several categorical columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.ops.definitions import take
from nnfw.protocols import Initializer, Layer, Parameter, Shape
from nnfw_standard.activations import Identity
from nnfw_standard.operations import scatter_add
from nnfw_standard.sequence_operations import swap

_Count = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class CategoryEmbedding(Layer):
    """A learned vector for each category of each column, side by side.

    | z = (w^1_(k_1), w^2_(k_2), ...), where k_c is the index in column c, and w^c_k a row of the weights of column c
    | ∂C/∂w^c_k = Σ of the parts of δ_i that belong to column c, over all i with k_c = k

    Parameters
    ----------
    counts
        For each column, how many categories it has: the indices of column c are 0 … counts_c − 1.
    widths
        Numbers in a vector, 1 or more: one number for all columns, or one for each.
    weight_initializer
        First values of the weights; normal with standard deviation 0.05 by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, unless the input has the shape ``(columns,)`` and there is a width for each.

    Notes
    -----
    An input of indices ``(N, columns)`` gives z of shape ``(N, Σ widths)``. The transform `index` makes indices of
    words; with its `unknown`, a column needs one count more. A column with two categories needs no more than a width
    of 1 or 2; half of the count, and no more than 50, is a common choice.

    References
    ----------
    C. Guo, F. Berkhahn (2016), *Entity embeddings of categorical variables*, section 3.

    Examples
    --------
    >>> import nnfw
    >>> model = nnfw.Sequential([CategoryEmbedding((3, 2), (2, 1))], input_shape=2)
    >>> model.parameters["layers.0.weight_0"] = [[0, 1], [2, 3], [4, 5]]
    >>> model.parameters["layers.0.weight_1"] = [[6], [7]]
    >>> model.predict([[2, 0], [0, 1]]).tolist()
    [[4.0, 5.0, 6.0], [0.0, 1.0, 7.0]]
    """

    counts: Annotated[tuple[_Count, ...], MinLen(1)]
    widths: Annotated[tuple[_Count, ...], MinLen(1)] | _Count
    _: KW_ONLY
    weight_initializer: Initializer | str = "normal"

    activation = Identity()

    def index_limit(self) -> tuple[int, ...]:
        """Return `counts`."""
        return self.counts

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(Σ widths,)``."""
        if input_shape != (len(self.counts),):
            raise ShapeError(
                f"expected input of shape ({len(self.counts)},), an index for each count, got {input_shape}."
            )
        if len(self._widths) != len(self.counts):
            raise ShapeError(f"expected a width for each of {len(self.counts)} columns, got {len(self._widths)}.")
        return (sum(self._widths),)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``weight_0`` ``(counts_0, widths_0)``, ``weight_1`` and so on."""
        shapes = zip(self.counts, self._widths, strict=True)
        return {f"weight_{c}": Parameter(shape, self.weight_initializer) for c, shape in enumerate(shapes)}

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, Σ widths)``."""
        workspace["columns"] = columns = workspace.buffer("columns", a_prev.shape[::-1], np.int64)
        swap(a_prev, columns)
        z = workspace.buffer("z", (len(a_prev), sum(self._widths)))
        for c, part in self._parts(z):
            take(params[f"weight_{c}"], columns[c], part)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Fill the gradients of the weights; indices have no derivative."""
        columns = workspace["columns"]
        for c, part in self._parts(delta):
            scatter_add(part, columns[c], grads[f"weight_{c}"])
        return None

    @property
    def _widths(self) -> tuple[int, ...]:
        return (self.widths,) * len(self.counts) if isinstance(self.widths, int) else self.widths

    def _parts(self, array: Array) -> Iterator[tuple[int, Array]]:
        """Yield each column with its part of z or δ."""
        end = 0
        for c, width in enumerate(self._widths):
            end += width
            yield c, array[:, end - width : end]
