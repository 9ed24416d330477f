"""The shares of the nodes in the time and the memory of a training step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from nnfw.experiments.memory import batch_of_zeros
from nnfw.network import Network, Objective
from nnfw.ops import DEFINITIONS, using
from nnfw.step import Arguments, Result
from nnfw.workspace import Workspace

_STEPS = 3  # timed, after one that makes the buffers
_MOST_EXAMPLES = 64
_SEED = 0


@dataclass(frozen=True)
class Share:
    """The share of a node in a training step, from 0 to 1."""

    time: float
    memory: float


def shares_of(network: Network, objective: Objective, batch_size: int) -> list[Share]:
    """Return the share of each node in the time and in the memory of a training step.

    A few steps in plain NumPy are timed, with up to 64 examples of zeros. The memory is that of the buffers of a whole
    batch, and of parameters with their gradients.
    """
    count = min(batch_size, _MOST_EXAMPLES)
    graph, batch = network.graph, batch_of_zeros(network, objective, count)
    workspace = network.workspace(np.random.default_rng(_SEED), training=True)
    grads = network.views(np.zeros_like(network.parameters.vector))
    state, watch = network.parameters.state.copy(), _Stopwatch()
    with np.errstate(all="ignore"), using(DEFINITIONS), workspace.stepping(watch):
        for _ in range(1 + _STEPS):
            watch.steps.append(defaultdict(float))
            network.backward(batch, objective, workspace, grads)
    network.parameters.state[...] = state
    best = [min(step[place.title] for step in watch.steps[1:]) for place in graph.nodes]
    buffers = [graph.workspace_of(place, workspace).nbytes * batch_size / count for place in graph.nodes]
    own = [grads.of(place.name) if place.parameters == place.name else {} for place in graph.nodes]
    sizes = [size + 2 * sum(each.nbytes for each in arrays.values()) for size, arrays in zip(buffers, own, strict=True)]
    return [Share(*pair) for pair in zip(_parts(best), _parts(sizes), strict=True)]


class _Stopwatch:
    """A step that adds up the seconds of the calls of each node."""

    def __init__(self) -> None:
        self.steps: list[defaultdict[str, float]] = []

    def __call__(
        self, method: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        if hasattr(method, "asks_step"):  # what it calls comes here too
            return method(*arguments, **named)
        node = next(item.node for item in (*arguments, *named.values()) if isinstance(item, Workspace))
        start = perf_counter()
        try:
            return method(*arguments, **named)
        finally:
            self.steps[-1][node] += perf_counter() - start


def _parts(amounts: Sequence[float]) -> list[float]:
    """Return each amount as a part of their sum."""
    total = sum(amounts) or 1.0
    return [float(amount / total) for amount in amounts]
