"""Write what layers on images give in PyTorch: python tests/network/golden/make_images.py FILE

The file in this folder was written with PyTorch 2.13 in float64.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from images import CASES, Case, delta, given
from torch.nn import functional


def pair(value: Any) -> tuple[int, int]:
    """Return a number for rows and one for columns."""
    return (value, value) if isinstance(value, int) else tuple(value)


def padding(case: Case) -> list[int]:
    """Return the padding on the left, on the right, above and below, as PyTorch takes it."""
    options = case.options
    kernel, padding = pair(options.get("kernel", 2)), options.get("padding", 0)
    if padding != "same":
        rows, columns = pair(padding)
        return [columns, columns, rows, rows]
    found: list[int] = []
    stride, dilation = pair(options.get("stride", 1)), pair(options.get("dilation", 1))
    for size, k, s, d in zip(case.shape[1:], kernel, stride, dilation, strict=True):
        total = max(0, ((size + s - 1) // s - 1) * s + (k - 1) * d + 1 - size)
        found = [total // 2, total - total // 2, *found]
    return found


def result(case: Case, x: torch.Tensor, p: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return z."""
    options = case.options
    stride, around = options.get("stride", 1), [] if case.layer == "zero_pad" else padding(case)
    if case.layer == "conv2d":
        more = {"dilation": options.get("dilation", 1), "groups": options.get("groups", 1)}
        return functional.conv2d(functional.pad(x, around), p["weight"], p.get("bias"), stride=stride, **more)
    if case.layer == "conv_transpose2d":
        return functional.conv_transpose2d(
            x,
            p["weight"],
            p.get("bias"),
            **{name: value for name, value in options.items() if name not in ("filters", "kernel", "bias")},
        )
    if case.layer == "upsample":
        rows, columns = pair(options.get("factor", 2))
        return functional.interpolate(x, scale_factor=(rows, columns), mode="nearest")
    if case.layer == "zero_pad":
        top, bottom, left, right = (
            [options["padding"]] * 4 if isinstance(options["padding"], int) else options["padding"]
        )
        return functional.pad(x, (left, right, top, bottom))
    if case.layer == "global_max_pool":
        return x.amax((2, 3))
    if case.layer == "global_avg_pool":
        return x.mean((2, 3))
    kernel = options.get("kernel", 2)
    stride = options.get("stride", kernel)
    if case.layer == "max_pool2d":
        return functional.max_pool2d(functional.pad(x, around, value=-torch.inf), kernel, stride)
    return functional.avg_pool2d(x, kernel, stride, (around[2], around[0]), count_include_pad=False)


def results(case: Case) -> dict[str, np.ndarray]:
    """Return z and the gradients."""
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in given(case).items()}
    z = result(case, tensors["x"], tensors)
    z.backward(torch.tensor(delta(case, tuple(z.shape))))
    return {"z": z.detach().numpy()} | {f"gradient of {name}": each.grad.numpy() for name, each in tensors.items()}


if __name__ == "__main__":
    every = {f"{case.name}/{key}": value for case in CASES for key, value in results(case).items()}
    np.savez_compressed(sys.argv[1], **every)
