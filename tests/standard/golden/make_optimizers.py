"""Write steps of optimizers as PyTorch takes them: python tests/standard/golden/make_optimizers.py FILE

The file in this folder was written with PyTorch 2.13 in float64.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import optim

STEPS, SIZE, RATE = 30, 6, 0.05
OPTIMIZERS = {
    "adam amsgrad": lambda p: optim.Adam(p, RATE, amsgrad=True),
    "adamw amsgrad": lambda p: optim.AdamW(p, RATE, weight_decay=0.1, amsgrad=True),
    "nadam": lambda p: optim.NAdam(p, RATE),
    "nadam decay": lambda p: optim.NAdam(p, RATE, weight_decay=0.1, momentum_decay=0.5),
    "radam": lambda p: optim.RAdam(p, RATE),
    "radam decay": lambda p: optim.RAdam(p, RATE, betas=(0.8, 0.99), weight_decay=0.1),
}

if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)  # else NAdam keeps its product of momenta in float32
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(SIZE), rng.standard_normal((STEPS, SIZE))
    arrays = {"start": start, "gradients": gradients}
    for name, make in OPTIMIZERS.items():
        theta = torch.tensor(start.copy(), requires_grad=True)
        optimizer = make([theta])
        for gradient in gradients:
            theta.grad = torch.tensor(gradient)
            optimizer.step()
        arrays[name] = theta.detach().numpy()
    np.savez_compressed(sys.argv[1], **arrays)
