"""Layers on images, for the comparison with PyTorch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

COUNT = 3  # examples


class Case(NamedTuple):
    """A layer, the shape of its input, and a name for both."""

    name: str
    layer: str
    options: dict[str, Any]
    shape: tuple[int, int, int]


def conv(name: str, shape: tuple[int, int, int], filters: int, kernel: Any, **options: Any) -> Case:
    """Return a convolution."""
    return Case(name, "conv2d", {"filters": filters, "kernel": kernel, **options}, shape)


def transpose(name: str, shape: tuple[int, int, int], filters: int, kernel: Any, **options: Any) -> Case:
    """Return a transposed convolution."""
    return Case(name, "conv_transpose2d", {"filters": filters, "kernel": kernel, **options}, shape)


CASES = [
    conv("conv plain", (2, 7, 9), 4, 3),
    conv("conv one pixel", (3, 5, 4), 5, 1),
    conv("conv whole image", (2, 4, 5), 3, (4, 5)),
    conv("conv padded", (1, 6, 8), 6, 5, padding=2),
    conv("conv padded more than it spans", (2, 3, 4), 2, 2, padding=(3, 2)),
    conv("conv same", (3, 8, 8), 7, 3, padding="same"),
    conv("conv same even", (2, 5, 6), 3, (4, 2), padding="same"),
    conv("conv stride", (2, 9, 8), 3, 3, stride=2),
    conv("conv stride of its own", (2, 11, 10), 3, (3, 2), stride=(3, 2), padding=(1, 0)),
    conv("conv stride beyond kernel", (2, 10, 11), 3, 2, stride=3),
    conv("conv stride same", (3, 9, 10), 4, 3, stride=2, padding="same"),
    conv("conv dilation", (2, 11, 9), 3, 3, dilation=2),
    conv("conv dilation and stride", (2, 13, 12), 5, (3, 2), dilation=(2, 3), stride=(3, 2), padding=(2, 1)),
    conv("conv groups", (6, 7, 6), 9, 3, groups=3, padding=1),
    conv("conv groups, stride, dilation", (4, 12, 13), 6, 3, groups=2, stride=2, dilation=2, padding=1),
    conv("conv depthwise", (5, 8, 7), 5, 3, groups=5, padding="same"),
    conv("conv depthwise, two filters each", (3, 7, 7), 6, 3, groups=3, stride=2),
    conv("conv without bias", (2, 6, 6), 17, 3, bias=False),
    conv("conv wide", (2, 5, 40), 11, (2, 7), padding=1),
    transpose("transpose", (2, 4, 5), 3, 3),
    transpose("transpose stride", (3, 3, 4), 2, 2, stride=2),
    transpose("transpose padded", (2, 4, 3), 3, (3, 4), stride=(2, 3), padding=1, output_padding=(1, 2)),
    transpose("transpose groups and dilation", (4, 3, 4), 6, 2, groups=2, dilation=(2, 3), stride=2, bias=False),
    transpose("transpose beyond kernel", (2, 3, 3), 2, 1, stride=3, output_padding=2),
    Case("global max", "global_max_pool", {}, (4, 5, 3)),
    Case("upsample", "upsample", {}, (2, 3, 4)),
    Case("upsample of its own", "upsample", {"factor": (1, 3)}, (2, 3, 4)),
    Case("zero pad", "zero_pad", {"padding": 2}, (2, 3, 4)),
    Case("zero pad of its own", "zero_pad", {"padding": (1, 0, 2, 3)}, (2, 3, 4)),
    Case("max", "max_pool2d", {}, (3, 6, 8)),
    Case("max odd", "max_pool2d", {}, (2, 7, 5)),
    Case("max overlapping", "max_pool2d", {"kernel": 3, "stride": 2, "padding": 1}, (2, 8, 9)),
    Case("max of its own", "max_pool2d", {"kernel": (3, 2), "stride": (1, 3)}, (2, 6, 8)),
    Case("max same", "max_pool2d", {"kernel": 3, "stride": 2, "padding": "same"}, (2, 6, 7)),
    Case("avg", "avg_pool2d", {}, (3, 6, 8)),
    Case("avg overlapping", "avg_pool2d", {"kernel": 3, "stride": 2, "padding": 1}, (2, 8, 9)),
    Case("avg of its own", "avg_pool2d", {"kernel": (2, 3), "stride": (3, 1), "padding": (1, 0)}, (2, 7, 8)),
    Case("global", "global_avg_pool", {}, (4, 5, 3)),
]


def parameter_shapes(case: Case) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters of a convolution."""
    if not case.layer.startswith("conv"):
        return {}
    options, kernel = case.options, case.options["kernel"]
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    outer, inner = options["filters"], case.shape[0]
    if case.layer == "conv_transpose2d":
        outer, inner = inner, outer
    weight = (outer, inner // options.get("groups", 1), *sides)
    return {"weight": weight, "bias": (options["filters"],)} if options.get("bias", True) else {"weight": weight}


def given(case: Case) -> dict[str, np.ndarray]:
    """Return input and parameters of a case, the same each time; the inputs of pools have equal pixels too."""
    rng = np.random.default_rng(sum(map(ord, case.name)))
    x = rng.standard_normal((COUNT, *case.shape))
    if case.layer == "max_pool2d":
        x = np.round(2 * x)
    return {"x": x} | {name: rng.standard_normal(shape) for name, shape in parameter_shapes(case).items()}


def delta(case: Case, shape: tuple[int, ...]) -> np.ndarray:
    """Return δ of a case."""
    return np.random.default_rng(len(case.name)).standard_normal(shape)
