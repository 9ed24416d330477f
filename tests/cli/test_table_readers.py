"""Tables of a stranger's format on the command line: training, evaluation, prediction, inspection."""

import textwrap

import numpy as np
import pandas
import pytest

from nnfw import DataError, load

READER = """
def read(source, table):
    with open(source) as file:
        lines = [line.split(":") for line in file.read().split()]
    return {name: [float(cell) if cell[0].isdigit() else cell for cell in cells] for name, *cells in lines}
"""
TABLE = "size:1:2:3:4:1:2:3:4\nkind:a:b:a:b:a:b:a:b\ny:0:1:0:1:0:1:0:1\n"
SPEC = 'TableReaderSpec("lines", "fake_reading:read", "a column in each line", endings=(".cols",))'

EXPERIMENT = """
[data]
source = { type = "table", path = "t.cols", target = "y" }
transforms = ["one_hot", "standardize"]
split = { validation = 0.25, test = 0.25 }

[[model.layers]]
type = "dense"
units = 2
activation = "softmax"

[cost]
type = "cross_entropy"

[optimizer]
type = "sgd"

[training]
epochs = 1
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "t.cols").write_text(TABLE)
    (tmp_path / "e.toml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)


def test_reader_of_a_plugin_works_in_every_command(nnfw, make, folder):
    make("nnfw-fake", readers=SPEC, fake_reading=READER)

    assert nnfw("train", "e.toml", "--out", "run", "--quiet").status == 0
    predicted = nnfw("predict", "run", "t.cols")
    assert predicted.out.startswith("label,probability_0,probability_1\n")
    assert predicted.out.count("\n") == 9
    assert "cost" in nnfw("evaluate", "run", "--data", "t.cols").out
    assert "8 rows and 3 columns." in nnfw("inspect", "t.cols").err
    assert "a column in each line" in nnfw("plugins").out


def test_table_that_lacks_a_column_names_the_nearest(nnfw, make, folder, tmp_path):
    make("nnfw-fake", readers=SPEC, fake_reading=READER)
    nnfw("train", "e.toml", "--out", "run", "--quiet")
    (tmp_path / "new.cols").write_text(TABLE.replace("size", "sise"))

    result = nnfw("predict", "run", "new.cols")

    assert result.status == 2
    assert result.err.startswith(
        "error: new.cols: lacks the column 'size'. Did you mean 'sise'? It has 3: sise, kind, y."
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "raise ValueError('no end')",
            "t.cols: Table reader 'lines' (nnfw-fake 0.1) cannot read it: ValueError: no end",
        ),
        ("import nothing_such", "t.cols: ModuleNotFoundError: No module named 'nothing_such'. a column in each line."),
        ("return [1]", "t.cols: expected columns by name, or a frame, got list."),
        ("return {'a': 1.0}", "t.cols: column 'a' must have an entry for each row, got 1.0."),
        ("return {'a': [1], 'b': []}", "t.cols: columns must have the same length, got 'a': 1, 'b': 0. Say which"),
        ("return {}", "t.cols holds no column; at least one is needed."),
        ("return {'a': Odd()}", "t.cols: column 'a' cannot be made an array: RuntimeError: odd"),
    ],
    ids=["raises", "imports", "no-columns", "no-column", "lengths", "empty", "no-array"],
)
def test_reader_that_fails_is_named(nnfw, make, folder, body, message):
    odd = "class Odd:\n    def __array__(self, *_, **__):\n        raise RuntimeError('odd')\n"
    make("nnfw-fake", readers=SPEC, fake_reading=odd + f"def read(source, table):\n    {body}\n")

    result = nnfw("inspect", "t.cols")

    assert (result.status, result.out) == (2, "")
    assert message in result.err


def test_reader_whose_target_is_missing_is_found_by_doctor(nnfw, make):
    make("nnfw-fake", readers=SPEC)

    result = nnfw("doctor")

    assert result.status == 1
    assert "Table reader 'lines' (nnfw-fake 0.1): target 'fake_reading:read' cannot be loaded" in result.out


def test_two_plugins_with_one_ending_are_named(nnfw, make, folder):
    make("nnfw-fake", readers=SPEC, fake_reading=READER)
    make("nnfw-other", readers=SPEC.replace("lines", "others"))

    result = nnfw("inspect", "t.cols")

    assert result.err == (
        "error: Tables '.cols' are read by 'lines' (nnfw-fake 0.1) and 'others' (nnfw-other 0.1). Leave one out with "
        "NNFW_PLUGINS.\n"
    )


def test_built_in_readers_cannot_be_taken(nnfw, make, folder, tmp_path):
    make("nnfw-fake", readers=SPEC.replace(".cols", ".jsonl"), fake_reading=READER)
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n')

    assert "1 row and 1 column." in nnfw("inspect", "t.jsonl").err


def test_assembled_experiment_takes_a_table_of_any_format(nnfw, make, folder):
    make("nnfw-fake", readers=SPEC, fake_reading=READER)

    options = ("--layer", "dense:units=2,activation=softmax", "--cost", "cross_entropy", "--optimizer", "sgd")
    result = nnfw("assemble", "--data", "t.cols", "--target", "y", *options)

    assert 'type = "table"' in result.out, result.err


def test_prediction_from_a_sheet_that_is_named(nnfw, make, folder):
    reading = READER.replace("with open(source)", "with open(table + '.cols' if table else source)")
    make("nnfw-fake", readers=SPEC, fake_reading=reading)
    nnfw("train", "e.toml", "--out", "run", "--quiet")

    assert nnfw("predict", "run", "none.cols", "--table", "t", "--keep", "kind").out.startswith("kind,label,prob")
    assert nnfw("evaluate", "run", "--data", "none.cols", "--table", "t").status == 0
    assert nnfw("inspect", "none.cols", "--table", "t").status == 0


def test_help_of_each_command_says_that_it_takes_tables(nnfw):
    for command in ("predict", "evaluate", "inspect"):
        assert "--table" in textwrap.dedent(nnfw(command, "--help").out)


def test_model_of_a_run_takes_raw_columns_of_a_frame_in_any_order(nnfw, make, folder):
    make("nnfw-fake", readers=SPEC, fake_reading=READER)
    nnfw("train", "e.toml", "--out", "run", "--quiet")
    model = load("run")
    frame = pandas.DataFrame({"kind": list("abab"), "id": range(4), "size": [1, 2, 3, 4]})

    shown = nnfw("predict", "run", "t.cols").out.splitlines()[1:5]

    np.testing.assert_allclose(model.predict(frame)[:, 1], [float(line.split(",")[2]) for line in shown], rtol=1e-6)
    with pytest.raises(
        DataError, match=r"^x lacks the column 'size'\. Did you mean 'sise'\? It has: kind, id, sise\.$"
    ):
        model.predict(frame.rename(columns={"size": "sise"}))


def test_predict_and_evaluate_take_the_table_of_the_training_unless_another_is_named(nnfw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = pandas.DataFrame({"size": [1, 2, 3, 4] * 3, "kind": ["a", "b"] * 6, "y": [0, 1] * 6})
    for name in ("old.xlsx", "new.xlsx"):
        with pandas.ExcelWriter(name) as book:
            rows.head(2).to_excel(book, sheet_name="first", index=False)
            rows.to_excel(book, sheet_name="second", index=False)
    rows.to_csv("new.csv", index=False)
    text = EXPERIMENT.replace('path = "t.cols"', 'path = "old.xlsx", table = "second"')
    (tmp_path / "e.toml").write_text(text)
    assert nnfw("train", "e.toml", "--out", "run", "--quiet").status == 0

    lines = {name: nnfw("predict", "run", *name.split()).out.splitlines() for name in ("new.xlsx", "new.csv")}

    assert lines["new.xlsx"] == lines["new.csv"]
    assert len(lines["new.csv"]) == 13
    assert len(nnfw("predict", "run", "new.xlsx", "--table", "first").out.splitlines()) == 3
    assert nnfw("evaluate", "run", "--data", "new.xlsx").out == nnfw("evaluate", "run", "--data", "new.csv").out != ""
