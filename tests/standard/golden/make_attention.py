"""Write values and gradients of attention as PyTorch computes them: python tests/standard/golden/make_attention.py FILE

The file in this folder was written with PyTorch 2.13 in float64. Arrays are drawn with NumPy.
"""

from __future__ import annotations

import sys
from math import sqrt

import numpy as np
import torch
from attention_cases import Case, beyond, cases, drawn
from torch import nn
from torch.nn import functional

Tensors = dict[str, torch.Tensor]


def padding(case: Case, number: int) -> torch.Tensor | None:
    """Return which time steps of an input are padding."""
    if len(case.lengths) <= number or case.lengths[number] is None:
        return None
    return torch.tensor(beyond(case.lengths[number], case.shapes[number][0]))


def projections(p: Tensors, prefix: str, cross: bool, groups: float) -> tuple[Tensors, Tensors]:
    """Return the weights and the biases of q, k, v and the output; `groups` of keys for each head of queries."""
    found = []
    for kind in ("weight", "bias"):
        names = ("query_", "memory_") if cross else ("",)
        parts = [p.get(f"{prefix}{name}{kind}") for name in names]
        if parts[0] is None:
            found.append({})
        elif cross:
            k, v = parts[1].chunk(2)
            found.append({"q": parts[0], "k": k, "v": v})
        else:
            rows = len(parts[0])
            heads = round(rows / (1 + 2 * groups))
            q, k, v = parts[0].split([heads, (rows - heads) // 2, (rows - heads) // 2])
            found.append({"q": q, "k": k, "v": v})
        if f"{prefix}output_{kind}" in p:
            found[-1]["output"] = p[f"{prefix}output_{kind}"]
    return found[0], found[1]


def of_module(p: Tensors, prefix: str, module: nn.MultiheadAttention, name: str, cross: bool) -> Tensors:
    """Return the parameters of PyTorch's module for ours, with names that begin with `name`."""
    weights, biases = projections(p, prefix, cross, 1.0)
    values = {f"{name}out_proj.weight": weights["output"]}
    if module.in_proj_weight is None:
        values |= {f"{name}{k}_proj_weight": weights[k] for k in "qkv"}
    else:
        values[f"{name}in_proj_weight"] = torch.cat([weights[k] for k in "qkv"])
    if biases:
        values[f"{name}in_proj_bias"] = torch.cat([biases[k] for k in "qkv"])
        values[f"{name}out_proj.bias"] = biases["output"]
    return values


def module(case: Case, p: Tensors) -> torch.Tensor:
    """Return z of nn.MultiheadAttention."""
    x, m, width = p["x"], p.get("m", p["x"]), case.shapes[-1][1]
    other = nn.MultiheadAttention(
        8, case.layer.heads, bias=case.layer.bias, kdim=width, vdim=width, batch_first=True
    ).double()
    values = of_module(p, "block.", other, "", "m" in p)
    mask = padding(case, len(case.shapes) - 1)
    return torch.func.functional_call(other, values, (x, m, m), {"key_padding_mask": mask, "need_weights": False})[0]


def turned(heads: torch.Tensor) -> torch.Tensor:
    """Turn pairs of features ``(N, heads, T, d)``, as complex numbers."""
    half = heads.shape[-1] // 2
    rates = 10_000.0 ** (-torch.arange(half, dtype=torch.float64) * 2 / heads.shape[-1])
    angles = torch.arange(heads.shape[2], dtype=torch.float64)[:, None] * rates
    pairs = torch.complex(heads[..., :half], heads[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([pairs.real, pairs.imag], dim=-1)


def function(case: Case, p: Tensors) -> torch.Tensor:
    """Return z by functional.scaled_dot_product_attention."""
    layer, x, m = case.layer, p["x"], p.get("m", p["x"])
    groups = layer.groups or layer.heads
    weights, biases = projections(p, "block.", "m" in p, groups / layer.heads)

    def heads(name: str, values: torch.Tensor, count: int) -> torch.Tensor:
        return functional.linear(values, weights[name], biases.get(name)).unflatten(-1, (count, -1)).transpose(1, 2)

    q, k, v = heads("q", x, layer.heads), heads("k", m, groups), heads("v", m, groups)
    if layer.rotary:
        q, k = turned(q), turned(k)
    seen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool)
    seen = seen.tril() if layer.causal else seen
    mask = padding(case, len(case.shapes) - 1)
    seen = seen if mask is None else seen & ~mask[:, None, None]
    o = functional.scaled_dot_product_attention(q, k, v, seen, scale=1 / sqrt(q.shape[3]), enable_gqa=True)
    o = o.transpose(1, 2).flatten(2)
    return functional.linear(o, weights["output"], biases["output"]) if "output" in weights else o


def transformer(case: Case, p: Tensors, other: nn.Module, names: dict[str, str]) -> Tensors:
    """Return the parameters of PyTorch's module: of attention, and of what `names` says by the names of ours."""
    values = {}
    for theirs, ours in {"self_attn.": "attention", "multihead_attn.": "memory"}.items():
        if hasattr(other, theirs[:-1]):
            attention = getattr(other, theirs[:-1])
            values |= of_module(p, f"block.{ours}.heads.", attention, theirs, ours == "memory")
    for theirs, ours in names.items():
        first = case.layer.norm_first or not ours.endswith(".norm")
        place = f"block.{ours}" if first else f"block.{ours.replace('.norm', '_norm')}"
        kinds = ("scale", "shift") if ours.endswith("norm") else ("weight", "bias")
        values |= {f"{theirs}.{one}": p[f"{place}.{two}"] for one, two in zip(("weight", "bias"), kinds, strict=True)}
    return values


def options(case: Case) -> tuple[tuple[int, int, int], dict[str, object]]:
    """Return the options of PyTorch's module."""
    layer = case.layer
    common = {"dropout": 0.0, "activation": layer.activation, "batch_first": True, "norm_first": layer.norm_first}
    return (layer.width, layer.heads, layer.hidden or 4 * layer.width), common


def encoder(case: Case, p: Tensors) -> torch.Tensor:
    """Return z of nn.TransformerEncoderLayer."""
    sizes, common = options(case)
    other = nn.TransformerEncoderLayer(*sizes, **common).double()
    names = {"norm1": "attention.norm", "norm2": "mlp.norm", "linear1": "mlp.hidden", "linear2": "mlp.output"}
    steps = case.shapes[0][0]
    mask = torch.ones(steps, steps, dtype=torch.bool).triu(1) if case.layer.causal else None
    return torch.func.functional_call(
        other, transformer(case, p, other, names), (p["x"], mask, padding(case, 0)), {"is_causal": case.layer.causal}
    )


def decoder(case: Case, p: Tensors) -> torch.Tensor:
    """Return z of nn.TransformerDecoderLayer."""
    sizes, common = options(case)
    other = nn.TransformerDecoderLayer(*sizes, **common).double()
    names = {
        "norm1": "attention.norm",
        "norm2": "memory.norm",
        "norm3": "mlp.norm",
        "linear1": "mlp.hidden",
        "linear2": "mlp.output",
    }
    steps = case.shapes[0][0]
    mask = torch.ones(steps, steps, dtype=torch.bool).triu(1)
    masks = {"tgt_key_padding_mask": padding(case, 0), "memory_key_padding_mask": padding(case, 1)}
    return torch.func.functional_call(other, transformer(case, p, other, names), (p["x"], p["m"], mask), masks)


def results(name: str, case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return what was drawn, z, ∂C/∂x and the gradient of each parameter, where ∂C/∂z is `delta`."""
    drawn_here = drawn(case, seed)
    p = {key: torch.tensor(array, requires_grad=key != "delta") for key, array in drawn_here.items()}
    z = globals()[name.split()[0]](case, p)
    (z * p["delta"]).sum().backward()
    found = {f"given {key}": array for key, array in drawn_here.items()}
    found |= {f"gradient {key}": tensor.grad.numpy() for key, tensor in p.items() if key != "delta"}
    return found | {"z": z.detach().numpy()}


if __name__ == "__main__":
    arrays = {
        f"{name}/{key}": array
        for seed, (name, case) in enumerate(cases().items())
        for key, array in results(name, case, seed).items()
    }
    np.savez_compressed(sys.argv[1], **arrays)
