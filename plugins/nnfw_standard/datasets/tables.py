"""Examples from a table of any format."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnfw.data import Examples, Table, as_whole, categorical, read_table
from nnfw.errors import DataError
from nnfw.protocols import Dataset
from nnfw_standard.recipe import Option, experiment

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class TableFile(Dataset):
    r"""A table of any format: one example in each row, numeric and categorical columns, target by name.

    The ending of the file or the scheme of the URL says how it is read. What no plugin reads is taken for text and read
    as by `csv`, which has options for how it is written.

    Parameters
    ----------
    path : str
        The file, whose relative path starts at the directory of the experiment, or the URL of a database.
    target : str
        Name of the target's column.
    table : str
        Which table of a file that holds several: a sheet of Excel, a group of HDF5, a table of a database or a query;
        empty (default) for the only or first one.
    features : tuple of str or None
        Names of the feature columns, in the order of x; None (default) for all but the target and those in `exclude`.
        Columns that are empty, or only number the rows, are then left out too.
    exclude : tuple of str
        Columns that are no features, such as what identifies rows; none by default.
    categorical : tuple of str
        Columns to keep as words even if they hold numbers (codes, class numbers); none by default.

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

    path: str
    target: str
    _: KW_ONLY
    table: str = ""
    features: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    def load(self, directory: Path) -> Examples:
        """Return the examples of the table.

        Raises
        ------
        DataError
            If it cannot be read, a column does not exist, or values of the columns used are missing or neither numbers
            nor words; names row and column.
        """
        return examples_of_table(self._table(directory), self.target, self.features, self.exclude)

    def recipe(self, directory: Path) -> str:
        """Return an experiment for the table: see :mod:`nnfw_standard.recipe`; DataError if nothing can be learned."""
        chosen: dict[str, Option] = {"type": "table", **chosen_options(self)}
        return experiment(self._table(directory), self.path, self.target, chosen)

    def _table(self, directory: Path) -> Table:
        table = read_table(self.path, directory=directory, table=self.table, categorical=self.categorical)
        table.require((self.target, *(self.features or ()), *self.categorical, *self.exclude))
        return table


def chosen_options(dataset: DataclassInstance) -> dict[str, Option]:
    """Return the options of a dataset, but path and target, that are not the defaults."""
    return {
        field.name: getattr(dataset, field.name)
        for field in fields(dataset)
        if field.name not in ("path", "target") and getattr(dataset, field.name) != field.default
    }


def examples_of_table(
    table: Table, target: str, features: tuple[str, ...] | None = None, exclude: tuple[str, ...] = ()
) -> Examples:
    """Return the examples of a table.

    Raises DataError if a column has two uses, or its cells do not fit.

    Parameters
    ----------
    table, target, features, exclude
        As for :class:`TableFile`.
    """
    names = features or tuple(name for name in table.features if name not in (target, *exclude))
    if both := [name for name in names if name in exclude]:
        raise DataError(f"{table.name}: {both[0]!r} is in features and in exclude. Remove it from one of them.")
    if target in names:
        raise DataError(f"{table.name}: {target!r} is the target and cannot be a feature too.")
    columns = table.columns((*names, target), missing=names)
    labels = as_whole(columns.pop(target))
    classes = tuple(np.unique(labels).tolist()) if categorical(labels) else None
    return Examples(columns, labels, target, classes, table.missing(names))
