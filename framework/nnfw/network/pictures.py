"""What layers show of a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import short
from nnfw.network.graph import Place
from nnfw.network.network import Network
from nnfw.plugins.results import unexpected
from nnfw.protocols import Layer, Merge
from nnfw.workspace import LAYER, Workspace


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a node shows under one title: K pictures ``(K, rows, columns)``."""

    place: Place
    title: str
    values: Array


def shown_in(network: Network, workspace: Workspace) -> Iterator[Pictures]:
    """Yield what each node shows of the last forward pass through a workspace.

    PluginError if a layer's `pictures` returns something else.
    """
    graph = network.graph
    for place in graph.nodes:
        own = graph.workspace_of(place, workspace).child(LAYER)
        with graph.naming(place, "pictures"):
            found = pictures_of(place.layer, network.parameters.of(place.parameters), own)
        yield from (Pictures(place, title, values) for title, values in found.items())


def pictures_of(layer: Layer | Merge, params: Mapping[str, Array], workspace: Workspace) -> Mapping[str, Array]:
    """Return what a layer shows; nothing if it is older than the method. PluginError if that is something else."""
    if not hasattr(layer, "pictures"):
        return {}
    found: object = layer.pictures(params, workspace)
    if not isinstance(found, Mapping) or not all(isinstance(title, str) for title in found):
        raise unexpected("pictures", found, "a dictionary of arrays by title")
    for title, values in found.items():
        if not _is_right(values):
            raise unexpected(f"pictures[{short(title)}]", values, "an array (K, rows, columns) of finite numbers")
    return found


def _is_right(values: object) -> bool:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        return False
    return values.ndim == 3 and values.size > 0 and bool(np.isfinite(values).all())
