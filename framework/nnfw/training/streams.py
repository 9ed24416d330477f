"""Sources to train on: chunks in random order, shuffled one by one, and the batches filled from them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from nnfw.arrays import Array
from nnfw.data import (
    ChunkRows,
    Padded,
    Rows,
    StoredArrays,
    as_numeric,
    column_names,
    fingerprint_of,
    is_stored,
    listed,
    read_chunk,
    require_sound,
    side_by_side,
)
from nnfw.errors import DataError, did_you_mean, short
from nnfw.network import Batch, Network, Objective, Workspace
from nnfw.ops.definitions import take
from nnfw.protocols import Source
from nnfw.randomness import permutation
from nnfw.training.batches import Data, Labelled, Order, labelled
from nnfw.training.evaluation import FIRST_EXAMPLES

_READ_WHOLE = 1 << 26  # bytes: stored arrays up to this size are read at once, and shuffled as a whole

Names: TypeAlias = "str | tuple[str, ...] | Mapping[str, Names] | Padded | None"
"""Which columns make x, y or the weights: one, several side by side, or those of each input or output."""


@dataclass(frozen=True, eq=False)
class ChunkOrder:
    """Chunks in some order, and the order of the examples within each.

    Only the chunks' order is held: that of the examples follows from `seed` and the number of the chunk, so an epoch
    can go on anywhere without reading what came before. Without a seed they come one after the other.
    """

    lengths: Array
    chunks: Array
    seed: int | None

    def __len__(self) -> int:
        return int(self.lengths.sum())

    def __getitem__(self, part: slice) -> Array:
        starts = np.cumsum(self.lengths) - self.lengths
        found = [starts[chunk] + rows for chunk, rows in self.after(0)]
        positions: Array = np.concatenate(found)[part]
        return positions

    def after(self, start: int) -> Iterator[tuple[int, Array]]:
        """Yield each chunk with its rows in order, without the first `start` examples."""
        for chunk in self.chunks.tolist():
            length = int(self.lengths[chunk])
            if start < length:
                yield chunk, self._rows(chunk, length)[start:]
            start = max(0, start - length)

    def _rows(self, chunk: int, length: int) -> Array:
        if self.seed is None:
            return np.arange(length)
        return permutation(self.seed, chunk, length)


@dataclass(frozen=True, eq=False)
class Streamed(Data):
    """The examples of a source, which are checked chunk by chunk, as they are read.

    Parameters
    ----------
    source
        Where they come from.
    made
        Makes x, y and the weights, or None, of the columns of a chunk; DataError if it cannot.
    network, objective
        What they must fit.
    rows
        The rows of each chunk that count, if not all do.
    said
        What the fingerprint depends on beside the source.
    owner, suffix
        What messages call the source, and what they add to the names x and y.
    """

    source: Source
    made: Callable[[Mapping[str, Array]], Sequence[Any]]
    network: Network
    objective: Objective
    rows: ChunkRows | None = None
    said: tuple[object, ...] = ()
    owner: str = "x"
    suffix: str = ""

    @cached_property
    def lengths(self) -> Array:
        """The number of examples in each chunk."""
        return np.asarray(self.source.chunks, np.int64) if self.rows is None else self.rows.lengths

    def __len__(self) -> int:
        return int(self.lengths.sum())

    @cached_property
    def sample(self) -> Labelled:
        """The first examples."""
        size = min(FIRST_EXAMPLES, len(self))
        with closing(self.feed(self.order(None), size, self.network.workspace())) as feed:
            batch = next(feed)
        indices = tuple(each.limit is not None for each in self.network.inputs)
        return Labelled(batch.inputs, batch.targets, batch.weight, indices=indices, lengths=batch.lengths)

    def fingerprint(self) -> str:
        """Return that of the source and of what is made of its columns."""
        return fingerprint_of(self.source, self.owner, *self.said)

    def order(self, rng: np.random.Generator | None) -> ChunkOrder:
        """Draw a permutation of the chunks, and the seed of those within them."""
        count = len(self.lengths)
        if rng is None:
            return ChunkOrder(self.lengths, np.arange(count), None)
        return ChunkOrder(self.lengths, rng.permutation(count), int(rng.integers(1 << 63)))

    def parts(self, size: int, workspace: Workspace) -> Generator[Batch, None, None]:
        """Yield all examples in the order of the source."""
        yield from self.feed(self.order(None), size, workspace)

    def feed(self, order: Order, size: int, workspace: Workspace, position: int = 0) -> Generator[Batch, None, None]:
        """Yield batches, which may reach over several chunks; DataError names the chunk that does not fit."""
        assert isinstance(order, ChunkOrder)
        left, filled = len(self) - position * size, 0
        for number, rows in order.after(position * size):
            chunk = self._chunk(number)
            while len(rows):
                count = min(size, left)
                batch, places = self._buffers(chunk, count, workspace)
                some, rows = rows[: count - filled], rows[count - filled :]
                for name, array, _ in chunk.arrays(workspace.dtype):
                    self._require_alike(array, places[name], number)
                    take.definition(array, chunk.rows_at(some), places[name][filled : filled + len(some)])
                filled += len(some)
                if filled == count:
                    yield batch
                    left, filled = left - count, 0
            del chunk  # before the next one is read

    def _chunk(self, number: int) -> Labelled:
        """Read a chunk, and check it against network and cost."""
        columns = read_chunk(self.source, number, self.owner)
        try:
            x, y, weight = self.made(columns)
            chunk = labelled(x, y, weight, self.network, self.objective, self.suffix, chunk=True)
        except DataError as error:
            start = sum(map(int, self.source.chunks[:number]))
            place = f"Rows are counted from the start of the chunk, example {start:,}."
            raise DataError(f"{self.owner}, chunk {number}: {error} {place}") from error
        return chunk if self.rows is None else chunk.subset(self.rows[number])

    def _buffers(self, chunk: Labelled, count: int, workspace: Workspace) -> tuple[Batch, dict[str, Array]]:
        """Return the batch of so many examples, and the buffers to be filled."""

        def make() -> tuple[Batch, dict[str, Array]]:
            places = chunk.buffers(count, workspace)
            return chunk.batch_of(places), places

        found: tuple[Batch, dict[str, Array]] = workspace.once((self, count), make)
        return found

    def _require_alike(self, array: Rows, place: Array, number: int) -> None:
        if array.shape[1:] != place.shape[1:] or array.dtype != place.dtype:
            raise DataError(
                f"{self.owner}, chunk {number}: the cost makes {array.dtype} of shape {array.shape[1:]} of a label, "
                f"and {place.dtype} of shape {place.shape[1:]} in another chunk. Write labels of one form."
            )


def _made(names: Sequence[Names], columns: Mapping[str, Array]) -> list[Any]:
    return [_filled(each, columns) for each in names]


def _filled(names: Names, columns: Mapping[str, Array]) -> Any:
    """Return the values that the named columns make."""
    if isinstance(names, str):
        return columns[names]
    if isinstance(names, Padded):
        return Padded(_filled(cast("str", names.values), columns), _filled(cast("str", names.lengths), columns))
    if isinstance(names, Mapping):
        return {key: _filled(each, columns) for key, each in names.items()}
    return None if names is None else side_by_side({name: columns[name] for name in names})


def is_streamed(*values: object) -> bool:
    """Return whether a source is among the values, or arrays that are stored elsewhere and large."""
    stored = [each for value in values for each in _leaves(value) if is_stored(each)]
    size = sum(prod(each.shape) * each.dtype.itemsize for each in stored)
    return size > _READ_WHOLE or any(isinstance(value, Source) for value in values)


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the arrays in a mapping, or a padded array with its lengths."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, Padded):
        yield from (value.values, value.lengths)
    else:
        yield value


def data_of(x: object, y: object, weight: object, network: Network, objective: Objective, suffix: str = "") -> Data:
    """Return examples as :func:`labelled` does, or those of a source, of which the first are checked.

    DataError, too, if x is a source and y and `weight` do not name columns of it.
    """
    if not is_streamed(x, y, weight):
        return labelled(x, y, cast("ArrayLike", weight), network, objective, suffix)
    if isinstance(x, Source):
        source: Source = x
        names: tuple[Names, ...] = (_features(x, y, weight, network, suffix), cast("Names", y), cast("Names", weight))
    else:
        source, names = _stored({f"x{suffix}": x, f"y{suffix}": y, "sample_weight": weight})
    data = Streamed(source, partial(_made, names), network, objective, said=names, owner=f"x{suffix}", suffix=suffix)
    _ = data.sample  # what does not fit is refused before anything is trained
    return data


def feature_names(x: object, y: object = None, weight: object = None, owner: str = "x") -> tuple[str, ...]:
    """Return the names of the columns of x: of a frame, or of a source without labels and weights.

    DataError if a source does not say what it holds.
    """
    if not isinstance(x, Source):
        return column_names(x)
    require_sound(x, owner)
    others = [each for each in (*_leaves(y), *_leaves(weight)) if isinstance(each, str)]
    return tuple(name for name in x.schema.names or () if name not in others)


def _features(source: Source, y: object, weight: object, network: Network, suffix: str) -> Names:
    """Return the columns that make x: those that are neither labels nor weights."""
    names = feature_names(source, y, weight, f"x{suffix}")
    for owner, value in ((f"y{suffix}", y), ("sample_weight", weight)):
        for name in _leaves(value):
            if value is not None and (not isinstance(name, str) or name not in (source.schema.names or ())):
                near = did_you_mean(name, source.schema.names or ()) if isinstance(name, str) else ""
                raise DataError(
                    f"{owner} must name a column of the source x{suffix}, got {short(name)}.{near} It has: "
                    f"{listed(source.schema.names or ())}."
                )
    if words := [name for name in _leaves(y) if source.schema[name].base.kind in "US"]:
        raise DataError(
            f"y{suffix} names the column {words[0]!r} of words. The labels of a source must be numbers, and classes "
            "count from 0: number them where the source reads them. It is not read once more to find all words."
        )
    if not names:
        raise DataError(f"x{suffix} has no column but those of labels and weights: there is nothing to learn from.")
    return {name: name for name in names} if network.inputs[0].key else names


def _stored(values: Mapping[str, object]) -> tuple[Source, tuple[Names, ...]]:
    """Return arrays, some of which are stored elsewhere, as a source, and the names of what they make."""
    columns: dict[str, Any] = {}

    def named(value: Any, owner: str) -> Names:
        if isinstance(value, Mapping):
            return {key: named(each, f"{owner}[{key!r}]") for key, each in value.items()}
        if isinstance(value, Padded):
            of = named(value.values, owner), named(value.lengths, f"The lengths of {owner}")
            return Padded(cast("Any", of[0]), cast("Any", of[1]))
        if value is None:
            return None
        columns[owner] = value if is_stored(value) else as_numeric(value, owner)
        return owner

    names = tuple(named(value, owner) for owner, value in values.items())
    return StoredArrays(columns), names


def inputs_in_chunks(x: object, network: Network, names: tuple[str, ...]) -> Iterator[Any]:
    """Yield x of each chunk, of a source or of stored arrays; `names` are the columns that the network was trained on.

    DataError if a chunk cannot be read, or columns are missing.
    """
    source, made = (x, _inputs_of(x, network, names)) if isinstance(x, Source) else _one_stored(x)
    for chunk in range(len(source.chunks)):
        yield _filled(made, read_chunk(source, chunk, "x"))


def _one_stored(x: object) -> tuple[Source, Names]:
    source, (names,) = _stored({"x": x})
    return source, names


def _inputs_of(source: Source, network: Network, names: tuple[str, ...]) -> Names:
    require_sound(source, "x")
    there = source.schema.names or ()
    wanted = tuple(each.name for each in network.inputs) if network.inputs[0].key else names
    chosen = wanted or tuple(name for name in there if name != source.target)
    if missing := [name for name in chosen if name not in there]:
        raise DataError(f"x lacks the columns {listed(missing)}. It has: {listed(there)}.")
    return {name: name for name in chosen} if network.inputs[0].key else chosen
