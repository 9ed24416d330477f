"""Attention and transformers with inputs, whose results are compared with those of PyTorch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import nnfw
from nnfw_standard import MultiHeadAttention, TransformerDecoder, TransformerEncoder


class Case(NamedTuple):
    """A layer or block with what it is tried with.

    Parameters
    ----------
    layer
        With options.
    shapes
        Of one example, for each input.
    lengths
        Of the sequences in each input, if they are padded.
    """

    layer: Any
    shapes: tuple[tuple[int, int], ...]
    lengths: tuple[tuple[int, ...] | None, ...] = ()

    @property
    def count(self) -> int:
        """The number of examples."""
        return 3

    def model(self) -> nnfw.Sequential:
        """Return a network of it."""
        names = ("x", "memory")[: len(self.shapes)]
        shapes = dict(zip(names, self.shapes, strict=True))
        return nnfw.Sequential([nnfw.Node(self.layer, "block", names)], shapes, dtype="float64")


SELF, CROSS = ((5, 8),), ((4, 8), (6, 5))


def cases() -> dict[str, Case]:
    """Return all cases by name; what comes before the first space says which function of PyTorch is the other side."""
    attention = MultiHeadAttention
    return {
        "module self": Case(attention(2), SELF),
        "module self, lengths": Case(attention(4), SELF, ((5, 1, 3),)),
        "module self, without bias": Case(attention(2, bias=False), SELF),
        "module cross": Case(attention(2), CROSS),
        "module cross, lengths": Case(attention(2), CROSS, (None, (6, 2, 1))),
        "module cross, both lengths": Case(attention(2), CROSS, ((4, 2, 1), (1, 6, 3))),
        "function causal": Case(attention(2, causal=True), SELF),
        "function causal, lengths": Case(attention(2, causal=True), SELF, ((2, 5, 1),)),
        "function groups": Case(attention(4, groups=2), SELF),
        "function one group, cross, lengths": Case(attention(4, groups=1), CROSS, (None, (6, 2, 1))),
        "function width of heads": Case(attention(3, head_width=4, output_projection=False), SELF),
        "function rotary": Case(attention(2, rotary=True), SELF),
        "function rotary, causal, groups": Case(attention(4, groups=2, rotary=True, causal=True), SELF),
        "function rotary, cross": Case(attention(2, rotary=True), CROSS),
        "encoder norm first": Case(TransformerEncoder(8, 2, hidden=7), SELF),
        "encoder norm first, lengths": Case(TransformerEncoder(8, 2, hidden=7), SELF, ((5, 1, 3),)),
        "encoder norm last": Case(TransformerEncoder(8, 2, activation="relu", norm_first=False), SELF),
        "encoder causal": Case(TransformerEncoder(8, 4, causal=True), SELF),
        "decoder norm first": Case(TransformerDecoder(8, 2, hidden=7), ((4, 8), (6, 8))),
        "decoder norm last, lengths": Case(
            TransformerDecoder(8, 2, norm_first=False), ((4, 8), (6, 8)), ((4, 2, 1), (1, 6, 3))
        ),
    }


def beyond(lengths: tuple[int, ...], steps: int) -> np.ndarray:
    """Return which time steps are padding, ``(N, T)``."""
    return np.arange(steps) >= np.array(lengths)[:, np.newaxis]


def drawn(case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return the inputs, the parameters by their names in the network and ∂C/∂z, in float64."""
    rng, model = np.random.default_rng(seed), case.model()
    arrays = {name: rng.standard_normal((case.count, *shape)) for name, shape in zip("xm", case.shapes, strict=False)}
    for name, array in model.parameters.items():
        arrays[name] = 0.5 * rng.standard_normal(array.shape) + name.endswith("norm.scale")
    arrays["delta"] = rng.standard_normal((case.count, *model.output_shape))
    if case.lengths and case.lengths[0] is not None:  # costs ignore what lies beyond a length
        arrays["delta"][beyond(case.lengths[0], case.shapes[0][0])] = 0
    return arrays
