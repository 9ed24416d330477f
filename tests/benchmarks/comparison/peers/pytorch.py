"""PyTorch: eager, and with a whole step compiled to one program."""

import copy
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from ..workloads import Array, NotMeasuredError, Peer, Workload

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh, "softplus": nn.Softplus}
COSTS = {"mse": nn.MSELoss, "cross_entropy": nn.CrossEntropyLoss, "binary_cross_entropy": nn.BCEWithLogitsLoss}
TRIALS = 10  # steps in each order of memory
AT_THE_END = {"sigmoid": nn.Sigmoid(), "softmax": nn.Softmax(dim=-1), "identity": nn.Identity()}


class Table(nn.Module):
    """An embedding for each column, beside the numbers."""

    def __init__(self, work: Workload) -> None:
        super().__init__()
        assert work.columns is not None
        self.count, values = work.columns.count, work.columns.values
        self.embedding = nn.Embedding(self.count * values, work.columns.width)  # one table takes less time than many
        self.register_buffer("first", torch.arange(self.count) * values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x[:, : self.count].long() + self.first
        return torch.cat([self.embedding(rows).flatten(1), x[:, self.count :]], dim=1)


class LastState(nn.Module):
    """A recurrent layer, of which the last state goes on."""

    def __init__(self, work: Workload) -> None:
        super().__init__()
        assert work.recurrence is not None
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[work.recurrence.kind]
        self.layer = kind(work.recurrence.features, work.sizes[0], batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.layer(x)[0][:, -1]
        return states


class Attention(nn.Module):
    """Tokens with positions, and blocks of attention."""

    def __init__(self, work: Workload) -> None:
        super().__init__()
        assert work.transformer is not None
        _, heads, hidden, tokens, steps = work.transformer
        width = work.sizes[0]
        self.embedding = nn.Embedding(tokens, width)
        rates = 10_000.0 ** (-torch.arange(width // 2) * 2 / width)
        angles = torch.arange(steps)[:, None] * rates
        self.register_buffer("positions", torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1))
        options: Any = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        blocks = (nn.TransformerEncoderLayer(width, heads, hidden, **options) for _ in range(work.transformer.blocks))
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.blocks(self.embedding(x) + self.positions)
        return found


def _front(work: Workload) -> list[nn.Module]:
    """Return the modules before the dense ones."""
    for kind, wanted in ((Table, work.columns), (LastState, work.recurrence), (Attention, work.transformer)):
        if wanted is not None:
            return [kind(work)]
    modules: list[nn.Module] = []
    for channels, (filters, kernel, padding, pool, norm), _ in work.filters:
        modules += [nn.Conv2d(channels, filters, kernel, padding=padding, bias=not norm)]
        modules += [nn.BatchNorm2d(filters) for _ in range(norm)] + [ACTIVATIONS[work.hidden]()]
        modules += [nn.MaxPool2d(2)] * pool
    return [*modules, nn.Flatten()] if modules else []


def _dense(work: Workload) -> Iterator[nn.Module]:
    """Yield the dense layers with their activations."""
    for k, (n_in, n_out, activation) in enumerate(work.layers):
        norm = work.norm and k < len(work.sizes) - 2
        yield nn.Linear(n_in, n_out, bias=not norm)
        yield from [nn.BatchNorm1d(n_out) for _ in range(norm)]
        yield ACTIVATIONS.get(activation, nn.Identity)()


def _optimizer(work: Workload, parameters: Any) -> torch.optim.Optimizer:
    """Return the optimizer, fused into one call where PyTorch has that."""
    if work.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=work.rate, alpha=0.9, foreach=True)
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[work.optimizer]
    return kind(parameters, lr=work.rate_for_means, fused=True)


class PyTorch(Peer):
    """A chain of modules. Both costs of logits take z, so those networks end without their activation."""

    def __init__(self, work: Workload, x: Array, y: Array, variant: str) -> None:
        dtype = getattr(torch, work.dtype)
        modules = [*_front(work), *_dense(work)]
        self.last = AT_THE_END[work.output]
        self.logits = work.cost != "mse"
        self.z = nn.Sequential(*modules[: -1 if self.logits else None]).to(dtype)
        self.network = nn.Sequential(self.z, self.last) if self.logits else self.z
        self.work, self.cost, self.layout = work, COSTS[work.cost](), torch.contiguous_format
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        self.optimizer = _optimizer(work, self.z.parameters())
        if work.image is not None and variant == "eager":
            self._choose_layout()

    def _choose_layout(self) -> None:
        """Keep images in the order of memory, channels first or last, in which steps take less time."""
        times = {}
        for layout in (torch.channels_last, torch.contiguous_format):
            self._lay_out(layout)
            trial = copy.deepcopy(self)  # the network that is measured stays untrained
            rows = torch.arange(self.work.batch)
            trial.step(rows)
            durations = []
            for _ in range(TRIALS):
                start = time.perf_counter()
                trial.step(rows)
                durations.append(time.perf_counter() - start)
            times[layout] = min(durations)
        self._lay_out(min(times, key=lambda layout: times[layout]))

    def _lay_out(self, layout: torch.memory_format) -> None:
        self.z.to(memory_format=layout)
        self.x = self.x.contiguous(memory_format=layout)
        self.layout = layout

    def _cost(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.cost(z.flatten(0, 1), y.flatten()) if z.ndim > 2 else self.cost(z, y)
        return found

    def step(self, rows: torch.Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        x = self.x.index_select(0, rows).contiguous(memory_format=self.layout)
        self._cost(self.z(x), self.y.index_select(0, rows)).backward()
        self.optimizer.step()

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            for rows in torch.randperm(len(self.x)).split(self.work.batch):
                self.step(rows)

    def own(self, x: Array) -> torch.Tensor:
        return torch.from_numpy(x).contiguous(memory_format=self.layout)

    def predicting(self) -> torch.inference_mode:
        return torch.inference_mode()

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        self.network.eval()
        found = self.network(x)
        self.network.train()
        return found


class Compiled(PyTorch):
    """Gradient and optimizer written as functions, so that one program holds the step: that beats a compiled module.

    A compiled module with a fused optimizer was measured to be slower than eager on the small networks.
    """

    def __init__(self, work: Workload, x: Array, y: Array, variant: str) -> None:
        if work.recurrence is not None:
            raise NotMeasuredError("torch.compile does not compile recurrent modules")
        super().__init__(work, x, y, variant)
        self.parameters = dict(self.z.named_parameters())
        for parameter in self.parameters.values():
            parameter.requires_grad_(False)
        self.m, self.v = ({name: torch.zeros_like(p) for name, p in self.parameters.items()} for _ in range(2))
        self.t = torch.zeros(())
        options = {"cpp_wrapper": True}
        self.update = torch.compile(self._update, fullgraph=True, options=options)
        self.network = torch.compile(self.network, options=options)

    def step(self, rows: torch.Tensor) -> None:
        with torch.no_grad():
            self.update(self.parameters, self.m, self.v, self.t, self.x, self.y, rows)

    def _update(self, parameters: Any, m: Any, v: Any, t: torch.Tensor, x: Any, y: Any, rows: Any) -> None:
        def cost(parameters: Any) -> torch.Tensor:
            return self._cost(torch.func.functional_call(self.z, parameters, (x[rows],)), y[rows])

        gradients = torch.func.grad(cost)(parameters)
        t.add_(1)
        for name, g in gradients.items():
            parameters[name].sub_(self._change(g, m[name], v[name], t))

    def _change(self, g: Any, m: Any, v: Any, t: Any) -> Any:
        if self.work.optimizer == "sgd":
            return self.work.rate_for_means * g
        if self.work.optimizer == "rmsprop":
            v.mul_(0.9).add_(0.1 * g * g)
            return self.work.rate * g / (v.sqrt() + 1e-8)
        m.mul_(0.9).add_(0.1 * g)
        v.mul_(0.999).add_(0.001 * g * g)
        rate = self.work.rate * torch.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        return rate * m / (v.sqrt() + 1e-8)


def PEER(work: Workload, x: Array, y: Array, variant: str) -> PyTorch:
    torch.manual_seed(0)
    return (Compiled if variant == "compiled" else PyTorch)(work, np.ascontiguousarray(x), y, variant)
