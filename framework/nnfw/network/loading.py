"""Reading a model file. It names components of installed plugins, and nothing in it is executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, MinLen

from nnfw.configuration import build
from nnfw.data import Preprocessing
from nnfw.errors import ConfigError, FileFormatError, ShapeError
from nnfw.network.chain import Chain
from nnfw.network.sequential import Sequential
from nnfw.plugins import Registry, default_registry
from nnfw.protocols import Layer
from nnfw.storage import model_file


@dataclass(frozen=True)
class _Architecture:
    """What :func:`~nnfw.network.description.describe` wrote, apart from preprocessing and distributions."""

    input_shape: tuple[Annotated[int, Ge(1)], ...]
    dtype: Literal["float32", "float64"]
    seed: Annotated[int, Ge(0)]
    layers: Annotated[tuple[Layer | str, ...], MinLen(1)]


def load(path: str | PathLike[str], *, registry: Registry | None = None) -> Sequential:
    """Return the model of a file that :meth:`Sequential.save` wrote, with bit-equal parameters.

    Parameters
    ----------
    path
        The file.
    registry
        Where names are looked up; the installed plugins by default.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, of another format, or needs a plugin that is not installed: says which
        distribution to install.
    """
    registry = registry or default_registry()
    header, arrays = model_file.read(Path(path))
    _require_distributions(header.pop("distributions", {}), registry, path)
    preprocessing = header.pop("preprocessing", None)
    try:
        found = build(_Architecture, header, registry.resolve)
        _require_shapes(found, {name: array.shape for name, array in arrays.items()})
        model = Sequential(
            found.layers, found.input_shape, seed=found.seed, dtype=found.dtype, values=arrays, registry=registry
        )
        if preprocessing is not None:
            model.preprocessing = Preprocessing.from_table(preprocessing, registry)
            _require_fit(model.preprocessing, model)
    except (ConfigError, ShapeError, FileFormatError) as error:
        raise FileFormatError(f"{path}: is no model that can be built here: {error}") from error
    return model


def _require_shapes(found: _Architecture, stored: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse arrays that are not those of the layers, before any memory is taken for parameters."""
    declared = Chain(found.layers).parameters(found.input_shape)
    needed = {name: parameter.shape for name, parameter in declared.items()}
    wrong = sorted(name for name in needed.keys() | stored.keys() if needed.get(name) != stored.get(name))
    if wrong:
        name = wrong[0]
        raise ShapeError(
            f"array {name!r} has shape {stored.get(name, 'none')}, the layers need {needed.get(name, 'none')}."
        )


def _require_fit(preprocessing: Preprocessing, model: Sequential) -> None:
    if preprocessing.input_shape != model.input_shape:
        raise ShapeError(
            f"its preprocessing makes examples of shape {preprocessing.input_shape}, the network takes "
            f"{model.input_shape}."
        )


def _require_distributions(needed: Any, registry: Registry, path: str | PathLike[str]) -> None:
    active = {plugin.distribution for plugin in registry.plugins if plugin.status == "active"}
    if not isinstance(needed, Mapping):
        raise FileFormatError(f"{path}: 'distributions' must be a table, got {needed!r}. The file is damaged.")
    missing = {name: version for name, version in needed.items() if name not in active}
    if missing:
        listed = ", ".join(f"{name} {version}" for name, version in missing.items())
        raise FileFormatError(
            f"{path}: needs {listed}, which is not installed or not active. Install it: pip install {' '.join(missing)}"
        )
