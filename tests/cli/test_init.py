from zipfile import ZipFile

import pytest

from nnfw.cli.main import main

TABLE = "a,b,y\n" + "".join(f"{k % 11},{'pqr'[k % 3]},{'uv'[k % 2]}\n" for k in range(60))


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TABLE)
    return tmp_path


def test_init_writes_an_experiment_that_trains_as_the_table_does(table, capsys):
    assert main(["init", "t.csv", "--target", "y", "-o", "e.toml"]) == 0
    assert capsys.readouterr().err == "Wrote e.toml. Train it with: nnfw train e.toml\n"
    short = ["--set", "training.epochs=2", "-q"]
    assert main(["train", "e.toml", *short, "--out", "one"]) == 0
    assert main(["train", "t.csv", "--target", "y", *short, "--out", "two"]) == 0
    one, two = ((table / name / "model.nnfw").read_bytes() for name in ("one", "two"))
    assert one == two
    assert main(["predict", "two", "t.csv"]) == 0
    assert main(["reproduce", "two", "-q"]) == 0


def test_init_without_a_file_prints_it(table, capsys):
    assert main(["init", "t.csv", "--target", "y"]) == 0
    assert capsys.readouterr().out.startswith("# t.csv: 60 rows. Change what you like; nnfw train trains it.\n")


def test_init_overwrites_nothing(table, capsys):
    (table / "e.toml").write_text("mine")
    assert main(["init", "t.csv", "--target", "y", "-o", "e.toml"]) == 2
    assert "e.toml is there already. Name another file, or remove it." in capsys.readouterr().err
    assert (table / "e.toml").read_text() == "mine"


def test_init_of_a_folder_below_names_the_table_from_there(table):
    (table / "sub").mkdir()
    assert main(["init", "t.csv", "--target", "y", "-o", "sub/e.toml"]) == 0
    assert 'path = "../t.csv"' in (table / "sub" / "e.toml").read_text()
    assert main(["summary", "sub/e.toml", "--read-data"]) == 0


def test_init_of_other_data_is_refused(table, capsys):
    assert main(["init", "xor"]) == 2
    assert "recommends no experiment. Make one with nnfw assemble, or begin with a" in capsys.readouterr().err


def test_train_of_a_table_needs_its_target_and_a_file_none(table, capsys):
    assert main(["train", "t.csv"]) == 2
    assert "t.csv is a table: name its target column with --target" in capsys.readouterr().err
    (table / "e.toml").write_text("")
    assert main(["train", "e.toml", "--target", "y"]) == 2
    assert "--target goes with a table; an experiment file names its own." in capsys.readouterr().err
    assert main(["train", "t.csv", "--target", "z"]) == 2
    assert "t.csv: there is no column 'z'." in capsys.readouterr().err


def test_train_of_a_table_tells_what_the_recipe_found(table, capsys):
    lines = "".join(f"{k},{k % 11},{'pqr'[k % 3]},{k % 2}\n" for k in range(60))
    (table / "t.csv").write_text("id,a,b,y\n" + lines)
    assert main(["train", "t.csv", "--target", "y", "--set", "training.epochs=1", "-q"]) == 0
    found = "id: identifies rows\ny: 2 whole numbers, taken for classes\n"
    assert capsys.readouterr().err.startswith(found)


def test_archive_is_a_table_whatever_its_name(table, capsys):
    with ZipFile("archive.zip", "w") as archive:
        archive.writestr("t.csv", TABLE)
    assert main(["train", "archive.zip", "--target", "y", "--set", "training.epochs=1", "-q", "--out", "run"]) == 0
    assert main(["predict", "run", "archive.zip"]) == 0


def test_predict_reads_a_table_with_the_options_of_the_training(table, capsys):
    rows = "".join(f"{'-999' if k % 7 == 3 else k % 11},{'pqr'[k % 3]},{'uv'[k % 2]}\n" for k in range(60))
    (table / "t.csv").write_text("# of 2024\na,b,y\n" + rows)
    source = 'csv:path=t.csv,target=y,na_values=["-999"],comment="#"'
    assert main(["init", source, "-o", "e.toml"]) == 0
    assert main(["train", "e.toml", "--set", "training.epochs=1", "-q", "--out", "run"]) == 0
    capsys.readouterr()
    predictions = []
    for cell in ("-999", "5"):
        (table / "new.csv").write_text(f"# of 2025\na,b\n# first\n{cell},p\n")
        assert main(["predict", "run", "new.csv", "--keep", "a"]) == 0
        predictions.append(capsys.readouterr().out.splitlines()[1].split(",", 1))
    (table / "new.csv").write_text("a,b\n,p\n")
    assert main(["predict", "run", "new.csv"]) == 2  # an empty cell is a word here
    assert "new.csv:2: column 'a': expected a number, got ''" in capsys.readouterr().err
    assert [cell for cell, _ in predictions] == ["-999", "5"]
