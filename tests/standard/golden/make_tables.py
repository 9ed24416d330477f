"""Write values and gradients of layers for tables, by PyTorch: python tests/standard/golden/make_tables.py FILE

The file in this folder was written with PyTorch 2.13 in float64. Arrays are drawn with NumPy; PyTorch differentiates
by autograd.
"""

from __future__ import annotations

import sys
from math import pi

import numpy as np
import torch
from table_cases import Case, cases, drawn
from torch.nn import functional

Tensors = dict[str, torch.Tensor]


def category_embedding(case: Case, p: Tensors) -> torch.Tensor:
    """Return z of an embedding for each column."""
    columns = p["x"].unbind(1)
    return torch.cat([functional.embedding(column, p[f"weight_{c}"]) for c, column in enumerate(columns)], dim=1)


def periodic(case: Case, p: Tensors) -> torch.Tensor:
    """Return the waves, or weighted sums of those of each feature."""
    v = 2 * pi * p["frequency"] * p["x"][..., None]
    waves = torch.cat([torch.sin(v), torch.cos(v)], dim=-1)
    if case.layer.width is None:
        return waves.flatten(1)
    weight = p["weight"].unflatten(0, (-1, case.layer.width))
    return torch.einsum("nfp,fwp->nfw", waves, weight).flatten(1) + p["bias"]


def scale(case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    return p["x"] * p["scale"]


def batch_ensemble(case: Case, p: Tensors) -> torch.Tensor:
    """Return z of one linear layer for each member, with a weight of its own."""
    shared = p["x"].ndim == 2
    found = []
    for k in range(case.layer.members):
        weight = torch.outer(p["output_scale"][k], p["input_scale"][k]) * p["weight"]
        found.append(functional.linear(p["x"] if shared else p["x"][:, k], weight, p["bias"][k]))
    return torch.stack(found, dim=1)


def maxout(case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    return p["x"].unflatten(-1, (-1, case.layer.pieces)).amax(dim=-1)


def glu(case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    return functional.glu(p["x"])


def swiglu(case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    gate, value = p["x"].chunk(2, dim=-1)
    return functional.silu(gate) * value


def results(name: str, case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return what was drawn, z, ∂C/∂x of real numbers and the gradients of parameters, where ∂C/∂z is `delta`."""
    given = drawn(case, seed)
    p = {key: torch.tensor(array, requires_grad=array.dtype.kind == "f") for key, array in given.items()}
    z = globals()[name.split()[0]](case, p)
    (z * p["delta"].detach()).sum().backward()
    found = {f"given {key}": array for key, array in given.items()}
    found |= {f"gradient {key}": tensor.grad.numpy() for key, tensor in p.items() if tensor.grad is not None}
    return found | {"z": z.detach().numpy()}


if __name__ == "__main__":
    arrays = {
        f"{name}/{key}": array
        for seed, (name, case) in enumerate(cases().items())
        for key, array in results(name, case, seed).items()
    }
    np.savez_compressed(sys.argv[1], **arrays)
