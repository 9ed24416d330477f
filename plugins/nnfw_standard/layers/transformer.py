"""The blocks of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from annotated_types import Ge, Lt

from nnfw.protocols import AnyActivation, Block, Node
from nnfw_standard.layers.attention import MultiHeadAttention
from nnfw_standard.layers.blocks import Residual
from nnfw_standard.layers.dense import Dense
from nnfw_standard.layers.dropout import Dropout
from nnfw_standard.layers.normalization import LayerNorm

_HIDDEN = 4  # times the width, as in Vaswani et al.


@dataclass(frozen=True)
class _Transformer(Block):
    """Sublayers, each with a shortcut and a normalisation."""

    width: Annotated[int, Ge(1)]
    heads: Annotated[int, Ge(1)]
    _: KW_ONLY
    hidden: Annotated[int, Ge(1)] | None = None
    activation: AnyActivation = "gelu"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    norm_first: bool = True
    groups: Annotated[int, Ge(1)] | None = None
    rotary: bool = False

    def _attention(self, name: str, *, causal: bool = False, memory: str = "") -> list[Node]:
        layer = MultiHeadAttention(
            self.heads,
            causal=causal,
            groups=self.groups,
            rotary=self.rotary and not memory,  # places in a memory are those of another sequence
            dropout=self.dropout,
        )
        return self._sublayer(name, Node(layer, "heads", ("previous", memory) if memory else ()))

    def _mlp(self) -> list[Node]:
        hidden = Node(Dense(self.hidden or _HIDDEN * self.width, activation=self.activation), "hidden")
        return self._sublayer("mlp", hidden, *self._drop(), Node(Dense(self.width), "output"))

    def _sublayer(self, name: str, *nodes: Node) -> list[Node]:
        """Return x + f(norm(x)), or norm(x + f(x))."""
        norm, inside = Node(LayerNorm(), f"{name}_norm"), (*nodes, *self._drop())
        if self.norm_first:
            return [Node(Residual((Node(LayerNorm(), "norm"), *inside)), name)]
        return [Node(Residual(inside), name), norm]

    def _drop(self) -> list[Node]:
        return [Node(Dropout(self.dropout))] if self.dropout else []


@dataclass(frozen=True)
class TransformerEncoder(_Transformer):
    """Self-attention and an MLP, each with a shortcut and a normalisation.

    | b = a + attention(norm(a)), z = b + w_2 σ(w_1 norm(b) + b_1) + b_2 with `norm_first`
    | b = norm(a + attention(a)), z = norm(b + w_2 σ(w_1 b + b_1) + b_2) without

    Parameters
    ----------
    width
        Features of the input, which z has too.
    heads, groups, rotary
        As for `multi_head_attention`.
    hidden
        Width of the MLP; by default 4 times `width`.
    activation
        σ of the MLP; GELU by default.
    dropout
        Probability of a 0 among weights of attention, in the MLP, and in what is added to the shortcuts; 0 by default.
    norm_first
        Whether `layer_norm` comes before a sublayer, True by default, or after its shortcut. Put a `layer_norm` after
        the last block if it comes before.
    causal
        Whether a time step sees only those before it; False by default.

    Raises
    ------
    ShapeError
        Where a network is built, for an input that is not ``(T, width)``, and as for `multi_head_attention`.

    References
    ----------
    A. Vaswani et al. (2017), *Attention is all you need*, section 3.1.
    R. Xiong et al. (2020), *On layer normalization in the transformer architecture*.

    Examples
    --------
    >>> import nnfw
    >>> nnfw.Sequential([TransformerEncoder(8, heads=2)], input_shape=(5, 8)).output_shape
    (5, 8)
    """

    causal: bool = False

    def nodes(self, inputs: tuple[str, ...]) -> Sequence[Node]:
        """Return attention and MLP."""
        return [*self._attention("attention", causal=self.causal), *self._mlp()]


@dataclass(frozen=True)
class TransformerDecoder(_Transformer):
    """Causal self-attention, attention to a memory, and an MLP, each with a shortcut and a normalisation.

    Parameters
    ----------
    width, heads, hidden, activation, dropout, norm_first, groups, rotary
        As for `transformer_encoder`. `rotary` concerns self-attention alone.

    Raises
    ------
    ShapeError
        As for `transformer_encoder`.

    Notes
    -----
    The second input is the memory: what an encoder made of another sequence. With a single input there is no attention
    to a memory, as in a language model.

    References
    ----------
    A. Vaswani et al. (2017), *Attention is all you need*, section 3.1.

    Examples
    --------
    >>> import nnfw
    >>> decoder = nnfw.Node(TransformerDecoder(8, heads=2), inputs=("x", "memory"))
    >>> nnfw.Sequential([decoder], {"x": (5, 8), "memory": (9, 3)}).output_shape
    (5, 8)
    """

    def nodes(self, inputs: tuple[str, ...]) -> Sequence[Node]:
        """Return both kinds of attention and the MLP."""
        memory = self._attention("memory", memory=inputs[1]) if len(inputs) > 1 else []
        return [*self._attention("attention", causal=True), *memory, *self._mlp()]
