"""Write steps as PyTorch has them: python tests/standard/golden/make_steps.py FILE

The file in this folder was written with PyTorch 2.13 in float64. Its Muon multiplies matrices in bfloat16, here in
float64.
"""

from __future__ import annotations

import sys
from unittest import mock

import numpy as np
import torch
from torch import optim

STEPS, RATE = 10, 0.05
SHAPES = {"wide": (3, 5), "tall": (6, 2), "square": (4, 4)}
MUON = {
    "muon": {"weight_decay": 0.0},
    "muon decay": {"weight_decay": 0.2, "momentum": 0.8},
    "muon plain": {"nesterov": False, "ns_steps": 3},
}

if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(0)
    arrays = {}
    for shape_name, shape in SHAPES.items():
        start, gradients = rng.standard_normal(shape), rng.standard_normal((STEPS, *shape))
        arrays |= {f"{shape_name} start": start, f"{shape_name} gradients": gradients}
        for name, options in MUON.items():
            theta = torch.tensor(start.copy(), requires_grad=True)
            optimizer = optim.Muon([theta], RATE, adjust_lr_fn="match_rms_adamw", **options)
            with mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone):
                for gradient in gradients:
                    theta.grad = torch.tensor(gradient)
                    optimizer.step()
            arrays[f"{shape_name} {name}"] = theta.detach().numpy()
    np.savez_compressed(sys.argv[1], **arrays)
