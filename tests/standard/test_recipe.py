import tomllib

import numpy as np
import pytest

import nnfw
from nnfw.errors import DataError
from nnfw.experiments import ExperimentFile, check_experiment
from nnfw.runs import train
from nnfw.toml import apply_overrides, parse

REGISTRY = nnfw.Registry.discover()


def recipe(folder, text, target="y", **options):
    (folder / "t.csv").write_text(text)
    return nnfw.dataset("csv", path="t.csv", target=target, **options).recipe(folder)


def messy(rows=120, classes=("u", "v")):
    """Return a table with all that a recipe decides on, whose target follows from two of its columns."""
    rng = np.random.default_rng(0)
    lines = [";id;day;size;rooms;city;y"]
    for k in range(rows):
        size, city = rng.normal(), rng.choice(["Oslo", "Bern"])
        label = classes[int(size + (city == "Oslo") > 0.5)]
        shown = "" if k % 10 == 3 else f"{size:.3f}".replace(".", ",")
        lines.append(f"{k};x{k};2020-01-{k % 28 + 1:02};{shown};{k % 3};{city if k != 7 else 'Rome'};{label}")
    return "\n".join(lines) + "\n"


def test_recipe_of_a_messy_table_is_an_experiment_that_learns(tmp_path):
    text = recipe(tmp_path, messy())
    table = tomllib.loads(text)
    assert table["data"]["source"] == {"type": "csv", "path": "t.csv", "target": "y", "exclude": ["id"]}
    assert table["data"]["split"]["stratify"] is True
    assert table["data"]["transforms"][0] == {"type": "fill", "by": "median", "indicator": True, "columns": ["size"]}
    assert table["data"]["transforms"][1:] == [
        {"type": "fill", "by": "median", "columns": ["rooms", "city"]},
        {"type": "fill", "by": "most_frequent", "columns": ["day"]},
        {"type": "date", "parts": ["elapsed", "month", "weekday"], "columns": ["day"]},
        {"type": "index", "columns": ["city"]},
        {"type": "standardize", "columns": ["size", "rooms", "day"]},
    ]
    assert table["data"]["inputs"] == {"categories": ["city"], "numbers": ["size", "rooms", "day"]}
    assert table["model"]["layers"][0]["counts"] == [4]
    assert "# id: nearly all different\nsource = " in text
    document = apply_overrides(parse(text, "recipe"), ["training.epochs=40"])
    run = train(ExperimentFile(check_experiment(document, REGISTRY), document, tmp_path), REGISTRY, tmp_path / "run")
    assert run.results["validation"]["accuracy"] > 0.7


def test_recipe_of_numbers_is_a_regression_in_standardized_units(tmp_path):
    table = tomllib.loads(recipe(tmp_path, "a,y\n" + "".join(f"{k % 7},{k * 0.5}\n" for k in range(40))))
    assert table["data"]["target_transforms"] == ["standardize"]
    assert (table["cost"]["type"], table["model"]["layers"][-1]["units"]) == ("mse", 1)
    assert "inputs" not in table["data"]
    assert table["training"]["metrics"] == ["r2", "mae"]


def test_recipe_takes_few_whole_numbers_for_classes_and_says_so(tmp_path):
    text = recipe(tmp_path, "a,y\n" + "".join(f"{k * 0.5},{k % 3 + 1}\n" for k in range(60)))
    assert "# y: 3 whole numbers, taken for classes\n" in text
    table = tomllib.loads(text)
    assert table["data"]["source"]["categorical"] == ["y"]
    assert (table["cost"]["type"], table["model"]["layers"][-1]["units"]) == ("cross_entropy", 3)


def test_recipe_of_words_alone_has_no_numbers(tmp_path):
    table = tomllib.loads(recipe(tmp_path, "a,y\n" + "p,u\nq,v\np,u\n" * 5))
    assert table["data"]["inputs"] == {"categories": ["a"]}
    assert [layer["type"] for layer in table["model"]["layers"]][:2] == ["category_embedding", "dense"]
    assert "stratify" not in table["data"]["split"]


def test_recipe_of_targets_of_two_kinds_has_an_output_for_each(tmp_path):
    rows = "".join(f"{a},{b},{y}\n" for a, b, y in random_rows())
    table = tomllib.loads(recipe(tmp_path, "x,mass,a b\n" + rows, ("a b", "mass")))
    assert table["data"]["targets"] == {"a_b": "a b", "mass": "mass"}
    assert table["model"]["outputs"] == ["a_b", "mass"]
    assert table["data"]["target_transforms"] == ["standardize"]
    layers = {layer.get("name"): layer for layer in table["model"]["layers"]}
    assert (layers["a_b"]["units"], layers["a_b"]["activation"]) == (2, "softmax")
    assert layers["mass"]["units"] == 1
    assert layers["a_b"]["inputs"] == layers["mass"]["inputs"] == ["hidden"]
    assert {name: own["type"] for name, own in table["cost"].items()} == {"a_b": "cross_entropy", "mass": "mse"}
    assert table["training"]["metrics"] == {"a_b": ["accuracy"], "mass": ["r2", "mae"]}


def test_recipe_of_targets_with_taken_names_numbers_the_outputs(tmp_path):
    text = "a,hidden,1st\n" + "".join(f"{k * 0.5},{'uv'[k % 2]},{'pq'[k % 3 > 1]}\n" for k in range(40))
    table = tomllib.loads(recipe(tmp_path, text, ("hidden", "1st")))
    assert table["data"]["targets"] == {"target_1_hidden": "hidden", "target_2_1st": "1st"}


def test_recipe_of_several_numbers_has_one_output(tmp_path):
    text = "a,y,z\n" + "".join(f"{k % 7},{k * 0.5},{k * 0.25 % 3}\n" for k in range(40))
    table = tomllib.loads(recipe(tmp_path, text, ("y", "z")))
    assert "targets" not in table["data"]
    assert (table["model"]["layers"][-1]["units"], table["cost"]["type"]) == (2, "mse")


def test_recipe_of_columns_of_0_and_1_has_one_output_of_labels(tmp_path):
    text = "a,red,green\n" + "".join(f"{k % 7},{k % 2},{int(k % 3 == 0)}\n" for k in range(60))
    found = recipe(tmp_path, text, ("red", "green"))
    table = tomllib.loads(found)
    assert "# red, green: labels, of which a row may have several\n" in found
    assert "categorical" not in table["data"]["source"]
    assert "target_transforms" not in table["data"]
    last = table["model"]["layers"][-1]
    assert (last["units"], last["activation"], table["cost"]["type"]) == (2, "sigmoid", "binary_cross_entropy")
    f1 = {"type": "f1", "multilabel": True, "average": "micro"}
    assert table["training"]["metrics"] == ["exact_match", f1]


def test_recipe_splits_by_group_and_time(tmp_path):
    options = {"id": "id", "group": "city", "time": "day", "exclude": ["rooms"]}
    text = recipe(tmp_path, messy(), **options)
    table = tomllib.loads(text)
    assert {name: table["data"]["source"][name] for name in options} == options
    assert table["data"]["split"] == {"validation": 0.15, "test": 0.0}
    assert " The newest rows, by day, are held out. Rows of one city stay together.\n" in text
    assert "inputs" not in table["data"]


def test_recipe_takes_long_numbers_for_a_time_and_not_for_codes(tmp_path):
    rows = "".join(f"{k * 0.5},{1700000000000000007 + k % 5 * 10**12},{'uv'[k % 2]}\n" for k in range(60))
    source = tomllib.loads(recipe(tmp_path, "a,at,y\n" + rows, time="at"))["data"]["source"]
    assert source == {"type": "csv", "path": "t.csv", "target": "y", "time": "at"}
    dataset = nnfw.dataset(source.pop("type"), **source)
    with pytest.warns(RuntimeWarning, match=r"column 'at': 1700000000000000007 is rounded"):
        examples = dataset.load(tmp_path)
    assert len(np.unique(examples.time)) == 5


def test_recipe_keeps_the_options_of_the_dataset(tmp_path):
    text = messy().replace(",", ".").replace(";", "|")
    source = tomllib.loads(recipe(tmp_path, text, features=["size", "id"], delimiter="|", exclude=["day"]))["data"][
        "source"
    ]
    options = {"features": ["size", "id"], "delimiter": "|", "exclude": ["day"]}
    assert source == {"type": "csv", "path": "t.csv", "target": "y", **options}


def test_recipe_grows_with_the_table(tmp_path):
    table = tomllib.loads(recipe(tmp_path, "a,y\n" + "".join(f"{k % 7},{k * 0.5}\n" for k in range(20_000))))
    waves, hidden = table["model"]["layers"][:2]
    assert waves == {"name": "waves", "type": "periodic", "frequencies": 16, "width": 4}
    assert hidden["units"] == 256
    assert (table["training"]["batch_size"], table["training"]["epochs"]) == (256, 50)
    assert table["data"]["split"] == {"validation": 0.15, "test": 0.1}
    assert table["data"]["transforms"][-1] == {"type": "quantile", "to": "normal"}


def test_recipe_of_words_and_numbers_makes_waves_of_the_numbers_alone(tmp_path):
    rows = "".join(f"{'uvw'[k % 3]},{k % 7},{k * 0.5}\n" for k in range(3_000))
    layers = tomllib.loads(recipe(tmp_path, "word,a,y\n" + rows))["model"]["layers"]
    assert layers[1]["inputs"] == ["numbers"]
    assert layers[2] == {"type": "concatenate", "inputs": ["vectors", "waves"]}
    wide = ",".join(f"a{k}" for k in range(101))
    many = f"{wide},y\n" + "".join(",".join(str(k % (j + 2)) for j in range(102)) + "\n" for k in range(3_000))
    assert tomllib.loads(recipe(tmp_path, many))["model"]["layers"][0]["type"] == "dense"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,u\n2,\n3,u\n", r"^t\.csv: the target 'y' is always the same, so there is nothing to learn\.$"),
        ("a,y\n1,u\n2,u\n", r"^t\.csv: the target 'y' is always the same, so there is nothing to learn\.$"),
        ("a,y\nNA,u\n,v\n", r"^t\.csv: no column is left to learn from\. Its columns: a, y\.$"),
    ],
    ids=["missing and constant target", "constant target", "no feature"],
)
def test_recipe_of_a_table_without_anything_to_learn_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        recipe(tmp_path, text)


def told_by_recipe(folder, text, **options):
    """Return the comments about columns."""
    lines = recipe(folder, text, **options).partition("[data]\n")[2].partition("split = ")[0].splitlines()
    return [line.removeprefix("# ") for line in lines if line.startswith("# ")][:-1]


def random_rows(rows=60):
    """Return rows of a, b and y of which none tells the others."""
    rng = np.random.default_rng(3)
    return [
        (f"{a:.3f}", f"{b:.3f}", "uv"[int(y)])
        for a, b, y in zip(*rng.normal(size=(2, rows)), rng.random(rows) < 0.5, strict=True)
    ]


def test_recipe_says_a_copy_of_the_target_and_of_thresholds_between_classes(tmp_path):
    copied = "a,b,copy,y\n" + "".join(f"{a},{b},{y * 2},{y}\n" for a, b, y in random_rows())
    advice = "If it is not known before the target is, exclude it: exclude = "
    assert told_by_recipe(tmp_path, copied) == [f"column 'copy' determines the target exactly. {advice}[\"copy\"]."]
    by_class = sorted(random_rows(), key=lambda row: row[2])
    numbered = "a,n,y\n" + "".join(f"{a},{3 * k + 5},{y}\n" for k, (a, _, y) in enumerate(by_class))
    assert told_by_recipe(tmp_path, numbered) == [f"column 'n' determines the target exactly. {advice}[\"n\"]."]


@pytest.mark.parametrize("scale", [1.0, -2.0])
def test_recipe_says_a_number_that_is_the_target_in_another_unit(tmp_path, scale):
    text = "a,b,y\n" + "".join(f"{a},{float(b) * scale},{b}\n" for a, b, _ in random_rows())
    (told,) = told_by_recipe(tmp_path, text)
    assert told.startswith("column 'b' determines the target exactly.")


def test_recipe_says_which_numbers_it_cannot_read(tmp_path):
    text = "a,b,y\n" + "".join(f"${a},{b},{y}\n" for a, b, y in random_rows())
    (told,) = told_by_recipe(tmp_path, text)
    assert told == "a: looks like numbers: write them as 1234.5, without currencies and units"


def test_recipe_is_the_same_whatever_the_order_of_rows(tmp_path):
    rows = [f"{k + 1},{a},{b},0{k % 5},{y}\n" for k, (a, b, y) in enumerate(random_rows())]
    shuffled = [rows[k] for k in np.random.default_rng(1).permutation(len(rows))]
    ordered = recipe(tmp_path, "id,a,b,code,y\n" + "".join(rows))
    assert "# id: identifies rows\n" in ordered
    assert recipe(tmp_path, "id,a,b,code,y\n" + "".join(shuffled)) == ordered


def test_recipe_of_a_name_of_two_lines_is_an_experiment(tmp_path):
    text = '"i\nd",a,y\n' + "".join(f"x{k},{a},{y}\n" for k, (a, _, y) in enumerate(random_rows()))
    assert tomllib.loads(recipe(tmp_path, text))["data"]["source"]["exclude"] == ["i\nd"]


def test_recipe_reads_dates_as_they_are_written_with_their_hours(tmp_path):
    text = "a,when,bad,y\n" + "".join(
        f"{a},{k % 28 + 1}.{k % 12 + 1}.2020 {k % 24}:30,{k % 12 + 1}/{k % 12 + 1}/2020,{y}\n"
        for k, (a, _, y) in enumerate(random_rows())
    )
    found = recipe(tmp_path, text)
    assert "# bad: dates, but day and month cannot be told apart; correct them, or use the transform date\n" in found
    date = next(each for each in tomllib.loads(found)["data"]["transforms"] if each["type"] == "date")
    parts = ["elapsed", "month", "weekday", "hour"]
    assert date == {"type": "date", "parts": parts, "formats": ["%d.%m.%Y %H:%M"], "columns": ["when"]}
    assert "inputs" not in tomllib.loads(found)["data"]


@pytest.mark.parametrize(("codes", "source"), [(4, {"categorical": ["zip"]}), (60, {"exclude": ["zip"]})])
def test_recipe_takes_codes_for_words_unless_they_are_all_different(tmp_path, codes, source):
    text = "a,zip,y\n" + "".join(f"{a},0{k % codes}7,{y}\n" for k, (a, _, y) in enumerate(random_rows()))
    found = recipe(tmp_path, text)
    reason = "codes, taken for words" if codes == 4 else "nearly all different"
    assert f"# zip: {reason}\n" in found
    table = tomllib.loads(found)
    assert table["data"]["source"] == {"type": "csv", "path": "t.csv", "target": "y", **source}
    assert (codes == 60) or table["model"]["layers"][0]["counts"] == [5]


def test_recipe_leaves_a_date_that_the_user_calls_a_category_one(tmp_path):
    text = "a,day,y\n" + "".join(f"{a},2020-01-{k % 3 + 1:02},{y}\n" for k, (a, _, y) in enumerate(random_rows()))
    table = tomllib.loads(recipe(tmp_path, text, categorical=["day"]))
    assert table["data"]["inputs"] == {"categories": ["day"], "numbers": ["a"]}


def test_recipe_leaves_rows_without_a_target_out(tmp_path):
    rows = [f"{a},{b if k % 9 else ''}\n" for k, (a, b, _) in enumerate(random_rows())]
    text = recipe(tmp_path, "a,y\n" + "".join(rows))
    assert text.startswith("# t.csv: 53 rows. ")
    assert "# y: rows without it are left out\n" in text
    source = {"type": "csv", "path": "t.csv", "target": "y", "drop_missing": ["y"]}
    assert tomllib.loads(text)["data"]["source"] == source


@pytest.mark.parametrize(("header", "kept"), [("a,y", [0, 2, 3]), ("y,a", [0, 1, 3])])
def test_rows_without_a_value_are_dropped_where_that_is_asked_for(tmp_path, header, kept):
    cells = ["1,u", "NA,v", "3,", "4,w"] if header == "a,y" else ["u,1", "v,2", "x,-", "w,4"]
    (tmp_path / "t.csv").write_text(header + "\n" + "".join(f"{line}\n" for line in cells))
    found = nnfw.dataset("csv", path="t.csv", target="y", drop_missing=["a"]) if header == "y,a" else None
    found = found or nnfw.dataset("csv", path="t.csv", target="y", drop_missing=["a"], categorical=["y"])
    examples = found.load(tmp_path)
    assert examples.target.tolist() == [cells[k].split(",")[header == "a,y"] for k in kept]
    assert len(examples.table) == 3
    assert examples.table.cell("y", 2) == "w"
    assert examples.table.ranks("a", np.array([0, 2])).tolist() == [0, 1]
    assert examples.table.at("a", 2, "here").startswith("t.csv:5: column 'a'")
    assert examples.table.repeated_rows(["a"]) == 0
    assert "a row without a left out" in examples.table.notes


def test_table_of_which_no_row_is_left_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n1,,u\n,2,v\n")
    with pytest.raises(DataError, match=r"^t\.csv: no row is left: each lacks a value of a, b\.$"):
        nnfw.dataset("csv", path="t.csv", target="y", drop_missing=["a", "b"]).load(tmp_path)
