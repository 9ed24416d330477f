"""Reading a model file. It names components of installed plugins, and nothing in it is executed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, MaxLen, MinLen

from nnfw.configuration import build
from nnfw.data import Preprocessing
from nnfw.errors import FileFormatError, NnfwError, ShapeError, short, warn
from nnfw.model.sequential import Sequential
from nnfw.network import INPUT, Graph
from nnfw.network.parameters import Layout, require_memory
from nnfw.plugins import Registry, default_registry
from nnfw.plugins.specs import is_distribution
from nnfw.protocols import Node, Parameter
from nnfw.storage import MODEL_FILE, Directory, container

_MOST_DISTRIBUTIONS = 100
_MOST_AXES = 64  # NumPy's limit

_Shape = Annotated[tuple[Annotated[int, Ge(1)], ...], MaxLen(_MOST_AXES)]


@dataclass(frozen=True)
class _Architecture:
    """What :meth:`Sequential.description` wrote, apart from preprocessing and distributions."""

    input_shape: _Shape | Mapping[str, _Shape]
    dtype: Literal["float32", "float64"]
    seed: Annotated[int, Ge(0)]
    layers: Annotated[tuple[Node, ...], MinLen(1)]
    outputs: tuple[str, ...] = ()


def load(path: str | PathLike[str], *, registry: Registry | None = None, inside: Directory | None = None) -> Sequential:
    """Return the model of a file that :meth:`Sequential.save` wrote, with bit-equal parameters.

    Parameters
    ----------
    path
        The file, or the directory of a run, which has ended.
    registry
        Where names are looked up; the installed plugins by default.
    inside
        An open directory that `path` lies in: no link below it is followed.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, of another format, or needs a plugin that is not installed: says which
        distribution to install.

    Warns
    -----
    RuntimeWarning
        If nnfw or a plugin had another version when the file was written.
    """
    registry = registry or default_registry()
    in_run = Path(path) / MODEL_FILE
    path = in_run if in_run.is_file() else path
    with container.opened(Path(path), inside=inside) as file:
        header = dict(file.header)
        _require_distributions(header.pop("distributions", None), registry, path)
        with _told_with(path, file.header, registry):
            stored = header.pop("preprocessing", None)
            found = build(_Architecture, header, registry.resolve)
            shape = found.input_shape
            named = shape if isinstance(shape, Mapping) else {INPUT: shape}
            graph = Graph(found.layers, registry, tuple(named), found.outputs)
            shapes = graph.shapes(*named.values())
            _require_arrays(graph.parameters(shapes), found.dtype, file.tensors)
            preprocessing = None if stored is None else Preprocessing.from_table(stored, registry)
            if preprocessing is not None:
                ends = [shapes[graph.nodes[index].position] for index in graph.outputs]
                by_output = dict(zip(found.outputs, ends, strict=True)) if found.outputs else ends[0]
                preprocessing.require_fit(shape, by_output)
        arrays = file.arrays()
        with _told_with(path, file.header, registry):
            model = Sequential(
                found.layers,
                found.input_shape,
                outputs=found.outputs,
                seed=found.seed,
                dtype=found.dtype,
                values=arrays,
                registry=registry,
            )
    model.preprocessing = preprocessing
    others = _other_versions(file.header, registry)
    if others:
        warn(f"{path}:{others} Results may differ.")
    return model


@contextmanager
def _told_with(path: str | PathLike[str], header: Mapping[str, Any], registry: Registry) -> Iterator[None]:
    """Name the file in what is wrong with the model, and the plugins that had another version when it was saved."""
    try:
        yield
    except NnfwError as error:
        raise FileFormatError(
            f"{path}: is no model that can be built here: {error}{_other_versions(header, registry)}"
        ) from error


def _require_arrays(
    declared: Mapping[str, Mapping[str, Parameter]], dtype: str, stored: Iterable[container.Tensor]
) -> None:
    """Refuse arrays that are not those of the layers, or too many of them, before any memory is taken for them."""
    layout = Layout.of(declared)
    needed = {name: f"{dtype} {parameter.shape}" for name, parameter in layout.declared.items()}
    there = {tensor.name: f"{tensor.dtype} {tensor.shape}" for tensor in stored}
    wrong = sorted(name for name in needed.keys() | there.keys() if needed.get(name) != there.get(name))
    if wrong:
        name = wrong[0]
        raise ShapeError(
            f"array {short(name)} is {there.get(name, 'not there')}, the layers need {needed.get(name, 'none')}."
        )
    require_memory(layout, np.dtype(dtype))


def _require_distributions(needed: Any, registry: Registry, path: str | PathLike[str]) -> None:
    sound = isinstance(needed, Mapping) and len(needed) <= _MOST_DISTRIBUTIONS
    if not sound or not all(
        type(version) is str and is_distribution(name, version) for name, version in needed.items()
    ):
        raise FileFormatError(
            f"{path}: 'distributions' must be a table of names and versions, got {short(needed)}. The file is damaged."
        )
    active = {plugin.distribution for plugin in registry.plugins if plugin.status == "active"}
    missing = {name: version for name, version in needed.items() if name not in active}
    if missing:
        listed = ", ".join(f"{name} {version}" for name, version in missing.items())
        raise FileFormatError(
            f"{path}: needs {listed}, which is not installed or not active. Install it: pip install {' '.join(missing)}"
        )


def _other_versions(header: Mapping[str, Any], registry: Registry) -> str:
    """Return the sentence about distributions whose version is not that of the file, if there are any."""
    installed = {plugin.distribution: plugin.version for plugin in registry.plugins}
    written = header.get("distributions")
    others = [
        f"{name} {version} (here {installed[name]})"
        for name, version in (written.items() if isinstance(written, Mapping) else ())
        if installed.get(name, version) != version
    ]
    return f" It was written with {', '.join(others)}." if others else ""
