"""DATA on the command line: a table, an array, or a dataset with its options."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from pathlib import Path

import numpy as np

from nnfw.arrays import Array
from nnfw.data import (
    Examples,
    Preprocessing,
    Table,
    categorical,
    listed,
    load_examples,
    read_csv,
    read_npy,
)
from nnfw.errors import DataError
from nnfw.experiments.component_text import parse_reference
from nnfw.model import Sequential
from nnfw.toml import STDIN

TABLE, ARRAY = ".csv", ".npy"
"""Endings of the files that are read without naming a dataset."""

_COMPONENT = re.compile(r"[A-Za-z][\w-]+:")  # npy:x=x.npy is a dataset, ./a:b.csv a file


def file_ending(text: str) -> str:
    """Return `TABLE` or `ARRAY` if `text` is ``"-"`` or the path of such a file; empty if it names a dataset.

    Examples
    --------
    >>> file_ending("new.csv"), file_ending("-"), file_ending("csv:path=new.csv,target=kind"), file_ending("digits")
    ('.csv', '.csv', '', '')
    """
    if text == STDIN:
        return TABLE
    ending = Path(text).suffix.lower()
    return ending if ending in (TABLE, ARRAY) and not _COMPONENT.match(text) else ""


def read_examples(source: str, model: Sequential, delimiter: str = ",", *, with_target: bool = False) -> Examples:
    """Return the examples that `source` names, with the columns that a model takes; DataError if they do not fit it.

    It is a CSV file, ``"-"`` for one on the standard input, a ``.npy`` file, or a dataset with its options.
    """
    ending = file_ending(source)
    if ending == TABLE:
        return _of_table(source, model, delimiter, with_target)
    if ending == ARRAY and with_target:
        raise DataError(f"{source} holds no labels. Name both arrays, in a dataset with its options.")
    if ending == ARRAY:
        return _of_array(source, model)
    dataset = parse_reference(source)
    if Path(source).is_file():
        raise DataError(
            f"{source}: only files that end in {TABLE} or {ARRAY} are read directly. Name the dataset that reads "
            f"this one, with its options: NAME:path={source}."
        )
    return load_examples(model.registry.resolve("dataset", dataset), Path())


def features(model: Sequential, examples: Examples) -> Array:
    """Return x for a model from raw columns; without preprocessing, they are joined as they are."""
    preprocessing = model.preprocessing or Preprocessing.fit(Examples(examples.features))
    return preprocessing.apply(examples.features, model.dtype)


def _of_table(source: str, model: Sequential, delimiter: str, with_target: bool) -> Examples:
    if model.preprocessing is not None:
        table = _table(source, delimiter, model.preprocessing.categorical)
        return model.preprocessing.select(table, with_target=with_target)
    table = _table(source, delimiter)
    columns = table.columns(table.names, numeric=table.names)
    if len(columns) != np.prod(model.input_shape):
        return Examples(columns)
    return Examples({"x": np.column_stack(list(columns.values())).reshape(-1, *model.input_shape)})


def _table(source: str, delimiter: str, categorical: Collection[str] = ()) -> Table:
    if source == STDIN:
        return read_csv(sys.stdin, categorical=categorical, delimiter=delimiter, name="<stdin>")
    return read_csv(Path(source), categorical=categorical, delimiter=delimiter)


def _of_array(source: str, model: Sequential) -> Examples:
    array = read_npy(Path(source))
    columns = model.preprocessing.columns if model.preprocessing is not None else ()
    rows = np.atleast_2d(array)
    if model.preprocessing is not None and model.preprocessing.only_names and rows.shape[1:] == model.input_shape:
        return Examples({column.name: rows[:, index] for index, column in enumerate(columns)})
    if len(columns) > 1:
        raise DataError(
            f"{source} holds one array, but the model takes {len(columns)} columns: "
            f"{listed([column.name for column in columns])}. Give it a table with these names."
        )
    name, shape = (columns[0].name, columns[0].shape) if columns else ("x", model.input_shape)
    single = array.shape == shape and not categorical(array)
    return Examples({name: array[np.newaxis] if single else array})
