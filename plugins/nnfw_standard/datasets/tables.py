"""Examples from a table of any format."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import MinLen

from nnfw.arrays import Array
from nnfw.data import Examples, Table, as_whole, categorical, dates_in, listed, names_in, read_table, repeated
from nnfw.errors import ConfigError, DataError, Mistake, short
from nnfw.plain import PlainTable
from nnfw.plugins import scheme_of
from nnfw.protocols import Dataset
from nnfw_standard.dates import seconds_of
from nnfw_standard.recipe import Option, codes, experiment
from nnfw_standard.suitable_transforms import STANDARDIZE, kinds_of, transforms_for
from nnfw_standard.table_readers import holds_password

_ROLES = ("weight", "group", "time")


@dataclass(frozen=True)
class FromTable(Dataset):
    """What the datasets of tables share: the roles of columns, which are options of each of them.

    Parameters
    ----------
    path, target, features, exclude, categorical, drop_missing, id, weight, group, time
        As for :class:`TableFile`.
    """

    path: str
    target: str | Annotated[tuple[str, ...], MinLen(1)]
    _: KW_ONLY
    features: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    drop_missing: tuple[str, ...] | None = None
    id: str | tuple[str, ...] | None = None
    weight: str | None = None
    group: str | None = None
    time: str | None = None

    name: ClassVar[str]
    """That of the dataset."""

    @abstractmethod
    def read(self, directory: Path) -> Table:
        """Return the table."""

    def load(self, directory: Path) -> Examples:
        """Return the examples of the table.

        Raises
        ------
        DataError
            If the table cannot be read, a column does not exist or has two uses, or cells of the columns used are
            missing or hold a word among numbers; names line and column.
        """
        return _examples(self._checked(directory), self)

    def recipe(self, directory: Path) -> str:
        """Return an experiment for the table: see :mod:`nnfw_standard.recipe`; DataError if nothing can be learned."""
        table, own, targets = self._checked(directory), self, names_in(self.target)
        if found := codes(table, (*self.exclude, *self.categorical, *self._others)):
            own = replace(own, categorical=(*own.categorical, *found))
            table = own._checked(directory)
        if incomplete := tuple(name for name in targets if table.seen(name).missing and name not in own._complete):
            own = replace(own, drop_missing=(*own._complete, *incomplete))
            table = table.without_missing(own._complete)
        return experiment(table, {"type": self.name, **own._chosen()}, found)

    def suitable_transforms(
        self, columns: Mapping[str, Array], indices: Collection[str] = (), *, target: bool = False
    ) -> list[PlainTable]:
        """Return transforms by what columns hold: see :mod:`nnfw_standard.suitable_transforms`."""
        if target:
            return [STANDARDIZE]
        return [table for table, _ in transforms_for(kinds_of(columns, indices, self.categorical))]

    def _checked(self, directory: Path) -> Table:
        table, targets = self.read(directory), names_in(self.target)
        named = *targets, *self._others, *(self.features or ()), *self.categorical, *self.exclude, *self._complete
        table.require(named)
        if twice := repeated(targets):
            raise DataError(f"{table.name}: target names {twice[0]!r} twice. Remove one of them.")
        for name in (*targets, *(name for role in _ROLES for name in names_in(getattr(self, role)))):
            if table.kind(name) == "empty":
                role = "target" if name in targets else next(role for role in _ROLES if getattr(self, role) == name)
                raise DataError(f"{table.name}: the {role} {name!r} is empty: all of its cells are missing.")
        for name in targets:
            if role := next((role for role in ("id", *_ROLES) if name in names_in(getattr(self, role))), ""):
                raise DataError(f"{table.name}: {name!r} is the target and cannot be the {role} too.")
        return table.without_missing(self._complete) if self._complete else table

    @property
    def _complete(self) -> tuple[str, ...]:
        """The columns without whose values a row is left out."""
        return self.drop_missing or ()

    @property
    def _others(self) -> tuple[str, ...]:
        """The columns that have a role of their own, and are features only by name."""
        return tuple(name for role in ("id", *_ROLES) for name in names_in(getattr(self, role)))

    def _chosen(self) -> dict[str, Option]:
        """Return path, target and the options that are not the defaults."""
        required = ("path", "target")
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name in required or getattr(self, field.name) != field.default
        }


@dataclass(frozen=True)
class TableFile(FromTable):
    r"""A table of any format: one example in each row, numeric and categorical columns, target by name.

    The ending of the file or the scheme of the URL says how it is read. What no plugin reads is taken for text and read
    as by `csv`, which has options for how it is written.

    Parameters
    ----------
    path : str
        The file, whose relative path starts at the directory of the experiment, or the URL of a database, in which
        ``${NAME}`` is an environment variable. A password must be one: the URL stands in the record of a run.
    target : str or tuple of str
        Name of the target's column. Several are targets of outputs with names, as ``[data.targets]`` says, or, if all
        are numbers, of one output with a unit for each.
    features : tuple of str or None
        Names of the feature columns, in the order of x; None (default) for all but those that other options name.
        Columns that are empty, or only number the rows, are then left out too.
    exclude : tuple of str
        Columns that are no features; none by default.
    categorical : tuple of str
        Columns to keep as words even if they hold numbers (codes, class numbers); none by default.
    drop_missing : tuple of str or None
        Columns without whose values a row is left out, such as the target; by default a missing target is an error.
    id : str or tuple of str or None
        What identifies a row, which is repeated beside its prediction.
    weight : str or None
        How much each row counts in cost and metrics of every part, 0 or more.
    group : str or None
        A column whose values stay together, such as a patient: a split puts all rows of a value into one part.
    time : str or None
        When each row was, a number or a date: the newest rows are the test part, those before them the validation part.
    table : str
        Which table of a file that holds several: a sheet of Excel, a group of HDF5, a table of a database or a query;
        empty (default) for the only or first one.

    Notes
    -----
    The format says what a column holds: numbers and booleans are numbers, texts and categories words, dates and times
    words in ISO form. Where it does not say, as in Excel and JSON lines, a column that mixes texts with numbers is read
    as in a CSV file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "pets.jsonl").write_text('{"kind": "cat", "legs": 4}\n{"kind": "parrot", "legs": 2}\n')
    ...     examples = TableFile("pets.jsonl", target="kind").load(Path(folder))
    >>> examples.features["legs"], examples.target
    (array([4., 2.]), array(['cat', 'parrot'], dtype='<U6'))
    """

    table: str = ""
    name: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        """Refuse a password in the URL, which stands in the record of a run."""
        if scheme_of(self.path) and holds_password(self.path):
            text = (
                "holds a password, which every run would store. Write ${DB_PASSWORD} instead, and set this environment "
                "variable."
            )
            raise ConfigError([Mistake(("path",), text)], self.name)

    def read(self, directory: Path) -> Table:
        """Return the table."""
        return read_table(self.path, directory=directory, table=self.table, categorical=self.categorical)


def _examples(table: Table, dataset: FromTable) -> Examples:
    """Return the examples of a table; DataError if a column has two uses, or its cells do not fit."""
    targets, others = names_in(dataset.target), {*dataset.exclude, *dataset._others}
    names = dataset.features or tuple(name for name in table.features if name not in {*targets, *others})
    if both := [name for name in names if name in dataset.exclude]:
        raise DataError(f"{table.name}: {both[0]!r} is in features and in exclude. Remove it from one of them.")
    if both := [name for name in targets if name in names]:
        raise DataError(f"{table.name}: {both[0]!r} is the target and cannot be a feature too.")
    if not names:
        raise DataError(f"{table.name}: no column is left to learn from. Its columns: {listed(table.names)}.")
    columns = table.columns((*names, *targets), missing=names)
    labels = {name: as_whole(columns.pop(name)) for name in targets}
    first, *further = targets
    classes = tuple(np.unique(labels[first]).tolist()) if categorical(labels[first]) else None
    return Examples(
        columns,
        labels[first],
        first,
        classes,
        table.missing(names),
        further={name: labels[name] for name in further},
        weight=None if dataset.weight is None else table.weights(dataset.weight),
        group=None if dataset.group is None else table.columns([dataset.group])[dataset.group],
        time=None if dataset.time is None else _times(table, dataset.time),
        table=table,
    )


def _times(table: Table, name: str) -> Array:
    """Return a column of numbers, or the seconds of one of dates; DataError if it is neither."""
    column = table.columns([name])[name]
    if not categorical(column):
        return column
    dates = table.dates(name)
    if dates is not None and not dates.doubt:
        return seconds_of(column, dates.formats)
    row = next((row for row, word in enumerate(column.tolist()) if dates_in([word]) is None), 0)
    given = short(column[row].item())
    wrong = f"a time must be a number or a date, all written alike, got {given}" if dates is None else dates.doubt
    raise DataError(table.at(name, row, f"{wrong}. Write dates as 2024-02-29."))
