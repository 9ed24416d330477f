"""Readers of tables: each returns the columns of a file or database by name."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import SEEK_END
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from nnfw.data import listed, reading, require_expansion
from nnfw.errors import DataError, did_you_mean, in_words, short
from nnfw.storage import open_regular

_NUMBER = 8  # bytes of a number in memory
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PASSWORD = re.compile(r"://[^:/@]*:([^@]*)@|(?:password|passwd|pwd)(?:=|%3D)((?:(?!%3B)[^&;])*)", re.IGNORECASE)
_FORMULA_ERRORS = frozenset({"#N/A", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!"})


def read_parquet(path: str, table: str) -> object:
    """Return the columns of a Parquet file."""
    from pyarrow import parquet

    _require_single(path, table)
    with _reading(path, "a Parquet file") as file:
        stored = parquet.ParquetFile(file)
        about = stored.metadata
        groups = (about.row_group(index).total_byte_size for index in range(about.num_row_groups))
        _require_expansion(path, file, max(sum(groups), _NUMBER * about.num_rows * about.num_columns))
        return _of_arrow(stored.read())


def read_arrow(path: str, table: str) -> object:
    """Return the columns of an Arrow file, also called Feather, or of an Arrow stream."""
    from pyarrow import ArrowInvalid, feather, ipc

    _require_single(path, table)
    with _reading(path, "an Arrow file") as file:
        try:
            return _of_arrow(feather.read_table(file))
        except ArrowInvalid:
            file.seek(0)
            with suppress(ArrowInvalid):
                return _of_arrow(ipc.open_stream(file).read_all())
            raise


def _of_arrow(table: Any) -> dict[str, object]:
    """Return the columns of a table of Arrow; categories are words, whatever they are made of."""
    from pyarrow import types

    names = table.column_names
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"there are several columns {twice[0]!r}. Rename them.")
    return {
        name: [None if value is None else str(value) for value in column.to_pylist()]
        if types.is_dictionary(column.type)
        else column
        for name, column in zip(names, table.columns, strict=True)
    }


def read_json_lines(path: str, table: str) -> dict[str, list[object]]:
    """Return the columns of JSON lines: an object in each line, which may leave keys out."""
    _require_single(path, table)
    with _reading(path, "a file of JSON lines") as file:
        rows = [
            _object_of(line, f"{Path(path).name}:{number}")
            for number, line in enumerate(_expanded(file, path), 1)
            if line.strip()
        ]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _object_of(line: bytes, place: str) -> dict[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: this is no JSON: {error}. Expected an object in each line.") from error
    if not isinstance(row, dict):
        raise DataError(f"{place}: expected an object, {{...}}, got {short(row)}.")
    return row


def _expanded(file: IO[bytes], path: str) -> Any:
    return gzip.GzipFile(fileobj=file) if path.lower().endswith(".gz") else file


def read_excel(path: str, table: str) -> dict[str, list[object]]:
    """Return the columns of a sheet of Excel, by default of the first one, whose first row has their names."""
    import openpyxl

    with _reading(path, "an Excel file") as file:
        try:
            _require_expansion(path, file, sum(member.file_size for member in ZipFile(file).infolist()))
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        except (BadZipFile, KeyError) as error:
            raise DataError(f"{Path(path).name}: this is no Excel file of the form .xlsx: {in_words(error)}") from error
        name = table or book.sheetnames[0]
        _require_known(path, "sheet", name, book.sheetnames)
        rows = [[_cell(cell) for cell in row] for row in book[name].iter_rows(values_only=True)]
    while rows and all(cell is None for cell in rows[-1]):
        del rows[-1]
    if not rows:
        raise DataError(f"{Path(path).name}: the sheet {name!r} is empty; expected a row with the names of columns.")
    header = {place: str(cell) for place, cell in enumerate(rows[0]) if cell is not None}
    if twice := [each for each in header.values() if list(header.values()).count(each) > 1]:
        raise DataError(f"{Path(path).name}: the sheet {name!r} has several columns {twice[0]!r}. Rename them.")
    return {each: [row[place] if place < len(row) else None for row in rows[1:]] for place, each in header.items()}


def _cell(cell: object) -> object:
    return None if isinstance(cell, str) and (not cell.strip() or cell in _FORMULA_ERRORS) else cell


def read_sql(source: str, table: str) -> dict[str, list[object]]:
    """Return the columns of a table of a database or of a query, by a URL or the path of a SQLite file."""
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        url = sqlalchemy.make_url(source if "://" in source else f"sqlite:///{source}")
    except (ArgumentError, ValueError) as error:  # of the port
        raise DataError(f"The URL of the database cannot be read: {in_words(error)}.") from error
    url = _expanded_url(url) if "://" in source else url
    shown = url.render_as_string(hide_password=True)
    if url.drivername.partition("+")[0] == "sqlite" and url.database not in (None, "", ":memory:"):
        with reading(Path(str(url.database)), "a SQLite database"), open_regular(Path(str(url.database))):
            pass  # SQLite would make one that is missing
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            query = _query(table, sqlalchemy.inspect(connection).get_table_names(), engine, shown)
            result = connection.execute(sqlalchemy.text(query))
            names, rows = list(result.keys()), result.fetchall()
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise DataError(f"{shown}: the table cannot be read: {str(reason).rstrip('.')}.") from error
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{shown}: the query gives several columns {twice[0]!r}. Rename them: SELECT a AS b.")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def holds_password(url: str) -> bool:
    """Return whether a password stands in a URL as it is, rather than as ``${NAME}``.

    Examples
    --------
    >>> [holds_password(f"postgresql://{each}") for each in ("me:secret@host/shop", "me:${DB_PASSWORD}@host/shop")]
    [True, False]
    """
    found = (match[1] or match[2] for match in _PASSWORD.finditer(url))
    return any(password and not _VARIABLE.fullmatch(password) for password in found)


def _expanded_url(url: Any) -> Any:
    """Return a URL of SQLAlchemy with environment variables for ``${NAME}``; DataError if one is not set."""

    def value(match: re.Match[str]) -> str:
        if (found := os.environ.get(match[1])) is None:
            raise DataError(f"The URL of the database names ${{{match[1]}}}, but this environment variable is not set.")
        return found

    def expanded(text: str) -> str:
        return _VARIABLE.sub(value, text)

    parts = {name: getattr(url, name) for name in ("username", "password", "host", "database")}
    query = {
        name: expanded(each) if isinstance(each, str) else tuple(map(expanded, each))
        for name, each in url.query.items()
    }
    return url.set(**{name: expanded(part) for name, part in parts.items() if part}, query=query)


def _query(table: str, known: list[str], engine: Any, shown: str) -> str:
    """Return the query: `table` if it is one, else all of the table that it names, or of the only one."""
    if len(table.split()) > 1 and table not in known:
        return table
    if not table and len(known) != 1:
        raise DataError(
            f"{shown}: say which table: a name, or a query, SELECT ...; there are {listed(known) or 'none'}."
        )
    name = table or known[0]
    _require_known(shown, "table", name, known)
    return f"SELECT * FROM {engine.dialect.identifier_preparer.quote(name)}"


def read_hdf5(path: str, table: str) -> dict[str, object]:
    """Return the columns of HDF5: the data sets of a group, or the fields of a compound one."""
    import h5py

    with _reading(path, "an HDF5 file") as file, h5py.File(file, "r") as stored:
        place = stored.get(table) if table else stored
        if place is None:
            raise DataError(f"{Path(path).name}: there is no {table!r}.{_held(table, stored)}")
        found = (
            place
            if not isinstance(place, h5py.Group)
            else {name: item for name, item in place.items() if isinstance(item, h5py.Dataset)}
        )
        if isinstance(found, Mapping) and len(found) == 1:
            (only,) = found.values()
            found = only if only.dtype.names else found
        if isinstance(found, Mapping):
            if not found:
                raise DataError(f"{Path(path).name}: no data set lies in {place.name!r}.{_held(table, stored)}")
            return {name: _values(path, item) for name, item in found.items()}
        if not found.dtype.names:
            return {str(found.name).rpartition("/")[2]: _values(path, found)}
        values = np.asarray(_values(path, found))
        return {name: values[name] for name in found.dtype.names}


def _held(table: str, stored: Any) -> str:
    names: list[str] = []
    stored.visit(names.append)
    return f"{did_you_mean(table, names)} The file holds {listed(names) or 'nothing'}."


def _values(path: str, item: Any) -> object:
    import h5py

    require_expansion(f"{Path(path).name}: {item.name!r}", item.nbytes, item.id.get_storage_size())
    return item.asstr()[()] if h5py.check_string_dtype(item.dtype) else np.asarray(item)


def _require_known(owner: str, what: str, name: str, known: list[str]) -> None:
    if name not in known:
        owner = owner if "://" in owner else Path(owner).name
        there = f"There are {listed(known)}." if known else "There are none."
        raise DataError(f"{owner}: there is no {what} {name!r}.{did_you_mean(name, known)} {there}")


def _require_expansion(path: str, file: IO[bytes], declared: int) -> None:
    """Refuse a table that declares to be far larger in memory than its file; DataError says how large."""
    require_expansion(Path(path).name, declared, file.seek(0, SEEK_END))
    file.seek(0)


def _require_single(path: str, table: str) -> None:
    if table:
        raise DataError(f"{Path(path).name} is a single table; there is no {short(table)} in it.")


@contextmanager
def _reading(path: str, what: str) -> Iterator[IO[bytes]]:
    with reading(Path(path), what), open_regular(Path(path)) as file:
        yield file
