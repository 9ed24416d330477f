"""Write values of costs and activations as PyTorch computes them: python tests/standard/golden/make_functions.py FILE

The file in this folder was written with PyTorch 2.13 in float64, differentiated by autograd. What PyTorch lacks is
written out as Keras has it; the focal cost as torchvision has it.
"""

from __future__ import annotations

import sys
from math import log

import numpy as np
import torch
from functions import Case, cases, drawn
from torch.nn import functional

Tensor = torch.Tensor


def log_cosh(case: Case, a: Tensor, y: Tensor) -> Tensor:
    """Return Σ c."""
    return (a - y + functional.softplus(-2 * (a - y)) - log(2)).sum()


def hinge(case: Case, a: Tensor, y: Tensor) -> Tensor:
    """Return Σ c."""
    return functional.relu(1 - y * a).sum()


def squared_hinge(case: Case, a: Tensor, y: Tensor) -> Tensor:
    """Return Σ c."""
    return functional.relu(1 - y * a).square().sum()


def focal(case: Case, z: Tensor, y: Tensor) -> Tensor:
    """Return Σ c from z."""
    p = torch.sigmoid(z)
    p_t = p * y + (1 - p) * (1 - y)
    loss = functional.binary_cross_entropy_with_logits(z, y, reduction="none") * (1 - p_t) ** case.component.gamma
    if (alpha := case.component.alpha) is not None:
        loss = (alpha * y + (1 - alpha) * (1 - y)) * loss
    return loss.sum()


def kl_divergence(case: Case, z: Tensor, y: Tensor) -> Tensor:
    """Return Σ c from z."""
    return functional.kl_div(torch.log_softmax(z, dim=-1), y, reduction="sum")


def quantile(case: Case, a: Tensor, y: Tensor) -> Tensor:
    """Return Σ c."""
    r, q = y[..., None] - a, torch.tensor(case.component.quantiles, dtype=torch.float64)
    return torch.maximum(q * r, (q - 1) * r).sum()


def token_cross_entropy(case: Case, z: Tensor, y: Tensor) -> Tensor:
    """Return Σ c from z, example by example."""
    total = torch.zeros((), dtype=torch.float64)
    for logits, labels in zip(z, y, strict=True):
        if (labels != case.component.ignored).any():
            reduction = "mean" if case.component.mean == "token" else "sum"
            rows = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
            total = total + functional.cross_entropy(*rows, ignore_index=case.component.ignored, reduction=reduction)
    return total


def gaussian_nll(case: Case, a: Tensor, y: Tensor) -> Tensor:
    """Return Σ c."""
    mean, log_variance = a.chunk(2, dim=-1)
    return functional.gaussian_nll_loss(mean, y, log_variance.exp(), eps=0.0, reduction="sum")


def cosine(case: Case, a: Tensor, y: Tensor) -> Tensor:
    """Return Σ c."""
    return (1 - functional.cosine_similarity(a, y, dim=-1)).sum()


def celu(case: Case, z: Tensor) -> Tensor:
    """Return a."""
    return functional.celu(z, case.component.alpha)


def gelutanh(case: Case, z: Tensor) -> Tensor:
    """Return a."""
    return functional.gelu(z, approximate="tanh")


def hardswish(case: Case, z: Tensor) -> Tensor:
    """Return a."""
    return functional.hardswish(z)


def logsigmoid(case: Case, z: Tensor) -> Tensor:
    """Return a."""
    return functional.logsigmoid(z)


def mish(case: Case, z: Tensor) -> Tensor:
    """Return a."""
    return functional.mish(z)


def relu6(case: Case, z: Tensor) -> Tensor:
    """Return a."""
    return functional.relu6(z)


def sparsemax(case: Case, z: Tensor) -> Tensor:
    """Return a, as Keras computes it; the threshold is differentiated too."""
    descending = z.sort(dim=-1, descending=True).values
    count = torch.arange(1, z.shape[-1] + 1)
    support = 1 + count * descending > descending.cumsum(-1)
    size = support.sum(-1, keepdim=True)
    threshold = ((descending * support).sum(-1, keepdim=True) - 1) / size
    return functional.relu(z - threshold)


def results(name: str, case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return what was drawn; C and ∂C/∂z of a cost, or a and δ of an activation."""
    given = drawn(case, seed)
    z = torch.tensor(given["z"], requires_grad=True)
    function = globals()[name.split()[0]]
    if case.labels:
        value = function(case, z, torch.tensor(given["y"])) / len(z)
        value.backward()
    else:
        value = function(case, z)
        (value * torch.tensor(given["grad_a"])).sum().backward()
    assert z.grad is not None
    return {**given, "value": value.detach().numpy(), "slope": z.grad.numpy()}


if __name__ == "__main__":
    arrays = {
        f"{name}/{key}": array
        for seed, (name, case) in enumerate(cases().items())
        for key, array in results(name, case, seed).items()
    }
    np.savez_compressed(sys.argv[1], **arrays)
