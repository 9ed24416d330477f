"""Costs and activations of nnfw_standard with inputs, whose results are compared with those of PyTorch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfw_standard import (
    CELU,
    CosineDistance,
    Focal,
    GaussianNLL,
    GELUTanh,
    HardSwish,
    Hinge,
    KLDivergence,
    LogCosh,
    LogSigmoid,
    Mish,
    Quantile,
    ReLU6,
    Sparsemax,
    SquaredHinge,
    TokenCrossEntropy,
)

SHAPES = ((5, 4), (3, 2, 4))


class Case(NamedTuple):
    """A component with the shapes of what it is tried with.

    Parameters
    ----------
    component
        With options.
    shape
        Of z, or of `a` for a cost without a canonical activation, ``(N, ...)``.
    labels
        Kind of the labels: real, sign, share, distribution; empty for an activation.
    """

    component: Any
    shape: tuple[int, ...]
    labels: str = ""


def cases() -> dict[str, Case]:
    """Return all cases by name; what comes before the first space says which function of PyTorch is the other side."""
    found = {}
    for shape in SHAPES:
        axes = f"{len(shape)} axes"
        found[f"log_cosh {axes}"] = Case(LogCosh(), shape, "real")
        found[f"hinge {axes}"] = Case(Hinge(), shape, "sign")
        found[f"squared_hinge {axes}"] = Case(SquaredHinge(), shape, "sign")
        found[f"focal {axes}"] = Case(Focal(), shape, "share")
        found[f"focal without alpha, {axes}"] = Case(Focal(gamma=0.5, alpha=None), shape, "share")
        found[f"kl_divergence {axes}"] = Case(KLDivergence(), shape, "distribution")
        found[f"quantile {axes}"] = Case(Quantile((0.05, 0.3, 0.5, 0.99)), shape, "one")
        found[f"gaussian_nll {axes}"] = Case(GaussianNLL(), shape, "half")
        found[f"cosine {axes}"] = Case(CosineDistance(), shape, "real")
        for mean in ("token", "example"):
            name = f"token_cross_entropy by {mean}, {axes}"
            found[name] = Case(TokenCrossEntropy(mean=mean), (4, *shape), "tokens")
        for component in (CELU(0.5), GELUTanh(), HardSwish(), LogSigmoid(), Mish(), ReLU6(), Sparsemax()):
            found[f"{type(component).__name__.lower()} {axes}"] = Case(component, shape)
    return found


def drawn(case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return z, and the labels of a cost or ∂C/∂a of an activation, in float64."""
    rng, shape = np.random.default_rng(seed), case.shape
    z = 2 * rng.standard_normal(shape)
    match case.labels:
        case "":
            return {"z": z, "grad_a": rng.standard_normal(shape)}
        case "sign":
            y = rng.choice([-1.0, 1.0], shape)
        case "share":
            y = rng.choice([0.0, 1.0], shape)
        case "distribution":
            y = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
        case "one":
            y = rng.standard_normal(shape[:-1])
        case "tokens":
            y = rng.integers(0, shape[-1], shape[:-1])
            y[rng.random(y.shape) < 0.4] = -100
            y[1] = -100
        case "half":
            y = rng.standard_normal((*shape[:-1], shape[-1] // 2))
        case _:
            y = rng.standard_normal(shape)
    return {"z": z, "y": y}
