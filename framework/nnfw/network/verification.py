"""Do the components of a network return what their protocols say? Asked once for each shape of batch.

A plugin that returns another shape or dtype would give wrong parameters, or an error far from its cause. The equations
of the chain stay free of checks: the chain keeps what every component returned, and that is looked at after the pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnfw.errors import NnfwError, PluginError, class_name
from nnfw.network.chain import Chain
from nnfw.network.objective import Objective
from nnfw.network.workspace import Workspace
from nnfw.plugins import Registry
from nnfw.protocols import Shape

Array = NDArray[Any]


@contextmanager
def verified(
    chain: Chain, x: Array, workspace: Workspace, registry: Registry, objective: Objective | None = None
) -> Iterator[None]:
    """Look at every result of the pass in the body, also where it failed.

    Parameters
    ----------
    chain, x, workspace, registry
        What passes through what, in which memory; and who names the components.
    objective
        The cost, where the pass goes backward too.

    Raises
    ------
    PluginError
        For the first result of another shape or dtype than its protocol says; names the component.
    """
    memories = [chain.memory(index, workspace) for index in range(len(chain.layers))]
    for memory in memories:
        memory.forget()
    try:
        yield
    except NnfwError:
        raise
    except Exception as error:
        _verify(chain, x, memories, registry, objective, error)
        raise
    _verify(chain, x, memories, registry, objective, None)


def _verify(
    chain: Chain,
    x: Array,
    memories: list[Workspace],
    registry: Registry,
    objective: Objective | None,
    cause: Exception | None,
) -> None:
    shapes = [(len(x), *shape) for shape in chain.shapes(x.shape[1:])]
    for who, key, memory, shape, meaning in _expected(chain, memories, shapes, registry, objective):
        problem = _problem(memory.get(key, _NOTHING), shape, memory.dtype)
        if problem:
            raise PluginError(f"{who} returned {problem}, {meaning}.") from cause
        if key not in memory:
            return  # the pass ended here


def _expected(
    chain: Chain, memories: list[Workspace], shapes: list[Shape], registry: Registry, objective: Objective | None
) -> Iterator[tuple[str, str, Workspace, Shape, str]]:
    """Yield what is expected in the order of the pass: by whom, under which key, where, of which shape, and why."""
    names = [f"Layer {index} {registry.label('layer', layer)}" for index, layer in enumerate(chain.layers)]
    for name, memory, shape in zip(names, memories, shapes[1:], strict=True):
        yield f"{name}: forward", "z", memory, shape, "the shape that output_shape declares"
        yield f"{name}: its activation's forward", "a", memory, shape, "the shape of z"
    if objective is None:
        return
    cost = f"Cost {registry.label('cost', objective.cost)}"
    source = f"{cost}: gradient"
    for name, memory, shape in reversed(list(zip(names, memories, shapes[1:], strict=True))):
        if "grad_a" in memory:  # a canonical pair has none
            yield source, "grad_a", memory, shape, "the shape of the activation before it"
        author = f"{name}: its activation's delta" if "grad_a" in memory else f"{cost}: canonical_delta"
        yield author, "delta", memory, shape, "the shape of z"
        source = f"{name}: backward"


_NOTHING = object()


def _problem(result: Any, shape: Shape, dtype: np.dtype[Any]) -> str:
    if result is _NOTHING:
        return ""
    if not isinstance(result, np.ndarray):
        return f"{class_name(result)}, expected an array of shape {shape}"
    if result.shape != shape:
        return f"shape {result.shape}, expected {shape}"
    return f"{result.dtype}, expected {dtype}, the network's dtype, in shape {shape}" if result.dtype != dtype else ""
