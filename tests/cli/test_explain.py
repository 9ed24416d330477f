"""nnfw explain: what it prints."""

import json

import pytest


@pytest.fixture(scope="module")
def mass(tmp_path_factory):
    """Return the directory of a short run on a table."""
    from nnfw.cli.main import main

    path = tmp_path_factory.mktemp("explain") / "mass"
    command = ["train", "examples/penguins-mass.toml", "--set", "training.epochs=5", "--out", str(path), "--quiet"]
    assert main(command) == 0
    return str(path)


def test_explain_ranks_the_columns(nnfw, mass):
    lines = nnfw("explain", mass, "--repeats", "2").out.splitlines()
    assert lines[0].split() == ["test", "data", "cost", "r2", "mae", "spread", "of", "cost"]
    assert lines.pop() == "Metrics of 'body_mass_g' are in its unit; the cost is that after standardize."
    changes = [float(line.split()[1]) for line in lines[1:]]
    assert len(changes) == 6
    assert changes == sorted(changes, reverse=True)
    table = json.loads(nnfw("explain", mass, "--repeats", "2", "--json").out)
    assert table["part"] == "test"
    assert [each["column"] for each in table["columns"]] == [line.split()[0] for line in lines[1:]]


def test_results_say_which_figure_has_which_unit(nnfw, mass, tmp_path):
    told = "Metrics of 'body_mass_g' are in its unit; the cost is that after standardize."
    for further in ((), ("--data", "examples/penguins.csv")):
        assert told in nnfw("evaluate", mass, *further).out.splitlines()
        assert json.loads(nnfw("evaluate", mass, *further, "--json").out)["unit"] == told
    assert nnfw("report", mass, "--output", str(tmp_path / "page.html")).status == 0
    assert told in (tmp_path / "page.html").read_text().replace("&#x27;", "'").replace("&#39;", "'")
    again = ["train", "examples/penguins-mass.toml", "--set", "training.epochs=1", "--out", str(tmp_path / "run")]
    assert told in nnfw(*again).out.splitlines()
    again[-1] = str(tmp_path / "second")
    assert json.loads(nnfw(*again, "--json").out)["unit"] == told
    folds = nnfw("evaluate", str(tmp_path / "run"), "--cross-validation", "2").out.splitlines()
    assert told in folds


def test_explain_shows_the_dependence_on_a_column(nnfw, mass):
    lines = nnfw("explain", mass, "--column", "sex").out.splitlines()
    assert lines[0] == "mean prediction by sex"
    assert lines[1].split() == ["sex", "body_mass_g"]
    assert [line.split()[0] for line in lines[2:]] == ["female", "male"]
    (found,) = json.loads(nnfw("explain", mass, "--column", "sex", "--json").out)
    assert found["values"] == ["female", "male"]
    assert 3000 < found["means"]["body_mass_g"][0] < 6000


def test_explain_of_an_unknown_column_is_refused(nnfw, mass):
    result = nnfw("explain", mass, "--column", "weight")
    assert (result.status, result.out) == (2, "")
    assert "The model takes no column 'weight'." in result.err
