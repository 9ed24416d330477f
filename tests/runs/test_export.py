"""Predictions as files."""

import sys

import numpy as np
import pytest

import nnfw
from nnfw.runs import Predictions, write_predictions

FOUND = Predictions(("id", "label", "y"), (np.array(["007", "8"]), np.array([1, 0]), np.array([0.1, 1e-9], np.float32)))


def test_csv_holds_the_rows(tmp_path):
    write_predictions(FOUND, tmp_path / "found.csv")
    assert (tmp_path / "found.csv").read_text() == "id,label,y\n007,1,0.1\n8,0,1e-09\n"


def test_parquet_holds_the_columns_with_their_types(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_predictions(FOUND, tmp_path / "found.parquet")
    table = parquet.read_table(tmp_path / "found.parquet")
    assert table.column_names == ["id", "label", "y"]
    assert [str(field.type) for field in table.schema] == ["string", "int64", "float"]
    assert table.column("y").to_pylist() == FOUND.columns[2].tolist()


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = r"found\.parquet: \.parquet files need pyarrow: pip install 'nnfw\[tables\]'\.$"
    with pytest.raises(nnfw.ConfigError, match=message):
        write_predictions(FOUND, tmp_path / "found.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["found.txt", "found"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(
        nnfw.ConfigError, match=rf"{name}: predictions are written as \.csv or \.parquet\. Choose one of"
    ):
        write_predictions(FOUND, tmp_path / name)
