"""Write values and gradients of augmentations, by PyTorch: python tests/standard/golden/make_augmentation.py FILE

The file in this folder was written with PyTorch 2.13 in float64. The draws are NumPy's, float32 as the layers take
them. What they do to an image is written with ``flip``, ``pad`` and slices of one image at a time, and PyTorch
differentiates by autograd.
"""

from __future__ import annotations

import sys
from math import pi

import numpy as np
import torch
from augmentation_cases import Case, cases, drawn, noise
from torch.nn import functional


def pair(number: int | tuple[int, int]) -> tuple[int, int]:
    """Return one number for rows and columns as two."""
    return (number, number) if isinstance(number, int) else number


def random_flip(case: Case, x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return z: one draw for each image."""
    axis = {"horizontal": 2, "vertical": 1}[case.layer.axis]
    draws = rng.random(len(x), np.float32)
    return torch.stack([image.flip(axis) if u < case.layer.rate else image for image, u in zip(x, draws, strict=True)])


def random_shift(case: Case, x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return z: a slice of each image with zeros around it."""
    (top, left), (height, width), found = pair(case.layer.most), x.shape[2:], []
    for image, (u, v) in zip(x, rng.random((len(x), 2), np.float32).tolist(), strict=True):
        padded = functional.pad(image, (left, left, top, top))
        y, z = int(u * (2 * top + 1)), int(v * (2 * left + 1))
        found.append(padded[:, y : y + height, z : z + width])
    return torch.stack(found)


def random_crop(case: Case, x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return z: a slice of each image."""
    (h, w), (height, width), found = pair(case.layer.size), x.shape[2:], []
    for image, (u, v) in zip(x, rng.random((len(x), 2), np.float32).tolist(), strict=True):
        y, z = int(u * (height - h + 1)), int(v * (width - w + 1))
        found.append(image[:, y : y + h, z : z + w])
    return torch.stack(found)


def gaussian_noise(case: Case, x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return z by the formula of Box and Muller, in float64."""
    u, v = (torch.tensor(rng.random(case.shape, np.float32), dtype=torch.float64) for _ in range(2))
    return x + case.layer.deviation * torch.sqrt(-2 * torch.log1p(-u)) * torch.cos(2 * pi * v)


def results(name: str, case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return x, z and ∂C/∂x, where ∂C/∂z is `delta`."""
    given = drawn(case, seed)
    x = torch.tensor(given["x"], requires_grad=True)
    z = globals()[name.split()[0]](case, x, noise(seed))
    (z * torch.tensor(given["delta"])).sum().backward()
    return {"x": given["x"], "z": z.detach().numpy(), "gradient": x.grad.numpy()}


if __name__ == "__main__":
    arrays = {
        f"{name}/{key}": array
        for seed, (name, case) in enumerate(cases().items())
        for key, array in results(name, case, seed).items()
    }
    np.savez_compressed(sys.argv[1], **arrays)
