"""A preprocessing as plain tables, which a model file holds as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnfw.data.columns import Column, Step
from nnfw.errors import ConfigError, FileFormatError

if TYPE_CHECKING:
    from nnfw.data.preprocessing import Preprocessing
    from nnfw.plugins import Registry

Parts = tuple[tuple[Column, ...], Column | None, tuple[str, ...] | None]
"""What a preprocessing consists of: feature columns, target column and classes."""


def to_table(preprocessing: Preprocessing, registry: Registry) -> dict[str, Any]:
    """Return a preprocessing as plain values; PluginError if a transform belongs to no installed plugin."""
    table: dict[str, Any] = {"columns": [_column_table(column, registry) for column in preprocessing.columns]}
    if preprocessing.target_column is not None:
        table["target"] = _column_table(preprocessing.target_column, registry)
    if preprocessing.classes is not None:
        table["classes"] = list(preprocessing.classes)
    return table


def from_table(table: Mapping[str, Any], registry: Registry) -> Parts:
    """Return the parts of the preprocessing that :func:`to_table` described.

    Raises
    ------
    ConfigError
        If a transform is not installed.
    FileFormatError
        If the table is damaged.
    """
    try:
        columns = tuple(_column_of(entry, registry) for entry in table["columns"])
        target = _column_of(table["target"], registry) if "target" in table else None
        classes = tuple(str(name) for name in table["classes"]) if "classes" in table else None
    except ConfigError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"The stored preprocessing is damaged: {type(error).__name__}: {error}.") from error
    return columns, target, classes


def _column_table(column: Column, registry: Registry) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "shape": list(column.shape),
        "output_shape": list(column.output_shape),
        "steps": [
            {"transform": registry.describe("transform", step.transform), "fitted": dict(step.fitted)}
            for step in column.steps
        ],
    }


def _column_of(table: Mapping[str, Any], registry: Registry) -> Column:
    kind = table["kind"]
    if kind not in ("numeric", "integer", "categorical"):
        raise ValueError(f"unknown kind {kind!r}")
    return Column(
        str(table["name"]),
        kind,
        tuple(int(size) for size in table["shape"]),
        tuple(int(size) for size in table["output_shape"]),
        tuple(Step(registry.resolve("transform", step["transform"]), dict(step["fitted"])) for step in table["steps"]),
    )
