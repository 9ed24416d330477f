"""Predictions as files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path

from nnfw.errors import ConfigError
from nnfw.runs.prediction import Predictions
from nnfw.storage import replace_file


def write_predictions(found: Predictions, path: Path) -> None:
    """Write predictions as a ``.csv`` or ``.parquet`` file, replacing one that is there in one step.

    ConfigError for another ending, and without pyarrow for ``.parquet``.
    """
    content = writer_of(path)(found)
    replace_file(path, content)


def writer_of(path: Path) -> Callable[[Predictions], bytes]:
    """Return what makes the content of a file, by its ending; ConfigError as :func:`write_predictions`."""
    if path.suffix not in _WRITERS:
        raise ConfigError(f"{path}: predictions are written as {' or '.join(_WRITERS)}. Choose one of these endings.")
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401 - is it there?
        except ImportError as error:
            raise ConfigError(f"{path}: .parquet files need pyarrow: pip install 'nnfw[tables]'.") from error
    return _WRITERS[path.suffix]


def _csv(found: Predictions) -> bytes:
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(found.header)
    rows.writerows(found.rows())
    return text.getvalue().encode()


def _parquet(found: Predictions) -> bytes:
    import pyarrow
    import pyarrow.parquet

    content = BytesIO()
    columns = dict(zip(found.header, map(pyarrow.array, found.columns), strict=True))
    pyarrow.parquet.write_table(pyarrow.table(columns), content)
    return content.getvalue()


_WRITERS = {".csv": _csv, ".parquet": _parquet}
