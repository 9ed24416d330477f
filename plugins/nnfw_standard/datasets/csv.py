"""Examples from a CSV table."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from nnfw.data import Examples, as_whole, categorical, read_csv
from nnfw.errors import DataError
from nnfw.protocols import Dataset


@dataclass(frozen=True)
class CSV(Dataset):
    r"""A table with a header: one example in each row, numeric and categorical columns, target by name.

    A column is numeric if its first value is a number, and categorical otherwise.

    Parameters
    ----------
    path : str
        The file, in UTF-8; relative paths start at the directory of the experiment.
    target : str
        Name of the target's column.
    features : tuple of str or None
        Names of the feature columns, in the order of x; None (default) for all but the target.
    categorical : tuple of str
        Columns to keep as words even if they hold numbers (codes, class numbers); none by default.
    delimiter : str
        The character between cells: ``","`` (default), ``";"``, ``"|"``, tab or space.

    Notes
    -----
    Numeric columns become float64, categorical ones str. A target of words is one of classes, its ``classes`` are the
    words in the table in sorted order. A numeric target becomes int64 if every value is a whole number, else float64.
    White space around cells is dropped and empty lines are skipped. A cell that is empty or NA, N/A, NaN or null is
    missing. A missing number becomes NaN, for a transform that takes it; without one it is an error. A missing word is
    an error, except in the columns of `categorical`, where it is a category like any other. Where a column counts as
    words by its first value but holds mostly numbers, a warning says so.

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
    categorical: tuple[str, ...] = ()
    delimiter: Literal[",", ";", "\t", "|", " "] = ","

    def load(self, directory: Path) -> Examples:
        """Return the examples of the table.

        Raises
        ------
        DataError
            If the file is missing or malformed, a column does not exist, or cells of the columns used are missing or
            hold a word among numbers; names line and column.
        """
        table = read_csv(directory / self.path, categorical=self.categorical, delimiter=self.delimiter)
        table.require((self.target, *(self.features or ()), *self.categorical))
        names = self.features or tuple(name for name in table.names if name != self.target)
        if self.target in names:
            raise DataError(f"{table.name}: {self.target!r} is the target and cannot be a feature too.")
        columns = table.columns((*names, self.target), missing=names)
        target = as_whole(columns.pop(self.target))
        classes = tuple(np.unique(target).tolist()) if categorical(target) else None
        return Examples(columns, target, self.target, classes, table.missing(names))
