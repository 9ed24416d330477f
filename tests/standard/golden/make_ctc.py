"""Write values and gradients of CTC as PyTorch computes them: python tests/standard/golden/make_ctc.py FILE

The file in this folder was written with PyTorch 2.13 in float64.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch.nn import functional

CASES = {  # T, K, blank, labels of each sequence, lengths
    "plain": (6, 4, 0, [[1, 2, 3], [3, 1], [2]], [6, 6, 6]),
    "repeated": (7, 3, 0, [[1, 1, 2], [2, 2, 2], [1, 2, 1]], [7, 7, 7]),
    "exact": (3, 4, 0, [[1, 2, 3], [1, 1], [3]], [3, 3, 3]),
    "lengths": (8, 5, 0, [[1, 4], [2, 2, 3], [4], [1, 2, 3]], [2, 8, 1, 5]),
    "none": (4, 3, 0, [[], [1], [2, 1]], [4, 3, 4]),
    "blank last": (6, 4, 3, [[0, 1, 2], [0, 0], [2]], [6, 5, 6]),
}

if __name__ == "__main__":
    arrays = {}
    for seed, (name, (steps, classes, blank, labels, lengths)) in enumerate(CASES.items()):
        z = torch.tensor(np.random.default_rng(seed).standard_normal((len(labels), steps, classes)), requires_grad=True)
        costs = functional.ctc_loss(
            functional.log_softmax(z, 2).transpose(0, 1),
            torch.tensor([label for row in labels for label in row]),
            torch.tensor(lengths),
            torch.tensor([len(row) for row in labels]),
            blank,
            reduction="none",
        )
        costs.mean().backward()
        found = {"z": z.detach(), "costs": costs.detach(), "delta": z.grad}
        found["delta"] = torch.where(
            (torch.arange(steps) < torch.tensor(lengths)[:, None])[..., None], found["delta"], torch.zeros(())
        )
        arrays |= {f"{name}/{key}": value.numpy() for key, value in found.items()}
    np.savez_compressed(sys.argv[1], **arrays)
