"""Tables of other formats than CSV, in files that other libraries write."""

import datetime
import gzip
import json
import sqlite3
from decimal import Decimal

import h5py
import numpy as np
import openpyxl
import pytest

import nnfw
from nnfw.data import input_files, read_table
from nnfw_standard import TableFile

ROWS = [
    {"age": 31, "city": "Oslo", "ok": True, "price": 1.5, "kind": "cat"},
    {"age": None, "city": "Bern", "ok": False, "price": 2.25, "kind": "dog"},
    {"age": 55, "city": "Oslo", "ok": True, "price": 1e9, "kind": "cat"},
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


def write_parquet(path, columns):
    pyarrow = pytest.importorskip("pyarrow")  # too large to be needed by every test run
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)


def write_feather(path, columns):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.feather").write_feather(pyarrow.table(columns), path)


def write_stream(path, columns):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(columns)
    with pyarrow.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table)


def write_json_lines(path, columns):
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    text = "\n\n".join(map(json.dumps, rows)).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def write_excel(path, columns, sheet="Sheet"):
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in (columns, *zip(*columns.values(), strict=True), (None,)):
        book.active.append(list(row))
    book.save(path)


def write_sqlite(path, columns, table="pets"):
    with sqlite3.connect(path) as connection:
        names = ", ".join(f'"{name}"' for name in columns)
        connection.execute(f'CREATE TABLE "{table}" ({names})')
        marks = ", ".join("?" * len(columns))
        connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', zip(*columns.values(), strict=True))
    connection.close()


def write_hdf5(path, columns):
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = [np.nan if value is None else value for value in values]


WRITERS = {
    "p.parquet": write_parquet,
    "p.feather": write_feather,
    "p.arrows": write_stream,
    "p.jsonl": write_json_lines,
    "p.ndjson.gz": write_json_lines,
    "p.xlsx": write_excel,
    "p.sqlite": write_sqlite,
    "p.DB": write_sqlite,
    "p.h5": write_hdf5,
}


@pytest.mark.parametrize("name", WRITERS)
def test_table_of_each_format_gives_the_same_columns(tmp_path, name):
    WRITERS[name](tmp_path / name, COLUMNS)

    table = read_table(name, directory=tmp_path)

    assert len(table) == 3
    assert {each: table.kind(each) for each in table.names} == {
        "age": "numbers",
        "city": "words",
        "ok": "numbers",
        "price": "numbers",
        "kind": "words",
    }
    found = table.columns(COLUMNS, missing=["age"])
    np.testing.assert_array_equal(found["age"], [31, np.nan, 55])
    np.testing.assert_array_equal(found["ok"], [1, 0, 1])
    np.testing.assert_array_equal(found["price"], [1.5, 2.25, 1e9])
    assert found["city"].tolist() == ["Oslo", "Bern", "Oslo"]
    with pytest.raises(
        nnfw.DataError,
        match=rf"^{name}: row 2: column 'age': cells without a finite number: 1, the first is '' in this row\. Fill",
    ):
        table.columns(["age"])


@pytest.mark.parametrize("name", WRITERS)
def test_dataset_reads_each_format(tmp_path, name):
    WRITERS[name](tmp_path / name, COLUMNS)

    examples = TableFile(name, "kind", exclude=("age",), categorical=("ok",)).load(tmp_path)

    assert list(examples.features) == sorted(["city", "ok", "price"]) if name == "p.h5" else ["city", "ok", "price"]
    assert examples.classes == ("cat", "dog")
    assert examples.features["ok"].dtype.kind == "U"


def test_dataset_reads_text_too(tmp_path):
    (tmp_path / "p.csv").write_text("a;y\n1,5;2\n2,5;3\n")

    examples = TableFile("p.csv", "y").load(tmp_path)

    np.testing.assert_array_equal(examples.features["a"], [1.5, 2.5])


def test_schema_of_arrow_says_what_a_column_holds(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    days = [datetime.date(2026, 1, 31), None]
    times = [datetime.datetime(2026, 1, 31, 12), None]
    columns = {
        "code": ["007", "12"],
        "category": pyarrow.array([7, 12]).dictionary_encode(),
        "flag": [True, None],
        "price": [Decimal("1.25"), None],
        "small": pyarrow.array([1, None], pyarrow.int8()),
        "day": days,
        "time": times,
        "utc": pyarrow.array(times, pyarrow.timestamp("us", "UTC")),
        "clock": [datetime.time(12, 30), None],
        "length": [datetime.timedelta(minutes=1), None],
        "nothing": pyarrow.nulls(2),
    }
    write_feather(tmp_path / "t.feather", columns)

    table = read_table("t.feather", directory=tmp_path)

    words = ["code", "category", "day", "time", "utc", "clock"]
    kinds = {name: table.kind(name) for name in table.names}
    assert kinds == dict.fromkeys(words, "words") | {"nothing": "empty"} | dict.fromkeys(
        ["flag", "price", "small", "length"], "numbers"
    )
    assert [table.seen(name).examples[0] for name in words] == [
        "007",
        "7",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00:00",
        "12:30:00",
    ]
    assert [table.seen(name).examples for name in ("flag", "price", "small", "length")] == [
        ("1",),
        ("1.25",),
        ("1",),
        ("60",),
    ]
    assert table.features == tuple(name for name in table.names if name != "nothing")


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, b"x"], ids=["list", "struct", "bytes"])
def test_nested_column_is_refused_when_it_is_used(tmp_path, value):
    write_parquet(tmp_path / "t.parquet", {"a": [1, 2], "odd": [None, value]})
    table = read_table("t.parquet", directory=tmp_path)

    assert table.columns(["a"])["a"].tolist() == [1, 2]
    assert table.kind("odd") == "other"
    assert table.hint("odd").startswith("neither numbers nor words, such as ")
    with pytest.raises(
        nnfw.DataError, match=r"^t\.parquet: row 2: column 'odd': expected a number or a text, got .*\. Leave it out of"
    ):
        table.columns(["odd"])


def test_index_of_pandas_is_left_out(tmp_path):
    write_parquet(tmp_path / "t.parquet", {"a": [5, 7], "__index_level_0__": [0, 1]})

    assert read_table("t.parquet", directory=tmp_path).features == ("a",)


def test_long_whole_numbers_that_are_rounded_are_told(tmp_path):
    write_parquet(tmp_path / "t.parquet", {"id": [1, 2**62 + 1]})
    table = read_table("t.parquet", directory=tmp_path)

    with pytest.warns(RuntimeWarning, match=r"t\.parquet: row 2: column 'id': 4611686018427387905 is rounded to"):
        table.columns(["id"])


def test_parquet_with_one_name_twice_is_refused(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    write = pytest.importorskip("pyarrow.parquet").write_table
    write(pyarrow.table([[1], [2]], names=["a", "a"]), tmp_path / "t.parquet")

    with pytest.raises(nnfw.DataError, match=r"there are several columns 'a'\. Rename them\."):
        read_table("t.parquet", directory=tmp_path)


@pytest.mark.parametrize("name", ["p.parquet", "p.feather", "p.xlsx", "p.db", "p.h5", "p.ndjson.gz"])
def test_truncated_file_is_refused(tmp_path, name):
    WRITERS.get(name, write_sqlite)(tmp_path / name, COLUMNS)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])

    with pytest.raises(nnfw.DataError, match=name):
        read_table(name, directory=tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello, world", b"\0" * 1000], ids=["empty", "text", "zeros"])
@pytest.mark.parametrize("name", ["p.parquet", "p.feather", "p.xlsx", "p.db", "p.h5", "p.ndjson"])
def test_file_of_another_format_is_refused(tmp_path, name, content):
    if name in ("p.parquet", "p.feather"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(nnfw.DataError, match=name):
        read_table(name, directory=tmp_path)


@pytest.mark.parametrize("name", ["p.parquet", "p.xlsx"])
def test_file_that_declares_to_be_far_larger_than_it_is_is_refused(tmp_path, monkeypatch, name):
    WRITERS[name](tmp_path / name, {"a": [1.0] * 5000})
    monkeypatch.setattr(input_files, "_HARMLESS", 1000)
    monkeypatch.setattr(input_files, "_MOST_EXPANDED", 2)
    with pytest.raises(
        nnfw.DataError, match=rf"^{name}: [\d,]+ bytes declare to be [\d,]+ in memory, more than 2 times"
    ):
        read_table(name, directory=tmp_path)


def test_hdf5_data_set_that_is_not_there_but_large_is_refused(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset("x", (10**10,), "f8")
    with pytest.raises(
        nnfw.DataError, match=r"^t\.h5: '/x': 0 bytes declare to be 80,000,000,000 in memory, more than 200"
    ):
        read_table("t.h5", directory=tmp_path)


@pytest.mark.parametrize("name", WRITERS)
def test_missing_file_is_refused_and_nothing_is_made(tmp_path, name):
    if name in ("p.parquet", "p.feather", "p.arrows"):
        pytest.importorskip("pyarrow")
    with pytest.raises(nnfw.DataError, match=rf"{name}: there is no such file; expected an? "):
        read_table(name, directory=tmp_path)
    assert not list(tmp_path.iterdir())


# JSON lines


def test_json_lines_may_leave_keys_out(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"b": "x", "a": "?"}\n')

    table = read_table("t.jsonl", directory=tmp_path)

    assert table.names == ("a", "b")
    np.testing.assert_array_equal(table.columns(["a"], missing=["a"])["a"], [1, np.nan])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"^t\.jsonl:2: this is no JSON: .*Expected an object in each line\."),
        ("[1]", r"^t\.jsonl:2: expected an object, \{\.\.\.\}, got \[1\]\."),
    ],
)
def test_json_line_that_is_no_object_is_refused(tmp_path, line, message):
    (tmp_path / "t.jsonl").write_text(f'{{"a": 1}}\n{line}\n')

    with pytest.raises(nnfw.DataError, match=message):
        read_table("t.jsonl", directory=tmp_path)


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_empty_table_is_refused(tmp_path, name):
    (tmp_path / "t.jsonl").write_text("")
    if name == "t.parquet":
        write_parquet(tmp_path / name, {"a": []})

    with pytest.raises(nnfw.DataError, match=rf"^{name} holds no (row|column); at least one is needed\.$"):
        read_table(name, directory=tmp_path)


def test_file_of_a_single_table_has_no_other(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "t.csv").write_text("a\n1\n")

    with pytest.raises(nnfw.DataError, match=r"^t\.jsonl is a single table; there is no 'x' in it\.$"):
        read_table("t.jsonl", directory=tmp_path, table="x")
    with pytest.raises(nnfw.DataError, match=r"^t\.csv: a text is a single table; there is no 'x' in it\.$"):
        read_table("t.csv", directory=tmp_path, table="x")


# Excel


def test_excel_sheet_is_the_first_or_the_one_named(tmp_path):
    write_excel(tmp_path / "t.xlsx", {"a": [1]}, "2025")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    book.create_sheet("2026").append(["b", None, "b"])
    book.create_sheet("none")
    book.save(tmp_path / "t.xlsx")

    assert read_table("t.xlsx", directory=tmp_path).names == ("a",)
    with pytest.raises(
        nnfw.DataError, match=r"^t\.xlsx: there is no sheet '2027'\. Did you mean '2026'\? There are 2025"
    ):
        read_table("t.xlsx", directory=tmp_path, table="2027")
    with pytest.raises(nnfw.DataError, match=r"^t\.xlsx: the sheet '2026' has several columns 'b'\. Rename them\.$"):
        read_table("t.xlsx", directory=tmp_path, table="2026")
    with pytest.raises(nnfw.DataError, match=r"^t\.xlsx: the sheet 'none' is empty; expected a row with the names"):
        read_table("t.xlsx", directory=tmp_path, table="none")


def test_excel_cells_are_numbers_words_dates_or_missing(tmp_path):
    day = datetime.datetime(2026, 1, 31)
    write_excel(tmp_path / "t.xlsx", {"a": [1, "?", "2.5"], "b": ["#N/A", "x", " "], "day": [day, day, None]})
    table = read_table("t.xlsx", directory=tmp_path)

    np.testing.assert_array_equal(table.columns(["a"], missing=["a"])["a"], [1, np.nan, 2.5])
    assert (table.seen("b").missing, table.seen("b").examples) == (2, ("x",))
    assert table.seen("day").examples == ("2026-01-31",)


def test_excel_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "t.xlsx").write_text("a,b")

    with pytest.raises(nnfw.DataError, match=r"^t\.xlsx: this is no Excel file of the form \.xlsx: BadZipFile"):
        read_table("t.xlsx", directory=tmp_path)


# SQL


def test_sql_reads_the_only_table_the_one_named_or_a_query(tmp_path):
    write_sqlite(tmp_path / "t.db", {"a": [1, 2, 3]}, "first one")
    url = f"sqlite:///{tmp_path / 't.db'}"
    assert len(read_table(url)) == 3
    assert len(read_table("t.db", directory=tmp_path, table='SELECT a FROM "first one" WHERE a > 1')) == 2
    write_sqlite(tmp_path / "t.db", {"b": ["x"]}, "second")

    assert read_table(url, table="second").names == ("b",)
    assert read_table(url, table="first one").names == ("a",)
    with pytest.raises(
        nnfw.DataError, match=r"t\.db: say which table: a name, or a query, SELECT .*first one, second\."
    ):
        read_table(url)
    with pytest.raises(
        nnfw.DataError, match=r"t\.db: there is no table 'secnd'\. Did you mean 'second'\? There are fir"
    ):
        read_table(url, table="secnd")
    with pytest.raises(nnfw.DataError, match=r"t\.db: the table cannot be read: no such table: third\.$"):
        read_table(url, table="SELECT * FROM third")
    with pytest.raises(
        nnfw.DataError, match=r"t\.db: the query gives several columns 'b'\. Rename them: SELECT a AS b"
    ):
        read_table(url, table="SELECT b, b FROM second")


def test_sql_url_that_cannot_be_used_is_refused_without_its_password():
    with pytest.raises(
        nnfw.DataError, match=r"^The URL of the database cannot be read: ValueError: .*'port'\.$"
    ) as caught:
        read_table("postgresql://me:secret@host:port/x")
    assert "secret" not in str(caught.value)
    with pytest.raises(nnfw.DataError, match=r"^There is no reader for postgres:// URLs\. Did you mean 'postgresql'\?"):
        read_table("postgres://me:secret@host/x")


def test_sql_url_takes_environment_variables(tmp_path, monkeypatch):
    write_sqlite(tmp_path / "a b.db", {"a": [1, 2, 3]})
    monkeypatch.setenv("SHOP", f"{tmp_path}/a b.db")
    monkeypatch.setenv("WAIT", "5")
    assert len(read_table("sqlite:///${SHOP}?timeout=${WAIT}")) == 3
    monkeypatch.delenv("SHOP")
    with pytest.raises(nnfw.DataError, match=r"names \$\{SHOP\}, but this environment variable is not set\.$"):
        read_table("sqlite:///${SHOP}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@host/shop",
        "mssql+pyodbc://me:${PART}secret@host/shop",
        "mysql://host/shop?user=me&password=secret",
        "mssql://?odbc_connect=DRIVER%3DSQL%3BPWD%3Dsecret%3BUID%3Dme",
    ],
    ids=["password", "part", "query", "odbc"],
)
def test_table_with_a_password_in_its_url_is_refused(url):
    with pytest.raises(nnfw.ConfigError, match="path holds a password, which every run would store") as caught:
        TableFile(url, "y")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:${DB_PASSWORD}@host/shop",
        "postgresql://me@host:5432/shop",
        "mysql://me:@host/shop?password=${DB_PASSWORD}&charset=utf8",
        "mssql://?odbc_connect=DRIVER%3DSQL%3BPWD%3D${DB_PASSWORD}%3BUID%3Dme",
    ],
    ids=["variable", "none", "query", "odbc"],
)
def test_table_whose_password_is_a_variable_is_taken(url):
    assert TableFile(url, "y").path == url


# HDF5


def test_hdf5_reads_a_group_a_compound_data_set_or_a_block(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["run/x"] = np.ones((2, 3))
        file["run/y"] = [b"a", b"b"]
        file["pets"] = np.array([(1, b"cat"), (2, b"dog")], [("age", int), ("kind", "S3")])

    assert read_table("t.h5", directory=tmp_path).names == ("age", "kind")
    assert read_table("t.h5", directory=tmp_path).columns(["kind"])["kind"].tolist() == ["cat", "dog"]
    assert read_table("t.h5", directory=tmp_path, table="run").names == ("x_0", "x_1", "x_2", "y")
    assert read_table("t.h5", directory=tmp_path, table="run/y").names == ("y",)
    with pytest.raises(
        nnfw.DataError, match=r"^t\.h5: there is no 'rum'\. Did you mean 'run'\? The file holds pets, run"
    ):
        read_table("t.h5", directory=tmp_path, table="rum")


def test_hdf5_columns_of_several_lengths_or_none_are_refused(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["a"], file["b"] = [1, 2], [1]
        file.create_group("empty")

    with pytest.raises(
        nnfw.DataError, match=r"^t\.h5: columns must have the same length, got 'a': 2, 'b': 1\. Say which"
    ):
        read_table("t.h5", directory=tmp_path)
    with pytest.raises(nnfw.DataError, match=r"^t\.h5: no data set lies in '/empty'\..* The file holds a, b, empty\.$"):
        read_table("t.h5", directory=tmp_path, table="empty")


# a first experiment


def test_recipe_names_the_dataset_and_leaves_nested_columns_out(tmp_path):
    rows = [{"a": k * 3 % 19, "odd": [k], "kind": "xy"[k % 2]} for k in range(20)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))

    text = TableFile("t.jsonl", "kind").recipe(tmp_path)

    assert 'source = { type = "table", path = "t.jsonl", target = "kind", exclude = ["odd"] }' in text
    assert "# odd: neither numbers nor words" in text
    with pytest.raises(nnfw.DataError, match=r"row 1: column 'odd': expected a number or a text, got \[0\]"):
        TableFile("t.jsonl", "kind", features=("odd",)).recipe(tmp_path)
