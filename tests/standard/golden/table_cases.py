"""Layers for tables with inputs, whose results are compared with those of PyTorch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfw_standard import GLU, BatchEnsemble, CategoryEmbedding, Maxout, Periodic, Scale, SwiGLU


class Case(NamedTuple):
    """A layer with the shape ``(N, ...)`` of its input."""

    layer: Any
    shape: tuple[int, ...]


def cases() -> dict[str, Case]:
    """Return all cases by name; what comes before the first space says which function of PyTorch is the other side."""
    table = (7, 3)
    return {
        "category_embedding one width": Case(CategoryEmbedding((4, 2, 3), 2), table),
        "category_embedding a width each": Case(CategoryEmbedding((4, 1, 9), (3, 1, 2)), table),
        "category_embedding one column": Case(CategoryEmbedding((5,), (2,)), (6, 1)),
        "periodic": Case(Periodic(4), table),
        "periodic one frequency": Case(Periodic(1), (5, 1)),
        "periodic weighted": Case(Periodic(4, width=5), table),
        "scale of a table": Case(Scale(), table),
        "scale of a sequence": Case(Scale(), (4, 3, 2)),
        "batch_ensemble shared": Case(BatchEnsemble(4, members=3), table),
        "batch_ensemble one by one": Case(BatchEnsemble(2, members=3), (5, 3, 4)),
        "batch_ensemble one member": Case(BatchEnsemble(2, members=1), table),
        "maxout": Case(Maxout(3), (5, 12)),
        "maxout of a sequence": Case(Maxout(2), (3, 4, 6)),
        "glu": Case(GLU(), (5, 8)),
        "glu of a sequence": Case(GLU(), (3, 4, 6)),
        "swiglu": Case(SwiGLU(), (5, 8)),
        "swiglu of a sequence": Case(SwiGLU(), (3, 4, 6)),
    }


def drawn(case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return x, the parameters and ∂C/∂z, in float64; indices as whole numbers."""
    rng, limit = np.random.default_rng(seed), case.layer.index_limit()
    arrays = {"x": rng.standard_normal(case.shape) if limit is None else rng.integers(0, limit, case.shape)}
    for name, parameter in case.layer.parameters(case.shape[1:]).items():
        arrays[name] = rng.standard_normal(parameter.shape)
    arrays["delta"] = rng.standard_normal((case.shape[0], *case.layer.output_shape(case.shape[1:])))
    return arrays
