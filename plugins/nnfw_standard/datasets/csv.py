"""Examples from a CSV table."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from nnfw.data import NA_VALUES, Dialect, Examples, Table, read_csv
from nnfw.protocols import Dataset
from nnfw_standard.datasets.tables import chosen_options, examples_of_table
from nnfw_standard.recipe import experiment

Delimiter = Literal["auto", ",", ";", "\t", "|", " "]


@dataclass(frozen=True)
class CSV(Dataset):
    r"""A table with a header: one example in each row, numeric and categorical columns, target by name.

    A column is numeric if at least as many of its values are numbers as words, whatever their order, and categorical
    otherwise. ``nnfw inspect FILE`` shows what is found in a table.

    Parameters
    ----------
    path : str
        The file, which may be compressed (``.gz``, ``.zip``, ``.zst``); relative paths start at the directory of the
        experiment.
    target : str
        Name of the target's column.
    features : tuple of str or None
        Names of the feature columns, in the order of x; None (default) for all but the target and those in `exclude`.
        Columns that are empty, or only number the rows, are then left out too.
    exclude : tuple of str
        Columns that are no features, such as what identifies rows; none by default.
    categorical : tuple of str
        Columns to keep as words even if they hold numbers (codes, class numbers); none by default.
    delimiter : str
        The character between cells: ``","``, ``";"``, ``"|"``, tab or space. ``"auto"`` (default), as for the next
        three, finds it out from the file.
    decimal : str
        The character before decimals: ``"."`` or ``","``.
    thousands : str
        The character between groups of three digits: ``","``, ``"."``, ``"'"`` or space; empty for none.
    encoding : str
        The name of an encoding; ``"auto"`` tells UTF-8, UTF-16 and Windows-1252 (Latin-1) apart.
    comment : str
        Lines that begin with it are skipped; empty (default) for none.
    header : bool
        Whether the first row names the columns (default); otherwise they are ``column_1``, ``column_2``, ...
    na_values : tuple of str
        Cells that mark a missing value, in upper or lower case; by default empty ones, NA, N/A, NaN, null, None, ? and
        -.

    Notes
    -----
    Numeric columns become float64, categorical ones str. A target of words is one of classes, its ``classes`` are the
    words in the table in sorted order. A numeric target becomes int64 if every value is a whole number, else float64.
    White space around cells is dropped, and empty lines and lines above the header are skipped. A missing number
    becomes NaN, for a transform that takes it; without one it is an error. A missing word is an error, except in the
    columns of `categorical`, where it is a category like any other. Where a column counts as words but looks like
    numbers, or whole numbers are too long to be exact, a warning says so.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "pets.csv").write_text("kind,weight,legs\ncat,4.5,4\nparrot,0.4,2\n")
    ...     examples = CSV("pets.csv", target="kind").load(Path(folder))
    >>> examples.features["weight"], examples.target, examples.classes
    (array([4.5, 0.4]), array(['cat', 'parrot'], dtype='<U6'), ('cat', 'parrot'))
    """

    path: str
    target: str
    _: KW_ONLY
    features: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    delimiter: Delimiter = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    thousands: Literal["auto", "", ",", ".", " ", "'"] = "auto"
    encoding: str = "auto"
    comment: str = ""
    header: bool = True
    na_values: tuple[str, ...] = NA_VALUES

    @property
    def dialect(self) -> Dialect:
        """What is known of the file."""
        return Dialect(
            self.delimiter, self.decimal, self.thousands, self.encoding, self.comment, self.header, self.na_values
        )

    def recipe(self, directory: Path) -> str:
        """Return an experiment for the table: see :mod:`nnfw_standard.recipe`; DataError if nothing can be learned."""
        return experiment(self._table(directory), self.path, self.target, chosen_options(self))

    def load(self, directory: Path) -> Examples:
        """Return the examples of the table.

        Raises
        ------
        DataError
            If the file is missing or malformed, a column does not exist, or cells of the columns used are missing or
            hold a word among numbers; names line and column.
        """
        return examples_of_table(self._table(directory), self.target, self.features, self.exclude)

    def _table(self, directory: Path) -> Table:
        table = read_csv(directory / self.path, categorical=self.categorical, dialect=self.dialect)
        table.require((self.target, *(self.features or ()), *self.categorical, *self.exclude))
        return table
