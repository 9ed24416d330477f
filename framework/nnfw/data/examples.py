"""Examples as a dataset delivers them: named columns and a target."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data.conversion import about_missing_words, as_column
from nnfw.data.sources import read_chunk, require_sound
from nnfw.data.tables import Table, listed
from nnfw.errors import DataError
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Source

if TYPE_CHECKING:
    from pathlib import Path

    from nnfw.protocols import Dataset


_ROLES = {"weight": "a number of 0 or more", "group": "a word or a number", "time": "a number"}
"""What says how examples count or are split, and what each holds for an example."""


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
    further
        Targets beside the first, by name: each for an output of its own or, if all are numbers, side by side for one.
    weight
        How much each example counts in cost and metrics ``(N,)``, 0 or more; by default all count the same.
    group
        What each example belongs to ``(N,)``, words or numbers: a split keeps those of one value together.
    time
        When each example was ``(N,)``, numbers or datetime64: a split holds out the newest.
    table
        The table whose rows they are, if any. A training shows its columns and warns of what is odd about it.

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
    further: Mapping[str, Array] = field(default_factory=dict)
    weight: Array | None = None
    group: Array | None = None
    time: Array | None = None
    table: Table | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Convert the columns to arrays; refuse columns that do not fit together."""
        features = {name: as_column(column, f"Column {name!r}", missing=True) for name, column in self.features.items()}
        gaps = {name: about_missing_words(column, f"Column {name!r}") for name, column in self.features.items()}
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "missing", {name: text for name, text in gaps.items() if text} | dict(self.missing))
        if self.target is not None:
            object.__setattr__(self, "target", as_column(self.target, f"Column {self.target_name!r}"))
        further = {name: as_column(column, f"Column {name!r}") for name, column in self.further.items()}
        object.__setattr__(self, "further", further)
        for name, what in _ROLES.items():
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, _role(given, name, what))
        if not self.features:
            raise DataError("The data has no column of features; at least one is needed.")
        lengths = {name: len(column) for name, column in (*self.columns.items(), *self.roles.items())}
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
        """All columns by name: the features, and the targets if there are any."""
        target = {} if self.target is None else {self.target_name: self.target}
        return {**self.features, **target, **self.further}

    @property
    def block(self) -> Array | None:
        """The target for one output: if there are several, side by side; DataError if one of them holds words."""
        if self.target is None or not self.further:
            return self.target
        targets = {self.target_name: self.target, **self.further}
        words = [name for name, column in targets.items() if categorical(column) or column.ndim > 1]
        if words:
            raise DataError(
                f"The targets are {listed([*targets])}, and {words[0]!r} holds words or more than a number for each "
                "example, so they cannot be the numbers of one output. Name an output for each: outputs in [model], "
                "their columns in [data.targets], as nnfw init writes them."
            )
        return np.column_stack([*targets.values()])

    @property
    def roles(self) -> dict[str, Array]:
        """Those of ``weight``, ``group`` and ``time`` that there are."""
        return {name: column for name in _ROLES if (column := getattr(self, name)) is not None}

    def column(self, name: str) -> Array:
        """Return the column of a name, as :attr:`columns` has it."""
        if self.target is not None and name == self.target_name:
            return self.target
        return self.further[name] if name in self.further else self.features[name]

    def take(self, rows: Array) -> Examples:
        """Return the examples of the given rows, in that order."""
        return replace(
            self,
            features={name: column[rows] for name, column in self.features.items()},
            target=None if self.target is None else self.target[rows],
            further={name: column[rows] for name, column in self.further.items()},
            weight=None if self.weight is None else self.weight[rows],
            group=None if self.group is None else self.group[rows],
            time=None if self.time is None else self.time[rows],
            table=None,
        )

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
    columns = {name: np.concatenate([part.column(name) for part in parts]) for name in first.columns}
    roles = {name: np.concatenate([part.roles[name] for part in parts]) for name in first.roles}
    return replace(
        first,
        features={name: columns[name] for name in first.features},
        target=None if first.target is None else columns[first.target_name],
        further={name: columns[name] for name in first.further},
        weight=roles.get("weight"),
        group=roles.get("group"),
        time=roles.get("time"),
    )


def _require_classes(dataset: Dataset, method: str, classes: object) -> None:
    if classes is not None and not (isinstance(classes, tuple) and all(isinstance(name, str) for name in classes)):
        raise wrong_result(dataset, method, classes, "classes that are a tuple of texts, or None")


def shape_of(dataset: Dataset) -> Shape | None:
    """Return the shape of one example if the dataset knows it; PluginError if it returns anything else."""
    found: object = dataset.input_shape()
    if found is not None and not (isinstance(found, tuple) and all(type(size) is int and size > 0 for size in found)):
        raise wrong_result(dataset, "input_shape", found, "a tuple of whole numbers above 0, or None")
    return found


def _role(values: Array, name: str, what: str) -> Array:
    """Return what says how examples count or are split, one entry for each of them."""
    array: Array = np.asarray(values)
    if name == "time" and array.dtype.kind == "M":
        if np.isnat(array).any():
            row = int(np.argwhere(np.isnat(array))[0, 0])
            raise DataError(f"The {name} must hold {what} for each example, got NaT in row {row} (from 0).")
        array = array.astype("M8[us]").astype(np.int64)
    array = as_column(array, f"The {name}")
    if array.ndim != 1 or (name != "group" and categorical(array)):
        held = "words" if categorical(array) else f"shape {array.shape}"
        raise DataError(f"The {name} must hold {what} for each example, got {held}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array)))
        raise DataError(f"The {name} must hold {what} for each example, got {array[row]} in row {row} (from 0).")
    return array


def categorical(column: Array) -> bool:
    """Return whether a column holds names rather than numbers."""
    return column.dtype.kind in "US"
