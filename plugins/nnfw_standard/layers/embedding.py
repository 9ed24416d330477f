"""The embedding of indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels, kernels_only
from nnfw.ops.definitions import take
from nnfw.protocols import Initializer, Layer, Parameter, Shape
from nnfw_standard import operations
from nnfw_standard.activations import Identity


@dataclass(frozen=True)
class Embedding(Layer):
    """A learned vector for each index.

    | z_i = w_(k_i), the row of w whose number is the index k_i; 0 where k_i is the padding index
    | ∂C/∂w_k = Σ δ_i over all i with k_i = k; 0 for the padding index

    Parameters
    ----------
    count
        n: the indices are 0 … n − 1; 1 or more.
    width
        Numbers in a vector, 1 or more.
    padding_index
        An index below `count` that stands for nothing; none by default.
    weight_initializer
        Initial values of w ``(count, width)``; normal with standard deviation 0.05 by default.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for a padding index that is not below `count`.

    Notes
    -----
    An input of indices ``(N, ...)`` gives z of shape ``(N, ..., width)``. Indices are int64, so each of them finds its
    own row; they have no derivative. A `dense` layer with as many units, without bias, can share w by naming this node
    in ``share``: then it gives a score for each index ("tied output").

    References
    ----------
    Y. Bengio, R. Ducharme, P. Vincent, C. Jauvin (2003), *A neural probabilistic language model*, section 2: the
    matrix C. O. Press, L. Wolf (2017), *Using the output embedding to improve language models*, for shared weights.

    Examples
    --------
    >>> import numpy as np, nnfw
    >>> model = nnfw.Sequential([Embedding(3, 2)], input_shape=(1,))
    >>> model.parameters["layers.0.weight"] = [[0, 1], [2, 3], [4, 5]]
    >>> model.predict([[2], [0]]).tolist()
    [[[4.0, 5.0]], [[0.0, 1.0]]]
    """

    count: Annotated[int, Ge(1)]
    width: Annotated[int, Ge(1)]
    _: KW_ONLY
    padding_index: Annotated[int, Ge(0)] | None = None
    weight_initializer: Initializer | str = "normal"

    activation = Identity()
    keeps_time = True

    def index_limit(self) -> int:
        """Return `count`."""
        return self.count

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(*input_shape, width)``."""
        if self.padding_index is not None and self.padding_index >= self.count:
            raise ShapeError(f"expected a padding_index from 0 to {self.count - 1}, got {self.padding_index}.")
        return (*input_shape, self.width)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """Declare ``weight`` ``(count, width)``."""
        return {"weight": Parameter((self.count, self.width), self.weight_initializer)}

    @kernels_only
    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        """Return z, ``(N, ..., width)``."""
        workspace["indices"] = a_prev
        z = workspace.buffer("z", (*a_prev.shape, self.width))
        take(params["weight"], a_prev.reshape(-1), z.reshape(-1, self.width))
        if self.padding_index is not None:
            kernels().clear_index(z.reshape(-1, self.width), a_prev.reshape(-1), self.padding_index)
        return z

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        """Fill the gradient of w; indices have no derivative."""
        rows = delta.reshape(-1, self.width)
        operations.scatter_add(rows, workspace["indices"].reshape(-1), grads["weight"])
        if self.padding_index is not None:
            kernels().scale(grads["weight"][self.padding_index : self.padding_index + 1], 0.0)
        return None
