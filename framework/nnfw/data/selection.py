"""From a table to the examples that a preprocessing takes."""

from __future__ import annotations

from math import prod

import numpy as np

from nnfw.arrays import Array
from nnfw.data.columns import Column
from nnfw.data.conversion import as_whole
from nnfw.data.examples import Examples
from nnfw.data.preprocessing import Preprocessing
from nnfw.data.tables import Table, delimiter_advice, listed
from nnfw.errors import DataError, did_you_mean


def select_examples(preprocessing: Preprocessing, table: Table, *, with_target: bool = False) -> Examples:
    """Return the examples of a table: the columns that the model needs, picked by name.

    A block of n numbers takes the columns ``name_0`` to ``name_(n-1)``. If the block is the only feature and the table
    lacks these, a table of exactly n columns beside the target's is taken by position.

    The table was read by :func:`read_csv` with ``categorical=preprocessing.categorical``. DataError if columns are
    missing, lack values, or hold words where the model needs numbers.
    """
    target = preprocessing.target_column if with_target else None
    names = {column.name: _names_in(preprocessing, table, column) for column in preprocessing.columns}
    missing = [column for column in preprocessing.columns if not names[column.name]]
    missing += [target] if target is not None and target.name not in table.names else []
    if missing:
        advice = delimiter_advice(table.names)  # then all columns are missing, and one message is enough
        shown = missing[:1] if advice else missing
        raise DataError("\n".join(_missing(table, column) for column in shown) + advice)
    numeric = {name for column in preprocessing.columns if column.kind == "numeric" for name in names[column.name]}
    wanted = [name for column in preprocessing.columns for name in names[column.name]]
    if target is not None:
        wanted.append(target.name)
        numeric |= {target.name} if target.kind == "numeric" else set()
    values = table.columns(wanted, numeric)
    features = {
        column.name: _joined(column, [values[name] for name in names[column.name]]) for column in preprocessing.columns
    }
    if target is None:
        return Examples(features)
    raw = values[target.name]
    return Examples(features, as_whole(raw) if target.kind == "integer" else raw, target.name, preprocessing.classes)


def _names_in(preprocessing: Preprocessing, table: Table, column: Column) -> tuple[str, ...]:
    """Return the names of the table's columns that make up `column`; none if the table lacks them."""
    if not column.shape:
        return (column.name,) if column.name in table.names else ()
    block = _block_names(column)
    if set(block) <= set(table.names):
        return block
    target = preprocessing.target_column.name if preprocessing.target_column else None
    others = tuple(name for name in table.names if name != target)
    return others if len(preprocessing.columns) == 1 and len(others) == len(block) else ()


def _joined(column: Column, values: list[Array]) -> Array:
    return np.column_stack(values).reshape(-1, *column.shape) if column.shape else values[0]


def _block_names(column: Column) -> tuple[str, ...]:
    return tuple(f"{column.name}_{index}" for index in range(prod(column.shape)))


def _missing(table: Table, column: Column) -> str:
    has = f"It has {len(table.names)}: {listed(table.names)}."
    if not column.shape:
        return f"{table.name}: lacks the column {column.name!r}.{did_you_mean(column.name, table.names)} {has}"
    names = _block_names(column)
    return (
        f"{table.name}: lacks the {len(names)} columns of {column.name!r}. Name them {names[0]!r} to {names[-1]!r}, or "
        f"give exactly {len(names)} columns of numbers. {has}"
    )
