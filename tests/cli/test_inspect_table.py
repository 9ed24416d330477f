import json
from io import StringIO

import pytest

from nnfw.cli.main import main

TABLE = ";Größe;Datum;Ort;Preis\n0;1,5;01.02.2020;Zürich;1.234,50\n1;2,25;03.02.2020;Bern;99,00\n2;;05.02.2020;Bern;5\n"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_bytes(TABLE.encode("latin-1"))
    return "t.csv"


def test_inspect_shows_columns_and_how_the_table_is_written(file, capsys):
    assert main(["inspect", file]) == 0
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["row"].endswith("numbers the rows: left out")
    assert "1.5 to 2.25" in rows["Größe"]
    assert rows["Datum"].endswith("numbers of them, with formats = ['%d.%m.%Y']")
    assert "'Zürich', 'Bern'" in rows["Ort"]
    assert "1234.5, 99, 5" in rows["Preis"]
    assert (
        "3 rows and 5 columns; cells between semicolons, decimal commas, dots between thousands, Windows-1252." in err
    )
    assert "column 'row' left out: numbers the rows" in err


@pytest.mark.parametrize(("copies", "note"), [(1, "1 row repeats an earlier one"), (2, "2 rows repeat an earlier one")])
def test_inspect_counts_repeated_rows(capsys, monkeypatch, copies, note):
    monkeypatch.setattr("sys.stdin", StringIO(",a,b\n0,u,x\n" + "".join(f"{k + 1},v,y\n" for k in range(copies + 1))))
    assert main(["inspect", "-"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == note


def test_inspect_as_json_reads_stdin(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO("a,b\nu,x\nv,y\n"))
    assert main(["inspect", "-", "--json", "--target", "b", "--categorical", "a"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["written"], found["notes"]) == (2, "cells between commas", [])
    first = {
        "column": "a",
        "kind": "words",
        "missing": 0,
        "distinct": 2,
        "range": None,
        "examples": ["u", "v"],
        "hint": "",
    }
    assert found["columns"] == [first, first | {"column": "b", "examples": ["x", "y"], "hint": "the target: 2 classes"}]


def test_inspect_takes_several_targets(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO("a,b,c\nu,1,x\nv,2.5,y\n"))
    assert main(["inspect", "-", "--json", "--target", "a", "--target", "b"]) == 0
    hints = [column["hint"] for column in json.loads(capsys.readouterr().out)["columns"]]
    assert hints == ["the target: 2 classes", "the target", ""]


@pytest.mark.parametrize(
    ("cells", "hint"),
    [
        (["1", "", "2"], "the target, 1 missing: drop_missing leaves their rows out"),
        (["1", "1"], "the target is always the same: there is nothing to learn"),
        (["1", "2"], "the target"),
    ],
    ids=["missing", "constant", "numbers"],
)
def test_inspect_tells_what_is_wrong_with_a_target(capsys, monkeypatch, cells, hint):
    monkeypatch.setattr("sys.stdin", StringIO("a,y\n" + "".join(f"{k},{cell}\n" for k, cell in enumerate(cells))))
    assert main(["inspect", "-", "--target", "y"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"  {hint}")


def test_inspect_of_an_unknown_column_is_refused(file, capsys):
    assert main(["inspect", file, "--target", "Orte"]) == 2
    assert "t.csv: there is no column 'Orte'. Did you mean 'Ort'?" in capsys.readouterr().err
