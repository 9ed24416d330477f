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
from torch.nn import functional

Tensors = dict[str, torch.Tensor]

UNTRAINED = ("delta", "running_mean", "running_variance")

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
    if case.state:
        first = [torch.stack([part] * 2) for part in p["state"].split(units, dim=1)]
    given: Any = x
    if case.lengths is not None:
        given = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(case.lengths), batch_first=True, enforce_sorted=False)
    outputs, last = torch.func.functional_call(module, values, (given, tuple(first) if name == "lstm" else first[0]))
    if layer.states == "complete":
        return torch.cat([each[int(layer.reverse)] for each in (last if name == "lstm" else [last])], dim=1)
    if layer.states == "last":
        return (last[0] if name == "lstm" else last)[int(layer.reverse)]
    if case.lengths is not None:
        outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=steps)
    return outputs[..., units * layer.reverse :][..., :units]


def channels_first(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Return x with the axis of its channels after that of the examples."""
    return x.movedim(axis, 1)


def batch_norm(name: str, case: Case, p: Tensors) -> torch.Tensor:
    """Return z; the running statistics move in training."""
    layer, x = case.layer, p["x"]
    axis = layer.axis + 1 if layer.axis is not None else 1 if x.ndim == 4 else -1
    z = functional.batch_norm(
        channels_first(x, axis),
        p["running_mean"],
        p["running_variance"],
        p.get("scale"),
        p.get("shift"),
        case.training,
        1 - layer.momentum,
        layer.epsilon,
    )
    return z.movedim(1, axis)


def layer_norm(name: str, case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    return functional.layer_norm(
        p["x"], p["x"].shape[-case.layer.axes :], p.get("scale"), p.get("shift"), case.layer.epsilon
    )


def rms_norm(name: str, case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    return functional.rms_norm(p["x"], p["x"].shape[-case.layer.axes :], p["scale"], case.layer.epsilon)


def group_norm(name: str, case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    return functional.group_norm(p["x"], case.layer.groups, p["scale"], p["shift"], case.layer.epsilon)


def instance_norm(name: str, case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    return functional.instance_norm(p["x"], None, None, p.get("scale"), p.get("shift"), eps=case.layer.epsilon)


def dense(name: str, case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    return functional.linear(p["x"], p["weight"], p.get("bias"))


def conv1d(name: str, case: Case, p: Tensors) -> torch.Tensor:
    """Return z; what lies beyond a length is 0."""
    layer, x = case.layer, p["x"]
    if case.lengths is not None:
        x = x * (torch.arange(x.shape[1]) < torch.tensor(case.lengths)[:, None])[..., None]
    padding, stride = (0, 1) if name == "causal_conv1d" else (layer.padding, layer.stride)
    x = x.transpose(1, 2)
    if name == "causal_conv1d":
        x = functional.pad(x, ((layer.kernel - 1) * layer.dilation, 0))
    padding = 0 if padding == "valid" else padding
    z = functional.conv1d(x, p["weight"], p.get("bias"), stride, padding, layer.dilation, layer.groups)
    return z.transpose(1, 2)


causal_conv1d = conv1d


def max_pool1d(name: str, case: Case, p: Tensors) -> torch.Tensor:
    """Return z."""
    layer = case.layer
    padding = 0 if layer.padding == "valid" else layer.padding
    options = {} if name == "max_pool1d" else {"count_include_pad": False}
    x = p["x"].transpose(1, 2)
    return getattr(functional, name)(x, layer.kernel, layer.stride, padding, **options).transpose(1, 2)


avg_pool1d = max_pool1d


def results(name: str, case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return what was drawn, z, ∂C/∂x and the gradient of each parameter, where ∂C/∂z is `delta`."""
    drawn_here = drawn(case, seed)
    p = {key: torch.tensor(array.copy(), requires_grad=key not in UNTRAINED) for key, array in drawn_here.items()}
    family = name.split()[0]
    function = recurrent if family in RECURRENT else globals()[family]
    z = function(family, case, p)
    (z * p["delta"]).sum().backward()
    found = {f"given {key}": array for key, array in drawn_here.items()}
    found |= {f"gradient {key}": tensor.grad.numpy() for key, tensor in p.items() if key not in UNTRAINED}
    found |= {f"after {key}": p[key].numpy() for key in UNTRAINED[1:] if key in p}
    return found | {"z": z.detach().numpy()}


if __name__ == "__main__":
    arrays = {
        f"{name}/{key}": array
        for seed, (name, case) in enumerate(cases().items())
        for key, array in results(name, case, seed).items()
    }
    np.savez_compressed(sys.argv[1], **arrays)
