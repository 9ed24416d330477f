"""The parts of the benchmark of tables, on tables made here; it needs none of the libraries that it compares."""

import argparse
import json
import math
import operator
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture
def tables(monkeypatch):
    """Return the modules that need no other library."""
    monkeypatch.syspath_prepend(str(HERE))
    from tables import catalogue, contenders, data, report, results, scores
    from tables.peers import baseline, own

    modules = (catalogue, contenders, data, report, results, scores, baseline, own)
    return {module.__name__.rpartition(".")[2]: module for module in modules}


def words(*values):
    return np.array(values, object)


@pytest.fixture
def fruits(rng):
    """Return a table of two classes, 30 and 70 rows, with words and missing values."""
    weights = rng.normal(size=100)
    weights[3] = np.nan
    colours = words(*["red", "green", None, "red"] * 25)
    return {"weight": weights, "colour": colours, "fruit": words(*["apple"] * 30, *["pear"] * 70)}


# --- rows ---------------------------------------------------------------------------------------------------------


def test_split_tests_one_row_in_five_of_each_class(tables, fruits):
    train, test = tables["data"].split(fruits, "fruit", "classification", 0)
    assert {label: list(test["fruit"]).count(label) for label in ("apple", "pear")} == {"apple": 6, "pear": 14}
    assert len(train["fruit"]) == 80


def test_split_uses_each_row_once_and_each_number_other_rows(tables):
    columns = {"row": np.arange(50.0), "y": np.arange(50.0)}
    tests = []
    for number in range(3):
        train, test = tables["data"].split(columns, "y", "regression", number)
        assert sorted([*train["row"], *test["row"]]) == list(range(50))
        tests.append(tuple(test["row"]))
    assert len(set(tests)) == 3
    assert tuple(tables["data"].split(columns, "y", "regression", 2)[1]["row"]) == tests[2]


def test_rows_without_a_target_are_left_out(tables):
    columns = {"x": np.arange(3.0), "y": words("a", None, "b")}
    assert list(tables["data"].prepared(columns, "y")["x"]) == [0, 2]


def test_large_table_is_a_sample_in_its_order_always_the_same(tables, monkeypatch):
    monkeypatch.setattr(tables["data"], "MOST_ROWS", 10)
    columns = {"y": np.arange(1000.0)}
    sample = tables["data"].prepared(columns, "y")["y"]
    assert len(sample) == 10
    assert list(sample) == sorted(sample)
    assert list(sample) == list(tables["data"].prepared(columns, "y")["y"])


def test_column_of_pandas_is_numbers_or_words(tables):
    class Series(list):
        def __init__(self, values, dtype):
            super().__init__(values)
            self.dtype = np.dtype(dtype)

        def to_numpy(self, dtype):
            return np.array(self, dtype)

    column = tables["catalogue"].column
    assert column(Series([1, 2], "int64")).dtype == np.float64
    assert list(column(Series(["a", math.nan, None, True], object))) == ["a", None, None, "True"]


# --- scores -------------------------------------------------------------------------------------------------------


def test_log_loss_is_that_of_its_formula(tables):
    prediction = tables["data"].Prediction(np.array([[0.25, 0.75], [0.5, 0.5]]), ("b", "a"))
    expected = -(math.log(0.75) + math.log(0.5)) / 2
    assert tables["scores"].score(words("a", "b"), prediction, "classification", 1.0) == {"log_loss": expected}


def test_log_loss_of_a_class_that_is_not_known_is_that_of_the_smallest_probability(tables):
    prediction = tables["data"].Prediction(np.array([[1.0]]), ("a",))
    loss = tables["scores"].log_loss(words("c"), prediction)
    assert loss == pytest.approx(-math.log(2.0**-23))


def test_rmse_is_also_in_standard_deviations_of_the_target(tables):
    prediction = tables["data"].Prediction(np.array([1.0, 5.0]))
    found = tables["scores"].score(np.array([1.0, 1.0]), prediction, "regression", 4.0)
    assert found == {"rmse": pytest.approx(math.sqrt(8)), "scaled": pytest.approx(math.sqrt(8) / 4)}


@pytest.mark.parametrize(
    ("kind", "values", "classes", "message"),
    [
        ("regression", [1.0], (), r"expected numbers of 2 rows, got shape \(1,\)"),
        ("regression", [[0.5, 0.5]] * 2, ("a", "b"), r"expected numbers of 2 rows, got shape \(2, 2\)"),
        ("classification", [1.0, 0.0], (), r"expected probabilities of classes of 2 rows, got shape \(2,\)"),
        ("regression", [1.0, math.nan], (), "expected finite predictions, got NaN or infinity"),
    ],
    ids=["too-few", "classes", "numbers", "not-finite"],
)
def test_predictions_that_cannot_be_judged_are_refused(tables, kind, values, classes, message):
    prediction = tables["data"].Prediction(np.array(values), classes)
    with pytest.raises(ValueError, match=message):
        tables["scores"].score(np.zeros(2), prediction, kind, 1.0)


# --- contenders ---------------------------------------------------------------------------------------------------


def job(tables, columns, target, kind, module="baseline", splits=(0, 1)):
    return tables["contenders"].Job(module, columns, target, kind, 2.0, splits)


def test_contender_in_its_own_process_gives_figures_of_each_split(tables, fruits):
    found = dict(tables["contenders"].figures(job(tables, fruits, "fruit", "classification"), 60))
    entropy = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    assert [figures["log_loss"] for figures in found.values()] == [pytest.approx(entropy)] * 2
    assert all(figures["seconds"] >= 0 for figures in found.values())


def test_contender_that_fails_says_why_and_goes_on_with_the_next_split(tables, fruits):
    found = dict(tables["contenders"].figures(job(tables, fruits, "fruit", "regression"), 60))
    assert list(found) == [0, 1]
    assert all(figures["failed"].startswith("TypeError: ") for figures in found.values())


def test_contender_that_takes_too_long_is_ended(tables, fruits):
    found = dict(tables["contenders"].figures(job(tables, fruits, "fruit", "classification"), 0))
    assert found == {0: {"failed": "it took more than 0 seconds"}}


def test_contender_whose_process_ends_early_has_failed(tables, fruits, monkeypatch):
    monkeypatch.setattr(tables["contenders"], "serve", operator.is_not)  # takes the arguments, and sends nothing
    found = dict(tables["contenders"].figures(job(tables, fruits, "fruit", "classification"), 60))
    assert found == {0: {"failed": "its process ended with status 0"}}


def test_contender_that_is_not_installed_names_what_is_missing(tables):
    absent = tables["contenders"].Contender("absent", "absent", ("nnfw", "no-such-distribution"))
    assert absent.missing == ["no-such-distribution"]
    assert re.fullmatch(r"nnfw \S+, no-such-distribution None", absent.versions)


# --- nnfw ---------------------------------------------------------------------------------------------------------


def test_table_is_written_as_people_write_it(tables, tmp_path):
    path = tmp_path / "table.csv"
    tables["own"].write(path, {"n": np.array([1.0, math.nan, 0.1]), "w": words('a "b", c', None, "é")})
    assert path.read_text("utf-8").splitlines() == ["n,w", '1,"a ""b"", c"', ",", "0.1,é"]


def test_probabilities_belong_to_the_classes_that_their_names_stand_for(tables):
    text = "label,probability_1,probability_0\n1,0.75,0.25\n"
    prediction = tables["own"].read(text, np.array([0.0, 1.0]))
    assert prediction.classes == (1.0, 0.0)
    assert prediction.values.tolist() == [[0.75, 0.25]]


def test_predictions_of_a_regression_are_numbers(tables):
    assert tables["own"].read("price\n1.5\n-2\n", np.zeros(3)).values.tolist() == [1.5, -2.0]


def test_nnfw_trains_a_table_and_predicts_other_rows(tables, fruits):
    fruits["weight"] += np.where(fruits["fruit"] == "pear", 10, 0)
    train, test = tables["data"].split(fruits, "fruit", "classification", 0)
    y = test.pop("fruit")
    task = tables["data"].Task(train, "fruit", "classification", 0, ("training.epochs=20", "training.batch_size=8"))
    assert tables["scores"].log_loss(y, tables["own"].fit(task)(test)) < 0.3


def test_nnfw_trains_with_the_settings_of_the_task(tables, fruits):
    task = tables["data"].Task(fruits, "fruit", "classification", 0, ("training.epochs=-1",))
    with pytest.raises(RuntimeError, match=r"nnfw train: .*training\.epochs.*-1"):
        tables["own"].fit(task)


def test_nnfw_that_fails_is_quoted(tables, tmp_path):
    with pytest.raises(RuntimeError, match="nnfw train: .*absent.toml"):
        tables["own"].run("train", "absent.toml", folder=tmp_path)


# --- results ------------------------------------------------------------------------------------------------------


def result(table, contender, split, **figures):
    key = {"table": table, "contender": contender, "split": split}
    return {**key, "seconds": 1.0, "rows": 100, "features": 2, "versions": "nnfw 1", **figures}


def test_results_are_read_again_and_the_last_line_counts(tables, tmp_path):
    path = tmp_path / "results.jsonl"
    results = tables["results"].Results(path)
    for rmse in (1.0, 2.0):
        results.add(result("cars", "nnfw", 0, rmse=rmse))
    results.add(result("cars", "nnfw", 1, failed="why"))
    again = tables["results"].Results(path)
    assert dict(again) == dict(results)
    assert again["cars", "nnfw", 0]["rmse"] == 2.0
    assert [again.lacks(("cars", "nnfw", k)) for k in range(3)] == [False, True, True]


def test_results_go_on_after_a_line_that_was_cut_off(tables, tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(result("cars", "nnfw", 0)) + '\n{"table": "ca', "utf-8")
    tables["results"].Results(path).add(result("cars", "nnfw", 1))
    assert list(tables["results"].Results(path)) == [("cars", "nnfw", 0), ("cars", "nnfw", 1)]


def filled(tables, tmp_path):
    """Return results of three tables and three contenders; `mlp` failed on one."""
    results = tables["results"].Results(tmp_path / "results.jsonl")
    for split in range(2):
        for name, loss in {"nnfw": 0.1, "mlp": 0.3, "baseline": 0.3}.items():
            results.add(result("wine", name, split, log_loss=loss + split / 5))
        for name, rmse in {"nnfw": 40.0, "mlp": 20.0, "baseline": 80.0}.items():
            results.add(result("diabetes", name, split, rmse=rmse, scaled=rmse / 80))
        for name in ("nnfw", "baseline"):
            results.add(result("fair", name, split, log_loss=0.5))
        results.add(result("fair", "mlp", split, failed="too long"))
    return results


def test_report_has_ranks_means_and_each_table(tables, tmp_path):
    names = ["nnfw", "mlp", "baseline"]
    chosen = [tables["catalogue"].TABLES[name] for name in ("wine", "diabetes", "fair")]
    page = tables["report"].markdown(filled(tables, tmp_path), chosen, names, 2)
    assert {table.half for table in chosen} == {"tune"}
    assert "| mean rank (3) | log loss (1) | RMSE in standard deviations (1) | seconds of CPU time (2) |" in page
    assert "\n| nnfw | 1.50 | 0.2000 | 0.5000 | 1.0 |" in page
    assert "\n| MLP of scikit-learn | 2.17 | 0.4000 | 0.2500 | 1.0 |" in page
    assert "\n| class shares or mean | 2.33 | 0.4000 | 1.0000 | 1.0 |" in page
    assert "\n| wine | 100 × 2 | log loss | **0.200** (1.0) | 0.400 (1.0) | 0.400 (1.0) |" in page
    assert "\n| diabetes | 100 × 2 | RMSE | 40.0 (1.0) | **20.0** (1.0) | 80.0 (1.0) |" in page
    assert "\n| fair | 100 × 2 | log loss | **0.500** (1.0) | failed | **0.500** (1.0) |" in page
    assert page.endswith("Failed:\n\n- MLP of scikit-learn on fair: too long\n")


def test_report_counts_no_table_that_is_not_measured_whole(tables, tmp_path):
    chosen = [tables["catalogue"].TABLES["wine"]]
    page = tables["report"].markdown(filled(tables, tmp_path), chosen, ["nnfw", "realmlp"], 2)
    assert "| mean rank (0) | log loss (0) |" in page
    assert "\n| wine | 100 × 2 | log loss | **0.200** (1.0) | – |" in page


def test_report_has_the_halves_apart(tables, tmp_path):
    results = tables["results"].Results(tmp_path / "results.jsonl")
    chosen = [tables["catalogue"].TABLES[name] for name in ("wine", "jobs")]
    for table in chosen:
        results.add(result(table.name, "nnfw", 0, log_loss=1.0))
    page = tables["report"].markdown(results, chosen, ["nnfw"], 1)
    tune, report = page.split("### Tables that settings were not chosen by")
    assert "\n| wine |" in tune
    assert "\n| jobs |" in report
    assert "| jobs |" not in tune


# --- the tables and the command -----------------------------------------------------------------------------------


def test_catalogue_has_twenty_tables_and_each_half_both_kinds(tables):
    catalogue = tables["catalogue"].TABLES
    assert len(catalogue) >= 20
    assert {(table.half, table.kind) for table in catalogue.values()} == {
        (half, kind) for half in ("tune", "report") for kind in ("classification", "regression")
    }
    assert all(name == table.name and table.licence and table.package for name, table in catalogue.items())


def test_run_measures_what_the_file_lacks(tables, fruits, tmp_path, capsys):
    from tables.__main__ import measure

    class Made(tables["catalogue"].Table):
        def columns(self):
            return fruits

    table = Made("fruits", "none", None, "fruit", "classification", "none")
    absent = tables["contenders"].Contender("absent", "absent", ("no-such-distribution",))
    contenders = {"absent": absent, "shares": tables["contenders"].CONTENDERS["baseline"]}
    path = tmp_path / "results.jsonl"
    for splits, again in ((1, False), (2, False), (1, True)):
        chosen = argparse.Namespace(splits=splits, again=again, limit=60, set=[])
        measure(chosen, [table], contenders, tables["results"].Results(path))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(line["table"], line["contender"], line["split"]) for line in lines] == [
        ("fruits", "shares", 0),
        ("fruits", "shares", 1),
        ("fruits", "shares", 0),
    ]
    assert all(line["rows"] == 100 and line["features"] == 2 and "log_loss" in line for line in lines)
    assert "absent is left out; not installed: no-such-distribution" in capsys.readouterr().err


def run(*arguments, folder=HERE):
    program = [sys.executable, "-m", "tables", *arguments]
    return subprocess.run(program, capture_output=True, encoding="utf-8", check=False, cwd=folder)


def test_command_lists_tables_with_their_licences():
    result = run("--list", "wine", "fair")
    assert result.stdout.splitlines()[2:] == [
        "| wine | scikit-learn | target | classification | tune |  | CC BY 4.0 |",
        "| fair | statsmodels | affairs | classification | tune |  | by permission of the author |",
    ]


def test_command_shows_what_a_file_has(tables, tmp_path):
    filled(tables, tmp_path)
    result = run("--show", "wine", "--splits", "2", "--results", str(tmp_path / "results.jsonl"))
    assert result.returncode == 0, result.stderr
    assert "\n| wine | 100 × 2 | log loss | **0.200** (1.0) | 0.400 (1.0) | 0.400 (1.0) |" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wines",), "there is no table wines; there are breast_cancer, wine, diabetes"),
        (("--splits", "0"), "--splits must be 1 or more, got 0"),
        (("--set", "seed=1"), "--set needs --as NAME"),
    ],
    ids=["table", "splits", "set"],
)
def test_command_refuses_what_means_nothing(arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
