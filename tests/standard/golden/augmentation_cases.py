"""Layers that change their input at random, with inputs and draws, whose results are compared with those of PyTorch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfw_standard import GaussianNoise, RandomCrop, RandomFlip, RandomShift


class Case(NamedTuple):
    """A layer with the shape ``(N, ...)`` of its input."""

    layer: Any
    shape: tuple[int, ...]


def cases() -> dict[str, Case]:
    """Return all cases by name; what comes before the first space says which function of PyTorch is the other side."""
    images = (8, 2, 5, 4)
    return {
        "random_flip": Case(RandomFlip(), images),
        "random_flip vertical": Case(RandomFlip("vertical", rate=0.3), images),
        "random_shift": Case(RandomShift(), images),
        "random_shift rows and columns": Case(RandomShift((2, 3)), images),
        "random_shift beyond the image": Case(RandomShift((0, 6)), (8, 1, 3, 4)),
        "random_crop": Case(RandomCrop(3), images),
        "random_crop whole rows": Case(RandomCrop((2, 4)), images),
        "gaussian_noise": Case(GaussianNoise(0.7), images),
        "gaussian_noise of a table": Case(GaussianNoise(), (6, 3)),
    }


def drawn(case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return x and ∂C/∂z, in float64."""
    rng = np.random.default_rng(seed)
    shape = (case.shape[0], *case.layer.output_shape(case.shape[1:]))
    return {"x": rng.standard_normal(case.shape), "delta": rng.standard_normal(shape)}


def noise(seed: int) -> np.random.Generator:
    """Return the generator that a layer draws from."""
    return np.random.default_rng((seed, 1))
