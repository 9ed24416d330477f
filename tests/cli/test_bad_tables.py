"""Tables that cannot be learned from, or that differ from those of the training: one clear error, or a result."""

import numpy as np
import pytest

from nnfw.cli.main import main

ROWS = [
    (f"{a:.3f}", "pqr"[k % 3], f"{b:.3f}", "uv"[int(y < 0.5)])
    for k, (a, b, y) in enumerate(np.random.default_rng(1).normal(size=(60, 3)))
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(header, change=lambda *row: row, rows=ROWS):
    return f"{header}\n" + "".join(",".join(change(*row)) + "\n" for row in rows)


ALL = "size,kind,mass,y"


def cells(*wanted):
    """Return a change of rows: each cell that is wanted is a text, or that of a column by its first letter."""
    wanted = wanted or [""] * 4
    return lambda *row: [dict(zip("skmy", row, strict=True)).get(cell, cell) for cell in wanted]


UNFIT = {
    "empty": ("", "t.csv is empty; expected a header line with the names of the columns."),
    "header only": (f"{ALL}\n", "t.csv holds a header but no row below it; at least one example is needed."),
    "no header": (table("1.5,p,2.5,u"), "'1.5' is a number. If it names none, say header = false."),
    "one row": (f"{ALL}\n1,p,2,u\n", "t.csv has a single row; there is nothing to learn from it."),
    "all missing": (table(ALL, cells()), "t.csv: the target 'y' is empty: all of its cells are missing."),
    "target missing": (table(ALL, cells("s", "k", "m", "NA")), "t.csv: the target 'y' is empty: all of its cells are"),
    "constant target": (table(ALL, cells("s", "k", "m", "u")), "t.csv: the target 'y' is always the same, so there is"),
    "features missing": (table(ALL, cells("", "", "", "y")), "t.csv: no column is left to learn from. Its columns: "),
    "three rows": (
        "size,kind,y\n1,p,u\n2,q,v\n3,r,u\n",
        "Its columns: size, kind, y. Left out: size (identifies rows), kind (nearly all different). Name columns in",
    ),
    "words": (
        table(ALL, lambda s, k, m, y: (s, k, m, f"w{s}{m}")),
        "t.csv: the target 'y' has 60 different words in 60 rows, which are no classes: most rows have one of their",
    ),
    "infinite": (
        table(ALL, rows=[("1", "p", "inf", "u"), *ROWS]),
        "t.csv:2: column 'mass': expected a finite number, got 'inf'. Correct it.",
    ),
}


@pytest.mark.parametrize(("text", "message"), UNFIT.values(), ids=UNFIT.keys())
@pytest.mark.parametrize("command", ["init", "train"])
def test_table_that_cannot_be_learned_from_is_one_error(folder, capsys, command, text, message):
    (folder / "t.csv").write_text(text)
    assert main([command, "t.csv", "--target", "y"]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("error: ") == 1
    assert [path.name for path in folder.iterdir()] == ["t.csv"]


@pytest.fixture
def trained(folder, capsys):
    (folder / "t.csv").write_text(table(ALL))
    assert main(["train", "t.csv", "--target", "y", "--set", "training.epochs=1", "-q", "--out", "run"]) == 0
    capsys.readouterr()
    return folder


@pytest.mark.parametrize(
    ("header", "change"),
    [
        ("mass,size,kind", lambda s, k, m, y: (m, s, k)),
        ("more,size,kind,mass,y", lambda *row: ("x", *row)),
        ("size;kind;mass", lambda s, k, m, y: (f"{s};{k};{m}",)),
    ],
    ids=["another order", "further columns", "another delimiter"],
)
def test_predict_takes_columns_by_name(trained, capsys, header, change):
    (trained / "new.csv").write_text(table(header, change))
    printed = []
    for name in ("t.csv", "new.csv"):
        assert main(["predict", "run", name]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_predict_takes_words_that_look_like_numbers_for_new_categories(trained, capsys):
    printed = []
    for word in ("new", "3"):
        (trained / "new.csv").write_text(table("size,kind,mass", lambda s, k, m, y, word=word: (s, word, m)))
        assert main(["predict", "run", "new.csv"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


DIFFERENT = {
    "missing": ("size,kind\n1,p\n", "new.csv: lacks the column 'mass'. It has 2: size, kind.\n"),
    "renamed": ("size,kind,Mass\n1,p,2\n", "new.csv: lacks the column 'mass'. Did you mean 'Mass'? It has 3: size,"),
    "no header": (
        "1.5,p,2.5\n1,p,2\n",
        "new.csv: lacks the column 'kind'. It has 3: 1.5, p, 2.5. The first line must name the columns; '1.5' is a n",
    ),
    "a word": ("size,kind,mass\n1,p,2\nbig,p,3\n", "new.csv:3: column 'size': expected a number, got 'big'.\n"),
    "header only": (
        "size,kind,mass\n",
        "new.csv holds a header but no row below it; at least one example is needed.\n",
    ),
}


@pytest.mark.parametrize(("text", "message"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_predict_of_a_table_that_does_not_fit_is_one_error(trained, capsys, text, message):
    (trained / "new.csv").write_text(text)
    assert main(["predict", "run", "new.csv"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {message}")


def test_evaluate_names_the_line_of_a_class_that_training_never_saw(trained, capsys):
    (trained / "new.csv").write_text(f"{ALL}\n1,p,2,u\n1,p,2,uv2\n")
    assert main(["evaluate", "run", "--data", "new.csv"]) == 2
    expected = "error: new.csv:3: column 'y': unknown class 'uv2'; expected u, v.\n"
    assert capsys.readouterr().err == expected
