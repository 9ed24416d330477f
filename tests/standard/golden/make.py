"""Write values and gradients of layers as PyTorch computes them: python tests/standard/golden/make.py FILE

The file in this folder was written with PyTorch 2.13 in float64. Arrays are drawn with NumPy; the layers are those of
``torch.nn``, differentiated by autograd.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from cases import Case, cases, drawn
from torch import nn

Tensors = dict[str, torch.Tensor]

RECURRENT = {"simple_rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def recurrent(name: str, case: Case, p: Tensors) -> torch.Tensor:
    """Return the states of a layer; a reversed one is the second direction of a bidirectional layer."""
    layer, x, units = case.layer, p["x"], case.layer.units
    count, steps, features = x.shape
    module = RECURRENT[name](features, units, batch_first=True, bidirectional=True).double()
    side = "_reverse" if layer.reverse else ""
    zeros = torch.zeros(units, dtype=torch.float64)
    values: Tensors = {
        f"weight_ih_l0{side}": p["weight"],
        f"weight_hh_l0{side}": p["recurrent_weight"],
        f"bias_ih_l0{side}": p.get("bias", torch.zeros(len(p["weight"]), dtype=torch.float64)),
        f"bias_hh_l0{side}": torch.zeros(len(p["weight"]), dtype=torch.float64),
    }
    if "recurrent_bias" in p:
        values[f"bias_hh_l0{side}"] = torch.cat([zeros, zeros, p["recurrent_bias"]])
    first = [torch.stack([p.get(f"initial_{k}", zeros).expand(count, units)] * 2) for k in layer.letters]
    given: Any = x
    if case.lengths is not None:
        given = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(case.lengths), batch_first=True, enforce_sorted=False)
    outputs, last = torch.func.functional_call(module, values, (given, tuple(first) if name == "lstm" else first[0]))
    if layer.states == "last":
        return (last[0] if name == "lstm" else last)[int(layer.reverse)]
    if case.lengths is not None:
        outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=steps)
    return outputs[..., units * layer.reverse :][..., :units]


def results(name: str, case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return what was drawn, z, ∂C/∂x and the gradient of each parameter, where ∂C/∂z is `delta`."""
    drawn_here = drawn(case, seed)
    p = {key: torch.tensor(array, requires_grad=key != "delta") for key, array in drawn_here.items()}
    family = name.split()[0]
    z = recurrent(family, case, p)
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
