"""Attention: each place of a sequence is a weighted mean of places that it chooses itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from math import prod, sqrt
from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import kernels, kernels_only
from nnfw.ops.noise import uniform
from nnfw.protocols import Initializer, Merge, Parameter, Shape
from nnfw_standard.activations import Identity
from nnfw_standard.layers.positions import angles
from nnfw_standard.layers.rows import as_rows
from nnfw_standard.layers.time_pool import lengths_for


@dataclass(frozen=True)
class MultiHeadAttention(Merge):
    """Each query takes a weighted mean of values; the weights tell how well their keys fit. Several heads side by side.

    | q = w_q a + b_q, k = w_k m + b_k, v = w_v m + b_v for each head, where m = a with a single input
    | p_ts = softmax_s(q_t·k_s / √d), o_t = Σ_s p_ts v_s, z_t = w_o (o_t of all heads) + b_o
    | ∂C/∂p_ts = v_s·∂C/∂o_t, ∂C/∂v_s = Σ_t p_ts ∂C/∂o_t
    | δ_ts = p_ts (∂C/∂p_ts − Σ_r p_tr ∂C/∂p_tr) / √d, ∂C/∂q_t = Σ_s δ_ts k_s, ∂C/∂k_s = Σ_t δ_ts q_t

    Parameters
    ----------
    heads
        How many heads, 1 or more.
    head_width
        d, features of a head; by default those of the first input divided by `heads`.
    groups
        Heads of keys and values, which heads of queries share: it divides `heads`, which it is by default.
    causal
        Whether a query sees only the keys at its own place and before; False by default.
    rotary
        Whether queries and keys are turned by angles that grow with their place, so that q_t·k_s depends on t − s;
        False by default. Feature i is paired with feature i + d/2, the angles are t · 10,000^(−2i/d).
    dropout
        Probability that a weight p becomes 0 in training, where the others are divided by 1 − dropout; 0 by default.
    bias
        Whether the b are added; True by default.
    output_projection
        Whether there is a w_o, which gives z the features of the first input; True by default. Without it z are the
        heads side by side.
    weight_initializer, bias_initializer
        First values of the w, Glorot uniform, and of the b, zeros.

    Raises
    ------
    ShapeError
        From :meth:`output_shape`, for inputs that are not one or two sequences, for heads that do not divide the
        features, groups that do not divide the heads, and an odd d if rotary.

    Notes
    -----
    With one input, a sequence attends to itself; ``weight`` has the rows of w_q, w_k and w_v, in PyTorch's order. With
    two, the first gives the queries and the second, the memory, keys and values: ``query_weight`` and
    ``memory_weight``. Keys beyond the length of their sequence have weights of 0. A query without a key to see gets
    o_t = 0.

    References
    ----------
    A. Vaswani et al. (2017), *Attention is all you need*, section 3.2.
    J. Ainslie et al. (2023), *GQA: training generalized multi-query transformer models from multi-head checkpoints*.
    J. Su et al. (2021), *RoFormer: enhanced transformer with rotary position embedding*, Equation 34.

    Examples
    --------
    >>> MultiHeadAttention(heads=2).output_shape(((5, 8), (7, 3)))
    (5, 8)
    """

    heads: Annotated[int, Ge(1)]
    _: KW_ONLY
    head_width: Annotated[int, Ge(1)] | None = None
    groups: Annotated[int, Ge(1)] | None = None
    causal: bool = False
    rotary: bool = False
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    bias: bool = True
    output_projection: bool = True
    weight_initializer: Initializer | str = "glorot_uniform"
    bias_initializer: Initializer | str = "zeros"

    activation = Identity()
    keeps_time = True
    own_lengths = True

    @property
    def _groups(self) -> int:
        return self.groups or self.heads

    def _width(self, features: int) -> int:
        """Return the features of a head."""
        return self.head_width or features // self.heads

    def output_shape(self, input_shapes: tuple[Shape, ...]) -> Shape:
        """Return the shape of the first input; without output projection its features are those of all heads."""
        if len(input_shapes) > 2 or any(len(shape) != 2 for shape in input_shapes):
            shapes = " and ".join(map(str, input_shapes))
            raise ShapeError(f"expected one or two inputs of shape (T, n), time steps and features, got {shapes}.")
        steps, features = input_shapes[0]
        if self.head_width is None and (features % self.heads or not features):
            raise ShapeError(
                f"expected features that {self.heads} heads can share, got {input_shapes[0]}. Change heads, or set "
                "head_width."
            )
        if self.heads % self._groups:
            raise ShapeError(f"expected groups that divide {self.heads} heads, got {self._groups}. Change groups.")
        width = self._width(features)
        if self.rotary and width % 2:
            raise ShapeError(
                f"expected heads with an even number of features to turn in pairs, got {width} in {self.heads} heads "
                f"of {input_shapes[0]}. Set head_width or rotary=False."
            )
        return (steps, features if self.output_projection else self.heads * width)

    def parameters(self, input_shapes: tuple[Shape, ...]) -> Mapping[str, Parameter]:
        """Declare weights and biases of queries, keys and values, together or by input, and of the output."""
        features = input_shapes[0][1]
        width = self._width(features)
        rows = {name: (count * width, input_shapes[k][1]) for k, name, count in self._projections(len(input_shapes))}
        if self.output_projection:
            rows["output_"] = (features, self.heads * width)
        found = {f"{name}weight": Parameter(shape, self.weight_initializer) for name, shape in rows.items()}
        if self.bias:
            biases = {name: Parameter(shape[:1], self.bias_initializer, decays=False) for name, shape in rows.items()}
            found |= {f"{name}bias": parameter for name, parameter in biases.items()}
        return found

    def _projections(self, inputs: int) -> list[tuple[int, str, int]]:
        """Return the input, the prefix of the parameters and the number of heads of each projection."""
        if inputs == 1:
            return [(0, "", self.heads + 2 * self._groups)]
        return [(0, "query_", self.heads), (1, "memory_", 2 * self._groups)]

    def _parts(self, projected: list[Array]) -> tuple[Array, Array, Array]:
        """Return the views that are q, k and v in what the projections give."""
        whole, groups = projected[-1], self._groups
        q = projected[0][:, :, : self.heads]
        return q, whole[:, :, -2 * groups : -groups], whole[:, :, -groups:]

    @kernels_only
    def forward(self, params: Mapping[str, Array], inputs: tuple[Array, ...], workspace: Workspace) -> Array:
        """Return z, ``(N, T, n)``."""
        (count, steps, features), width = inputs[0].shape, self._width(inputs[0].shape[2])
        rows = workspace["rows"] = [as_rows(array, f"input{k}", workspace) for k, array in enumerate(inputs)]
        projected = []
        for k, name, heads in self._projections(len(inputs)):
            out = workspace.buffer(f"{name}projected", (*inputs[k].shape[:2], heads, width))
            self._weigh(rows[k], params, name, _rows(out))
            projected.append(out)
        workspace["parts"] = q, keys, v = self._parts(projected)
        if self.rotary:
            _turn(q, 1.0, workspace)
            _turn(keys, 1.0, workspace)
        weights = workspace.buffer("weights", (count, self.heads, keys.shape[1], steps))
        own = workspace.input_lengths[-1] if workspace.input_lengths else workspace.lengths
        lengths = lengths_for(own, count, keys.shape[1], workspace)
        kernels().attention_weights(q, keys, lengths, float(self.causal), 1 / sqrt(width), weights)
        workspace["weights"] = weights, *self._dropped(weights, workspace)
        heads_side_by_side = workspace.buffer("heads", (count, steps, self.heads, width))
        kernels().attention_values(workspace["weights"][1], v, heads_side_by_side)
        workspace["heads"] = _rows(heads_side_by_side)
        if not self.output_projection:
            return heads_side_by_side.reshape(count, steps, self.heads * width)
        z = workspace.buffer("z", (count, steps, features))
        self._weigh(workspace["heads"], params, "output_", as_rows(z, "", workspace))
        return z

    def _weigh(self, rows: Array, params: Mapping[str, Array], name: str, out: Array) -> None:
        kernels().product(rows, params[f"{name}weight"].T, out)
        if self.bias:
            kernels().add_bias(out, params[f"{name}bias"])

    def _dropped(self, weights: Array, workspace: Workspace) -> tuple[Array, Array | None]:
        """Return the weights after dropout, and the factors that it multiplied them by, if any."""
        if not workspace.training or self.dropout == 0:
            return weights, None
        u = workspace.buffer("u", weights.shape, np.float32)
        mask, dropped = workspace.buffer("mask", weights.shape), workspace.buffer("dropped", weights.shape)
        uniform(workspace.rng, u)
        kernels().dropout_mask(u, self.dropout, 1 / (1 - self.dropout), mask)
        kernels().multiply(weights, mask, dropped)
        return dropped, mask

    @kernels_only
    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> tuple[Array | None, ...]:
        """Return ∂C/∂a and, with a second input, ∂C/∂m."""
        (q, k, v), (weights, dropped, mask) = workspace["parts"], workspace["weights"]
        rows: list[Array] = workspace["rows"]
        delta = as_rows(delta, "delta", workspace)
        grad_heads = self._back_to_heads(params, delta, grads, workspace).reshape(q.shape)
        projections = self._projections(len(rows))
        sizes = ((q, self.heads), (v, 2 * self._groups)) if len(rows) == 2 else ((q, projections[0][2]),)
        shapes = [(*part.shape[:2], heads, q.shape[3]) for part, heads in sizes]
        projected = [workspace.buffer(f"grad_projected{number}", shape) for number, shape in enumerate(shapes)]
        grad_q, grad_k, grad_v = self._parts(projected)
        grad_weights = workspace.buffer("grad_weights", weights.shape)
        kernels().attention_values_delta(grad_heads, dropped, v, grad_weights, grad_v)
        if mask is not None:
            kernels().multiply(grad_weights, mask, grad_weights)
        kernels().attention_weights_delta(grad_weights, weights, q, k, 1 / sqrt(q.shape[3]), grad_q, grad_k)
        if self.rotary:
            _turn(grad_q, -1.0, workspace)
            _turn(grad_k, -1.0, workspace)
        terms: list[Array | None] = []
        for (number, name, _), grad in zip(projections, projected, strict=True):
            self._gradients(_rows(grad), rows[number], name, grads)
            if workspace.needs_input_gradient:
                term = workspace.buffer(f"grad_a{number}", (*grad.shape[:2], rows[number].shape[1]))
                kernels().product(_rows(grad), params[f"{name}weight"], as_rows(term, "", workspace))
                terms.append(term)
        return tuple(terms) if terms else (None,) * len(rows)

    def pictures(self, params: Mapping[str, Array], workspace: Workspace) -> Mapping[str, Array]:
        """Return the weights p of each head for the first example: a row for each query, a column for each key."""
        weights: Array = workspace["weights"][0]
        return {"attention, a row for each query and a column for each key,": weights[0].swapaxes(1, 2)}

    def _back_to_heads(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array:
        """Return ∂C/∂o of all heads side by side, as rows."""
        if not self.output_projection:
            return delta
        heads: Array = workspace["heads"]
        self._gradients(delta, heads, "output_", grads)
        grad_heads = workspace.buffer("grad_heads", heads.shape)
        kernels().product(delta, params["output_weight"], grad_heads)
        return grad_heads

    def _gradients(self, delta: Array, rows: Array, name: str, grads: Mapping[str, Array]) -> None:
        kernels().product(delta.T, rows, grads[f"{name}weight"])  # Equation 4
        if self.bias:
            kernels().sum_examples(delta, grads[f"{name}bias"])  # Equation 3


def _rows(projected: Array) -> Array:
    """Return ``(N, T, heads, d)`` as a matrix with a row for each place."""
    return projected.reshape(prod(projected.shape[:2]), prod(projected.shape[2:]))


def _turn(heads: Array, direction: float, workspace: Workspace) -> None:
    """Turn the features of heads ``(N, T, heads, d)`` by the angles of their places, or back."""
    steps, width = heads.shape[1], heads.shape[3]
    tables = workspace.once(("angles", steps), partial(_tables, steps, width, workspace))
    kernels().rotate(heads.reshape(*heads.shape[:3], 2, width // 2), *tables, direction)


def _tables(steps: int, width: int, workspace: Workspace) -> tuple[Array, Array]:
    found = angles(steps, width)
    return np.cos(found).astype(workspace.dtype), np.sin(found).astype(workspace.dtype)
