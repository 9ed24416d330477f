"""Columns of a table that are no features: what identifies, weighs, groups and orders its rows; several targets."""

import json
from contextlib import nullcontext

import numpy as np
import pytest

from nnfw.cli.main import main
from nnfw.plugins import default_registry
from nnfw.runs import Access, open_run, prepare_run

WITHOUT = r"there is no column 'w' of weights, so all rows count the same\.$"
ROLES = ["--id", "visit", "--weight", "w", "--group", "patient", "--time", "day"]
TESTED = ["--set", "data.split.test=0.15"]


@pytest.fixture
def table(tmp_path, monkeypatch, rng):
    """Write a table of 90 visits into the current directory, and return how `nnfw` is called there."""
    monkeypatch.chdir(tmp_path)
    lines = ["visit,patient,day,w,size,kind,mass,cost"]
    for k, size in enumerate(rng.normal(size=90)):
        kind, mass, cost = "ab"[int(size + rng.normal() > 0)], 2 * size + rng.normal(), 100 - size + rng.normal()
        day = f"2024-{k % 12 + 1:02}-{k // 12 + 1:02}"
        lines.append(f"v{k},p{k % 15},{day},{k % 3},{size:.3f},{kind},{mass:.3f},{cost:.3f}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(*arguments):
    assert main([*arguments]) == 0


def trained(*options, out="run"):
    run("train", "t.csv", *options, "--set", "training.epochs=2", "-q", "--out", out)


def written(capsys):
    return capsys.readouterr().out.splitlines()


def test_roles_on_the_command_line_are_options_of_the_dataset(table, capsys):
    trained("--target", "kind", *ROLES, "--exclude", "cost", "--categorical", "patient")
    told = capsys.readouterr().err
    assert "The data has weights: examples count by them in the cost and metrics of every part.\n" in told
    source = open_run(table / "run", Access(default_registry())).experiment.data.source
    assert (source.target, source.id, source.weight, source.group, source.time) == (
        "kind",
        "visit",
        "w",
        "patient",
        "day",
    )
    assert (source.exclude, source.categorical) == (("cost",), ("patient",))
    made = prepare_run(table / "run", Access(default_registry()))
    assert [column.name for column in made.model.preprocessing.columns] == ["size", "mass"]
    assert json.loads((table / "run" / "record.json").read_text())["data"]["weighted"] is True
    run("report", "run")
    assert "Examples count by the weights of the data." in (table / "run" / "report.html").read_text()


def test_training_shows_what_the_columns_are_for(table, capsys):
    options = ["--target", "kind", "--target", "mass", *ROLES, "--exclude", "cost", "--set", "training.epochs=1"]
    run("train", "t.csv", *options, "--out", "run")
    lines = [line.split() for line in capsys.readouterr().err.splitlines()]
    hints = {
        line[0]: " ".join(line[-2:]) for line in lines if line and line[0] in ("visit", "patient", "day", "w", "mass")
    }
    assert hints == {
        "visit": "the id",
        "patient": "the group",
        "day": "the time",
        "w": "the weight",
        "mass": "the target",
    }
    (kind,) = (line for line in lines if line[:1] == ["kind"])
    assert kind[-4:] == ["the", "target:", "2", "classes"]


def test_leaks_of_each_target_of_one_output_are_told(table, capsys):
    text = (table / "t.csv").read_text().splitlines()
    lines = [f"{line},{line.split(',')[6]}" for line in text]
    (table / "t.csv").write_text("\n".join([f"{text[0]},copy", *lines[1:]]) + "\n")
    run(
        "train",
        "t.csv",
        "--target",
        "cost",
        "--target",
        "mass",
        "--exclude",
        "kind",
        "-q",
        "--set",
        "training.epochs=1",
    )
    assert "t.csv: column 'copy' determines the target exactly." in capsys.readouterr().err


def test_roles_need_a_table(table, capsys):
    (table / "e.toml").write_text("")
    assert main(["train", "e.toml", "--group", "patient"]) == 2
    assert "--group goes with a table; an experiment file names its own." in capsys.readouterr().err
    assert main(["init", "digits", "--weight", "w"]) == 2
    assert "weight is not an option." in capsys.readouterr().err


def test_weights_count_in_every_part_as_in_python(table):
    trained("--target", "mass", "--weight", "w", "--exclude", "cost", "--set", "data.target_transforms=[]")
    made = prepare_run(table / "run", Access(default_registry()))
    for name, part in made.parts.items():
        rows = part.rows
        assert part.weight[rows].tolist() == [float(row % 3) for row in rows]
        found = made.evaluate(name)
        y, weight = part.targets[0][rows], part.weight[rows]
        x = {each.name: array[rows] for each, array in zip(made.model.network.inputs, part.inputs, strict=True)}
        made.model.preprocessing = None
        expected = made.model.evaluate(x, y, cost="mse", metrics=["r2", "mae"], sample_weight=weight)
        assert {key: found[key] for key in expected} == pytest.approx(expected)


def test_evaluate_of_other_data_takes_its_weights_or_says_that_there_are_none(table, capsys):
    trained("--target", "mass", "--weight", "w", "--exclude", "cost")
    lines = [line.split(",") for line in (table / "t.csv").read_text().splitlines()]
    for name, kept in (("some.csv", [*range(8)]), ("none.csv", [0, 1, 2, 4, 5, 6, 7])):
        (table / name).write_text("\n".join(",".join(line[k] for k in kept) for line in lines) + "\n")
    lines = [lines[0], *(line for line in lines[1:] for _ in range(int(line[3])))]
    (table / "repeated.csv").write_text("\n".join(",".join(line[k] for k in kept) for line in lines) + "\n")
    capsys.readouterr()
    found = {}
    for name in ("some", "none", "repeated"):
        with nullcontext() if name == "some" else pytest.warns(RuntimeWarning, match=rf"^{name}\.csv: {WITHOUT}"):
            run("evaluate", "run", "--data", f"{name}.csv", "--json")
        found[name] = json.loads(capsys.readouterr().out)["data"]
    assert found["some"]["mae"] == pytest.approx(found["repeated"]["mae"], rel=1e-5)
    assert found["some"]["mae"] != pytest.approx(found["none"]["mae"], rel=1e-3)


def test_weights_of_a_part_that_are_all_0_are_refused(table, capsys):
    text = (table / "t.csv").read_text().splitlines()
    rows = [line.split(",") for line in text[1:]]
    ordered = sorted(rows, key=lambda row: row[2])
    lines = [[*row[:3], "0" if k > 70 else "1", *row[4:]] for k, row in enumerate(ordered)]
    (table / "t.csv").write_text("\n".join([text[0], *map(",".join, lines)]) + "\n")
    assert main(["train", "t.csv", "--target", "mass", "--weight", "w", "--time", "day", "--out", "run", *TESTED]) == 2
    assert "The weights of the test data are all 0, so none of its 14 examples counts. Change the split" in (
        capsys.readouterr().err
    )
    assert not (table / "run").exists()


def test_predict_repeats_what_identifies_rows(table, capsys):
    trained("--target", "kind", "--id", "visit", "--id", "patient")
    capsys.readouterr()
    run("predict", "run", "t.csv")
    first = written(capsys)
    assert first[0] == "visit,patient,label,probability_a,probability_b"
    assert first[1].startswith("v0,p0,")
    run("predict", "run", "t.csv", "--keep", "day")
    assert written(capsys)[0] == "day,label,probability_a,probability_b"
    run("predict", "run", "t.csv", "--keep", "")
    assert written(capsys)[0] == "label,probability_a,probability_b"
    (table / "new.csv").write_text((table / "t.csv").read_text().replace("visit", "number"))
    with pytest.warns(RuntimeWarning, match=r"^new\.csv: there is no column 'visit', so the predictions come without"):
        run("predict", "run", "new.csv")
    assert written(capsys)[0].startswith("patient,label,")


def test_newest_rows_of_whole_groups_are_held_out(table):
    trained("--target", "mass", "--group", "patient", "--time", "day", *TESTED)
    made = prepare_run(table / "run", Access(default_registry()))
    rows = {name: part.rows for name, part in made.parts.items()}
    groups = {name: set((own % 15).tolist()) for name, own in rows.items()}
    assert sum(map(len, groups.values())) == len(set().union(*groups.values())) == 15
    first = np.array([min((k % 12, k // 12) for k in range(90) if k % 15 == p) for p in range(15)])
    begin = first[:, 0] * 100 + first[:, 1]
    assert max(begin[[*groups["training"]]]) <= min(begin[[*groups["test"]]])


def test_targets_of_two_kinds_have_an_output_each(table, capsys):
    trained("--target", "kind", "--target", "mass", "--id", "visit", "--exclude", "cost", *TESTED)
    capsys.readouterr()
    run("predict", "run", "t.csv")
    lines = written(capsys)
    assert lines[0] == "visit,kind,kind_probability_a,kind_probability_b,mass"
    assert lines[1].split(",")[1] in ("a", "b")
    run("evaluate", "run", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["test"].keys() >= {"cost", "kind_cost", "mass_cost", "kind_accuracy", "mass_r2", "mass_mae"}
    assert found["baseline"]["test"].keys() >= {"kind_cost", "mass_r2"}
    run("evaluate", "run", "--data", "t.csv", "--json")
    assert json.loads(capsys.readouterr().out)["data"].keys() >= {"kind_accuracy", "mass_r2"}
    run("explain", "run", "--json")
    assert "mass_r2" in json.loads(capsys.readouterr().out)["columns"][0]["change"]
    assert main(["explain", "run", "--column", "size"]) == 2
    assert "The network has several outputs; a dependence needs one." in capsys.readouterr().err


def test_targets_that_are_numbers_have_one_output_with_their_names(table, capsys):
    trained("--target", "cost", "--target", "mass", "--exclude", "kind", "--id", "visit", *TESTED)
    made = prepare_run(table / "run", Access(default_registry()))
    assert made.model.output_shape == (2,)
    capsys.readouterr()
    run("predict", "run", "t.csv")
    lines = written(capsys)
    assert lines[0] == "visit,cost,mass"
    costs = [float(line.split(",")[1]) for line in lines[1:]]
    assert 90 < np.mean(costs) < 110
    run("evaluate", "run", "--json")
    own = json.loads(capsys.readouterr().out)["test"]
    run("evaluate", "run", "--data", "t.csv", "--json")
    assert json.loads(capsys.readouterr().out)["data"].keys() == own.keys()
    run("explain", "run", "--column", "size", "--json")
    assert json.loads(capsys.readouterr().out)[0]["means"].keys() == {"cost", "mass"}
    (table / "t.csv").write_text((table / "t.csv").read_text().replace("mass", "mas"))
    assert main(["evaluate", "run", "--data", "t.csv"]) == 2
    assert "t.csv: lacks the 2 columns of 'cost, mass'." in capsys.readouterr().err


def test_targets_of_one_output_are_transformed_together(table, capsys):
    run("init", "t.csv", "--target", "cost", "--target", "mass", "--exclude", "kind", "-o", "e.toml")
    change = 'data.target_transforms=[{ type = "standardize", columns = ["mass"] }]'
    assert main(["train", "e.toml", "--set", change]) == 2
    expected = (
        "names columns, but the targets cost, mass are the numbers of one output, which a transform changes togeth"
    )
    assert expected in capsys.readouterr().err


def test_targets_with_words_need_an_output_each(table, capsys):
    chosen = ["--target", "cost", "--target", "mass", "--exclude", "kind", "--exclude", "patient"]
    run("init", "t.csv", *chosen, "-o", "e.toml")
    assert main(["train", "e.toml", "--set", 'data.source.target=["cost", "kind"]']) == 2
    text = "The targets are cost, kind, and 'kind' holds words or more than a number for each example, so they cannot"
    assert text in capsys.readouterr().err


def test_tables_of_other_formats_have_the_same_roles(table, capsys):
    lines = [line.split(",") for line in (table / "t.csv").read_text().splitlines()]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    numbers = ("w", "size", "mass", "cost")
    rows = [{key: float(cell) if key in numbers else cell for key, cell in row.items()} for row in rows]
    (table / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = []
    for name, out in (("t.csv", "one"), ("t.jsonl", "two")):
        run("train", name, "--target", "kind", *ROLES, "--set", "training.epochs=1", "-q", "--out", out)
        capsys.readouterr()
        run("predict", out, name)
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    (table / "t.jsonl").write_text((table / "t.jsonl").read_text().replace('"w": 2.0', '"w": -2.0', 1))
    assert main(["train", "t.jsonl", "--target", "kind", *ROLES]) == 2
    assert "t.jsonl: row 3: column 'w': a weight must be 0 or more, got -2. Correct it." in capsys.readouterr().err


def test_evaluate_of_other_data_leaves_out_rows_as_the_training_does(table, capsys):
    trained("--target", "mass", "--exclude", "cost", "--set", 'data.source.drop_missing=["mass"]')
    header, *lines = (table / "t.csv").read_text().splitlines()
    cells = [line.split(",") for line in lines]
    (table / "whole.csv").write_text("\n".join([header, *lines[1:]]) + "\n")
    cells[0][header.split(",").index("mass")] = ""
    (table / "gaps.csv").write_text("\n".join([header, *map(",".join, cells)]) + "\n")
    capsys.readouterr()
    found = []
    for name in ("whole", "gaps"):
        told = pytest.warns(RuntimeWarning, match=r"^gaps\.csv: a row without mass left out\.$")
        with nullcontext() if name == "whole" else told:
            run("evaluate", "run", "--data", f"{name}.csv", "--json")
        found.append(json.loads(capsys.readouterr().out)["data"])
    assert found[0] == found[1]


def test_targets_of_one_output_have_their_own_units(table, capsys):
    trained("--target", "mass", "--target", "cost", "--exclude", "kind")
    told = "Metrics of 'mass', 'cost' are in their units; the cost is that after standardize."
    assert told in capsys.readouterr().out.splitlines()
