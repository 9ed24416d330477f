"""The data of an experiment: examples in memory, or a source that is read chunk by chunk."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nnfw.arrays import Array
from nnfw.data import (
    ChunkRows,
    Examples,
    Padded,
    Parts,
    examples_of,
    fingerprint_of,
    load_examples,
    open_source,
    read_chunk,
    release,
    split,
    split_chunks,
)
from nnfw.errors import DataError
from nnfw.experiments.experiment import SplitSection
from nnfw.model import Sequential
from nnfw.network import Objective
from nnfw.protocols import Dataset, Source
from nnfw.training import Labelled, Streamed

Part: TypeAlias = "Labelled | Streamed"
"""The examples of one part of the split, as network and cost take them."""

_HASHED_ROWS = 1 << 14  # rows that are hashed at once: a memory-mapped column is never read whole
_OWNER = "The data"  # what messages call a source


class RawData(ABC):
    """All examples of an experiment, as its dataset gives them."""

    @property
    @abstractmethod
    def first(self) -> Examples:
        """Examples that show the names and kinds of the columns: the first ones, or simply all."""

    @property
    @abstractmethod
    def whole(self) -> Parts:
        """All examples, in parts that can be read again."""

    @abstractmethod
    def split(self, shares: SplitSection, rng: np.random.Generator) -> Mapping[str, Any]:
        """Choose the rows of training, validation and test; DataError if there are too few examples."""

    @abstractmethod
    def take(self, rows: Any) -> Parts:
        """Return the examples of some rows, in parts that can be read again."""

    @abstractmethod
    def labelled(self, model: Sequential, objective: Objective, rows: Mapping[str, Any]) -> dict[str, Part]:
        """Return the examples of each part of the split, if it has any, as a model with preprocessing takes them."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a SHA-256 of the raw examples, or of what identifies them."""


@dataclass(frozen=True, eq=False)
class InMemory(RawData):
    """Arrays, some of which may be mapped from files."""

    examples: Examples

    @property
    def first(self) -> Examples:
        """All of them."""
        return self.examples

    @property
    def whole(self) -> list[Examples]:
        """A single part."""
        return [self.examples]

    def split(self, shares: SplitSection, rng: np.random.Generator) -> Mapping[str, NDArray[np.int64]]:
        """Choose rows as the shares say."""
        groups = None if shares.group is None else self.examples.columns[shares.group]
        options = {"stratify": shares.stratify, "in_order": shares.in_order}
        return split(self.examples, shares.validation, shares.test, groups=groups, rng=rng, **options)._asdict()

    def take(self, rows: NDArray[np.int64]) -> list[Examples]:
        """Return a single part."""
        return [self.examples.take(rows)]

    def labelled(
        self, model: Sequential, objective: Objective, rows: Mapping[str, NDArray[np.int64]]
    ) -> dict[str, Part]:
        """Return views of the same arrays."""
        weight = self.examples.weight
        whole = model.labelled(*features_and_labels(model, self.examples, rows["training"]), objective, weight)
        for name, own in rows.items():
            if len(own) and weight is not None and not weight[own].any():
                raise DataError(
                    f"The weights of the {name} data are all 0, so none of its {len(own):,} examples counts. Change "
                    "the split or its seed, or leave out what does not count."
                )
        return {name: whole.subset(own) for name, own in rows.items() if len(own)}

    def fingerprint(self) -> str:
        """Return a SHA-256 of all columns, and of what says how examples count and are split."""
        digest = hashlib.sha256()
        for name, column in (*self.examples.columns.items(), *self.examples.roles.items()):
            array: Array = np.asarray(column)
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            for start in range(0, len(array), _HASHED_ROWS):
                digest.update(np.ascontiguousarray(array[start : start + _HASHED_ROWS]).data)
                release(column)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class InChunks(RawData):
    """A source: nothing but its first chunk is kept in memory."""

    source: Source

    @cached_property
    def first(self) -> Examples:
        """The first chunk."""
        return _chunk(self.source, 0)

    @property
    def whole(self) -> _Chunks:
        """All chunks."""
        return _Chunks(self.source)

    def split(self, shares: SplitSection, rng: np.random.Generator) -> Mapping[str, ChunkRows]:
        """Choose how many rows of each chunk belong to each part."""
        return split_chunks(self.source.chunks, shares.validation, shares.test, in_order=shares.in_order, rng=rng)

    def take(self, rows: ChunkRows) -> _Chunks:
        """Return the rows of each chunk."""
        return _Chunks(self.source, rows)

    def labelled(self, model: Sequential, objective: Objective, rows: Mapping[str, ChunkRows]) -> dict[str, Part]:
        """Return parts that preprocess each chunk when they read it."""
        return {name: streamed(self.source, model, objective, own) for name, own in rows.items() if own.lengths.any()}

    def fingerprint(self) -> str:
        """Return that of the source."""
        return fingerprint_of(self.source, _OWNER)


@dataclass(frozen=True)
class _Chunks(Parts):
    """The chunks of a source as examples, or some rows of each."""

    source: Source
    rows: ChunkRows | None = None

    @property
    def _filled(self) -> list[int]:
        """The chunks with any of the rows."""
        return [k for k in range(len(self.source.chunks)) if self.rows is None or self.rows.lengths[k]]

    def __len__(self) -> int:
        return len(self._filled)

    def __iter__(self) -> Iterator[Examples]:
        for chunk in self._filled:
            examples = _chunk(self.source, chunk)
            yield examples if self.rows is None else examples.take(self.rows[chunk])


def _chunk(source: Source, chunk: int) -> Examples:
    return examples_of(source, read_chunk(source, chunk, _OWNER))


def read_data(dataset: Dataset, directory: Path) -> RawData:
    """Return the examples of a dataset: a source if it opens one, else arrays."""
    source = open_source(dataset, directory)
    return InMemory(load_examples(dataset, directory)) if source is None else InChunks(source)


def chunks_of(source: Source) -> Parts:
    """Return the examples of a source, chunk by chunk."""
    return _Chunks(source)


def streamed(source: Source, model: Sequential, objective: Objective, rows: ChunkRows | None = None) -> Streamed:
    """Return the examples of a source for a model that preprocesses them, chunk by chunk."""

    def made(columns: Mapping[str, Array]) -> tuple[Any, Any, None]:
        return *features_and_labels(model, examples_of(source, columns)), None

    return Streamed(source, made, model.network, objective, rows, owner=_OWNER)


def features_and_labels(
    model: Sequential, examples: Examples, training: NDArray[np.int64] | None = None
) -> tuple[Any, Any]:
    """Return x and y of raw examples, for a model with preprocessing; DataError if it cannot take them.

    Transforms that learn from the target must be told which rows are those of the `training` part.
    """
    preprocessing = model.preprocessing
    assert preprocessing is not None
    preprocessing.require_filled(examples, labels=True)
    part = None if training is None else preprocessing.training_rows(examples, training, model.seed)
    x = preprocessing.apply(examples.features, model.dtype, part)
    y = preprocessing.target(examples, model.dtype)
    require_indices(model, x, examples)
    return x, y


def require_indices(model: Sequential, x: Any, examples: Examples) -> None:
    """Refuse indices out of range; DataError names input, row and index, and the raw value if it is another."""
    preprocessing = model.preprocessing
    if preprocessing is None:
        return
    for each in model.network.inputs:
        given = x[each.name] if each.key else x
        found = each.outside(np.asarray(given.values) if isinstance(given, Padded) else given)
        if found is None:
            continue
        place, index = found
        raw = preprocessing.raw_of(each.name, place, examples)
        made = "" if raw == index else f", made of {raw!r}"
        needed = f" The layer needs a count of at least {index + 1}." if index >= 0 else ""
        raise DataError(
            f"The input {each.name!r} holds the index {index} in {each.place(place)}{made}; expected "
            f"{each.expected(place)}.{needed}"
        ).of("", ("input_shape", each.name))
