import gzip
import re
import sys
import zipfile
from io import BytesIO, StringIO, TextIOWrapper

import numpy as np
import pytest

from nnfw.data import Dialect, read_csv
from nnfw.data import table_text as text_module
from nnfw.data.table_columns import Seen
from nnfw.errors import DataError

PEOPLE = "age,city\n31,Oslo\n55.5,Bern\n"


def table(text, **options):
    return read_csv(StringIO(text, newline=""), name="people.csv", **options)


def write(folder, content, name="people.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_read_csv_numbers_and_words_become_float64_and_str():
    columns = table(PEOPLE).columns(["age", "city"])
    np.testing.assert_array_equal(columns["age"], [31.0, 55.5])
    assert columns["age"].dtype == np.float64
    assert columns["city"].tolist() == ["Oslo", "Bern"]


def test_read_csv_path_equals_stream(tmp_path):
    columns = read_csv(write(tmp_path, PEOPLE)).columns(["age", "city"])
    assert [column.tolist() for column in columns.values()] == [[31.0, 55.5], ["Oslo", "Bern"]]


def test_read_csv_names_are_in_the_order_of_the_header():
    assert table("b,a,c\n1,2,3\n").names == ("b", "a", "c")


def test_read_csv_categorical_column_is_never_parsed():
    assert table("code\n01\n1\n", categorical=["code"]).columns(["code"])["code"].tolist() == ["01", "1"]


@pytest.mark.parametrize(
    ("cell", "value"),
    [("-1.5e-3", -0.0015), (" 7 ", 7.0), ("1e2", 100.0), (".5", 0.5), ('"8"', 8.0)],
    ids=["exponent", "spaces", "whole", "no leading zero", "quoted"],
)
def test_read_csv_number_in_any_common_spelling_is_parsed(cell, value):
    assert table(f"a,b\n{cell},x\n").columns(["a"])["a"].tolist() == [value]


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + PEOPLE,
        PEOPLE.replace("\n", "\r\n"),
        PEOPLE.replace("\n", "\r"),
        PEOPLE.rstrip("\n"),
        "\n" + PEOPLE + "\n\n",
    ],
    ids=["byte order mark", "CRLF", "CR", "no last newline", "empty lines"],
)
def test_read_csv_variants_of_text_files_are_read_alike(tmp_path, content):
    columns = read_csv(write(tmp_path, content)).columns(["age", "city"])
    assert [column.tolist() for column in columns.values()] == [[31.0, 55.5], ["Oslo", "Bern"]]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " "], ids=["semicolon", "tab", "bar", "space"])
def test_read_csv_delimiter_separates_cells(delimiter):
    assert table(PEOPLE.replace(",", delimiter), delimiter=delimiter).columns(["age"])["age"].tolist() == [31.0, 55.5]


def test_read_csv_quoted_cell_may_hold_delimiters_and_line_breaks():
    columns = table('note,a\n"one, two\nthree", 4\n"""x""",5\n').columns(["note", "a"])
    assert columns["note"].tolist() == ["one, two\nthree", '"x"']
    assert columns["a"].tolist() == [4.0, 5.0]


def test_read_csv_quoted_cell_may_follow_a_space():
    assert table('a, note\n1, "b, c"\n').columns(["note"])["note"].tolist() == ["b, c"]


def test_read_csv_more_rows_than_a_block_are_all_read(monkeypatch):
    monkeypatch.setattr(text_module, "_PART", 6)
    rows = 100
    read = table("a,b\n" + "".join(f"{i},w{i % 3}\n" for i in range(rows)))
    assert len(read) == rows
    columns = read.columns(["a", "b"])
    np.testing.assert_array_equal(columns["a"], np.arange(rows))
    assert columns["b"].tolist() == [f"w{i % 3}" for i in range(rows)]


def test_read_csv_word_after_many_blocks_names_its_line(monkeypatch):
    monkeypatch.setattr(text_module, "_PART", 6)
    text = "a,b\n" + "1,2\n" * 50 + "1,x\n" + "1,2\n" * 50
    with pytest.raises(DataError, match=r"^people.csv:52: column 'b': expected a number, got 'x'\."):
        table(text).columns(["b"])


def test_columns_word_among_numbers_names_line_and_column():
    message = "people.csv:3: column 'age': expected a number, got 'old'. Correct it, or name the column in categorical."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        table("age\n31\nold\n").columns(["age"])


def test_columns_line_after_cell_with_line_break_is_that_of_the_file():
    with pytest.raises(DataError, match=r"people.csv:5: column 'a': expected a number, got 'x'"):
        table('note,a\n"one\ntwo",1\n\ny,x\n').columns(["a"])


def test_columns_number_with_underscore_is_a_word():
    with pytest.raises(DataError, match=r"people.csv:3: column 'a': expected a number, got '1_000'"):
        table("a\n1\n1_000\n").columns(["a"])


def test_columns_words_where_numbers_are_demanded_names_the_first():
    with pytest.raises(DataError, match=r"^people.csv:2: column 'city': expected a number, got 'Oslo'\.$"):
        table(PEOPLE).columns(["age", "city"], numeric=["city"])


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "NaN", "null", "-nan", "inf", "1e999"])
def test_columns_cell_without_a_number_gives_count_and_first_place(cell):
    message = (
        f"people.csv:3: column 'age': cells without a finite number: 2, the first is {cell!r} in this line. "
        "Fill them or remove their rows."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        table(f"age,b\n31,1\n{cell},2\n4,3\n,4\n").columns(["age"])


@pytest.mark.parametrize("cell", ["-nan", "inf", "1e999"])
def test_columns_not_finite_cell_among_numbers_alone_is_found(cell):
    with pytest.raises(DataError, match=f"people.csv:3: column 'age': cells without a finite number: 1, .* '{cell}'"):
        table(f"age\n31\n{cell}\n4\n").columns(["age"])


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "NaN", "null", "-nan"])
def test_columns_missing_number_is_nan_where_it_may_be_missing(cell):
    read = table(f"age,b\n{cell},x\n31,y\n{cell},z\n4,x\n")
    np.testing.assert_array_equal(read.columns(["age", "b"], missing=["age", "b"])["age"], [np.nan, 31, np.nan, 4])
    message = (
        f"people.csv:2: column 'age': cells without a finite number: 2, the first is {cell!r} in this line. "
        "Fill them or remove their rows."
    )
    assert read.missing(["age", "b"]) == {"age": message}


def test_columns_of_many_blocks_have_their_missing_numbers_in_place(monkeypatch):
    monkeypatch.setattr(text_module, "_PART", 6)
    cells = [str(k) if k % 11 else "NA" for k in range(100)]
    read = read_csv(StringIO("a\n" + "\n".join(cells) + "\n"), name="t")
    expected = [k if k % 11 else np.nan for k in range(100)]
    np.testing.assert_array_equal(read.columns(["a"], missing=["a"])["a"], expected)


def test_columns_without_any_number_are_nan_where_numbers_are_demanded_and_may_be_missing():
    read = table("a,b\nNA,1\n,2\n")
    np.testing.assert_array_equal(read.columns(["a"], ["a"], ["a"])["a"], [np.nan, np.nan])
    with pytest.raises(DataError, match=r"^people\.csv:2: column 'a' is empty\. Leave it out of the features\.$"):
        read.columns(["a"], missing=["a"])


def test_columns_missing_word_is_empty_where_it_may_be_missing():
    found = table("city,a\nOslo,1\nNA,2\n")
    assert found.columns(["city"], missing=["city"])["city"].tolist() == ["Oslo", ""]
    assert found.missing(["city"])["city"].startswith(
        "people.csv:3: column 'city': missing values: 1, the first is 'NA'"
    )


def test_read_csv_words_that_are_known_stay_words_and_may_be_missing():
    found = table("code,a\n7,1\n?,2\n", words=["code"])
    assert found.columns(["code"], missing=["code"])["code"].tolist() == ["7", ""]


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999"])
def test_columns_infinite_number_is_no_missing_one(cell):
    message = f"people.csv:4: column 'age': expected a finite number, got {cell!r}. Correct it."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        table(f"age\n31\nNA\n{cell}\n").columns(["age"], missing=["age"])


def test_columns_missing_first_cell_leaves_the_column_numeric():
    with pytest.raises(
        DataError, match=r"people.csv:2: column 'age': cells without a finite number: 1, the first is 'NA'"
    ):
        table("age,b\nNA,x\n4,x\n").columns(["age"])


def test_columns_without_any_value_are_refused():
    with pytest.raises(DataError, match=r"^people\.csv:2: column 'age' is empty\. Leave it out of the features\.$"):
        table("age,b\n,x\nNA,y\n").columns(["age"])


CLUTTERED = ["1,234", "$5", "-$5", "5 €", "5%", "\u22125"]


@pytest.mark.parametrize("cell", CLUTTERED)
def test_columns_number_that_is_written_in_another_way_is_told_how(cell):
    with pytest.raises(
        DataError, match=r"^people\.csv:3: column 'a': expected a number, got .* Write numbers as 1234\.5\.$"
    ):
        table(f'a,b\n1,x\n"{cell}",x\n').columns(["a"])


@pytest.mark.parametrize("cell", ["abc", "2020-01-01", "192.168.0.1", "a1", "1-2", "12:30"])
def test_columns_word_among_numbers_is_not_told_how_to_write_numbers(cell):
    with pytest.raises(DataError, match=r"got '.*'\. Correct it, or name the column in categorical\.$"):
        table(f"a,b\n1,x\n{cell},x\n").columns(["a"])


def test_columns_of_numbers_that_are_taken_for_words_warn():
    text = "a,b\n$2,x\n$3,x\n2,x\n"
    message = (
        r"^people\.csv:2: column 'a' is taken for words, such as '\$2', but 3 of 3 different values look like "
        r"numbers\. Correct it and write numbers as 1234\.5, or name the column in categ"
    )
    with pytest.warns(RuntimeWarning, match=message):
        table(text).columns(["a"])
    assert table(text, categorical=["a"]).columns(["a"])["a"].tolist() == ["$2", "$3", "2"]


def test_columns_of_words_with_some_numbers_do_not_warn():
    assert table("a,b\nB12,1\n12,2\n2020-01-01,3\n").columns(["a"])["a"].tolist() == ["B12", "12", "2020-01-01"]


def test_columns_missing_word_gives_count_and_first_place():
    message = (
        "people.csv:3: column 'city': missing values: 2, the first is '' in this line. "
        "Fill them or remove their rows, or name the column in categorical to keep them."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        table("city,a\nOslo,1\n,2\nNA,3\n").columns(["city"])


def test_columns_missing_word_after_many_blocks_is_found(monkeypatch):
    monkeypatch.setattr(text_module, "_PART", 6)
    table = read_csv(StringIO("a\n" + "x\n" * 40 + "NA\n" + "x\n" * 9), name="t")
    with pytest.raises(DataError, match=r"^t:42: column 'a': missing values: 1, the first is 'NA'"):
        table.columns(["a"])


def test_columns_missing_word_in_a_categorical_column_is_a_category():
    read = table("city,a\nOslo,1\n,2\nNA,3\n", categorical=["city"])
    assert read.columns(["city"])["city"].tolist() == ["Oslo", "", "NA"]


def test_columns_word_that_reads_as_infinity_stays_a_word_among_words():
    cells = ["Oslo", "inf", "7", "Bern"]
    assert table("city\n" + "\n".join(cells) + "\n").columns(["city"])["city"].tolist() == cells


def test_columns_all_problems_are_reported_at_once():
    with pytest.raises(DataError) as caught:
        table("a,b,c\n1,2,3\nx,,3\n").columns(["a", "b", "c"])
    assert [line.split(":")[1:3] for line in str(caught.value).splitlines()] == [
        ["3", " column 'a'"],
        ["3", " column 'b'"],
    ]


def test_columns_that_nobody_asks_for_may_be_anything():
    assert table("a,b\n1,2\n3,x\n").columns(["a"])["a"].tolist() == [1.0, 3.0]


def test_columns_unknown_name_suggests_the_nearest():
    message = r"^people.csv: there is no column 'agee'\. Did you mean 'age'\? Columns: age, city\.$"
    with pytest.raises(DataError, match=message):
        table(PEOPLE).columns(["agee"])


def test_columns_unknown_name_in_a_wide_table_lists_a_few():
    header = ",".join(f"c{i}" for i in range(100))
    with pytest.raises(DataError, match=r"c11 and 88 more\.$"):
        table(f"{header}\n{header}\n").require(["zzz"])


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("1", r"1\."),
        ("1,2,3", r"3\. Quote cells that hold the delimiter\."),
        ("1,2,", r"3\. Remove the delimiter at the end of the line\."),
    ],
    ids=["short", "long", "trailing"],
)
def test_read_csv_ragged_row_names_line_and_counts(row, found):
    with pytest.raises(DataError, match=rf"^people.csv:3: expected 2 cells, as in the header, got {found}$"):
        table(f"a,b\n1,2\n{row}\n1,2\n")


def test_read_csv_ragged_row_of_single_column_is_worded_well():
    with pytest.raises(
        DataError,
        match=r"^people\.csv:2: expected 1 cell, as in the header, got 2\. The header is '# me'; it must name all col",
    ):
        table("# me\na,b\n1,2\n")


def test_require_in_a_table_without_header_says_so():
    with pytest.raises(
        DataError,
        match=r"Columns: red, 1\.5\. The first line must name the columns; '1\.5' is a number\. If i",
    ):
        table("red,1.5\nblue,2.5\n").require(["colour"])


def test_require_shows_odd_names_so_that_they_stay_in_a_line():
    with pytest.raises(DataError, match=r"Columns: a, 'b\\nc', '\\x1b\[31m'\.$"):
        table('a,"b\nc",\x1b[31m\n1,2,3\n').require(["zzz"])


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"], ids=["nothing", "empty lines", "byte order mark"])
def test_read_csv_empty_file_is_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"^people.csv is empty; expected a header line with the names of the columns"):
        read_csv(write(tmp_path, content))


def test_read_csv_header_only_is_refused():
    with pytest.raises(
        DataError, match=r"^people.csv holds a header but no row below it; at least one example is needed"
    ):
        table("a,b\n")


def test_read_csv_repeated_names_get_a_number():
    assert table("a,b,a,c,c,a_2\n1,2,3,4,5,6\n").names == ("a", "b", "a_3", "c", "c_2", "a_2")


def test_read_csv_column_without_name_is_called_after_its_place():
    assert table("a, ,c\n1,2,3\n").names == ("a", "column_2", "c")
    assert table(",a, \nx,1,2\ny,2,2\n").names == ("row", "a", "column_3")


def test_read_csv_wrong_encoding_names_the_line(tmp_path):
    content = ("a,b\n" + "1,x\n" * 3000 + "1,Zürich\n").encode("latin-1")
    message = r"^people.csv:3002: this is not text in UTF-8 \(.*\)\. Save it as UTF-8, or name its encoding\.$"
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, content), dialect=Dialect(encoding="utf-8"))


def test_read_csv_character_cut_off_at_the_end_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^people.csv:2: this is not text in UTF-8 \(unexpected end of data\)"):
        read_csv(write(tmp_path, "a\nü".encode()[:-1]))


def test_read_csv_stream_of_bytes_is_read_in_its_own_encoding():
    stream = TextIOWrapper(BytesIO("a\nü\nü\n".encode("latin-1")), encoding="utf-8")
    found = read_csv(stream, name="<stdin>")
    assert found.columns(["a"])["a"].tolist() == ["ü", "ü"]
    broken = TextIOWrapper(BytesIO("a\nü\n\x01".encode("latin-1")), encoding="utf-8")
    with pytest.raises(DataError, match=r"^<stdin>:2: this is not text in UTF-8"):
        read_csv(broken, name="<stdin>")


@pytest.mark.parametrize("content", [b"a,b\n1,\0\n", b"\0" * 100], ids=["in a cell", "nothing else"])
def test_read_csv_nul_bytes_are_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"people.csv:[12]: holds a NUL character; expected a CSV table in UTF-8"):
        read_csv(write(tmp_path, content))


def test_read_csv_compressed_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"people.csv holds a compressed file. Expand it until it is text, or end"):
        read_csv(write(tmp_path, gzip.compress(PEOPLE.encode())))


def test_read_csv_line_without_end_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(text_module, "_LONGEST_ROW", 1000)
    with pytest.raises(DataError, match=r"people.csv:2: the row is longer than 1,000 characters; expected a CSV table"):
        read_csv(write(tmp_path, "a,b\n" + "1" * 5000))


def test_read_csv_row_of_many_lines_without_end_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(text_module, "_LONGEST_ROW", 1000)
    with pytest.raises(DataError, match=r"people.csv:2: the row is longer than 1,000 characters; expected a CSV table"):
        read_csv(write(tmp_path, 'a,b\n"' + "1\n" * 5000))


@pytest.mark.parametrize(
    "text", ["a,b,c,d,e\n1,2,3,4,5\n", 'a,b\n"1\n,2",3,"4\n","5\n","6\n"\n'], ids=["header", "lines"]
)
def test_read_csv_row_of_too_many_cells_is_refused(monkeypatch, text):
    monkeypatch.setattr(text_module, "_MOST_COLUMNS", 4)
    with pytest.raises(
        DataError, match=r"^people.csv:[12]: the row has more than 4 cells, the most that are read\. Store"
    ):
        table(text)


def test_read_csv_many_short_rows_are_no_long_one(monkeypatch):
    monkeypatch.setattr(text_module, "_LONGEST_ROW", 10)
    monkeypatch.setattr(text_module, "_MOST_COLUMNS", 3)
    assert len(table("a,b\n" + "1,2\n" * 20)) == 20


def test_columns_with_a_long_category_are_refused_when_asked_for():
    found = table(f"a,b\nx,1\n{'y' * 1001},2\n")
    assert found.columns(["b"])["b"].tolist() == [1, 2]
    with pytest.raises(
        DataError, match=r"^people.csv:3: column 'a': a category may have 1,000 characters, this .* 1,001"
    ):
        found.columns(["a"])


def test_read_csv_quote_that_never_ends_names_where_it_starts():
    with pytest.raises(
        DataError,
        match=r"^people.csv:3: the row that starts here cannot be read as CSV: a quotation mark is opened and not",
    ):
        table('a,b\n1,2\n"1,2\n1,2\n')


def test_read_csv_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"none.csv: there is no such file; expected a CSV table\.$"):
        read_csv(tmp_path / "none.csv")


def test_read_csv_file_as_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"there is no such file; expected a CSV table"):
        read_csv(write(tmp_path, PEOPLE) / "inside.csv")


def test_read_csv_directory_is_refused(tmp_path):
    with pytest.raises(DataError, match=r" is a directory; expected a CSV table\.$"):
        read_csv(tmp_path)


def test_read_csv_path_with_nul_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be the path of a CSV table: it holds a NUL character"):
        read_csv(tmp_path / "a\0b")


def test_read_csv_too_long_name_is_refused(tmp_path):
    with pytest.raises(DataError, match="a CSV table cannot be read: File name too long"):
        read_csv(tmp_path / ("a" * 1000))


def test_require_in_a_table_of_another_delimiter_tells_which():
    table = read_csv(StringIO("a;b;y\n1;2;3\n"), name="t.csv", delimiter=",")
    with pytest.raises(DataError, match="there is no column 'y'.*seem to be separated by ';': say so as the delimiter"):
        table.require(["y"])


@pytest.mark.parametrize(
    "line", [" ", "   ", "\t", " \t ", "\u00a0"], ids=["one", "spaces", "tab", "mixed", "no-break"]
)
@pytest.mark.parametrize("columns", ["a", "a,b"], ids=["one", "two"])
def test_line_of_white_space_is_empty(line, columns):
    row = ",".join("1" for _ in columns.split(","))
    table = read_csv(StringIO(f"{columns}\n{row}\n{line}\n{row}\n{line}\n"), name="t")
    assert len(table) == 2


def test_line_of_delimiters_is_a_row_and_one_of_other_white_space_is_none():
    table = read_csv(StringIO("a\tb\n1\t2\n   \n3\t4\n"), delimiter="\t", name="t")
    assert table.columns(["a"])["a"].tolist() == [1, 3]
    with pytest.raises(DataError, match=r"t:3: column 'a': cells without a finite number: 1, the first is ''"):
        read_csv(StringIO("a\tb\n1\t2\n\t\n"), delimiter="\t", name="t").columns(["a"])
    assert len(read_csv(StringIO("a b\n1 2\n   \n"), delimiter=" ", name="t")) == 1


def test_white_space_within_a_quoted_cell_is_kept():
    table = read_csv(StringIO('a,b\n"x\n   \ny",1\n'), name="t")
    assert table.columns(["a"])["a"].tolist() == ["x\n   \ny"]


def test_cell_that_is_quoted_and_empty_is_missing():
    with pytest.raises(DataError, match=r"t:3: column 'a': cells without a finite number: 1"):
        read_csv(StringIO('a\n1\n""\n'), name="t").columns(["a"])


def test_ragged_row_below_a_single_heading_hints_at_the_delimiter():
    match = r"t:2: expected 1 cell, as in the header, got 3\. Its cells seem to be separated by ';': say so"
    with pytest.raises(DataError, match=match):
        read_csv(StringIO("a;b\n1,5;2,5\n"), name="t", delimiter=",")


NUMBERS = [1234.5, -0.25, 1000000, 7]
SPELLINGS = {
    "decimal commas": ["1234,5", "-0,25", "1000000", "7"],
    "decimal commas, dots": ["1.234,5", "-0,25", "1.000.000", "7"],
    "decimal commas, spaces": ["1 234,5", "-0,25", "1\u00a0000\u202f000", "7"],
    "commas": ["1,234.5", "-0.25", "1,000,000", "7"],
    "spaces": ["1 234.5", "-.25", "1 000 000", "7"],
    "apostrophes": ["1'234.5", "-0.25", "1'000'000", "7e0"],
}


@pytest.mark.parametrize("order", [1, -1], ids=["as they are", "reversed"])
@pytest.mark.parametrize("way", SPELLINGS)
def test_read_csv_numbers_are_read_as_they_are_written_in_any_order(way, order):
    cells = SPELLINGS[way][::order]
    found = table("a;b\n" + "".join(f'"{cell}";x\n' for cell in cells))
    np.testing.assert_array_equal(found.columns(["a"])["a"], NUMBERS[::order])
    assert found.columns(["b"])["b"].tolist() == ["x"] * 4


def test_read_csv_thousand_or_decimals_that_nothing_decides_are_refused_until_it_is_said():
    text = "a;b\n1,234;1\n2;1\n"
    with pytest.raises(DataError, match="column 'a': expected a number, got '1,234'. Write numbers as 1234.5"):
        table(text).columns(["a"])
    assert table(text, dialect=Dialect(decimal=",")).columns(["a"])["a"].tolist() == [1.234, 2]
    assert table(text, dialect=Dialect(thousands=",")).columns(["a"])["a"].tolist() == [1234, 2]


def test_read_csv_dots_between_thousands_alone_are_no_decimals():
    assert table("a;b\n1.234;1\n2;1\n", dialect=Dialect(thousands=".")).columns(["a"])["a"].tolist() == [1234, 2]


def test_read_csv_number_that_is_grouped_in_another_way_is_a_word():
    found = table("a;b\n1.234,5;1\n0,5;1\n1.5;1\n")
    with pytest.raises(DataError, match=r"people.csv:4: column 'a': expected a number, got '1\.5'"):
        found.columns(["a"])


@pytest.mark.parametrize("order", [1, -1], ids=["numbers first", "words first"])
def test_read_csv_kind_of_a_column_does_not_depend_on_the_order_of_rows(order, monkeypatch):
    monkeypatch.setattr(text_module, "_PART", 4)
    words = ["12", "7", "7", "9", "3", "4", "B12", "C", "D", "E", "F", "G", "H"][::order]
    numbers = ["12", "7", "7", "9", "3", "4", "x", "y", "z", "x"][::order]
    assert table("a\n" + "\n".join(words)).columns(["a"])["a"].tolist() == words
    found = table("a\n" + "\n".join(numbers))
    assert found.kind("a") == "numbers"
    with pytest.raises(DataError, match=r"expected a number, got '[xz]'"):
        found.columns(["a"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ending", ["", ".gz", ".zip", ".zst"])
def test_read_csv_file_in_any_encoding_and_compression_is_read(tmp_path, encoding, ending):
    content = "Größe;Ort\n1,5;Zürich\n2;Genève\n".encode(encoding)
    path = tmp_path / f"people.csv{ending}"
    if ending == ".gz":
        path.write_bytes(gzip.compress(content))
    elif ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("people.csv", content)
    elif ending == ".zst":
        path.write_bytes(pytest.importorskip("zstandard").compress(content))
    else:
        path.write_bytes(content)
    found = read_csv(path)
    assert found.columns(["Größe"])["Größe"].tolist() == [1.5, 2]
    assert found.columns(["Ort"])["Ort"].tolist() == ["Zürich", "Genève"]
    told = "cells between semicolons, decimal commas"
    other = {"utf-16": ", UTF-16", "cp1252": ", Windows-1252"}.get(encoding, "")
    assert found.dialect.in_words == told + other


def test_read_csv_damaged_archives_are_refused(tmp_path):
    whole = gzip.compress(PEOPLE.encode() * 100)
    with pytest.raises(DataError, match=r"^people\.csv\.gz: the \.gz file is damaged: .* Fetch or write it again\.$"):
        read_csv(write(tmp_path, whole[:-9], "people.csv.gz"))
    with pytest.raises(DataError, match=r"^people\.csv\.zip: the \.zip file is damaged"):
        read_csv(write(tmp_path, b"PK", "people.csv.zip"))
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as archive:
        archive.writestr("a.csv", PEOPLE)
        archive.writestr("b.csv", PEOPLE)
    with pytest.raises(
        DataError, match=r"^two\.csv\.zip: expected one file in the archive, found 2\. Unpack the table"
    ):
        read_csv(tmp_path / "two.csv.zip")


def test_read_csv_zst_of_several_frames_is_read_whole(tmp_path, monkeypatch):
    compress = pytest.importorskip("zstandard").compress
    path = write(tmp_path, compress(b"a,b\n1,x\n") + compress(b"2,y\n" * 5000) + compress(b""), "p.csv.zst")
    for chunk in (1, text_module._ZST_CHUNK):
        monkeypatch.setattr(text_module, "_ZST_CHUNK", chunk)
        found = read_csv(path)
        assert (len(found), found.columns(["a"])["a"][-1]) == (5001, 2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda whole: whole[:-3], "it ends within a frame"),
        (lambda whole: whole[: len(whole) // 2], "it ends within a frame"),
        (lambda whole: whole + b"more", "Unknown frame descriptor"),
    ],
    ids=["checksum", "half", "more"],
)
def test_read_csv_damaged_zst_is_refused(tmp_path, damage, message):
    zstandard = pytest.importorskip("zstandard")
    whole = zstandard.ZstdCompressor(write_checksum=True).compress(PEOPLE.encode() * 100)
    with pytest.raises(DataError, match=rf"^p\.csv\.zst: the \.zst file is damaged: .*{message}\. Fetch or write it"):
        read_csv(write(tmp_path, damage(whole), "p.csv.zst"))


def test_read_csv_zst_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(
        DataError, match=r"^p\.csv\.zst: reading \.zst needs zstandard: pip install 'nnfw\[tables\]'\.$"
    ):
        read_csv(write(tmp_path, b"x", "p.csv.zst"))


def test_read_csv_unknown_encoding_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"there is no encoding 'klingon'; 'utf-8' or 'latin-1', for instance\.$"):
        read_csv(write(tmp_path, PEOPLE), dialect=Dialect(encoding="klingon"))


def test_read_csv_lines_above_the_header_are_skipped_and_told():
    found = table("Survey of 2020\n\nsource: nobody\nage,city,n\n31,Oslo,1\n55,Bern,2\n")
    assert found.names == ("age", "city", "n")
    assert found.notes == ("2 lines above the header skipped",)
    with pytest.raises(DataError, match=r"^people\.csv:6: column 'age': expected a number, got 'x'"):
        table("title\n\nsource\nage,city\n31,Oslo\nx,Bern\n").columns(["age"])


def test_read_csv_comments_are_skipped_where_they_are_asked_for():
    text = "# one\na,b\n1,2\n# two, three, four\n3,4\n"
    assert table(text, dialect=Dialect(comment="#")).columns(["b"])["b"].tolist() == [2, 4]


def test_read_csv_without_header_numbers_the_columns():
    found = table("1,x\n2,y\n", dialect=Dialect(header=False))
    assert found.names == ("column_1", "column_2")
    assert found.columns(["column_1"])["column_1"].tolist() == [1, 2]


def test_read_csv_index_without_a_name_and_empty_columns_are_no_features():
    found = table(",a,b,\n0,5,,\n1,6,,\n2,7,NA,\n")
    assert (found.names, found.features) == (("row", "a", "b", "column_4"), ("a",))
    assert found.notes == (
        "column 'row' left out: numbers the rows",
        "column 'b' left out: empty",
        "column 'column_4' left out: empty",
    )


@pytest.mark.parametrize("header", ["a;b;y", "Report\na;b;y"], ids=["header", "title"])
@pytest.mark.parametrize("row", ["1,5;2,25;3", "1,5;2,25;3,5"], ids=["two", "three"])
def test_decimal_commas_in_every_row_do_not_hide_the_delimiter(header, row):
    found = table(f"{header}\n" + f"{row}\n" * 5)
    assert (found.names, found.dialect.decimal) == (("a", "b", "y"), ",")
    assert found.columns(["a", "b"])["b"].tolist() == [2.25] * 5


def test_dates_without_a_name_are_a_feature():
    found = table(",a\n2020-01-01,1\n2020-01-02,2\n")
    assert (found.names, found.features, found.notes) == (("row", "a"), ("row", "a"), ())


def test_read_csv_names_of_rows_as_r_writes_them_are_a_column():
    found = table("mpg,cyl\nMazda,21,6\nFiat,32,4\n")
    assert (found.names, found.features) == (("row", "mpg", "cyl"), ("mpg", "cyl"))
    assert found.columns(["row"])["row"].tolist() == ["Mazda", "Fiat"]


def test_columns_whole_number_beyond_float64_warns():
    text = "a,b\n1,x\n1234567890123456789,x\n"
    message = (
        r"^people\.csv:3: column 'a': 1234567890123456789 is rounded to 1234567890123456768: a number has 15 exact"
    )
    with pytest.warns(RuntimeWarning, match=message):
        table(text).columns(["a"])
    assert table("a,b\n9007199254740994,x\n1e300,x\n").columns(["a"])["a"].tolist() == [9007199254740994, 1e300]


def test_columns_first_whole_number_that_float64_rounds_warns():
    with pytest.warns(
        RuntimeWarning, match=r"^people\.csv:2: column 'a': 9007199254740993 is rounded to 90071992547409"
    ):
        table("a\n9007199254740993\n1\n").columns(["a"])


@pytest.mark.parametrize("mark", ["-999", "1e3"])
def test_columns_numbers_that_mark_missing_values_are_missing(mark):
    read = table(f"a\n1\n{mark}\n4\n", dialect=Dialect(na_values=(mark,)))
    np.testing.assert_array_equal(read.columns(["a"], missing=["a"])["a"], [1, np.nan, 4])


def test_table_tells_what_there_is_to_see_and_to_do():
    rows = [f"{k},{k % 2 or ''},0{k},2020-01-{k + 1:02},word {k},{'x' if k else '3'},{k}\n" for k in range(25)]
    found = table("n,half,code,day,text,mixed,z\n" + "".join(rows))
    assert found.seen("half") == Seen(13, 1, ("1", "1", "1"), (1, 1))
    assert found.seen("day").examples == ("2020-01-01", "2020-01-02", "2020-01-03")
    hints = {name: found.hint(name) for name in found.names}
    assert hints == {
        "n": "identifies rows? Exclude it",
        "half": "",
        "code": "codes such as 00? Name it in categorical",
        "day": "dates: the transform date makes numbers of them",
        "text": "nearly all different: exclude it",
        "mixed": "",
        "z": "identifies rows? Exclude it",
    }
    assert table("a,b\n1,x\n2,\nw,\n").hint("a") == "cells that are no numbers: 1, such as 'w'"
    assert table("a,b\n$1,x\n$2,y\n").hint("a") == "looks like numbers: write them as 1234.5"
    assert table(",b\n1,x\n2,y\n").hint("row") == "numbers the rows: left out"
    assert table("a,b\n,x\n,y\n").hint("a") == "empty: left out"
    assert table("a,b\n12345678901234567,x\n12345678901234569,y\n").hint("a").startswith("longer than the 15 digits")
    formats = "dates: the transform date makes numbers of them, with formats = ['%d.%m.%Y %H:%M']"
    assert table("a,b\n1.2.2020 9:30,x\n13.2.2020 9:30,y\n").hint("a") == formats
    assert table("a,b\n1/2/2020,x\n3/2/2020,y\n").hint("a") == (
        "dates, but day and month cannot be told apart: exclude it, or correct it"
    )


def test_findings_are_what_hints_say():
    rows = [f"{k},0{k},2020-01-{k + 1:02},word {k},{'x' if k else '3'},,$1\n" for k in range(25)]
    found = table("n,code,day,text,mixed,none,price\n" + "".join(rows))
    assert {name: found.finding(name) for name in found.names} == {
        "n": "identifier",
        "code": "codes",
        "day": "dates",
        "text": "all different",
        "mixed": "nothing",
        "none": "empty",
        "price": "unread numbers",
    }
    assert found.dates("day").formats == ()
    assert found.dates("text") is None
    assert found.dates("n") is None
    assert table(",b\n1,x\n2,y\n").finding("row") == "row numbers"
    assert table("a,b\n1,x\n2,\nw,\n").finding("a") == "stray words"
    assert table("a,b\n12345678901234567,x\n12345678901234569,y\n").finding("a") == "rounded"


@pytest.mark.parametrize("words", [["pear", "fig", "", "fig", "kiwi"], ["3", "-1", "NA", "-1", "20"]])
def test_ranks_follow_the_order_of_values_whatever_that_of_rows(words):
    found = table("a,b\n" + "".join(f"{word},x\n" for word in words))
    values = found.columns(["a"], missing=["a"])["a"]
    for rows in (np.arange(5), np.array([3, 0, 4])):
        np.testing.assert_array_equal(found.ranks("a", rows), np.unique(values[rows], return_inverse=True)[1])
    assert found.cell("a", 4) == words[4]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_read_csv_utf_16_without_a_mark_is_found(tmp_path, encoding):
    read = read_csv(write(tmp_path, PEOPLE.replace("Oslo", "Århus").encode(encoding)))
    assert read.columns(["city"])["city"].tolist() == ["Århus", "Bern"]
    assert read.dialect.in_words.endswith("UTF-16")


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("a,a\n1,2\n", "another column is called 'a': this one is now 'a_2'"),
        ("a,b\nx,1,2\ny,3,5\n", "the header has one name less than the rows: the first column is called 'row'"),
        ("1.5,b\n2,u\n", "'1.5' in the header is a number: is the first line a row? Then say header = false"),
    ],
    ids=["duplicate", "rows with names", "no header"],
)
def test_read_csv_notes_what_is_unusual_about_the_header(text, note):
    assert note in table(text).notes


def test_hint_of_rows_numbered_and_codes_does_not_depend_on_order_or_missing_cells(monkeypatch):
    monkeypatch.setattr(text_module, "_PART", 4)  # blocks of two rows
    read = table("n,code\n3,1\n1,NA\n4,22\n2,07\n")
    assert read.hint("n") == "identifies rows? Exclude it"
    assert read.hint("code") == "codes such as 07? Name it in categorical"


def test_repeated_rows_are_counted_over_numbers_missing_ones_and_words():
    read = table("a,b,c\n1,x,5\nNA,x,6\n1,x,7\nNA,x,8\n1,y,9\n-0,z,1\n0,z,2\n")
    assert (read.repeated_rows(["a", "b"]), read.repeated_rows(["a", "b", "c"])) == (3, 0)
