"""Write values and gradients of the networks as PyTorch computes them: python tests/network/golden/make.py FILE

The file in this folder was written with PyTorch 2.13 in float64. nnfw draws the parameters; everything else is written
out here with ``torch.nn.functional`` and differentiated by autograd.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from networks import Case, cases
from torch.nn import functional

Tensors = dict[str, torch.Tensor]


def linear(p: Tensors, name: str, a: torch.Tensor) -> torch.Tensor:
    """Return w a + b of the layer called `name`."""
    return functional.linear(a, p[f"{name}.weight"], p.get(f"{name}.bias"))


def residual(p: Tensors, x: Any) -> list[torch.Tensor]:
    """Return the outputs."""
    a = torch.tanh(linear(p, "layers.0", x))
    inner = linear(p, "layers.1.layers.1", torch.tanh(linear(p, "layers.1.layers.0", a)))
    a = torch.tanh(a + inner)
    a = torch.sigmoid(linear(p, "layers.2.layers.0", a)) + linear(p, "layers.2.shortcut", a)
    return [linear(p, "layers.3", a)]


def wide_and_deep(p: Tensors, x: Any) -> list[torch.Tensor]:
    """Return the outputs."""
    city = functional.embedding(x["cities"], p["city.weight"]).flatten(1)
    deep = torch.tanh(linear(p, "layers.3", torch.cat([city, x["numbers"]], 1)))
    return [linear(p, "deep", deep) + linear(p, "wide", x["numbers"])]


def cross_link(p: Tensors, x: Any) -> list[torch.Tensor]:
    """Return the outputs."""
    first = torch.tanh(linear(p, "first", x))
    a = functional.softplus(linear(p, "layers.2", torch.sigmoid(linear(p, "layers.1", first))))
    a = torch.tanh(linear(p, "layers.4", a * first))
    return [linear(p, "layers.6", torch.cat([a, x, first], 1))]


def two_outputs(p: Tensors, x: Any) -> list[torch.Tensor]:
    """Return the outputs."""
    trunk = torch.tanh(linear(p, "trunk", x))
    price = torch.tanh(linear(p, "price", trunk))
    return [price, linear(p, "kind", torch.cat([trunk, price], 1))]


def shared(p: Tensors, x: Any) -> list[torch.Tensor]:
    """Return the outputs."""
    left, right = (torch.tanh(linear(p, "left_2", torch.tanh(linear(p, "left_1", x[k])))) for k in ("left", "right"))
    return [linear(p, "layers.5", left * right)]


def sequence(p: Tensors, x: Any) -> list[torch.Tensor]:
    """Return the outputs."""
    words, lengths = x
    vectors = functional.embedding(words, p["words.weight"])
    inside = (torch.arange(words.shape[1]) < lengths[:, None]).to(vectors.dtype)
    mean = (vectors * inside[:, :, None]).sum(1) / lengths.clamp(min=1)[:, None]
    return [vectors, linear(p, "mood", mean)]


def images(p: Tensors, x: Any) -> list[torch.Tensor]:
    """Return the outputs."""
    a = torch.tanh(functional.conv2d(x, p["layers.0.weight"], p["layers.0.bias"], padding=1))
    half = functional.max_pool2d(a, 2)
    again = functional.conv2d(half, p["layers.2.weight"], p["layers.2.bias"], padding=1, groups=2)
    a = functional.avg_pool2d(functional.softplus(half + again), (2, 1))
    a = torch.tanh(functional.conv2d(a, p["layers.5.weight"], stride=(1, 2)))
    return [linear(p, "layers.7", a.mean((2, 3)))]


def half_square(a: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the note's cost: 1/(2N) Σ ‖a − y‖²."""
    return ((a - y) ** 2).sum() / (2 * len(a))


def tags_cost(z: torch.Tensor, y: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return −1/N Σ_i Σ_(t < n_i) log softmax(z_it) at the label."""
    steps = functional.cross_entropy(z.transpose(1, 2), y, reduction="none")
    return (steps * (torch.arange(z.shape[1]) < lengths[:, None])).sum() / len(z)


COSTS: dict[str, Callable[[list[torch.Tensor], Any, Any], torch.Tensor]] = {
    "residual": lambda out, y, _: functional.cross_entropy(out[0], y),
    "wide_and_deep": lambda out, y, _: functional.binary_cross_entropy_with_logits(out[0][:, 0], y.double()),
    "cross_link": lambda out, y, _: half_square(out[0], y),
    "two_outputs": lambda out, y, _: (
        half_square(out[0], y["price"]) + 0.25 * functional.cross_entropy(out[1], y["kind"])
    ),
    "shared": lambda out, y, _: half_square(out[0], y),
    "images": lambda out, y, _: functional.cross_entropy(out[0], y),
    "sequence": lambda out, y, x: tags_cost(out[0], y["tags"], x[1]) + 2 * half_square(out[1], y["mood"]),
}
"""C from the outputs before softmax and sigmoid, the labels and x."""


def tensors(value: Any) -> Any:
    """Return arrays as tensors."""
    if isinstance(value, dict):
        return {name: tensors(item) for name, item in value.items()}
    if hasattr(value, "lengths"):
        return torch.tensor(np.asarray(value.values)), torch.tensor(np.asarray(value.lengths))
    return torch.tensor(np.asarray(value))


def results(name: str, case: Case) -> dict[str, np.ndarray]:
    """Return parameters, C, outputs and gradients of a network."""
    model = case.model(dtype="float64", seed=7)
    rng = np.random.default_rng(11)
    p: Tensors = {
        key: torch.tensor(array + 0.3 * rng.standard_normal(array.shape), requires_grad=True)
        for key, array in model.parameters.items()
    }
    x = tensors(case.x)
    outputs = globals()[name](p, x)
    cost = COSTS[name](outputs, tensors(case.y), x)
    cost.backward()
    found = {f"parameter {key}": tensor.detach().numpy() for key, tensor in p.items()}
    found |= {f"gradient {key}": tensor.grad.numpy() for key, tensor in p.items()}
    found |= {f"output {k}": tensor.detach().numpy() for k, tensor in enumerate(outputs)}
    return found | {"cost": cost.detach().numpy()}


if __name__ == "__main__":
    every = {f"{name}/{key}": value for name, case in cases().items() for key, value in results(name, case).items()}
    np.savez_compressed(sys.argv[1], **every)
