"""Examples from a CSV table."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import ClassVar, Literal

from nnfw.data import NA_VALUES, Dialect, Table, read_csv
from nnfw_standard.datasets.tables import FromTable

Delimiter = Literal["auto", ",", ";", "\t", "|", " "]


@dataclass(frozen=True)
class CSV(FromTable):
    r"""A table with a header: one example in each row, numeric and categorical columns, target by name.

    A column is numeric if at least as many of its values are numbers as words, whatever their order, and categorical
    otherwise. ``nnfw inspect FILE`` shows what is found in a table.

    Parameters
    ----------
    path : str
        The file, which may be compressed (``.gz``, ``.zip``, ``.zst``); relative paths start at the directory of the
        experiment.
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

    _: KW_ONLY
    delimiter: Delimiter = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    thousands: Literal["auto", "", ",", ".", " ", "'"] = "auto"
    encoding: str = "auto"
    comment: str = ""
    header: bool = True
    na_values: tuple[str, ...] = NA_VALUES
    name: ClassVar[str] = "csv"

    @property
    def dialect(self) -> Dialect:
        """What is known of the file."""
        return Dialect(
            self.delimiter, self.decimal, self.thousands, self.encoding, self.comment, self.header, self.na_values
        )

    def read(self, directory: Path) -> Table:
        """Return the table."""
        return read_csv(directory / self.path, categorical=self.categorical, dialect=self.dialect)
