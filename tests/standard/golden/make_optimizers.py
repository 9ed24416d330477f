"""Write steps and rates as PyTorch has them: python tests/standard/golden/make_optimizers.py FILE

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

EPOCHS = 12  # PyTorch asks for a rate once in each
SCHEDULES = {
    "cosine_restarts": lambda o: optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2, eta_min=0.1),
    "polynomial": lambda o: optim.lr_scheduler.PolynomialLR(o, EPOCHS, 2.5),
    # its last step is that of our T
    "one_cycle": lambda o: optim.lr_scheduler.OneCycleLR(o, 1.0, EPOCHS + 1, pct_start=5 / (EPOCHS + 1)),
    "chain": lambda o: optim.lr_scheduler.SequentialLR(
        o, [optim.lr_scheduler.ConstantLR(o, 1.0, 0), optim.lr_scheduler.ExponentialLR(o, 0.7)], [4]
    ),
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
    for name, make_schedule in SCHEDULES.items():
        optimizer = optim.SGD([torch.zeros(1)], 1.0)
        schedule, rates = make_schedule(optimizer), []
        for _ in range(EPOCHS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        arrays[name] = np.array(rates)
    np.savez_compressed(sys.argv[1], **arrays)
