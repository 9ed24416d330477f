"""Sequences from the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, cast

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array, Shape
from nnfw.data import Examples, as_whole, categorical, read_csv
from nnfw.errors import DataError, short
from nnfw.protocols import Dataset
from nnfw_standard.datasets.csv import Delimiter

_STEPS, _LENGTH = _OWN_NAMES = "steps", "length"  # features that are made of the table


@dataclass(frozen=True)
class SequencesCSV(Dataset):
    r"""A table with a header whose rows are the time steps of sequences: those with one value of a column are one.

    Parameters
    ----------
    path : str
        The file, in UTF-8; relative paths start at the directory of the experiment.
    group : str
        The column whose values tell the sequences apart: a recording, a patient, a day.
    target : str or None
        The column of the target; None or ``""`` for rows without one, which are to be predicted.
    per : str
        ``"sequence"`` (default): one target for each sequence, the same in all its rows. ``"step"``: one for each row.
    order : str or None
        The column by which the rows of a sequence are sorted; None (default) for the order of the file.
    features : tuple of str or None
        Names of the feature columns; None (default) for all others.
    length : int or None
        Time steps T of all examples, 1 or more; None (default) for the longest sequence. State it if other data is to
        be predicted later.
    categorical : tuple of str
        Columns to keep as words even if they hold numbers; none by default.
    delimiter : str
        The character between cells, as for ``csv``.

    Notes
    -----
    Columns of numbers are one block ``steps`` of shape ``(N, T, n)``, padded with 0; each column of words is one of
    ``(N, T)``, padded with ``""``. ``length`` holds the number of rows of each sequence ``(N,)``. Sequences are in the
    order of their first rows. ``[data.inputs]`` makes padded sequences of them: ``series = {columns = ["steps"],
    lengths = "length"}``. A target per step is ``(N, T)``; costs and metrics ignore what lies beyond a length. Cells
    are read, and numbers told from words, as by ``csv``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "walks.csv").write_text("walk,x,kind\na,1,fast\na,3,fast\nb,2,slow\n")
    ...     examples = SequencesCSV("walks.csv", group="walk", target="kind").load(Path(folder))
    >>> examples.features["steps"][:, :, 0], examples.features["length"], examples.target
    (array([[1., 3.], [2., 0.]]), array([2, 1]), array(['fast', 'slow'], dtype='<U4'))
    """

    path: str
    group: str
    target: str | None
    _: KW_ONLY
    per: Literal["sequence", "step"] = "sequence"
    order: str | None = None
    features: tuple[str, ...] | None = None
    length: Annotated[int, Ge(1)] | None = None
    categorical: tuple[str, ...] = ()
    delimiter: Delimiter = "auto"

    def of_file(
        self, path: str, delimiter: str, shapes: Mapping[str, Shape], *, labelled: bool
    ) -> SequencesCSV | _Unlabelled:
        """Return the dataset for another table of rows, with sequences as long as those of the training."""
        length = next((shape[0] for shape in shapes.values() if shape), self.length)
        found = replace(self, path=path, delimiter=cast("Delimiter", delimiter), length=length)
        return found if labelled else _Unlabelled(found)

    def load(self, directory: Path) -> Examples:
        """Return the examples.

        Raises
        ------
        DataError
            If the file is missing or malformed, a column does not exist, cells that are used are missing or hold a word
            among numbers, a column of words is called ``steps`` or ``length``, a sequence is longer than `length`, or
            has several targets.
        """
        return self.examples(directory)

    def examples(self, directory: Path, *, labelled: bool = True) -> Examples:
        """Return the examples; unless they are to be `labelled`, without targets, which the table may lack."""
        table = read_csv(directory / self.path, categorical=(*self.categorical, self.group), delimiter=self.delimiter)
        targets = [self.target] if self.target and (labelled or self.target in table.names) else []
        special = [name for name in (self.group, *targets, self.order) if name]
        table.require((*special, *(self.features or ()), *self.categorical))
        names = self.features or tuple(name for name in table.features if name not in special)
        if twice := [name for name in names if name in (self.group, self.target)]:
            raise DataError(f"{table.name}: {min(twice)!r} is the group or the target and cannot be a feature too.")
        columns = table.columns([name for name in (*special, *names) if labelled or name not in targets])
        if taken := [name for name in _OWN_NAMES if name in names and categorical(columns[name])]:
            raise DataError(
                f"{table.name}: {taken[0]!r} is what a feature of all sequences is called, so no column of words can "
                "be. Rename it, or leave it out of features."
            )
        if (unnamed := columns[self.group] == "").any():
            raise DataError(
                f"{table.name}: {int(unnamed.sum())} rows have no {self.group!r}, the first is row "
                f"{int(unnamed.argmax()) + 1} below the header. Say to which sequence they belong, or remove them."
            )
        sequences = _Sequences(
            table.name, columns[self.group], columns[self.order] if self.order else None, self.length
        )
        numbers = [columns[name] for name in names if not categorical(columns[name])]
        found = {name: sequences.padded(columns[name]) for name in names if categorical(columns[name])}
        if numbers:
            found = {_STEPS: sequences.padded(np.stack(numbers, axis=1)), **found}
        features = {**found, _LENGTH: sequences.lengths}
        if not self.target or not labelled:
            return Examples(features)
        target = as_whole(columns[self.target])
        classes = tuple(np.unique(target).tolist()) if categorical(target) else None
        labels = sequences.padded(target, target[:1]) if self.per == "step" else sequences.single(target, self.target)
        return Examples(features, labels, self.target, classes)


@dataclass(frozen=True)
class _Unlabelled(Dataset):
    """Sequences without their targets."""

    sequences: SequencesCSV

    def load(self, directory: Path) -> Examples:
        """Return the examples."""
        return self.sequences.examples(directory, labelled=False)


class _Sequences:
    """Which rows of a table make up each sequence; DataError if one is longer than `most`."""

    def __init__(self, name: str, group: Array, order: Array | None, most: int | None) -> None:
        values, first, numbers = np.unique(group, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))  # of each value, by its first row
        keys = (rank[numbers],) if order is None else (order, rank[numbers])
        self._name, self._values = name, values[np.argsort(first)]
        self._rows, self.lengths = np.lexsort(keys), np.bincount(rank[numbers])
        self._steps = int(self.lengths.max()) if most is None else most
        if self.lengths.max() > self._steps:
            longest = int(np.argmax(self.lengths))
            raise DataError(
                f"{name}: the sequence {short(self._values[longest].item())} has {self.lengths[longest]} rows, more "
                f"than the length of {most}. Set length to {self.lengths[longest]} or more, or cut it."
            )

    def padded(self, column: Array, padding: Array | None = None) -> Array:
        """Return a column ``(rows, ...)`` as ``(N, T, ...)``; beyond the sequences it is 0, ``""`` or the padding."""
        found = np.zeros((len(self.lengths), self._steps, *column.shape[1:]), column.dtype)
        if padding is not None:
            found[...] = padding
        found[np.arange(self._steps) < self.lengths[:, np.newaxis]] = column[self._rows]
        return found

    def single(self, column: Array, name: str) -> Array:
        """Return the value of each sequence ``(N,)``; DataError names one with several."""
        for value, part in zip(self._values, self._parts(column), strict=True):
            if (part != part[0]).any():
                other = part[part != part[0]][0]
                raise DataError(
                    f"{self._name}: the sequence {short(value.item())} has several values of {name!r}: "
                    f'{short(part[0].item())} and {short(other.item())}. Correct them, or set per to "step".'
                )
        single: Array = column[self._rows][np.cumsum(self.lengths) - 1]
        return single

    def _parts(self, column: Array) -> Iterator[Array]:
        return iter(np.split(column[self._rows], np.cumsum(self.lengths)[:-1]))
