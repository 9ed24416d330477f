"""Write PReLU as PyTorch has it: python tests/standard/golden/make_prelu.py FILE

The file in this folder was written with PyTorch 2.13 in float64.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

SHAPES = {"vector": (6, 4), "image": (3, 4, 2, 5)}

if __name__ == "__main__":
    rng, arrays = np.random.default_rng(0), {}
    for name, shape in SHAPES.items():
        for slopes in (1, 4):
            a, slope, delta = rng.standard_normal(shape), rng.uniform(-0.5, 1, slopes), rng.standard_normal(shape)
            a.flat[0] = 0
            inputs = [torch.tensor(each, requires_grad=True) for each in (a, slope)]
            z = torch.nn.functional.prelu(*inputs)
            z.backward(torch.tensor(delta))
            found = {"a": a, "slope": slope, "delta": delta, "z": z.detach().numpy()}
            found |= {"grad_a": inputs[0].grad.numpy(), "grad_slope": inputs[1].grad.numpy()}
            arrays |= {f"{name} {slopes} {key}": value for key, value in found.items()}
    np.savez_compressed(sys.argv[1], **arrays)
