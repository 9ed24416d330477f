"""Examples as a dataset delivers them: named columns and a target."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data.conversion import about_missing_words, as_column
from nnfw.data.sources import read_chunk, require_sound
from nnfw.data.tables import listed
from nnfw.errors import DataError
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Source

if TYPE_CHECKING:
    from pathlib import Path

    from nnfw.protocols import Dataset


@dataclass(frozen=True, eq=False)
class Examples:
    """N examples: columns of features, and a target.

    Parameters
    ----------
    features
        Column by name, in order: numeric ``(N, ...)``, or categorical ``(N, ...)`` of str. Images, texts and other
        blocks are one column with more axes. Columns of frames become arrays.
    target
        Numeric ``(N, ...)``, integer classes ``(N, ...)``, or names of classes ``(N, ...)`` of str; None where there
        is none.
    target_name
        What the target is called.
    classes
        Names of the classes: an integer target k means ``classes[k]``, a target of str holds these names.
    missing
        For columns in which values are missing, NaN or an empty word: what to say if no transform takes them, such as
        the line of a file. None by default: the message then names row and column.

    Raises
    ------
    DataError
        If there is no column or no example, lengths differ, or a column holds neither numbers nor words.

    Examples
    --------
    >>> import numpy as np
    >>> data = Examples({"age": np.array([31.0, 55.0]), "city": np.array(["Oslo", "Bern"])}, np.array([0, 1]))
    >>> len(data), categorical(data.features["city"])
    (2, True)
    """

    features: Mapping[str, Array]
    target: Array | None = None
    target_name: str = "target"
    classes: tuple[str, ...] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Convert the columns to arrays; refuse columns that do not fit together."""
        features = {name: as_column(column, f"Column {name!r}", missing=True) for name, column in self.features.items()}
        gaps = {name: about_missing_words(column, f"Column {name!r}") for name, column in self.features.items()}
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "missing", {name: text for name, text in gaps.items() if text} | dict(self.missing))
        if self.target is not None:
            object.__setattr__(self, "target", as_column(self.target, f"Column {self.target_name!r}"))
        if not self.features:
            raise DataError("The data has no column of features; at least one is needed.")
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
            raise DataError(f"x and y must have the same length, one entry per example, got {listed}.")
        if 0 in lengths.values():
            raise DataError("The data is empty: it holds no example.")

    def __len__(self) -> int:
        """Return N."""
        return len(next(iter(self.features.values())))

    @property
    def columns(self) -> dict[str, Array]:
        """All columns by name: the features, and the target if there is one."""
        return dict(self.features) | ({} if self.target is None else {self.target_name: self.target})

    def take(self, rows: Array) -> Examples:
        """Return the examples of the given rows, in that order."""
        features = {name: column[rows] for name, column in self.features.items()}
        target = None if self.target is None else self.target[rows]
        return replace(self, features=features, target=target)

    @classmethod
    def of(cls, source: Source) -> Examples:
        """Return all examples of a source, which must fit into memory."""
        chunks = (read_chunk(source, chunk, "The data") for chunk in range(len(source.chunks)))
        return joined([examples_of(source, chunk) for chunk in chunks])

    def require_filled(self, others: Collection[str]) -> None:
        """Refuse missing values in all columns but `others`, where the dataset says what to say; DataError says it."""
        if lines := {name: text for name, text in self.missing.items() if name not in others}:
            raise DataError("\n".join(lines.values())).of("", ("columns", next(iter(lines))))


def load_examples(dataset: Dataset, directory: Path) -> Examples:
    """Return the examples of a dataset whose relative paths start at `directory`.

    Raises PluginError if what it returns is not :class:`Examples`, or a column or class in it has no name.
    """
    found: object = dataset.load(directory)
    if not isinstance(found, Examples):
        raise wrong_result(dataset, "load", found, "Examples")
    if not isinstance(found.features, Mapping) or not all(isinstance(name, str) for name in found.features):
        raise wrong_result(dataset, "load", found.features, "features that are columns by name")
    _require_classes(dataset, "load", found.classes)
    missing = found.missing
    if not isinstance(missing, Mapping) or not all(isinstance(text, str) for item in missing.items() for text in item):
        raise wrong_result(dataset, "load", missing, "texts about missing numbers by the name of their column")
    return found


def open_source(dataset: Dataset, directory: Path) -> Source | None:
    """Return the source that a dataset opens, if it does, for relative paths that start at `directory`.

    Raises PluginError if it is something else, or its target or classes are; DataError if schema or chunks are wrong.
    """
    if not hasattr(dataset, "open"):  # it is older than this method, and implements the protocol without its base
        return None
    found: object = dataset.open(directory)
    if found is None:
        return None
    if not isinstance(found, Source):
        raise wrong_result(dataset, "open", found, "a Source, or None")
    require_sound(found, "The data")
    names = found.schema.names or ()
    if found.target is not None and found.target not in names:
        raise wrong_result(dataset, "open", found.target, f"a target that is a column, one of {listed(names)}, or None")
    _require_classes(dataset, "open", found.classes)
    return found


def examples_of(source: Source, columns: Mapping[str, Array]) -> Examples:
    """Return the columns of a chunk, or of some of its rows, as examples."""
    target = source.target
    features = {name: column for name, column in columns.items() if name != target}
    return Examples(features, columns.get(target or ""), target or "target", source.classes)


def joined(parts: Sequence[Examples]) -> Examples:
    """Return the examples of parts, one after the other."""
    first = parts[0]
    features = {name: np.concatenate([part.features[name] for part in parts]) for name in first.features}
    target = None if first.target is None else np.concatenate([part.columns[first.target_name] for part in parts])
    return replace(first, features=features, target=target)


def _require_classes(dataset: Dataset, method: str, classes: object) -> None:
    if classes is not None and not (isinstance(classes, tuple) and all(isinstance(name, str) for name in classes)):
        raise wrong_result(dataset, method, classes, "classes that are a tuple of texts, or None")


def shape_of(dataset: Dataset) -> Shape | None:
    """Return the shape of one example if the dataset knows it; PluginError if it returns anything else."""
    found: object = dataset.input_shape()
    if found is not None and not (isinstance(found, tuple) and all(type(size) is int and size > 0 for size in found)):
        raise wrong_result(dataset, "input_shape", found, "a tuple of whole numbers above 0, or None")
    return found


def categorical(column: Array) -> bool:
    """Return whether a column holds names rather than numbers."""
    return column.dtype.kind in "US"
