"""Labelled examples, checked once, and the batches cut from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from nnfw.arrays import Array, Shape
from nnfw.data import (
    NUMERIC_KINDS,
    Rows,
    SparseRows,
    as_numeric,
    as_weights,
    column_names,
    in_dtype,
    release,
    require_finite,
)
from nnfw.errors import DataError, about, short
from nnfw.network import Batch, Network, Objective, Workspace, arrays_of, by_name
from nnfw.ops.definitions import take
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Cost
from nnfw.training.read_ahead import Batches, opened

LabelsOf = Callable[[int, int], tuple[tuple[Array, ...], Array | None]]
"""Returns labels for each output, and weights, of the examples from one place to another."""

_HELD_IN_MEMORY = 1 << 26  # bytes: a smaller mapped array is read once, not a little at every step
_READ_AROUND = 1 << 16  # bytes that the system maps around a row, if they are in its cache
_HASHED_ROWS = 1 << 12
_RELEASE_AFTER = 1 << 27  # bytes; more often costs time, as released pages must be mapped again


class Order(Protocol):
    """The order of the examples in an epoch: an array of their positions, or what makes parts of it."""

    def __len__(self) -> int:
        """Return the number of examples."""

    def __getitem__(self, part: slice, /) -> Array:
        """Return the positions of a part of them."""


class Data(ABC):
    """Examples to train on: arrays, or a source that is read chunk by chunk."""

    @abstractmethod
    def __len__(self) -> int:
        """Return N."""

    @property
    @abstractmethod
    def sample(self) -> Labelled:
        """Examples in memory, or mapped, that stand for all: the first ones, or simply all."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a SHA-256 of what identifies the examples and their order."""

    @abstractmethod
    def order(self, rng: np.random.Generator | None) -> Order:
        """Draw the order of an epoch; without `rng` the examples come one after the other."""

    @abstractmethod
    def feed(self, order: Order, size: int, workspace: Workspace, position: int = 0) -> Generator[Batch, None, None]:
        """Yield the examples in an order, `size` at a time, each batch in the same buffers of `workspace`.

        The first `position` batches are left out. Arrays in memory are copied to the buffers by :meth:`Batch.gather`.
        Close the generator if you leave it early: a file may be open and a thread at work.
        """

    @abstractmethod
    def parts(self, size: int, workspace: Workspace) -> Generator[Batch, None, None]:
        """Yield all examples one after the other, `size` at a time."""

    def labels_in(self, order: Order, workspace: Workspace) -> LabelsOf | None:
        """Return what gives labels and weights from one place in an order to another; None if that means reading."""
        return None


@dataclass(frozen=True, eq=False)
class Labelled(Data):
    """N examples that a model and a cost can take.

    Parameters
    ----------
    inputs
        For each input of the network ``(N, *input_shape)``; in the model's dtype unless it is memory-mapped, int64 for
        indices. Sparse matrices stay sparse.
    targets
        Labels for each output, in the form that its cost takes.
    weight
        ``(N,)`` in the model's dtype, or None.
    rows
        The rows that count, if not all do: a split, without copying memory-mapped data.
    indices
        For each input, whether it holds indices.
    lengths
        For each input the lengths ``(N,)`` of padded sequences, int64, or None.
    """

    inputs: tuple[Rows, ...]
    targets: tuple[Array, ...]
    weight: Array | None = None
    rows: Array | None = None
    indices: tuple[bool, ...] = (False,)
    lengths: tuple[Array | None, ...] = (None,)

    def __len__(self) -> int:
        return len(self.inputs[0]) if self.rows is None else len(self.rows)

    def subset(self, rows: Array) -> Labelled:
        """Return the examples of the given rows of the arrays; nothing is copied."""
        return replace(self, rows=rows)

    @property
    def sample(self) -> Labelled:
        """All of them."""
        return self

    def order(self, rng: np.random.Generator | None) -> Array:
        """Draw a permutation."""
        return np.arange(len(self)) if rng is None else rng.permutation(len(self))

    def fingerprint(self) -> str:
        """Return a SHA-256 of the examples that count, in their order, read in parts."""
        digest = sha256()
        for _, array, _ in self.arrays(np.dtype(np.float32)):
            for start in range(0, len(self), _HASHED_ROWS):
                rows = slice(start, start + _HASHED_ROWS)
                part = np.ascontiguousarray(array[rows if self.rows is None else self.rows[rows]])
                digest.update(f"{part.dtype.str} {part.shape}".encode() + part.data)
                release(array)
        return digest.hexdigest()

    def part(self, start: int, stop: int, dtype: np.dtype[np.generic]) -> Batch:
        """Return the examples from `start` to `stop`, numbers in `dtype`: views if nothing must be converted."""
        for array in self.inputs:
            release(array)  # of the part before
        rows = slice(start, stop) if self.rows is None else self.rows[start:stop]
        return self.batch_of({name: np.asarray(array[rows], own) for name, array, own in self.arrays(dtype)})

    def batch_of(self, arrays: Mapping[str, Array], sources: tuple[tuple[Array, Array, Array], ...] = ()) -> Batch:
        """Return a batch of the given arrays, which have the names of :meth:`arrays`."""
        inputs = tuple(arrays[f"x{k}"] for k in range(len(self.inputs)))
        targets = tuple(arrays[f"y{k}"] for k in range(len(self.targets)))
        lengths = tuple(arrays.get(f"lengths{k}") for k in range(len(self.inputs)))
        return Batch(inputs, targets, arrays.get("weight"), lengths, sources)

    def labels(self, order: Array, workspace: Workspace) -> tuple[tuple[Array, ...], Array | None]:
        """Return labels and weights of the examples at the given positions, in buffers of `workspace`."""
        rows = self.rows_at(order)
        found: dict[str, Array] = {}
        for name, array, dtype in self.arrays(workspace.dtype):
            buffer = partial(workspace.buffer, name, dtype=dtype)
            if name.startswith(("y", "weight")):
                with closing(_rows_of(array, rows, len(rows), buffer)) as batches:
                    found[name] = next(batches)
        return tuple(found[f"y{k}"] for k in range(len(self.targets))), found.get("weight")

    def labels_in(self, order: Order, workspace: Workspace) -> LabelsOf:
        """Return what gives labels and weights from one place in an order to another, in buffers of `workspace`."""
        return lambda start, stop: self.labels(order[start:stop], workspace)

    def parts(self, size: int, workspace: Workspace) -> Generator[Batch, None, None]:
        """Yield all examples in order, `size` at a time: views if nothing must be converted or read from a file."""
        if any(isinstance(array, np.memmap) for array in (*self.inputs, *self.targets)):
            yield from self.batches(np.arange(len(self)), size, workspace)
            return
        for start in range(0, len(self), size):
            yield self.part(start, start + size, workspace.dtype)

    def batches(self, order: Order, size: int, workspace: Workspace) -> Generator[Batch, None, None]:
        """Yield each batch of :meth:`feed`, gathered."""
        with closing(self.feed(order, size, workspace)) as feed:
            for batch in feed:
                batch.gather()
                yield batch

    def feed(self, order: Order, size: int, workspace: Workspace, position: int = 0) -> Generator[Batch, None, None]:
        """Yield batches as :meth:`Data.feed` does; DataError if a memory-mapped file is cut, or no longer readable."""
        rows = self.rows_at(order[position * size :])
        with ExitStack() as stack:
            files = []
            for name, array, dtype in self.arrays(workspace.dtype):
                if isinstance(array, np.memmap | SparseRows):
                    buffer = partial(workspace.buffer, name, dtype=dtype)
                    files.append(stack.enter_context(closing(_rows_of(array, rows, size, buffer))))
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                if not start or len(part) < size:
                    batch, row_buffer = workspace.once(
                        (self, len(part)), partial(self._new_batch, len(part), workspace)
                    )
                row_buffer[...] = part
                for file in files:
                    next(file)
                yield batch

    def rows_at(self, order: Array) -> Array:
        """Return where in the arrays the examples at the given positions are."""
        return order if self.rows is None else self.rows[order]

    def buffers(self, count: int, workspace: Workspace) -> dict[str, Array]:
        """Return a buffer of `workspace` for so many examples of each array."""
        return {
            name: workspace.buffer(name, (count, *array.shape[1:]), dtype)
            for name, array, dtype in self.arrays(workspace.dtype)
        }

    def _new_batch(self, count: int, workspace: Workspace) -> tuple[Batch, Array]:
        """Return a batch of so many examples, and the array for their rows, which it gathers."""
        rows, places = workspace.buffer("rows", (count,), np.intp), self.buffers(count, workspace)
        sources: list[tuple[Array, Array, Array]] = []
        for name, array, _ in self.arrays(workspace.dtype):
            sources += [] if isinstance(array, np.memmap | SparseRows) else [(array, rows, places[name])]
        return self.batch_of(places, tuple(sources)), rows

    def arrays(self, dtype: np.dtype[np.generic]) -> Iterator[tuple[str, Rows, np.dtype[np.generic]]]:
        """Yield each array with its name, and with its dtype in a batch of x in `dtype`."""
        for k, (array, indices) in enumerate(zip(self.inputs, self.indices, strict=True)):
            yield f"x{k}", array, np.dtype(np.int64) if indices else dtype
        for k, array in enumerate(self.targets):  # memory-mapped floats may have another dtype in their file
            yield f"y{k}", array, dtype if array.dtype.kind == "f" else array.dtype
        if self.weight is not None:
            yield "weight", self.weight, dtype
        for k, lengths in enumerate(self.lengths):
            if lengths is not None:
                yield f"lengths{k}", lengths, lengths.dtype


def labelled(
    x: object,
    y: object,
    weight: ArrayLike | None,
    network: Network,
    objective: Objective,
    suffix: str = "",
    *,
    chunk: bool = False,
) -> Labelled:
    """Return examples checked against a network and its costs; those given are not modified.

    DataError if there is no example, lengths differ, a shape or label does not fit, or a value is not finite. It names
    x and y with the suffix, ``"_val"`` for instance. The weights of a `chunk` may all be 0.
    """
    names, dtype, inputs, x_name = column_names(x), network.dtype, network.inputs, f"x{suffix}"
    arrays, lengths, single = arrays_of(x, inputs, x_name)
    if not len(arrays[0]):
        raise DataError(f"{x_name} is empty: it holds no example.")
    for each, array in zip(inputs, arrays, strict=True):
        with about("input_shape", each.name):
            each.require(array, x_name + each.key, names)
    targets = _targets(y, len(arrays[0]), network, objective, suffix, single=single)
    weights = as_weights(weight, len(arrays[0]), zeros=chunk)
    held = None if weights is None else _held(weights, dtype, "sample_weight")
    if held is not None and not chunk and not held.any():
        raise DataError(
            f"sample_weight is zero for every example in {dtype}, so none of them counts. Multiply all of them by one "
            "number."
        )
    return Labelled(
        tuple(
            array.in_dtype(dtype, x_name + each.key)
            if isinstance(array, SparseRows)
            else _held(array, each.dtype_in(dtype), x_name + each.key)
            for each, array in zip(inputs, arrays, strict=True)
        ),
        targets,
        held,
        indices=tuple(each.limit is not None for each in inputs),
        lengths=tuple(lengths or [None] * len(inputs)),
    )


def _targets(
    y: object, count: int, network: Network, objective: Objective, suffix: str, *, single: bool
) -> tuple[Array, ...]:
    """Return checked labels for each output."""
    names, y_name = network.output_names, f"y{suffix}"
    values = by_name(y, names, y_name, "output") if names else [y]
    found = []
    for name, value, term, shape in zip(names or ("",), values, objective.terms, network.output_shapes, strict=True):
        owner = f"{y_name}[{short(name)}]" if names else y_name
        with about("targets", name):
            array = as_numeric(value, owner)
            array = array[np.newaxis] if single else array
            if array.ndim == 0 or len(array) != count:
                raise DataError(
                    f"x{suffix} and {owner} must have one entry per example, got {count} and "
                    f"{len(array) if array.ndim else 'a number'}."
                )
            require_finite(array, owner)
            try:
                array = _in_form(term.cost, array, shape)
            except DataError as error:
                text = f"{owner}: {error}" if names else str(error)
                if single:
                    shape = network.inputs[0].shape
                    text += f" x{suffix} has the shape of one example, {shape}, so {owner} is taken for its label."
                raise DataError(text) from error
            found.append(_held(array, network.dtype if array.dtype.kind == "f" else array.dtype, owner))
    return tuple(found)


def _held(array: Array, dtype: np.dtype[np.generic], name: str) -> Array:
    """Return `array` in `dtype` and in memory; only a large memory-mapped array stays on disk."""
    small = isinstance(array, np.memmap) and array.size * dtype.itemsize <= _HELD_IN_MEMORY
    return in_dtype(np.array(array) if small else array, dtype, name)


def _in_form(cost: Cost, y: Array, output_shape: Shape) -> Array:
    """Return labels in the form that a cost takes; PluginError if it gives no array."""
    targets = cost.targets(y, output_shape)
    if (
        not isinstance(targets, np.ndarray)
        or targets.shape[:1] != y.shape[:1]
        or targets.dtype.kind not in NUMERIC_KINDS
    ):
        raise wrong_result(cost, "targets", targets, f"an array with a number or more for each of {len(y)} examples")
    return targets


def _rows_of(array: Rows, rows: Array, size: int, buffer: Callable[[Shape], Array]) -> Generator[Array, None, None]:
    """Yield the given rows of an array, `size` at a time, each batch in the buffer of its shape."""
    if isinstance(array, np.memmap):
        return _from_file(array, rows, size, buffer)
    return _taken(array, rows, size, buffer)


def _from_file(array: Array, rows: Array, size: int, buffer: Callable[[Shape], Array]) -> Generator[Array, None, None]:
    """Yield the given rows of a memory-mapped array as :func:`_rows_of` does."""
    with opened(array) as file:
        if file is None:
            # through the map, which is released whenever this much of it may have been read
            often = max(1, _RELEASE_AFTER // (size * (array.nbytes // len(array) + _READ_AROUND)))
            for index, out in enumerate(_taken(array, rows, size, buffer)):
                yield out
                if index % often == often - 1:
                    release(array)
        else:
            yield from iter(Batches(file, array.dtype, array.shape[1:], rows, size, buffer))


def _taken(array: Rows, rows: Array, size: int, buffer: Callable[[Shape], Array]) -> Generator[Array, None, None]:
    """Yield rows of any other array as :func:`_rows_of` does."""
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        out = buffer((len(part), *array.shape[1:]))
        if isinstance(array, SparseRows):
            array.write(part, out)
        else:
            take.definition(array, part, out)  # an engine compiles for arrays that stay where they are
        yield out
